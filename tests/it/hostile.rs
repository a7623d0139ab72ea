//! Bytes that no client should send: each gets an answer or an end, and the server goes on.

use std::time::Duration;

use super::{
    place::sigcast,
    server::{Server, until},
    wire::{PATIENCE, Stream, Wire, request},
};

#[test]
fn malformed_heads_hurt_nobody_else() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(1024 * 1024)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(1000)
    );
    let binary = String::from_utf8_lossy(&[0u8, 1, 2, 0x80, 0xFF, 13, 10, 13, 10]).into_owned();
    for (bytes, status) in [
        (long.as_str(), Some(431)),
        (many.as_str(), Some(431)),
        (binary.as_str(), Some(400)),
        ("GET\r\n\r\n", Some(400)),
        ("GET / HTTP/9.9\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", Some(400)),
        (
            "POST /api/signals HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            Some(400),
        ),
        ("", None),
    ] {
        let mut wire = Wire::connect(server.main);
        let Some(status) = status else { continue };
        // the server may refuse before it has read it all, and end the connection: then there is no answer to judge
        let sent = wire.try_send(bytes.as_bytes());
        if let (Ok(()), Some(head)) = (sent, wire.try_head()) {
            assert_eq!(head.status, status, "{:.60}", bytes);
        }
    }
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
}

#[test]
fn what_is_not_there_is_said_in_the_uniform_body() {
    let server = Server::start();
    let key = server.alpha_key();
    server
        .get("/api/nothing", &key)
        .expect_error(404, "not_found");
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str())];
    let reply = request(server.main, "POST", "/api/signals/stream", &headers, b"");
    reply.expect_error(405, "method_not_allowed");
    let allowed = reply.head.header("allow").expect("an Allow");
    assert!(
        allowed.contains("GET") && !allowed.contains("POST"),
        "{allowed}"
    );
    let nowhere = server.get("/api/signals/nonsense", &key);
    assert!(
        [400, 404].contains(&nowhere.head.status),
        "{}",
        nowhere.text()
    );
    let limits = server.get("/api/signals?limit=100000", &key);
    limits.expect_error(400, "invalid_parameter");
}

#[test]
fn a_peer_that_never_finishes_its_head_is_let_go() {
    let server = Server::with(&[("SIGCAST_HTTP__HEADER_SECONDS", "1")]);
    let mut wire = Wire::connect(server.main);
    wire.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n");
    wire.expect_end(Duration::from_secs(5));
}

#[test]
fn above_the_cap_clients_are_told_in_a_way_that_they_survive() {
    let server = Server::with(&[("SIGCAST_HTTP__MAX_CONNECTIONS", "1")]);
    let key = server.alpha_key();
    let holder = server.listen(&key, "", &[]);
    let other = server.alpha_key();
    let refused = server.get("/api/signals", &other);
    refused.expect_error(503, "overloaded");
    assert_eq!(refused.head.header("connection"), Some("close"));
    assert!(
        refused.head.header("retry-after").is_some(),
        "{}",
        refused.head.raw
    );

    let bearer = format!("Bearer {}", other.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "text/event-stream"),
    ];
    let mut told = Stream::open(server.main, "", &headers);
    assert_eq!(
        told.head.status, 200,
        "a 503 would stop most clients for good"
    );
    let bye = told.expect("bye");
    assert!(bye.retry.is_some() && bye.id.is_empty(), "{bye:?}");
    told.expect_end();

    drop(holder);
    let admitted = until(PATIENCE, || {
        let reply = server.get("/api/signals", &other);
        (reply.head.status == 200).then_some(())
    });
    assert!(admitted.is_some(), "there is room again");
}

#[test]
fn a_path_that_cannot_be_read_gets_the_uniform_body() {
    let server = Server::start();
    let key = server.alpha_key();
    server
        .get("/api/signals/%FF", &key)
        .expect_error(404, "not_found");
    for path in ["/v1/connections/abc", "/v1/keys/%FF"] {
        server
            .admin("DELETE", path, "")
            .expect_error(404, "not_found");
    }
    let epoch = server.epoch(&key);
    let page = server.get(&format!("/api/signals?before={epoch}-0"), &key);
    assert_eq!(page.ok_json()["next"], format!("{epoch}-0"), "can be asked");
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/signals/stream?min_rank=Z";
    let mut wire = Wire::connect(server.main);
    wire.send(
        format!("HEAD {path} HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\n\r\n").as_bytes(),
    );
    assert_eq!(wire.head().status, 400, "as a GET");
    request(server.main, "GET", path, &headers, b"").expect_error(400, "invalid_parameter");
}

#[test]
fn an_admin_token_is_shown_by_the_first_start_that_comes_about() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let failed = sigcast()
        .args(["serve", "--admin-listen", "127.0.0.1:0", "--listen"])
        .arg(taken.local_addr().unwrap().to_string())
        .arg("--data-dir")
        .arg(data.path())
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(!data.path().join("admin-token").exists(), "nobody saw it");
}
