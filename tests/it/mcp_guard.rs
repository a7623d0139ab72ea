//! Whom `/mcp` answers, and what counts: names, pages, keys, plans, quotas to the last request, and a server that goes down.

use serde_json::{Value, json};

use super::{
    mcp::{GREETING, PLAIN, call, expect_refusal, message, post, send},
    server::{Server, until},
    wire::{PATIENCE, Reply, Wire, request},
};

#[test]
fn the_guard_stands_before_it() {
    let server = Server::with(&[
        ("SIGCAST_HTTP__PUBLIC_URL", "https://signals.example.com"),
        (
            "SIGCAST_HTTP__CORS_ORIGINS",
            "[\"https://app.example.com\"]",
        ),
    ]);
    let key = server.alpha_key();
    let ping = message(1, "ping", &json!({})).to_string();
    let with = |fields: &[(&str, &str)]| post(&server, &key, fields, ping.as_bytes());
    let none = with(&[("authorization", "")]);
    none.expect_error(401, "missing_api_key");
    assert_eq!(none.head.header("www-authenticate"), Some("Bearer"));
    with(&[("authorization", "Bearer sit_live_x")]).expect_error(401, "invalid_api_key");
    assert_eq!(
        with(&[("authorization", ""), ("x-api-key", &key.text)])
            .head
            .status,
        200
    );
    let free = server.key(&server.account("free"));
    post(&server, &free, &[], ping.as_bytes()).expect_error(403, "subscription_required");
    let revoked = server.alpha_key();
    assert_eq!(
        post(&server, &revoked, &[], ping.as_bytes()).head.status,
        200
    );
    server.admin("DELETE", &format!("/v1/keys/{}", revoked.id), "");
    post(&server, &revoked, &[], ping.as_bytes()).expect_error(401, "invalid_api_key");
    // names and pages
    let to_host = |host: &str, origin: &str| {
        let mut wire = Wire::connect(server.main);
        let origin = match origin {
            "" => String::new(),
            origin => format!("origin: {origin}\r\n"),
        };
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {host}\r\n{origin}authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            key.text,
            ping.len()
        );
        wire.send(&[head.as_bytes(), ping.as_bytes()].concat());
        wire.reply()
    };
    for (host, origin) in [
        ("signals.example.com", ""),
        ("signals.example.com:443", "https://signals.example.com"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("signals.example.com", "https://app.example.com"),
    ] {
        let reply = to_host(host, origin);
        assert_eq!(reply.head.status, 200, "{host} {origin}: {}", reply.text());
    }
    to_host("evil.example", "").expect_error(403, "forbidden_host");
    to_host("evil.example", "http://evil.example").expect_error(403, "forbidden_host");
    to_host("signals.example.com", "https://evil.example").expect_error(403, "forbidden_origin");
    to_host("signals.example.com", "null").expect_error(403, "forbidden_origin");
    // a page may ask first
    let fields = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name",
        ),
    ];
    let preflight = request(server.main, "OPTIONS", "/mcp", &fields, b"");
    let allowed = preflight
        .head
        .header("access-control-allow-headers")
        .unwrap_or_default();
    assert!(
        allowed.contains("mcp-protocol-version") && allowed.contains("mcp-name"),
        "{allowed}"
    );
    for method in ["GET", "DELETE", "PUT"] {
        let reply = request(
            server.main,
            method,
            "/mcp",
            &[("accept", "text/event-stream")],
            b"",
        );
        reply.expect_error(405, "method_not_allowed");
        assert_eq!(reply.head.header("allow"), Some("POST"));
    }
}

/// A plan of so many requests a day, whose keys may ask as fast as they like.
fn small_plan(day: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("SIGCAST_PLANS__TESTED__MCP", "true"),
        ("SIGCAST_PLANS__TESTED__REST", "true"),
        ("SIGCAST_PLANS__TESTED__BURST", "0"),
        ("SIGCAST_PLANS__TESTED__REQUESTS_PER_DAY", day),
    ]
}

#[test]
fn what_reads_data_counts_and_nothing_else() {
    let mut server = Server::with(&small_plan("5"));
    let key = server.key(&server.account("tested"));
    let left = |reply: &Reply| {
        reply
            .head
            .header("x-ratelimit-remaining")
            .unwrap()
            .to_owned()
    };
    let params = json!({"protocolVersion": GREETING, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    for _ in 0..3 {
        for (method, params) in [
            ("initialize", &params),
            ("ping", &json!({})),
            ("tools/list", &json!({})),
            ("resources/list", &json!({})),
            ("resources/templates/list", &json!({})),
            ("prompts/list", &json!({})),
            ("tools/drop", &json!({})),
        ] {
            let reply = send(&server, &key, &message(1, method, params));
            assert_eq!(
                (reply.head.status, left(&reply)),
                (200, "5".into()),
                "{method}"
            );
        }
        let told =
            json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "my_usage"}});
        assert_eq!(
            left(&send(&server, &key, &told)),
            "5",
            "nothing is read for nobody"
        );
    }
    // nor for whom the head says of it what cannot be
    let asked = message(1, "tools/call", &json!({"name": "my_usage"})).to_string();
    for (fields, code) in [
        (&[("mcp-protocol-version", "2024-11-05")][..], -32_022),
        (&[("mcp-protocol-version", PLAIN)], -32_020),
        (
            &[("mcp-protocol-version", PLAIN), ("mcp-method", "ping")],
            -32_020,
        ),
    ] {
        let refused = post(&server, &key, fields, asked.as_bytes());
        expect_refusal(&refused, 400, code);
        assert_eq!(left(&refused), "5", "{fields:?}");
    }
    let usage = |said: &Value| said["structuredContent"]["usage"]["today"].clone();
    assert_eq!(usage(&call(&server, &key, "my_usage", &json!({}))), 1);
    // an overview of several reads is one, and so is a refusal
    let one = send(
        &server,
        &key,
        &message(
            1,
            "tools/call",
            &json!({"name": "company_overview", "arguments": {"company": "x"}}),
        ),
    );
    assert_eq!(left(&one), "3");
    let read = json!({"uri": "sigcast://markets"});
    assert_eq!(
        left(&send(&server, &key, &message(1, "resources/read", &read))),
        "2"
    );
    // counted with REST, and over a crash
    server.restart();
    assert_eq!(left(&server.get("/api/v1/health", &key)), "1");
    assert_eq!(usage(&call(&server, &key, "my_usage", &json!({}))), 5);
    let refused = send(
        &server,
        &key,
        &message(1, "tools/call", &json!({"name": "my_usage"})),
    );
    let body = expect_refusal(&refused, 429, -32_010);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("rate_limited: The plan's 5 requests a day")
    );
    let data = &body["error"]["data"];
    assert_eq!(
        (&data["code"], &data["status"]),
        (&json!("rate_limited"), &json!(429)),
        "{body}"
    );
    assert_eq!(data["details"]["limit"], "day");
    assert!(refused.head.header("retry-after").is_some());
    // what is free still is
    assert_eq!(
        send(&server, &key, &message(1, "tools/list", &json!({})))
            .head
            .status,
        200
    );
    assert_eq!(server.metric("sigcast_limited_total{limit=\"day\"}"), 1);
    assert_eq!(
        server.metric("sigcast_mcp_calls_total{tool=\"my_usage\",outcome=\"ok\"}"),
        1
    );
}

#[test]
fn what_is_free_is_held_to_the_burst() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__TESTED__MCP", "true"),
        ("SIGCAST_PLANS__TESTED__BURST", "3"),
        ("SIGCAST_PLANS__TESTED__REQUESTS_PER_SECOND", "1"),
    ]);
    let key = server.key(&server.account("tested"));
    let list = message(1, "tools/list", &json!({}));
    let mut refused = None;
    for _ in 0..20 {
        let reply = send(&server, &key, &list);
        if reply.head.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let body = expect_refusal(&refused.expect("a refusal"), 429, -32_010);
    assert_eq!(body["error"]["data"]["details"]["limit"], "burst");
    // nor may what is no message come without end
    until(PATIENCE, || {
        let reply = post(&server, &key, &[], b"{");
        (reply.head.status == 429).then_some(())
    })
    .expect("a refusal");
    // nor what is refused for its head
    let asked = message(1, "tools/call", &json!({"name": "my_usage"})).to_string();
    until(PATIENCE, || {
        let fields = [("mcp-protocol-version", "2024-11-05")];
        let reply = post(&server, &key, &fields, asked.as_bytes());
        (reply.head.status == 429).then_some(())
    })
    .expect("a refusal");
}

#[test]
fn a_server_that_goes_down_says_so() {
    let server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "3")]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    let body = message(1, "tools/call", &json!({"name": "my_usage"})).to_string();
    let ask = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        key.text,
        body.len()
    );
    let mut kept = Wire::connect(server.main);
    kept.send(ask.as_bytes());
    assert_eq!(kept.reply().head.status, 200);
    // a stream holds the drain open
    let _open = server.listen(&other, "", &[]);
    server.terminate();
    let closed = until(PATIENCE, || std::net::TcpStream::connect(server.main).err());
    assert!(closed.is_some());
    kept.send(ask.as_bytes());
    let reply = kept.reply();
    // not as to a stream's client, though the stream's type is named
    reply.expect_error(503, "draining");
    assert!(reply.head.header("retry-after").is_some());
}
