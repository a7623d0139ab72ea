//! What a query's parameters are: one table for each endpoint, from which requests are read and the documentation is made.

use rust_decimal::Decimal;

use super::pairs::{ISO_TIME, Pairs, QueryError};
use crate::model::{money::parse_amount, time::Time};

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Words to look for: so many characters, none of them a control character.
    Text {
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// Twelve letters and digits of ISO 6166.
    Isin,
    /// The code of a market that is in the table of markets.
    Market,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole {
        /// At least.
        least: u64,
        /// At most.
        most: u64,
        /// Where nothing is said.
        default: u64,
    },
    /// A decimal number from 0.
    Number {
        /// At most, if there is a bound.
        most: Option<u64>,
        /// Where nothing is said.
        default: Option<u32>,
    },
    /// One of some words.
    Word {
        /// Which.
        words: &'static [&'static str],
        /// Where nothing is said.
        default: Option<&'static str>,
    },
    /// Some of some words, separated by commas.
    Words(&'static [&'static str]),
    /// A day of UTC or an ISO 8601 time.
    Moment,
    /// Names a score version: letters, digits, `.`, `_`, `-`.
    Version,
}

/// One parameter of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What it does.
    pub about: &'static str,
}

impl Parameter {
    /// One that may be absent.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Parameter {
            name,
            kind,
            required: false,
            about,
        }
    }

    /// One that must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Parameter {
            required: true,
            ..self
        }
    }
}

/// A moment as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant; of a day its first.
    pub at: Time,
    /// Only a day was named.
    pub is_day: bool,
    /// In the client's own words.
    pub text: String,
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        Some(Moment {
            at: Time::parse_iso(text).ok()?,
            is_day: text.len() == 10,
            text: text.to_owned(),
        })
    }

    /// The first instant after it: after the whole day, where a day was named.
    #[must_use]
    pub fn after(&self) -> Time {
        self.at.plus(if self.is_day { Time::DAY } else { 1 })
    }

    /// The last instant that it means: a day's end.
    #[must_use]
    pub fn last(&self) -> Time {
        self.after().plus(-1)
    }
}

/// A query's values, each taken by the name that the table has.
#[derive(Debug)]
pub struct Values<'a> {
    pairs: Pairs,
    table: &'static [Parameter],
    markets: &'a [String],
}

impl<'a> Values<'a> {
    /// Splits a query string, without its `?`, into the parameters of a table.
    pub fn read(
        query: &str,
        table: &'static [Parameter],
        markets: &'a [String],
    ) -> Result<Self, QueryError> {
        let known: Vec<_> = table.iter().map(|parameter| parameter.name).collect();
        Ok(Values {
            pairs: Pairs::read(query, &known)?,
            table,
            markets,
        })
    }

    /// Words to look for.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, QueryError> {
        self.take(name, |kind, text| match kind {
            Kind::Text { least, most } => {
                let fits = text.chars().count() <= most && text.trim().chars().count() >= least;
                (fits && !text.chars().any(char::is_control)).then(|| text.trim().to_owned())
            }
            Kind::Isin => is_isin(text).then(|| text.to_owned()),
            Kind::Version => is_version(text).then(|| text.to_owned()),
            _ => None,
        })
    }

    /// The code of a known market.
    pub fn market(&mut self) -> Result<Option<String>, QueryError> {
        let markets = self.markets;
        self.take("market", |_, text| {
            markets.iter().find(|code| *code == text).cloned()
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, QueryError> {
        self.take(name, |_, text| text.parse().ok())
    }

    /// A whole number, and whether it was said.
    pub fn whole(&mut self, name: &str) -> Result<(u64, bool), QueryError> {
        let said = self.take(name, |kind, text| match kind {
            Kind::Whole { least, most, .. } => {
                let plain = text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
                let number = plain.then(|| text.parse().ok()).flatten();
                number.filter(|number| (least..=most).contains(number))
            }
            _ => None,
        })?;
        let default = match self.kind(name) {
            Some(Kind::Whole { default, .. }) => default,
            _ => 0,
        };
        Ok((said.unwrap_or(default), said.is_some()))
    }

    /// A decimal number.
    pub fn number(&mut self, name: &str) -> Result<Option<Decimal>, QueryError> {
        let said = self.take(name, |kind, text| match kind {
            Kind::Number { most, .. } if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
                let number = parse_amount(text).ok()?;
                let fits = most.is_none_or(|most| number <= Decimal::from(most));
                fits.then_some(number)
            }
            _ => None,
        })?;
        Ok(said.or(match self.kind(name) {
            Some(Kind::Number { default, .. }) => default.map(Decimal::from),
            _ => None,
        }))
    }

    /// One of some words, by its place among them.
    pub fn word(&mut self, name: &str) -> Result<Option<usize>, QueryError> {
        let said = self.take(name, |kind, text| match kind {
            Kind::Word { words, .. } => words.iter().position(|word| *word == text),
            _ => None,
        })?;
        Ok(said.or(match self.kind(name) {
            Some(Kind::Word { words, default }) => {
                words.iter().position(|word| Some(*word) == default)
            }
            _ => None,
        }))
    }

    /// Some of some words; none where nothing is said.
    pub fn words(&mut self, name: &str) -> Result<Vec<&'static str>, QueryError> {
        let said = self.take(name, |kind, text| match kind {
            Kind::Words(words) => text
                .split(',')
                .map(|part| words.iter().find(|word| **word == part).copied())
                .collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        Ok(said.unwrap_or_default())
    }

    /// A day or a time.
    pub fn moment(&mut self, name: &str) -> Result<Option<Moment>, QueryError> {
        self.take(name, |_, text| Moment::parse(text))
    }

    /// Refuses the value of a parameter for a reason of the whole query's.
    pub fn refuse<T>(name: &str, value: &dyn ToString, allowed: &str) -> Result<T, QueryError> {
        Err(QueryError::new(name, &value.to_string(), allowed))
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        let parameter = self.table.iter().find(|parameter| parameter.name == name);
        parameter.map(|parameter| parameter.kind)
    }

    fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Kind, &str) -> Option<T>,
    ) -> Result<Option<T>, QueryError> {
        let Some(parameter) = self.table.iter().find(|parameter| parameter.name == name) else {
            return Ok(None);
        };
        match self.pairs.take(name) {
            None if parameter.required => Err(QueryError::new(name, "", self.allowed(parameter))),
            None => Ok(None),
            Some(value) => match read(parameter.kind, &value) {
                Some(read) => Ok(Some(read)),
                None => Err(QueryError::new(name, &value, self.allowed(parameter))),
            },
        }
    }

    fn allowed(&self, parameter: &Parameter) -> String {
        match parameter.kind {
            Kind::Text { least, most } => format!("a text of {least} to {most} characters"),
            Kind::Isin => "an ISIN: two capital letters, nine letters or digits, one digit".into(),
            Kind::Market => format!("one of {}", self.markets.join(", ")),
            Kind::Flag => "true or false".into(),
            Kind::Whole { least, most, .. } if most >= i64::MAX as u64 => {
                format!("a whole number, {least} at least")
            }
            Kind::Whole { least, most, .. } => format!("a whole number from {least} to {most}"),
            Kind::Number { most: None, .. } => "a decimal number, 0 at least".into(),
            Kind::Number {
                most: Some(most), ..
            } => format!("a decimal number from 0 to {most}"),
            Kind::Word { words, .. } => format!("one of {}", words.join(", ")),
            Kind::Words(words) => {
                format!("one or more of {}, separated by commas", words.join(", "))
            }
            Kind::Moment => format!("a day such as 2026-04-24, or {ISO_TIME}"),
            Kind::Version => "a score version: 1 to 32 of A-Z a-z 0-9 . _ -".into(),
        }
    }
}

fn is_isin(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 12
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..11]
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[11].is_ascii_digit()
}

fn is_version(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
