//! What a key may ask: exact for many at once, over an end and over a crash; too fast; and who asks the most.

use std::{thread, time::Instant};

use serde_json::{Value, json};

use super::{
    server::{Key, Server},
    wire::{PATIENCE, Reply, Wire, request},
};

/// Plans without a limit by the second, so that a test may ask at once what it asks in a day.
const UNPACED: [(&str, &str); 3] = [
    ("SIGCAST_PLANS__FREE__REQUESTS_PER_SECOND", "0"),
    ("SIGCAST_PLANS__PRO__REQUESTS_PER_SECOND", "0"),
    ("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0"),
];

fn number(reply: &Reply, header: &str) -> u64 {
    let value = reply.head.header(header);
    let number = value.and_then(|value| value.parse().ok());
    number.unwrap_or_else(|| panic!("no {header} in {}", reply.head.raw))
}

fn remaining(reply: &Reply) -> u64 {
    number(reply, "x-ratelimit-remaining")
}

/// So many clients at once, each with one request.
fn at_once(server: &Server, key: &Key, clients: usize) -> Vec<Reply> {
    thread::scope(|scope| {
        let all: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| server.get("/api/v1/health", key)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// What the operator sees of the key.
fn usage(server: &Server, key: &Key) -> Value {
    let top = server.admin("GET", "/v1/usage", "").ok_json();
    let items = top["items"].as_array().unwrap();
    let of_key = items.iter().find(|item| item["key_id"] == key.id.as_str());
    of_key.unwrap_or_else(|| panic!("{top}")).clone()
}

#[test]
fn exactly_the_plan_for_many_at_once_and_over_every_end() {
    let mut server = Server::with(&UNPACED);
    let key = server.key(&server.account("free"));
    let first = at_once(&server, &key, 20);
    assert!(first.iter().all(|reply| reply.head.status == 200));
    // counted, answered, and then killed: nothing of it may be forgotten
    server.restart();
    assert_eq!(usage(&server, &key)["today"], 20);
    let mut replies = at_once(&server, &key, 64);
    let (passed, refused): (Vec<Reply>, Vec<Reply>) =
        replies.drain(..).partition(|r| r.head.status == 200);
    assert_eq!((passed.len(), refused.len()), (20, 44));
    let mut left: Vec<u64> = passed.iter().map(remaining).collect();
    left.sort_unstable();
    assert_eq!(left[0], 0);
    assert!(left.iter().all(|left| *left < 20), "{left:?}");
    for reply in &refused {
        let details = reply.expect_error(429, "rate_limited");
        assert_eq!(details["limit"], "day");
        assert_eq!(remaining(reply), 0);
        assert!((1..=86_400).contains(&number(reply, "retry-after")));
    }
    server.terminate();
    server.exit_within(2 * PATIENCE);
    server.restart();
    let still = server.get("/api/v1/me", &key);
    still.expect_error(429, "rate_limited");
    assert_eq!(number(&still, "x-ratelimit-limit"), 40);
    let reset = still.head.header("x-ratelimit-reset").unwrap();
    assert!(reset.ends_with("T00:00:00.000Z"), "{reset}");
    assert_eq!(usage(&server, &key)["total"], 40);
}

#[test]
fn a_good_end_keeps_every_request_and_a_crash_costs_less_than_a_block() {
    let mut server = Server::with(&UNPACED);
    let key = server.key(&server.account("pro"));
    let me = |server: &Server| server.get("/api/v1/me", &key).ok_json()["usage"].clone();
    let expected = json!({"today": 1, "thisMonth": 1, "total": 1});
    assert_eq!(me(&server), expected);
    server.terminate();
    server.exit_within(2 * PATIENCE);
    server.restart();
    assert_eq!(me(&server)["total"], 2, "what was reserved came back");
    server.restart();
    let after = me(&server)["total"].as_u64().unwrap();
    assert!((3..=3 + 9).contains(&after), "{after}: a block is ten");
}

#[test]
fn too_fast_is_refused_and_not_counted() {
    let server = Server::start();
    let key = server.key(&server.account("pro"));
    let begun = Instant::now();
    let replies: Vec<Reply> = (0..45)
        .map(|_| server.get("/api/v1/health", &key))
        .collect();
    let seconds = begun.elapsed().as_secs_f64();
    let (passed, refused): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.head.status == 200);
    assert!(
        (20..=21 + (10.0 * seconds) as usize).contains(&passed.len()),
        "{} in {seconds} s",
        passed.len()
    );
    for reply in &refused {
        let details = reply.expect_error(429, "rate_limited");
        assert_eq!(details["limit"], "burst");
        assert_eq!(number(reply, "retry-after"), 1);
        assert_eq!(number(reply, "x-ratelimit-limit"), 10_000, "the plan's own");
    }
    if seconds < 2.0 {
        assert!(!refused.is_empty());
    }
    assert_eq!(usage(&server, &key)["today"], passed.len());
    // the stream's connects are not counted
    let key = server.alpha_key();
    for _ in 0..25 {
        server.listen(&key, "", &[("x-stream-takeover", "1")]);
    }
    let me = server.get("/api/v1/me", &key).ok_json();
    assert_eq!(me["usage"]["total"], 1, "{me}");
}

#[test]
fn the_log_is_counted_as_the_rest_is() {
    let server = Server::with(&UNPACED);
    let key = server.key(&server.account("free"));
    assert_eq!(remaining(&server.get("/api/signals", &key)), 39);
    let missing = server.get("/api/signals/00000000-0000-4000-8000-000000000000", &key);
    missing.expect_error(404, "signal_not_found");
    assert_eq!(remaining(&missing), 38);
    assert_eq!(remaining(&server.get("/api/v1/me", &key)), 37);
}

#[test]
fn a_plan_without_limits_is_counted_all_the_same() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__OPEN__REST", "true"),
        ("SIGCAST_PLANS__OPEN__BURST", "0"),
        ("SIGCAST_PLANS__PACED__REST", "true"),
    ]);
    let key = server.key(&server.account("open"));
    let bearer = format!("Bearer {}", key.text);
    let mut wire = Wire::connect(server.main);
    for _ in 0..2_500 {
        wire.get("/api/v1/health", &[("authorization", &bearer)]);
        let reply = wire.reply();
        assert_eq!(reply.head.status, 200);
        assert!(reply.head.header("x-ratelimit-limit").is_none());
    }
    assert_eq!(usage(&server, &key)["today"], 2_500);
    let me = server.get("/api/v1/me", &key).ok_json();
    assert_eq!(me["usage"]["today"], 2_501);
    assert_eq!(me["plan"]["requestsPerDay"], Value::Null);
    // a plan that counts neither days nor months is described by its bucket
    let paced = server.key(&server.account("paced"));
    let reply = server.get("/api/v1/health", &paced);
    assert_eq!(
        (number(&reply, "x-ratelimit-limit"), remaining(&reply)),
        (20, 19)
    );
}

#[test]
fn the_operator_sees_who_asks_the_most() {
    let server = Server::with(&UNPACED);
    let account = server.account("pro");
    let keys: Vec<Key> = (0..3).map(|_| server.key(&account)).collect();
    for (key, times) in keys.iter().zip([2, 5, 1]) {
        for _ in 0..times {
            server.get("/api/v1/health", key);
        }
    }
    let top = server
        .admin("GET", "/v1/usage?sort=total&limit=2", "")
        .ok_json();
    assert_eq!((&top["total"], &top["limit"]), (&json!(3), &json!(2)));
    let shown: Vec<(&Value, &Value)> = top["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["key_id"], &item["total"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!(keys[1].id), &json!(5)),
            (&json!(keys[0].id), &json!(2))
        ]
    );
    let unknown = server.admin("GET", "/v1/usage?sort=name", "");
    unknown.expect_error(400, "invalid_parameter");

    let file = server.admin("GET", "/v1/usage?format=csv", "");
    let kind = file.head.header("content-type").unwrap();
    assert!(kind.starts_with("text/csv"), "{kind}");
    let text = file.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "key_id,prefix,account_id,account,plan,today,this_month,total"
    );
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[1].starts_with(&keys[1].id) && lines[1].ends_with(",somebody,pro,5,5,5"));
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [("authorization", bearer.as_str()), ("accept", "text/csv")];
    let page = request(
        server.admin,
        "GET",
        "/v1/usage?limit=1&offset=1",
        &headers,
        b"",
    );
    assert_eq!(page.text().lines().count(), 2);
    assert!(page.text().contains(&keys[0].id));
}
