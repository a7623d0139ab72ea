//! The measuring: latencies on one connection, memory during an export, and requests per second.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{
    cases::Case,
    server::{Connection, Server},
};

const MOST_REQUESTS: u64 = 100;
const LEAST_REQUESTS: u64 = 20;
const LONG_ENOUGH: Duration = Duration::from_secs(4);

/// What a case took, in milliseconds.
pub struct Taken {
    /// The first request: nothing was counted before.
    pub first: f64,
    /// The median of the others.
    pub p50: f64,
    /// Their 99th percentile; of a hundred or less, the longest.
    pub p99: f64,
    /// How many others.
    pub requests: usize,
    /// Processor time of the server for each of them.
    pub processor: f64,
}

/// Asks one after the other.
pub fn latencies(server: &Server, connection: &mut Connection, case: &Case) -> Taken {
    let mut body = Vec::new();
    let mut ask = |n: u64| {
        let mut path = case
            .path
            .replace("{offset}", &(case.offset + n).to_string());
        if !case.texts.is_empty() {
            path = path.replace("{q}", &case.texts[n as usize % case.texts.len()]);
        }
        let request = connection.request(&path, "application/json");
        let began = Instant::now();
        connection.ask(&request, &mut body);
        began.elapsed().as_secs_f64() * 1e3
    };
    let first = ask(0);
    let used = server.processor_ms();
    let began = Instant::now();
    let mut taken = Vec::new();
    // a text that was asked for would be answered by the page that is kept
    let most = match case.texts.len() as u64 {
        0 => MOST_REQUESTS,
        texts => MOST_REQUESTS.min(texts - 1),
    };
    for n in 1..=most {
        if n > LEAST_REQUESTS && began.elapsed() > LONG_ENOUGH {
            break;
        }
        taken.push(ask(n));
    }
    let processor = (server.processor_ms() - used) / taken.len() as f64;
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken[((taken.len() as f64 * share).ceil() as usize).max(1) - 1];
    Taken {
        first,
        p50: at(0.5),
        p99: at(0.99),
        requests: taken.len(),
        processor,
    }
}

/// What an export came to.
pub struct Export {
    /// Rows, without the names of the columns.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds.
    pub seconds: f64,
    /// Seconds until the first piece came.
    pub first: f64,
    /// Resident memory of the server before, at the most meanwhile, and after, in kB.
    pub memory_kb: [u64; 3],
}

/// Reads a whole file, and looks at the server's memory meanwhile.
pub fn export(server: &Server, path: &str) -> Export {
    let before = server.memory_kb().0;
    let done = AtomicBool::new(false);
    let most = AtomicU64::new(before);
    let (mut lines, mut bytes, mut first) = (0, 0, None);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(server.memory_kb().0, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        server.connect().file(path, |piece| {
            first.get_or_insert_with(|| began.elapsed().as_secs_f64());
            bytes += piece.len() as u64;
            lines += piece.windows(2).filter(|pair| pair == b"\r\n").count() as u64;
        });
        done.store(true, Ordering::Relaxed);
    });
    Export {
        rows: lines - 1,
        bytes,
        seconds: began.elapsed().as_secs_f64(),
        first: first.unwrap_or(0.0),
        memory_kb: [before, most.load(Ordering::Relaxed), server.memory_kb().0],
    }
}

/// Requests per second, from so many connections that each ask again as soon as they are answered; and megabytes.
pub fn throughput(server: &Server, path: &str, connections: usize, seconds: u64) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    let (requests, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = server.connect();
                let request = connection.request(path, "application/json");
                let mut body = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    connection.ask(&request, &mut body);
                    requests.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    let took = began.elapsed().as_secs_f64();
    (
        requests.load(Ordering::Relaxed) as f64 / took,
        bytes.load(Ordering::Relaxed) as f64 / took / 1e6,
    )
}
