//! What a shard's write costs a delivery: a frame, or eight that leave as one, to a thousand streams, on wires that take everything and on sockets.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sigcast::{
    app::system,
    config::load::load,
    gate::filter::Filter,
    hub::{
        config::Config,
        frame::Frame,
        metrics::Metrics,
        node::Hub,
        opening::Opening,
        seat::{Place, Seat, Watcher},
        shard::Shard,
        socket::Socket,
        transport::Transport,
        wire::{Bare, Wire},
    },
    model::{
        lease::Claim,
        log::{LogFuture, LogHead, LogPart, LogRead, LogRow, LogUnavailable, Lost},
        time::{Clock, Time},
    },
};
use tokio::runtime::Runtime;

const STREAMS: u64 = 1_000;
/// How many frames have come when the sweep begins: one, and as many as are joined under load.
const JOINED: [u64; 2] = [1, 8];
/// With which a signal is some 1.1 kB on the wire.
const PAD_BYTES: usize = 950;

/// Nothing ever happens to the seats.
struct Nobody;

impl Watcher for Nobody {
    fn look_at(&self, _: Place) {}
}

/// A log without rows: no stream here ever falls behind the ring.
struct NoRows;

impl LogRead for NoRows {
    fn head(&self) -> LogFuture<'_, LogHead> {
        let head = LogHead {
            epoch: "1f3c9a2e".into(),
            seq: 0,
            oldest: 1,
        };
        Box::pin(async { Ok(head) })
    }

    fn after(&self, _: i64, _: usize) -> LogFuture<'_, LogPart> {
        Box::pin(async { Err(LogUnavailable("no rows".to_owned())) })
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

/// Takes everything at once: what is left is the shard's own work.
struct TakesAll;

impl Wire for TakesAll {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(std::hint::black_box(bytes).len())
    }

    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A shard with its streams, and who reads what they are sent.
struct Bench<W> {
    hub: Arc<Hub>,
    shard: Shard<W>,
    seq: i64,
    peers: Vec<TcpStream>,
}

impl<W: Wire> Bench<W> {
    fn new(wires: Vec<Arc<W>>, peers: Vec<TcpStream>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let hub = Hub::open(
            config(),
            Arc::new(NoRows),
            None,
            Clock::system(),
            system::random(),
            Metrics::default(),
        );
        let hub = runtime.block_on(hub).expect("a log");
        let mut shard = Shard::new(hub.clone(), Arc::new(Nobody));
        for (connection, wire) in (1..).zip(wires) {
            // nobody wants the seat, so that its connection is never looked at
            let nothing = Weak::<Socket>::new();
            let seat = Seat::new(
                format!("key-{connection}").into(),
                "account".into(),
                connection,
                Time(0),
                SocketAddr::from(([127, 0, 0, 1], 1)).into(),
                nothing,
                None,
            );
            let seat = runtime.block_on(hub.take_seat(seat, Claim::Fresh));
            let Ok(seat) = seat else {
                panic!("a seat is refused");
            };
            let opening = Opening {
                hello: None,
                gap: None,
                at: 0,
                log: hub.ring.standing().0,
                filter: Filter::default(),
                heartbeat: false,
                replay: None,
                retry_ms: 2_000,
                next_ping: tokio::time::Instant::now() + Duration::from_secs(3_600),
                matched: 0,
            };
            let joined = shard.join(Bare {
                seat,
                socket: wire,
                opening,
                opened: Instant::now(),
                keep: Box::new(()),
            });
            assert!(joined.is_some(), "a stream does not stay");
        }
        Bench {
            hub,
            shard,
            seq: 0,
            peers,
        }
    }

    /// From frames in the ring to all of them written.
    fn deliver(&mut self, frames: u64) -> Duration {
        let now = Instant::now();
        let frames = (0..frames).map(|_| {
            self.seq += 1;
            Frame::new("1f3c9a2e", &row(self.seq), None, now)
        });
        let frames = frames.collect();
        self.hub.ring.push(frames, |_| ());
        let begun = Instant::now();
        loop {
            self.shard.read_on();
            if !self.shard.sweep() && !self.shard.is_behind() {
                break;
            }
        }
        begun.elapsed()
    }

    /// What was written is read, so that no socket is ever full.
    fn drain(&mut self, buffer: &mut [u8]) {
        for mut peer in &self.peers {
            while peer.read(buffer).is_ok_and(|count| count > 0) {}
        }
        assert!(self.shard.take_left().is_empty(), "a stream has left");
    }
}

/// The defaults, with a ring that holds little: nobody is behind.
fn config() -> Config {
    let defaults = load(None, std::iter::empty(), &[]);
    Config {
        ring_frames: 256,
        ..defaults.expect("settings").stream
    }
}

fn row(seq: i64) -> LogRow {
    let pad = "x".repeat(PAD_BYTES);
    let body = format!(
        "{{\"id\":\"00000000-0000-4000-8000-000000000001\",\"signal_type\":\"consensus_buy\",\"pad\":\"{pad}\"}}"
    );
    LogRow {
        seq,
        published_at: Time(1_776_936_000_000_000),
        body: Arc::from(body),
    }
}

/// Connections over the loopback, as the server has them: ours, and the peer's, which does not block.
fn connections() -> Vec<(Arc<Socket>, TcpStream)> {
    let wanted = usize::try_from(2 * STREAMS).unwrap_or(usize::MAX);
    let room = system::connection_cap(0);
    assert!(room >= wanted, "{wanted} descriptors are needed: ulimit -n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let connect = || {
        let peer = TcpStream::connect(address)?;
        let (tcp, from) = listener.accept()?;
        tcp.set_nodelay(true)?;
        tcp.set_nonblocking(true)?;
        peer.set_nonblocking(true)?;
        let socket = Socket::new(tcp, from, Duration::from_secs(20))?;
        socket.becomes_stream()?;
        Ok((socket, peer))
    };
    let all: io::Result<Vec<_>> = (0..STREAMS).map(|_| connect()).collect();
    all.expect("connections over the loopback")
}

fn measure<W: Wire>(criterion: &mut Criterion, name: &str, mut bench: Bench<W>) {
    let mut group = criterion.benchmark_group("shard_write");
    let mut buffer = vec![0; 64 * 1024];
    for frames in JOINED {
        group.throughput(Throughput::Elements(STREAMS * frames));
        group.bench_function(format!("{name}/{frames}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    took += bench.deliver(frames);
                    bench.drain(&mut buffer);
                }
                took
            });
        });
    }
    let written = bench.hub.metrics.frames.get();
    let expected = u64::try_from(bench.seq).map_or(0, |seq| seq * STREAMS);
    assert_eq!(written, expected, "each frame to each stream");
    group.finish();
}

fn takes_all(criterion: &mut Criterion) {
    let wires = (0..STREAMS).map(|_| Arc::new(TakesAll));
    let bench = Bench::new(wires.collect(), Vec::new());
    measure(criterion, "takes_all", bench);
}

fn sockets(criterion: &mut Criterion) {
    let (sockets, peers) = connections().into_iter().unzip();
    measure(criterion, "sockets", Bench::new(sockets, peers));
}

criterion_group!(benches, takes_all, sockets);
criterion_main!(benches);
