//! For the tests of the hub: a node without a database, and sockets that take as many bytes as they are told to.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    config::Config,
    frame::Frame,
    metrics::Metrics,
    node::Hub,
    seat::{Lapse, Seat},
    tenure::{Stopwatch, Tenure},
    transport::{Condition, Transport},
    wire::Wire,
};
use crate::model::{
    log::{LogFuture, LogHead, LogPart, LogRead, LogUnavailable, Lost},
    random::Random,
    time::{Clock, Time},
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

/// It may send signals until its tenure is ended, and again once that is extended. It is [`NOW`].
pub(super) async fn node() -> Arc<Hub> {
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
        io_uring: false,
        nice: 0,
        shards: 1,
        pending_frames: 16,
        tick_ms: 500,
        lease_ms: 4_000,
        beat_ms: 1_000,
    };
    let hub = Hub::open(
        config,
        Arc::new(EmptyLog),
        None,
        Clock::from_fn(|| {
            if let Some(happens) = AT_NEXT_LOOK.take() {
                happens();
            }
            NOW
        }),
        Random::from_fn(|bytes| bytes.fill(7)),
        Metrics::default(),
    );
    let mut hub = Arc::into_inner(hub.await.unwrap()).unwrap();
    let time = Stopwatch::from_fn(|| Duration::from_secs(1));
    hub.tenure = Arc::new(Tenure::shared(Duration::from_secs(60), time));
    hub.tenure.extend(Duration::from_secs(1));
    Arc::new(hub)
}

/// What its clock says.
pub(super) const NOW: Time = Time(1_000);

/// A seat for a connection.
pub(super) fn seat(connection: u64, transport: &Arc<dyn Transport>, lapse: Option<Lapse>) -> Seat {
    Seat::new(
        format!("key {connection}").into(),
        "account".into(),
        connection,
        Time(0),
        transport.peer().into(),
        Arc::downgrade(transport),
        lapse,
    )
}

/// The same by another name.
pub(super) fn named(name: Box<str>, connection: u64, transport: &Arc<dyn Transport>) -> Seat {
    let peer = transport.peer().into();
    let socket = Arc::downgrade(transport);
    Seat::new(
        name,
        "account".into(),
        connection,
        Time(0),
        peer,
        socket,
        None,
    )
}

thread_local! {
    /// What happens, as if in another thread, when the clock is looked at next.
    pub(super) static AT_NEXT_LOOK: std::cell::RefCell<Option<Box<dyn FnOnce()>>> = const { std::cell::RefCell::new(None) };
}
