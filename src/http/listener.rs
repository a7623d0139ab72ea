//! A listening socket. What its connections begin with is set on it: Linux hands options on.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use mio::net::TcpListener;
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpSocket,
};

use crate::hub::socket::Socket;

/// Connections that may wait to be accepted: clients that return all at once after a restart. The system may allow less.
const BACKLOG: u32 = 4_096;

/// Listens from its making on.
pub struct Listener(AsyncFd<TcpListener>);

impl Listener {
    /// At an address. `unanswered_for`: how long a peer may leave what is written to it without any answer. Within a runtime.
    pub fn bind(address: SocketAddr, unanswered_for: Duration) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // a restart need not wait for what the last process left in the kernel
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = TcpListener::from_std(socket.listen(BACKLOG)?.into_std()?);
        Socket::prepare(&listener, unanswered_for)?;
        // SAFETY: it keeps its descriptor, and is owned by what is made of it.
        Ok(Listener(unsafe { AsyncFd::register(listener) }?))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// The next connection, which does not block, and its peer. Safe to drop while waiting.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accept = |listener: &TcpListener| listener.accept();
        // in one call of the system
        let (tcp, peer) = self.0.async_io(Interest::READABLE, accept).await?;
        Ok((tcp.into(), peer))
    }
}
