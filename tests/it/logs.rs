//! Logs: objects with the ids of requests, and never a secret, however much is logged.

use std::process::Stdio;

use serde_json::{Value, json};

use super::{
    place::sigcast,
    server::{Server, lines_of, sample, until},
    wire::{PATIENCE, Wire, request},
};

#[test]
fn no_line_holds_a_secret() {
    let mut server = Server::with_flags(
        &["--log-json"],
        &[("RUST_LOG", "trace"), ("SIGCAST_HTTP__DRAIN_SECONDS", "1")],
    );
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let auth = ("authorization", bearer.as_str());
    let mut secrets = vec![key.text.clone(), Server::TOKEN.to_owned()];

    // a stream by key, one by ticket, and a ticket that is spent
    let path = "/api/signals/stream/tickets";
    let made = request(server.main, "POST", path, &[auth], b"").ok_json();
    let ticket = made["ticket"].as_str().unwrap().to_owned();
    let query = format!("?ticket={ticket}&takeover=true");
    let open = server.listen(&key, "", &[("x-request-id", "trace-me-42")]);
    let mut by_ticket = super::wire::Stream::open(server.main, &query, &[]);
    by_ticket.expect_hello();
    super::wire::Stream::open(server.main, &query, &[])
        .refusal()
        .expect_error(401, "invalid_api_key");
    secrets.push(ticket);

    // secrets in every place where somebody may put one
    let wrong = "sig_live_0123456789abcdefghijABCDEFGHIJ12";
    for (path, headers) in [
        (
            "/api/signals".to_owned(),
            vec![("authorization", format!("Bearer {wrong}"))],
        ),
        (
            "/api/signals".to_owned(),
            vec![("authorization", format!("Basic {wrong}"))],
        ),
        (
            "/api/signals".to_owned(),
            vec![("x-api-key", wrong.to_owned())],
        ),
        (
            "/api/signals".to_owned(),
            vec![("x-api-key", key.text.clone())],
        ),
        (
            "/api/signals".to_owned(),
            vec![("x-request-id", key.text.clone())],
        ),
        (format!("/api/signals?key={wrong}"), vec![]),
        (format!("/api/signals/{}", key.text), vec![]),
        (format!("/{}", key.text), vec![]),
        (format!("/api/signals/stream?ticket={wrong}"), vec![]),
        (
            format!("/api/signals/stream?min_rank={}", key.text),
            vec![("authorization", bearer.clone())],
        ),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        request(server.main, "GET", &path, &headers, b"");
    }
    secrets.push(wrong.to_owned());
    let guess = "a-guess-at-the-token-0123456789";
    let guessed = format!("Bearer {guess}");
    request(
        server.admin,
        "GET",
        "/v1/usage",
        &[("authorization", &guessed)],
        b"",
    )
    .expect_error(401, "invalid_api_key");
    secrets.push(guess.to_owned());
    let helius = [
        ("authorization", Server::TOKEN),
        ("content-type", "application/json"),
    ];
    request(server.admin, "POST", "/v1/helius", &helius, b"[]");
    server.admin(
        "POST",
        "/v1/keys",
        &json!({"account_id": key.text}).to_string(),
    );
    let mut broken = Wire::connect(server.main);
    broken.send(format!("GET / HTTP/1.1\r\nhost: x\r\n{bearer}\r\n\r\n").as_bytes());
    broken.expect_end(PATIENCE);
    server.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
    drop(open);
    server.terminate();
    server.exit_within(2 * PATIENCE);

    let log = server.stderr();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(lines.len() > 10, "{log}");
    for secret in &secrets {
        // also a part of it: what is cut is no less a secret
        let part = &secret[secret.len() / 4..secret.len() * 3 / 4];
        let line = log.lines().find(|line| line.contains(part));
        assert!(line.is_none(), "{part} in {}", line.unwrap_or_default());
    }
    let opened = lines.iter().find(|line| {
        line["message"] == "stream opened" && line.to_string().contains("trace-me-42")
    });
    let opened = opened.expect("the request's id in the line of its stream");
    assert_eq!(opened["level"], "INFO");
    assert!(
        opened["timestamp"].is_string() && opened["connection"].is_u64(),
        "{opened}"
    );
    assert_eq!(opened["key"], key.id.as_str(), "by its id");
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut child = sigcast()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data.path())
        .env("SIGCAST_ADMIN_TOKEN", Server::TOKEN)
        .env("SIGCAST_HTTP__DRAIN_SECONDS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let address = |prefix: &str| {
        let line = lines.recv_timeout(2 * PATIENCE).expect("an address");
        line.strip_prefix(prefix).expect(prefix).parse().unwrap()
    };
    let main = address("listening on http://");
    let admin = address("admin on http://");
    drop(child.stderr.take());

    let token = format!("Bearer {}", Server::TOKEN);
    let post = |path: &str, body: Value| {
        let fields = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        request(admin, "POST", path, &fields, body.to_string().as_bytes()).ok_json()
    };
    let account = post("/v1/accounts", json!({"name": "somebody", "plan": "alpha"}));
    let key = post("/v1/keys", json!({"account_id": account["id"]}));
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let mut stream = super::wire::Stream::open(main, "", &[("authorization", &bearer)]);
    stream.expect_hello();
    let signal = sample(1);
    post("/v1/signals", signal.clone());
    stream.expect_signal(signal["id"].as_str().unwrap());
    // SAFETY: the child has not been waited for, so the id is still its own.
    let sent = unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(sent, 0);
    stream.expect("bye");
    let end = until(2 * PATIENCE, || child.try_wait().unwrap());
    if end.is_none() {
        let _ = child.kill();
    }
    assert_eq!(end.expect("it ends").code(), Some(0));
}
