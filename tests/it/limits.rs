//! The limits of a request, each from both sides: head, fields, body, and the pages that may send it.

use std::net::SocketAddr;

use super::{
    server::Server,
    wire::{Reply, Wire, request},
};

const MOST_HEAD: usize = 16 * 1024;

/// A head of exactly this many bytes, sent at once; the path takes the rest where `in_path`, else one field does.
fn head_of(to: SocketAddr, bytes: usize, in_path: bool) -> Reply {
    let (path, field) = ("GET /livez?", " HTTP/1.1\r\nhost: a\r\nx: y");
    let rest = "z".repeat(bytes - path.len() - field.len() - 4);
    let head = if in_path {
        format!("{path}{rest}{field}\r\n\r\n")
    } else {
        format!("{path}{field}{rest}\r\n\r\n")
    };
    assert_eq!(head.len(), bytes);
    let mut wire = Wire::connect(to);
    // a refusal may come before all of it is sent
    let _ = wire.try_send(head.as_bytes());
    wire.reply()
}

#[test]
fn heads_of_16_kb_pass_and_larger_ones_do_not() {
    let server = Server::start();
    for to in [server.main, server.admin] {
        for in_path in [true, false] {
            for bytes in [100, MOST_HEAD] {
                assert_eq!(head_of(to, bytes, in_path).head.status, 200, "{bytes}");
            }
            for bytes in [MOST_HEAD + 1, 20_000, 31_000, 70_000] {
                let reply = head_of(to, bytes, in_path);
                assert_eq!(reply.head.status, 431, "{bytes}");
                assert_eq!(
                    reply.text(),
                    "",
                    "the connection's own refusals have no body"
                );
            }
        }
    }
}

#[test]
fn a_full_server_says_that_it_lives() {
    let server = Server::with(&[("SIGCAST_HTTP__MAX_CONNECTIONS", "1")]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    server.get("/readyz", &key).expect_error(503, "overloaded");
    let alive = server.get("/livez", &key);
    assert_eq!(alive.head.status, 200, "a restart would make it no emptier");
    assert_eq!(alive.head.header("connection"), Some("close"));
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
}

#[test]
fn refusals_of_what_is_no_request_have_no_body_and_end_the_connection() {
    let server = Server::start();
    for head in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
    ] {
        let mut wire = Wire::connect(server.main);
        wire.send(head.as_bytes());
        let reply = wire.reply();
        assert_eq!((reply.head.status, &*reply.text()), (400, ""), "{head}");
        wire.expect_end(super::wire::PATIENCE);
    }
}

#[test]
fn bodies_of_64_kb_pass_and_larger_ones_do_not() {
    let server = Server::start();
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/signals/stream/tickets";
    let body = vec![b'x'; 65_537];
    let fits = request(server.main, "POST", path, &headers, &body[..65_536]);
    assert_eq!(fits.head.status, 200, "{}", fits.text());
    request(server.main, "POST", path, &headers, &body).expect_error(413, "payload_too_large");

    // of unknown length: counted as it comes
    let mut wire = Wire::connect(server.admin);
    let head = format!(
        "POST /v1/accounts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        Server::TOKEN
    );
    wire.send(head.as_bytes());
    for _ in 0..66 {
        // it may be refused before all of it is sent
        let _ = wire.try_send(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    wire.reply().expect_error(413, "payload_too_large");
}

#[test]
fn pages_of_the_named_origins_may_call_and_no_others() {
    let ours = "https://bot.example";
    let server = Server::with(&[("SIGCAST_HTTP__CORS_ORIGINS", "[\"https://bot.example\"]")]);
    let key = server.alpha_key();
    for (origin, allowed) in [(ours, Some(ours)), ("https://other.example", None)] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "GET"),
            (
                "access-control-request-headers",
                "authorization,last-event-id",
            ),
        ];
        let reply = request(server.main, "OPTIONS", "/api/signals/stream", &asked, b"");
        assert_eq!(
            reply.head.header("access-control-allow-origin"),
            allowed,
            "{}",
            reply.head.raw
        );
        let named = reply.head.header("access-control-allow-headers");
        let named = named.unwrap_or_default().to_ascii_lowercase();
        assert!(named.contains("last-event-id") && named.contains("authorization"));
        let stream = server.stream(&key, "?takeover=true", &[("origin", origin)]);
        assert_eq!(stream.head.status, 200);
        assert_eq!(
            stream.head.header("access-control-allow-origin"),
            allowed,
            "{}",
            stream.head.raw
        );
    }
    // a refusal can be read by the page as well
    let reply = request(server.main, "GET", "/api/signals", &[("origin", ours)], b"");
    reply.expect_error(401, "missing_api_key");
    assert_eq!(reply.head.header("access-control-allow-origin"), Some(ours));
}
