//! Webhooks from outside: what fails and comes again, what stands still and goes on, and what is sent again because somebody asks for it.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    receiver::{Answer, Manner},
    server::{Key, Server, sample, until},
    webhooks::{all_once, api, attempts, change, hook, seqs, setting, state, wait_for_state},
    wire::{PATIENCE, Reply},
};

fn resend(server: &Server, key: &Key, id: &str, body: &Value) -> Reply {
    api(server, key, "POST", &format!("/{id}/resend"), body)
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
fn one_attempt_asks_no_more_than_twice() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    // at once, so that as many connections rest afterwards
    receiver.behave("/hook", Manner::fine().after(Duration::from_millis(500)));
    server.publish_all((1..=6).map(sample));
    receiver.wait_for(6, PATIENCE).expect("six");
    assert!(receiver.connections() >= 3, "{}", receiver.connections());
    receiver.behave("/hook", Manner::fine());
    let reset = Manner::answering(Answer::ResetBeforeHead);
    receiver.first("/hook", [reset.clone(), reset]);
    let signal = server.publish_sample(7);
    receiver.wait_for(7, PATIENCE).expect("it comes again");
    let listed = until(PATIENCE, || {
        let all = attempts(&server, &key, &id).into_iter();
        let of_it: Vec<Value> = all.filter(|one| one["signal_id"] == *signal).collect();
        let acknowledged = of_it.iter().any(|one| one["error"].is_null());
        acknowledged.then_some(of_it)
    });
    // on a connection that rested, which may have been closed just then, and on a new one
    let errors: Vec<Value> = listed
        .unwrap()
        .iter()
        .map(|one| one["error"].clone())
        .collect();
    assert_eq!(errors, [Value::Null, json!("broken")]);
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
fn an_endpoint_far_behind_is_a_row_and_goes_on_from_there() {
    let (server, key, mut receiver) = setting();
    receiver.down();
    let id = hook(
        &server,
        &key,
        &json!({"url": receiver.url("/hook"), "start_after": 0}),
    );
    server.publish_all((1..=300).map(sample));
    // messages are noted, and the place behind them just after
    wait_for_state(&server, &key, &id, |state| {
        state["state"]["waiting"] == 64 && state["state"]["behind"] == 300 - 64
    });
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
