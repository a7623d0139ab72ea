//! Many clients in one process: they connect, receive and count, on threads of their own, for `bench streams` and for benches alike.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mio::{Poll, Waker};

pub use super::{
    arrivals::{Arrivals, Sent},
    clock::monotonic_ns,
    findings::Findings,
    frames::Stamp,
    options::Options,
    target::{Target, Tls},
};
use super::{
    findings::Shared,
    receiver::{BELL, Order, Receiver},
};

/// How soon something is looked at again.
const TICK: Duration = Duration::from_millis(5);

/// Clients, until they are dropped.
pub struct Clients {
    threads: Vec<Thread>,
    shared: Arc<Shared>,
    /// Which thread is given the next stream.
    turn: usize,
}

struct Thread {
    orders: Sender<Order>,
    bell: Waker,
    handle: Option<JoinHandle<()>>,
}

/// How far clients are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Streams that were opened, since the start.
    pub opened: u64,
    /// Streams that could not be opened, since the start.
    pub refused: u64,
    /// Streams that are open.
    pub open: u64,
    /// Signals that came, since the start.
    pub deliveries: u64,
}

impl Clients {
    /// Starts the threads; nothing is connected yet.
    pub fn start(options: &Options) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = options.threads.max(1);
        let share = Options {
            in_flight: options.in_flight.div_ceil(threads).max(1),
            connect_rate: options.connect_rate.map(|rate| rate / threads as f64),
            ..options.clone()
        };
        let threads = (0..threads)
            .map(|number| {
                let poll = Poll::new()?;
                let bell = Waker::new(poll.registry(), BELL)?;
                let (orders, received) = channel();
                let receiver = Receiver::new(share.clone(), poll, received, shared.clone());
                let handle = thread::Builder::new()
                    .name(format!("clients-{number}"))
                    .spawn(|| receiver.run())?;
                Ok(Thread {
                    orders,
                    bell,
                    handle: Some(handle),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Clients {
            threads,
            shared,
            turn: 0,
        })
    }

    /// Opens these streams, as fast as the options allow; returns at once.
    pub fn connect(&mut self, targets: Vec<Target>) -> io::Result<()> {
        targets.iter().try_for_each(Target::check)?;
        let mut shares: Vec<Vec<Target>> = vec![Vec::new(); self.threads.len()];
        for target in targets {
            shares[self.turn].push(target);
            self.turn = (self.turn + 1) % self.threads.len();
        }
        for (thread, share) in self.threads.iter().zip(shares) {
            thread.order(Order::Connect(share))?;
        }
        Ok(())
    }

    /// Says when signals were sent, for [`Stamp::BySeq`].
    pub fn tell(&self, sent: &[Sent]) -> io::Result<()> {
        let mut threads = self.threads.iter();
        threads.try_for_each(|thread| thread.order(Order::Told(sent.to_vec())))
    }

    /// How far they are.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Standing {
            opened: read(&self.shared.opened),
            refused: read(&self.shared.refused),
            open: read(&self.shared.open),
            deliveries: read(&self.shared.deliveries),
        }
    }

    /// Waits until so many streams have been opened or refused, and calls `look` meanwhile; `false` where `within` is over first.
    pub fn wait_connected(
        &self,
        streams: u64,
        within: Duration,
        mut look: impl FnMut(Standing),
    ) -> bool {
        let began = Instant::now();
        loop {
            let standing = self.standing();
            look(standing);
            if standing.opened + standing.refused >= streams {
                return true;
            }
            if began.elapsed() > within {
                return false;
            }
            thread::sleep(TICK);
        }
    }

    /// Waits until so many signals have come since the start; `false` where none came for as long as `quiet` before that.
    pub fn wait_delivered(&self, deliveries: u64, quiet: Duration) -> bool {
        let (mut seen, mut since) = (self.standing().deliveries, Instant::now());
        loop {
            let now = self.standing().deliveries;
            if now >= deliveries {
                return true;
            }
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > quiet {
                return false;
            }
            thread::sleep(TICK);
        }
    }

    /// What was counted since the last time; counting begins anew, and the streams stay. `sent`: the first and the last number of what was
    /// sent since then: a stream that does not have all of it misses it.
    pub fn collect(&self, sent: Option<(u64, u64)>) -> io::Result<Findings> {
        let (to, from) = channel();
        for thread in &self.threads {
            thread.order(Order::Collect(sent, to.clone()))?;
        }
        drop(to);
        let mut all = Findings::default();
        for _ in &self.threads {
            let part = from.recv().map_err(|_| gone())?;
            all.add(&part);
        }
        Ok(all)
    }
}

impl Thread {
    fn order(&self, order: Order) -> io::Result<()> {
        self.orders.send(order).map_err(|_| gone())?;
        self.bell.wake()
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread of clients has ended")
}

impl Drop for Clients {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            // one that is gone needs no word
            let _ = thread.order(Order::Stop);
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
    }
}

/// The first address of a host and port, as `host:port`.
pub fn resolve(authority: &str) -> io::Result<SocketAddr> {
    use std::net::ToSocketAddrs as _;
    let mut found = authority.to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}
