//! For the tests of shards: a node with one of them, its clients, and what was published.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    frame::Frame,
    node::Hub,
    opening::Opening,
    seat::{Lapse, Place, Seat, Watcher},
    shard::Shard,
    test_node::{Pipe, node, seat},
    transport::Transport,
    wire::{Bare, Left},
};
use crate::{
    gate::filter::Filter,
    model::{
        delivery::Written,
        lease::Claim,
        log::{LogRow, Position},
        time::Time,
    },
};

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
    /// What is noted to have been written, by connection.
    pub(super) written: HashMap<u64, Written>,
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
        let hub = runtime.block_on(node());
        let accounts = ["account".into()].into();
        hub.writes.set_accounts(accounts, &hub.seats);
        let asked = Arc::new(Asked::default());
        World {
            shard: Shard::new(hub.clone(), asked.clone()),
            hub,
            asked,
            published: Vec::new(),
            runtime,
            connections: 0,
            written: HashMap::new(),
        }
    }

    pub(super) fn publish(&mut self, count: usize, size: usize, token: &'static str) {
        let first = self.published.len() as i64 + 1;
        let frames = (first..first + count as i64).map(|seq| {
            let pad = "x".repeat(size);
            let body = format!(
                "{{\"rank_score\":50,\"token\":{{\"address\":\"{token}\"}},\"pad\":\"{pad}\"}}"
            );
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
        let seat = seat(self.connections, &transport, lapse);
        let taken = self.hub.take_seat(seat, Claim::Fresh);
        let guard = self.runtime.block_on(taken).unwrap();
        let seat = guard.shared();
        let place = Position {
            epoch: "e".into(),
            seq: from,
        };
        self.hub.writes.open(&seat, &filter, &place);
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

    /// Has all streams say how far they were written to.
    pub(super) fn look(&mut self, clients: &mut [Client]) {
        self.hub.writes.look(self.hub.ring.head());
        self.run(clients);
        for range in self.hub.writes.take_changed(Time(0)) {
            self.written.insert(range.connection, range);
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
