//! TLS of the main listener: its certificate and key, read again on demand, and the handshake.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::config::Config;
use crate::hub::socket::SocketIo;

const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";
/// The first byte of a TLS connection (RFC 8446, 5.1): a record of the handshake.
const HANDSHAKE: u8 = 22;
/// Bytes that may wait between a connection and its socket: what waits there is stale when it leaves.
const WAITING: usize = 32 * 1024;

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One without the other.
    #[error("{set} is given, and {missing} is not: TLS takes both, plain HTTP neither")]
    Half {
        /// The setting that is there, ...
        set: &'static str,
        /// ... and the one that is not.
        missing: &'static str,
    },
    /// A file that is not there, or not PEM.
    #[error(
        "{} cannot be read; {setting} names a PEM file that the server's user may read",
        path.display()
    )]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file without a certificate.
    #[error(
        "{} holds no certificate; http.tls_cert names a PEM file with the server's certificate first, then those in between",
        path.display()
    )]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A file without a key that can be read.
    #[error(
        "{} holds no private key; http.tls_key names a PEM file with a key in PKCS#8, PKCS#1 or SEC1, without a passphrase",
        path.display()
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Two that do not belong together.
    #[error(
        "the key in {} is not that of the first certificate in {}; name the two that belong together",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate or key of a kind that TLS does not take here.
    #[error("the certificate in {} and the key in {} cannot be used", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Ends TLS for one listener.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// What new handshakes are given.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

/// A connection, as its first bytes have it.
pub enum Opening {
    /// TLS, and HTTP/1.1 in it.
    Http1(TlsStream<SocketIo>),
    /// TLS, and HTTP/2 in it.
    Http2(TlsStream<SocketIo>),
    /// No TLS at all.
    Plain(SocketIo),
}

impl Tls {
    /// Of the files that the settings name; `None` where they name none.
    pub fn load(config: &Config) -> Result<Option<Self>, TlsError> {
        let named = |path: &Path| !path.as_os_str().is_empty();
        let half = |set, missing| Err(TlsError::Half { set, missing });
        match (named(&config.tls_cert), named(&config.tls_key)) {
            (false, false) => Ok(None),
            (true, false) => half("http.tls_cert", "http.tls_key"),
            (false, true) => half("http.tls_key", "http.tls_cert"),
            (true, true) => Self::of(&config.tls_cert, &config.tls_key).map(Some),
        }
    }

    fn of(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certified = certified(certificate, key, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring's suites serve TLS 1.2 and 1.3, the only versions there are")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Tls {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Reads both files again: new handshakes get what they hold now, and connections that there are stay as they are. After an error
    /// all is as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let provider = self.acceptor.config().crypto_provider();
        let certified = certified(&self.certificate, &self.key, provider)?;
        let mut current = self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(certified);
        Ok(())
    }

    /// The handshake, however long it takes. `None` where the peer ends it before its first byte.
    pub async fn open(&self, io: SocketIo) -> io::Result<Option<Opening>> {
        match io.first_byte().await? {
            None => return Ok(None),
            Some(HANDSHAKE) => {}
            Some(_) => return Ok(Some(Opening::Plain(io))),
        }
        let handshake = self
            .acceptor
            .accept_with(io, |session| session.set_buffer_limit(Some(WAITING)));
        let io = handshake.await?;
        let is_http2 = io.get_ref().1.alpn_protocol() == Some(HTTP_2);
        Ok(Some(match is_http2 {
            true => Opening::Http2(io),
            false => Opening::Http1(io),
        }))
    }
}

/// The certificates of a PEM file, the server's own first.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        setting: "http.tls_cert",
        path: path.to_owned(),
        source,
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect();
    let read = read.map_err(unreadable)?;
    match read.is_empty() {
        true => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(read),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey {
            path: path.to_owned(),
        },
        source => TlsError::Unreadable {
            setting: "http.tls_key",
            path: path.to_owned(),
            source,
        },
    })
}

fn certified(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let secret = private_key(key)?;
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    CertifiedKey::from_der(chain, secret, provider).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
        source => TlsError::Unusable {
            certificate,
            key,
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    fn made() -> Made<rcgen::KeyPair> {
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
    }

    /// A folder with these as `cert.pem` and `key.pem`.
    fn files(certificate: &str, key: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cert.pem"), certificate).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        folder
    }

    fn refusal(folder: &Path) -> String {
        let refused = Tls::of(&folder.join("cert.pem"), &folder.join("key.pem"));
        refused.err().unwrap().to_string()
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_file() {
        let (one, other) = (made(), made());
        let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let good = files(&cert, &key);
        Tls::of(&good.path().join("cert.pem"), &good.path().join("key.pem")).unwrap();
        let strange = other.signing_key.serialize_pem();
        for (cert, key, named, said) in [
            ("", key.as_str(), "cert.pem", "no certificate"),
            (key.as_str(), key.as_str(), "cert.pem", "no certificate"),
            (cert.as_str(), "", "key.pem", "no private key"),
            (cert.as_str(), cert.as_str(), "key.pem", "no private key"),
            (cert.as_str(), strange.as_str(), "key.pem", "is not that"),
        ] {
            let error = refusal(files(cert, key).path());
            assert!(error.contains(named) && error.contains(said), "{error}");
            assert!(!error.contains("PRIVATE"), "never the key: {error}");
        }
        fs::remove_file(good.path().join("key.pem")).unwrap();
        let error = refusal(good.path());
        assert!(error.contains("key.pem cannot be read"), "{error}");
    }

    #[test]
    fn files_gone_bad_leave_what_was_read_before() {
        let folder = files(&made().cert.pem(), "");
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let write = |made: &Made<rcgen::KeyPair>| {
            fs::write(&cert, made.cert.pem()).unwrap();
            fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        };
        let (first, second) = (made(), made());
        write(&first);
        let tls = Tls::of(&cert, &key).unwrap();
        let given = || tls.current.0.read().unwrap().cert[0].clone();
        assert_eq!(&given(), first.cert.der());
        fs::write(&key, second.signing_key.serialize_pem()).unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Mismatch { .. })));
        assert_eq!(&given(), first.cert.der());
        write(&second);
        tls.reload().unwrap();
        assert_eq!(&given(), second.cert.der());
    }
}
