//! One client's connection, by TLS where that is wanted: opened without waiting, from an address of its own where one is wanted, then read
//! and written as far as it goes.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
};

use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use super::target::Target;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Begins to connect.
    pub fn connect(target: &Target, from: Option<IpAddr>) -> io::Result<Self> {
        let to = target.address;
        let session = target.tls.as_ref().map(|tls| {
            let session = ClientConnection::new(tls.config.clone(), tls.name.clone());
            session.map(Box::new).map_err(io::Error::other)
        });
        let tls = session.transpose()?;
        let socket = Socket::new(
            Domain::for_address(to),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        Ok(Wire {
            socket: TcpStream::from_std(socket.into()),
            tls,
        })
    }

    /// To be told when it can be read and written.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.socket, token, both)
    }

    /// To be told no more of writing.
    pub fn only_read(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.reregister(&mut self.socket, token, Interest::READABLE)
    }

    /// Why connecting failed, if it did.
    pub fn check(&self) -> io::Result<()> {
        self.socket.take_error()?.map_or(Ok(()), Err)
    }

    /// Writes what can be written now; how much that was. In TLS, the handshake comes first.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    /// Whether something that was taken has not left.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Reads what is there, all of it or as much as there is room for; 0 at the end.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(into);
        };
        let mut stream = rustls::Stream::new(&mut **tls, &mut self.socket);
        let mut count = 0;
        // one reading gives a record
        while count < into.len() {
            match stream.read(&mut into[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                // without a farewell, an end all the same
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                // what is wrong shows again, after what came before it
                Err(_) if count > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}
