//! A disk that is really full: publishing stops with a clear word, listening goes on, and room alone brings it back.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::Connection as _;
use tempfile::TempDir;

use super::{
    server::{Server, sample, until},
    wire::{Next, PATIENCE, Reply, Stream, Wire},
};

const DISK_BYTES: u64 = 6 * 1024 * 1024;
const FILLER_BYTES: u64 = 4 * 1024 * 1024;
const FACTS: usize = 20;

/// A small disk of the test's own.
struct Disk {
    kind: Kind,
    folder: TempDir,
}

#[derive(Debug, PartialEq)]
enum Kind {
    /// A file system in memory, with a file on it that can be deleted.
    Mounted,
    /// A limit on the size of the process's files, which can be raised.
    Limited,
}

impl Disk {
    /// The nearest thing that needs no rights.
    fn limited() -> Self {
        Disk {
            kind: Kind::Limited,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The real thing; `None` where the test may not mount.
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = c_path(folder.path());
        let options = CString::new(format!("size={DISK_BYTES}")).unwrap();
        // SAFETY: all pointers are to strings that live through the call.
        let mounted = unsafe {
            libc::mount(
                c"tmpfs".as_ptr(),
                path.as_ptr(),
                c"tmpfs".as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                options.as_ptr().cast(),
            )
        };
        if mounted != 0 {
            eprintln!(
                "skipped: a mounted disk: {}",
                std::io::Error::last_os_error()
            );
            return None;
        }
        let disk = Disk {
            kind: Kind::Mounted,
            folder,
        };
        fs::write(disk.filler(), vec![1; FILLER_BYTES as usize]).unwrap();
        Some(disk)
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    fn start(&self, settings: &[(&str, &str)]) -> Server {
        let limit = (self.kind == Kind::Limited).then_some(DISK_BYTES - FILLER_BYTES);
        Server::at(self.folder.path().join("data"), settings, limit)
    }

    fn make_room(&self, server: &Server) {
        if self.kind == Kind::Mounted {
            return fs::remove_file(self.filler()).unwrap();
        }
        let limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        let none = std::ptr::null_mut();
        // SAFETY: the limit lives through the call, and the old one is not asked for.
        let raised = unsafe { libc::prlimit(server.pid(), libc::RLIMIT_FSIZE, &limit, none) };
        assert_eq!(raised, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.kind == Kind::Mounted {
            // SAFETY: the path lives through the call.
            unsafe { libc::umount2(c_path(self.folder.path()).as_ptr(), libc::MNT_DETACH) };
        }
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// A signal with some weight.
fn heavy(n: u32) -> Value {
    let mut signal = sample(n);
    signal["note"] = json!("x".repeat(3_000));
    signal
}

fn facts(round: u32) -> String {
    lines_of(round).concat()
}

fn lines_of(round: u32) -> Vec<String> {
    let time = super::server::now().unix_ms() - 60_000;
    let line = |n: usize| {
        let fact = json!({
            "v": 1, "type": "swap", "signature": format!("round{round}n{n}"), "time": time,
            "wallet": format!("wallet{n}"), "mint": "Mint1111", "side": "buy", "token_amount": 1000 + n, "amount_usd": 5,
        });
        fact.to_string() + "\n"
    };
    (0..FACTS).map(line).collect()
}

/// Either it is in, or the answer says why it is not.
fn accepted(reply: &Reply) -> Option<Value> {
    if reply.head.status == 200 {
        return Some(reply.json());
    }
    reply.expect_error(503, "unavailable");
    let message = reply.json()["error"]["message"].to_string();
    assert!(message.contains("disk is full"), "{message}");
    assert!(
        reply.head.header("retry-after").is_some(),
        "{}",
        reply.head.raw
    );
    None
}

/// Reads the signals up to this seq, and then pings.
fn expect_alive(stream: &mut Stream, from: i64, to: i64) {
    for seq in from..=to {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut pings = 0;
    while pings < 2 {
        match stream.next(deadline.saturating_duration_since(Instant::now())) {
            Next::Frame(frame) if frame.comment.trim() == "ping" => pings += 1,
            other => panic!("a ping expected, not {other:?}"),
        }
    }
}

#[test]
fn a_full_disk_stops_publishing_and_nothing_else() {
    if let Some(disk) = Disk::mounted() {
        check(&disk);
    }
}

#[test]
fn a_file_at_its_limit_stops_publishing_and_nothing_else() {
    check(&Disk::limited());
}

#[test]
fn a_database_that_another_program_keeps_locked_is_not_ready() {
    let server = Server::with(&[("SIGCAST_STORE__BUSY_SECONDS", "1")]);
    let key = server.alpha_key();
    let ready = || server.get("/readyz", &key).head.status;
    assert_eq!(ready(), 200);
    server.while_locked(|| {
        let refused = server.admin("POST", "/v1/signals", "{}");
        refused.expect_error(503, "unavailable");
        assert_eq!(ready(), 503);
        assert_eq!(server.get("/livez", &key).head.status, 200);
    });
    let back = until(PATIENCE, || (ready() == 200).then_some(()));
    assert!(back.is_some(), "it notices by itself");
    server.publish_sample(1);
}

/// Lines in one request, however early it is answered.
fn send(server: &Server, path: &str, lines: &[String]) -> Reply {
    let mut wire = Wire::connect(server.admin);
    let body = lines.concat();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        Server::TOKEN,
        body.len()
    );
    wire.send(head.as_bytes());
    // it may be refused before all of it is sent
    let _ = wire.try_send(body.as_bytes());
    wire.reply()
}

#[test]
fn facts_that_stop_halfway_are_told_how_far_they_came() {
    let disk = Disk::limited();
    let server = disk.start(&[]);
    let mut lines: Vec<String> = (1..=1_000).flat_map(lines_of).collect();
    lines[2] = "nonsense\n".to_owned();
    let details = send(&server, "/v1/swaps", &lines).expect_error(503, "unavailable");
    let next = details["next_line"].as_u64().unwrap() as usize;
    assert!(next > 1_000 && next < lines.len(), "halfway: {next}");
    assert_eq!(details["accepted"], next - 2, "all but the bad one");
    assert_eq!(details["duplicate"], 0);
    let rejected = details["rejected"].as_array().unwrap();
    assert_eq!((rejected.len(), &rejected[0]["line"]), (1, &json!(3)));

    disk.make_room(&server);
    let rest = &lines[next - 1..];
    let stored = until(PATIENCE, || {
        let reply = send(&server, "/v1/swaps", rest);
        (reply.head.status == 200).then(|| reply.json())
    });
    let stored = stored.expect("there is room again");
    assert_eq!(stored["accepted"], rest.len(), "nothing of it was in");
    let again = send(&server, "/v1/swaps", &lines[..next - 1]).ok_json();
    assert_eq!(
        (&again["accepted"], &again["duplicate"]),
        (&json!(0), &json!(next - 2))
    );
}

#[test]
fn signals_that_stop_halfway_are_told_how_far_they_came() {
    let disk = Disk::limited();
    let server = disk.start(&[]);
    let signals: Vec<String> = (1..=3_000).map(|n| format!("{}\n", heavy(n))).collect();
    let reply = send(&server, "/v1/signals", &signals);
    assert_eq!(reply.head.status, 200, "it began well: {}", reply.text());
    let text = reply.text();
    let answers = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut answers: Vec<Value> = answers.collect();
    let error = answers.pop().unwrap()["error"].take();
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("unavailable"), &json!(503))
    );
    let stored = answers.len();
    assert!(stored > 100 && stored < signals.len(), "halfway: {stored}");
    assert_eq!(error["details"]["accepted"], stored);
    assert_eq!(error["details"]["next_line"], stored + 1);
    assert!(answers.iter().all(|answer| answer["duplicate"] == false));
    // once not a line more can be stored, the first lines decide the status
    let mut stored = stored;
    let refused = until(PATIENCE, || {
        let reply = send(&server, "/v1/signals", &signals[stored..]);
        if reply.head.status == 503 {
            return Some(reply);
        }
        // a few still found room, as they came in a batch of their own
        stored += reply.text().matches("\"duplicate\":false").count();
        None
    });
    let details = refused
        .expect("it is full")
        .expect_error(503, "unavailable");
    assert_eq!(
        (&details["accepted"], &details["next_line"]),
        (&json!(0), &json!(1))
    );

    disk.make_room(&server);
    let back = until(PATIENCE, || {
        let reply = send(&server, "/v1/signals", &signals);
        (reply.head.status == 200).then(|| reply.text())
    });
    let all = back.expect("there is room again");
    assert_eq!(all.matches("\"duplicate\":true").count(), stored);
    assert_eq!(
        all.matches("\"duplicate\":false").count(),
        signals.len() - stored
    );
}

fn check(disk: &Disk) {
    eprintln!("the full disk is played by: {:?}", disk.kind);
    let mut server = disk.start(&[
        ("SIGCAST_STREAM__PING_SECONDS", "1"),
        ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
        ("SIGCAST_HTTP__DRAIN_SECONDS", "1"),
    ]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);

    // fill it, until neither a signal nor facts go in
    let post = |n: u32| server.admin("POST", "/v1/signals", &heavy(n).to_string());
    let (mut seq, mut stored) = (0, 0);
    let mut known = Vec::new();
    let mut refused = None;
    for n in 1..5_000 {
        let signal = accepted(&post(n));
        if let Some(answer) = &signal {
            seq += 1;
            assert_eq!(answer["seq"], seq, "gapless whatever was refused before");
            known.push(n);
        }
        let batch = accepted(&server.admin("POST", "/v1/swaps", &facts(n)));
        if let Some(receipt) = &batch {
            assert_eq!(receipt["accepted"], FACTS, "{receipt}");
            stored += FACTS;
        }
        if signal.is_none() && batch.is_none() {
            refused = Some(n);
            break;
        }
    }
    let refused = refused.expect("the disk must become full");
    assert!(seq > 10, "it was full from the beginning");

    // what is in can be read, what was refused is nowhere, and who listens goes on listening
    let head = server.get("/api/signals?limit=1", &key).ok_json();
    assert!(
        head["head"].to_string().contains(&seq.to_string()),
        "{head}"
    );
    let missing = format!("/api/signals/{}", heavy(refused)["id"].as_str().unwrap());
    server
        .get(&missing, &key)
        .expect_error(404, "signal_not_found");
    expect_alive(&mut stream, 1, seq);
    assert!(accepted(&post(refused)).is_none(), "it is still full");
    let ready = |path: &str| server.get(path, &key).head.status;
    assert_eq!(ready("/livez"), 200, "it lives");
    // a limit on each file's size leaves room for the trial
    if disk.kind == Kind::Mounted {
        assert_eq!(ready("/readyz"), 503);
        let reasons = server.admin("GET", "/readyz", "");
        assert_eq!(reasons.head.status, 503);
        assert!(reasons.text().contains("full"), "{}", reasons.text());
    }

    // room is all it takes
    disk.make_room(&server);
    let back = until(PATIENCE, || accepted(&post(refused)));
    let back = back.expect("there is room again, and the server must notice by itself");
    assert_eq!(back["seq"], seq + 1);
    assert_eq!(ready("/readyz"), 200, "nothing else is needed");
    assert_eq!(
        back["duplicate"], false,
        "nothing of the refused try was kept"
    );
    known.push(refused);
    expect_alive(&mut stream, seq + 1, seq + 1);
    let again = accepted(&server.admin("POST", "/v1/swaps", &facts(refused))).unwrap();
    assert_eq!(again["accepted"], FACTS, "{again}");
    stored += FACTS;
    accepted(&post(refused + 1)).expect("and it stays so");
    known.push(refused + 1);

    // every acknowledged signal is in its place
    let mut found = Vec::new();
    let mut after = format!("{}-0", server.epoch(&key));
    loop {
        let page = server.get(&format!("/api/signals?limit=200&after={after}"), &key);
        let page = page.ok_json();
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        page["next"].as_str().unwrap().clone_into(&mut after);
        found.extend(
            items
                .iter()
                .map(|item| (item["seq"].clone(), item["id"].clone())),
        );
    }
    let expected: Vec<_> = (1..)
        .zip(&known)
        .map(|(seq, n)| (json!(seq), heavy(*n)["id"].clone()))
        .collect();
    assert_eq!(found, expected);

    server.terminate();
    let end = server.exit_within(Duration::from_secs(20));
    assert!(end.success(), "{end:?}");
    assert_eq!(
        verdict(&disk.folder.path().join("data/sigcast.db")),
        ("ok".into(), stored as i64)
    );
}

/// SQLite's own verdict, and the number of facts.
fn verdict(database: &Path) -> (String, i64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut db = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        let verdict = sqlx::query_scalar("pragma integrity_check");
        let facts = sqlx::query_scalar("select count(*) from facts");
        (
            verdict.fetch_one(&mut db).await.unwrap(),
            facts.fetch_one(&mut db).await.unwrap(),
        )
    })
}
