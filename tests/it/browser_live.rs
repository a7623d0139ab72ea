//! The live feed and the pages around it in a real browser.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    browser::{nothing, tell},
    server::{Server, sample},
    wire::request,
};

/// Every tenth is of rank S.
fn signal(n: u32) -> Value {
    let mut signal = sample(n);
    if !n.is_multiple_of(10) {
        signal["rank"] = json!("A");
    }
    signal
}

fn publish(server: &Server, asked: &Value) {
    let end = |name: &str| u32::try_from(asked[name].as_u64().unwrap()).unwrap();
    server.publish_all((end("from")..=end("to")).map(signal));
}

#[test]
fn the_live_feed_misses_nothing_and_repeats_nothing() {
    let mut server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "1")]);
    let key = server.alpha_key();
    tell("live", &mut server, &key, &[], |server, asked, value| {
        match asked {
            "publish" => publish(server, value),
            "restart" => {
                server.restart();
                publish(server, value);
            }
            "drain" => {
                server.terminate();
                server.exit_within(Duration::from_secs(20));
                server.restart();
                publish(server, value);
            }
            "revoke" => {
                let revoked = server.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
                assert_eq!(revoked.head.status, 200);
            }
            other => return nothing(server, other, value),
        }
        Value::Null
    });
}

/// Publishes evenly until it is told to stop.
fn keep_publishing(admin: std::net::SocketAddr, per_second: u64, stop: &AtomicBool) {
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let begun = Instant::now();
    for n in 1_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let due = begun + Duration::from_secs(1) * n / u32::try_from(per_second).unwrap();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let body = signal(1_000 + n).to_string();
        request(admin, "POST", "/v1/signals", &headers, body.as_bytes());
    }
}

#[test]
fn the_feed_is_steady_at_fifty_signals_a_second() {
    let mut server = Server::start();
    let key = server.alpha_key();
    server.publish_all((1..=200).map(signal));
    let stop = Arc::new(AtomicBool::new(false));
    let mut publisher = None;
    let said = tell("steady", &mut server, &key, &[], |server, asked, value| {
        match asked {
            "start" => {
                let (admin, stop) = (server.admin, stop.clone());
                let rate = value["perSecond"].as_u64().unwrap();
                publisher = Some(thread::spawn(move || keep_publishing(admin, rate, &stop)));
            }
            "stop" => {
                stop.store(true, Ordering::Relaxed);
                if let Some(publisher) = publisher.take() {
                    publisher.join().unwrap();
                }
            }
            other => return nothing(server, other, value),
        }
        Value::Null
    });
    stop.store(true, Ordering::Relaxed);
    assert!(said.contains("p95"), "{said}");
}

#[test]
fn a_signal_is_explained_and_the_overview_keeps_itself_true() {
    let mut server = Server::start();
    let key = server.alpha_key();
    tell("signals", &mut server, &key, &[], |server, asked, value| {
        match asked {
            "publish" => {
                server.publish(value);
            }
            other => return nothing(server, other, value),
        }
        Value::Null
    });
}
