//! A throwaway certificate of `localhost` and 127.0.0.1, and its key, in files.

use std::{fs, path::PathBuf};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// Gone with its folder.
pub struct Certificate {
    folder: TempDir,
    pub der: CertificateDer<'static>,
}

impl Certificate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let der = write(&folder);
        Certificate { folder, der }
    }

    /// Another one in the same files.
    pub fn renew(&mut self) {
        self.der = write(&self.folder);
    }

    pub fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// A server's settings.
    pub fn settings(&self) -> [(String, String); 2] {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("SIGCAST_HTTP__TLS_CERT".to_owned(), text(self.cert())),
            ("SIGCAST_HTTP__TLS_KEY".to_owned(), text(self.key())),
        ]
    }
}

fn write(folder: &TempDir) -> CertificateDer<'static> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(
        folder.path().join("key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    made.cert.der().clone()
}
