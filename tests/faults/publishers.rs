//! Publishers through nodes and through SQL that never give up: each signal is sent again, by its id, until its place is known.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};

use crate::harness::{
    server::{Server, sample},
    wire::{Wire, head, try_dial},
};

/// By what way signals are published.
pub enum Way {
    /// A node's admin listener.
    Node(SocketAddr),
    /// The database of this URL.
    Sql(String),
}

/// After a failure.
const RETRY: Duration = Duration::from_millis(50);
const DIAL: Duration = Duration::from_secs(2);
/// What is refused for so long is never taken.
const LOST: Duration = Duration::from_secs(60);

/// What all publishers of a run know together.
#[derive(Default)]
pub struct Book {
    begun: AtomicU32,
    /// Places that were told, each once.
    places: Mutex<Vec<u64>>,
    last: AtomicU64,
    /// Attempts whose outcome was not told.
    pub failed: AtomicU64,
    /// Set when it is enough.
    pub enough: AtomicBool,
}

impl Book {
    /// The furthest place that was told.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    /// Publishes signals, each with a pause after it, until there are so many *and* it is enough.
    pub fn publish(&self, by: &Way, least: u32, pause: Duration) {
        let mut sender = Sender::new(by);
        while !self.enough.load(Ordering::Relaxed) || self.begun.load(Ordering::Relaxed) < least {
            let n = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            let signal = sample(n).to_string();
            let tried = Instant::now();
            let seq = loop {
                if let Some(seq) = sender.send(&signal) {
                    break seq;
                }
                assert!(tried.elapsed() < LOST, "signal {n} cannot be published");
                self.failed.fetch_add(1, Ordering::Relaxed);
                thread::sleep(RETRY);
            };
            self.places.lock().unwrap().push(seq);
            self.last.fetch_max(seq, Ordering::SeqCst);
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    }

    /// Holds what was told to: every place from the first on, each to one signal; gives how many.
    pub fn expect_gapless(&self) -> u64 {
        let mut places = self.places.lock().unwrap().clone();
        places.sort_unstable();
        let all: Vec<u64> = (1..=places.len() as u64).collect();
        assert!(places == all, "a place is left out, or given twice");
        all.len() as u64
    }
}

enum Sender<'a> {
    Node(SocketAddr, Option<Wire>),
    Sql(&'a str, tokio::runtime::Runtime, Option<PgConnection>),
}

impl<'a> Sender<'a> {
    fn new(by: &'a Way) -> Self {
        match by {
            Way::Node(address) => Sender::Node(*address, None),
            Way::Sql(url) => {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                Sender::Sql(url, runtime.unwrap(), None)
            }
        }
    }

    /// One attempt; its place, where that is told.
    fn send(&mut self, signal: &str) -> Option<u64> {
        match self {
            Sender::Node(address, kept) => {
                let mut wire = match kept.take() {
                    Some(wire) => wire,
                    None => Wire::over(try_dial(*address, DIAL)?),
                };
                let seq = post(&mut wire, signal)?;
                *kept = Some(wire);
                Some(seq)
            }
            Sender::Sql(url, runtime, kept) => runtime.block_on(async {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => PgConnection::connect(url).await.ok()?,
                };
                let seq = call(&mut connection, signal).await?;
                *kept = Some(connection);
                Some(seq)
            }),
        }
    }
}

fn post(wire: &mut Wire, signal: &str) -> Option<u64> {
    let (bearer, length) = (
        format!("Bearer {}", Server::TOKEN),
        signal.len().to_string(),
    );
    let fields = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    let head = head("POST", "/v1/signals", &fields);
    wire.try_send(&[head.as_bytes(), signal.as_bytes()].concat())
        .ok()?;
    let head = wire.try_head()?;
    let reply = wire.try_reply_after(head)?;
    match reply.head.status {
        200 => serde_json::from_slice::<serde_json::Value>(&reply.body).ok()?["seq"].as_u64(),
        // nothing else says "not now"
        503 => None,
        _ => panic!("{}{}", reply.head.raw, reply.text()),
    }
}

async fn call(connection: &mut PgConnection, signal: &str) -> Option<u64> {
    let sql = "select seq from publish_signals(array[$1])";
    let called = sqlx::query_scalar::<_, i64>(sql).bind(signal);
    match called.fetch_one(connection).await {
        Ok(seq) => u64::try_from(seq).ok(),
        // what the server itself says is no refusal, but that it goes down or was waited for
        Err(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default().into_owned();
            let passes = ["57", "55", "08", "53"]
                .iter()
                .any(|class| code.starts_with(class));
            assert!(passes, "{error}");
            None
        }
        Err(_) => None,
    }
}

/// By both nodes and by SQL, so many of each node and twice as many by SQL.
pub fn ways(servers: &[Server; 2], url: &str, of_each: usize) -> Vec<Way> {
    let mut all = Vec::new();
    for _ in 0..of_each {
        all.extend(servers.iter().map(|server| Way::Node(server.admin)));
        all.extend((0..2).map(|_| Way::Sql(url.to_owned())));
    }
    all
}
