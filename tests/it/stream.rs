//! Frames, heads and filters of the stream, and the same bytes over REST.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    server::{Server, now, sample, until},
    wire::{Next, PATIENCE, request},
};

const QUIET: Duration = Duration::from_millis(300);
const FAST_PINGS: (&str, &str) = ("SIGCAST_STREAM__PING_SECONDS", "1");

#[test]
fn hello_has_its_form() {
    let server = Server::start();
    let account = server.account("alpha");
    let key = server.key(&account);
    let mut stream = server.stream(&key, "", &[]);
    let hello = stream.expect_hello();

    let data = hello.json();
    let retry = hello.retry.expect("a retry");
    assert!((1000..=4000).contains(&retry), "{retry}");
    let epoch = data["epoch"].as_str().expect("an epoch");
    let lines: Vec<String> = vec![
        "event: hello".to_owned(),
        format!("data: {}", hello.data),
        format!("retry: {retry}"),
        format!("id: {epoch}-0"),
    ];
    assert_eq!(
        hello.raw,
        lines.join("\n") + "\n\n",
        "id last, nothing else"
    );
    assert_eq!(stream.chunks[0], hello.raw, "one frame, one chunk");
    assert!(
        !hello.data.contains(": ") && !hello.data.contains(", "),
        "compact JSON"
    );

    assert_eq!(data["user_id"], account.as_str());
    assert_eq!(data["key_id"], key.id.as_str());
    assert_eq!(data["plan"], "alpha");
    assert_eq!(data["seq"], 0);
    assert_eq!(data["resumed_from"], Value::Null);
    assert_eq!(data["ping_seconds"], 25);
    let server_time = data["server_time"].as_str().expect("a time");
    let server_time = sigcast::model::time::Time::parse_iso(server_time).unwrap();
    assert!(now().seconds_since(server_time).abs() < 5.0, "{data}");
}

#[test]
fn the_head_has_what_clients_and_proxies_need() {
    let server = Server::start();
    let key = server.alpha_key();
    let stream = server.listen(&key, "", &[("accept-encoding", "gzip, br, zstd")]);
    let raw = &stream.head.raw;
    assert!(raw.starts_with("HTTP/1.1 200 OK\r\n"), "{raw}");
    for line in [
        "content-type: text/event-stream; charset=utf-8\r\n",
        "cache-control: no-store\r\n",
        "x-accel-buffering: no\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        assert!(raw.contains(line), "{line:?} is not in {raw}");
    }
    let no_compression = stream.head.header("content-encoding");
    assert_eq!(no_compression, None, "{raw}");
}

#[test]
fn retry_differs_from_connection_to_connection() {
    let server = Server::start();
    let key = server.alpha_key();
    let drawn: std::collections::BTreeSet<_> = (0..8)
        .map(|_| server.stream(&key, "", &[]).expect_hello().retry)
        .collect();
    assert!(drawn.len() > 1, "{drawn:?}");
}

#[test]
fn a_signal_is_the_same_bytes_on_every_way() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    // spelling of numbers, order of keys, escapes and unknown fields are the publisher's
    let id = "f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f";
    let body = format!(
        "{{ \"rank\":\"S\", \"id\":\"{}\",\n \"z\":1.50, \"e\":1e2, \"t\":\"é\\u0041\", \"own\":{{\"seq\":1}} }}",
        id.to_uppercase()
    );
    let published = server.admin("POST", "/v1/signals", &body).ok_json();
    assert_eq!(published, json!({"id": id, "seq": 1, "duplicate": false}));

    let frame = stream.expect_signal(id);
    let time = frame.json()["published_at"].as_str().unwrap().to_owned();
    assert_eq!(
        frame.data,
        format!(
            "{{\"seq\":1,\"published_at\":\"{time}\",\"rank\":\"S\",\"id\":\"{id}\",\"z\":1.50,\"e\":1e2,\"t\":\"é\\u0041\",\"own\":{{\"seq\":1}}}}"
        )
    );
    let epoch = server.epoch(&key);
    assert_eq!(
        frame.raw,
        format!("event: signal\ndata: {}\nid: {epoch}-1\n\n", frame.data)
    );
    assert_eq!(
        stream.chunks.last(),
        Some(&frame.raw),
        "one frame, one chunk"
    );

    for name in [id.to_owned(), format!("{epoch}-1")] {
        let one = server.get(&format!("/api/signals/{name}"), &key);
        assert_eq!(one.head.status, 200, "{}", one.text());
        assert_eq!(one.text(), frame.data, "by {name}");
    }
    let list = server.get("/api/signals", &key);
    assert_eq!(list.head.status, 200);
    assert!(list.text().contains(&frame.data), "{}", list.text());
    let list = list.json();
    assert_eq!(list["next"], format!("{epoch}-1"));
    assert_eq!(list["epoch"], epoch.as_str());
    let unknown = server.get("/api/signals/00000000-0000-4000-8000-000000000000", &key);
    unknown.expect_error(404, "signal_not_found");
}

#[test]
fn publishing_twice_is_publishing_once() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let first = server.publish(&sample(1));
    let again = server.publish(&sample(1));
    assert_eq!(
        (&first["seq"], &first["duplicate"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&again["seq"], &again["duplicate"]),
        (&json!(1), &json!(true))
    );
    server.publish(&sample(2));
    stream.expect_signal(sample(1)["id"].as_str().unwrap());
    let second = stream.expect_signal(sample(2)["id"].as_str().unwrap());
    assert_eq!(second.json()["seq"], 2, "no number is lost on a duplicate");
}

#[test]
fn what_is_no_signal_is_refused() {
    let server = Server::start();
    for bad in [
        "[]",
        "{",
        "",
        "7",
        r#"{"seq":1}"#,
        r#"{"published_at":"2026-01-01T00:00:00Z"}"#,
        r#"{"id":"not a uuid"}"#,
    ] {
        let reply = server.admin("POST", "/v1/signals", bad);
        assert_eq!(reply.head.status, 400, "{bad}: {}", reply.text());
        assert_eq!(reply.json()["error"]["status"], 400, "{bad}");
    }
    let token = [("authorization", "Bearer wrong")];
    let reply = request(server.admin, "POST", "/v1/signals", &token, b"{}");
    assert_eq!(reply.head.status, 401, "{}", reply.text());
}

#[test]
fn signals_come_in_order_without_a_hole() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let lines: Vec<String> = (1..=200).map(|n| sample(n).to_string()).collect();
    for batch in lines.chunks(50) {
        let bearer = "Bearer a-token-for-this-test-alone-0123456789";
        let headers = [
            ("authorization", bearer),
            ("content-type", "application/x-ndjson"),
        ];
        let body = batch.join("\n");
        let reply = request(
            server.admin,
            "POST",
            "/v1/signals",
            &headers,
            body.as_bytes(),
        );
        assert_eq!(reply.head.status, 200, "{}", reply.text());
        assert_eq!(reply.text().lines().count(), 50, "an answer for each line");
    }
    for seq in 1..=200 {
        let frame = stream.expect("signal");
        assert_eq!(frame.json()["seq"], seq);
        assert!(frame.id.ends_with(&format!("-{seq}")));
    }
    let frames = stream
        .chunks
        .iter()
        .filter(|chunk| chunk.starts_with("event: "));
    assert_eq!(frames.count(), 201, "one frame, one chunk");
}

#[test]
fn filters_let_through_what_they_name() {
    let server = Server::start();
    let with = |n, changes: Value| {
        let mut signal = sample(n);
        for (key, value) in changes.as_object().unwrap() {
            signal[key] = value.clone();
        }
        signal
    };
    let signals = [
        with(1, json!({"rank": "S", "rank_score": 95.0})),
        with(2, json!({"rank": "B", "rank_score": 65.5})),
        with(
            3,
            json!({"signal_type": "insider_buy", "market": "fr", "rank": "A", "rank_score": 80}),
        ),
        with(
            4,
            json!({"token": {"address": "M"}, "rank": "A", "rank_score": 79.9}),
        ),
        json!({"id": "00000000-0000-4000-8000-000000000005", "note": "no facet at all"}),
    ];
    for signal in &signals {
        server.publish(signal);
    }
    let key = server.alpha_key();
    let epoch = server.epoch(&key);
    for (filter, expected) in [
        ("types=insider_buy", vec![3]),
        ("types=consensus_buy,insider_buy", vec![1, 2, 3, 4]),
        ("min_rank=A", vec![1, 3, 4]),
        ("min_rank=S", vec![1]),
        ("min_score=80", vec![1, 3]),
        ("token=M", vec![4]),
        ("market=fr", vec![3]),
        ("market=crypto&min_rank=A&min_score=79.9", vec![1, 4]),
    ] {
        let from_the_beginning = format!("?{filter}&last_event_id={epoch}-0&takeover=true");
        let mut stream = server.listen(&key, &from_the_beginning, &[]);
        for seq in &expected {
            assert_eq!(stream.expect("signal").json()["seq"], *seq, "{filter}");
        }
        stream.expect_quiet(QUIET / 3);
        let list = server
            .get(&format!("/api/signals?{filter}"), &key)
            .ok_json();
        let listed: Vec<i64> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|item| item["seq"].as_i64())
            .collect();
        assert_eq!(listed, expected, "the list by {filter}");
    }
}

#[test]
fn updates_and_exits_have_names_of_their_own_and_the_filter_decides() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut open = server.listen(&key, "", &[]);
    let narrow_key = server.alpha_key();
    let mut narrow = server.listen(&narrow_key, "?min_rank=S", &[]);

    let row = |n: u32, kind: &str, rank: &str, before: Option<&str>| {
        let mut signal = sample(n);
        signal["signal_type"] = json!(kind);
        signal["rank"] = json!(rank);
        if let Some(before) = before {
            signal["best_before"] = json!({"rank": before, "rank_score": 61});
        }
        signal
    };
    server.publish(&row(1, "consensus_buy", "B", None));
    server.publish(&row(2, "consensus_buy", "S", Some("B")));
    server.publish(&row(3, "consensus_buy", "S", Some("S")));
    server.publish(&row(4, "consensus_exit", "S", Some("S")));
    for name in ["signal", "signal_update", "signal_update", "signal_exit"] {
        open.expect(name);
    }
    for name in ["signal", "signal_update", "signal_exit"] {
        narrow.expect(name);
    }
}

#[test]
fn nonsense_in_the_query_is_refused_by_name() {
    let server = Server::start();
    let key = server.alpha_key();
    for (query, named) in [
        ("?min_rank=Z", "min_rank"),
        ("?min_rank=", "min_rank"),
        ("?min_score=high", "min_score"),
        ("?min_score=NaN", "min_score"),
        ("?min_score=1e400", "min_score"),
        ("?since=yesterday", "since"),
        ("?last_event_id=nonsense", "last_event_id"),
        ("?heartbeat=maybe", "heartbeat"),
        ("?types=", "types"),
        ("?colour=red", "colour"),
        ("?min_rank=A&min_rank=B", "min_rank"),
    ] {
        let refusal = server.stream(&key, query, &[]).refusal();
        refusal.expect_error(400, "invalid_parameter");
        let message = refusal.json()["error"].to_string();
        assert!(message.contains(named), "{query}: {message}");
    }
    // none of them took the seat
    server.listen(&key, "", &[]);
}

#[test]
fn pings_are_one_line_and_heartbeats_prove_life() {
    let server = Server::with(&[FAST_PINGS]);
    let key = server.alpha_key();
    let mut plain = server.listen(&key, "", &[]);
    match plain.next(PATIENCE) {
        Next::Frame(ping) => assert_eq!(ping.raw, ": ping\n", "one LF"),
        other => panic!("{other:?}"),
    }
    assert_eq!(plain.chunks.last().map(String::as_str), Some(": ping\n"));

    let mut hearted = server.listen(&key, "?heartbeat=event&min_rank=S&takeover=true", &[]);
    let epoch = server.epoch(&key);
    let mut passed_over = sample(1);
    passed_over["rank"] = json!("B");
    server.publish(&passed_over);
    server.publish_sample(2);
    hearted.expect("signal");
    let beat = hearted.expect("heartbeat");
    let data = beat.json();
    assert_eq!(
        (&data["seq"], &data["matched"]),
        (&json!(2), &json!(1)),
        "{data}"
    );
    assert!(data["server_time"].is_string());
    assert_eq!(
        beat.id,
        format!("{epoch}-2"),
        "the cursor moves over what the filter hides"
    );
    assert!(beat.raw.ends_with(&format!("id: {epoch}-2\n\n")), "id last");
    let chunk = hearted.chunks.last();
    assert_eq!(chunk, Some(&beat.raw), "one frame, one chunk");

    // a beat moves the cursor also where all was hidden
    passed_over["id"] = sample(3)["id"].clone();
    server.publish(&passed_over);
    let moved = until(PATIENCE, || {
        let beat = hearted.expect("heartbeat");
        (beat.id == format!("{epoch}-3")).then_some(beat)
    });
    assert_eq!(
        moved.expect("a beat past the hidden signal").json()["matched"],
        1
    );
}

#[test]
fn the_server_lives_and_is_ready() {
    let server = Server::start();
    for address in [server.main, server.admin] {
        for path in ["/livez", "/readyz"] {
            let reply = request(address, "GET", path, &[], b"");
            assert_eq!(reply.head.status, 200, "{path}: {}", reply.text());
        }
    }
}
