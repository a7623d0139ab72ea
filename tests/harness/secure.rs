//! TLS as a client: where it is spoken, whose certificate is trusted there, and which protocol is spoken in it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::CertificateDer};

use super::bridge::Bridge;

/// What is spoken in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// What is spoken with an address: TLS with whoever has the certificate, and in it the protocol.
type Secured = (CertificateDer<'static>, Protocol);

static SECURE: Mutex<Vec<(SocketAddr, Secured)>> = Mutex::new(Vec::new());

/// From here on connections to this address speak TLS and trust this certificate, or, without one, plain HTTP.
pub fn secure(address: SocketAddr, with: Option<Secured>) {
    let mut secure = SECURE.lock().unwrap();
    secure.retain(|(known, _)| *known != address);
    secure.extend(with.map(|with| (address, with)));
}

/// A TLS client for whoever has this certificate, with the protocols that it offers.
pub fn trusting(certificate: CertificateDer<'static>, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config
}

/// A connection, with TLS on it where its address has that.
pub struct Line {
    pub tcp: TcpStream,
    speech: Speech,
}

enum Speech {
    Plain,
    Tls(Box<ClientConnection>),
    Http2(Box<Bridge>),
}

impl Line {
    pub fn over(tcp: TcpStream) -> Self {
        let secured = tcp.peer_addr().ok().and_then(secured);
        let speech = match secured {
            None => Speech::Plain,
            Some((trust, Protocol::Http1)) => Speech::Tls(Box::new(session(trust, b"http/1.1"))),
            Some((trust, Protocol::Http2)) => {
                let bridge = Bridge::new(session(trust, b"h2"), &tcp);
                Speech::Http2(Box::new(bridge.unwrap()))
            }
        };
        Line { tcp, speech }
    }

    /// Whether chunks are made here, of what HTTP/2 brings in pieces of its own.
    pub fn is_bridged(&self) -> bool {
        matches!(self.speech, Speech::Http2(_))
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.speech {
            Speech::Plain => self.tcp.read(into),
            Speech::Tls(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).read(into),
            Speech::Http2(bridge) => bridge.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.speech {
            Speech::Plain => self.tcp.write(bytes),
            Speech::Tls(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).write(bytes),
            Speech::Http2(bridge) => bridge.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.speech {
            Speech::Plain => self.tcp.flush(),
            Speech::Tls(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).flush(),
            Speech::Http2(_) => Ok(()),
        }
    }
}

fn secured(address: SocketAddr) -> Option<Secured> {
    let secure = SECURE.lock().unwrap();
    let known = secure.iter().find(|(known, _)| *known == address);
    known.map(|(_, with)| with.clone())
}

fn session(trust: CertificateDer<'static>, protocol: &[u8]) -> ClientConnection {
    let config = Arc::new(trusting(trust, &[protocol]));
    ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap()
}
