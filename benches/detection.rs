//! From a swap's acceptance to its frame on a socket, storage included, at 500 swaps/s; and an idle server's memory:
//! `cargo bench --bench detection -- 30` (seconds).

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use sigcast::{
    ingest::simulate::{live::Live, past::history},
    model::{fact_line, time::Clock},
};

const TOKEN: &str = "a-token-of-the-bench-alone-0123456789";
/// The simulator makes about 20 facts a second at pace 1.
const PACE: f64 = 25.0;

struct Server {
    child: Child,
    main: String,
    admin: String,
}

fn main() {
    let seconds = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse::<u64>().ok())
        .unwrap_or(10);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let server = start(dir.path());
    let account = post(
        &mut connect(&server.admin),
        "/v1/accounts",
        r#"{"name":"bench","plan":"alpha"}"#,
    );
    let body = format!("{{\"account_id\":{}}}", account["id"]);
    let key = post(&mut connect(&server.admin), "/v1/keys", &body)["key"]
        .as_str()
        .expect("a key")
        .to_owned();
    std::thread::sleep(Duration::from_secs(2));
    let idle_kb = resident_kb(server.child.id());

    let now = Clock::system().now();
    let past: String = history(1, now)
        .iter()
        .map(|fact| fact_line::write(fact) + "\n")
        .collect();
    let file = dir.path().join("past.ndjson");
    std::fs::write(&file, past).expect("a file");
    let done = Command::new(env!("CARGO_BIN_EXE_sigcast"))
        .args(["ingest", "swaps", "--backfill", "--data-dir"])
        .arg(dir.path())
        .arg(&file)
        .output()
        .expect("the binary");
    assert!(done.status.success(), "{done:?}");

    let mut stream = connect(&server.main);
    write!(
        stream,
        "GET /api/signals/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
    )
    .expect("a request");
    let reader = std::thread::spawn(move || {
        BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .filter(|line| line.starts_with("event: signal"))
            .count()
    });
    let facts = play(&server, seconds);
    let metrics = get(&mut connect(&server.admin), "/metrics");
    drop(server);
    let seen = reader.join().expect("the reader");
    let (count, p50, p99) = quantiles(&metrics, "sigcast_detection_seconds_bucket");
    assert!(count > 0 && seen > 0, "nothing fired");
    println!("| swaps/s | signals | detection p50 ≤ | p99 ≤ | idle resident MB |");
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| {:.0} | {count} ({seen} read) | {:.2} ms | {:.2} ms | {:.1} |",
        facts as f64 / seconds as f64,
        p50 * 1e3,
        p99 * 1e3,
        idle_kb as f64 / 1024.0
    );
}

/// Posts each fact at its moment over one kept connection; how many.
fn play(server: &Server, seconds: u64) -> usize {
    let mut connection = connect(&server.admin);
    let mut live = Live::new(1, Clock::system().now(), PACE).peekable();
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        let due = began.elapsed().as_millis() as u64;
        let mut body = String::new();
        while let Some((_, fact)) = live.next_if(|(at, _)| *at <= due) {
            body.push_str(&fact_line::write(&fact));
            body.push('\n');
            sent += 1;
        }
        if body.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let answer = post(&mut connection, "/v1/swaps", &body);
        assert!(
            answer["rejected"].as_array().is_some_and(Vec::is_empty),
            "{answer}"
        );
    }
    sent
}

fn start(dir: &std::path::Path) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sigcast"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(dir)
        .env("SIGCAST_ADMIN_TOKEN", TOKEN)
        .env("RUST_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"))
        .lines()
        .map_while(Result::ok);
    let mut after = |prefix: &str| {
        lines
            .find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
            .expect("an address")
    };
    let (main, admin) = (after("listening on http://"), after("admin on http://"));
    Server { child, main, admin }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(to: &str) -> TcpStream {
    let tcp = TcpStream::connect(to).expect("a connection");
    tcp.set_nodelay(true).expect("an option");
    tcp
}

fn post(tcp: &mut TcpStream, path: &str, body: &str) -> Value {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    tcp.write_all((head + body).as_bytes()).expect("a request");
    serde_json::from_str(&answer(tcp)).expect("JSON")
}

fn get(tcp: &mut TcpStream, path: &str) -> String {
    write!(tcp, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
    answer(tcp)
}

/// The body of an answer with a content-length.
fn answer(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .expect("a length");
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}

/// Count, and the upper bounds of the buckets that hold the median and the 99th percentile.
fn quantiles(metrics: &str, name: &str) -> (u64, f64, f64) {
    let buckets: Vec<(f64, u64)> = metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?.strip_prefix("{le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            Some((bound.parse().unwrap_or(f64::INFINITY), count.parse().ok()?))
        })
        .collect();
    let total = buckets.last().map_or(0, |(_, count)| *count);
    let at = |share: f64| {
        let wanted = (total as f64 * share).ceil() as u64;
        buckets
            .iter()
            .find(|(_, count)| *count >= wanted)
            .map_or(f64::NAN, |(bound, _)| *bound)
    };
    (total, at(0.5), at(0.99))
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kb| kb.parse().ok())
        .unwrap_or(0)
}
