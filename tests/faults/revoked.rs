//! Keys revoked and accounts lapsed under live streams: ended in time, with the reason, and no signal after it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use sigcast::model::time::Time;

use super::{
    alone,
    bench::{Stop, keys, post, spread},
    is_long, size, tell,
};
use crate::harness::{
    server::{Key, Server, from_now, now},
    wire::{Next, PATIENCE, Stream, Wire},
};

/// Streams that are ended in one go.
const WAVE: usize = 10;
const AT_ONCE: Duration = Duration::from_millis(250);

/// How a stream ended.
struct Ended {
    code: String,
    at: Instant,
    on: Time,
    last_seq: u64,
    last_published: Option<Time>,
}

fn read_out(mut stream: Stream) -> Ended {
    let (mut last_seq, mut last_published) = (0, None);
    loop {
        match stream.event(2 * PATIENCE) {
            Next::Frame(frame) if frame.event == "signal" => {
                let data = frame.json();
                last_seq = data["seq"].as_u64().unwrap();
                last_published = data["published_at"]
                    .as_str()
                    .map(|t| Time::parse_iso(t).unwrap());
            }
            Next::Frame(frame) => {
                let (at, on) = (Instant::now(), now());
                assert_eq!(frame.event, "error", "{frame:?}");
                let code = frame.json()["code"].as_str().unwrap().to_owned();
                stream.expect_end();
                return Ended {
                    code,
                    at,
                    on,
                    last_seq,
                    last_published,
                };
            }
            other => panic!("no error frame: {other:?}"),
        }
    }
}

/// Publishes without a pause; notes when each publishing began, and the seq that it gave.
fn publish(server: &Server, noted: &Mutex<Vec<(Instant, u64)>>, stop: &AtomicBool) {
    let mut admin = Wire::connect(server.admin);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let made = post(&mut admin, "/v1/signals", &json!({"signal_type": "noise"}));
        noted
            .lock()
            .unwrap()
            .push((begun, made["seq"].as_u64().unwrap()));
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Revokes a wave of keys: how long after each request the stream had ended.
fn revoke(server: &Server, wave: &[Key], noted: &Mutex<Vec<(Instant, u64)>>) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let reading: Vec<_> = wave
            .iter()
            .map(|key| {
                let stream = server.listen(key, "", &[]);
                scope.spawn(|| read_out(stream))
            })
            .collect();
        let mut admin = Wire::connect(server.admin);
        let bearer = format!("Bearer {}", Server::TOKEN);
        let revoked: Vec<_> = wave
            .iter()
            .map(|key| {
                let asked = Instant::now();
                let path = format!("/v1/keys/{}", key.id);
                let fields = [("authorization", bearer.as_str())];
                admin.send(crate::harness::wire::head("DELETE", &path, &fields).as_bytes());
                admin.reply().ok_json();
                (asked, Instant::now())
            })
            .collect();
        let pairs = reading.into_iter().zip(revoked).zip(wave);
        pairs
            .map(|((reader, (asked, answered)), key)| {
                let ended = reader.join().unwrap();
                assert_eq!(ended.code, "key_revoked");
                let noted = noted.lock().unwrap();
                let later = noted.iter().find(|(begun, _)| *begun > answered);
                if let Some((_, seq)) = later {
                    assert!(ended.last_seq < *seq, "a signal after the revocation");
                }
                drop(noted);
                server
                    .stream(key, "", &[])
                    .refusal()
                    .expect_error(401, "invalid_api_key");
                ended.at.saturating_duration_since(asked)
            })
            .collect()
    })
}

/// Lets an account of some keys lapse: how long after the moment each stream had ended.
fn lapse(server: &Server, count: usize) -> Vec<Duration> {
    let expires = from_now(1.5);
    let body = json!({"name": "lapsing", "plan": "alpha", "expires": expires});
    let made = server
        .admin("POST", "/v1/accounts", &body.to_string())
        .ok_json();
    let account = made["id"].as_str().unwrap();
    let due = Time::parse_iso(&expires).unwrap();
    let wave: Vec<Key> = (0..count).map(|_| server.key(account)).collect();
    let streams: Vec<_> = wave.iter().map(|key| server.listen(key, "", &[])).collect();
    std::thread::scope(|scope| {
        let reading: Vec<_> = streams
            .into_iter()
            .map(|stream| scope.spawn(|| read_out(stream)))
            .collect();
        let ended: Vec<Ended> = reading.into_iter().map(|r| r.join().unwrap()).collect();
        for (ended, key) in ended.iter().zip(&wave) {
            assert_eq!(ended.code, "subscription_expired");
            assert!(
                ended.last_published.is_none_or(|at| at <= due),
                "a signal after the lapse"
            );
            server
                .stream(key, "", &[])
                .refusal()
                .expect_error(403, "subscription_expired");
        }
        let late = |ended: &Ended| Duration::from_micros((ended.on.0 - due.0).max(0) as u64);
        ended.iter().map(late).collect()
    })
}

#[test]
fn what_is_revoked_or_lapsed_ends_at_once() {
    let _alone = alone();
    let count = size(20, 500);
    let server = Server::start();
    let (noted, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (mut revoked, mut lapsed) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| publish(&server, &noted, &stop));
        let _stopping = Stop(&stop);
        for _ in 0..count.div_ceil(WAVE) {
            revoked.extend(revoke(&server, &keys(&server, WAVE), &noted));
            lapsed.extend(lapse(&server, WAVE));
        }
    });
    for (what, times) in [("revoked", &mut revoked), ("lapsed", &mut lapsed)] {
        assert_eq!(times.len(), count.div_ceil(WAVE) * WAVE);
        let (middle, p99, most) = spread(times);
        tell(format_args!(
            "{} {what}: ended after p50 {middle:?}, p99 {p99:?}, most {most:?}",
            times.len()
        ));
        let bound = if is_long() { AT_ONCE } else { 8 * AT_ONCE };
        assert!(most <= bound, "{what}: {most:?}");
    }
    let closes = |reason| {
        server.metric(&format!(
            "sigcast_stream_closes_total{{reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(closes("key_revoked") as usize, revoked.len());
    assert_eq!(closes("subscription_expired") as usize, lapsed.len());
}
