//! Opening a stream: an address, a key and filters become one connection over http or https, and the answer's head.

use std::{net::IpAddr, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_rustls::{ConfigBuilderExt as _, MaybeHttpsStream};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::app::web::{self, Connector};

/// Where the stream lives on a server, if the address names no path.
pub const STREAM_PATH: &str = "/api/signals/stream";

/// No refusal's body is read beyond this.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// Who is trusted is settled.
pub type Trust = ConfigBuilder<ClientConfig, WantsClientCert>;

/// Where to connect, as whom.
#[derive(Clone)]
pub struct Target {
    address: Uri,
    authorization: HeaderValue,
    connector: Connector,
}

/// A refusal or an answer; the connection lives as long as this does.
pub struct Answer {
    /// Head and body.
    pub response: Response<Incoming>,
    /// The server's certificate as it was sent, where there was one.
    pub certificate: Option<Vec<u8>>,
    _driver: Driver,
}

/// The connection stands, and no answer came.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
pub struct NoAnswer;

/// The task that moves the connection's bytes, ended with the answer.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Target {
    /// Reads the address, appends the stream's path if it has none, and keeps the key as a header that nothing prints.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let with_scheme = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let given: Uri = with_scheme
            .parse()
            .with_context(|| format!("`{url}` is not a URL such as https://signals.example.com"))?;
        match given.scheme_str() {
            Some("http" | "https") => {}
            other => bail!(
                "a stream is read over http or https, not {}",
                other.unwrap_or("nothing")
            ),
        }
        let authority = given.authority().context("the URL names no host")?;
        if authority.as_str().contains('@') {
            bail!("leave user and password out of the URL: the key comes from SIGCAST_KEY");
        }
        let path = match given.path() {
            "" | "/" => STREAM_PATH,
            path => path,
        };
        let query = given
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let address = Uri::builder()
            .scheme(given.scheme_str().unwrap_or("http"))
            .authority(authority.clone())
            .path_and_query(format!("{path}{query}"))
            .build()
            .context("the URL cannot be put together")?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
            .ok()
            .context("the key holds characters that no key has; copy it again")?;
        authorization.set_sensitive(true);
        Ok(Target {
            address,
            authorization,
            connector: web::connector(),
        })
    }

    /// Trusts the certificate authorities of this PEM file, and no others.
    pub fn trusting(mut self, file: &Path) -> anyhow::Result<Self> {
        self.connector = web::connector_with(trusting(Some(file))?);
        Ok(self)
    }

    /// The address, for messages.
    #[must_use]
    pub fn address(&self) -> &Uri {
        &self.address
    }

    /// Whether the key would cross a network in the clear.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let local = self.is_near(|ip| ip.is_loopback());
        self.address.scheme_str() == Some("http") && !local
    }

    /// Whether it names this machine, or an address that `near` says is near.
    #[must_use]
    pub fn is_near(&self, near: impl FnOnce(IpAddr) -> bool) -> bool {
        let host = self.address.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        host == "localhost" || address.is_ok_and(near)
    }

    /// Connects and sends the request. `within` bounds the connecting and, once more, the wait for the answer's head.
    pub async fn open(
        &self,
        query: &[(&str, String)],
        last_event_id: Option<&str>,
        within: Duration,
    ) -> anyhow::Result<Answer> {
        let address = self.with_query(query)?;
        let host = address
            .authority()
            .map(|a| a.as_str().to_owned())
            .unwrap_or_default();
        let connecting = self.connector.clone().oneshot(address.clone());
        let stream = timeout(within, connecting)
            .await
            .context("no connection in time")?
            .map_err(|e| anyhow::anyhow!("cannot connect to {host}: {}", deepest(&*e)))?;
        let certificate = match &stream {
            MaybeHttpsStream::Http(_) => None,
            MaybeHttpsStream::Https(tls) => {
                let (_, session) = tls.inner().get_ref();
                let chain = session.peer_certificates().unwrap_or_default();
                chain.first().map(|certificate| certificate.to_vec())
            }
        };
        let (mut sender, connection) = http1::handshake(stream).await?;
        let driver = Driver(tokio::spawn(async move {
            // What goes wrong here shows as the body's error.
            let _ = connection.await;
        }));

        let path = address.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-store")
            .header(
                header::USER_AGENT,
                concat!("sigcast/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::AUTHORIZATION, self.authorization.clone());
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let response = timeout(within, sender.send_request(request))
            .await
            .map_err(|_| NoAnswer)?
            .context("the connection ended before an answer")?;
        Ok(Answer {
            response,
            certificate,
            _driver: driver,
        })
    }

    fn with_query(&self, query: &[(&str, String)]) -> anyhow::Result<Uri> {
        let mut path = self
            .address
            .path_and_query()
            .map_or("/", |p| p.as_str())
            .to_owned();
        let mut mark = if path.contains('?') { '&' } else { '?' };
        for (name, value) in query {
            path.push(mark);
            path.push_str(name);
            path.push('=');
            path.push_str(&percent_encoded(value));
            mark = '&';
        }
        let mut parts = self.address.clone().into_parts();
        parts.path_and_query = Some(path.parse().context("the filters make no URL")?);
        Uri::from_parts(parts).context("the filters make no URL")
    }
}

impl Answer {
    /// A refusal's body, as far as it is worth reading; empty where it cannot be had.
    pub async fn refusal(self, within: Duration) -> String {
        let body = http_body_util::Limited::new(self.response.into_body(), MAX_REFUSAL_BYTES);
        match timeout(within, body.collect()).await {
            Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            _ => String::new(),
        }
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// TLS with whoever the certificate authorities of this PEM file vouch for, and no others; without a file, the public ones.
pub fn trusting(file: Option<&Path>) -> anyhow::Result<Trust> {
    let Some(file) = file else {
        return Ok(web::tls().with_webpki_roots());
    };
    let name = file.display();
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).with_context(|| format!("{name} cannot be read"))?;
    for certificate in certificates {
        let certificate = certificate.with_context(|| format!("{name} is not PEM"))?;
        roots
            .add(certificate)
            .with_context(|| format!("{name} holds a certificate that cannot be trusted"))?;
    }
    if roots.is_empty() {
        bail!("{name} holds no certificate");
    }
    Ok(web::tls().with_root_certificates(roots))
}

/// The innermost cause, which is the one that names the trouble.
#[must_use]
pub fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> anyhow::Result<String> {
        Target::new(url, "sig_x").map(|target| target.address().to_string())
    }

    #[test]
    fn the_path_is_added_where_there_is_none() {
        assert_eq!(
            address("http://127.0.0.1:8080").unwrap(),
            "http://127.0.0.1:8080/api/signals/stream"
        );
        assert_eq!(
            address("https://x.example/").unwrap(),
            "https://x.example/api/signals/stream"
        );
        assert_eq!(
            address("localhost:1").unwrap(),
            "http://localhost:1/api/signals/stream"
        );
        assert_eq!(
            address("https://x.example/v2/feed?a=b").unwrap(),
            "https://x.example/v2/feed?a=b"
        );
        for bad in [
            "",
            "ftp://x",
            "http://user:pass@x",
            "http://",
            "http://a b",
            "/path",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(Target::new("http://x", "sig\nx").is_err());
    }

    #[test]
    fn filters_are_escaped_and_keys_on_open_networks_noticed() {
        let target = Target::new("http://x.example?a=b", "sig_x").unwrap();
        let query = [("types", "a,b&c=d é".to_owned())];
        assert_eq!(
            target.with_query(&query).unwrap().to_string(),
            "http://x.example/api/signals/stream?a=b&types=a,b%26c%3Dd%20%C3%A9"
        );
        assert!(target.is_exposed());
        assert!(!Target::new("https://x.example", "k").unwrap().is_exposed());
        for local in ["127.0.0.1:80", "[::1]:80", "localhost"] {
            assert!(!Target::new(local, "k").unwrap().is_exposed(), "{local}");
        }
        assert!(Target::new("127.evil.example", "k").unwrap().is_exposed());
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trusting = |path: &Path| Target::new("https://x", "k").unwrap().trusting(path);
        for path in [file.path(), Path::new("/nowhere/ca.pem")] {
            let error = trusting(path).err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
