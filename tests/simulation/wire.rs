//! The wire between a node and a client: what the node writes takes its time, and does not always arrive.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::body::Body;
use sigcast::{
    http::stream_body::StreamBody,
    hub::{
        frame::Frame,
        seat::Seat,
        transport::{Condition, Transport},
    },
};
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::{
    database::{Database, Line},
    draw::Draw,
    trace::{Place, Trace},
};

/// What the client sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Frame(String),
    /// The connection ended.
    End,
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    number: u64,
    written: AtomicU64,
    acknowledged: AtomicU64,
    /// The server has ended it.
    closed: AtomicBool,
    /// The client has, and the server can know.
    left: AtomicBool,
    /// Nothing goes to and fro any more, and nobody is told.
    gone: AtomicBool,
    /// So long each frame takes to be taken, in milliseconds.
    pub slow: AtomicU64,
    changed: Notify,
    /// When the client was let go of it, in milliseconds; 0 before.
    until: AtomicU64,
    trace: Trace,
}

impl Wire {
    pub fn new(number: u64, trace: Trace) -> Arc<Self> {
        Arc::new(Wire {
            number,
            written: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            left: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            slow: AtomicU64::new(0),
            changed: Notify::new(),
            until: AtomicU64::new(0),
            trace,
        })
    }

    /// The client closes it.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.over();
    }

    /// The client's network dies.
    pub fn vanish(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.over();
    }

    fn over(&self) {
        let now = self.trace.ms().max(1);
        let _ = self
            .until
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether the client held it at some time since then: only such a one may keep others out.
    pub fn was_held_since(&self, ms: u64) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until == 0 || until >= ms
    }

    /// Resolves when either side has ended it.
    pub async fn stopped(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_over() {
                return;
            }
            changed.await;
        }
    }

    fn is_over(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.left.load(Ordering::Relaxed)
    }
}

impl Transport for Wire {
    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], (self.number % 60_000) as u16 + 1))
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn condition(&self) -> Option<Condition> {
        let acknowledged = self.acknowledged.load(Ordering::Relaxed);
        Some(Condition {
            acknowledged,
            waiting: self.written() - acknowledged,
            open: !self.left.load(Ordering::Relaxed),
            heard: None,
        })
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn kill(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.over();
    }

    fn unanswered_for(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn let_system_give_up(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn mark(&self, _: &Frame) {}
}

/// What a frame is looked at for as it is written.
pub struct Watcher {
    pub database: Arc<Database>,
    pub line: Arc<Line>,
    pub trace: Trace,
    pub key: String,
    pub place: Place,
    pub seat: Arc<Seat>,
    /// Says what is wrong with a signal's being written now.
    pub check: Box<dyn Fn(i64) -> Option<String> + Send + Sync>,
}

impl Watcher {
    fn look(&self, frame: &str, over: &mut bool) {
        if let Some(seq) = seq_of_signal(frame) {
            let excused = self.database.is_excused();
            self.trace.wrote(&self.key, self.place, seq, excused);
            if *over {
                let place = self.place;
                self.trace
                    .fault(format!("signal {seq} after the end of {place:?}"));
            }
            if self.seat.ending().is_some() {
                self.trace
                    .fault(format!("signal {seq} after {:?} was ended", self.place));
            }
            if let Some(wrong) = (self.check)(seq) {
                self.trace.fault(wrong);
            }
        }
        *over |= frame.starts_with("event: error") || frame.starts_with("event: bye");
    }
}

/// The seq of a signal's frame.
pub fn seq_of_signal(frame: &str) -> Option<i64> {
    frame.starts_with("event: signal").then(|| seq_of(frame))?
}

/// The seq of a frame's id.
pub fn seq_of(frame: &str) -> Option<i64> {
    Some(place_of(frame)?.1)
}

/// The epoch and the seq of a frame's id.
pub fn place_of(frame: &str) -> Option<(Arc<str>, i64)> {
    let id = frame.lines().find_map(|line| line.strip_prefix("id: "))?;
    let (epoch, seq) = id.split_once('-')?;
    Some((epoch.into(), seq.parse().ok()?))
}

/// Carries a stream's frames to its client until either ends it; the server's side of the connection.
pub async fn carry(
    wire: Arc<Wire>,
    body: StreamBody,
    watcher: Watcher,
    to: mpsc::Sender<Seen>,
    mut draw: Draw,
) {
    let mut body = pin!(body);
    let mut over = false;
    loop {
        let changed = wire.changed.notified();
        if wire.is_over() {
            break;
        }
        watcher.line.while_suspended().await;
        let frame = tokio::select! {
            biased;
            () = changed => continue,
            frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)) => frame,
        };
        let Some(Ok(frame)) = frame else { break };
        // proof: a stream's frames are data, without trailers, in UTF-8
        let bytes: Bytes = frame.into_data().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        watcher.look(&text, &mut over);
        wire.written
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let slow = wire.slow.load(Ordering::Relaxed);
        let pause = draw.ms(0, 4) + Duration::from_millis(slow);
        let arrived = tokio::select! {
            biased;
            () = wire.stopped() => false,
            () = sleep(pause) => true,
        };
        if !arrived {
            break;
        }
        if wire.gone.load(Ordering::Relaxed) {
            // it waits for an answer until the server has enough
            wire.stopped().await;
            break;
        }
        wire.acknowledged
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if to.send(Seen::Frame(text)).await.is_err() {
            break;
        }
    }
    wire.kill();
    if !wire.gone.load(Ordering::Relaxed) {
        let _ = to.send(Seen::End).await;
    }
}
