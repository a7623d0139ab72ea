//! TLS of the server itself: its certificate, what becomes of those who do not speak it, and clients as others made them.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    certificate::Certificate,
    clients::{python_with, skip, succeed},
    place::sigcast,
    secure::{Protocol, secure, trusting},
    server::{Key, Server, collect, until},
    wire::{PATIENCE, Wire},
};

fn certificate(server: &Server) -> &Certificate {
    server.certificate.as_ref().unwrap()
}

/// A session's certificate, as a new client is given it.
fn given(server: &Server) -> Vec<u8> {
    let config = Arc::new(trusting(certificate(server).der.clone(), &[]));
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(config, name).unwrap();
    let mut tcp = TcpStream::connect(server.main).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut tcp).unwrap();
    }
    session.peer_certificates().unwrap()[0].to_vec()
}

fn refused(flags: &[&str]) -> String {
    let data = tempfile::tempdir().unwrap();
    let output = sigcast()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .arg("--data-dir")
        .arg(data.path())
        .args(flags)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_start_with_files_that_cannot_be_used_says_which_and_why() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let (cert, key, strange) = (text(one.cert()), text(one.key()), text(other.key()));
    let said = refused(&["--tls-cert", &cert]);
    assert!(said.contains("http.tls_key"), "{said}");
    let said = refused(&["--tls-key", &key]);
    assert!(said.contains("http.tls_cert"), "{said}");
    let said = refused(&["--tls-cert", &cert, "--tls-key", &strange]);
    assert!(
        said.contains(&strange) && said.contains("is not that"),
        "{said}"
    );
    let said = refused(&["--tls-cert", "/nowhere.pem", "--tls-key", &key]);
    assert!(
        said.contains("/nowhere.pem") && said.contains("No such file"),
        "{said}"
    );
}

#[test]
fn keys_of_every_spelling_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ways: [&[&str]; 3] = [
        &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
        &["genrsa", "-traditional", "2048"],
        &["genpkey", "-algorithm", "ed25519"],
    ];
    let marks = [
        "BEGIN EC PRIVATE KEY",
        "BEGIN RSA PRIVATE KEY",
        "BEGIN PRIVATE KEY",
    ];
    for (way, mark) in ways.iter().zip(marks) {
        let made = succeed(Command::new("openssl").args(*way));
        let Ok(made) = made else {
            return skip("keys of every spelling", &made.unwrap_err());
        };
        let pem = String::from_utf8(made.stdout).unwrap();
        assert!(pem.contains(mark), "{way:?}");
        fs::write(at("key"), pem).unwrap();
        let subject = ["req", "-x509", "-subj", "/CN=localhost", "-days", "2"];
        let names = ["-addext", "subjectAltName=DNS:localhost"];
        let mut sign = Command::new("openssl");
        sign.args(subject).args(names).args(["-key", &at("key")]);
        let cert = succeed(&mut sign).unwrap().stdout;
        fs::write(at("cert"), cert).unwrap();
        let flags = ["--tls-cert", &at("cert"), "--tls-key", &at("key")];
        let server = Server::with_flags(&flags, &[]);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--cacert", &at("cert")]);
        curl.arg(format!("https://localhost:{}/livez", server.main.port()));
        match succeed(&mut curl) {
            Ok(output) => assert!(!output.stdout.is_empty(), "{mark}"),
            Err(why) => skip("curl", &why),
        }
    }
}

#[test]
fn a_hangup_brings_a_new_certificate_and_ends_nothing() {
    let mut server = Server::with_tls(&[]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let first = certificate(&server).der.to_vec();
    assert_eq!(given(&server), first);
    // a key that does not go with the certificate: all stays as it was, and the log says so
    let strange = Certificate::new();
    fs::copy(strange.key(), certificate(&server).key()).unwrap();
    server.hang_up();
    let said = until(PATIENCE, || {
        server.stderr().contains("stay as they were").then_some(())
    });
    assert!(said.is_some(), "{}", server.stderr());
    assert!(server.stderr().contains("key.pem"), "{}", server.stderr());
    assert_eq!(given(&server), first);

    server.certificate.as_mut().unwrap().renew();
    let trust = certificate(&server).der.clone();
    secure(server.main, Some((trust, Protocol::Http1)));
    server.hang_up();
    let second = certificate(&server).der.to_vec();
    let said = until(PATIENCE, || {
        server.stderr().contains("read again").then_some(())
    });
    assert!(said.is_some(), "{}", server.stderr());
    assert_eq!(given(&server), second);
    assert_ne!(first, second);
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
}

#[test]
fn plain_http_is_told_that_the_port_speaks_tls() {
    let server = Server::with_tls(&[]);
    secure(server.main, None);
    let mut wire = Wire::connect(server.main);
    wire.get("/livez", &[]);
    let reply = wire.reply();
    reply.expect_error(400, "bad_request");
    assert!(reply.text().contains("https://"), "{}", reply.text());
    wire.expect_end(PATIENCE);
}

#[test]
fn handshakes_that_never_end_are_freed_in_time() {
    let server = Server::with_tls(&[("SIGCAST_HTTP__HEADER_SECONDS", "1")]);
    secure(server.main, None);
    let begun = Instant::now();
    let mut slow = Vec::new();
    // nothing at all, a record's first byte, half of a greeting
    for bytes in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
        let mut wire = Wire::connect(server.main);
        wire.send(bytes);
        slow.push(wire);
    }
    let counted = until(PATIENCE, || {
        (server.metric("sigcast_connections") == 3).then_some(())
    });
    assert!(counted.is_some(), "they count as connections");
    for mut wire in slow {
        wire.expect_end(PATIENCE);
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    let freed = until(PATIENCE, || {
        (server.metric("sigcast_connections") == 0).then_some(())
    });
    assert!(freed.is_some());
}

#[test]
fn the_admin_listener_stays_plain() {
    let server = Server::with_tls(&[]);
    assert_eq!(server.admin("GET", "/livez", "").head.status, 200);
}

fn curl(server: &Server, key: &Key, protocol: &str, path: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-N", protocol, "--max-time", "3", "--cacert"])
        .arg(certificate(server).cert())
        .args(["-D", "-", "-w", "\nversion %{http_version}\n"])
        .args(["-H", &format!("Authorization: Bearer {}", key.text)])
        .arg(format!("{}{path}", server.url()));
    curl
}

#[test]
fn curl_reads_the_stream_by_either_protocol() {
    for (protocol, version) in [("--http1.1", "version 1.1"), ("--http2", "version 2")] {
        let server = Server::with_tls(&[("SIGCAST_HTTP__DRAIN_SECONDS", "0")]);
        let key = server.alpha_key();
        let id = server.publish_sample(1);
        let past = "/api/signals/stream?since=2020-01-01T00:00:00Z";
        let output = curl(&server, &key, protocol, past).output();
        let Ok(output) = output else {
            return skip("curl", "not to be had");
        };
        let said = String::from_utf8(output.stdout).unwrap();
        // curl ends by itself: the stream does not
        assert_eq!(output.status.code(), Some(28), "{said}");
        for part in ["event: hello", "event: signal", &id, version] {
            assert!(said.contains(part), "{protocol}: no `{part}` in {said}");
        }
        assert_eq!(said.contains("transfer-encoding"), protocol == "--http1.1");
        assert!(!said.to_lowercase().contains("\nconnection:"), "{said}");
        let output = curl(&server, &key, protocol, "/api/signals")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(version) && said.contains(&id), "{said}");
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}

/// Drives a program that says `connected`, then the ids of signals, over a restart of the server.
fn across_a_restart(name: &str, mut command: Command) {
    let mut server = Server::with_tls(&[("SIGCAST_HTTP__DRAIN_SECONDS", "0")]);
    let key = server.alpha_key();
    let mut child = command
        .env("SIGCAST_URL", server.url())
        .env("SIGCAST_KEY", &key.text)
        .env("CA_FILE", certificate(&server).cert())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (said, aside) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
    collect(child.stdout.take().unwrap(), said.clone());
    collect(child.stderr.take().unwrap(), aside.clone());
    let says = |what: &str| {
        until(3 * PATIENCE, || {
            said.lock().unwrap().contains(what).then_some(())
        })
    };
    let mut all = Vec::new();
    let mut seen = says("connected").is_some();
    for n in 1..=3 {
        all.push(server.publish_sample(n));
        seen &= says(all.last().unwrap()).is_some();
    }
    server.terminate();
    server.exit_within(2 * PATIENCE);
    server.restart();
    for n in 4..=6 {
        all.push(server.publish_sample(n));
    }
    seen &= says(all.last().unwrap()).is_some();
    let _ = child.kill();
    let _ = child.wait();
    let said = said.lock().unwrap();
    let words: Vec<&str> = said.lines().collect();
    assert!(seen, "{name}: {said}\n{}", aside.lock().unwrap());
    let ids: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| word.starts_with("0000"))
        .collect();
    assert_eq!(ids, all, "{name}: each once, in order");
    assert!(words.contains(&"version 2"), "{name}: {said}");
    assert!(words.contains(&"beside 200"), "{name}: {said}");
}

fn source(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/real_clients")
        .join(name)
}

#[test]
fn node_gets_all_over_http2() {
    if let Err(why) = succeed(Command::new("node").arg("--version")) {
        return skip("node", &why);
    }
    let mut node = Command::new("node");
    node.arg(source("node/http2.mjs"));
    across_a_restart("node:http2", node);
}

#[test]
fn httpx_gets_all_over_http2() {
    let list = source("python/http2.requirements.txt");
    let python = match python_with("real-clients-python-http2", &list) {
        Ok(python) => python,
        Err(why) => return skip("httpx", &why),
    };
    let mut python = Command::new(python);
    python.arg(source("python/http2.py"));
    across_a_restart("httpx", python);
}

#[test]
fn tail_reads_the_servers_own_tls() {
    let server = Server::with_tls(&[]);
    let key = server.alpha_key();
    let id = server.publish_sample(1);
    let mut tail = sigcast()
        .args([
            "tail",
            "--json",
            "--since",
            "2020-01-01",
            "--url",
            &server.url(),
        ])
        .arg("--ca-file")
        .arg(certificate(&server).cert())
        .env("SIGCAST_KEY", &key.text)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = super::server::lines_of(tail.stdout.take().unwrap());
    let line = lines.recv_timeout(PATIENCE);
    let _ = tail.kill();
    let _ = tail.wait();
    let signal: Value = serde_json::from_str(&line.expect("a line")).unwrap();
    assert_eq!(signal["id"], id.as_str());
}
