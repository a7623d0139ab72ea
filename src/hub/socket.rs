//! A connection's socket: shared with its seat, so that a holder can be probed, and counted byte by byte.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Deref,
    os::fd::{AsFd, AsRawFd, RawFd},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    sync::Notify,
};

use super::{
    frame::Frame,
    greeting::Greeting,
    mark::Mark,
    metrics::Metrics,
    transport::{Condition, Handing, Transport},
};

/// Of a stream: with the kernel's defaults a stalled reader hides megabytes of stale signals.
const STREAM_BUFFER: usize = 32 * 1024;
/// Of answers: a whole page. With less than two of the path's segments, each waits for the reader's delayed acknowledgement (40 ms) of the
/// one before; on one machine a segment has 64 kB.
const ANSWER_BUFFER: usize = 256 * 1024;

/// Bytes that the client of a stream may send after its request: there is nothing to say.
pub const MOST_RECEIVED: usize = 64 * 1024;

/// One accepted connection.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    peer: SocketAddr,
    unanswered_for: Duration,
    written: AtomicU64,
    /// As many of them as the peer was last known to have, where that was all.
    acknowledged: AtomicU64,
    /// How often its library had nothing left to be written.
    flushes: AtomicU64,
    closed: AtomicBool,
    killed: Notify,
    /// Frames handed over whose bytes have not left yet.
    marks: Mutex<Vec<Mark>>,
    /// What is to have left before the connection is taken from hyper.
    greeting: Mutex<Option<Box<Greeting>>>,
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.tcp.as_raw_fd()
    }
}

impl Socket {
    /// Sets what its connections begin with: no Nagle, a bounded send buffer, and dead peers found within `unanswered_for`. On a listener:
    /// Linux hands its options on, which saves ten calls for each connection.
    pub fn prepare(listener: &impl AsFd, unanswered_for: Duration) -> io::Result<()> {
        let options = SockRef::from(listener);
        options.set_tcp_nodelay(true)?;
        options.set_send_buffer_size(ANSWER_BUFFER)?;
        options.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(Duration::from_secs(15))
                .with_interval(Duration::from_secs(5))
                .with_retries(3),
        )?;
        #[cfg(target_os = "linux")]
        options.set_tcp_user_timeout(Some(unanswered_for))?;
        Ok(())
    }

    /// Takes an accepted connection, which must not block, of a listener that was prepared.
    pub fn new(
        tcp: TcpStream,
        peer: SocketAddr,
        unanswered_for: Duration,
    ) -> io::Result<Arc<Self>> {
        #[cfg(not(target_os = "linux"))]
        Socket::prepare(&tcp, unanswered_for)?;
        let socket = Socket {
            tcp,
            peer,
            unanswered_for,
            written: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            killed: Notify::new(),
            marks: Mutex::new(Vec::new()),
            greeting: Mutex::new(None),
        };
        Ok(Arc::new(socket))
    }

    /// Bytes sent that the peer has not acknowledged; `None` where the system does not say.
    fn unacknowledged(&self) -> Option<u64> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: the descriptor is open as long as `self.tcp` lives, and `bytes` outlives the call.
        let done = unsafe { libc::ioctl(self.tcp.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        (done == 0).then(|| u64::try_from(bytes).unwrap_or(0))
    }

    /// From `struct tcp_info` of linux/tcp.h, whose fields keep their places (`tcpi_bytes_acked` is there since Linux 4.1).
    #[cfg(target_os = "linux")]
    fn kernel_condition(&self, waiting: u64) -> Option<Condition> {
        const ESTABLISHED: u8 = 1;
        // tcpi_state is byte 0, tcpi_last_ack_recv (ms) bytes 56 to 59, tcpi_bytes_acked bytes 120 to 127
        let mut info = [0_u64; 16];
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `self.tcp` lives; the kernel writes at most `length` bytes into `info`.
        let done = unsafe {
            libc::getsockopt(
                self.tcp.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if done != 0 || (length as usize) < size_of_val(&info) {
            return None;
        }
        let [a, b, c, d, ..] = info[7].to_ne_bytes();
        Some(Condition {
            acknowledged: info[15],
            waiting,
            open: info[0].to_ne_bytes()[0] == ESTABLISHED,
            heard: Some(Duration::from_millis(
                u32::from_ne_bytes([a, b, c, d]).into(),
            )),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn kernel_condition(&self, _waiting: u64) -> Option<Condition> {
        None
    }

    /// Resolves when the connection was killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// From here on, looks for this to leave.
    pub fn expect(&self, greeting: Greeting) {
        let mut held = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Box::new(greeting));
    }

    /// Whether what was looked for has left.
    #[must_use]
    pub fn has_greeted(&self) -> bool {
        let mut held = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|greeting| greeting.has_left()).is_some()
    }

    /// Ends the sending side.
    pub fn shut_down(&self) -> io::Result<()> {
        self.tcp.shutdown(std::net::Shutdown::Write)
    }

    /// Notes the end: whoever looks at it from outside knows that nobody writes any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Writes what the system takes now.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = (&self.tcp).write(bytes)?;
        self.wrote(taken);
        Ok(taken)
    }

    /// Counts bytes that the system took.
    pub fn wrote(&self, bytes: usize) {
        // by one thread at a time: the one that runs the stream
        let written = self.written.load(Ordering::Relaxed) + bytes as u64;
        self.written.store(written, Ordering::Relaxed);
    }

    /// How often whoever writes to it through a task, with or without TLS in between, had nothing left to be written.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Reads what has come; 0 at the end.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.tcp).read(into)
    }
}

impl Transport for Socket {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn condition(&self) -> Option<Condition> {
        // in this order: what is written in between counts as not acknowledged
        let written = self.written();
        let waiting = self.unacknowledged()?;
        Some(self.kernel_condition(waiting).unwrap_or(Condition {
            acknowledged: written.saturating_sub(waiting),
            waiting,
            open: true,
            heard: None,
        }))
    }

    fn is_at_rest(&self) -> bool {
        let written = self.written();
        if self.acknowledged.load(Ordering::Relaxed) == written {
            return true;
        }
        let rests = self.unacknowledged() == Some(0);
        if rests {
            self.acknowledged.store(written, Ordering::Relaxed);
        }
        rests
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn kill(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.killed.notify_one();
    }

    fn unanswered_for(&self) -> Duration {
        self.unanswered_for
    }

    fn becomes_stream(&self) -> io::Result<()> {
        SockRef::from(&self.tcp).set_send_buffer_size(STREAM_BUFFER)
    }

    fn let_system_give_up(&self, may: bool) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        SockRef::from(&self.tcp).set_tcp_user_timeout(may.then_some(self.unanswered_for))?;
        Ok(())
    }

    fn handing(&self) -> Handing {
        Handing {
            bytes: 0,
            flushes: Some(self.flushes()),
        }
    }

    /// hyper flushes once it holds nothing, and TLS above this once it does not either.
    fn has_left(&self, handed: &mut Handing) -> bool {
        handed.flushes.is_some_and(|before| before < self.flushes())
    }

    fn mark(&self, frame: &Frame) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push(Mark::of(frame));
    }
}

/// The socket as a task reads and writes it: hyper's, or a stream's.
#[derive(Debug)]
pub struct SocketIo {
    ready: AsyncFd<Arc<Socket>>,
    metrics: Metrics,
}

impl SocketIo {
    /// Has the runtime look at a socket.
    pub fn new(socket: Arc<Socket>, metrics: Metrics) -> io::Result<Self> {
        // SAFETY: the socket keeps its descriptor, and stays as long as what is made of it here.
        let ready = unsafe { AsyncFd::register(socket) }?;
        Ok(SocketIo { ready, metrics })
    }

    fn socket(&self) -> &Socket {
        self.ready.get_ref()
    }

    /// The first byte that the peer sends, which stays to be read; `None` where it ends the connection before.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let peek = |socket: &Arc<Socket>| socket.tcp.peek(&mut byte);
        let read = self.ready.async_io(Interest::READABLE, peek).await?;
        Ok((read > 0).then_some(byte[0]))
    }

    /// Writes as many of these bytes as are taken, at least one; or none where by then they may not be written.
    pub async fn write_some(
        &self,
        slices: &[IoSlice<'_>],
        may_be: impl Fn() -> bool,
    ) -> io::Result<usize> {
        let write = |socket: &Arc<Socket>| match may_be() {
            true => (&socket.tcp).write_vectored(slices),
            false => Ok(0),
        };
        let taken = self.ready.async_io(Interest::WRITABLE, write).await?;
        self.wrote(slices, taken);
        Ok(taken)
    }

    /// Writes all of these bytes.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let write = |socket: &Arc<Socket>| (&socket.tcp).write(bytes);
            let taken = self.ready.async_io(Interest::WRITABLE, write).await?;
            self.wrote(&[IoSlice::new(bytes)], taken);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Resolves when the peer sends no more, or what it has no reason to.
    pub async fn ended(&self) -> io::Result<()> {
        let mut received = 0;
        while received < MOST_RECEIVED {
            let mut buffer = [0; 1024];
            let read = |socket: &Arc<Socket>| socket.read(&mut buffer);
            match self.ready.async_io(Interest::READABLE, read).await? {
                0 => return Ok(()),
                more => received += more,
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn wrote(&self, slices: &[IoSlice<'_>], bytes: usize) {
        let socket = self.socket();
        socket.written.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(greeting) = &mut *socket
            .greeting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            greeting.wrote(slices, bytes);
        }
        let mut marks = socket.marks.lock().unwrap_or_else(PoisonError::into_inner);
        for mark in marks.drain(..) {
            mark.leaves(&self.metrics, 1, Instant::now());
        }
    }
}

impl Deref for SocketIo {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.socket()
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.ready.poll_read_ready(cx))?;
            match ready.try_io(|socket| socket.get_ref().read(into.initialize_unfilled())) {
                Ok(read) => {
                    let (read, room) = (read?, into.remaining());
                    // less than there was room for: there is nothing more now, and to be told so would take one more call
                    if 0 < read && read < room {
                        ready.clear_ready();
                    }
                    into.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.ready.poll_write_ready(cx))?;
            match ready.try_io(|socket| (&socket.get_ref().tcp).write_vectored(slices)) {
                Ok(written) => {
                    let bytes = written?;
                    self.wrote(slices, bytes);
                    return Poll::Ready(Ok(bytes));
                }
                Err(_would_block) => {}
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().flushes.fetch_add(1, Ordering::AcqRel);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket().shut_down())
    }
}
