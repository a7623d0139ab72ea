//! Whatever happens to streams in a shard, each byte that a socket took belongs to a whole frame, each frame comes once, and none is left out.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    chunk,
    config::Config,
    frame::{self, Ending, Frame},
    metrics::Metrics,
    node::Hub,
    seat::{End, Lapse, Place, Seat, Watcher},
    shard::{Bare, Left, Shard, Wire},
    stream::Opening,
    transport::{Condition, Transport},
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

struct EmptyLog;

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
struct Pipe(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    room: usize,
    taken: Vec<u8>,
    to_read: VecDeque<usize>,
}

impl Pipe {
    fn make_room(&self, bytes: usize) {
        self.0.lock().unwrap().room = bytes;
    }

    fn taken(&self) -> Vec<u8> {
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
struct Asked(Mutex<Vec<Place>>);

impl Watcher for Asked {
    fn look_at(&self, place: Place) {
        self.0.lock().unwrap().push(place);
    }
}

/// The node, one shard of it, and what was published.
struct World {
    hub: Arc<Hub>,
    shard: Shard<Pipe>,
    asked: Arc<Asked>,
    published: Vec<(i64, &'static str)>,
    runtime: tokio::runtime::Runtime,
    connections: u64,
}

/// A client: what it asked for, and the bytes that it has.
struct Client {
    pipe: Arc<Pipe>,
    seat: Arc<Seat>,
    filter: Filter,
    from: i64,
    key: Option<u32>,
    /// After the last byte came these, and the stream stood here or was over.
    left: Option<(Vec<u8>, Option<i64>)>,
}

const TOKENS: [&str; 2] = ["A", "B"];
const RETRY_MS: u32 = 1_234;

impl World {
    fn new() -> Self {
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
        let hub = runtime.block_on(hub).unwrap();
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

    fn publish(&mut self, count: usize, size: usize, token: &'static str) {
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

    fn connect(&mut self, filter: Filter, from: i64, lapse: Option<Lapse>) -> Client {
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
    fn run(&mut self, clients: &mut [Client]) {
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

    fn collect(&mut self, clients: &mut [Client]) {
        for left in self.shard.take_left() {
            let (socket, left) = match left {
                Left::Behind { bare, rest } => (bare.socket, (rest, Some(bare.opening.at))),
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

/// The contents of chunks, and whether the body has ended.
fn chunks(mut bytes: &[u8]) -> (Vec<String>, bool) {
    let mut all = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (begin, end) = (end + 2, end + 2 + size);
        assert_eq!(&bytes[end..end + 2], b"\r\n", "a chunk's end");
        if size == 0 {
            assert_eq!(bytes.len(), end + 2, "nothing after the end");
            return (all, true);
        }
        all.push(String::from_utf8(bytes[begin..end].to_vec()).unwrap());
        bytes = &bytes[end + 2..];
    }
    assert!(bytes.is_empty(), "{} bytes of no chunk", bytes.len());
    (all, false)
}

impl Client {
    /// Holds what it has against what it should have.
    fn check(&self, world: &World) {
        let mut bytes = self.pipe.taken();
        let head = world.published.len() as i64;
        let (rest, until) = match &self.left {
            Some((rest, at)) => (rest.as_slice(), at.unwrap_or(i64::MAX)),
            None => (&[][..], head),
        };
        bytes.extend_from_slice(rest);
        let (chunks, ended) = chunks(&bytes);
        let over = self.left.as_ref().is_some_and(|(_, at)| at.is_none());
        assert_eq!(ended, over);
        let signals = chunks
            .iter()
            .filter(|chunk| chunk.starts_with("event: signal"));
        let seqs: Vec<i64> = signals
            .map(|chunk| {
                let id = chunk.rsplit("id: e-").next().unwrap();
                id.trim().parse().unwrap()
            })
            .collect();
        let wanted = |(seq, token): &&(i64, &str)| {
            *seq > self.from
                && *seq <= until
                && self.filter.token.as_ref().is_none_or(|own| own == token)
        };
        let wanted: Vec<i64> = world
            .published
            .iter()
            .filter(wanted)
            .map(|(seq, _)| *seq)
            .collect();
        if over {
            // it was ended at some moment: without a hole until then
            assert_eq!(seqs, wanted[..seqs.len()]);
        } else {
            assert_eq!(seqs, wanted);
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Publish(usize, usize, &'static str),
    Connect(Option<&'static str>, i64),
    Room(usize, usize),
    Sweep,
    End(usize),
    Probe(usize),
    Ping,
}

fn act() -> impl Strategy<Value = Act> {
    let token = prop::sample::select(TOKENS.as_slice());
    prop_oneof![
        4 => (1..4_usize, 0..3_000_usize, token.clone()).prop_map(|(n, size, t)| Act::Publish(n, size, t)),
        // enough to push a stalled one out of what is kept
        1 => (10..40_usize, 20_000..40_000_usize, token.clone()).prop_map(|(n, size, t)| Act::Publish(n, size, t)),
        2 => (prop::option::of(token), -3..3_i64).prop_map(|(t, by)| Act::Connect(t, by)),
        5 => (0..20_usize, 0..60_000_usize).prop_map(|(who, room)| Act::Room(who, room)),
        4 => Just(Act::Sweep),
        1 => (0..20_usize).prop_map(Act::End),
        1 => (0..20_usize).prop_map(Act::Probe),
        1 => Just(Act::Ping),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_gets_every_frame_once_and_whole(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::new();
        let mut clients: Vec<Client> = Vec::new();
        let mut now = Instant::now();
        for act in acts {
            match act {
                Act::Publish(count, size, token) => world.publish(count, size, token),
                Act::Connect(token, by) => {
                    let filter = Filter {
                        token: token.map(str::to_owned),
                        ..Filter::default()
                    };
                    // before and after what the shard has read
                    let from = (world.published.len() as i64 + by).max(0);
                    let client = world.connect(filter, from, None);
                    clients.push(client);
                    world.collect(&mut clients);
                }
                Act::Room(who, room) => {
                    if let Some(client) = clients.get(who) {
                        client.pipe.make_room(room);
                        if let Some(key) = client.key {
                            world.shard.writable(key);
                        }
                    }
                }
                Act::Sweep => {
                    world.shard.read_on();
                    world.shard.sweep();
                }
                Act::End(who) => {
                    if let Some(client) = clients.get(who) {
                        client.seat.end(End::Error(Ending::Superseded));
                    }
                }
                Act::Probe(who) => {
                    if let Some(client) = clients.get(who) {
                        client.seat.ask_probe();
                    }
                }
                Act::Ping => {
                    now += Duration::from_secs(5);
                    world.shard.tick(now);
                }
            }
            world.collect(&mut clients);
        }
        for round in 0..3 {
            world.run(&mut clients);
            for client in &clients {
                client.pipe.make_room(usize::MAX);
                if let Some(key) = client.key {
                    world.shard.writable(key);
                }
            }
            prop_assert!(round < 2 || !world.shard.is_behind());
        }
        world.collect(&mut clients);
        for client in &clients {
            client.check(&world);
        }
    }
}

#[test]
fn who_is_ended_gets_its_last_word_and_nothing_after() {
    let mut world = World::new();
    let mut clients = vec![world.connect(Filter::default(), 0, None)];
    clients[0].seat.end(End::Error(Ending::KeyRevoked));
    world.publish(1, 10, "A");
    world.run(&mut clients);
    let last = chunk::Chunk::of(Ending::KeyRevoked.frame());
    let expected = [&last.whole()[..], chunk::END].concat();
    assert_eq!(clients[0].pipe.taken(), expected);
    assert!(world.hub.seats.is_empty() && world.shard.is_empty());
}

#[test]
fn who_lapses_is_ended_before_the_next_signal() {
    let mut world = World::new();
    let lapse = Lapse {
        at: Time(1_000),
        ending: Ending::SubscriptionExpired,
    };
    let mut clients = vec![world.connect(Filter::default(), 0, Some(lapse))];
    world.publish(1, 10, "A");
    world.run(&mut clients);
    let taken = String::from_utf8(clients[0].pipe.taken()).unwrap();
    assert!(taken.contains("subscription_expired"), "{taken}");
    assert!(!taken.contains("event: signal\n"), "{taken}");
}

#[test]
fn pings_and_probes_are_written_and_a_full_socket_gets_them_later() {
    let mut world = World::new();
    let mut clients = vec![world.connect(Filter::default(), 0, None)];
    let client = &clients[0];
    client.pipe.make_room(3);
    world.shard.tick(Instant::now() + Duration::from_secs(26));
    assert_eq!(client.pipe.taken().len(), 3);
    client.seat.ask_probe();
    world.run(&mut clients);
    clients[0].pipe.make_room(usize::MAX);
    world.shard.writable(clients[0].key.unwrap());
    let (chunks, _) = chunks(&clients[0].pipe.taken());
    assert_eq!(
        chunks,
        [frame::PING, frame::PROBE].map(|said| String::from_utf8(said.to_vec()).unwrap())
    );
}

#[test]
fn whose_client_is_gone_frees_its_seat() {
    let mut world = World::new();
    let client = world.connect(Filter::default(), 0, None);
    client.pipe.0.lock().unwrap().to_read.extend([10, 0]);
    world.shard.readable(client.key.unwrap());
    assert!(world.hub.seats.is_empty() && world.shard.is_empty());
}
