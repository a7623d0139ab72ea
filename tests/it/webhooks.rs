//! Webhooks from outside: what arrives, what is sent again and when, what stands still, and what is never lost.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    receiver::{Answer, Delivery, Manner, Receiver},
    server::{Key, Server, sample, until},
    wire::{PATIENCE, Reply, request},
};

/// Receivers of these tests are on this machine.
pub const HERE: [(&str, &str); 3] = [
    // states are asked for again and again
    ("SIGCAST_PLANS__ALPHA__BURST", "0"),
    ("SIGCAST_WEBHOOK__ALLOW_HTTP", "true"),
    ("SIGCAST_WEBHOOK__ALLOW_SUBNETS", r#"["127.0.0.0/8"]"#),
];

pub fn api(server: &Server, key: &Key, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {}", key.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let path = format!("/api/v1/webhooks{path}");
    request(server.main, method, &path, &headers, body.as_bytes())
}

/// A server, a key, and a receiver.
pub fn setting() -> (Server, Key, Receiver) {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    (server, key, Receiver::start())
}

/// Makes an endpoint; its id.
pub fn hook(server: &Server, key: &Key, body: &Value) -> String {
    let made = api(server, key, "POST", "", body);
    assert!(made.head.status < 300, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

pub fn state(server: &Server, key: &Key, id: &str) -> Value {
    api(server, key, "GET", &format!("/{id}"), &Value::Null).ok_json()
}

pub fn change(server: &Server, key: &Key, id: &str, body: &Value) {
    let changed = api(server, key, "PATCH", &format!("/{id}"), body);
    assert_eq!(changed.head.status, 200, "{}", changed.text());
}

pub fn attempts(server: &Server, key: &Key, id: &str) -> Vec<Value> {
    let path = format!("/{id}/attempts?limit=200");
    let listed = api(server, key, "GET", &path, &Value::Null).ok_json();
    listed["items"].as_array().unwrap().clone()
}

/// Waits until the state of an endpoint is so.
pub fn wait_for_state(
    server: &Server,
    key: &Key,
    id: &str,
    what: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    let found = until(PATIENCE, || {
        last = state(server, key, id);
        what(&last).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("{last}"))
}

pub fn seqs(deliveries: &[Delivery]) -> Vec<i64> {
    let acknowledged = deliveries.iter().filter(|one| one.is_acknowledged());
    acknowledged.filter_map(|one| one.seq).collect()
}

pub fn all_once(mut seqs: Vec<i64>, expected: std::ops::RangeInclusive<i64>) {
    seqs.sort_unstable();
    assert_eq!(seqs, expected.collect::<Vec<_>>());
}

#[test]
fn a_signal_is_the_same_on_both_channels() {
    let (server, key, receiver) = setting();
    hook(&server, &key, &json!({"url": receiver.url("/hook?who=me")}));
    let mut stream = server.listen(&key, "", &[]);
    for n in 1..=5 {
        server.publish_sample(n);
        receiver.wait_for(n as usize, PATIENCE).expect("each");
    }
    let came = receiver.deliveries();
    for n in 1..=5 {
        let frame = stream.expect("signal");
        let data = frame.data.as_bytes();
        let id = frame.json()["id"].as_str().unwrap().to_owned();
        let one = came.iter().find(|one| one.seq == Some(n)).unwrap();
        assert_eq!((one.id.as_str(), one.body.as_slice()), (id.as_str(), data));
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(&*one.path, "/hook");
        assert!(one.header("webhook-signature").starts_with("v1,"));
        assert_eq!(one.header("x-sigmate-signature"), "", "nobody asked");
    }
    assert_eq!(came.len(), 5);
    assert!(receiver.connections() < 5, "connections are used again");
}

#[test]
fn only_what_passes_the_filter_is_sent() {
    let (server, key, receiver) = setting();
    let filter =
        json!({"types": ["consensus_buy"], "min_rank": "A", "min_score": 90, "market": "crypto"});
    let id = hook(
        &server,
        &key,
        &json!({"url": receiver.url("/"), "filter": filter}),
    );
    let other = |n, field: &str, value: Value| {
        let mut signal = sample(n);
        signal[field] = value;
        server.publish(&signal);
    };
    other(1, "signal_type", json!("insider_buy"));
    other(2, "rank", json!("B"));
    other(3, "rank_score", json!(89.9));
    other(4, "market", json!("us"));
    server.publish_sample(5);
    let came = receiver.wait_for(1, PATIENCE).expect("one");
    assert_eq!(seqs(&came), [5]);
    // what did not pass is nothing that it is behind
    wait_for_state(&server, &key, &id, |state| state["state"]["behind"] == 0);
    change(&server, &key, &id, &json!({"filter": null}));
    let filter = state(&server, &key, &id)["filter"].clone();
    assert_eq!(filter["types"], Value::Null);
    let mut n = 5;
    let passes = until(PATIENCE, || {
        n += 1;
        other(n, "market", json!("us"));
        receiver.wait_for(2, Duration::from_millis(100))
    });
    passes.expect("what was left out before");
}

#[test]
fn gone_disables_and_enabled_again_it_goes_on_where_it_stood() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first("/hook", [Manner::status(410)]);
    server.publish_sample(1);
    let gone = wait_for_state(&server, &key, &id, |state| state["enabled"] == false);
    assert_eq!(gone["disabled"]["why"], "gone");
    for n in 2..=4 {
        server.publish_sample(n);
    }
    assert_eq!(receiver.deliveries().len(), 1, "nothing is sent");
    assert_eq!(
        server.metric(r#"sigcast_webhook_endpoints_disabled_total{why="gone"}"#),
        1
    );
    change(&server, &key, &id, &json!({"enabled": true}));
    let came = receiver.wait_for(4, PATIENCE).expect("all of it");
    all_once(seqs(&came), 1..=4);
    assert_eq!(state(&server, &key, &id)["disabled"], Value::Null);
}

#[test]
fn what_was_missed_may_be_left_out() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    change(&server, &key, &id, &json!({"enabled": false}));
    until(PATIENCE, || {
        (server.metric("sigcast_webhook_endpoints") == 0).then_some(())
    })
    .unwrap();
    for n in 1..=3 {
        server.publish_sample(n);
    }
    change(
        &server,
        &key,
        &id,
        &json!({"enabled": true, "skip_missed": true}),
    );
    server.publish_sample(4);
    let came = receiver.wait_for(1, PATIENCE).expect("what is new");
    assert_eq!(seqs(&came), [4]);
    wait_for_state(&server, &key, &id, |state| state["state"]["behind"] == 0);
}

#[test]
fn who_never_answers_delays_nobody_else() {
    let (server, key, receiver) = setting();
    receiver.behave("/dead", Manner::answering(Answer::Never));
    let dead = hook(&server, &key, &json!({"url": receiver.url("/dead")}));
    hook(&server, &key, &json!({"url": receiver.url("/well")}));
    for n in 1..=40 {
        server.publish_sample(n);
    }
    let came = receiver.wait_for(40, PATIENCE).expect("forty");
    all_once(seqs(&came), 1..=40);
    assert_eq!(
        state(&server, &key, &dead)["state"]["behind"],
        40,
        "not one attempt is over"
    );
}

#[test]
fn in_order_means_that_nothing_passes_what_waits() {
    let (server, key, receiver) = setting();
    hook(
        &server,
        &key,
        &json!({"url": receiver.url("/strict"), "ordered": true}),
    );
    hook(&server, &key, &json!({"url": receiver.url("/loose")}));
    receiver.first("/strict", [Manner::status(500)]);
    receiver.first("/loose", [Manner::status(500)]);
    for n in 1..=20 {
        server.publish_sample(n);
    }
    receiver.wait_for(40, PATIENCE).expect("all");
    let strict = seqs(&receiver.at("/strict"));
    assert_eq!(strict, (1..=20).collect::<Vec<_>>());
    let loose = seqs(&receiver.at("/loose"));
    let failed = receiver.at("/loose");
    let failed = failed.iter().find(|one| !one.is_acknowledged()).unwrap();
    assert_eq!(
        loose.last().copied(),
        failed.seq,
        "the others passed it: {loose:?}"
    );
}

#[test]
fn a_server_that_is_killed_loses_nothing() {
    let (mut server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first(
        "/hook",
        [Manner::status(500), Manner::answering(Answer::Never)],
    );
    let mut published = 0;
    for round in 1..=4 {
        for _ in 0..10 {
            published += 1;
            server.publish_sample(published);
        }
        receiver
            .wait_for(round * 8, PATIENCE)
            .expect("most of them");
        server.kill();
        server.restart();
    }
    let done = receiver.wait_until(2 * PATIENCE, |all| {
        let seqs: BTreeSet<i64> = seqs(all).into_iter().collect();
        seqs.len() == 40
    });
    done.expect("each of them");
    wait_for_state(&server, &key, &id, |state| {
        state["state"]["behind"] == 0 && state["state"]["waiting"] == 0
    });
}

#[test]
fn what_is_under_way_at_the_end_finishes_and_is_not_sent_again() {
    let (mut server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.behave("/hook", Manner::fine().after(Duration::from_millis(1_500)));
    server.publish_sample(1);
    receiver
        .wait_until(PATIENCE, |all| all.len() == 1)
        .expect("it is under way");
    server.terminate();
    assert!(server.exit_within(2 * PATIENCE).success());
    server.restart();
    let noted = attempts(&server, &key, &id);
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0]["error"], Value::Null);
    server.publish_sample(2);
    let came = receiver.wait_for(2, PATIENCE).expect("the next");
    assert_eq!(seqs(&came), [1, 2]);
}

#[test]
fn an_account_that_lapses_is_not_sent_to_until_it_is_back() {
    let (server, key, receiver) = setting();
    hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    server.publish_sample(1);
    receiver.wait_for(1, PATIENCE).expect("one");
    let account = server.command(&["accounts", "list", "--json"]);
    let account: Value = serde_json::from_slice(&account.stdout).unwrap();
    let account = account[0]["id"].as_str().unwrap().to_owned();
    let suspended = server.command(&["accounts", "suspend", &account]);
    assert!(suspended.status.success(), "{suspended:?}");
    until(PATIENCE, || {
        (server.metric("sigcast_webhook_endpoints") == 0).then_some(())
    })
    .expect("it stops");
    server.publish_sample(2);
    let back = server.command(&["accounts", "resume", &account]);
    assert!(back.status.success(), "{back:?}");
    let came = receiver.wait_for(2, PATIENCE).expect("what it missed");
    all_once(seqs(&came), 1..=2);
}

#[test]
fn a_rotated_secret_signs_beside_the_new_one() {
    let (server, key, receiver) = setting();
    let url = receiver.url("/hook");
    let made = api(
        &server,
        &key,
        "POST",
        "",
        &json!({"url": url, "compat": "sigmate"}),
    );
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    server.publish_sample(1);
    receiver.wait_for(1, PATIENCE).expect("one");
    let rotated = api(
        &server,
        &key,
        "POST",
        &format!("/{id}/rotate"),
        &Value::Null,
    )
    .json();
    assert_ne!(rotated["secret"], made["secret"]);
    until(PATIENCE, || {
        server.publish_sample(2);
        server.publish(&json!({"id": uuid::Uuid::new_v4().to_string(), "signal_type": "x"}));
        let all = receiver.wait_for(2, PATIENCE)?;
        let last = all.last()?;
        (last.header("webhook-signature").split(' ').count() == 2
            && !last.header("x-sigmate-signature-previous").is_empty())
        .then_some(())
    })
    .expect("two signatures");
}
