//! What every answer beside the stream has in common: names, limits, tags, forms, and one body for all errors.

use std::io::Read as _;

use serde_json::{Value, json};

use super::{
    server::{Key, Server, sample, until},
    wire::{PATIENCE, Reply, request},
};

const ME: &str = "/api/v1/me";
const HEALTH: &str = "/api/v1/health";

fn ask(server: &Server, method: &str, path: &str, key: &Key, more: &[(&str, &str)]) -> Reply {
    let bearer = format!("Bearer {}", key.text);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(more);
    request(server.main, method, path, &headers, b"")
}

fn free_key(server: &Server) -> Key {
    server.key(&server.account("free"))
}

#[test]
fn every_answer_to_a_known_key_says_where_it_stands() {
    let server = Server::with(&[("SIGCAST_PLANS__WATCHER__STREAM", "true")]);
    let key = free_key(&server);
    let answers = [
        (ask(&server, "GET", ME, &key, &[]), 200),
        (ask(&server, "GET", "/api/v1/me?x=1", &key, &[]), 400),
        (ask(&server, "GET", "/api/v1/nothing", &key, &[]), 404),
        (ask(&server, "POST", ME, &key, &[]), 405),
        (ask(&server, "GET", "/api/signals?limit=0", &key, &[]), 400),
        (ask(&server, "DELETE", "/api/signals", &key, &[]), 405),
    ];
    for (n, (reply, status)) in answers.iter().enumerate() {
        let head = &reply.head;
        assert_eq!(head.status, *status, "{}{}", head.raw, reply.text());
        let left = 39 - n;
        assert_eq!(head.header("x-ratelimit-limit"), Some("40"), "{}", head.raw);
        let remaining = head.header("x-ratelimit-remaining");
        assert_eq!(remaining, Some(&*left.to_string()), "{}", head.raw);
        let reset = head.header("x-ratelimit-reset").unwrap();
        assert!(reset.ends_with("T00:00:00.000Z"), "{reset}");
        let policy = head.header("ratelimit-policy");
        assert_eq!(policy, Some("\"burst\";q=20;w=2, \"day\";q=40;w=86400"));
        let now = head.header("ratelimit").unwrap();
        let of_day = format!("\"day\";r={left};t=");
        assert!(
            now.starts_with("\"burst\";r=") && now.contains(&of_day),
            "{now}"
        );
        assert!(head.header("x-request-id").is_some(), "{}", head.raw);
    }
    // what is answered before those checks, or beside them, is not counted and says the same
    let bearer = format!("Bearer {}", key.text);
    let large = "x".repeat(65_537);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let watcher = server.key(&server.account("watcher"));
    let beside = [
        (ask(&server, "GET", "/api/v1", &key, &[]), 404),
        (ask(&server, "GET", "/api/v1/", &key, &[]), 404),
        (ask(&server, "GET", "/api/signals/", &key, &[]), 404),
        (ask(&server, "GET", "/api/signals/stream", &key, &[]), 403),
        (
            ask(&server, "POST", "/api/signals/stream/tickets", &key, &[]),
            403,
        ),
        (
            ask(&server, "GET", ME, &key, &[("host", "another.example")]),
            400,
        ),
        (
            request(server.main, "GET", ME, &headers, large.as_bytes()),
            413,
        ),
    ];
    for (reply, status) in &beside {
        let head = &reply.head;
        assert_eq!(head.status, *status, "{}{}", head.raw, reply.text());
        assert_eq!(head.header("x-ratelimit-limit"), Some("40"), "{}", head.raw);
        assert_eq!(
            head.header("x-ratelimit-remaining"),
            Some("34"),
            "{}",
            head.raw
        );
        assert!(head.header("x-ratelimit-reset").is_some(), "{}", head.raw);
    }
    let ticket = ask(
        &server,
        "POST",
        "/api/signals/stream/tickets",
        &watcher,
        &[],
    );
    assert_eq!(ticket.head.status, 200);
    assert_eq!(
        ticket.head.header("x-ratelimit-limit"),
        Some("20"),
        "of its bucket"
    );
    let stream = server.listen(&watcher, "", &[]);
    assert_eq!(stream.head.header("x-ratelimit-limit"), Some("20"));
    let two_keys = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    let unclear = request(server.main, "GET", ME, &two_keys, b"");
    unclear.expect_error(400, "bad_request");
    assert!(unclear.head.header("x-ratelimit-limit").is_none());
    let allowed = answers[3].0.head.header("allow").expect("an Allow");
    assert!(
        allowed.contains("GET") && !allowed.contains("POST"),
        "{allowed}"
    );
    answers[3].0.expect_error(405, "method_not_allowed");
    answers[2].0.expect_error(404, "not_found");

    // a plan without REST: known, told where it stands, and not counted
    let watcher = server.key(&server.account("watcher"));
    let refused = ask(&server, "GET", ME, &watcher, &[]);
    refused.expect_error(403, "subscription_required");
    assert_eq!(refused.head.header("x-ratelimit-remaining"), Some("20"));
    assert_eq!(
        ask(&server, "GET", "/api/signals", &watcher, &[])
            .head
            .status,
        200
    );
    // nobody is told anything
    for reply in [
        request(server.main, "GET", ME, &[], b""),
        request(server.main, "GET", "/api/v1/nothing", &[], b""),
        request(server.main, "GET", ME, &[("x-api-key", "nonsense")], b""),
    ] {
        assert_eq!(reply.head.status, 401);
        assert!(reply.head.header("x-ratelimit-limit").is_none());
        assert!(reply.head.header("x-request-id").is_some());
    }
}

#[test]
fn me_says_who_and_what() {
    let server = Server::start();
    let account = server.account("free");
    let key = server.key(&account);
    let me = ask(&server, "GET", ME, &key, &[]).ok_json();
    assert_eq!(me["user"]["id"], account.as_str());
    assert_eq!(me["user"]["name"], "somebody");
    assert_eq!(me["user"]["expiresAt"], Value::Null);
    assert_eq!(me["key"]["id"], key.id.as_str());
    assert_eq!(me["key"]["prefix"], &key.text[..13]);
    assert_eq!(me["key"]["kind"], "data");
    assert_eq!(
        me["plan"],
        json!({
            "name": "free", "stream": false, "rest": true, "webhooks": false, "webhookEndpoints": 0, "mcp": false,
            "requestsPerDay": 40, "requestsPerMonth": null, "requestsPerSecond": 10, "burst": 20,
        })
    );
    assert_eq!(me["usage"], json!({"today": 1, "thisMonth": 1, "total": 1}));
    let by_field = request(server.main, "GET", ME, &[("x-api-key", &key.text)], b"");
    assert_eq!(by_field.ok_json()["usage"]["total"], 2);
    assert!(!by_field.text().contains(&key.text), "never the key");
}

#[test]
fn two_hundreds_carry_meta() {
    let server = Server::start();
    let key = free_key(&server);
    let named = [("x-request-id", "my-trace.1_2")];
    for path in [ME, HEALTH] {
        let body = ask(&server, "GET", path, &key, &named).ok_json();
        let meta = &body["meta"];
        assert!(meta["latencyMs"].is_u64(), "{meta}");
        let none = json!({"declarations": null, "prices": null, "companies": null, "scores": null});
        assert_eq!(meta["dataFreshness"], none);
        assert_eq!(meta["requestId"], "my-trace.1_2");
    }
    let health = ask(&server, "GET", HEALTH, &key, &[]).ok_json();
    assert_eq!(
        (&health["status"], &health["database"]),
        (&json!("ok"), &json!("ok"))
    );
}

#[test]
fn parameters_that_are_not_there_are_refused_by_name() {
    let server = Server::start();
    let key = free_key(&server);
    for (query, parameter) in [("limit=5", "limit"), ("a=1&a=2", "a"), ("=", "")] {
        for path in [ME, HEALTH] {
            let reply = ask(&server, "GET", &format!("{path}?{query}"), &key, &[]);
            let details = reply.expect_error(400, "invalid_parameter");
            assert_eq!(details["parameter"], parameter);
            assert!(
                details["allowed"]
                    .as_str()
                    .unwrap()
                    .contains("no parameters")
            );
            assert!(details["value"].is_string());
        }
    }
}

#[test]
fn requests_are_named_by_the_client_or_by_us() {
    let server = Server::start();
    let key = server.alpha_key();
    let id_of = |reply: &Reply| reply.head.header("x-request-id").unwrap().to_owned();
    let given = |id: &str| id_of(&ask(&server, "GET", HEALTH, &key, &[("x-request-id", id)]));
    assert_eq!(given("abc-123_x.y"), "abc-123_x.y");
    let long = "x".repeat(129);
    for insane in ["", "a b", "a\"b", "é", &long, "sit_live_abc"] {
        let made = given(insane);
        assert!(made.len() == 36 && made != insane, "{insane}: {made}");
    }
    let twice = [("x-request-id", "a"), ("x-request-id", "b")];
    let made = id_of(&ask(&server, "GET", HEALTH, &key, &twice));
    assert_eq!(made.len(), 36);
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-request-id", "adm-1"),
    ];
    let admin = request(server.admin, "GET", "/v1/connections", &headers, b"");
    assert_eq!(id_of(&admin), "adm-1");
    let unnamed = request(server.admin, "GET", "/livez", &[], b"");
    assert_eq!(id_of(&unnamed).len(), 36);

    // and so it stands in the log
    server.listen(&key, "", &[("x-request-id", "trace-of-a-stream")]);
    let said = until(PATIENCE, || {
        let log = server.stderr();
        log.lines()
            .any(|line| line.contains("stream opened") && line.contains("trace-of-a-stream"))
            .then_some(())
    });
    assert!(said.is_some(), "{}", server.stderr());
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let server = Server::start();
    let key = server.alpha_key();
    let id = server.publish_sample(1);
    for path in [
        HEALTH.to_owned(),
        format!("/api/signals/{id}"),
        "/api/signals".into(),
    ] {
        let first = ask(&server, "GET", &path, &key, &[]);
        assert_eq!(first.head.status, 200);
        let tag = first.head.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        assert_eq!(
            first.head.header("cache-control"),
            Some("private, no-cache")
        );
        let second = ask(&server, "GET", &path, &key, &[("if-none-match", &tag)]);
        assert_eq!(second.head.status, 304, "{path}");
        assert!(second.body.is_empty());
        assert_eq!(second.head.header("etag"), Some(&*tag));
        assert!(second.head.header("x-ratelimit-limit").is_some());
        let other = ask(&server, "GET", &path, &key, &[("if-none-match", "\"x\"")]);
        assert_eq!(other.head.status, 200);
        assert_eq!(other.head.header("etag"), Some(&*tag), "blind to meta");
    }
    let list = ask(&server, "GET", "/api/signals", &key, &[]);
    let tag = list.head.header("etag").unwrap().to_owned();
    server.publish(&sample(2));
    let changed = ask(
        &server,
        "GET",
        "/api/signals",
        &key,
        &[("if-none-match", &tag)],
    );
    assert_eq!(changed.head.status, 200);
}

#[test]
fn answers_are_compressed_as_the_client_can_read_them_and_the_stream_never() {
    let server = Server::start();
    let key = server.alpha_key();
    for n in 1..=5 {
        server.publish_sample(n);
    }
    let plain = ask(&server, "GET", "/api/signals", &key, &[]);
    assert!(plain.head.header("content-encoding").is_none());
    for (n, coding) in (100..).zip(["gzip", "br", "zstd"]) {
        for path in ["/api/signals", "/openapi.json"] {
            let reply = ask(&server, "GET", path, &key, &[("accept-encoding", coding)]);
            let head = &reply.head;
            assert_eq!(
                head.header("content-encoding"),
                Some(coding),
                "{}",
                head.raw
            );
            let varies = head.raw.to_ascii_lowercase();
            assert!(varies.contains("accept-encoding"), "{}", head.raw);
        }
        let mut stream = server.listen(&key, "", &[("accept-encoding", coding)]);
        assert!(stream.head.header("content-encoding").is_none());
        server.publish_sample(n);
        stream.expect("signal");
    }
    let reply = ask(
        &server,
        "GET",
        "/api/signals?limit=5",
        &key,
        &[("accept-encoding", "gzip")],
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(&reply.body[..])
        .read_to_string(&mut text)
        .unwrap();
    let whole = ask(&server, "GET", "/api/signals?limit=5", &key, &[]).text();
    assert_eq!(text, whole);
    let none = ask(
        &server,
        "GET",
        "/api/signals",
        &key,
        &[("accept-encoding", "identity")],
    );
    assert!(none.head.header("content-encoding").is_none());
}

#[test]
fn pages_of_other_origins_may_ask_as_far_as_they_are_allowed() {
    let server = Server::with(&[("SIGCAST_HTTP__CORS_ORIGINS", "[\"https://app.example\"]")]);
    let key = free_key(&server);
    let from = [("origin", "https://app.example")];
    let reply = ask(&server, "GET", ME, &key, &from);
    let head = &reply.head;
    assert_eq!(
        head.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    let exposed = head.header("access-control-expose-headers").unwrap();
    for name in [
        "etag",
        "retry-after",
        "x-request-id",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "ratelimit",
        "ratelimit-policy",
    ] {
        assert!(
            exposed.split(',').any(|one| one.trim() == name),
            "{exposed}"
        );
    }
    let refused = request(server.main, "GET", ME, &from, b"");
    assert_eq!(refused.head.status, 401);
    assert!(
        refused.head.header("access-control-allow-origin").is_some(),
        "errors can be read, too"
    );
    let before = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        (
            "access-control-request-headers",
            "authorization,if-none-match,x-request-id",
        ),
    ];
    let preflight = request(server.main, "OPTIONS", ME, &before, b"");
    assert_eq!(preflight.head.status, 200);
    assert!(preflight.head.header("x-request-id").is_some());
    let allowed = preflight
        .head
        .header("access-control-allow-headers")
        .unwrap();
    assert!(
        allowed.contains("if-none-match") && allowed.contains("authorization"),
        "{allowed}"
    );
    let other = ask(
        &server,
        "GET",
        ME,
        &key,
        &[("origin", "https://evil.example")],
    );
    assert!(other.head.header("access-control-allow-origin").is_none());
}

#[test]
fn bodies_of_another_kind_or_size_are_refused() {
    let server = Server::start();
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let tickets = "/api/signals/stream/tickets";
    let send = |kind: &str, body: &[u8]| {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        request(server.main, "POST", tickets, &headers, body)
    };
    send("text/xml", b"<a/>").expect_error(415, "unsupported_media_type");
    assert_eq!(
        send("application/json; charset=utf-8", b"{}").head.status,
        200
    );
    send("application/json", &vec![b' '; 65_537]).expect_error(413, "payload_too_large");
    let admin = format!("Bearer {}", Server::TOKEN);
    let headers = [
        ("authorization", admin.as_str()),
        ("content-type", "text/plain"),
    ];
    let body = br#"{"name": "x", "plan": "free"}"#;
    for path in ["/v1/accounts", "/v1/keys"] {
        let reply = request(server.admin, "POST", path, &headers, body);
        reply.expect_error(415, "unsupported_media_type");
    }
}

#[test]
fn a_key_in_memory_is_refused_as_soon_as_it_is_revoked() {
    let server = Server::start();
    let (one, other) = (server.alpha_key(), server.alpha_key());
    for key in [&one, &other] {
        assert_eq!(ask(&server, "GET", HEALTH, key, &[]).head.status, 200);
    }
    server.admin("DELETE", &format!("/v1/keys/{}", one.id), "");
    let refused = ask(&server, "GET", HEALTH, &one, &[]);
    refused.expect_error(401, "invalid_api_key");
    assert!(refused.head.header("x-ratelimit-limit").is_none());
    // by another process: within its tick
    server.command(&["keys", "revoke", &other.id]);
    let refused = until(PATIENCE, || {
        let reply = ask(&server, "GET", HEALTH, &other, &[]);
        (reply.head.status == 401).then_some(())
    });
    assert!(refused.is_some());
}

#[test]
fn a_place_beyond_the_log_is_refused() {
    let server = Server::start();
    let key = free_key(&server);
    server.publish(&sample(1));
    let epoch = server.epoch(&server.alpha_key());
    let after = |seq: u32| {
        let path = format!("/api/signals?after={epoch}-{seq}");
        ask(&server, "GET", &path, &key, &[])
    };
    let page = after(1).ok_json();
    assert_eq!(
        (&page["items"], &page["next"]),
        (&json!([]), &json!(format!("{epoch}-1")))
    );
    // of a log that was put back to what it was: who stands there would wait for what never comes
    let details = after(2).expect_error(400, "invalid_parameter");
    assert_eq!(details["parameter"], "after");
    let allowed = details["allowed"].as_str().unwrap();
    assert!(allowed.ends_with(&format!("{epoch}-1")), "{allowed}");
    server.publish(&sample(2));
    assert_eq!(after(1).ok_json()["items"].as_array().unwrap().len(), 1);
    // backwards from there is the end of what there is
    let path = format!("/api/signals?before={epoch}-99999999");
    let last = ask(&server, "GET", &path, &key, &[]).ok_json();
    assert_eq!(last["items"].as_array().unwrap().len(), 2);
}
