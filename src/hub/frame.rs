//! Frames of the stream: their bytes, `id:` last, made once and shared by all who get them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use super::chunk::Chunk;
use crate::model::{
    log::{LogRow, Position},
    signal::{EventName, Facets, wire},
    time::Time,
};

/// When what fired a signal came here: where its latencies begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When it was accepted.
    pub at: Instant,
    /// When the feed that it was fetched from was first seen to name it, where there was one.
    pub sighted: Option<Instant>,
}

/// A signal as it goes to streams.
#[derive(Debug)]
pub struct Frame {
    /// Its place in the log.
    pub seq: i64,
    /// When it was committed.
    pub published_at: Time,
    /// What filters look at.
    pub facets: Facets,
    /// When the fact that fired it was accepted here, if it was here.
    pub accepted: Option<Accepted>,
    /// When this node read it from the log.
    pub read: Instant,
    /// How long before that it was published; only of what was read as news.
    pub age: Option<Duration>,
    /// As `event: signal`, or as `signal_exit` where it is one.
    usual: Chunk,
    /// As `event: signal_update`, where it may be one.
    update: Option<Chunk>,
}

impl Frame {
    /// Encodes a row.
    #[must_use]
    pub fn new(epoch: &str, row: &LogRow, accepted: Option<Accepted>, read: Instant) -> Self {
        let data = wire(row);
        let facets = Facets::of(&row.body);
        let named = |name: EventName| {
            Chunk::of(format!(
                "event: {}\ndata: {data}\nid: {epoch}-{}\n\n",
                name.word(),
                row.seq
            ))
        };
        let usual = if facets.is_exit() {
            EventName::SignalExit
        } else {
            EventName::Signal
        };
        Frame {
            seq: row.seq,
            published_at: row.published_at,
            update: (!facets.is_exit() && !facets.before.is_empty())
                .then(|| named(EventName::SignalUpdate)),
            usual: named(usual),
            facets,
            accepted,
            read,
            age: None,
        }
    }

    /// Bytes that it takes, under all its names.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub fn len(&self) -> usize {
        self.usual.whole().len()
            + self
                .update
                .as_ref()
                .map_or(0, |update| update.whole().len())
    }

    /// The signal's JSON: what stands behind `data: `, and what webhooks are sent.
    #[must_use]
    pub fn data(&self) -> Bytes {
        let content = self.usual.content();
        // proof of both: the frame was made here, of three lines, and JSON has no line ends
        let line = |from: usize| memchr::memchr(b'\n', &content[from..]).map(|at| from + at);
        let begins = line(0).map_or(0, |end| end + 1 + "data: ".len());
        let ends = line(begins).unwrap_or(content.len());
        content.slice(begins..ends)
    }

    /// Its bytes under the name that a stream calls it by.
    #[must_use]
    pub fn bytes(&self, name: EventName) -> Bytes {
        self.chunk(name).content()
    }

    /// The same as a chunk of HTTP/1.1.
    #[must_use]
    pub fn chunk(&self, name: EventName) -> &Chunk {
        match (name, &self.update) {
            (EventName::SignalUpdate, Some(update)) => update,
            _ => &self.usual,
        }
    }
}

/// The first frame's data.
#[derive(Debug, Serialize)]
pub struct Hello<'a> {
    /// The account.
    pub user_id: &'a str,
    /// The key.
    pub key_id: &'a str,
    /// The account's plan.
    pub plan: &'a str,
    /// Names the log.
    pub epoch: &'a str,
    /// Head of the log.
    pub seq: i64,
    /// Where a resumed stream goes on from.
    pub resumed_from: Option<i64>,
    /// Seconds between pings.
    pub ping_seconds: u64,
    /// Now.
    pub server_time: Time,
}

/// Why frames that were asked for cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Older than what is kept.
    Pruned,
    /// Of another log.
    EpochChanged,
    /// Not an id of ours.
    UnknownId,
    /// Not yet written.
    AheadOfLog,
}

/// A hole that is said aloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First lost seq, where known.
    pub from: Option<i64>,
    /// Last lost seq, where known.
    pub to: Option<i64>,
    /// Why.
    pub reason: GapReason,
    /// After which seq the stream goes on.
    pub resume_at: i64,
}

/// Why the server ends a stream, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The key was revoked or ran out, or its account was suspended.
    KeyRevoked,
    /// The plan lapsed, or lost the stream.
    SubscriptionExpired,
    /// Another connection took the seat.
    Superseded,
    /// The client did not read.
    SlowConsumer,
}

impl Ending {
    /// The code in the frame, and the reason in the metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Ending::KeyRevoked => "key_revoked",
            Ending::SubscriptionExpired => "subscription_expired",
            Ending::Superseded => "superseded",
            Ending::SlowConsumer => "slow_consumer",
        }
    }

    /// The last frame. Without an `id:`, so that the client's resume point survives.
    #[must_use]
    pub fn frame(self) -> Bytes {
        let (status, message, retryable) = match self {
            Ending::KeyRevoked => (
                401,
                "The API key was revoked, or has expired. Use another key.",
                false,
            ),
            Ending::SubscriptionExpired => (
                403,
                "The subscription lapsed. Renew it, then connect again.",
                false,
            ),
            Ending::Superseded => (
                429,
                "Another connection with the same key took over.",
                false,
            ),
            Ending::SlowConsumer => (
                429,
                "The client read too slowly. Reconnect with Last-Event-ID to go on.",
                true,
            ),
        };
        let code = self.code();
        Bytes::from(format!(
            "event: error\ndata: {{\"code\":\"{code}\",\"status\":{status},\"message\":\"{message}\",\"retryable\":{retryable}}}\n\n"
        ))
    }
}

/// Sent every ping interval.
pub const PING: Bytes = Bytes::from_static(b": ping\n");
/// Sent to a seat's holder when another asks for the seat.
pub const PROBE: Bytes = Bytes::from_static(b": probe\n");

/// `hello`, with the position of this stream where its client is to know it already.
#[must_use]
pub fn hello(hello: &Hello<'_>, retry_ms: u32, at: Option<&Position>) -> Bytes {
    // proof: a struct of texts and numbers always serialises
    let data = serde_json::to_string(hello).unwrap_or_default();
    let id = at.map_or(String::new(), |at| format!("id: {at}\n"));
    Bytes::from(format!(
        "event: hello\ndata: {data}\nretry: {retry_ms}\n{id}\n"
    ))
}

/// `gap`
#[must_use]
pub fn gap(epoch: &str, gap: &Gap) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        from: Option<i64>,
        to: Option<i64>,
        reason: GapReason,
        backfill: String,
    }
    let after = if gap.reason == GapReason::Pruned {
        gap.resume_at
    } else {
        0
    };
    let data = Data {
        from: gap.from,
        to: gap.to,
        reason: gap.reason,
        backfill: format!("/api/signals?after={epoch}-{after}"),
    };
    let data = serde_json::to_string(&data).unwrap_or_default();
    Bytes::from(format!(
        "event: gap\ndata: {data}\nid: {epoch}-{}\n\n",
        gap.resume_at
    ))
}

/// `heartbeat`; `matched` on filtered streams.
#[must_use]
pub fn heartbeat(at: &Position, now: Time, matched: Option<u64>) -> Bytes {
    let matched = matched.map_or(String::new(), |n| format!(",\"matched\":{n}"));
    Bytes::from(format!(
        "event: heartbeat\ndata: {{\"seq\":{},\"server_time\":\"{now}\"{matched}}}\nid: {at}\n\n",
        at.seq
    ))
}

/// `bye`: the last frame of a drain or of a finished replay; clients come back after `retry_ms`.
#[must_use]
pub fn bye(reason: &str, retry_ms: u32) -> Bytes {
    Bytes::from(format!(
        "event: bye\ndata: {{\"reason\":\"{reason}\"}}\nretry: {retry_ms}\n\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_stands_last_and_each_event_ends_with_one_empty_line() {
        let at = Position {
            epoch: "1f3c9a2e".into(),
            seq: 183,
        };
        let body = Hello {
            user_id: "u",
            key_id: "k",
            plan: "alpha",
            epoch: "1f3c9a2e",
            seq: 183,
            resumed_from: None,
            ping_seconds: 25,
            server_time: Time(1_776_936_000_000_000),
        };
        let text = String::from_utf8(hello(&body, 2317, Some(&at)).to_vec()).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "event: hello");
        assert!(lines[1].starts_with("data: {\"user_id\":\"u\",\"key_id\":\"k\",\"plan\":\"alpha\",\"epoch\":\"1f3c9a2e\",\"seq\":183,\"resumed_from\":null,\"ping_seconds\":25,\"server_time\":\"2026-"), "{text}");
        assert_eq!(&lines[2..], ["retry: 2317", "id: 1f3c9a2e-183", "", ""]);
    }

    #[test]
    fn a_row_is_encoded_under_each_name_it_may_have() {
        let row = |body: &str| LogRow {
            seq: 7,
            published_at: Time(1_776_936_000_000_000),
            body: body.into(),
        };
        let now = Instant::now();
        let plain = Frame::new("e", &row(r#"{"id":"x"}"#), None, now);
        assert_eq!(plain.data(), wire(&row(r#"{"id":"x"}"#)).as_bytes());
        assert!(
            plain
                .bytes(EventName::Signal)
                .starts_with(b"event: signal\ndata: {\"seq\":7,")
        );
        let update = Frame::new(
            "e",
            &row(r#"{"id":"x","best_before":{"rank":"B","rank_score":61}}"#),
            None,
            now,
        );
        assert!(
            update
                .bytes(EventName::Signal)
                .starts_with(b"event: signal\n")
        );
        assert!(
            update
                .bytes(EventName::SignalUpdate)
                .starts_with(b"event: signal_update\n")
        );
        let exit = Frame::new(
            "e",
            &row(r#"{"signal_type":"consensus_exit","best_before":{"rank":"B","rank_score":61}}"#),
            None,
            now,
        );
        assert!(
            exit.bytes(EventName::SignalExit)
                .starts_with(b"event: signal_exit\n")
        );
        assert!(
            exit.bytes(EventName::SignalExit)
                .ends_with(b"}\nid: e-7\n\n")
        );
    }

    #[test]
    fn a_body_never_ends_its_line() {
        let row = LogRow {
            seq: 7,
            published_at: Time(1_776_936_000_000_000),
            body: "{\"id\":\"x\",\n\nevent: error\r\ndata: {}}".into(),
        };
        let frame = Frame::new("e", &row, None, Instant::now());
        let text = String::from_utf8(frame.bytes(EventName::Signal).to_vec()).unwrap();
        let lines: Vec<&str> = text.split(['\n', '\r']).collect();
        assert_eq!(lines.len(), 5, "event, data, id, and the end: {text}");
        assert!(lines[1].ends_with("  event: error  data: {}}"), "{text}");
    }

    #[test]
    fn a_gap_says_where_the_stream_goes_on() {
        let pruned = Gap {
            from: Some(3),
            to: Some(9),
            reason: GapReason::Pruned,
            resume_at: 9,
        };
        let expected = "event: gap\ndata: {\"from\":3,\"to\":9,\"reason\":\"pruned\",\"backfill\":\"/api/signals?after=e-9\"}\nid: e-9\n\n";
        assert_eq!(gap("e", &pruned), expected.as_bytes());
    }
}
