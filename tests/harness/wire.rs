//! HTTP by hand: what a server sends, byte by byte, without a library that smooths it over.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

pub use super::frames::{Frame, Next};
use super::{
    frames::{frames_of, is_whole},
    secure::Line,
};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A connection and what was read too far.
pub struct Wire {
    line: Line,
    read: Vec<u8>,
}

/// An answer's first lines.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    /// As sent, to the empty line.
    pub raw: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Wire {
    pub fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&to, PATIENCE).unwrap())
    }

    /// With this much room for what it does not read, and segments as on a real network: on the loopback one is 64 kB.
    pub fn remote(to: SocketAddr, room: usize) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_recv_buffer_size(room).unwrap();
        socket.set_tcp_mss(1_400).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::over(socket.into())
    }

    /// Reads up to so many bytes, whatever they are; `None` at the end or a reset.
    pub fn sip(&mut self, most: usize) -> Option<usize> {
        let mut piece = vec![0; most];
        self.line.tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        match self.line.read(&mut piece) {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.read.extend_from_slice(&piece[..n]);
                Some(n)
            }
        }
    }

    /// With next to no room for what it does not read.
    pub fn narrow(to: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::over(socket.into())
    }

    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Wire {
            line: Line::over(socket),
            read: Vec::new(),
        }
    }

    /// From here on the peer vanishes from the network.
    #[cfg(target_os = "linux")]
    pub fn vanish(&self) {
        super::vanish::vanish(&self.line.tcp);
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// Sends a request head with these headers, `host` before them, and no body.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) {
        self.send(head("GET", path, headers).as_bytes());
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.write_all(bytes)
    }

    pub fn head(&mut self) -> Head {
        self.try_head().expect("a head")
    }

    /// `None` where the connection ends, or is reset, before one.
    pub fn try_head(&mut self) -> Option<Head> {
        self.head_within(PATIENCE)
    }

    fn head_within(&mut self, within: Duration) -> Option<Head> {
        let raw = self.through(b"\r\n\r\n", within).ok()?;
        let raw = String::from_utf8(raw).expect("a head of text");
        let status = raw.get(9..12).and_then(|code| code.parse().ok());
        Some(Head {
            status: status.unwrap_or_else(|| panic!("no status in {raw:?}")),
            raw,
        })
    }

    /// The connection must end by itself, with or without last words.
    pub fn expect_end(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            match self.more(deadline) {
                Ok(()) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("still open after {within:?}")
                }
                Err(_) => return,
            }
        }
    }

    /// An answer with its whole body; the connection can be used again.
    pub fn reply(&mut self) -> Reply {
        let head = self.head();
        self.reply_after(head)
    }

    /// The same, where the head has been read already.
    pub fn reply_after(&mut self, head: Head) -> Reply {
        self.try_reply_after(head).expect("a whole body")
    }

    /// `None` where the connection ends before all of it.
    pub fn try_reply_after(&mut self, head: Head) -> Option<Reply> {
        let mut body = Vec::new();
        if let Some(length) = head.header("content-length") {
            body = self.exactly(length.parse().ok()?, PATIENCE).ok()?;
        } else if head.header("transfer-encoding") == Some("chunked") {
            while let Ok(Some(chunk)) = self.chunk(PATIENCE) {
                body.extend(chunk);
            }
        }
        Some(Reply { head, body })
    }

    /// One chunk; `None` for the last, empty one.
    pub fn chunk(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        // taken whole or not at all: what has not come in time may come later
        let (line, size) = loop {
            if let Some(line) = self.read.windows(2).position(|two| two == b"\r\n") {
                let text = std::str::from_utf8(&self.read[..line]).expect("a chunk size of text");
                let size = usize::from_str_radix(text, 16).expect("a chunk size");
                if self.read.len() >= line + 2 + size + 2 {
                    break (line, size);
                }
            }
            self.more(deadline)?;
        };
        let mut chunk: Vec<u8> = self.read.drain(..line + 2 + size + 2).collect();
        assert!(chunk.ends_with(b"\r\n"), "a chunk without its end");
        chunk.truncate(line + 2 + size);
        chunk.drain(..line + 2);
        Ok((size > 0).then_some(chunk))
    }

    fn through(&mut self, end: &[u8], within: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + within;
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|window| window == end);
            if let Some(at) = found {
                return Ok(self.read.drain(..at + end.len()).collect());
            }
            self.more(deadline)?;
        }
    }

    fn exactly(&mut self, size: usize, within: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + within;
        while self.read.len() < size {
            self.more(deadline)?;
        }
        Ok(self.read.drain(..size).collect())
    }

    fn more(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        self.line.tcp.set_read_timeout(Some(left))?;
        let mut piece = [0; 16 * 1024];
        match self.line.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.read.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.raw.lines().skip(1);
        let pairs = lines.filter_map(|line| line.split_once(':'));
        pairs
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }
}

impl Reply {
    /// The body, of an answer that must be a success.
    pub fn ok_json(&self) -> Value {
        assert!(
            (200..300).contains(&self.head.status),
            "{}{}",
            self.head.raw,
            self.text()
        );
        self.json()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}{}", self.head.raw, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Holds the answer to the uniform error; its `details`.
    pub fn expect_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.head.status, status, "{}{}", self.head.raw, self.text());
        let body = self.json();
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["error"], "{body}");
        let error = &body["error"];
        assert_eq!(error["code"], code, "{body}");
        assert_eq!(error["status"], status, "{body}");
        assert!(
            error["message"].as_str().is_some_and(|m| !m.is_empty()),
            "{body}"
        );
        error["details"].clone()
    }
}

/// An open stream, or the refusal of one.
pub struct Stream {
    wire: Wire,
    pub head: Head,
    /// Set where the whole body is announced: it counts as one chunk.
    whole: Option<usize>,
    waiting: VecDeque<Frame>,
    /// Of a frame that HTTP/2 has brought in pieces.
    part: Vec<u8>,
    /// Every chunk so far.
    pub chunks: Vec<String>,
}

impl Stream {
    pub fn open(to: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut wire = Wire::connect(to);
        wire.get(&format!("/api/signals/stream{query}"), headers);
        Self::on(wire)
    }

    /// Reads the answer to a request already sent.
    pub fn on(wire: Wire) -> Self {
        Self::try_on(wire, PATIENCE).expect("a head")
    }

    /// The same; `None` where none comes in time, or the connection ends before it.
    pub fn try_on(mut wire: Wire, within: Duration) -> Option<Self> {
        let head = wire.head_within(within)?;
        Some(Self::after(wire, head))
    }

    /// Where the head has been read already.
    pub fn after(wire: Wire, head: Head) -> Self {
        let whole = head.header("content-length").and_then(|n| n.parse().ok());
        Stream {
            wire,
            whole,
            head,
            waiting: VecDeque::new(),
            part: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Ends the connection with a reset.
    pub fn reset(&self) {
        super::proxy::reset(&self.wire.line.tcp);
    }

    /// The refusal's body.
    pub fn refusal(mut self) -> Reply {
        let length = self
            .head
            .header("content-length")
            .expect("a refusal with a length");
        let body = self
            .wire
            .exactly(length.parse().unwrap(), PATIENCE)
            .unwrap();
        Reply {
            head: self.head,
            body,
        }
    }

    /// The next frame or comment.
    pub fn next(&mut self, within: Duration) -> Next {
        while self.waiting.is_empty() {
            let chunk = match self.whole {
                Some(0) => Ok(None),
                Some(size) => {
                    self.whole = Some(0);
                    self.wire.exactly(size, within).map(Some)
                }
                None => self.wire.chunk(within),
            };
            match chunk {
                Ok(Some(mut chunk)) => {
                    if self.wire.line.is_bridged() {
                        self.part.append(&mut chunk);
                        if !is_whole(&self.part) {
                            continue;
                        }
                        chunk = std::mem::take(&mut self.part);
                    }
                    let chunk = String::from_utf8(chunk).expect("UTF-8 in every chunk");
                    self.waiting.extend(frames_of(&chunk));
                    self.chunks.push(chunk);
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Next::Silence;
                }
                Ok(None) | Err(_) => return Next::End,
            }
        }
        // proof: the loop above ends with one
        Next::Frame(self.waiting.pop_front().unwrap())
    }

    /// The next frame that is no comment.
    pub fn event(&mut self, within: Duration) -> Next {
        let deadline = Instant::now() + within;
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now())) {
                Next::Frame(frame) if frame.event.is_empty() => {}
                other => return other,
            }
        }
    }

    /// The next frame, which must be of this name.
    pub fn expect(&mut self, name: &str) -> Frame {
        match self.event(PATIENCE) {
            Next::Frame(frame) if frame.event == name => frame,
            other => panic!("`{name}` expected, not {other:?}\n{}", self.head.raw),
        }
    }

    pub fn expect_hello(&mut self) -> Frame {
        assert_eq!(self.head.status, 200, "{}", self.head.raw);
        self.expect("hello")
    }

    /// The next frame must be a signal with this id of its own.
    pub fn expect_signal(&mut self, id: &str) -> Frame {
        let frame = self.expect("signal");
        assert_eq!(frame.json()["id"], id, "{frame:?}");
        frame
    }

    /// No frame but comments for a while.
    pub fn expect_quiet(&mut self, within: Duration) {
        assert_eq!(self.event(within), Next::Silence);
    }

    /// Nothing may come but the end.
    pub fn expect_end(&mut self) {
        assert_eq!(self.event(PATIENCE), Next::End);
    }
}

/// A connection, if it can be had; one to oneself, as the loopback gives where nobody listens, is none.
pub fn try_dial(to: SocketAddr, within: Duration) -> Option<TcpStream> {
    let tcp = TcpStream::connect_timeout(&to, within).ok()?;
    (tcp.local_addr().ok() != tcp.peer_addr().ok()).then_some(tcp)
}

/// One request on a connection of its own.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut wire = Wire::connect(to);
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    if !body.is_empty() || method == "POST" {
        all.push(("content-length", &length));
    }
    wire.send(&[head(method, path, &all).as_bytes(), body].concat());
    wire.reply()
}

/// A request's head, `host` before these headers.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}
