//! A stream's filter as it is kept and shown: a JSON object of what it asks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::filter::{Filter, MinScore};
use crate::model::rank::Rank;

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_rank: Option<String>,
    /// In its own digits: read as a number, it may come out as the one beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_score: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    market: Option<String>,
}

/// The object; `None` where nothing is hidden.
#[must_use]
pub fn text(filter: &Filter) -> Option<String> {
    if filter.is_open() {
        return None;
    }
    let digits = |score: MinScore| RawValue::from_string(score.points().to_string()).ok();
    let asked = Asked {
        types: filter.types.clone(),
        min_rank: filter.min_rank.map(|rank| rank.letter().to_owned()),
        min_score: filter.min_score.and_then(digits),
        token: filter.token.clone(),
        market: filter.market.clone(),
    };
    // proof: texts and digits always serialise
    Some(serde_json::to_string(&asked).unwrap_or_default())
}

/// Reads that object; `None` for anything else.
#[must_use]
pub fn read(text: &str) -> Option<Filter> {
    // a list of its values would do as well, of which nobody says which is which
    let object = text.starts_with('{').then_some(text)?;
    let asked: Asked = serde_json::from_str(object).ok()?;
    let min_rank = match asked.min_rank {
        Some(letter) => Some(Rank::parse(&letter)?),
        None => None,
    };
    let min_score = match asked.min_score {
        Some(digits) => Some(MinScore::new(digits.get().parse().ok()?)?),
        None => None,
    };
    Some(Filter {
        types: asked.types,
        min_rank,
        min_score,
        token: asked.token,
        market: asked.market,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_says_what_is_asked_and_nothing_else() {
        assert_eq!(text(&Filter::default()), None);
        let filter = Filter {
            min_rank: Some(Rank::S),
            token: Some("a\"b".to_owned()),
            ..Filter::default()
        };
        let kept = text(&filter).unwrap();
        assert_eq!(kept, r#"{"min_rank":"S","token":"a\"b"}"#);
        for wrong in ["", "[]", r#"{"min_rank":"E"}"#, r#"{"other":1}"#] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn it_is_kept_as_it_is(
            types in prop::option::of(prop::collection::btree_set("[a-z_]{1,9}", 1..4)),
            min_rank in prop::option::of(prop::sample::select(vec![Rank::S, Rank::A, Rank::D])),
            min_score in prop::option::of(0.0..=MinScore::MAX),
            token in prop::option::of("[!-~]{1,20}"),
            market in prop::option::of("[a-z]{1,9}"),
        ) {
            let filter = Filter { types, min_rank, min_score: min_score.and_then(MinScore::new), token, market };
            let back = text(&filter).map_or(Some(Filter::default()), |kept| read(&kept));
            prop_assert_eq!(back, Some(filter));
        }
    }
}
