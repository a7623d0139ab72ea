//! Two servers on one database: one stream per key over both, the same bytes from both, and nothing lost when one of them is.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::Connection as _;

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
    // it knows, and lets nobody wait for its database
    let begun = Instant::now();
    let reply = other.get("/api/signals", &kept);
    reply.expect_error(503, "unavailable");
    assert!(reply.head.header("retry-after").is_some());
    let accepts = ("accept", "text/event-stream");
    let mut stream = other.stream(&taken, "", &[accepts]);
    assert_eq!(stream.head.status, 200);
    stream.expect("bye");
    let balanced = other.stream(&taken, "", &[accepts, ("x-other-nodes", "1")]);
    balanced.refusal().expect_error(503, "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(3), "at once");
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

#[test]
fn a_node_held_for_gone_without_knowing_ends_what_was_taken() {
    let (one, other) = two();
    let key = one.alpha_key();
    let mut first = one.listen(&key, "", &[]);
    let known = one.publish_sample(1);
    first.expect_signal(&known);
    // as if the database's clock were set forward, between two heartbeats
    let taken = until(PATIENCE, || {
        one.sql("update nodes set beat_at = beat_at - interval '10 s' where id in (select node from leases)");
        let stream = other.stream(&key, "", &[]);
        (stream.head.status == 200).then_some(stream)
    });
    let mut second = taken.expect("the lease seems to be free");
    second.expect_hello();
    expect_superseded(&mut first);
    let id = one.publish_sample(2);
    second.expect_signal(&id);
}

/// Puts the log back to its first `kept` signals, and publishes others in the place of the rest.
fn put_back(on: &Server, kept: u32, anew: std::ops::Range<u32>) {
    let anew: Vec<String> = anew.map(|n| format!("'{}'", sample(n))).collect();
    on.sql(&format!(
        "begin; delete from signals where seq > {kept}; update log_head set seq = {kept};
         select publish_signals(array[{}]::text[]); commit",
        anew.join(", ")
    ));
}

#[test]
fn a_log_that_goes_back_is_told_as_a_gap() {
    let (one, other) = two();
    let keys = [one.alpha_key(), one.alpha_key(), one.alpha_key()];
    let epoch = one.epoch(&keys[0]);
    let mut streams = [
        one.listen(&keys[0], "", &[]),
        other.listen(&keys[1], "", &[]),
    ];
    for n in 1..=6 {
        let id = one.publish_sample(n);
        for stream in &mut streams {
            stream.expect_signal(&id);
        }
    }
    // shorter than it was; then as long, with others in the place of those that were sent
    let mut before = epoch;
    for (kept, anew, head) in [(4, 100..100, 4), (2, 102..104, 4)] {
        put_back(&one, kept, anew);
        // whoever comes just now is sent nothing that is lost
        let mut fresh = other.listen(&keys[2], "", &[]);
        let mut now = String::new();
        for stream in &mut streams {
            let gap = stream.expect("gap");
            assert_eq!(gap.json()["reason"], "epoch_changed");
            let (epoch, seq) = gap.id.split_once('-').unwrap();
            assert_eq!(seq, head.to_string());
            assert_ne!(epoch, before);
            assert!(now.is_empty() || now == epoch, "one name on all nodes");
            now = epoch.to_owned();
        }
        // the engines begin again, and what is published meanwhile is to be sent again
        let id = other.publish_when_it_can(200 + kept);
        for stream in &mut streams {
            let signal = stream.expect_signal(&id);
            assert_eq!(signal.id, format!("{now}-{}", head + 1));
        }
        loop {
            match fresh.event(PATIENCE) {
                Next::Frame(frame) if frame.event == "gap" => {}
                Next::Frame(frame) if frame.event == "signal" => {
                    assert_eq!(frame.json()["id"], json!(id), "a signal that is lost");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        drop(fresh);
        // an id of before names nothing any more
        let back = [("last-event-id", &*format!("{before}-3"))];
        let mut late = one.listen(&keys[2], "", &back);
        assert_eq!(late.expect("gap").json()["reason"], "epoch_changed");
        before = now;
    }
    assert_eq!(one.epoch(&keys[0]), before);
}

#[test]
fn what_cannot_be_published_is_said_by_readyz_until_it_can() {
    let place = Arc::new(Place::new());
    let server = Server::on(place.clone(), &[("SIGCAST_DATABASE__LOCK_SECONDS", "1")]);
    let url = place.database().url.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut holder = runtime.block_on(async {
        let mut holder = sqlx::PgConnection::connect(&url).await.unwrap();
        let hold = sqlx::raw_sql("begin; select seq from log_head for update");
        hold.execute(&mut holder).await.unwrap();
        holder
    });
    let refused = server.admin("POST", "/v1/signals", &sample(1).to_string());
    refused.expect_error(503, "unavailable");
    for _ in 0..3 {
        // what else is stored says nothing of it
        server.alpha_key();
        assert_eq!(server.admin("GET", "/readyz", "").head.status, 503);
    }
    runtime.block_on(async {
        sqlx::raw_sql("rollback")
            .execute(&mut holder)
            .await
            .unwrap();
    });
    let ready = until(PATIENCE, || {
        (server.admin("GET", "/readyz", "").head.status == 200).then_some(())
    });
    assert!(ready.is_some(), "it is ready again, by itself");
    server.publish_sample(1);
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
