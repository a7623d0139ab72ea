//! Killed at any instant and started again, the server fires the same signals as if it had never been killed.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use sigcast::{
    ingest::simulate::{live::Live, past::history},
    model::{fact_line, swap::Fact, time::Time},
};

use super::server::{Key, Server};

const SEED: u64 = 7;
/// Kill points; a soak sets more.
const KILLS: &str = "SIGCAST_TEST_KILLS";
const FACTS: usize = 6_000;
const BATCH: usize = 60;

pub fn market() -> (Vec<Fact>, Vec<Fact>) {
    let start = Time::parse_iso("2026-03-01T00:00:00Z").unwrap();
    let live = Live::new(SEED, start, 1.0)
        .map(|(_, fact)| fact)
        .take(FACTS);
    (history(SEED, start), live.collect())
}

pub fn lines(facts: &[Fact]) -> String {
    facts
        .iter()
        .map(|fact| fact_line::write(fact) + "\n")
        .collect()
}

/// A server that knows the past of the market.
pub fn with_past(past: &[Fact], settings: &[(&str, &str)]) -> (Server, Key) {
    let server = Server::with(settings);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines(past)).unwrap();
    server.command(&[
        "ingest",
        "swaps",
        "--backfill",
        file.path().to_str().unwrap(),
    ]);
    let key = server.alpha_key();
    (server, key)
}

/// What of each signal must not depend on crashes, in the order of the log.
pub fn fired(server: &Server, key: &Key) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = format!("{}-0", server.epoch(key));
    loop {
        let page = server
            .get(&format!("/api/signals?limit=200&after={after}"), key)
            .ok_json();
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            return all;
        }
        after = page["next"].as_str().unwrap().to_owned();
        all.extend(items.iter().map(|item| {
            json!([
                item["seq"],
                item["id"],
                item["signal_type"],
                item["rank"],
                item["rank_score"],
                item["update"],
                item["best_before"],
                item["wallet_count"],
                item["triggering_wallets"],
                item["detected_at"],
            ])
        }));
    }
}

/// Posts lines as a client that may lose its server at any moment: whether they were acknowledged.
fn post(to: SocketAddr, token: &str, body: &str) -> bool {
    let attempt = || -> std::io::Result<String> {
        let mut tcp = TcpStream::connect(to)?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            tcp,
            "POST /v1/swaps HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match attempt() {
        Ok(answer) if answer.contains(" 200 OK") => {
            assert!(answer.contains("\"rejected\":[]"), "{answer}");
            true
        }
        Ok(answer) if answer.is_empty() => false,
        Ok(answer) => panic!("{answer}"),
        Err(_) => false,
    }
}

#[test]
fn kills_at_any_instant_change_no_signal() {
    let kills: usize = std::env::var(KILLS)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    let (past, live) = market();
    let batches: Vec<String> = live.chunks(BATCH).map(lines).collect();

    let (server, key) = with_past(&past, &[]);
    for batch in &batches {
        assert!(post(server.admin, Server::TOKEN, batch));
    }
    let undisturbed = fired(&server, &key);
    drop(server);

    let (mut server, key) = with_past(&past, &[]);
    let (mut killed, mut unacknowledged) = (0, 0);
    for (number, batch) in batches.iter().enumerate() {
        // kills are spread over the batches, each at another moment of its batch
        while killed * batches.len() < number * kills {
            killed += 1;
            let wait = Duration::from_micros((killed as u64 * 7_919) % 12_000);
            let done = AtomicBool::new(false);
            let (admin, acknowledged) = (server.admin, &done);
            thread::scope(|scope| {
                scope.spawn(move || {
                    acknowledged.store(post(admin, Server::TOKEN, batch), Ordering::Relaxed)
                });
                thread::sleep(wait);
                server.kill();
            });
            if !done.load(Ordering::Relaxed) {
                unacknowledged += 1;
            }
            server.restart();
        }
        assert!(post(server.admin, Server::TOKEN, batch));
    }
    while killed < kills {
        killed += 1;
        server.restart();
    }
    assert!(
        unacknowledged * 4 > kills,
        "the kills must meet work: {unacknowledged} of {kills} did"
    );
    let disturbed = fired(&server, &key);
    assert!(
        undisturbed.len() > 10,
        "the market must fire: {}",
        undisturbed.len()
    );
    assert_eq!(disturbed, undisturbed);
}
