//! A connection's socket: shared with its seat, so that a holder can be probed, and counted byte by byte.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

use super::{
    frame::Frame,
    mark::Mark,
    metrics::Metrics,
    transport::{Condition, Transport},
};

/// Of a stream: with the kernel's defaults a stalled reader hides megabytes of stale signals.
const STREAM_BUFFER: usize = 32 * 1024;
/// Of answers: a whole page. With less than two of the path's segments, each waits for the reader's delayed acknowledgement (40 ms) of the
/// one before; on one machine a segment has 64 kB.
const ANSWER_BUFFER: usize = 256 * 1024;

/// One accepted connection.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    peer: SocketAddr,
    unanswered_for: Duration,
    written: AtomicU64,
    closed: AtomicBool,
    killed: Notify,
    /// Frames handed over whose bytes have not left yet.
    marks: Mutex<Vec<Mark>>,
}

impl Socket {
    /// Takes an accepted connection and sets its options: no Nagle, a bounded send buffer, and dead peers found within `unanswered_for`.
    pub fn new(
        tcp: TcpStream,
        peer: SocketAddr,
        unanswered_for: Duration,
    ) -> io::Result<Arc<Self>> {
        tcp.set_nodelay(true)?;
        let options = SockRef::from(&tcp);
        options.set_send_buffer_size(ANSWER_BUFFER)?;
        options.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(Duration::from_secs(15))
                .with_interval(Duration::from_secs(5))
                .with_retries(3),
        )?;
        let socket = Socket {
            tcp,
            peer,
            unanswered_for,
            written: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            killed: Notify::new(),
            marks: Mutex::new(Vec::new()),
        };
        socket.let_system_give_up(true)?;
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

    /// The first byte that the peer sends, which stays to be read; `None` where it ends the connection before.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let read = self.tcp.peek(&mut byte).await?;
        Ok((read > 0).then_some(byte[0]))
    }

    /// Resolves when the connection was killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
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

    fn mark(&self, frame: &Frame) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push(Mark::of(frame));
    }
}

/// The socket as hyper reads and writes it.
#[derive(Debug)]
pub struct SocketIo {
    socket: Arc<Socket>,
    metrics: Metrics,
}

impl SocketIo {
    /// Wraps a socket.
    #[must_use]
    pub fn new(socket: Arc<Socket>, metrics: Metrics) -> Self {
        SocketIo { socket, metrics }
    }

    fn wrote(&self, bytes: usize) {
        self.socket
            .written
            .fetch_add(bytes as u64, Ordering::Relaxed);
        let mut marks = self
            .socket
            .marks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for mark in marks.drain(..) {
            mark.leaves(&self.metrics);
        }
    }
}

impl Drop for SocketIo {
    fn drop(&mut self) {
        self.socket.closed.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.tcp.poll_read_ready(cx))?;
            match self.socket.tcp.try_read(into.initialize_unfilled()) {
                Ok(bytes) => {
                    into.advance(bytes);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
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
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.tcp.poll_write_ready(cx))?;
            match self.socket.tcp.try_write_vectored(slices) {
                Ok(bytes) => {
                    self.wrote(bytes);
                    return Poll::Ready(Ok(bytes));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.socket.tcp).shutdown(std::net::Shutdown::Write))
    }
}
