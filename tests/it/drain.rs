//! The end of a server: every stream is told, kept connections are answered, the exit status is 0.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{
    server::{Server, until},
    wire::{Next, PATIENCE, Stream, Wire},
};

/// Shorter than the default, for the sake of whoever waits for this.
const SHORT_DRAIN: (&str, &str) = ("SIGCAST_HTTP__DRAIN_SECONDS", "3");
const DRAINED: Duration = Duration::from_secs(8);

/// Waits until nobody can connect any more.
fn wait_for_drain(server: &Server) {
    let closed = until(PATIENCE, || TcpStream::connect(server.main).err());
    assert!(closed.is_some(), "the listening socket is closed at once");
}

#[test]
fn a_drain_says_bye_and_exits_well() {
    let mut server = Server::with(&[SHORT_DRAIN]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    server.terminate();
    let Next::Frame(bye) = stream.event(DRAINED) else {
        panic!("no frame before the end");
    };
    assert_eq!(bye.event, "bye");
    let retry = bye.retry.expect("a retry");
    assert!((1..1 << 31).contains(&retry), "{retry}");
    assert_eq!(bye.id, "", "the resume point survives");
    assert!(bye.json()["reason"].is_string(), "{bye:?}");
    stream.expect_end();
    assert_eq!(
        server.exit_within(DRAINED).code(),
        Some(0),
        "{}",
        server.stderr()
    );
}

#[test]
fn kept_connections_are_answered_during_a_drain() {
    let server = Server::with(&[SHORT_DRAIN]);
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let kept = || {
        let mut wire = Wire::connect(server.main);
        wire.get("/livez", &[]);
        assert_eq!(wire.reply().head.status, 200);
        wire
    };
    let (mut for_stream, mut for_list) = (kept(), kept());
    // streams hold the drain open
    let others: Vec<_> = (0..3).map(|_| server.alpha_key()).collect();
    let _open: Vec<_> = others
        .iter()
        .map(|key| server.listen(key, "", &[]))
        .collect();
    server.terminate();
    wait_for_drain(&server);

    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "text/event-stream"),
    ];
    for_stream.get("/api/signals/stream", &headers);
    let mut stream = Stream::on(for_stream);
    assert_eq!(stream.head.status, 200, "{}", stream.head.raw);
    let bye = stream.expect("bye");
    assert!(bye.retry.is_some(), "{bye:?}");
    stream.expect_end();

    for_list.get("/api/signals", &headers[..1]);
    let reply = for_list.reply();
    reply.expect_error(503, "draining");
    assert!(
        reply.head.header("retry-after").is_some(),
        "{}",
        reply.head.raw
    );
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut server = Server::with(&[SHORT_DRAIN]);
    let keys: Vec<_> = (0..4).map(|_| server.alpha_key()).collect();
    let _streams: Vec<_> = keys.iter().map(|key| server.listen(key, "", &[])).collect();
    server.terminate();
    wait_for_drain(&server);
    let begun = Instant::now();
    server.terminate();
    server.exit_within(Duration::from_secs(3));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_idle_server_stops_quickly() {
    let mut server = Server::with(&[SHORT_DRAIN]);
    server.terminate();
    assert_eq!(server.exit_within(Duration::from_secs(5)).code(), Some(0));
}
