//! One of many streams of an HTTP/2 connection, as its seat, its rivals and the pulse see it: what of it has left, and its end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use tokio::sync::Notify;

use crate::hub::{
    frame::Frame,
    mark::Mark,
    metrics::Metrics,
    socket::Socket,
    transport::{Condition, Handing, Transport},
};

/// What all streams of a connection have in common.
#[derive(Debug)]
pub struct Link {
    socket: Arc<Socket>,
    metrics: Metrics,
    /// Streams that are waited for longer than the system would wait.
    patient: Mutex<usize>,
}

impl Link {
    /// Of a connection.
    #[must_use]
    pub fn new(socket: Arc<Socket>, metrics: Metrics) -> Arc<Self> {
        Arc::new(Link {
            socket,
            metrics,
            patient: Mutex::new(0),
        })
    }

    /// One patient stream more, or one less: the system may give the connection up where there is none.
    fn count_patient(&self, more: bool) -> io::Result<()> {
        let mut patient = self.patient.lock().unwrap_or_else(PoisonError::into_inner);
        match more {
            true => *patient += 1,
            false => *patient = patient.saturating_sub(1),
        }
        match (more, *patient) {
            (true, 1) => self.socket.let_system_give_up(false),
            (false, 0) => self.socket.let_system_give_up(true),
            _ => Ok(()),
        }
    }
}

/// One stream: a request and its answer.
#[derive(Debug)]
pub struct H2Stream {
    link: Arc<Link>,
    /// Bytes handed to the connection, which keeps them while the stream's window is shut, or the network slow.
    handed: AtomicU64,
    /// Those of them that are out of its hands: written, or thrown away with the stream.
    passed: AtomicU64,
    /// How often the connection had had nothing left to be written, when some passed last.
    flushes: AtomicU64,
    /// Some were thrown away.
    thrown_away: AtomicBool,
    closed: AtomicBool,
    killed: Notify,
    carries_stream: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the peer had acknowledged of the connection when nothing of this stream waited in it, ...
    acknowledged: u64,
    /// ... and what had passed of this stream by then.
    passed: u64,
    /// Of the next bytes to be handed over.
    mark: Option<Mark>,
    /// Who waits until all has passed.
    waker: Option<Waker>,
    /// Whether it counts among the patient.
    patient: bool,
}

impl H2Stream {
    /// A stream that has sent nothing yet.
    #[must_use]
    pub fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(H2Stream {
            link,
            handed: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            thrown_away: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            killed: Notify::new(),
            carries_stream: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that go to the connection now, and counts them again as it writes them, or throws them away. `last`: those of a frame
    /// that it was marked for.
    pub fn hand_over(self: &Arc<Self>, bytes: Bytes, last: bool) -> Handed {
        self.handed.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        let mark = if last { self.state().mark.take() } else { None };
        Handed {
            stream: self.clone(),
            not_passed: bytes.len() as u64,
            bytes,
            mark,
        }
    }

    /// Bytes handed over that have not passed.
    #[must_use]
    pub fn left(&self) -> u64 {
        // in this order: what passes in between is not missed
        let handed = self.handed.load(Ordering::Acquire);
        handed.saturating_sub(self.passed.load(Ordering::Acquire))
    }

    /// Bytes that have passed so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Acquire)
    }

    /// Ready once all that was handed over has passed.
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left() > 0 {
            self.state().waker = Some(cx.waker().clone());
        }
        // once more: the last may have passed before the waker was there
        match self.left() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Whether it carries a stream of signals, whose pulse is watched; anything else is one answer.
    #[must_use]
    pub fn carries_stream(&self) -> bool {
        self.carries_stream.load(Ordering::Relaxed)
    }

    /// Resolves when it was killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// It is over, whoever has ended it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Transport for H2Stream {
    fn peer(&self) -> SocketAddr {
        self.link.socket.peer()
    }

    fn written(&self) -> u64 {
        self.handed.load(Ordering::Acquire)
    }

    /// While bytes of this stream wait in the connection, what the peer takes of others counts for nothing: the stream moves where its own
    /// bytes leave, and the peer acknowledges what has left. Otherwise all is in the socket, and the connection's condition is this one's.
    fn condition(&self) -> Option<Condition> {
        let connection = self.link.socket.condition()?;
        let (left, passed) = (self.left(), self.passed());
        let mut state = self.state();
        let mut condition = Condition {
            open: connection.open && !self.is_closed(),
            ..connection
        };
        if left == 0 {
            (state.acknowledged, state.passed) = (connection.acknowledged, passed);
        } else {
            let moved = passed.saturating_sub(state.passed);
            let answered = connection.acknowledged.saturating_sub(state.acknowledged);
            condition.acknowledged = state.acknowledged + moved.min(answered);
            condition.waiting = left;
            if connection.waiting == 0 {
                // the peer has acknowledged everything, and its window is shut: that there is nothing to be heard is no sign of its end
                condition.heard = None;
            }
        }
        Some(condition)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.link.socket.is_closed()
    }

    fn kill(&self) {
        self.close();
        self.killed.notify_one();
    }

    /// The connection's buffer stays as it is: answers share it.
    fn becomes_stream(&self) -> io::Result<()> {
        self.carries_stream.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn unanswered_for(&self) -> Duration {
        self.link.socket.unanswered_for()
    }

    fn let_system_give_up(&self, may: bool) -> io::Result<()> {
        let mut state = self.state();
        if state.patient != may {
            return Ok(());
        }
        state.patient = !may;
        self.link.count_patient(!may)
    }

    fn handing(&self) -> Handing {
        Handing {
            bytes: self.written(),
            flushes: None,
        }
    }

    /// What has passed is in the connection's buffer, or TLS's, and has left with the next flush.
    fn has_left(&self, handed: &mut Handing) -> bool {
        if self.thrown_away.load(Ordering::Acquire) || self.passed() < handed.bytes {
            return false;
        }
        let flushes = self.link.socket.flushes();
        // when the last bytes passed, these and perhaps others; and when these were first seen to have passed
        let last = self.flushes.load(Ordering::Acquire);
        let seen = *handed.flushes.get_or_insert(flushes);
        last.min(seen) < flushes
    }

    fn mark(&self, frame: &Frame) {
        self.state().mark = Some(Mark::of(frame));
    }
}

impl Drop for H2Stream {
    fn drop(&mut self) {
        // a socket that takes no options is gone anyway
        let _ = self.let_system_give_up(true);
    }
}

/// Bytes in the connection's hands, which takes as many of them as the stream's window lets through: a peer that opens it by a few is
/// seen to take these few. The last one passes when the connection lets go of all: short ones it copies before it writes them.
#[derive(Debug)]
pub struct Handed {
    stream: Arc<H2Stream>,
    bytes: Bytes,
    not_passed: u64,
    mark: Option<Mark>,
}

impl Buf for Handed {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        let not_passed = (self.bytes.len() as u64).max(1).min(self.not_passed);
        let passed = self.not_passed - not_passed;
        self.not_passed = not_passed;
        self.stream.passed.fetch_add(passed, Ordering::AcqRel);
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let stream = &self.stream;
        if let Some(mark) = self.mark.filter(|_| !stream.is_closed()) {
            mark.leaves(&stream.link.metrics, 1, Instant::now());
        }
        if !self.bytes.is_empty() {
            stream.thrown_away.store(true, Ordering::Release);
        }
        // before they are counted: who sees that they have passed must not take an earlier flush for the one that follows
        let flushes = stream.link.socket.flushes();
        stream.flushes.store(flushes, Ordering::Release);
        stream.passed.fetch_add(self.not_passed, Ordering::AcqRel);
        if stream.left() == 0
            && let Some(waker) = stream.state().waker.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// A stream of a connection to a socket of the test's.
    async fn connected() -> (Arc<H2Stream>, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, address) = listener.accept().unwrap();
        tcp.set_nonblocking(true).unwrap();
        let socket = Socket::new(tcp, address, Duration::from_secs(20)).unwrap();
        (H2Stream::new(Link::new(socket, Metrics::default())), peer)
    }

    fn piece(bytes: usize) -> Bytes {
        Bytes::from(vec![b'x'; bytes])
    }

    async fn write(stream: &H2Stream, peer: &mut std::net::TcpStream, bytes: usize) {
        let socket = stream.link.socket.clone();
        let before = socket.condition().unwrap().acknowledged;
        let io = crate::hub::socket::SocketIo::new(socket.clone(), Metrics::default()).unwrap();
        io.write_all(&vec![0; bytes]).await.unwrap();
        peer.read_exact(&mut vec![0; bytes]).unwrap();
        while socket.condition().unwrap().acknowledged < before + bytes as u64 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_waits_is_what_has_not_left() {
        let (stream, _peer) = connected().await;
        let mut one = stream.hand_over(piece(100), true);
        let mut other = stream.hand_over(piece(50), true);
        assert_eq!((stream.written(), stream.left()), (150, 150));
        one.advance(90);
        assert_eq!(stream.left(), 60, "as many as the window let through");
        one.advance(10);
        assert_eq!(stream.left(), 51, "copied, it may be, and not written");
        drop(one);
        assert_eq!(stream.left(), 50);
        other.advance(0);
        assert_eq!(stream.left(), 50);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_passed(&mut cx).is_pending());
        drop(other);
        assert!(stream.poll_passed(&mut cx).is_ready());
        drop(stream.hand_over(Bytes::new(), true));
        assert_eq!(stream.left(), 0);
    }

    #[tokio::test]
    async fn what_others_get_is_no_sign_of_life_while_its_own_bytes_wait() {
        let (stream, mut peer) = connected().await;
        write(&stream, &mut peer, 1_000).await;
        let begun = stream.condition().unwrap();
        assert_eq!((begun.acknowledged, begun.waiting), (1_000, 0));
        let waits = stream.hand_over(piece(70), true);
        write(&stream, &mut peer, 500).await;
        let blocked = stream.condition().unwrap();
        assert_eq!((blocked.acknowledged, blocked.waiting), (1_000, 70));
        assert_eq!(blocked.heard, None, "it is not gone: its window is shut");
        let more = stream.hand_over(piece(30), true);
        drop(waits);
        let moves = stream.condition().unwrap();
        assert_eq!((moves.acknowledged, moves.waiting), (1_070, 30));
        drop(more);
        let free = stream.condition().unwrap();
        assert_eq!((free.acknowledged, free.waiting), (1_500, 0));
    }

    #[tokio::test]
    async fn bytes_that_only_left_are_no_sign_of_life() {
        let (stream, mut peer) = connected().await;
        write(&stream, &mut peer, 1_000).await;
        let before = stream.condition().unwrap().acknowledged;
        let (probe, more) = (
            stream.hand_over(piece(8), true),
            stream.hand_over(piece(8), true),
        );
        drop(probe);
        assert_eq!(stream.condition().unwrap().acknowledged, before);
        drop(more);
        assert_eq!(stream.condition().unwrap().acknowledged, before);
    }

    #[tokio::test]
    async fn the_end_of_one_is_not_the_end_of_all() {
        let (stream, _peer) = connected().await;
        let other = H2Stream::new(stream.link.clone());
        stream.kill();
        stream.killed().await;
        assert!(stream.is_closed() && !other.is_closed());
        assert!(!stream.condition().unwrap().open && other.condition().unwrap().open);
    }

    #[tokio::test]
    async fn the_system_waits_as_long_as_any_stream_does() {
        let (stream, _peer) = connected().await;
        let other = H2Stream::new(stream.link.clone());
        let patient = || *stream.link.patient.lock().unwrap();
        for _ in 0..2 {
            stream.let_system_give_up(false).unwrap();
            other.let_system_give_up(false).unwrap();
        }
        assert_eq!(patient(), 2);
        stream.let_system_give_up(true).unwrap();
        assert_eq!(patient(), 1);
        drop(other);
        assert_eq!(patient(), 0);
    }

    #[tokio::test]
    async fn what_was_handed_over_has_left_with_the_flush_that_follows() {
        use tokio::io::AsyncWriteExt as _;
        let (stream, _peer) = connected().await;
        let socket = stream.link.socket.clone();
        let mut io = crate::hub::socket::SocketIo::new(socket, Metrics::default()).unwrap();
        let mut handed = stream.hand_over(piece(10), true);
        let mut moment = stream.handing();
        io.flush().await.unwrap();
        assert!(!stream.has_left(&mut moment), "the connection has it");
        handed.advance(10);
        drop(handed);
        assert!(!stream.has_left(&mut moment), "its buffer has it");
        io.flush().await.unwrap();
        assert!(stream.has_left(&mut moment));
        // others wait behind it
        let mut handed = stream.hand_over(piece(10), true);
        let mut moment = stream.handing();
        let waits = stream.hand_over(piece(10), true);
        handed.advance(10);
        drop(handed);
        assert!(!stream.has_left(&mut moment));
        let mut unasked = Handing {
            bytes: moment.bytes,
            flushes: None,
        };
        io.flush().await.unwrap();
        assert!(stream.has_left(&mut moment) && stream.has_left(&mut unasked));
        let mut moment = stream.handing();
        drop(waits);
        io.flush().await.unwrap();
        assert!(!stream.has_left(&mut moment), "thrown away");
    }
}
