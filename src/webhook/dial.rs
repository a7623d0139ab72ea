//! Dialling a target: its addresses are asked for, each is looked at, and one of those very addresses is connected to.
//!
//! No proxy is asked on the way, whatever the environment says: the address would then be looked at by somebody else.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use url::Host;

use super::target::{Allowed, Forbidden, Target, check};

/// What tells a host's addresses.
pub type Resolve = Arc<dyn Fn(String, u16) -> Resolving + Send + Sync>;
/// An answer on its way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its addresses cannot be had.
    #[error("the host's addresses cannot be had: {0}")]
    Resolve(io::Error),
    /// It has none.
    #[error("the host has no address")]
    NoAddress,
    /// One of them may not be reached. Which is not said: who makes an endpoint must not learn by it what names mean in this network.
    #[error("the host's name leads to {}, where webhooks may not go", .0.what)]
    Forbidden(Forbidden),
    /// None of them takes connections.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// No TLS, or with another than this host.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// No HTTP over it.
    #[error("no HTTP: {0}")]
    Http(hyper::Error),
    /// It took too long.
    #[error("no connection in time")]
    TimedOut,
}

/// A connection that carries one request at a time.
pub struct Connection {
    /// Sends requests.
    pub requests: SendRequest<Full<Bytes>>,
    /// Where it leads.
    pub address: SocketAddr,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Dials.
#[derive(Clone)]
pub struct Dialer {
    allowed: Arc<Allowed>,
    resolve: Resolve,
    tls: TlsConnector,
}

/// Asks the system.
#[must_use]
pub fn system() -> Resolve {
    Arc::new(|host, port| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await?;
            Ok(found.collect())
        })
    })
}

impl Dialer {
    /// One that reaches what is allowed.
    #[must_use]
    pub fn new(allowed: Arc<Allowed>, resolve: Resolve, tls: Arc<rustls::ClientConfig>) -> Self {
        Dialer {
            allowed,
            resolve,
            tls: tls.into(),
        }
    }

    /// What it may reach.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// The addresses of a target now, each looked at. One that may not be reached spoils all: a name that leads there is a mistake or worse.
    pub async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let port = target.port();
        let found = match target.host() {
            Host::Ipv4(v4) => vec![SocketAddr::new((*v4).into(), port)],
            Host::Ipv6(v6) => vec![SocketAddr::new((*v6).into(), port)],
            Host::Domain(name) => (self.resolve)(name.clone(), port)
                .await
                .map_err(DialError::Resolve)?,
        };
        for address in &found {
            check(address.ip(), &self.allowed.networks).map_err(DialError::Forbidden)?;
        }
        if found.is_empty() {
            return Err(DialError::NoAddress);
        }
        Ok(found)
    }

    /// Connects to one of these addresses of a target, in their order, all within a time.
    pub async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
        within: Duration,
    ) -> Result<Connection, DialError> {
        let until = Instant::now() + within;
        let mut last = DialError::NoAddress;
        for (place, address) in addresses.iter().enumerate() {
            // what is left is shared by those that are left: an address that swallows everything must not take the others' time
            let left = until.saturating_duration_since(Instant::now());
            let many = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            let until = Instant::now() + left / many;
            match timeout_at(until, self.connect_to(target, *address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(_) => last = DialError::TimedOut,
            }
        }
        Err(last)
    }

    async fn connect_to(
        &self,
        target: &Target,
        address: SocketAddr,
    ) -> Result<Connection, DialError> {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(DialError::Connect)?;
        // a message is small and must not wait for the answer to the one before
        tcp.set_nodelay(true).map_err(DialError::Connect)?;
        if !target.is_https() {
            return speak(tcp, address).await;
        }
        let name = match target.host() {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|error| DialError::Tls(io::Error::other(error)))?,
            Host::Ipv4(_) | Host::Ipv6(_) => ServerName::IpAddress(address.ip().into()),
        };
        let tls = self.tls.connect(name, tcp).await.map_err(DialError::Tls)?;
        speak(tls, address).await
    }
}

async fn speak<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    io: IO,
    address: SocketAddr,
) -> Result<Connection, DialError> {
    let handshake = http1::handshake(TokioIo::new(io)).await;
    let (requests, connection) = handshake.map_err(DialError::Http)?;
    let driver = tokio::spawn(async move {
        // whoever sends over it is told
        let _ = connection.await;
    });
    Ok(Connection {
        requests,
        address,
        driver,
    })
}
