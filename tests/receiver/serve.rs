//! The receiver's connections: requests read by hand, and answered as rudely as it takes.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use sigcast::model::time::Clock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    manner::{Answer, Manner},
    record::{Delivery, Shared},
};

/// Read at a time.
const READ: usize = 8 * 1024;
/// No more of a request's head is taken, ...
const MOST_HEAD: usize = 16 * 1024;
/// ... and no more of its body.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// Accepts until it is aborted; its connections end with it.
pub async fn take(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else { continue };
                let number = shared.made.fetch_add(1, Ordering::Relaxed) + 1;
                connections.spawn(serve(tcp, tls.clone(), number, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Shared>);

impl Open {
    fn of(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Open(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(tcp: TcpStream, tls: Option<TlsAcceptor>, number: usize, shared: Arc<Shared>) {
    let _open = Open::of(&shared);
    let _ = tcp.set_nodelay(true);
    // whatever breaks is the other side's to notice
    let _ = match tls {
        None => talk(tcp, number, &shared).await,
        Some(tls) => match tls.accept(tcp).await {
            Ok(stream) => talk(stream, number, &shared).await,
            Err(error) => Err(error),
        },
    };
}

/// A connection, and the socket beneath it.
trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// One request after the other, until somebody ends it.
async fn talk(mut socket: impl Socket, number: usize, shared: &Shared) -> io::Result<()> {
    let mut read = Vec::new();
    while let Some(request) = request(&mut socket, &mut read, shared.keeps).await? {
        let (manner, place) = note(request, number, shared);
        tokio::time::sleep(manner.delay).await;
        let reset = respond(&mut socket, &manner).await?;
        if reset {
            // without lingering, closing is a reset
            let plain = socket2::SockRef::from(socket.tcp());
            return plain.set_linger(Some(Duration::ZERO));
        }
        let mut state = shared.state();
        // it may have been taken away meanwhile
        if let Some(delivery) = state.deliveries.get_mut(place.index)
            && delivery.connection == number
            && delivery.id == place.id
        {
            delivery.answered = Some(manner.status);
        }
        drop(state);
        shared.came.notify_all();
    }
    Ok(())
}

/// Where a delivery was noted.
struct Noted {
    index: usize,
    id: String,
}

/// Writes a request down, and says how it is to be answered.
fn note(mut delivery: Delivery, number: usize, shared: &Shared) -> (Manner, Noted) {
    delivery.connection = number;
    let mut state = shared.state();
    let path = &*delivery.path;
    let first = state.first.get_mut(path).and_then(VecDeque::pop_front);
    let manner = first
        .or_else(|| state.manners.get(path).cloned())
        .or_else(|| state.everywhere.clone())
        .unwrap_or_else(Manner::fine);
    let noted = Noted {
        index: state.deliveries.len(),
        id: delivery.id.clone(),
    };
    state.deliveries.push(delivery);
    drop(state);
    shared.came.notify_all();
    (manner, noted)
}

/// The next request, whole; `None` at the connection's end.
async fn request(
    socket: &mut impl Socket,
    read: &mut Vec<u8>,
    keeps: bool,
) -> io::Result<Option<Delivery>> {
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            break std::mem::replace(read, rest);
        }
        read.reserve(READ);
        if read.len() > MOST_HEAD || socket.read_buf(read).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1));
    let path = target.and_then(|target| target.split('?').next());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let field = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    };
    let length = field("content-length").parse().unwrap_or(0);
    if length > MOST_BODY {
        return Ok(None);
    }
    while read.len() < length {
        if socket.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
    let rest = read.split_off(length);
    let body = std::mem::replace(read, rest);
    Ok(Some(Delivery {
        path: path.unwrap_or_default().into(),
        id: field("webhook-id").to_owned(),
        seq: field("x-sigcast-seq").parse().ok(),
        at: Clock::system().now(),
        connection: 0,
        digest: Sha256::digest(&body).into(),
        answered: None,
        headers: if keeps { headers } else { Vec::new() },
        body: if keeps { body } else { Vec::new() },
    }))
}

/// Answers; whether the connection is then to be reset.
async fn respond(socket: &mut impl Socket, manner: &Manner) -> io::Result<bool> {
    let length = match &manner.answer {
        Answer::Text(text) => text.len(),
        Answer::Slow(bytes, _) | Answer::Huge(bytes) => *bytes,
        Answer::ResetAfterHead => 1_000,
        Answer::ResetBeforeHead => return Ok(true),
        Answer::Never => {
            // whatever else it says is not heard; its end is
            let mut ignored = [0; 1024];
            while socket.read(&mut ignored).await? > 0 {}
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut head = format!("HTTP/1.1 {} X\r\n", manner.status);
    for (name, value) in &manner.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if manner.status != 204 {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    match &manner.answer {
        // in one piece: the next request may be there before a second one
        Answer::Text(text) if manner.status != 204 => {
            head.push_str(text);
            socket.write_all(head.as_bytes()).await?;
        }
        Answer::Slow(bytes, apart) => {
            socket.write_all(head.as_bytes()).await?;
            for _ in 0..*bytes {
                socket.write_all(b".").await?;
                socket.flush().await?;
                tokio::time::sleep(*apart).await;
            }
        }
        Answer::Huge(bytes) => {
            socket.write_all(head.as_bytes()).await?;
            let piece = vec![b'x'; 64 * 1024];
            let mut left = *bytes;
            while left > 0 {
                let now = left.min(piece.len());
                socket.write_all(&piece[..now]).await?;
                left -= now;
            }
        }
        _ => socket.write_all(head.as_bytes()).await?,
    }
    socket.flush().await?;
    Ok(matches!(manner.answer, Answer::ResetAfterHead))
}
