//! The parameters of a query string: split, decoded, each known and there once; and what all signal queries share.

use std::collections::BTreeSet;

use super::filter::{Filter, MinScore};
use crate::model::{rank::Rank, time::Time};

/// A longer query is refused unread.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;
/// A filter may name so many types.
pub const MAX_TYPES: usize = 32;
/// Parameters that make a [`Filter`].
const FILTER_PARAMETERS: [&str; 5] = ["types", "min_rank", "min_score", "token", "market"];
/// What a parameter of a moment takes.
pub const ISO_TIME: &str = "an ISO 8601 time such as 2026-04-24T09:32:14.117Z (in a query, write an offset's + as %2B), from 1993 to 2200";

const SHOWN_CHARS: usize = 60;
const MAX_WORD: usize = 64;
/// What a word is.
pub(super) const WORD: &str = "a word of 1 to 64 of A-Z a-z 0-9 _ - . :";
const MAX_ADDRESS: usize = 128;

/// A query that cannot be followed, in words for who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{parameter}`: `{value}` is not allowed; allowed: {allowed}")]
pub struct QueryError {
    /// Which parameter, as it was written; at most 60 characters.
    pub parameter: String,
    /// What it said: at most 60 characters, and never a secret.
    pub value: String,
    /// What it may say.
    pub allowed: String,
}

impl QueryError {
    /// Says that `parameter` may not be `value`.
    pub fn new(parameter: &str, value: &str, allowed: impl Into<String>) -> Self {
        let cut = |text: &str| text.chars().take(SHOWN_CHARS).collect();
        QueryError {
            parameter: cut(parameter),
            value: if is_secret(parameter, value) {
                "(not shown)".into()
            } else {
                cut(value)
            },
            allowed: allowed.into(),
        }
    }
}

/// Tickets, and keys that were put where they do not belong: an error is logged, shown and sent on.
fn is_secret(parameter: &str, value: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    let named_so = ["ticket", "key", "secret", "auth", "password", "access"]
        .iter()
        .any(|word| name.contains(word));
    named_so || value.contains("sig_") || value.contains("sit_")
}

/// The parameters of one query, each taken once.
#[derive(Debug)]
pub struct Pairs(Vec<(&'static str, String)>);

impl Pairs {
    /// Splits and decodes a query string, without its `?`. Unknown, repeated and empty parameters are refused by name.
    pub fn read(query: &str, known: &[&'static str]) -> Result<Self, QueryError> {
        if query.len() > MAX_QUERY_BYTES {
            let allowed = format!("at most {MAX_QUERY_BYTES} bytes");
            let length = format!("{} bytes", query.len());
            return Err(QueryError::new("(query)", &length, allowed));
        }
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (raw_name, raw_value) = part.split_once('=').unwrap_or((part, ""));
            let undecodable = || {
                let allowed = "percent-encoded UTF-8: % and two hexadecimal digits";
                QueryError::new(raw_name, raw_value, allowed)
            };
            let name = decode(raw_name).ok_or_else(undecodable)?;
            let Some(known_name) = known.iter().find(|known| **known == name) else {
                let allowed = match known {
                    [] => "no parameters at this path".to_owned(),
                    known => format!("the parameters {}", known.join(", ")),
                };
                // as it is meant, if it can be read
                let value = decode(raw_value).unwrap_or_else(|| raw_value.to_owned());
                return Err(QueryError::new(&name, &value, allowed));
            };
            let value = decode(raw_value).ok_or_else(undecodable)?;
            if value.is_empty() {
                return Err(QueryError::new(&name, "", "a value, or no such parameter"));
            }
            if pairs.iter().any(|(earlier, _)| earlier == known_name) {
                return Err(QueryError::new(&name, &value, "the parameter once"));
            }
            pairs.push((known_name, value));
        }
        Ok(Pairs(pairs))
    }

    /// A query for signals: a filter, and what else this one may be asked.
    pub fn read_filtered(query: &str, own: &[&'static str]) -> Result<(Filter, Self), QueryError> {
        let mut pairs = Self::read(query, &[&FILTER_PARAMETERS, own].concat())?;
        Ok((pairs.take_filter()?, pairs))
    }

    /// The value of a parameter, if it is there.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(there, _)| *there == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A parameter read by `read`; the error says that `allowed` is.
    pub fn take_as<T>(
        &mut self,
        name: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, QueryError> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(QueryError::new(name, &value, allowed)),
            },
        }
    }

    /// A parameter that is a moment.
    pub fn take_time(&mut self, name: &str) -> Result<Option<Time>, QueryError> {
        self.take_as(name, ISO_TIME, |text| Time::parse_iso(text).ok())
    }

    fn take_filter(&mut self) -> Result<Filter, QueryError> {
        Ok(Filter {
            types: self.take_as(
                "types",
                &format!("1 to {MAX_TYPES} signal types, separated by commas, each {WORD}"),
                types,
            )?,
            min_rank: self.take_as("min_rank", "one of S, A, B, C, D", Rank::parse)?,
            min_score: self.take_as("min_score", "a decimal number from 0 to 1000000", |text| {
                MinScore::new(decimal(text)?)
            })?,
            token: self.take_as("token", "an address of 1 to 128 visible letters", |text| {
                let fits = text.len() <= MAX_ADDRESS && text.bytes().all(|b| b.is_ascii_graphic());
                fits.then(|| text.to_owned())
            })?,
            market: self.take_as("market", &format!("{WORD}, such as crypto"), |text| {
                is_word(text).then(|| text.to_owned())
            })?,
        })
    }
}

/// A plain decimal number: no sign, no exponent, no `inf`.
#[must_use]
pub fn decimal(text: &str) -> Option<f64> {
    let plain = text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.bytes().any(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn types(text: &str) -> Option<BTreeSet<String>> {
    if text.split(',').count() > MAX_TYPES {
        return None;
    }
    text.split(',')
        .map(|word| is_word(word).then(|| word.to_owned()))
        .collect()
}

pub(super) fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
}

/// `+` is a space, `%41` a byte; `None` for an escape cut short or misspelt, and for what is not UTF-8 afterwards.
fn decode(text: &str) -> Option<String> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: [&str; 3] = ["a", "b", "ticket"];

    fn encode(text: &str) -> String {
        text.bytes().map(|b| format!("%{b:02x}")).collect()
    }

    #[test]
    fn splits_and_decodes() {
        let mut pairs = Pairs::read("&a=x+y%2Bz&&b=%C3%A9=1&", &KNOWN).unwrap();
        assert_eq!(pairs.take("a").as_deref(), Some("x y+z"));
        assert_eq!(pairs.take("b").as_deref(), Some("é=1"));
        assert_eq!(pairs.take("b"), None);
        assert!(Pairs::read("", &KNOWN).is_ok());
    }

    #[test]
    fn refuses_by_name() {
        let cases = [
            ("c=1", "c", "1", "the parameters a, b, ticket"),
            ("A=1", "A", "1", "the parameters"),
            ("%C3%A9=US%20", "é", "US ", "the parameters"),
            ("c=%4", "c", "%4", "the parameters"),
            ("c=si%74_live_1", "c", "(not shown)", "the parameters"),
            ("a", "a", "", "a value"),
            ("a=", "a", "", "a value"),
            ("=1", "", "1", "the parameters"),
            ("a=1&a=1", "a", "1", "once"),
            ("a=%", "a", "%", "percent-encoded"),
            ("a=%4", "a", "%4", "percent-encoded"),
            ("a=%zz", "a", "%zz", "percent-encoded"),
            ("a=%ff", "a", "%ff", "percent-encoded"),
            ("a=%ed%a0%80", "a", "%ed%a0%80", "percent-encoded"),
            ("%f=1", "%f", "1", "percent-encoded"),
        ];
        for (query, parameter, value, allowed) in cases {
            let error = Pairs::read(query, &KNOWN).unwrap_err();
            assert_eq!((&*error.parameter, &*error.value), (parameter, value));
            assert!(error.allowed.contains(allowed), "{query}: {error}");
        }
    }

    #[test]
    fn secrets_are_never_echoed() {
        for query in [
            "ticket=hunter2&ticket=hunter2",
            "ticket=hunter2%",
            "api_key=hunter2",
            "c=sig_live_hunter2",
            "Authorization=hunter2",
        ] {
            let error = Pairs::read(query, &KNOWN).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let long = format!("a={}", "x".repeat(MAX_QUERY_BYTES));
        assert_eq!(Pairs::read(&long, &KNOWN).unwrap_err().parameter, "(query)");
        let error = Pairs::read(&"é".repeat(100), &KNOWN).unwrap_err();
        assert_eq!(error.parameter.chars().count(), 60);
        let many = vec!["t"; MAX_TYPES + 1].join(",");
        assert!(types(&many).is_none() && types(&many[2..]).is_some());
    }

    proptest! {
        #[test]
        fn never_panics(query in "\\PC{0,80}|[ab=&%+0-9a-f]{0,80}") {
            if let Err(error) = Pairs::read(&query, &KNOWN) {
                prop_assert!(error.value.chars().count() <= 60);
            }
        }

        #[test]
        fn values_are_kept(a in "\\PC{1,40}", b in any::<String>().prop_filter("there", |b| !b.is_empty())) {
            let query = format!("a={}&b={}", encode(&a), encode(&b));
            prop_assume!(query.len() <= MAX_QUERY_BYTES);
            let mut pairs = Pairs::read(&query, &KNOWN).unwrap();
            prop_assert_eq!(pairs.take("a"), Some(a));
            prop_assert_eq!(pairs.take("b"), Some(b));
        }
    }
}
