//! For the tests of shards: a node with one of them, and sockets that take as many bytes as they are told to.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    config::Config,
    frame::Frame,
    metrics::Metrics,
    node::Hub,
    opening::Opening,
    seat::{Lapse, Place, Seat, Watcher},
    shard::Shard,
    tenure::{Stopwatch, Tenure},
    transport::{Condition, Transport},
    wire::{Bare, Left, Wire},
};
use crate::{
    gate::filter::Filter,
    model::{
        lease::Claim,
        log::{LogFuture, LogHead, LogPart, LogRead, LogRow, LogUnavailable, Lost},
        random::Random,
        time::{Clock, Time},
    },
};

pub(super) struct EmptyLog;

impl LogRead for EmptyLog {
    fn head(&self) -> LogFuture<'_, LogHead> {
        let head = LogHead {
            epoch: "e".into(),
            seq: 0,
            oldest: 1,
        };
        Box::pin(async { Ok::<_, LogUnavailable>(head) })
    }

    fn after(&self, _: i64, _: usize) -> LogFuture<'_, LogPart> {
        Box::pin(async { Err(LogUnavailable("none".to_owned())) })
    }

    fn before_time(&self, _: Time) -> LogFuture<'_, i64> {
        Box::pin(async { Ok(0) })
    }

    fn settled_before(&self, _: Time) -> LogFuture<'_, i64> {
        Box::pin(async { Ok(0) })
    }

    fn begin_anew<'a>(&'a self, _: &'a Lost, _: &'a str) -> LogFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A socket that takes as many bytes as it is told to.
#[derive(Debug, Default)]
pub(super) struct Pipe(pub(super) Mutex<Inside>);

#[derive(Debug, Default)]
pub(super) struct Inside {
    room: usize,
    taken: Vec<u8>,
    pub(super) to_read: VecDeque<usize>,
}

impl Pipe {
    pub(super) fn make_room(&self, bytes: usize) {
        self.0.lock().unwrap().room = bytes;
    }

    pub(super) fn taken(&self) -> Vec<u8> {
        self.0.lock().unwrap().taken.clone()
    }
}

impl Wire for Pipe {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut inside = self.0.lock().unwrap();
        let taken = bytes.len().min(inside.room);
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inside.room -= taken;
        inside.taken.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        let next = self.0.lock().unwrap().to_read.pop_front();
        next.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl Transport for Pipe {
    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    fn written(&self) -> u64 {
        0
    }

    fn condition(&self) -> Option<Condition> {
        None
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn kill(&self) {}

    fn unanswered_for(&self) -> Duration {
        Duration::MAX
    }

    fn let_system_give_up(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn mark(&self, _: &Frame) {}
}

#[derive(Default)]
pub(super) struct Asked(Mutex<Vec<Place>>);

impl Watcher for Asked {
    fn look_at(&self, place: Place) {
        self.0.lock().unwrap().push(place);
    }
}

/// The node, one shard of it, and what was published.
pub(super) struct World {
    pub(super) hub: Arc<Hub>,
    pub(super) shard: Shard<Pipe>,
    pub(super) asked: Arc<Asked>,
    pub(super) published: Vec<(i64, &'static str)>,
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) connections: u64,
}

/// A client: what it asked for, and the bytes that it has.
pub(super) struct Client {
    pub(super) pipe: Arc<Pipe>,
    pub(super) seat: Arc<Seat>,
    pub(super) filter: Filter,
    pub(super) from: i64,
    pub(super) key: Option<u32>,
    /// After the last byte came these, and the stream stood here or was over.
    pub(super) left: Option<(Vec<u8>, Option<i64>)>,
}

pub(super) const TOKENS: [&str; 2] = ["A", "B"];
pub(super) const RETRY_MS: u32 = 1_234;

impl World {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let config = Config {
            ring_frames: 10_000,
            ring_kb: 100_000,
            ping_seconds: 25,
            ping_spread_seconds: 2,
            probe_ms: 2_000,
            takeovers_per_minute: 6,
            write_stall_seconds: 10,
            unanswered_seconds: 20,
            lag_seconds: 30,
            direct: true,
            shards: 1,
            pending_frames: 16,
            tick_ms: 500,
            lease_ms: 4_000,
            beat_ms: 1_000,
        };
        let clock = Clock::from_fn(|| Time(1_000));
        let random = Random::from_fn(|bytes| bytes.fill(7));
        let hub = Hub::open(
            config,
            Arc::new(EmptyLog),
            None,
            clock,
            random,
            Metrics::default(),
        );
        let mut hub = Arc::into_inner(runtime.block_on(hub).unwrap()).unwrap();
        let time = Stopwatch::from_fn(|| Duration::from_secs(1));
        hub.tenure = Arc::new(Tenure::shared(Duration::from_secs(60), time));
        hub.tenure.extend(Duration::from_secs(1));
        let hub = Arc::new(hub);
        let asked = Arc::new(Asked::default());
        World {
            shard: Shard::new(hub.clone(), asked.clone()),
            hub,
            asked,
            published: Vec::new(),
            runtime,
            connections: 0,
        }
    }

    pub(super) fn publish(&mut self, count: usize, size: usize, token: &'static str) {
        let first = self.published.len() as i64 + 1;
        let frames = (first..first + count as i64).map(|seq| {
            let pad = "x".repeat(size);
            let body = format!("{{\"token\":{{\"address\":\"{token}\"}},\"pad\":\"{pad}\"}}");
            let row = LogRow {
                seq,
                published_at: Time(0),
                body: body.into(),
            };
            Frame::new("e", &row, None, std::time::Instant::now())
        });
        self.hub.ring.push(frames.collect(), |_| ());
        let seqs = first..first + count as i64;
        self.published.extend(seqs.map(|seq| (seq, token)));
    }

    pub(super) fn connect(&mut self, filter: Filter, from: i64, lapse: Option<Lapse>) -> Client {
        self.connections += 1;
        let pipe = Arc::new(Pipe::default());
        pipe.make_room(usize::MAX);
        let transport: Arc<dyn Transport> = pipe.clone();
        let seat = Seat::new(
            format!("key {}", self.connections),
            "account".to_owned(),
            self.connections,
            Time(0),
            transport.peer().into(),
            Arc::downgrade(&transport),
            lapse,
        );
        let taken = self.hub.take_seat(seat, Claim::Fresh);
        let guard = self.runtime.block_on(taken).unwrap();
        let seat = guard.shared();
        let bare = Bare {
            seat: guard,
            socket: pipe.clone(),
            opening: Opening {
                hello: None,
                gap: None,
                at: from,
                log: self.hub.ring.standing().0,
                filter: filter.clone(),
                heartbeat: false,
                replay: None,
                retry_ms: RETRY_MS,
                next_ping: Instant::now() + Duration::from_secs(25),
                matched: 0,
            },
            opened: std::time::Instant::now(),
            keep: Box::new(()),
        };
        let key = self.shard.join(bare);
        Client {
            pipe,
            seat,
            filter,
            from,
            key,
            left: None,
        }
    }

    /// Lets the thread's loop run until there is nothing to do.
    pub(super) fn run(&mut self, clients: &mut [Client]) {
        loop {
            let asked = std::mem::take(&mut *self.asked.0.lock().unwrap());
            for place in asked {
                self.shard.look_at(place);
            }
            self.shard.read_on();
            let more = self.shard.sweep();
            self.collect(clients);
            if !more && !self.shard.is_behind() && self.asked.0.lock().unwrap().is_empty() {
                return;
            }
        }
    }

    pub(super) fn collect(&mut self, clients: &mut [Client]) {
        for left in self.shard.take_left() {
            let (socket, left) = match left {
                Left::Behind { bare, rest } => {
                    (bare.socket, (rest.to_vec(), Some(bare.opening.at)))
                }
                Left::Over { socket, rest, .. } => (socket, (rest, None)),
            };
            let mut clients = clients.iter_mut();
            let client = clients.find(|client| Arc::ptr_eq(&client.pipe, &socket));
            let client = client.unwrap();
            assert!(client.left.is_none(), "it left twice");
            (client.left, client.key) = (Some(left), None);
        }
    }
}
