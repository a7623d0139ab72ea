//! What may be said of a webhook endpoint: the body that makes or changes one, and its filter as it is asked for, kept and shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    filter::{Filter, MinScore},
    pairs::{MAX_TYPES, QueryError, WORD, is_word},
};
use crate::model::{log::Position, rank::Rank};

/// A description's letters.
const MOST_DESCRIPTION: usize = 200;

/// What else than Standard Webhooks an endpoint is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// The headers of the service that this one replaces.
    Sigmate,
}

impl Compat {
    /// The word in bodies and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Compat::Sigmate => "sigmate",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        (word == "sigmate").then_some(Compat::Sigmate)
    }
}

/// Behind which signal an endpoint begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Behind this seq of the log that there is.
    Seq(i64),
    /// Behind this id of a frame.
    At(Position),
}

/// A body, as far as it says anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointBody {
    /// Where to; not yet looked at.
    pub url: Option<String>,
    /// What passes; the default lets everything pass.
    pub filter: Option<Filter>,
    /// The user's own words.
    pub description: Option<String>,
    /// Whether it is sent to.
    pub enabled: Option<bool>,
    /// Each signal only once the one before is answered or failed.
    pub ordered: Option<bool>,
    /// Other headers beside; `Some(None)`: none any more.
    pub compat: Option<Option<Compat>>,
    /// Of a new one.
    pub start_after: Option<Start>,
    /// Of one that is enabled again: goes on at the head of the log, not where it stood.
    pub skip_missed: Option<bool>,
}

const OF_BOTH: [&str; 6] = [
    "url",
    "filter",
    "description",
    "enabled",
    "ordered",
    "compat",
];

impl EndpointBody {
    /// Reads the body that makes an endpoint.
    pub fn of_new(text: &[u8]) -> Result<Self, QueryError> {
        let body = Self::read(text, "start_after")?;
        if body.url.is_none() {
            return Err(QueryError::new("url", "", "an absolute https: URL"));
        }
        Ok(body)
    }

    /// Reads the body that changes one.
    pub fn of_change(text: &[u8]) -> Result<Self, QueryError> {
        Self::read(text, "skip_missed")
    }

    fn read(text: &[u8], own: &str) -> Result<Self, QueryError> {
        let mut fields = object("(body)", serde_json::from_slice(text).ok())?;
        known(&fields, "", &[&OF_BOTH[..], &[own]].concat())?;
        let mut take = |name: &str| fields.remove(name);
        Ok(EndpointBody {
            url: text_of("url", take("url"))?,
            filter: take("filter")
                .map(|filter| read_filter(Some(filter)))
                .transpose()?,
            description: text_of("description", take("description"))?
                .map(check_description)
                .transpose()?,
            enabled: flag("enabled", take("enabled"))?,
            ordered: flag("ordered", take("ordered"))?,
            compat: match take("compat") {
                None => None,
                Some(Value::Null) => Some(None),
                Some(value) => {
                    let word = value.as_str().and_then(Compat::parse);
                    let refused = || QueryError::new("compat", &shown(&value), "sigmate, or null");
                    Some(Some(word.ok_or_else(refused)?))
                }
            },
            start_after: given(take("start_after"))
                .map(|value| start(&value))
                .transpose()?,
            skip_missed: flag("skip_missed", take("skip_missed"))?,
        })
    }
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn object(name: &str, value: Option<Value>) -> Result<Map<String, Value>, QueryError> {
    match value {
        Some(Value::Object(fields)) => Ok(fields),
        Some(other) => Err(QueryError::new(name, &shown(&other), "a JSON object")),
        None => Err(QueryError::new(name, "", "a JSON object")),
    }
}

pub(super) fn known(
    fields: &Map<String, Value>,
    within: &str,
    names: &[&str],
) -> Result<(), QueryError> {
    match fields.keys().find(|field| !names.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => Err(QueryError::new(
            &format!("{within}{field}"),
            &shown(&fields[field]),
            format!("the fields {}", names.join(", ")),
        )),
    }
}

/// Null is as if it were not there.
fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

pub(super) fn text_of(name: &str, value: Option<Value>) -> Result<Option<String>, QueryError> {
    match given(value) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(QueryError::new(name, &shown(&other), "a text")),
    }
}

fn flag(name: &str, value: Option<Value>) -> Result<Option<bool>, QueryError> {
    match given(value) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(other) => Err(QueryError::new(name, &shown(&other), "true or false")),
    }
}

fn check_description(text: String) -> Result<String, QueryError> {
    let fits = text.chars().count() <= MOST_DESCRIPTION && !text.chars().any(char::is_control);
    if fits {
        return Ok(text);
    }
    let allowed =
        format!("at most {MOST_DESCRIPTION} characters, none of them a control character");
    Err(QueryError::new("description", &text, allowed))
}

fn start(value: &Value) -> Result<Start, QueryError> {
    let seq = value.as_i64().filter(|seq| *seq >= 0).map(Start::Seq);
    let place = || value.as_str().and_then(Position::parse).map(Start::At);
    seq.or_else(place).ok_or_else(|| {
        let allowed =
            "a seq (0: from the first signal on), or the id of a frame, such as 1f3c9a2e-183";
        QueryError::new("start_after", &shown(value), allowed)
    })
}

/// Reads a filter: an object, or nothing, which lets everything pass.
pub fn read_filter(value: Option<Value>) -> Result<Filter, QueryError> {
    let Some(value) = given(value) else {
        return Ok(Filter::default());
    };
    let mut fields = object("filter", Some(value))?;
    known(
        &fields,
        "filter.",
        &["types", "min_rank", "min_score", "market"],
    )?;
    let mut take = |name: &str| given(fields.remove(name));
    fn refused<'a>(
        name: &'a str,
        value: &'a Value,
        allowed: &'a str,
    ) -> impl Fn() -> QueryError + 'a {
        move || QueryError::new(name, &shown(value), allowed)
    }
    let types = take("types").map(|value| {
        let allowed = format!("1 to {MAX_TYPES} signal types, {WORD}");
        types(&value).ok_or_else(refused("filter.types", &value, &allowed))
    });
    let min_rank = take("min_rank").map(|value| {
        let rank = value.as_str().and_then(Rank::parse);
        rank.ok_or_else(refused("filter.min_rank", &value, "one of S, A, B, C, D"))
    });
    let min_score = take("min_score").map(|value| {
        let score = value.as_f64().and_then(MinScore::new);
        score.ok_or_else(refused(
            "filter.min_score",
            &value,
            "a number from 0 to 1000000",
        ))
    });
    let market = take("market").map(|value| {
        let market = value
            .as_str()
            .filter(|text| is_word(text))
            .map(str::to_owned);
        market.ok_or_else(refused("filter.market", &value, WORD))
    });
    Ok(Filter {
        types: types.transpose()?,
        min_rank: min_rank.transpose()?,
        min_score: min_score.transpose()?,
        token: None,
        market: market.transpose()?,
    })
}

fn types(value: &Value) -> Option<BTreeSet<String>> {
    let list = value
        .as_array()
        .filter(|list| (1..=MAX_TYPES).contains(&list.len()))?;
    let word = |value: &Value| {
        value
            .as_str()
            .filter(|text| is_word(text))
            .map(str::to_owned)
    };
    list.iter().map(word).collect()
}

/// A filter as it is kept and shown; null for what it does not ask.
#[must_use]
pub fn filter_json(filter: &Filter) -> Value {
    json!({
        "types": filter.types,
        "min_rank": filter.min_rank,
        "min_score": filter.min_score.map(MinScore::points),
        "market": filter.market,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_says_what_it_says_and_nothing_else() {
        let body = EndpointBody::of_new(
            br#"{"url":"https://a.example/","filter":{"types":["consensus_buy"],"min_rank":"A","min_score":60.5,"market":"crypto"},
                 "description":"mine","enabled":false,"ordered":true,"compat":"sigmate","start_after":7}"#,
        );
        let filter = Filter {
            types: Some(BTreeSet::from(["consensus_buy".to_owned()])),
            min_rank: Some(Rank::A),
            min_score: MinScore::new(60.5),
            token: None,
            market: Some("crypto".to_owned()),
        };
        let expected = EndpointBody {
            url: Some("https://a.example/".to_owned()),
            filter: Some(filter),
            description: Some("mine".to_owned()),
            enabled: Some(false),
            ordered: Some(true),
            compat: Some(Some(Compat::Sigmate)),
            start_after: Some(Start::Seq(7)),
            skip_missed: None,
        };
        assert_eq!(body, Ok(expected));
        let nothing = EndpointBody::of_change(b"{}");
        assert_eq!(nothing, Ok(EndpointBody::default()));
        let cleared =
            EndpointBody::of_change(br#"{"filter":null,"compat":null,"skip_missed":true}"#);
        let expected = EndpointBody {
            filter: Some(Filter::default()),
            compat: Some(None),
            skip_missed: Some(true),
            ..EndpointBody::default()
        };
        assert_eq!(cleared, Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            ("", "(body)"),
            ("[]", "(body)"),
            ("{}", "url"),
            (r#"{"url":3}"#, "url"),
            (r#"{"url":"u","colour":"red"}"#, "colour"),
            (r#"{"url":"u","skip_missed":true}"#, "skip_missed"),
            (r#"{"url":"u","enabled":"yes"}"#, "enabled"),
            (r#"{"url":"u","compat":"other"}"#, "compat"),
            (r#"{"url":"u","start_after":-1}"#, "start_after"),
            (r#"{"url":"u","start_after":1.5}"#, "start_after"),
            (r#"{"url":"u","start_after":"x-1"}"#, "start_after"),
            (
                "{\"url\":\"u\",\"description\":\"a\\u0000\"}",
                "description",
            ),
            (r#"{"url":"u","filter":[]}"#, "filter"),
            (r#"{"url":"u","filter":{"token":"T"}}"#, "filter.token"),
            (r#"{"url":"u","filter":{"types":[]}}"#, "filter.types"),
            (r#"{"url":"u","filter":{"types":["a b"]}}"#, "filter.types"),
            (
                r#"{"url":"u","filter":{"min_rank":"E"}}"#,
                "filter.min_rank",
            ),
            (
                r#"{"url":"u","filter":{"min_score":-1}}"#,
                "filter.min_score",
            ),
            (r#"{"url":"u","filter":{"market":""}}"#, "filter.market"),
        ] {
            let error = EndpointBody::of_new(body.as_bytes()).unwrap_err();
            assert_eq!(error.parameter, field, "{body}");
        }
    }

    proptest! {
        #[test]
        fn a_filter_is_kept_as_it_is(
            types in prop::option::of(prop::collection::btree_set("[a-z_]{1,9}", 1..4)),
            min_rank in prop::option::of(prop::sample::select(vec![Rank::S, Rank::A, Rank::D])),
            min_score in prop::option::of((0..10_000_000_u32).prop_map(|tenths| f64::from(tenths) / 10.0)),
            market in prop::option::of("[a-z]{1,9}"),
        ) {
            let filter = Filter { types, min_rank, min_score: min_score.and_then(MinScore::new), token: None, market };
            let kept = filter_json(&filter).to_string();
            prop_assert_eq!(read_filter(serde_json::from_str(&kept).ok()), Ok(filter));
        }
    }
}
