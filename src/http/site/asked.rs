//! What a page of data is asked, on its way to the API: its pairs as they came, but for those that say nothing.

use axum::{
    http::{Extensions, Uri},
    response::Response,
};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{cells, problem::Problem};
use crate::http::error::Refusal;

/// A page is no file: there is another path for that.
const FORMAT: &str = "format";

/// The pairs of a query. Forms send empty fields too, which the API would refuse: they are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pairs: Vec<(String, String)>,
    said_nothing: bool,
}

impl Asked {
    /// Of a request.
    #[must_use]
    pub fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let all: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let before = all.len();
        let says = |(name, value): &(String, String)| !value.is_empty() && name != FORMAT;
        let pairs: Vec<_> = all.into_iter().filter(says).collect();
        Asked {
            said_nothing: pairs.len() < before,
            pairs,
        }
    }

    /// Whether some pairs were left out: there is a shorter address for the same.
    #[must_use]
    pub fn said_nothing(&self) -> bool {
        self.said_nothing
    }

    /// All pairs.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The value of a name; empty where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let first = self.pairs.iter().find(|(key, _)| key == name);
        first.map_or("", |(_, value)| value)
    }

    /// Those pairs whose names pass.
    #[must_use]
    pub fn only(&self, passes: impl Fn(&str) -> bool) -> Self {
        let pairs = self.pairs.iter().filter(|(name, _)| passes(name));
        Asked {
            pairs: pairs.cloned().collect(),
            said_nothing: self.said_nothing,
        }
    }

    /// With these in place of what they were; an empty value takes a pair away.
    #[must_use]
    pub fn with(&self, changes: &[(&str, &str)]) -> Self {
        let mut changed = self.only(|name| changes.iter().all(|(key, _)| *key != name));
        let said = changes.iter().filter(|(_, value)| !value.is_empty());
        let said = said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        changed.pairs.extend(said);
        changed
    }

    /// This path with the pairs as its query: letters, digits and what a shell takes as it is.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        if self.pairs.is_empty() {
            return path.to_owned();
        }
        let start = format!("{path}?");
        let behind = start.len();
        let mut query = url::form_urlencoded::Serializer::for_suffix(start, behind);
        query.extend_pairs(&self.pairs).finish()
    }
}

/// A value that the API does not take, in its own words.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Which parameter.
    pub parameter: String,
    /// What is allowed.
    pub allowed: String,
    /// The whole of it.
    pub message: String,
    refusal: Option<Refusal>,
}

impl Refused {
    /// For the answer that tells it: it is counted there.
    #[must_use]
    pub fn counted(&self) -> Extensions {
        let mut extensions = Extensions::new();
        if let Some(refusal) = self.refusal {
            extensions.insert(refusal);
        }
        extensions
    }

    /// What is wrong with a value; any other problem stays what it is.
    pub async fn of(problem: Problem) -> Result<Self, Problem> {
        let Problem::Answered(response) = problem else {
            return Err(problem);
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        let body = body.unwrap_or_default();
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        if cells::text(&told, "/error/code") != Some("invalid_parameter") {
            let response = Response::from_parts(parts, body.into());
            return Err(Problem::Answered(Box::new(response)));
        }
        let of = |pointer| cells::text(&told, pointer).unwrap_or_default().to_owned();
        Ok(Refused {
            parameter: of("/error/details/parameter"),
            allowed: of("/error/details/allowed"),
            message: of("/error/message"),
            refusal: parts.extensions.get().copied(),
        })
    }
}

/// A read whose values may be refused: the answer, or the refusal.
pub async fn answered(
    read: Result<Value, Problem>,
) -> Result<(Option<Value>, Option<Refused>), Problem> {
    match read {
        Ok(answer) => Ok((Some(answer), None)),
        Err(problem) => Ok((None, Some(Refused::of(problem).await?))),
    }
}

#[cfg(test)]
impl Refused {
    /// Of these words.
    pub fn saying(parameter: &str, allowed: &str, message: &str) -> Self {
        Refused {
            parameter: parameter.into(),
            allowed: allowed.into(),
            message: message.into(),
            refusal: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(uri: &str) -> Asked {
        Asked::of(&uri.parse().unwrap())
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let one = asked("/screener?market=&minScore=50&company=a+b%27c&format=csv");
        assert!(one.said_nothing());
        assert_eq!(one.at("/x"), "/x?minScore=50&company=a+b%27c");
        assert_eq!((one.get("company"), one.get("market")), ("a b'c", ""));
        assert!(!asked("/screener?minScore=50").said_nothing());
        assert_eq!(asked("/screener").at("/x"), "/x");
        let next = one.with(&[("offset", "50"), ("minScore", "")]);
        assert_eq!(next.at("/x"), "/x?company=a+b%27c&offset=50");
        // what is told twice is the API's to refuse
        assert_eq!(asked("/?a=1&a=2").at("/x"), "/x?a=1&a=2");
    }

    proptest! {
        #[test]
        fn any_value_comes_through_and_none_ends_a_quoted_word(name in "[a-z]{1,9}", value in "\\PC{1,40}") {
            prop_assume!(name != FORMAT);
            let said = Asked::default().with(&[(&name, &value)]).at("/api/v1/declarations");
            prop_assert!(!said.contains(['\'', '"', '\\', '$', '`', ' ', '<', '&']), "{}", said);
            prop_assert_eq!(asked(&said).get(&name).to_owned(), value);
        }
    }
}
