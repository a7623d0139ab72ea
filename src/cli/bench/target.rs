//! Where one client connects, and what it asks for there.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig,
    client::Resumption,
    pki_types::{InvalidDnsNameError, ServerName},
};

/// Where one client connects. Its headers may hold a key, so that nothing prints them.
#[derive(Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// For the `Host` header.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Headers beside `Host`, `Accept`, `Cache-Control` and `User-Agent`.
    pub headers: Vec<(String, String)>,
    /// Where TLS is spoken.
    pub tls: Option<Tls>,
}

/// How TLS is spoken.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Who is trusted, and what is spoken in it.
    pub config: Arc<ClientConfig>,
    /// Whose certificate it must be.
    pub name: ServerName<'static>,
}

impl Tls {
    /// HTTP/1.1 with a host, as a URL spells it. Each stream is another client's: none comes back to a session of before, which would
    /// be cheaper for the server.
    pub fn http1(mut config: ClientConfig, host: &str) -> Result<Self, InvalidDnsNameError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Tls {
            config: Arc::new(config),
            name,
        })
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({} {})", self.address, self.path)
    }
}

impl Target {
    /// Refuses what would end a line before its time: a request would say something else than it seems to.
    pub fn check(&self) -> io::Result<()> {
        let plain = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let headers = self
            .headers
            .iter()
            .all(|(name, value)| plain(name) && plain(value) && !name.contains([':', ' ']));
        if headers && plain(&self.host) && plain(&self.path) && !self.path.contains(' ') {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "host, path and headers are printable ASCII",
        ))
    }

    /// The bytes of the request.
    #[must_use]
    pub fn request(&self, last_event_id: Option<&str>) -> Vec<u8> {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nCache-Control: no-store\r\nUser-Agent: sigcast-bench/{}\r\n",
            self.path,
            self.host,
            env!("CARGO_PKG_VERSION")
        );
        let id = last_event_id.map(|id| ("Last-Event-ID", id));
        let given = self.headers.iter();
        let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in given.chain(id) {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_seems_to() {
        let mut target = Target {
            address: ([127, 0, 0, 1], 80).into(),
            host: "localhost".to_owned(),
            path: "/s?a=b".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer secret".to_owned())],
            tls: None,
        };
        target.check().unwrap();
        let request = String::from_utf8(target.request(Some("a-1"))).unwrap();
        assert!(request.starts_with("GET /s?a=b HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(
            request.ends_with("\r\nAuthorization: Bearer secret\r\nLast-Event-ID: a-1\r\n\r\n")
        );
        assert!(!format!("{target:?}").contains("secret"));
        target.headers[0].1.push('\n');
        assert!(target.check().is_err());
        target.headers.clear();
        target.path.push_str(" HTTP/1.1");
        assert!(target.check().is_err());
    }
}
