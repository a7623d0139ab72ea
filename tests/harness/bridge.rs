//! HTTP/1.1 on one side, HTTP/2 in TLS on the other: what a test writes by hand goes as a stream, and what comes back reads as it would have.
//!
//! It has no thread and no buffer: the connection is driven by whoever reads or writes, and a stream's window is opened again by as many bytes
//! as were read. So a test that does not read leaves the server with what the window lets through.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::fd::AsRawFd as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use h2::{
    RecvStream, SendStream,
    client::{Builder, Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, header};
use hyper::body::Bytes;
use rustls::{ClientConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of a stream, at the most: what the protocol begins with.
const WINDOW: u32 = 65_535;
/// For what a server takes at once.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// A connection to a server.
pub struct Bridge {
    tcp: TcpStream,
    /// Until the first request.
    fresh: Option<Tls>,
    open: Option<Open>,
    /// Of a request: what is no whole head yet.
    asked: Vec<u8>,
    /// Of a request: its body, and how much of that is to come.
    body: Option<(SendStream<Bytes>, usize)>,
    answer: Option<Answer>,
    /// To be read.
    out: Vec<u8>,
    read: usize,
    /// For how many of the bytes to be read the window is opened again.
    owed: usize,
    woken: Arc<Woken>,
}

struct Open {
    send: SendRequest<Bytes>,
    connection: Connection<Tls, Bytes>,
    ended: Option<io::Result<()>>,
}

enum Answer {
    Awaited(ResponseFuture),
    Body { body: RecvStream, in_chunks: bool },
}

impl Bridge {
    /// On a connected socket, of which nothing has been read or written.
    pub fn new(session: ClientConnection, tcp: &TcpStream) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        let stream = StreamOwned::new(session, tcp.try_clone()?);
        let woken = Arc::new(Woken::default());
        let fresh = Some(Tls {
            stream,
            woken: woken.clone(),
        });
        Ok(Bridge {
            tcp: tcp.try_clone()?,
            fresh,
            open: None,
            asked: Vec::new(),
            body: None,
            answer: None,
            out: Vec::new(),
            read: 0,
            owed: 0,
            woken,
        })
    }

    /// Some of what has come; `Ok(0)` where the connection has ended, and the errors that a socket with its read timeout would give.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let patience = self.tcp.read_timeout()?;
        let deadline = patience.map(|patience| Instant::now() + patience);
        self.open(deadline)?;
        let step = |bridge: &mut Self, cx: &mut Context<'_>| bridge.poll_out(cx);
        if self.drive(deadline, step)? {
            return Ok(0);
        }
        let n = (&self.out[self.read..]).read(into)?;
        self.read += n;
        let freed = self.owed.min(n);
        self.owed -= freed;
        if let Some(Answer::Body { body, .. }) = &mut self.answer {
            let released = body.flow_control().release_capacity(freed);
            released.map_err(io::Error::other)?;
        }
        // the server is told at once that there is room again
        self.with_waker(|bridge, cx| bridge.poll_connection(cx));
        Ok(n)
    }

    /// Takes some of a request's head, or body.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let deadline = Some(Instant::now() + WRITTEN_WITHIN);
        self.open(deadline)?;
        if let Some((send, left)) = &mut self.body {
            assert!(bytes.len() <= *left, "one request after the other");
            *left -= bytes.len();
            let last = *left == 0;
            let sent = send.send_data(Bytes::copy_from_slice(bytes), last);
            sent.map_err(io::Error::other)?;
            if last {
                self.body = None;
            }
        } else {
            self.asked.extend_from_slice(bytes);
            let end = self.asked.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                self.ask(end + 4, deadline)?;
            }
        }
        self.with_waker(|bridge, cx| bridge.poll_connection(cx));
        Ok(bytes.len())
    }

    /// Sends the request whose head ends here.
    fn ask(&mut self, end: usize, deadline: Option<Instant>) -> io::Result<()> {
        // an answer whose length was announced has been read, and its end has not
        self.drive(deadline, |bridge, cx| {
            bridge.poll_connection(cx);
            let more = bridge.poll_answer(cx)?;
            assert!(more.is_pending(), "one request after the other");
            match bridge.answer {
                None => Poll::Ready(Ok(())),
                Some(_) => Poll::Pending,
            }
        })?;
        let rest = self.asked.split_off(end);
        let (request, length) = request_of(&std::mem::take(&mut self.asked));
        self.drive(deadline, |bridge, cx| {
            bridge.poll_connection(cx);
            // proof: it was opened before anything was asked
            let send = &mut bridge.open.as_mut().unwrap().send;
            send.poll_ready(cx).map_err(broken)
        })?;
        // proof: as above
        let send = &mut self.open.as_mut().unwrap().send;
        let (answer, body) = send.send_request(request, length == 0).map_err(broken)?;
        self.answer = Some(Answer::Awaited(answer));
        self.body = (length > 0).then_some((body, length));
        if !rest.is_empty() {
            self.write(&rest)?;
        }
        Ok(())
    }

    /// Sends the protocol's greeting.
    fn open(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let Some(tls) = self.fresh.take() else {
            return match &self.open {
                Some(_) => Ok(()),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
        };
        // a socket with little room has a narrow window
        let room = socket2::SockRef::from(&self.tcp).recv_buffer_size()?;
        let window = u32::try_from(room).map_or(WINDOW, |room| room.min(WINDOW));
        let mut builder = Builder::new();
        builder.initial_window_size(window).enable_push(false);
        let mut shaking = Box::pin(builder.handshake::<_, Bytes>(tls));
        let (send, connection) = self.drive(deadline, |_, cx| {
            let shaken = shaking.as_mut().poll(cx);
            shaken.map_err(broken)
        })?;
        self.open = Some(Open {
            send,
            connection,
            ended: None,
        });
        Ok(())
    }

    /// Ready where there is something to be read, or, with `true`, where there will not be anything more.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.read < self.out.len() {
            return Poll::Ready(Ok(false));
        }
        self.out.clear();
        self.read = 0;
        self.poll_connection(cx);
        match self.poll_answer(cx)? {
            Poll::Ready(()) => Poll::Ready(Ok(false)),
            Poll::Pending => {
                // proof: it was opened before anything was read
                let ended = &mut self.open.as_mut().unwrap().ended;
                match ended {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(ended.replace(Ok(())).unwrap().map(|()| true)),
                }
            }
        }
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        let Some(open) = self.open.as_mut().filter(|open| open.ended.is_none()) else {
            return;
        };
        if let Poll::Ready(ended) = Pin::new(&mut open.connection).poll(cx) {
            open.ended = Some(ended.map_err(broken));
        }
    }

    /// Ready with bytes to be read.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.answer {
                None => return Poll::Pending,
                Some(Answer::Awaited(answer)) => {
                    let answer = std::task::ready!(Pin::new(answer).poll(cx));
                    let (head, body) = answer.map_err(broken)?.into_parts();
                    let in_chunks =
                        !body.is_end_stream() && !head.headers.contains_key(header::CONTENT_LENGTH);
                    self.out = head_of(&head, in_chunks);
                    self.answer = Some(Answer::Body { body, in_chunks });
                    return Poll::Ready(Ok(()));
                }
                Some(Answer::Body { body, in_chunks }) => {
                    let data = std::task::ready!(body.poll_data(cx));
                    let in_chunks = *in_chunks;
                    let Some(data) = data.transpose().map_err(broken)? else {
                        self.answer = None;
                        self.owed = 0;
                        if in_chunks {
                            self.out = b"0\r\n\r\n".to_vec();
                            return Poll::Ready(Ok(()));
                        }
                        continue;
                    };
                    self.owed = data.len();
                    if data.is_empty() {
                        continue;
                    }
                    self.out = match in_chunks {
                        true => {
                            [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()
                        }
                        false => data.to_vec(),
                    };
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    fn with_waker<T>(&mut self, what: impl FnOnce(&mut Self, &mut Context<'_>) -> T) -> T {
        let waker = Waker::from(self.woken.clone());
        what(self, &mut Context::from_waker(&waker))
    }

    /// Until it is ready: between two looks the socket is waited for.
    fn drive<T>(
        &mut self,
        deadline: Option<Instant>,
        mut step: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        loop {
            self.woken.wakes.store(false, Ordering::Relaxed);
            if let Poll::Ready(ready) = self.with_waker(&mut step) {
                return ready;
            }
            if !self.woken.wakes.load(Ordering::Relaxed) {
                self.wait(deadline)?;
            }
        }
    }

    /// Until the socket has something, or takes what waits for it.
    fn wait(&self, deadline: Option<Instant>) -> io::Result<()> {
        let left = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            None => -1,
            Some(Duration::ZERO) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(left) => i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1),
        };
        let mut events = libc::POLLIN;
        if self.woken.writes.load(Ordering::Relaxed) {
            events |= libc::POLLOUT;
        }
        let mut polled = libc::pollfd {
            fd: self.tcp.as_raw_fd(),
            events,
            revents: 0,
        };
        // SAFETY: one entry, which outlives the call.
        match unsafe { libc::poll(&raw mut polled, 1, left) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// What happened between two looks.
#[derive(Default)]
struct Woken {
    /// There is more to do at once.
    wakes: AtomicBool,
    /// The socket was full.
    writes: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wakes.store(true, Ordering::Relaxed);
    }
}

/// TLS on a socket that does not block.
struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
    woken: Arc<Woken>,
}

impl Tls {
    fn poll<T>(
        &mut self,
        what: impl FnOnce(&mut StreamOwned<ClientConnection, TcpStream>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let done = what(&mut self.stream);
        let writes = self.stream.conn.wants_write();
        self.woken.writes.store(writes, Ordering::Relaxed);
        match done {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll(|stream| stream.read(into.initialize_unfilled()));
        read.map_ok(|n| into.advance(n))
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(io::Write::flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| {
            stream.conn.send_close_notify();
            stream.flush()
        })
    }
}

/// Of a head written by hand, and the length of the body that it announces.
fn request_of(head: &[u8]) -> (Request<()>, usize) {
    let text = std::str::from_utf8(head).expect("a head of text");
    let mut lines = text.trim_end().split("\r\n");
    let mut first = lines.next().expect("a first line").split(' ');
    let (method, path) = (first.next().unwrap(), first.next().expect("a path"));
    let fields: Vec<(&str, &str)> = lines
        .map(|line| line.split_once(':').expect("a field"))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let field = |wanted: &str| {
        let mut all = fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(wanted));
        all.next().map(|(_, value)| *value)
    };
    let host = field("host").expect("a host");
    let length = field("content-length").map_or(0, |n| n.parse().unwrap());
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://{host}{path}"));
    for (name, value) in &fields {
        if !name.eq_ignore_ascii_case("host") {
            request = request.header(*name, *value);
        }
    }
    (request.body(()).unwrap(), length)
}

/// As HTTP/1.1 writes it.
fn head_of(head: &http::response::Parts, in_chunks: bool) -> Vec<u8> {
    let mut lines = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    let mut fields = |fields: &HeaderMap| {
        for (name, value) in fields {
            lines.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    };
    fields(&head.headers);
    if in_chunks {
        let chunked = http::HeaderValue::from_static("chunked");
        fields(&HeaderMap::from_iter([(
            header::TRANSFER_ENCODING,
            chunked,
        )]));
    }
    lines.extend(b"\r\n");
    lines
}

/// As a socket says it.
fn broken(error: h2::Error) -> io::Error {
    let kind = match error.get_io() {
        Some(io) => io.kind(),
        None => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, error)
}
