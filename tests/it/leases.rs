//! Two servers on one database: one stream per key over both, the same bytes from both, and nothing lost when one of them is.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    crash::{fired, lines, market},
    place::{DATABASE_URL, Place},
    server::{Key, Server, sample, until},
};
use crate::{
    harness::proxy::Proxy,
    wire::{Next, PATIENCE, Stream},
};

/// A node, and another one beside it.
fn two() -> (Server, Server) {
    let place = Arc::new(Place::new());
    let other = place.beside();
    (Server::on(place, &[]), Server::on(other, &[]))
}

const TAKEOVER: (&str, &str) = ("x-stream-takeover", "1");

fn expect_superseded(stream: &mut Stream) {
    assert_eq!(stream.expect("error").json()["code"], "superseded");
    stream.expect_end();
}

/// Opens a stream as a client does that comes back until it is let in; how long it took.
fn come_back(to: &Server, key: &Key, last_id: &str) -> (Stream, Duration) {
    let begun = Instant::now();
    loop {
        let stream = to.stream(key, "", &[("last-event-id", last_id)]);
        assert_eq!(stream.head.status, 200, "{}", stream.head.raw);
        let mut stream = stream;
        match stream.event(PATIENCE) {
            Next::Frame(frame) if frame.event == "hello" => return (stream, begun.elapsed()),
            // not now, as a server says that cannot tell
            Next::Frame(frame) if frame.event == "bye" || frame.event.is_empty() => {}
            Next::End => {}
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "it is never let in");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_key_has_one_stream_over_both_nodes() {
    let (one, other) = two();
    let key = one.alpha_key();
    let mut first = one.listen(&key, "", &[]);
    let begun = Instant::now();
    let refusal = other.stream(&key, "", &[]).refusal();
    assert!(begun.elapsed() < Duration::from_secs(3), "decided in time");
    let details = refusal.expect_error(429, "connection_limit");
    assert!(details["connected_at"].is_string(), "{details}");
    let address = details["address"].as_str().unwrap_or_default();
    assert!(address.starts_with("127.0.0.1:"), "{details}");

    let mut second = other.listen(&key, "", &[TAKEOVER]);
    expect_superseded(&mut first);
    let id = one.publish_sample(1);
    second.expect_signal(&id);
    // and back, by an id that it knows
    let last = other.publish_sample(2);
    let last = second.expect_signal(&last).id;
    let mut third = one.listen(&key, "", &[("last-event-id", &last)]);
    expect_superseded(&mut second);
    let id = other.publish_sample(3);
    third.expect_signal(&id);
}

#[test]
fn two_that_fight_for_a_key_from_two_nodes_are_stopped() {
    let (one, other) = two();
    let key = one.alpha_key();
    let mut holder = one.listen(&key, "", &[]);
    let mut taken = 0;
    loop {
        let from = if taken % 2 == 0 { &other } else { &one };
        let mut stream = from.stream(&key, "", &[TAKEOVER]);
        if stream.head.status == 429 {
            let refusal = stream.refusal();
            assert!(refusal.text().contains("too often"), "{}", refusal.text());
            break;
        }
        stream.expect_hello();
        expect_superseded(&mut holder);
        holder = stream;
        taken += 1;
        assert!(taken <= 6, "six in a minute");
    }
    assert_eq!(taken, 6);
    let id = one.publish_sample(1);
    holder.expect_signal(&id);
}

#[test]
fn who_closes_is_let_in_at_the_other_node_at_once() {
    let (one, other) = two();
    let key = one.alpha_key();
    for round in 0..30 {
        let (from, to) = if round % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        drop(from.listen(&key, "", &[]));
        let begun = Instant::now();
        let stream = to.listen(&key, "", &[]);
        assert!(begun.elapsed() < Duration::from_secs(2), "round {round}");
        drop(stream);
    }
}

#[test]
fn a_revocation_on_one_node_ends_the_stream_on_the_other() {
    let (one, other) = two();
    for _ in 0..5 {
        let key = one.alpha_key();
        let mut stream = other.listen(&key, "", &[]);
        let begun = Instant::now();
        let revoked = one.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
        assert_eq!(revoked.head.status, 200);
        assert_eq!(stream.expect("error").json()["code"], "key_revoked");
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        one.publish(&json!({"n": 1}));
        stream.expect_end();
        let refusal = other.stream(&key, "", &[]).refusal();
        refusal.expect_error(401, "invalid_api_key");
    }
}

#[test]
fn a_killed_nodes_clients_are_back_at_the_other_in_time() {
    let (mut one, other) = two();
    for round in 0..3 {
        let key = other.alpha_key();
        let mut stream = one.listen(&key, "", &[]);
        let known = one.publish_sample(10 * round + 1);
        let last = stream.expect_signal(&known).id;
        one.kill();
        let missed = other.publish_sample(10 * round + 2);
        let (mut back, waited) = come_back(&other, &key, &last);
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        back.expect_signal(&missed);
        // on the node itself nobody waits: the next process knows that the last one is no more
        let fresh = other.alpha_key();
        one.restart();
        let again = one.listen(&fresh, "", &[]);
        drop(again);
        drop(back);
    }
}

#[test]
fn a_killed_node_started_again_has_its_seats_and_engines_at_once() {
    let mut one = Server::start();
    let key = one.alpha_key();
    let _stream = one.listen(&key, "", &[]);
    one.kill();
    let begun = Instant::now();
    one.restart();
    drop(one.listen(&key, "", &[]));
    let ready = until(PATIENCE, || {
        let ready = one.admin("GET", "/readyz", "");
        (ready.head.status == 200).then(|| ready.json())
    });
    let ready = ready.expect("it is ready with its first heartbeat");
    assert_eq!(ready["engines"], "ok", "{ready}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

/// A node that reaches the database by a way that can be cut.
fn beside_by_proxy(place: &Place) -> (Proxy, Server) {
    let url = &place.database().url;
    let (before, rest) = url.split_once('@').expect("a URL with a user");
    let (host, name) = rest.split_once('/').expect("a URL with a database");
    let proxy = Proxy::to(host.parse().expect("the address of a test's server"));
    let by = format!("{before}@{}/{name}", proxy.address);
    let other = Server::on(place.beside(), &[(DATABASE_URL, &by)]);
    (proxy, other)
}

#[test]
fn a_node_cut_off_falls_silent_and_goes_on_with_what_is_still_its_own() {
    let place = Arc::new(Place::new());
    let one = Server::on(place.clone(), &[]);
    let (proxy, other) = beside_by_proxy(&place);
    let (kept, taken) = (one.alpha_key(), one.alpha_key());
    let mut keeps = other.listen(&kept, "", &[]);
    let mut loses = other.listen(&taken, "", &[]);
    let known = one.publish_sample(1);
    keeps.expect_signal(&known);
    let last = loses.expect_signal(&known).id;

    proxy.cut(true);
    // the other node's client comes to this one: it waits for the lease's end, and is not refused
    let (mut back, waited) = come_back(&one, &taken, &last);
    assert!(waited < Duration::from_secs(6), "{waited:?}");
    let missed = one.publish_sample(2);
    back.expect_signal(&missed);
    let reason = until(PATIENCE, || {
        let ready = other.admin("GET", "/readyz", "");
        (ready.head.status == 503).then(|| ready.json())
    });
    let reason = reason.expect("it is not ready").to_string();
    assert!(reason.contains("silent"), "{reason}");
    // held, and silent
    keeps.expect_quiet(Duration::from_millis(300));
    loses.expect_quiet(Duration::from_millis(300));

    proxy.cut(false);
    expect_superseded(&mut loses);
    keeps.expect_signal(&missed);
    let next = other.publish_when_it_can(3);
    keeps.expect_signal(&next);
    back.expect_signal(&next);
    let ready = until(PATIENCE, || {
        let ready = other.admin("GET", "/readyz", "");
        (ready.head.status == 200).then_some(())
    });
    assert!(ready.is_some(), "it is ready again, by itself");
}

impl Server {
    fn publish_when_it_can(&self, n: u32) -> String {
        let signal = sample(n);
        let done = until(PATIENCE, || {
            let reply = self.admin("POST", "/v1/signals", &signal.to_string());
            (reply.head.status == 200).then_some(())
        });
        done.expect("it publishes again, by itself");
        signal["id"].as_str().unwrap().to_owned()
    }
}

const FACTS: usize = 3_000;
const BATCH: usize = 60;

fn post(to: &Server, batch: &str) {
    let posted = to.admin("POST", "/v1/swaps", batch).ok_json();
    assert_eq!(posted["rejected"], json!([]), "{posted}");
}

/// Every fact has been applied.
fn wait_until_applied(on: &Place) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async {
        let db = on.open().await;
        for _ in 0..2_000 {
            if !db.has_unapplied_facts("consensus", None).await.unwrap() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    });
    assert!(done, "facts wait that nobody applies");
}

#[test]
fn the_engines_go_on_at_the_other_node_with_the_same_signals() {
    let (past, live) = market();
    let (past, batches): (String, Vec<String>) = (
        lines(&past),
        live[..FACTS].chunks(BATCH).map(lines).collect(),
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), past).unwrap();
    let ingest = [
        "ingest",
        "swaps",
        "--backfill",
        file.path().to_str().unwrap(),
    ];

    let place = Arc::new(Place::new());
    let alone = Server::on(place.clone(), &[]);
    alone.command(&ingest);
    for batch in &batches {
        post(&alone, batch);
    }
    wait_until_applied(&place);
    let key = alone.alpha_key();
    let undisturbed = fired(&alone, &key);
    drop(alone);

    let place = Arc::new(Place::new());
    let (mut one, other) = (
        Server::on(place.clone(), &[]),
        Server::on(place.beside(), &[]),
    );
    one.command(&ingest);
    let key = one.alpha_key();
    let leads = |server: &Server| {
        let ready = server.admin("GET", "/readyz", "").ok_json();
        ready["engines"] == "ok"
    };
    assert!(leads(&one) && !leads(&other), "the first has them");
    let mut took = Duration::ZERO;
    for (number, batch) in batches.iter().enumerate() {
        if number == batches.len() / 3 {
            post(&one, batch);
            one.kill();
            // facts go in meanwhile, at the other node
            let begun = Instant::now();
            let over = until(PATIENCE, || leads(&other).then_some(()));
            assert!(over.is_some(), "the engines are taken over");
            took = begun.elapsed();
            one.restart();
        }
        post(if number % 2 == 0 { &one } else { &other }, batch);
    }
    assert!(took < Duration::from_secs(8), "{took:?}");
    wait_until_applied(&place);
    let disturbed = fired(&other, &key);
    assert!(undisturbed.len() > 5, "it must fire: {}", undisturbed.len());
    assert_eq!(disturbed, undisturbed);
}
