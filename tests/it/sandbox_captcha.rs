//! Captchas in place of proof of work: verified by another service, here one on this machine, which is told nothing of whose they are.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::{
    sandbox::{Guest, MANY},
    server::Server,
};

const SECRET: &str = "a secret & nobody's";

/// A service that takes the token `solved`, and notes what it is asked.
struct Verifier {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Verifier {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let verifier = Verifier {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let asked = verifier.asked.clone();
        // ends with the test's process
        thread::spawn(move || {
            for client in listener.incoming() {
                let asked = asked.clone();
                thread::spawn(move || serve(client.unwrap(), &asked));
            }
        });
        verifier
    }
}

fn serve(mut client: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let before = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            let line = head[before..].trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        let answer = match &*body {
            body if body.ends_with("response=silent") => "no JSON",
            body if body.ends_with("response=solved") || body.contains("response=again") => {
                r#"{"success": true, "hostname": "example.com"}"#
            }
            _ => r#"{"success": false, "error-codes": ["invalid-input-response"]}"#,
        };
        asked.lock().unwrap().push(head + &body);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        client.write_all((head + answer).as_bytes()).unwrap();
    }
}

#[test]
fn a_captcha_stands_for_proof_of_work() {
    let verifier = Verifier::start();
    let url = format!("http://{}/siteverify", verifier.address);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let mut settings = MANY.to_vec();
    settings.push(("SIGCAST_SANDBOX__CAPTCHA_VERIFY_URL", &url));
    settings.push((
        "SIGCAST_SANDBOX__CAPTCHA_SECRET_FILE",
        file.to_str().unwrap(),
    ));
    let server = Server::with(&settings);
    let guest = Guest::new(&server, "192.0.2.1");
    let with = |token: &str| guest.send("GET", "stats", &[("x-sandbox-captcha", token)]);
    for _ in 0..5 {
        with("solved").ok_json();
    }
    let asked = || verifier.asked.lock().unwrap().clone();
    assert!(asked().is_empty(), "nobody is asked where none is needed");
    let details = guest
        .get("stats")
        .expect_error(401, "sandbox_challenge_required");
    assert_eq!(details["headers"][2], "X-Sandbox-Captcha");
    let details = with("wrong").expect_error(401, "sandbox_challenge_required");
    assert_eq!(details["reason"], "captcha");
    for _ in 0..3 {
        with("silent").expect_error(503, "unavailable");
    }
    assert_eq!(with("solved").ok_json()["meta"]["sandbox"]["remaining"], 4);
    let details = with("solved").expect_error(401, "sandbox_challenge_required");
    assert_eq!(details["reason"], "used", "whatever the verifier says");
    with("again").ok_json();
    guest.get_solved("stats").ok_json();
    let asked = asked();
    assert_eq!(asked.len(), 7, "{asked:?}");
    for one in &asked {
        let (head, body) = one.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /siteverify HTTP/1.1"), "{head}");
        let form = "secret=a+secret+%26+nobody%27s&response=";
        assert!(body.starts_with(form), "{body}");
        assert!(
            !one.contains("192.0.2") && !body.contains("remoteip"),
            "{one}"
        );
    }
    assert!(
        !server.stderr().contains("nobody's"),
        "no secret in the log"
    );
    assert_eq!(
        server
            .stderr()
            .matches("verifies captchas gives no answer")
            .count(),
        1,
        "three went without an answer: {}",
        server.stderr()
    );
    assert!(
        !server
            .stderr()
            .lines()
            .any(|line| line.contains("captchas") && line.contains("client=")),
        "nor who asked without a key: {}",
        server.stderr()
    );
}

#[test]
fn a_verifier_needs_a_secret() {
    let settings = [(
        "SIGCAST_SANDBOX__CAPTCHA_VERIFY_URL",
        "https://example.com/",
    )];
    let mut serve = super::place::Place::new().command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let output = serve.envs(settings).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("captcha_secret"), "{said}");
}
