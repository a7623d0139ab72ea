//! What the lists of webhooks, of their attempts and of what failed may be asked.

use super::{
    insider_query::{InsiderQuery, LIMIT, OFFSET, Page, page},
    list_query::Place,
    pairs::{Pairs, QueryError},
    parameter::{Parameter, Values},
};

/// `/webhooks`, `/webhooks/{id}/failed`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhooksQuery {
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for WebhooksQuery {
    const PARAMETERS: &'static [Parameter] = &[LIMIT, OFFSET];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(WebhooksQuery {
            page: page(values)?,
        })
    }
}

const MOST_ATTEMPTS: i64 = 200;
const SOME_ATTEMPTS: i64 = 50;

/// `/webhooks/{id}/attempts`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptsQuery {
    /// At this signal only.
    pub signal: Option<Place>,
    /// Before the attempt with this number.
    pub before: Option<i64>,
    /// How many at most: 1 to 200, 50 where nothing was said.
    pub limit: i64,
}

impl AttemptsQuery {
    /// Reads a query string, without its `?`. What is unknown, repeated, empty or unreadable is refused by name.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let mut pairs = Pairs::read(query, &["limit", "before", "signal_id"])?;
        let limit = pairs.take_as("limit", "a whole number from 1 to 200", |text| {
            whole(text).filter(|limit| (1..=MOST_ATTEMPTS).contains(limit))
        })?;
        let number = "the number of an attempt, such as `next` says";
        let place = "a signal's UUID, or the id of a frame such as 1f3c9a2e-183";
        Ok(AttemptsQuery {
            signal: pairs.take_as("signal_id", place, Place::parse)?,
            before: pairs.take_as("before", number, whole)?,
            limit: limit.unwrap_or(SOME_ATTEMPTS),
        })
    }
}

/// A whole number of 18 digits at most.
#[must_use]
pub fn whole(text: &str) -> Option<i64> {
    let plain = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::log::Position;

    #[test]
    fn what_is_said_is_asked() {
        let nothing = AttemptsQuery {
            signal: None,
            before: None,
            limit: 50,
        };
        assert_eq!(AttemptsQuery::parse(""), Ok(nothing));
        let all = AttemptsQuery {
            signal: Position::parse("1f3c9a2e-183").map(Place::Position),
            before: Some(77),
            limit: 200,
        };
        let said = "limit=200&before=77&signal_id=1f3c9a2e-183";
        assert_eq!(AttemptsQuery::parse(said), Ok(all));
        let page = WebhooksQuery::parse("limit=2&offset=4", &[]).unwrap().page;
        assert_eq!(page.place(), (2, 4));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, parameter) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("before=-1", "before"),
            ("before=x", "before"),
            ("before=1234567890123456789", "before"),
            ("signal_id=7", "signal_id"),
            ("offset=1", "offset"),
        ] {
            let error = AttemptsQuery::parse(query).unwrap_err();
            assert_eq!(error.parameter, parameter);
        }
        for (query, parameter) in [("limit=201", "limit"), ("format=csv", "format")] {
            let error = WebhooksQuery::parse(query, &[]).unwrap_err();
            assert_eq!(error.parameter, parameter);
        }
    }
}
