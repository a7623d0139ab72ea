//! Opening a file of filings: bytes and a format in, filings and reasons out, one at a time.

use std::{
    fmt,
    io::{self, BufRead},
    str::FromStr,
};

use super::{
    be_fsma::{self, BeFsma},
    se_fi::{self, SeFi},
    uk_pdmr::UkPdmr,
};
use crate::{
    ingest::{records::Table, rows::Lines, source::Rejected},
    model::{filing::Filing, filing_line, local::Zone, market::Market},
};

/// How a file of filings is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FilingFormat {
    /// Our own lines, one declaration each.
    #[default]
    Ndjson,
    /// JSON of UK dealings of persons discharging managerial responsibilities.
    UkPdmr,
    /// CSV of the Swedish register.
    SeFi,
    /// CSV of the Belgian site.
    BeFsma,
}

impl FilingFormat {
    /// Every format with its word on the command line, and the market that its filings belong to.
    pub const WORDS: [(&'static str, FilingFormat, Option<&'static str>); 4] = [
        ("ndjson", FilingFormat::Ndjson, None),
        ("uk-pdmr", FilingFormat::UkPdmr, Some("uk")),
        ("se-fi", FilingFormat::SeFi, Some("se")),
        ("be-fsma", FilingFormat::BeFsma, Some("be")),
    ];

    fn row(self) -> (&'static str, Option<&'static str>) {
        let row = Self::WORDS.iter().find(|(_, format, _)| *format == self);
        row.map_or(("ndjson", None), |(word, _, market)| (*word, *market))
    }

    /// The market that all filings of such a file belong to.
    #[must_use]
    pub fn market(self) -> Option<&'static str> {
        self.row().1
    }
}

impl fmt::Display for FilingFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}

/// A word that names no format of filings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of ndjson, uk-pdmr, se-fi, be-fsma")]
pub struct UnknownFilingFormat(String);

impl FromStr for FilingFormat {
    type Err = UnknownFilingFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFilingFormat> {
        let found = Self::WORDS.iter().find(|(known, ..)| *known == word);
        found
            .map(|(_, format, _)| *format)
            .ok_or_else(|| UnknownFilingFormat(word.chars().take(40).collect()))
    }
}

/// Why a file cannot be begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The table of markets has no row for the file's market.
    #[error("there is no market `{0}`")]
    NoMarket(&'static str),
    /// That row names no time zone.
    #[error("market `{market}`: {zone}")]
    NoZone {
        /// Its code.
        market: &'static str,
        /// What it says instead.
        zone: crate::model::local::UnknownZone,
    },
}

/// The filings of a file or body, read as they are asked for. All but UK's hold one row at a time.
///
/// Ends at the end of the stream or at the first read error; ask [`Filings::error`] which of the two it was.
pub struct Filings<R>(Source<R>);

enum Source<R> {
    Lines(Declarations<R>),
    UkPdmr(Box<UkPdmr<R>>),
    SeFi(Box<Table<R, SeFi>>),
    BeFsma(Box<Table<R, BeFsma>>),
}

/// Our own lines.
struct Declarations<R> {
    lines: Lines<R>,
    markets: Vec<Market>,
    row: Vec<u8>,
    line: u64,
    error: Option<io::Error>,
    ended: bool,
}

impl<R: BufRead> Filings<R> {
    /// Reads `reader` as `format`. Lines may name any of `markets`; the others need their own among them.
    pub fn new(format: FilingFormat, reader: R, markets: &[Market]) -> Result<Self, OpenError> {
        let zone = || -> Result<Zone, OpenError> {
            let code = format.market().unwrap_or_default();
            let market = markets.iter().find(|market| market.code == code);
            let market = market.ok_or(OpenError::NoMarket(code))?;
            market
                .zone()
                .map_err(|zone| OpenError::NoZone { market: code, zone })
        };
        Ok(Filings(match format {
            FilingFormat::Ndjson => Source::Lines(Declarations {
                lines: Lines::new(reader),
                markets: markets.to_vec(),
                row: Vec::new(),
                line: 0,
                error: None,
                ended: false,
            }),
            FilingFormat::UkPdmr => Source::UkPdmr(Box::new(UkPdmr::new(reader, zone()?))),
            FilingFormat::SeFi => Source::SeFi(Box::new(Table::new(
                reader,
                se_fi::DIALECT,
                SeFi::new(zone()?),
            ))),
            FilingFormat::BeFsma => Source::BeFsma(Box::new(Table::new(
                reader,
                be_fsma::DIALECT,
                BeFsma::new(zone()?),
            ))),
        }))
    }

    /// The line (or ordinal of the element) of the item handed out last: a filing may still be refused further on.
    #[must_use]
    pub fn line(&self) -> u64 {
        match &self.0 {
            Source::Lines(lines) => lines.line,
            Source::UkPdmr(uk) => uk.line(),
            Source::SeFi(table) => table.line(),
            Source::BeFsma(table) => table.line(),
        }
    }

    /// Why the stream ended before its end, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        match &self.0 {
            Source::Lines(lines) => lines.error.as_ref(),
            Source::UkPdmr(uk) => uk.error(),
            Source::SeFi(table) => table.error(),
            Source::BeFsma(table) => table.error(),
        }
    }
}

impl<R: BufRead> Declarations<R> {
    fn next(&mut self) -> Option<Result<Filing, Rejected>> {
        if self.ended {
            return None;
        }
        match self.lines.next(&mut self.row) {
            Ok(Some(Ok(line))) => {
                self.line = line;
                let read = filing_line::parse(&self.row, &self.markets);
                Some(read.map_err(|e| Rejected { line, reason: e.0 }))
            }
            Ok(Some(Err(rejected))) => {
                self.line = rejected.line;
                Some(Err(rejected))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.error = Some(error);
                self.ended = true;
                None
            }
        }
    }
}

impl<R: BufRead> Iterator for Filings<R> {
    type Item = Result<Filing, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Lines(lines) => lines.next(),
            Source::UkPdmr(uk) => uk.next(),
            Source::SeFi(table) => table.next(),
            Source::BeFsma(table) => table.next(),
        }
    }
}
