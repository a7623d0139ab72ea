//! A server beside `sigcast ingest`, which holds the engines: it serves at once, and takes them over when they are free.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Child, ChildStdin, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::Connection as _;

use super::{
    place::sigcast,
    server::{Server, now, until},
    wire::PATIENCE,
};

/// `sigcast ingest` that waits for more lines, with the engines in its hands.
fn ingest(data: &Path) -> (Child, ChildStdin) {
    let mut child = sigcast()
        .args(["ingest", "swaps", "-", "--data-dir"])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let held = until(PATIENCE, || {
        let lock = File::open(data.join("engine.lock")).ok()?;
        lock.try_lock().is_err().then_some(())
    });
    assert!(held.is_some(), "it takes the engines");
    (child, input)
}

fn swap(n: u32) -> String {
    let fact = json!({
        "v": 1, "type": "swap", "signature": format!("s{n}"), "time": now().unix_ms() - 10_000, "wallet": "w",
        "mint": "m", "side": "buy", "token_amount": "1000", "amount_usd": "1.5",
    });
    format!("{fact}\n")
}

/// Facts that no engine has applied yet.
fn unapplied(data: &Path) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("sigcast.db"));
        let mut db = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        let sql = "select count(*) from facts where arrival > (select cursor from engines where name = 'consensus')";
        sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap()
    })
}

fn engines(server: &Server) -> String {
    let ready = server.admin("GET", "/readyz", "").ok_json();
    ready["engines"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_serves_while_another_process_runs_the_engines_and_takes_them_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let (mut ingest, mut input) = ingest(&data);
    let server = Server::at(data.clone(), &[], None);
    let key = server.alpha_key();
    assert_eq!(server.get("/livez", &key).head.status, 200);
    assert!(engines(&server).contains("another process"), "it says so");
    let mut stream = server.listen(&key, "", &[]);
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
    let stored = server.admin("POST", "/v1/swaps", &swap(1)).ok_json();
    assert_eq!(stored["accepted"], 1, "stored, for who applies it");

    writeln!(input, "{}", swap(2).trim()).unwrap();
    drop(input);
    assert!(ingest.wait().unwrap().success());
    let taken = until(PATIENCE, || (engines(&server) == "ok").then_some(()));
    assert!(taken.is_some(), "{}", engines(&server));
    let stored = server.admin("POST", "/v1/swaps", &swap(3)).ok_json();
    assert_eq!(stored["accepted"], 1);
    let done = until(PATIENCE, || (unapplied(&data) == 0).then_some(()));
    assert!(done.is_some(), "{} facts wait", unapplied(&data));
    let id = server.publish_sample(2);
    stream.expect_signal(&id);
}

#[test]
fn a_server_that_waits_for_the_engines_ends_well_and_admits_no_second_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ingest, _input) = ingest(folder.path());
    let mut server = Server::at(
        folder.path().to_owned(),
        &[("SIGCAST_HTTP__DRAIN_SECONDS", "1")],
        None,
    );
    let begun = Instant::now();
    let second = server
        .on_data(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .output()
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "at once");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another server runs on"), "{said}");

    server.terminate();
    let end = server.exit_within(PATIENCE);
    assert_eq!(end.code(), Some(0), "{}", server.stderr());
    assert_eq!(ingest.try_wait().unwrap(), None, "it is left alone");
    let _ = ingest.kill();
    let _ = ingest.wait();
}
