//! Keys revoked and accounts lapsed under live streams: ended in time, with the reason, and no signal after it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use sigcast::model::time::Time;

use super::{
    alone,
    bench::{Stop, keys, post, spread},
    bound,
    nodes::Nodes,
    size, tell,
};
use crate::harness::{
    server::{Key, Server, from_now, now},
    wire::{Next, PATIENCE, Stream, Wire},
};

/// Streams that are ended in one go.
const WAVE: usize = 10;
const AT_ONCE: Duration = Duration::from_millis(250);
/// On another node than the one that was told.
const ACROSS: Duration = Duration::from_secs(1);

/// Who is told of a revocation or of a lapse, and who has the stream.
struct Between<'a> {
    told: &'a Server,
    streams: &'a Server,
    /// In which time the stream ends.
    within: Duration,
}

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
pub fn publish(server: &Server, noted: &Mutex<Vec<(Instant, u64)>>, stop: &AtomicBool) {
    let mut admin = Wire::connect(server.admin);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let made = post(&mut admin, "/v1/signals", &json!({"signal_type": "noise"}));
        noted
            .lock()
            .unwrap()
            .push((begun, made["seq"].as_u64().unwrap()));
        thread::sleep(Duration::from_millis(3));
    }
}

/// Revokes a wave of keys: how long after each request the stream had ended.
fn revoke(at: &Between, wave: &[Key], noted: &Mutex<Vec<(Instant, u64)>>) -> Vec<Duration> {
    thread::scope(|scope| {
        let reading: Vec<_> = wave
            .iter()
            .map(|key| {
                let stream = at.streams.listen(key, "", &[]);
                scope.spawn(|| read_out(stream))
            })
            .collect();
        let mut admin = Wire::connect(at.told.admin);
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
                // the node that answers has ended the stream if it is its own; on others all that may come has come by its end
                let is_own = std::ptr::eq(at.told, at.streams);
                let later = noted.iter().find(|(begun, _)| *begun > answered);
                if let Some((_, seq)) = later.filter(|_| is_own) {
                    assert!(ended.last_seq < *seq, "a signal after the revocation");
                }
                drop(noted);
                at.streams
                    .stream(key, "", &[])
                    .refusal()
                    .expect_error(401, "invalid_api_key");
                ended.at.saturating_duration_since(asked)
            })
            .collect()
    })
}

/// Lets an account of some keys lapse: how long after the moment each stream had ended.
fn lapse(at: &Between, count: usize) -> Vec<Duration> {
    let expires = from_now(1.5);
    let body = json!({"name": "lapsing", "plan": "alpha", "expires": expires});
    let made = at
        .told
        .admin("POST", "/v1/accounts", &body.to_string())
        .ok_json();
    let account = made["id"].as_str().unwrap();
    let due = Time::parse_iso(&expires).unwrap();
    let wave: Vec<Key> = (0..count).map(|_| at.told.key(account)).collect();
    let streams: Vec<_> = (wave.iter())
        .map(|key| at.streams.listen(key, "", &[]))
        .collect();
    thread::scope(|scope| {
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
            at.streams
                .stream(key, "", &[])
                .refusal()
                .expect_error(403, "subscription_expired");
        }
        let late = |ended: &Ended| Duration::from_micros((ended.on.0 - due.0).max(0) as u64);
        ended.iter().map(late).collect()
    })
}

/// Ends so many streams by revocation, and as many by lapse, while signals are published on the node that is told.
fn end_all(turns: &[Between], count: usize, publisher: &Server, how: &str) {
    let (noted, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (mut revoked, mut lapsed) = (Vec::new(), Vec::new());
    let waves = count.div_ceil(WAVE);
    thread::scope(|scope| {
        scope.spawn(|| publish(publisher, &noted, &stop));
        let _stopping = Stop(&stop);
        for at in turns.iter().cycle().take(waves) {
            revoked.extend(revoke(at, &keys(at.told, WAVE), &noted));
            lapsed.extend(lapse(at, WAVE));
        }
    });
    for (what, times, reason) in [
        ("revoked", &mut revoked, "key_revoked"),
        ("lapsed", &mut lapsed, "subscription_expired"),
    ] {
        assert_eq!(times.len(), waves * WAVE);
        let (middle, p99, most) = spread(times);
        tell(format_args!(
            "{} {what}{how}: ended after p50 {middle:?}, p99 {p99:?}, most {most:?}",
            times.len()
        ));
        let within = turns[0].within;
        assert!(most <= within, "{what}: {most:?}");
        let name = format!("sigcast_stream_closes_total{{reason=\"{reason}\"}}");
        let mut servers: Vec<&Server> = turns.iter().map(|at| at.streams).collect();
        servers.dedup_by(|a, b| std::ptr::eq(*a, *b));
        let closes: u64 = servers.iter().map(|server| server.metric(&name)).sum();
        assert_eq!(closes as usize, times.len(), "{what}");
    }
}

#[test]
fn what_is_revoked_or_lapsed_ends_at_once() {
    let _alone = alone();
    let server = Server::start();
    let turns = [Between {
        told: &server,
        streams: &server,
        within: bound(AT_ONCE),
    }];
    end_all(&turns, size(20, 500), &server, "");
}

#[test]
fn what_is_revoked_or_lapsed_ends_on_the_other_node_soon() {
    let _alone = alone();
    let nodes = Nodes::start();
    let [one, other] = &nodes.servers;
    let across = |told, streams| Between {
        told,
        streams,
        within: bound(ACROSS),
    };
    let turns = [across(one, other), across(other, one)];
    end_all(&turns, size(20, 500), one, " across nodes");
}
