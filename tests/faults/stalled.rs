//! Readers that stall, by the thousand, beside healthy ones: the memory they cost is bounded, all are ended in time, and nobody waits.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    alone,
    bench::{Stop, keys, post, resident_kb, spread},
    is_long, size, tell,
};
use crate::harness::{
    server::{Key, Server, sample},
    wire::{Next, Stream, Wire},
};

const HEALTHY: usize = 10;
const MOST_RESIDENT_KB: u64 = 100 * 1024;
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a signal beyond what it says: a stalled reader's buffers are full soon.
const WEIGHT: usize = 20_000;

fn stalled(server: &Server, key: &Key) -> Stream {
    let mut wire = Wire::narrow(server.main);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    let mut stream = Stream::on(wire);
    stream.expect_hello();
    stream
}

/// Reads to the end of the test: how long each signal was under way.
fn healthy(server: &Server, key: &Key, zero: Instant, stop: &AtomicBool) -> Vec<Duration> {
    let mut stream = server.listen(key, "", &[]);
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        match stream.event(Duration::from_millis(200)) {
            Next::Frame(frame) => {
                assert_eq!(frame.event, "signal", "{frame:?}");
                let sent = Duration::from_micros(frame.json()["sent_us"].as_u64().unwrap());
                took.push(zero.elapsed().saturating_sub(sent));
            }
            Next::Silence => {}
            Next::End => panic!("a healthy reader was ended after {} signals", took.len()),
        }
    }
    took
}

#[test]
fn stalled_readers_cost_the_others_nothing() {
    let _alone = alone();
    let (count, stall) = (size(200, 2_000), size(3, 10).to_string());
    let server = Server::with(&[("SIGCAST_STREAM__WRITE_STALL_SECONDS", &stall)]);
    let keys = keys(&server, count + HEALTHY);
    let (readers, frozen) = keys.split_at(HEALTHY);
    let held: Vec<Stream> = frozen.iter().map(|key| stalled(&server, key)).collect();
    let ended = || {
        let by = |reason| {
            server.metric(&format!(
                "sigcast_stream_closes_total{{reason=\"{reason}\"}}"
            ))
        };
        by("slow_consumer") + by("unreachable")
    };
    let (zero, stop) = (Instant::now(), AtomicBool::new(false));
    let (mut took, most_kb, gone_after, published) = std::thread::scope(|scope| {
        let reading: Vec<_> = readers
            .iter()
            .map(|key| scope.spawn(|| healthy(&server, key, zero, &stop)))
            .collect();
        let stopping = Stop(&stop);
        let all = (count + HEALTHY) as u64;
        while server.metric("sigcast_streams") < all {
            std::thread::yield_now();
        }
        let mut admin = Wire::connect(server.admin);
        let (begun, mut most_kb, mut published) = (Instant::now(), 0, 0_u32);
        // a little longer than they are there, so that it is seen that the others go on
        while (ended() < count as u64 || published < 100) && begun.elapsed() < 2 * GONE_WITHIN {
            published += 1;
            let mut signal = sample(published);
            signal["pad"] = json!("x".repeat(WEIGHT));
            signal["sent_us"] = json!(zero.elapsed().as_micros() as u64);
            post(&mut admin, "/v1/signals", &signal);
            most_kb = most_kb.max(resident_kb(server.pid()));
            std::thread::sleep(Duration::from_millis(20));
        }
        let gone_after = begun.elapsed();
        drop(stopping);
        let took: Vec<Vec<Duration>> = reading.into_iter().map(|r| r.join().unwrap()).collect();
        (took, most_kb, gone_after, published)
    });
    assert_eq!(ended(), count as u64, "each was ended, and for that reason");
    for one in &took {
        assert_eq!(one.len() as u32, published, "a healthy reader has all");
    }
    let mut all: Vec<Duration> = took.iter_mut().flat_map(std::mem::take).collect();
    let (middle, p99, most) = spread(&mut all);
    tell(format_args!(
        "{count} stalled readers: gone after {gone_after:?}, at most {most_kb} kB resident; {HEALTHY} healthy ones: p50 {middle:?}, p99 {p99:?}, most {most:?} of {}",
        all.len()
    ));
    assert!(most_kb <= MOST_RESIDENT_KB, "{most_kb} kB");
    assert!(gone_after <= GONE_WITHIN, "{gone_after:?}");
    if is_long() {
        assert!(p99 < Duration::from_millis(50), "{p99:?}");
    }
    drop(held);
}
