//! Killed at random instants while it publishes, on SQLite: what was acknowledged is there, and the log has no hole.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::harness::{
    clients::Client,
    server::{Key, Server, sample},
    wire::{head, try_dial},
};
use crate::{
    alone,
    bench::{Dice, Stop},
    size, tell,
};

const PUBLISHERS: usize = 4;

/// Publishes one signal; its seq if that was acknowledged.
fn publish(to: SocketAddr, signal: &Value) -> Option<u64> {
    let body = signal.to_string();
    let (bearer, length) = (format!("Bearer {}", Server::TOKEN), body.len().to_string());
    let fields = [
        ("authorization", bearer.as_str()),
        ("connection", "close"),
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    let mut tcp = try_dial(to, Duration::from_secs(2))?;
    tcp.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    tcp.write_all(head("POST", "/v1/signals", &fields).as_bytes())
        .ok()?;
    tcp.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).ok()?;
    let (first, body) = answer.split_once("\r\n\r\n")?;
    assert!(first.contains(" 200 "), "{answer}");
    // an answer that was cut off is none
    serde_json::from_str::<Value>(body).ok()?["seq"].as_u64()
}

/// The whole log, as the list gives it: seq and id.
fn log(server: &Server, key: &Key) -> Vec<(u64, String)> {
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
        page["next"].as_str().unwrap().clone_into(&mut after);
        let row = |item: &Value| {
            (
                item["seq"].as_u64().unwrap(),
                item["id"].as_str().unwrap().to_owned(),
            )
        };
        all.extend(items.iter().map(row));
    }
}

#[test]
fn kills_while_publishing_lose_nothing_acknowledged() {
    let _alone = alone();
    let kills = size(10, 200);
    let mut dice = Dice::new();
    let mut server = Server::with(&[
        ("SIGCAST_STREAM__PING_SECONDS", "1"),
        ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
        ("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0"),
    ]);
    let key = server.alpha_key();
    let client = Client::start(
        &[server.main],
        &server.alpha_key().text,
        &server.epoch(&key),
    );
    let (next, broken, stop) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    let acknowledged = Mutex::new(HashMap::new());
    let admin = server.admin;
    std::thread::scope(|scope| {
        for _ in 0..PUBLISHERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let signal = sample(next.fetch_add(1, Ordering::Relaxed) + 1);
                    let id = signal["id"].as_str().unwrap().to_owned();
                    // a careful publisher sends the same again until it is told that it is there
                    let seq = loop {
                        if let Some(seq) = publish(admin, &signal) {
                            break seq;
                        }
                        broken.fetch_add(1, Ordering::Relaxed);
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(10));
                    };
                    acknowledged.lock().unwrap().insert(id, seq);
                }
            });
        }
        let _stopping = Stop(&stop);
        for _ in 0..kills {
            std::thread::sleep(Duration::from_micros(dice.below(150_000)));
            server.restart();
        }
        std::thread::sleep(Duration::from_millis(100));
    });
    let log = log(&server, &key);
    let gapless = log
        .iter()
        .enumerate()
        .all(|(n, (seq, _))| *seq == n as u64 + 1);
    assert!(gapless, "seq has holes");
    let stored: HashMap<&str, u64> = log.iter().map(|(seq, id)| (id.as_str(), *seq)).collect();
    assert_eq!(stored.len(), log.len(), "each id once");
    let acknowledged = acknowledged.into_inner().unwrap();
    for (id, seq) in &acknowledged {
        assert_eq!(stored.get(id.as_str()), Some(seq), "{id} was acknowledged");
    }
    assert!(
        client.has(log.len() as u64, Duration::from_secs(20)),
        "the client has not all"
    );
    let seen = client.end();
    seen.expect_all(log.len() as u64, "a client that comes back");
    tell(format_args!(
        "{kills} kills: {} acknowledged, {} stored, {} attempts cut off; a client came back {} times, got {} again, lost none",
        acknowledged.len(),
        log.len(),
        broken.load(Ordering::Relaxed),
        seen.hellos - 1,
        seen.repeated
    ));
    assert!(
        broken.load(Ordering::Relaxed) > 0,
        "no kill met a publisher"
    );
    assert!(
        seen.hellos > kills as u64 / 2,
        "the client met the kills: {}",
        seen.hellos
    );
}
