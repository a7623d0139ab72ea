//! A signal on the wire: the one function that makes its bytes, and the facets that filters look at.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{log::LogRow, rank::Rank};

/// The signal as every channel sends it: the stored body with `seq` and `published_at` put in front.
/// From the row alone, so that a resumed stream, a webhook and a REST read show the same bytes for ever.
#[must_use]
pub fn wire(row: &LogRow) -> String {
    let rest = row.body.strip_prefix('{').unwrap_or(&row.body);
    let mut out = String::with_capacity(row.body.len() + 72);
    let comma = if rest == "}" { "" } else { "," };
    use std::fmt::Write as _;
    let _ = write!(
        out,
        "{{\"seq\":{},\"published_at\":\"{}\"{comma}",
        row.seq, row.published_at
    );
    // No way in lets one pass, and this is the last place before the wire: a break would end a frame's line, and begin whatever the rest
    // says. Between tokens it means what a space does; within a text it is no JSON.
    if rest.contains(['\n', '\r']) {
        out.extend(
            rest.chars()
                .map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }),
        );
    } else {
        out.push_str(rest);
    }
    out
}

/// The `signal_type` of an exit.
pub const CONSENSUS_EXIT: &str = "consensus_exit";

/// What a stream calls a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventName {
    /// `event: signal`
    Signal,
    /// `event: signal_update`
    SignalUpdate,
    /// `event: signal_exit`
    SignalExit,
}

impl EventName {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            EventName::Signal => "signal",
            EventName::SignalUpdate => "signal_update",
            EventName::SignalExit => "signal_exit",
        }
    }
}

/// The id of a signal, from its JSON.
#[must_use]
pub fn id_of(data: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_slice(data).ok().map(|Named { id }| id)
}

/// What filters look at, read once per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    /// `signal_type`
    pub signal_type: Option<String>,
    /// `rank`
    pub rank: Option<Rank>,
    /// `rank_score`
    pub score: Option<f64>,
    /// `token.address`
    pub token: Option<String>,
    /// `market`
    pub market: Option<String>,
    /// What earlier rows of the same episode reached: the best by rank first, then those that beat it on score.
    pub before: Vec<(Rank, f64)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    signal_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rank: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rank_score: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    market: Option<&'a RawValue>,
    #[serde(borrow, default)]
    best_before: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TokenPart {
    address: Option<String>,
}

#[derive(Deserialize)]
struct Reached {
    rank: String,
    rank_score: f64,
    #[serde(default)]
    others: Vec<Reached>,
}

impl Facets {
    /// Reads them from a body. A field of another type than expected counts as absent: a body is the publisher's own.
    #[must_use]
    pub fn of(body: &str) -> Self {
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(body) else {
            return Facets::default();
        };
        fn read<T: serde::de::DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
            serde_json::from_str(raw?.get()).ok()
        }
        let text = |raw| read::<String>(raw);
        let mut before = Vec::new();
        if let Some(best) = read::<Reached>(envelope.best_before) {
            let all = std::iter::once((&best.rank, best.rank_score)).chain(
                best.others
                    .iter()
                    .map(|other| (&other.rank, other.rank_score)),
            );
            before.extend(all.filter_map(|(rank, score)| Some((Rank::parse(rank)?, score))));
        }
        Facets {
            signal_type: text(envelope.signal_type),
            rank: text(envelope.rank).and_then(|rank| Rank::parse(&rank)),
            score: read(envelope.rank_score),
            token: read::<TokenPart>(envelope.token).and_then(|token| token.address),
            market: text(envelope.market),
            before,
        }
    }

    /// An exit passes by what its episode had reached, not by itself.
    #[must_use]
    pub fn is_exit(&self) -> bool {
        self.signal_type.as_deref() == Some(CONSENSUS_EXIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    fn row(body: &str) -> LogRow {
        let published_at = Time::parse_iso("2026-04-24T09:32:14.117Z").unwrap();
        LogRow {
            seq: 184,
            published_at,
            body: body.into(),
        }
    }

    #[test]
    fn wire_puts_seq_and_time_in_front_and_touches_nothing_else() {
        let body = r#"{"id":"x","n":1.50,"z":"é\u0041"}"#;
        let expected = r#"{"seq":184,"published_at":"2026-04-24T09:32:14.117Z","id":"x","n":1.50,"z":"é\u0041"}"#;
        assert_eq!(wire(&row(body)), expected);
        assert_eq!(
            wire(&row("{}")),
            r#"{"seq":184,"published_at":"2026-04-24T09:32:14.117Z"}"#
        );
    }

    #[test]
    fn facets_take_what_is_there() {
        let facets = Facets::of(
            r#"{"signal_type":"consensus_buy","rank":"A","rank_score":82.0,"token":{"address":"M"},"market":"crypto",
            "best_before":{"rank":"B","rank_score":61.5,"others":[{"rank":"C","rank_score":70}]}}"#,
        );
        assert_eq!(facets.rank, Some(Rank::A));
        assert_eq!(facets.token.as_deref(), Some("M"));
        assert_eq!(facets.before, [(Rank::B, 61.5), (Rank::C, 70.0)]);
        assert_eq!(
            Facets::of(r#"{"rank":7,"token":"x","best_before":[]}"#),
            Facets::default()
        );
        assert_eq!(Facets::of("not json"), Facets::default());
    }
}
