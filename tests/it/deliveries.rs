//! What is said of both channels: what was written to an account's streams, and what its webhooks acknowledged; never more than there was.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use sigcast::model::time::Time;

use super::{
    server::{Key, Server, now, sample, until},
    wire::{Next, PATIENCE, Stream, Wire, request},
};

/// What is written is saved every five seconds.
const SAVED_WITHIN: Duration = Duration::from_secs(20);
/// Tests ask until it is so.
const OFTEN: (&str, &str) = ("SIGCAST_PLANS__ALPHA__BURST", "0");
const HOOK: &str = "11111111-0000-4000-8000-000000000001";

/// An endpoint of an account that is sent nothing, as a statement.
fn hook(id: &str, account: &str) -> String {
    format!(
        "insert into hooks (id, account_id, url, description, filter, ordered, enabled, disabled_why, disabled_at, secret, created_at,
         version, epoch, sent_to) select '{id}', '{account}', 'https://example.com/', '', '{{}}', false, false, 'asked', 1, 'sealed', 1,
         1, epoch, seq from log_head;
         update hook_version set version = version + 1;"
    )
}

/// A server, an account that has had a webhook for long, and two keys of it.
fn with_webhook(settings: &[(&str, &str)]) -> (Server, String, [Key; 2]) {
    let mut server = Server::with(&[settings, &[OFTEN]].concat());
    let account = server.account("alpha");
    let keys = [server.key(&account), server.key(&account)];
    server.sql(&hook(HOOK, &account));
    server.restart();
    (server, account, keys)
}

fn deliveries(server: &Server, key: &Key, query: &str) -> Value {
    server
        .get(&format!("/api/v1/deliveries{query}"), key)
        .ok_json()
}

/// By seq, from the first on: the streams that are named.
fn streams(all: &Value) -> Vec<Vec<Value>> {
    let items = all["items"].as_array().expect("items");
    let of = |item: &Value| item["streams"].as_array().expect("streams").clone();
    items.iter().map(of).collect()
}

/// Waits until each signal of the log has been written to so many streams.
fn wait_for(server: &Server, key: &Key, counts: &[usize]) -> Value {
    let mut last = Value::Null;
    let found = until(SAVED_WITHIN, || {
        let reply = server.get("/api/v1/deliveries?limit=200", key);
        if reply.head.status == 503 {
            // a node that finds the log another one says nothing for a moment
            return None;
        }
        last = reply.ok_json();
        let found: Vec<usize> = streams(&last).iter().map(Vec::len).collect();
        (found == counts).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("{counts:?} streams expected of {last}"))
}

fn take(stream: &mut Stream, seqs: std::ops::RangeInclusive<i64>) -> String {
    let mut last = String::new();
    for seq in seqs {
        let frame = stream.expect("signal");
        assert_eq!(frame.json()["seq"], seq);
        last = frame.id;
    }
    last
}

#[test]
fn what_was_written_to_a_stream_is_said() {
    let (server, _, [key, other]) = with_webhook(&[]);
    let mut stream = server.listen(&key, "", &[]);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    take(&mut stream, 1..=3);
    let all = wait_for(&server, &key, &[1, 1, 1]);
    let (epoch, first) = (&all["epoch"], &all["items"][0]);
    let epoch = epoch.as_str().unwrap();
    assert_eq!(first["id"], sample(1)["id"]);
    assert_eq!(first["seq"], 1);
    assert_eq!(first["event_id"], format!("{epoch}-1"));
    assert!(first["published_at"].is_string());
    let on = &first["streams"][0];
    let prefix = &key.text[..on["key_prefix"].as_str().unwrap().len()];
    assert_eq!(
        (&on["key_prefix"], &on["filter"]),
        (&json!(prefix), &Value::Null)
    );
    let open = server.admin("GET", "/v1/connections", "").ok_json();
    assert_eq!(on["connection"], open["items"][0]["connection"]);
    assert!(on["saved_at"].as_str() > first["published_at"].as_str());
    assert_eq!(
        (&all["next"], &all["head"]),
        (&json!(format!("{epoch}-3")), &json!(3))
    );
    assert_eq!(all["summary"]["signals"], 3);
    assert_eq!(all["summary"]["on_stream"], 3);
    assert_eq!(all["summary"]["on_neither"], json!([]));
    assert!(all["meta"]["requestId"].is_string());
    // another key of the account reads the same, and a page is what was asked for
    let page = deliveries(&server, &other, &format!("?after={epoch}-1&limit=1"));
    assert_eq!(page["items"], json!([all["items"][1]]));
    let before = deliveries(&server, &other, &format!("?before={epoch}-3&limit=1"));
    assert_eq!(before["items"], page["items"]);
    // two streams of two keys
    let mut second = server.listen(&other, "", &[("last-event-id", &format!("{epoch}-1"))]);
    take(&mut second, 2..=3);
    let all = wait_for(&server, &key, &[1, 2, 2]);
    let named = |n: usize| {
        streams(&all)[n]
            .iter()
            .map(|on| on["key_prefix"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(1).len(), 2);
    assert!(named(1).contains(&json!(prefix)));
}

#[test]
fn a_stream_that_closes_and_one_that_resumes_are_ranges_of_their_own() {
    let (server, _, [key, _]) = with_webhook(&[]);
    let mut stream = server.listen(&key, "", &[]);
    server.publish_sample(1);
    server.publish_sample(2);
    let last = take(&mut stream, 1..=2);
    drop(stream);
    let closed = wait_for(&server, &key, &[1, 1]);
    server.publish_sample(3);
    let mut resumed = server.listen(&key, "", &[("last-event-id", &last)]);
    take(&mut resumed, 3..=3);
    let all = wait_for(&server, &key, &[1, 1, 1]);
    assert_eq!(streams(&all)[0][0], streams(&closed)[0][0], "it is over");
    let connection = |n: usize| streams(&all)[n][0]["connection"].clone();
    assert_eq!(connection(0), connection(1));
    assert_ne!(connection(1), connection(2));
}

#[test]
fn a_replay_counts_to_its_last_signal() {
    let (server, _, [key, _]) = with_webhook(&[]);
    for n in 1..=5 {
        server.publish_sample(n);
    }
    let end = now();
    std::thread::sleep(Duration::from_millis(1_100));
    let query = format!("?since=2020-01-01T00:00:00Z&replay_until={end}&speed=10000");
    let mut stream = server.listen(&key, &query, &[]);
    take(&mut stream, 1..=5);
    stream.expect("bye");
    stream.expect_end();
    wait_for(&server, &key, &[1; 5]);
}

#[test]
fn what_a_filter_hides_was_not_written() {
    let (server, _, [key, _]) = with_webhook(&[]);
    let mut stream = server.listen(&key, "?min_rank=S&types=consensus_buy", &[]);
    for n in 1..=4 {
        let mut signal = sample(n);
        signal["rank"] = json!(if n % 2 == 0 { "S" } else { "B" });
        server.publish(&signal);
    }
    for seq in [2, 4] {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let all = wait_for(&server, &key, &[0, 1, 0, 1]);
    let filter = &streams(&all)[1][0]["filter"];
    assert_eq!(
        *filter,
        json!({"types": ["consensus_buy"], "min_rank": "S"})
    );
    assert_eq!(all["summary"]["on_stream"], 2);
    let good = deliveries(&server, &key, "?min_rank=S");
    assert_eq!(good["summary"]["signals"], 2);
}

#[test]
fn whoever_gets_a_webhook_later_is_noted_from_then_on() {
    let server = Server::with(&[OFTEN]);
    let account = server.account("alpha");
    let (key, plain) = (server.key(&account), server.alpha_key());
    let mut stream = server.listen(&key, "", &[]);
    let mut unnoted = server.listen(&plain, "", &[]);
    server.publish_sample(1);
    take(&mut stream, 1..=1);
    server.sql(&hook(HOOK, &account));
    let mut n = 1;
    let noted = until(SAVED_WITHIN, || {
        n += 1;
        server.publish_sample(n);
        take(&mut stream, i64::from(n)..=i64::from(n));
        std::thread::sleep(Duration::from_millis(200));
        let all = deliveries(&server, &key, "?limit=200");
        let on = streams(&all).iter().map(Vec::len).collect::<Vec<_>>();
        on.contains(&1).then_some(on)
    });
    let noted = noted.expect("its stream is noted");
    assert_eq!(noted[0], 0, "nobody knows");
    let first = noted.iter().position(|count| *count == 1).unwrap();
    let rest = &noted[first..];
    let last = rest.iter().rposition(|count| *count == 1).unwrap();
    assert!(rest[..=last].iter().all(|count| *count == 1), "{noted:?}");
    // the other account's streams are not noted, and it is told nothing of these
    take(&mut unnoted, 1..=i64::from(n));
    let theirs = deliveries(&server, &plain, "?limit=200");
    assert!(streams(&theirs).iter().all(Vec::is_empty));
    assert_eq!(theirs["items"][0]["webhooks"], json!([]));
    assert_eq!(theirs["summary"]["undecided"], n);
    assert_eq!(theirs["summary"]["on_neither"], json!([]));
}

#[test]
fn where_the_log_goes_back_another_range_begins() {
    let (server, _, [key, _]) = with_webhook(&[]);
    let mut stream = server.listen(&key, "", &[]);
    for n in 1..=4 {
        server.publish_sample(n);
    }
    take(&mut stream, 1..=4);
    wait_for(&server, &key, &[1; 4]);
    server.sql("delete from signals where seq > 2; update log_head set seq = 2 where only_row = 1");
    let gap = stream.expect("gap");
    assert_eq!(gap.json()["reason"], "epoch_changed");
    let body = sample(9).to_string();
    let published = until(PATIENCE, || {
        let reply = server.admin("POST", "/v1/signals", &body);
        (reply.head.status == 200).then_some(())
    });
    published.expect("it is published");
    let frame = stream.expect("signal");
    assert_eq!(frame.json()["seq"], 3);
    // of this log, nothing else was written to it
    let all = wait_for(&server, &key, &[0, 0, 1]);
    let id = format!("{}-3", all["epoch"].as_str().unwrap());
    assert_eq!((&frame.id, &all["items"][2]["event_id"]), (&id, &json!(id)));
}

#[test]
fn a_killed_server_has_said_no_more_than_it_wrote() {
    let (mut server, _, [key, _]) = with_webhook(&[]);
    let mut stream = server.listen(&key, "", &[]);
    let mut n = 0;
    let mut got = BTreeSet::new();
    let said = until(SAVED_WITHIN, || {
        for _ in 0..20 {
            n += 1;
            server.publish_sample(n);
        }
        // it is read in part: what was written is ahead of what was received
        for _ in 0..10 {
            got.insert(stream.expect("signal").json()["seq"].as_i64().unwrap());
        }
        let all = deliveries(&server, &key, "?limit=200");
        (all["summary"]["on_stream"].as_i64() > Some(0)).then_some(())
    });
    said.expect("something is saved");
    server.publish_all((n + 1..=n + 50).map(sample));
    server.kill();
    while let Next::Frame(frame) = stream.event(PATIENCE) {
        got.insert(frame.json()["seq"].as_i64().unwrap());
    }
    server.restart();
    let mut after = format!("{}-0", server.epoch(&key));
    let mut said = 0;
    loop {
        let page = deliveries(&server, &key, &format!("?limit=200&after={after}"));
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        for item in items.iter().filter(|item| item["streams"] != json!([])) {
            said += 1;
            assert!(got.contains(&item["seq"].as_i64().unwrap()), "{item}");
        }
        page["next"].as_str().unwrap().clone_into(&mut after);
    }
    assert!(said > 0);
    // a new process counts connections anew, and takes nothing for its own
    let mut stream = server.listen(&key, "", &[]);
    server.publish_sample(n + 51);
    take(&mut stream, i64::from(n + 51)..=i64::from(n + 51));
    let saved = until(SAVED_WITHIN, || {
        let page = deliveries(&server, &key, &format!("?after={after}"));
        (page["summary"]["on_stream"] == 1).then_some(page)
    });
    saved.expect("the new one's");
}

/// Its client reads nothing: much of what it is to be sent waits, in the server and in what it writes by.
#[test]
fn what_waits_in_a_server_that_is_killed_was_not_written() {
    const SIGNALS: u32 = 60;
    let patient = [("SIGCAST_STREAM__WRITE_STALL_SECONDS", "60")];
    let (mut server, _, [key, _]) = with_webhook(&patient);
    let bearer = format!("Bearer {}", key.text);
    let mut wire = Wire::narrow(server.main);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    let mut stream = Stream::on(wire);
    stream.expect_hello();
    server.publish_all((1..=SIGNALS).map(|n| {
        let mut signal = sample(n);
        signal["pad"] = json!("x".repeat(10_000));
        signal
    }));
    let said = |server: &Server| {
        let all = deliveries(server, &key, "?limit=200");
        let on = |on: &&Value| on["streams"] != json!([]);
        let items = all["items"].as_array().unwrap().iter().filter(on);
        let seqs: BTreeSet<i64> = items.map(|on| on["seq"].as_i64().unwrap()).collect();
        seqs
    };
    let before = until(SAVED_WITHIN, || {
        Some(said(&server)).filter(|seqs| !seqs.is_empty())
    });
    let before = before.expect("something is saved");
    server.kill();
    let mut got = BTreeSet::new();
    while let Next::Frame(frame) = stream.event(PATIENCE) {
        got.insert(frame.json()["seq"].as_i64().unwrap());
    }
    assert!(got.len() < SIGNALS as usize, "nothing waited");
    server.restart();
    let after = said(&server);
    assert!(
        after.is_superset(&before) && after.is_subset(&got),
        "{after:?} of {got:?}"
    );
}

#[test]
fn what_is_written_last_is_saved_before_the_end() {
    let (mut server, _, [key, _]) = with_webhook(&[("SIGCAST_HTTP__DRAIN_SECONDS", "0")]);
    let mut stream = server.listen(&key, "", &[]);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    take(&mut stream, 1..=3);
    server.terminate();
    stream.expect("bye");
    let ended = server.exit_within(PATIENCE);
    assert!(ended.success(), "{ended:?}");
    server.restart();
    let all = deliveries(&server, &key, "");
    assert_eq!(all["summary"]["on_stream"], 3, "{all}");
}

#[test]
fn what_became_of_signals_at_webhooks_is_said_beside() {
    let (server, account, [key, _]) = with_webhook(&[]);
    for n in 1..=7 {
        server.publish_sample(n);
    }
    let second = "22222222-0000-4000-8000-000000000002";
    server.sql(&hook(second, &account));
    let theirs = server.account("alpha");
    server.sql(&hook("33333333-0000-4000-8000-000000000003", &theirs));
    let id = |n: u32| sample(n)["id"].as_str().unwrap().to_owned();
    let made = now().plus(-3_600 * Time::SECOND).to_whole_ms();
    let attempt = |n: u32, error: &str| {
        format!(
            "insert into hook_attempts (hook_id, seq, signal_id, attempt, at, took, status, error)
             values ('{HOOK}', {n}, '{}', 1, {}, 5000, 200, {error});",
            id(n),
            made.0
        )
    };
    let message = |n: u32, next: &str| {
        format!(
            "insert into hook_messages (hook_id, seq, signal_id, attempts, first_at, next_at) values ('{HOOK}', {n}, '{}', 4, 1, {next});",
            id(n)
        )
    };
    let statements = [
        attempt(1, "'status'"),
        attempt(1, "null"),
        message(2, "9999999999999999"),
        message(3, "null"),
        // another signal's, before the log went back
        attempt(4, "null").replace(&id(4), &id(999)),
        attempt(7, "null"),
        format!("update hooks set sent_to = 5 where id = '{HOOK}';"),
        // the fifth was published long ago, and so was all but the last
        "update signals set published_at = published_at - 60 * 1000000 where seq < 7;".to_owned(),
        "update signals set published_at = published_at - 30 * 86400 * cast(1000000 as bigint) where seq = 5;".to_owned(),
    ];
    server.sql(&statements.join("\n"));
    let all = deliveries(&server, &key, "");
    let at = |n: usize, hook: usize| all["items"][n - 1]["webhooks"][hook].clone();
    let state = |n: usize| at(n, 0)["state"].clone();
    assert_eq!(at(1, 0)["webhook_id"], HOOK);
    assert_eq!(
        at(1, 0),
        json!({"webhook_id": HOOK, "state": "acknowledged", "acknowledged_at": made.plus(5_000), "attempts": 2})
    );
    let untouched = |state: &str, attempts: u32| json!({"webhook_id": HOOK, "state": state, "acknowledged_at": null, "attempts": attempts});
    assert_eq!(at(2, 0), untouched("waiting", 4));
    assert_eq!(at(3, 0), untouched("failed", 4));
    assert_eq!(at(4, 0), untouched("not_sent", 0));
    assert_eq!(state(5), "forgotten");
    assert_eq!(state(6), "pending");
    assert_eq!(state(7), "acknowledged");
    // made at the head of the log, the second was sent nothing, and the other account's is not here
    for n in 1..=7 {
        let both = all["items"][n - 1]["webhooks"].as_array().unwrap();
        assert_eq!(both.len(), 2);
        let expected = if n == 5 { "forgotten" } else { "not_sent" };
        assert_eq!(
            (&both[1]["webhook_id"], &both[1]["state"]),
            (&json!(second), &json!(expected))
        );
    }
    assert_eq!(
        all["summary"],
        json!({
            "signals": 7, "on_stream": 0, "by_webhook": 2,
            "on_neither": [id(2), id(3), id(4), id(6)],
            "undecided": 1,
        })
    );
}

#[test]
fn who_may_ask_what() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__LISTENER__STREAM", "true"),
        ("SIGCAST_PLANS__HOOKED__WEBHOOKS", "true"),
        ("SIGCAST_PLANS__NOTHING__MCP", "true"),
    ]);
    for plan in ["listener", "hooked", "free", "alpha"] {
        let key = server.key(&server.account(plan));
        let empty = deliveries(&server, &key, "");
        assert_eq!(empty["items"], json!([]), "{plan}");
        assert_eq!(empty["summary"]["signals"], 0);
    }
    let path = "/api/v1/deliveries";
    let nothing = server.key(&server.account("nothing"));
    let refused = server.get(path, &nothing);
    refused.expect_error(403, "subscription_required");
    request(server.main, "GET", path, &[], b"").expect_error(401, "missing_api_key");
    let key = server.alpha_key();
    for query in ["?limit=201", "?offset=1", "?after=x", "?after=ffffffff-1"] {
        let refused = server.get(&format!("{path}{query}"), &key);
        refused.expect_error(400, "invalid_parameter");
    }
    let bearer = format!("Bearer {}", key.text);
    let post = request(
        server.main,
        "POST",
        path,
        &[("authorization", &bearer)],
        b"",
    );
    post.expect_error(405, "method_not_allowed");
}
