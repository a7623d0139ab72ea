//! `sigcast tail` over https: through a TLS front of the test's own, with a throwaway certificate.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;

use super::{
    place::sigcast,
    server::{Key, Server, collect, lines_of, until},
    wire::PATIENCE,
};

/// A proxy that speaks TLS to clients and plain HTTP to the server. Its threads end with the process.
pub struct Front {
    folder: TempDir,
    pub port: u16,
    /// The requests' heads, as they came.
    heads: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Option<TcpStream>>>,
}

impl Front {
    fn of(server: &Server) -> Self {
        Self::until(server, 2199, 1, 1)
    }

    /// With a certificate that holds until this day.
    pub fn until(server: &Server, year: i32, month: u8, day: u8) -> Self {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&signing_key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), made.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Front {
            folder,
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
            open: Arc::default(),
        };
        let (heads, open, to) = (front.heads.clone(), front.open.clone(), server.main);
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let _ = tcp.try_clone().map(|tcp| open.lock().unwrap().replace(tcp));
                let (config, heads) = (config.clone(), heads.clone());
                thread::spawn(move || forward(tcp, config, to, &heads));
            }
        });
        front
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Ends the open connection as a lost network does, without TLS's own farewell.
    fn break_off(&self) {
        let open = self.open.lock().unwrap();
        let _ = open.as_ref().unwrap().shutdown(std::net::Shutdown::Both);
    }

    fn tail(&self, key: &Key, more: &[&str]) -> Child {
        sigcast()
            .args(["tail", "--json", "--url"])
            .arg(format!("https://localhost:{}", self.port))
            .args(more)
            .env("SIGCAST_KEY", &key.text)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn forward(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    to: SocketAddr,
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, tcp);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap().push(text);
    let mut upstream = TcpStream::connect(to)?;
    upstream.write_all(&head)?;
    let mut piece = [0; 4096];
    loop {
        let read = upstream.read(&mut piece)?;
        if read == 0 {
            tls.conn.send_close_notify();
            return tls.flush();
        }
        tls.write_all(&piece[..read])?;
        tls.flush()?;
    }
}

#[test]
fn tail_reads_and_resumes_over_https() {
    // pings show the front that its client is gone
    let server = Server::with(&[
        ("SIGCAST_STREAM__PING_SECONDS", "1"),
        ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
    ]);
    let key = server.alpha_key();
    let front = Front::of(&server);
    let ca = front.ca_file();
    let mut child = front.tail(
        &key,
        &["--since", "2020-01-01", "--ca-file", ca.to_str().unwrap()],
    );
    let said = Arc::default();
    collect(child.stderr.take().unwrap(), Arc::clone(&said));
    let lines = lines_of(child.stdout.take().unwrap());
    let line = |seq: u32| {
        let line = lines.recv_timeout(2 * PATIENCE);
        let line = line.unwrap_or_else(|e| panic!("{e}: {}", said.lock().unwrap()));
        assert!(line.starts_with(&format!("{{\"seq\":{seq},")), "{line}");
    };
    server.publish_sample(1);
    line(1);
    front.break_off();
    server.publish_sample(2);
    line(2);
    child.kill().unwrap();
    child.wait().unwrap();
    let heads = front.heads.lock().unwrap();
    assert!(heads[0].contains("since=") && !heads[0].contains("last-event-id"));
    let from = format!("last-event-id: {}-1", server.epoch(&key));
    assert!(heads.last().unwrap().contains(&from), "{heads:?}");
}

#[test]
fn tail_sends_no_key_to_a_server_that_it_cannot_trust() {
    let server = Server::start();
    let key = server.alpha_key();
    let front = Front::of(&server);
    let mut child = front.tail(&key, &[]);
    let said: Arc<Mutex<String>> = Arc::default();
    collect(child.stderr.take().unwrap(), said.clone());
    let refused = until(PATIENCE, || {
        let said = said.lock().unwrap();
        said.contains("reconnecting in").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let said = said.lock().unwrap().clone();
    assert!(refused.is_some(), "{said}");
    assert!(said.contains("certificate"), "it says why: {said}");
    assert!(front.heads.lock().unwrap().is_empty(), "nothing was sent");
}
