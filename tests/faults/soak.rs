//! A long day in short: clients come and go, signals are published and lists asked for, and nothing grows.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{
    alone,
    bench::{Stop, descriptors, keys, post, resident_kb},
    is_long, size, tell,
};
use crate::harness::{
    server::{Key, Server, sample, until},
    wire::{Next, PATIENCE, Wire},
};

const CROWD: usize = 20;

/// Growth in kB a minute, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let n = samples.len() as f64;
    let (x, y) = samples
        .iter()
        .fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
    let (mut up, mut down) = (0.0, 0.0);
    for (a, b) in samples {
        up += (a - x) * (b - y);
        down += (a - x) * (a - x);
    }
    if down > 0.0 { up / down } else { 0.0 }
}

/// Comes, listens for a moment, asks for a list now and then, and goes.
fn come_and_go(server: &Server, key: &Key, number: u64, rounds: &AtomicU64, stop: &AtomicBool) {
    let mut round = number;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let mut stream = server.stream(key, "", &[]);
        assert_eq!(stream.head.status, 200, "{}", stream.head.raw);
        let until = Instant::now() + Duration::from_millis(50 + round * 37 % 400);
        while Instant::now() < until {
            assert_ne!(stream.event(Duration::from_millis(50)), Next::End);
        }
        if round.is_multiple_of(5) {
            // beyond its burst it is refused, which costs as little
            server.get("/api/signals?limit=50", key);
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn churn_leaves_nothing_behind() {
    let _alone = alone();
    let lasts = Duration::from_secs(size(20, 600) as u64);
    // what is kept on purpose is soon full: the ring, and the database's cache of pages
    let server = Server::with(&[
        ("SIGCAST_STREAM__RING_FRAMES", "512"),
        ("SIGCAST_STORE__WRITER_CACHE_KB", "1024"),
    ]);
    let keys = keys(&server, CROWD);
    let idle = descriptors(server.pid());
    let (stop, rounds, published) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU32::new(0));
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        for (n, key) in keys.iter().enumerate() {
            let (server, rounds, stop) = (&server, &rounds, &stop);
            scope.spawn(move || come_and_go(server, key, n as u64, rounds, stop));
        }
        scope.spawn(|| {
            let mut admin = Wire::connect(server.admin);
            while !stop.load(Ordering::Relaxed) {
                let n = published.fetch_add(1, Ordering::Relaxed) + 1;
                post(&mut admin, "/v1/signals", &sample(n));
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let _stopping = Stop(&stop);
        let begun = Instant::now();
        while begun.elapsed() < lasts {
            std::thread::sleep(Duration::from_millis(500));
            let minutes = begun.elapsed().as_secs_f64() / 60.0;
            // at first, caches and the ring fill
            if begun.elapsed() > lasts.mul_f64(0.3) {
                samples.push((minutes, resident_kb(server.pid()) as f64));
            }
        }
    });
    // a stream's end is noticed when its client is gone already
    let left = until(PATIENCE, || {
        (server.metric("sigcast_streams") == 0).then_some(())
    });
    let flat = until(PATIENCE, || {
        (descriptors(server.pid()) <= idle + 2).then_some(())
    });
    let growth = slope(&samples);
    tell(format_args!(
        "{lasts:?} of churn: {} streams, {} signals; memory grows by {growth:.0} kB a minute, from {:.0} to {:.0} kB; descriptors {idle} before, {} after",
        rounds.load(Ordering::Relaxed),
        published.load(Ordering::Relaxed),
        samples.first().map_or(0.0, |sample| sample.1),
        samples.last().map_or(0.0, |sample| sample.1),
        descriptors(server.pid())
    ));
    assert!(
        rounds.load(Ordering::Relaxed) > CROWD as u64,
        "they came and went"
    );
    assert!(
        flat.is_some(),
        "{} descriptors, {idle} before",
        descriptors(server.pid())
    );
    let (least, most) = samples
        .iter()
        .fold((f64::MAX, 0.0_f64), |(l, m), s| (l.min(s.1), m.max(s.1)));
    if is_long() {
        assert!(growth < 1_024.0, "{growth} kB a minute");
    } else {
        assert!(most - least < 20_480.0, "from {least} to {most} kB");
    }
    assert!(
        left.is_some(),
        "{} streams",
        server.metric("sigcast_streams")
    );
}
