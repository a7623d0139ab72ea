//! The publisher of a measurement: signals of one size into the log, at an even pace, through the admin listener.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    admin::{Admin, JSON, LINES, Reply},
    clients::{Clients, Sent, monotonic_ns},
    histogram::Histogram,
};

/// What a frame holds beside the padding: its fields, the chunk's head, the log's own fields, and the rest of the body.
const WITHOUT_PADDING: usize = 227;
/// The type of the signals.
pub const SIGNAL_TYPE: &str = "bench";

/// What is published.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Signals a second.
    pub rate: f64,
    /// Signals in one POST.
    pub burst: usize,
    /// For how long.
    pub duration: Duration,
    /// Bytes of a signal on the wire, about.
    pub size: usize,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Signals that the log took.
    pub signals: u64,
    /// Requests.
    pub posts: u64,
    /// The first and the last seq that the log gave.
    pub seqs: Option<(u64, u64)>,
    /// When the first POST began, in monotonic nanoseconds.
    pub from_ns: u64,
    /// When the last answer was there.
    pub to_ns: u64,
    /// From a POST to its answer, in nanoseconds.
    pub posting: Histogram,
    /// How late the latest POST was: it waits for the answer to the one before.
    pub late: Duration,
    /// Requests and lines that failed, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// What the log says of one signal.
#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
}

impl Plan {
    /// The body of one POST.
    fn body(&self) -> Bytes {
        let padding = "x".repeat(self.size.saturating_sub(WITHOUT_PADDING));
        let signal = format!(
            "{{\"signal_type\":\"{SIGNAL_TYPE}\",\"rank\":\"D\",\"rank_score\":0,\"market\":\"{SIGNAL_TYPE}\",\"padding\":\"{padding}\"}}\n"
        );
        signal.repeat(self.burst).into()
    }

    fn posts(&self) -> u64 {
        (self.rate * self.duration.as_secs_f64() / self.burst as f64)
            .round()
            .max(1.0) as u64
    }

    /// Signals that are to be published.
    pub fn signals(&self) -> u64 {
        self.posts() * self.burst as u64
    }
}

/// Publishes as planned, or until it is stopped, and tells the clients when each signal was sent. What cannot be published is counted:
/// a server that comes back goes on.
pub async fn publish(
    admin: &Admin,
    plan: &Plan,
    clients: &Clients,
    stop: &CancellationToken,
) -> Result<Published> {
    let body = plan.body();
    let kind = if plan.burst > 1 { LINES } else { JSON };
    let gap = Duration::from_secs_f64(plan.burst as f64 / plan.rate);
    let mut done = Published {
        from_ns: monotonic_ns(),
        ..Published::default()
    };
    let began = Instant::now();
    for turn in 0..plan.posts() {
        let due = began + gap.mul_f64(turn as f64);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sleep_until(due) => {}
        }
        if began.elapsed() > plan.duration + gap {
            break;
        }
        done.late = done.late.max(due.elapsed());
        let from_ns = monotonic_ns();
        let reply = admin.ask(Method::POST, "/v1/signals", kind, body.clone());
        let reply = reply.await;
        let answered_ns = monotonic_ns();
        done.posts += 1;
        done.posting.record(answered_ns - from_ns);
        done.to_ns = answered_ns;
        let sent = done.take(reply, from_ns, answered_ns);
        clients.tell(&sent).context("clients have ended")?;
    }
    Ok(done)
}

impl Published {
    fn take(&mut self, reply: Result<Reply>, from_ns: u64, answered_ns: u64) -> Vec<Sent> {
        let reply = match reply {
            Ok(reply) if reply.status == StatusCode::OK => reply,
            Ok(refused) => {
                self.fail(refused.refusal());
                return Vec::new();
            }
            Err(error) => {
                self.fail(format!("{error:#}"));
                return Vec::new();
            }
        };
        let mut sent = Vec::new();
        for line in reply.body.split(|&byte| byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(Answer { seq: Some(number) }) => sent.push(Sent {
                    number,
                    from_ns,
                    answered_ns,
                }),
                _ => self.fail("a signal was refused".to_owned()),
            }
        }
        self.signals += sent.len() as u64;
        for one in &sent {
            let (first, last) = self.seqs.unwrap_or((one.number, one.number));
            self.seqs = Some((first.min(one.number), last.max(one.number)));
        }
        sent
    }

    fn fail(&mut self, reason: String) {
        *self.failed.entry(reason).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        hub::frame::Frame,
        model::{log::LogRow, publish::prepare, signal::EventName, time::Time},
    };

    fn plan(rate: f64, burst: usize, size: usize) -> Plan {
        Plan {
            rate,
            burst,
            duration: Duration::from_secs(3),
            size,
        }
    }

    #[test]
    fn signals_are_as_long_on_the_wire_as_they_were_asked_for() {
        for size in [400, 1_100, 20_000] {
            let body = plan(1.0, 1, size).body();
            let text = std::str::from_utf8(&body).unwrap();
            let signal = prepare(text, uuid::Uuid::nil).unwrap();
            let row = LogRow {
                seq: 123_456,
                published_at: Time::from_unix_ms(1_777_000_000_123).unwrap(),
                body: Arc::from(signal.body.as_str()),
            };
            let frame = Frame::new("1f3c9a2e", &row, None, std::time::Instant::now());
            let bytes = frame.bytes(EventName::Signal).len();
            let wire = format!("{bytes:x}\r\n\r\n").len() + bytes;
            assert!(wire.abs_diff(size) <= 8, "{wire} for {size}");
        }
        let small = plan(1.0, 1, 1).body();
        assert!(prepare(std::str::from_utf8(&small).unwrap(), uuid::Uuid::nil).is_ok());
    }

    #[test]
    fn the_rate_is_of_signals_however_many_go_together() {
        assert_eq!(plan(20.0, 4, 1).signals(), 60);
        assert_eq!(plan(0.5, 1, 1).signals(), 2);
        assert_eq!(plan(0.01, 1, 1).signals(), 1, "one at the least");
        assert_eq!(plan(20.0, 4, 400).body().split(|&b| b == b'\n').count(), 5);
    }

    #[test]
    fn an_answer_gives_each_signals_place_and_a_refusal_is_counted() {
        let mut done = Published::default();
        let reply = |status: u16, text: &'static str| {
            Ok(Reply {
                status: StatusCode::from_u16(status).unwrap(),
                body: Bytes::from_static(text.as_bytes()),
            })
        };
        let sent = done.take(reply(200, "{\"seq\":8}\n{\"seq\":7}\n"), 1, 2);
        assert_eq!(sent.len(), 2);
        let bad = "{\"seq\":9}\n{\"error\":{\"code\":\"invalid_signal\"}}\n";
        done.take(reply(200, bad), 1, 2);
        done.take(
            reply(
                503,
                "{\"error\":{\"code\":\"draining\",\"message\":\"no\"}}",
            ),
            1,
            2,
        );
        done.take(Err(anyhow::anyhow!("refused")), 1, 2);
        assert_eq!((done.signals, done.seqs), (3, Some((7, 9))));
        let failed: Vec<&str> = done.failed.keys().map(String::as_str).collect();
        assert_eq!(
            failed,
            ["503 draining: no", "a signal was refused", "refused"]
        );
    }
}
