//! What `GET /api/signals/digest` may be asked: a stretch of the log, and a filter.

use super::{
    filter::Filter,
    pairs::{Pairs, QueryError},
};
use crate::model::log::Position;

const PLACE: &str = "the id of a frame such as 1f3c9a2e-183";

/// A stretch of the log as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestQuery {
    /// What passes.
    pub filter: Filter,
    /// The first signal; `None`: the first that is kept.
    pub from: Option<Position>,
    /// The last one; `None`: the head of the log.
    pub to: Option<Position>,
}

impl DigestQuery {
    /// Reads a query string, without its `?`. What is unknown, repeated, empty or unreadable is refused by name.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let (filter, mut pairs) = Pairs::read_filtered(query, &["from", "to"])?;
        Ok(DigestQuery {
            filter,
            from: pairs.take_as("from", PLACE, Position::parse)?,
            to: pairs.take_as("to", PLACE, Position::parse)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stretch_and_a_filter_are_read() {
        let nothing = DigestQuery::parse("").unwrap();
        assert!(nothing.filter.is_open() && nothing.from.is_none() && nothing.to.is_none());
        let all = DigestQuery::parse("to=1f3c9a2e-9&types=a,b&from=1f3c9a2e-3").unwrap();
        assert_eq!(all.from, Position::parse("1f3c9a2e-3"));
        assert_eq!(all.to, Position::parse("1f3c9a2e-9"));
        assert_eq!(all.filter.types.map(|types| types.len()), Some(2));
        for (query, parameter) in [
            ("from=3", "from"),
            ("from=f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f", "from"),
            ("to=1f3c9a2e", "to"),
            ("to=", "to"),
            ("from=1f3c9a2e-1&from=1f3c9a2e-2", "from"),
            ("after=1f3c9a2e-1", "after"),
            ("limit=5", "limit"),
            ("min_rank=E", "min_rank"),
        ] {
            let error = DigestQuery::parse(query).unwrap_err();
            assert_eq!(error.parameter, parameter, "{query}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(query in "\\PC{0,120}|((from|to|types)=[ -~]{0,40}&){0,4}") {
            let _ = DigestQuery::parse(&query);
        }
    }
}
