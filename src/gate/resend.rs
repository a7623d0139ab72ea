//! What may be said of signals that a webhook is to be sent again: one, a stretch of the log, or what failed since a moment.

use serde_json::Value;

use super::{
    endpoint::{known, object, shown, text_of},
    list_query::Place,
    pairs::{ISO_TIME, QueryError},
};
use crate::model::time::Time;

const PLACE: &str = "a signal's UUID, or the id of a frame such as 1f3c9a2e-183";
const EITHER: &str = "signal_id alone; or after, failed_since or both, and with them before";

/// What is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// This signal, whatever became of it, and whether or not it passes the filter.
    One(Place),
    /// A stretch of the log.
    Range {
        /// Behind this signal; `None`: from the log's beginning.
        after: Option<Place>,
        /// Before this one; `None`: up to the log's head.
        before: Option<Place>,
        /// Only what failed, and was first sent from then on; `None`: all that passes the filter.
        failed_since: Option<Time>,
    },
}

impl Resend {
    /// Reads the body that asks for it.
    pub fn parse(text: &[u8]) -> Result<Self, QueryError> {
        let mut fields = object("(body)", serde_json::from_slice(text).ok())?;
        known(
            &fields,
            "",
            &["signal_id", "after", "before", "failed_since"],
        )?;
        let mut take = |name| text_of(name, fields.remove(name));
        let signal_id = place("signal_id", take("signal_id")?)?;
        let after = place("after", take("after")?)?;
        let before = place("before", take("before")?)?;
        let since = take("failed_since")?;
        let failed_since = since
            .map(|text| {
                let refused = |_| QueryError::new("failed_since", &text, ISO_TIME);
                Time::parse_iso(&text).map_err(refused)
            })
            .transpose()?;
        let ranged = after.is_some() || failed_since.is_some();
        match signal_id {
            None if ranged => Ok(Resend::Range {
                after,
                before,
                failed_since,
            }),
            Some(one) if !ranged && before.is_none() => Ok(Resend::One(one)),
            _ => Err(QueryError::new("(body)", &shown(&as_value(text)), EITHER)),
        }
    }
}

fn as_value(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

fn place(name: &str, text: Option<String>) -> Result<Option<Place>, QueryError> {
    let read =
        |text: String| Place::parse(&text).ok_or_else(|| QueryError::new(name, &text, PLACE));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::log::Position;

    const ID: &str = "f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f";

    fn read(text: &str) -> Result<Resend, QueryError> {
        Resend::parse(text.as_bytes())
    }

    fn at(text: &str) -> Option<Place> {
        Position::parse(text).map(Place::Position)
    }

    #[test]
    fn one_or_many_are_asked_for() {
        let one = Resend::One(Place::Id(ID.to_owned()));
        let loud = ID.to_ascii_uppercase();
        assert_eq!(read(&format!(r#"{{"signal_id":"{loud}"}}"#)), Ok(one));
        let by_place = at("1f3c9a2e-7").map(Resend::One).unwrap();
        assert_eq!(
            read(r#"{"signal_id":"1f3c9a2e-7","after":null}"#),
            Ok(by_place)
        );
        let range = |after, before, failed_since| Resend::Range {
            after: at(after),
            before: at(before),
            failed_since,
        };
        assert_eq!(
            read(r#"{"after":"1f3c9a2e-7","before":"1f3c9a2e-9"}"#),
            Ok(range("1f3c9a2e-7", "1f3c9a2e-9", None))
        );
        assert_eq!(
            read(r#"{"after":"1f3c9a2e-7"}"#),
            Ok(range("1f3c9a2e-7", "", None))
        );
        let since = Time::parse_iso("2026-04-24T09:00:00Z").ok();
        assert_eq!(
            read(r#"{"failed_since":"2026-04-24T09:00:00Z"}"#),
            Ok(range("", "", since))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            ("", "(body)"),
            ("[]", "(body)"),
            ("{}", "(body)"),
            (r#"{"before":"1f3c9a2e-7"}"#, "(body)"),
            (
                r#"{"signal_id":"1f3c9a2e-7","after":"1f3c9a2e-7"}"#,
                "(body)",
            ),
            (
                r#"{"signal_id":"1f3c9a2e-7","before":"1f3c9a2e-7"}"#,
                "(body)",
            ),
            (r#"{"signal_id":7}"#, "signal_id"),
            (r#"{"signal_id":"7"}"#, "signal_id"),
            (r#"{"after":"x"}"#, "after"),
            (r#"{"after":"1f3c9a2e-7","before":"x"}"#, "before"),
            (r#"{"failed_since":"yesterday"}"#, "failed_since"),
            (r#"{"since":"2026-04-24T09:00:00Z"}"#, "since"),
        ] {
            assert_eq!(read(body).unwrap_err().parameter, field, "{body}");
        }
    }
}
