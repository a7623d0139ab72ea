//! What `GET /api/signals/stream` may be asked: filter, starting point, replay, and how the stream behaves.

use std::fmt;

pub use super::pairs::QueryError;
use super::{
    filter::Filter,
    pairs::{Pairs, decimal},
};
use crate::model::{log::Position, time::Time};

const OWN_PARAMETERS: [&str; 7] = [
    "last_event_id",
    "since",
    "replay_until",
    "speed",
    "heartbeat",
    "takeover",
    "ticket",
];
const SPEEDS: std::ops::RangeInclusive<f64> = 0.1..=10_000.0;
const MAX_TICKET: usize = 128;

/// A stream as it was asked for. The default is a fresh stream of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamQuery {
    /// What passes.
    pub filter: Filter,
    /// Go on after this place. Goes before `since`, as URLs repeat on every reconnect; a `Last-Event-ID` header goes before both.
    pub last_event_id: Option<Position>,
    /// Start at this moment.
    pub since: Option<Time>,
    /// Replay what was, at a pace, and end.
    pub replay: Option<Replay>,
    /// Send `heartbeat` events beside the pings.
    pub heartbeat: bool,
    /// Take the seat, even from a holder that is alive.
    pub takeover: bool,
    /// Stands for a key, in browsers.
    pub ticket: Option<Ticket>,
}

/// A paced replay. Where it starts is the stream's starting point, which may come by header: whoever opens the stream checks that there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// Where it ends.
    pub until: Time,
    /// How many times faster than it happened: 0.1 to 10,000; 1 where nothing was said.
    pub speed: f64,
}

/// A one-time ticket as a client sent it; shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// The text, to look it up by.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

impl StreamQuery {
    /// Reads a query string, without its `?`. What is unknown, repeated, empty or unreadable is refused by name.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let (filter, mut pairs) = Pairs::read_filtered(query, &OWN_PARAMETERS)?;
        let last_event_id = pairs.take_as(
            "last_event_id",
            "the id of a frame, such as 1f3c9a2e-183",
            Position::parse,
        )?;
        let since = pairs.take_time("since")?;
        let replay = replay(&mut pairs, since)?;
        let heartbeat = pairs.take_as("heartbeat", "event", |text| (text == "event").then_some(()));
        let takeover = pairs.take_as("takeover", "true or false", |text| text.parse().ok());
        let ticket = pairs.take_as("ticket", "a ticket as it was given", |text| {
            let fits = text.len() <= MAX_TICKET && text.bytes().all(|b| b.is_ascii_graphic());
            fits.then(|| Ticket(text.to_owned()))
        });
        Ok(StreamQuery {
            filter,
            last_event_id,
            since,
            replay,
            heartbeat: heartbeat?.is_some(),
            takeover: takeover?.unwrap_or(false),
            ticket: ticket?,
        })
    }
}

fn replay(pairs: &mut Pairs, since: Option<Time>) -> Result<Option<Replay>, QueryError> {
    let until = pairs.take_time("replay_until")?;
    let speed = pairs.take_as("speed", "a decimal number from 0.1 to 10000", |text| {
        decimal(text).filter(|speed| SPEEDS.contains(speed))
    })?;
    match (until, speed) {
        (None, None) => Ok(None),
        (None, Some(speed)) => {
            let allowed = "a speed together with replay_until; a live stream has its own pace";
            Err(QueryError::new("speed", &speed.to_string(), allowed))
        }
        (Some(until), _) if since.is_some_and(|since| since >= until) => {
            let allowed = "a time after since";
            Err(QueryError::new("replay_until", &until.to_string(), allowed))
        }
        (Some(until), speed) => Ok(Some(Replay {
            until,
            speed: speed.unwrap_or(1.0),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gate::filter::MinScore, model::rank::Rank};
    use proptest::prelude::*;

    #[test]
    fn reads_everything() {
        let query = StreamQuery::parse(
            "types=consensus_buy%2Cinsider_buy&min_rank=A&min_score=80.5&token=7GCi&market=crypto\
             &last_event_id=1f3c9a2e-183&since=2026-04-24T11:00:00%2B02:00&replay_until=2026-04-25&speed=60\
             &heartbeat=event&takeover=true&ticket=abc",
        )
        .unwrap();
        let filter = Filter {
            types: Some(["consensus_buy".to_owned(), "insider_buy".to_owned()].into()),
            min_rank: Some(Rank::A),
            min_score: MinScore::new(80.5),
            token: Some("7GCi".into()),
            market: Some("crypto".into()),
        };
        let expected = StreamQuery {
            filter,
            last_event_id: Position::parse("1f3c9a2e-183"),
            since: Time::parse_iso("2026-04-24T09:00:00Z").ok(),
            replay: Some(Replay {
                until: Time::parse_iso("2026-04-25T00:00:00Z").unwrap(),
                speed: 60.0,
            }),
            heartbeat: true,
            takeover: true,
            ticket: Some(Ticket("abc".into())),
        };
        assert_eq!(query, expected);
        assert!(!format!("{query:?}").contains("abc"));
        assert_eq!(StreamQuery::parse(""), Ok(StreamQuery::default()));
    }

    #[test]
    fn refuses_by_name() {
        let cases = [
            ("min_rank=a", "min_rank", "S, A, B, C, D"),
            ("min_rank=SS", "min_rank", "S, A, B, C, D"),
            ("min_score=NaN", "min_score", "decimal"),
            ("min_score=1e400", "min_score", "decimal"),
            ("min_score=-1", "min_score", "decimal"),
            ("min_score=.", "min_score", "decimal"),
            ("min_score=1000001", "min_score", "decimal"),
            ("types=,", "types", "commas"),
            ("types=a,,b", "types", "commas"),
            ("types=a+b", "types", "commas"),
            ("token=%20", "token", "visible"),
            ("market=%00", "market", "crypto"),
            ("last_event_id=183", "last_event_id", "1f3c9a2e-183"),
            ("last_event_id=1F3C9A2E-183", "last_event_id", "1f3c9a2e"),
            ("since=yesterday", "since", "ISO 8601"),
            ("since=2026-04-24T11:00:00+02:00", "since", "%2B"),
            ("since=1760978515", "since", "ISO 8601"),
            ("speed=60", "speed", "replay_until"),
            ("replay_until=2026-04-25&speed=0.01", "speed", "0.1"),
            ("replay_until=2026-04-25&speed=1e3", "speed", "0.1"),
            (
                "since=2026-04-25&replay_until=2026-04-25",
                "replay_until",
                "after since",
            ),
            ("heartbeat=true", "heartbeat", "event"),
            ("takeover=1", "takeover", "true or false"),
            ("lastEventId=1f3c9a2e-183", "lastEventId", "last_event_id"),
        ];
        for (query, parameter, allowed) in cases {
            let error = StreamQuery::parse(query).unwrap_err();
            assert_eq!(error.parameter, parameter, "{query}");
            assert!(error.allowed.contains(allowed), "{query}: {error}");
        }
    }

    #[test]
    fn a_bad_ticket_is_not_echoed() {
        let error = StreamQuery::parse("ticket=hunter2%20x").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn never_panics(query in "\\PC{0,120}|((types|min_rank|min_score|since|speed|ticket|replay_until)=[ -~]{0,30}&){0,6}") {
            let _ = StreamQuery::parse(&query);
        }

        #[test]
        fn values_are_kept(score in 0u32..=1_000_000, token in "[!-$'-*,-~]{1,128}", seq in 0i64..i64::from(u32::MAX)) {
            let encoded: String = token.bytes().map(|b| format!("%{b:02X}")).collect();
            let query = format!("min_score={score}&token={encoded}&last_event_id=0123abcd-{seq}");
            let parsed = StreamQuery::parse(&query).unwrap();
            prop_assert_eq!(parsed.filter.min_score.map(MinScore::points), Some(f64::from(score)));
            prop_assert_eq!(parsed.filter.token, Some(token));
            prop_assert_eq!(parsed.last_event_id.map(|id| id.seq), Some(seq));
        }
    }
}
