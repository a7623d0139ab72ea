//! TLS as a client: where it is spoken, and whose certificate is trusted there.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::CertificateDer};

/// Where TLS is spoken, by whom.
static SECURE: Mutex<Vec<(SocketAddr, CertificateDer<'static>)>> = Mutex::new(Vec::new());

/// From here on connections to this address speak TLS and trust this certificate, or, without one, plain HTTP.
pub fn secure(address: SocketAddr, certificate: Option<CertificateDer<'static>>) {
    let mut secure = SECURE.lock().unwrap();
    secure.retain(|(known, _)| *known != address);
    secure.extend(certificate.map(|certificate| (address, certificate)));
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
    tls: Option<Box<ClientConnection>>,
}

impl Line {
    pub fn over(tcp: TcpStream) -> Self {
        let tls = tcp.peer_addr().ok().and_then(session);
        Line { tcp, tls }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.read(into),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.write(bytes),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.tcp.flush(),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.tcp).flush(),
        }
    }
}

fn session(to: SocketAddr) -> Option<Box<ClientConnection>> {
    let secure = SECURE.lock().unwrap();
    let (_, certificate) = secure.iter().find(|(known, _)| *known == to)?;
    let config = Arc::new(trusting(certificate.clone(), &[b"http/1.1"]));
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(config, name);
    Some(Box::new(session.unwrap()))
}
