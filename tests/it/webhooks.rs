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
fn setting() -> (Server, Key, Receiver) {
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

fn state(server: &Server, key: &Key, id: &str) -> Value {
    api(server, key, "GET", &format!("/{id}"), &Value::Null).ok_json()
}

fn change(server: &Server, key: &Key, id: &str, body: &Value) {
    let changed = api(server, key, "PATCH", &format!("/{id}"), body);
    assert_eq!(changed.head.status, 200, "{}", changed.text());
}

fn resend(server: &Server, key: &Key, id: &str, body: &Value) -> Reply {
    api(server, key, "POST", &format!("/{id}/resend"), body)
}

fn attempts(server: &Server, key: &Key, id: &str) -> Vec<Value> {
    let path = format!("/{id}/attempts?limit=200");
    let listed = api(server, key, "GET", &path, &Value::Null).ok_json();
    listed["items"].as_array().unwrap().clone()
}

/// Waits until the state of an endpoint is so.
fn wait_for_state(server: &Server, key: &Key, id: &str, what: impl Fn(&Value) -> bool) -> Value {
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

fn all_once(mut seqs: Vec<i64>, expected: std::ops::RangeInclusive<i64>) {
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
fn what_fails_is_sent_again_and_every_attempt_is_listed() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    let refusals = [
        Manner::answering(Answer::ResetBeforeHead),
        Manner::status(500).saying("no room"),
    ];
    receiver.first("/hook", refusals);
    let signal = server.publish_sample(1);
    let came = receiver
        .wait_for(1, 3 * PATIENCE)
        .expect("the third attempt");
    let ids: BTreeSet<&str> = came.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((came.len(), ids), (3, BTreeSet::from([signal.as_str()])));
    let waited = |n: usize| came[n].at.0 - came[n - 1].at.0;
    assert!((1_000_000..3_000_000).contains(&waited(1)), "{}", waited(1));
    assert!((5_000_000..9_000_000).contains(&waited(2)), "{}", waited(2));
    let listed = until(PATIENCE, || {
        Some(attempts(&server, &key, &id)).filter(|all| all.len() == 3)
    });
    let listed = listed.expect("three attempts");
    let errors: Vec<&Value> = listed.iter().map(|one| &one["error"]).collect();
    assert_eq!(errors, [&Value::Null, &json!("status"), &json!("broken")]);
    assert_eq!(
        (&listed[1]["status"], &listed[1]["answer"]),
        (&json!(500), &json!("no room"))
    );
    assert!(listed.iter().all(|one| one["signal_id"] == signal.as_str()));
    let numbers: Vec<&Value> = listed.iter().map(|one| &one["attempt"]).collect();
    assert_eq!(numbers, [&json!(3), &json!(2), &json!(1)]);
}

#[test]
fn who_asks_for_time_is_given_it() {
    let (server, key, receiver) = setting();
    hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first("/hook", [Manner::busy("3")]);
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("the second attempt");
    let waited = came[1].at.0 - came[0].at.0;
    assert!(waited >= 3_000_000, "{waited}");
}

#[test]
fn a_redirect_is_a_failure_and_leads_nowhere() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first("/hook", [Manner::redirect(&receiver.url("/elsewhere"))]);
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("the second attempt");
    assert!(came.iter().all(|one| &*one.path == "/hook"));
    let failed = until(PATIENCE, || {
        let all = attempts(&server, &key, &id);
        all.into_iter().find(|one| one["error"] == "redirect")
    });
    assert_eq!(failed.expect("it is listed")["status"], 302);
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
fn an_endpoint_far_behind_is_a_row_and_goes_on_from_there() {
    let (server, key, mut receiver) = setting();
    receiver.down();
    let id = hook(
        &server,
        &key,
        &json!({"url": receiver.url("/hook"), "start_after": 0}),
    );
    server.publish_all((1..=300).map(sample));
    let full = wait_for_state(&server, &key, &id, |state| state["state"]["waiting"] == 64);
    assert_eq!(full["state"]["behind"], 300 - 64);
    assert_eq!(server.metric("sigcast_webhook_messages_waiting"), 64);
    assert_eq!(server.metric("sigcast_webhook_endpoints_failing"), 1);
    receiver.up();
    // those that wait come when their time has come: a minute for the first ones
    change(&server, &key, &id, &json!({"enabled": false}));
    change(&server, &key, &id, &json!({"enabled": true}));
    let since = json!({"failed_since": "2026-01-01T00:00:00Z"});
    assert_eq!(
        resend(&server, &key, &id, &since).head.status,
        202,
        "nothing has failed for good"
    );
    let came = receiver.wait_for(300, 10 * PATIENCE).expect("all");
    all_once(seqs(&came), 1..=300);
    wait_for_state(&server, &key, &id, |state| {
        state["state"]["behind"] == 0 && state["state"]["waiting"] == 0
    });
}

#[test]
fn what_is_asked_for_is_sent_again() {
    let (server, key, receiver) = setting();
    let id = hook(
        &server,
        &key,
        &json!({"url": receiver.url("/hook"), "filter": {"min_rank": "S"}}),
    );
    let mut lower = sample(3);
    lower["rank"] = json!("D");
    for n in 1..=10 {
        let signal = if n == 3 { lower.clone() } else { sample(n) };
        server.publish(&signal);
    }
    receiver.wait_for(9, PATIENCE).expect("nine");
    receiver.drain();
    let one = resend(&server, &key, &id, &json!({"signal_id": sample(7)["id"]}));
    assert_eq!(one.head.status, 202, "{}", one.text());
    let came = receiver.wait_for(1, PATIENCE).expect("that one");
    assert_eq!(seqs(&came), [7]);
    assert_eq!(came[0].id, sample(7)["id"]);
    receiver.drain();
    // by its name even what does not pass
    resend(&server, &key, &id, &json!({"signal_id": sample(3)["id"]}));
    let came = receiver.wait_for(1, PATIENCE).expect("that one");
    assert_eq!(seqs(&came), [3]);
    receiver.drain();
    let epoch = server.epoch(&key);
    let at = |seq: i64| format!("{epoch}-{seq}");
    resend(
        &server,
        &key,
        &id,
        &json!({"after": at(1), "before": at(6)}),
    );
    let came = receiver.wait_for(3, PATIENCE).expect("2, 4 and 5");
    all_once(
        seqs(&came)
            .into_iter()
            .map(|seq| seq - i64::from(seq > 3))
            .collect(),
        2..=4,
    );
    receiver.drain();
    resend(&server, &key, &id, &json!({"after": at(0)}));
    let came = receiver.wait_for(9, PATIENCE).expect("all that pass");
    assert_eq!(came.len(), 9);
    wait_for_state(&server, &key, &id, |state| state["state"]["waiting"] == 0);
}

#[test]
fn new_signals_do_not_wait_for_a_long_range() {
    let (server, key, receiver) = setting();
    server.publish_all((1..=400).map(sample));
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.behave("/hook", Manner::fine().after(Duration::from_millis(50)));
    let epoch = server.epoch(&key);
    resend(&server, &key, &id, &json!({"after": format!("{epoch}-0")}));
    receiver.wait_for(1, PATIENCE).expect("the range begins");
    server.publish_sample(401);
    let came = receiver.wait_until(PATIENCE, |all| seqs(all).contains(&401));
    let came = came.expect("the new one");
    assert!(came.len() < 400, "{} came before it", came.len());
    let all = receiver.wait_for(401, 5 * PATIENCE).expect("all");
    all_once(seqs(&all), 1..=401);
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

#[test]
fn the_end_of_a_test_is_told_at_once_and_listed() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first("/hook", [Manner::status(503).saying("not now")]);
    let tested = api(&server, &key, "POST", &format!("/{id}/test"), &Value::Null).ok_json();
    assert_eq!(
        (&tested["status"], &tested["answer"]),
        (&json!(503), &json!("not now"))
    );
    let tested = api(&server, &key, "POST", &format!("/{id}/test"), &Value::Null).ok_json();
    assert_eq!(tested["error"], Value::Null);
    assert_eq!(receiver.deliveries().len(), 2);
    assert_eq!(attempts(&server, &key, &id).len(), 2);
    assert_eq!(
        state(&server, &key, &id)["state"]["waiting"],
        0,
        "nothing is sent again"
    );
}
