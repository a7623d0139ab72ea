//! Readers that do not read: ended in time and told so where they can be, with no hole when they come back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    secure::Protocol,
    server::{Key, Server, sample, until},
    wire::{Next, PATIENCE, Stream, Wire},
};

const SIGNALS: u32 = 100;
const SLOW: &str = "sigcast_stream_closes_total{reason=\"slow_consumer\"}";

/// A signal that fills buffers; the window of a narrow socket that speaks HTTP/2, 16 kB, holds one whole.
fn heavy(n: u32) -> Value {
    let mut signal = sample(n);
    signal["note"] = json!("x".repeat(12_000));
    signal
}

/// An open stream of a client with next to no buffer.
fn narrow(server: &Server, key: &Key) -> Stream {
    let mut wire = Wire::narrow(server.main);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    let mut stream = Stream::on(wire);
    stream.expect_hello();
    stream
}

/// Reads to the end of a stream: its signals' places, its last id, and the last event if it is no signal.
fn read_out(stream: &mut Stream) -> (Vec<u64>, String, Option<super::wire::Frame>) {
    let (mut seqs, mut id) = (Vec::new(), String::new());
    loop {
        match stream.event(PATIENCE) {
            Next::Frame(frame) if frame.event == "signal" => {
                seqs.push(frame.json()["seq"].as_u64().unwrap());
                id = frame.id;
            }
            Next::Frame(last) => {
                stream.expect_end();
                return (seqs, id, Some(last));
            }
            Next::End => return (seqs, id, None),
            Next::Silence => panic!("neither a frame nor the end after {seqs:?}"),
        }
    }
}

/// A client that reads nothing until `wait` is over, then what is there, and then the rest on a new connection.
fn check(wait: impl Fn(&Server), is_told: bool) {
    const STALL: Duration = Duration::from_secs(2);
    let server = Server::with(&[("SIGCAST_STREAM__WRITE_STALL_SECONDS", "2")]);
    let key = server.alpha_key();
    let mut slow = narrow(&server, &key);
    let mut other = server.listen(&server.alpha_key(), "", &[]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| server.publish_all((1..=SIGNALS).map(heavy)));
        for seq in 1..=SIGNALS {
            assert_eq!(other.expect("signal").json()["seq"], seq, "nobody waits");
        }
    });
    let so_far = server.metric(SLOW);
    assert!(
        so_far == 0 || begun.elapsed() >= STALL,
        "not before its time"
    );
    let fired = until(PATIENCE, || (server.metric(SLOW) == 1).then_some(()));
    assert!(fired.is_some(), "it must be ended");
    assert!(begun.elapsed() >= STALL);
    wait(&server);

    let (mut seqs, id, last) = read_out(&mut slow);
    if is_told {
        let last = last.expect("an error frame");
        assert_eq!((&*last.event, &*last.id), ("error", ""));
        let data = last.json();
        assert_eq!(data["code"], "slow_consumer");
        assert_eq!(
            (&data["status"], &data["retryable"]),
            (&json!(429), &json!(true))
        );
    } else {
        assert_eq!(last, None, "it was cut off");
    }
    assert!(
        !seqs.is_empty() && seqs.len() < SIGNALS as usize,
        "{seqs:?}"
    );
    let mut back = server.listen(&key, "", &[("last-event-id", &id)]);
    while seqs.len() < SIGNALS as usize {
        seqs.push(back.expect("signal").json()["seq"].as_u64().unwrap());
    }
    assert_eq!(
        seqs,
        (1..=u64::from(SIGNALS)).collect::<Vec<_>>(),
        "each once"
    );
    assert_eq!(server.metric(SLOW), 1);
}

#[test]
fn one_that_reads_again_in_time_is_told_why_it_was_ended() {
    check(|_| {}, true);
}

#[test]
fn one_that_never_reads_is_cut_off_and_loses_nothing() {
    let gone = |server: &Server| {
        let gone = until(PATIENCE, || {
            let open = server.admin("GET", "/v1/connections", "").ok_json();
            (open["total"] == 1).then_some(())
        });
        assert!(gone.is_some(), "its seat is free");
    };
    check(gone, false);
}

#[test]
fn one_that_reads_a_little_at_a_time_is_left_alone() {
    let server = Server::with(&[
        ("SIGCAST_STREAM__WRITE_STALL_SECONDS", "2"),
        ("SIGCAST_STREAM__UNANSWERED_SECONDS", "1"),
    ]);
    let key = server.alpha_key();
    let mut wire = Wire::remote(server.main, 2_304);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    wire.head();
    std::thread::scope(|scope| {
        // on a busy machine that takes its time, in which it must read as well
        scope.spawn(|| server.publish_all((1..=SIGNALS).map(heavy)));
        let begun = Instant::now();
        let mut read = 0;
        while begun.elapsed() < Duration::from_secs(7) {
            let Some(bytes) = wire.sip(300) else {
                panic!("ended after {:?} and {read} bytes", begun.elapsed());
            };
            read += bytes;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    // then it stops reading: it answers, but takes nothing
    let fired = until(PATIENCE, || (server.metric(SLOW) == 1).then_some(()));
    assert!(fired.is_some(), "named for what it is: {}", server.stderr());
}

#[test]
fn one_that_falls_ever_further_behind_is_told_so_though_it_reads() {
    falls_behind(Wire::narrow, 20_000, Duration::from_millis(50));
}

#[test]
fn one_that_reads_a_trickle_is_told_so_as_well() {
    let thin = |to| Wire::remote(to, 4_096);
    falls_behind(thin, 2_000, Duration::from_millis(250));
}

fn falls_behind(dial: impl Fn(std::net::SocketAddr) -> Wire, bytes: usize, pause: Duration) {
    let server = Server::with(&[
        ("SIGCAST_STREAM__LAG_SECONDS", "2"),
        ("SIGCAST_STREAM__UNANSWERED_SECONDS", "2"),
    ]);
    let key = server.alpha_key();
    let mut wire = dial(server.main);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    let mut slow = Stream::on(wire);
    slow.expect_hello();
    let mut seqs = Vec::new();
    let (mut published, mut id) = (0, String::new());
    let stop = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) && n < 5_000 {
                let mut signal = sample(n + 1);
                signal["note"] = json!("x".repeat(bytes));
                server.publish(&signal);
                n += 1;
            }
            n
        });
        let last = loop {
            let Next::Frame(frame) = slow.event(PATIENCE) else {
                stop.store(true, Ordering::Relaxed);
                panic!("no frame after {seqs:?}");
            };
            if frame.event != "signal" {
                break frame;
            }
            seqs.push(frame.json()["seq"].as_u64().unwrap());
            id = frame.id;
            std::thread::sleep(pause);
        };
        stop.store(true, Ordering::Relaxed);
        published = publisher.join().unwrap();
        last
    });
    assert_eq!(last.json()["code"], "slow_consumer");
    assert_eq!(server.metric(SLOW), 1);
    let mut back = server.listen(&key, "", &[("last-event-id", &id)]);
    while seqs.len() < published as usize {
        seqs.push(back.expect("signal").json()["seq"].as_u64().unwrap());
    }
    assert_eq!(seqs, (1..=u64::from(published)).collect::<Vec<_>>());
}

#[test]
fn one_that_stalls_in_the_last_of_what_it_missed_is_ended_as_well() {
    let server = Server::with(&[("SIGCAST_STREAM__WRITE_STALL_SECONDS", "1")]);
    let key = server.alpha_key();
    let from = format!("{}-0", server.epoch(&key));
    // more than its socket takes, and no more than is gathered for it: all has been read for it when it stalls
    server.publish_all((1..=8).map(heavy));
    let mut wire = Wire::narrow(server.main);
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str()), ("last-event-id", &from)];
    wire.get("/api/signals/stream", &headers);
    let mut stream = Stream::on(wire);
    stream.expect_hello();
    let ended = until(PATIENCE, || (server.metric(SLOW) == 1).then_some(()));
    assert!(ended.is_some(), "nobody looks after it");
    // a connection of HTTP/2 goes on for other streams
    let open = || match Server::IN_TLS {
        Some(Protocol::Http2) => {
            server.admin("GET", "/v1/connections", "").ok_json()["total"].as_u64()
        }
        _ => Some(server.metric("sigcast_connections")),
    };
    let gone = until(PATIENCE, || (open() == Some(0)).then_some(()));
    assert!(gone.is_some(), "its connection, or stream, stays");
    drop(stream);
}

#[test]
fn a_holder_whose_window_stays_full_gives_its_seat_to_who_comes() {
    let server = Server::start();
    let key = server.alpha_key();
    let _frozen = narrow(&server, &key);
    server.publish_all((1..=SIGNALS).map(heavy));
    let frames = || server.metric("sigcast_frames_total");
    let stuck = until(PATIENCE, || {
        let before = frames();
        std::thread::sleep(Duration::from_millis(300));
        (frames() == before).then_some(before)
    });
    let handed = stuck.expect("its buffers become full");
    assert!(
        handed < u64::from(SIGNALS),
        "{handed} frames handed over: it reads"
    );

    let begun = Instant::now();
    let second = server.stream(&key, "", &[]);
    let took = begun.elapsed();
    assert_eq!(second.head.status, 200, "{}", second.head.raw);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(
        took >= Duration::from_millis(1900),
        "it was given its time: {took:?}"
    );
    assert_eq!(
        server.metric("sigcast_stream_closes_total{reason=\"holder_gone\"}"),
        1
    );
}
