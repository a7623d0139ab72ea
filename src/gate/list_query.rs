//! What `GET /api/signals` may be asked: filter, place, times and how many.

pub use super::pairs::QueryError;
use super::{filter::Filter, pairs::Pairs};
use crate::model::{log::Position, publish::lower_uuid, time::Time};

const OWN_PARAMETERS: [&str; 5] = ["after", "before", "since", "until", "limit"];
const PLACE: &str =
    "a signal's UUID or the id of a frame such as 1f3c9a2e-183; either after or before";
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// A row of the log, by either of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `<epoch>-<seq>`
    Position(Position),
    /// The signal's own id, in lower case.
    Id(String),
}

impl Place {
    /// Reads `<epoch>-<seq>` or a UUID; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let position = Position::parse(text).map(Place::Position);
        position.or_else(|| lower_uuid(text).map(Place::Id))
    }
}

/// From where a page is read; it is ascending either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The rows next after this one.
    After(Place),
    /// The nearest rows before this one.
    Before(Place),
}

/// A page of the log as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// What passes.
    pub filter: Filter,
    /// From where; `None` from the oldest.
    pub edge: Option<Edge>,
    /// Not published before this moment.
    pub since: Option<Time>,
    /// Not published after this moment.
    pub until: Option<Time>,
    /// How many at most: 1 to 200, 50 where nothing was said.
    pub limit: u32,
}

impl ListQuery {
    /// Reads a query string, without its `?`. What is unknown, repeated, empty or unreadable is refused by name.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let (filter, mut pairs) = Pairs::read_filtered(query, &OWN_PARAMETERS)?;
        let after = pairs.take_as("after", PLACE, Place::parse)?;
        let edge = match (after, pairs.take("before")) {
            (after, None) => after.map(Edge::After),
            (None, Some(text)) => match Place::parse(&text) {
                Some(place) => Some(Edge::Before(place)),
                None => return Err(QueryError::new("before", &text, PLACE)),
            },
            (Some(_), Some(text)) => return Err(QueryError::new("before", &text, PLACE)),
        };
        let whole = |text: &str| {
            let plain = text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
            let limit = plain.then(|| text.parse().ok()).flatten();
            limit.filter(|limit| (1..=MAX_LIMIT).contains(limit))
        };
        Ok(ListQuery {
            filter,
            edge,
            since: pairs.take_time("since")?,
            until: pairs.take_time("until")?,
            limit: pairs
                .take_as("limit", "a whole number from 1 to 200", whole)?
                .unwrap_or(DEFAULT_LIMIT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "F3C7A1D2-8B4E-4D5F-9F2A-6E1C0D7A8B9F";

    #[test]
    fn reads_either_name_of_a_row() {
        let edge = |query: &str| ListQuery::parse(query).unwrap().edge;
        let position = Place::Position(Position::parse("1f3c9a2e-0").unwrap());
        assert_eq!(edge("after=1f3c9a2e-0"), Some(Edge::After(position)));
        let id = Place::Id(ID.to_ascii_lowercase());
        assert_eq!(edge(&format!("before={ID}")), Some(Edge::Before(id)));
        let query = ListQuery::parse("since=2026-04-24&until=2026-04-25&types=a").unwrap();
        assert_eq!(
            (query.edge, query.limit, query.filter.is_open()),
            (None, 50, false)
        );
        assert!(query.since < query.until);
    }

    #[test]
    fn refuses_by_name() {
        let cases = [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("limit=%2B5", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("after=5", "after"),
            ("before=x", "before"),
            ("after=1f3c9a2e-1&before=1f3c9a2e-9", "before"),
            ("until=never", "until"),
            ("last_event_id=1f3c9a2e-1", "last_event_id"),
            ("min_rank=E", "min_rank"),
        ];
        for (query, parameter) in cases {
            assert_eq!(ListQuery::parse(query).unwrap_err().parameter, parameter);
        }
    }

    proptest! {
        #[test]
        fn never_panics(query in "\\PC{0,120}|((after|before|since|limit)=[ -~]{0,40}&){0,4}") {
            let _ = ListQuery::parse(&query);
        }

        #[test]
        fn limits_are_kept(limit in 1u32..=200) {
            prop_assert_eq!(ListQuery::parse(&format!("limit={limit}")).unwrap().limit, limit);
        }
    }
}
