//! What the sources share: the formats' names, the reason why a row is no fact, and fields checked as facts need them.

use std::{fmt, str::FromStr, sync::Arc};

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::model::{
    money::parse_amount,
    swap::{Address, Fact, MAX_QUANTITY},
    time::Time,
};

/// A row that did not become a fact.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// Line of the file, from 1; in a JSON array the element's ordinal, and then the reason says `element N`.
    pub line: u64,
    /// Why, for whoever wrote the row.
    pub reason: String,
}

/// How a file or body is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own lines.
    #[default]
    Ndjson,
    /// CSV of a pump.fun stream logger.
    PumpfunCsv,
    /// Jupiter's token objects.
    JupiterTokens,
    /// RugCheck's summaries.
    Rugcheck,
    /// Helius enhanced transactions.
    Helius,
}

impl Format {
    /// Every format with its word on the command line.
    pub const WORDS: [(&'static str, Format); 5] = [
        ("ndjson", Format::Ndjson),
        ("pumpfun-csv", Format::PumpfunCsv),
        ("jupiter-tokens", Format::JupiterTokens),
        ("rugcheck", Format::Rugcheck),
        ("helius", Format::Helius),
    ];

    /// Its word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::PumpfunCsv => "pumpfun-csv",
            Format::JupiterTokens => "jupiter-tokens",
            Format::Rugcheck => "rugcheck",
            Format::Helius => "helius",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of ndjson, pumpfun-csv, jupiter-tokens, rugcheck, helius")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found
            .map(|(_, format)| *format)
            .ok_or_else(|| UnknownFormat(word.chars().take(40).collect()))
    }
}

/// Turns one row into facts. A row may hold none, one or (Helius: a sell and a buy) two of them.
pub trait Importer {
    /// Reads a row, appending to `out`; on `Err` nothing was appended.
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String>;
}

/// An address, mint or signature as facts hold it: 1 to 128 visible ASCII letters.
pub fn address(field: &str, text: &str) -> Result<Address, String> {
    if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "{field}: not an address of 1 to 128 visible letters"
        ));
    }
    Ok(Arc::from(text))
}

/// A text of at most 2,048 bytes; an empty one says nothing.
pub fn words(field: &str, text: Option<&str>) -> Result<Option<Arc<str>>, String> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) if text.len() > 2_048 => Err(format!("{field}: longer than 2048 bytes")),
        Some(text) => Ok(Some(Arc::from(text))),
    }
}

/// A token quantity in base units: above zero, below [`MAX_QUANTITY`].
pub fn quantity(field: &str, amount: u128) -> Result<u128, String> {
    match amount {
        0 => Err(format!("{field}: zero")),
        1..MAX_QUANTITY => Ok(amount),
        _ => Err(format!("{field}: beyond 2^125 base units")),
    }
}

/// A decimal ≥ 0 from a JSON number or text, all its digits kept.
pub fn amount(field: &str, raw: Option<&RawValue>) -> Result<Option<Decimal>, String> {
    match raw.map(|raw| raw.get().trim_matches('"')) {
        None | Some("null" | "") => Ok(None),
        Some(digits) => parse_amount(digits)
            .map(Some)
            .map_err(|e| format!("{field}: {e}")),
    }
}

/// A moment in ISO 8601.
pub fn moment(field: &str, text: &str) -> Result<Time, String> {
    Time::parse_iso(text).map_err(|e| format!("{field}: {e}"))
}

/// serde_json's message without "at line 1", which would be taken for the file's line.
#[must_use]
pub fn json_reason(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let what = whole.split(" at line ").next().unwrap_or(&whole);
    format!("bad JSON: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_words() {
        for (word, format) in Format::WORDS {
            assert_eq!(word.parse(), Ok(format));
            assert_eq!(format.to_string(), word);
        }
        assert!("json".parse::<Format>().is_err());
    }
}
