//! What every source is made of: rows cut from a stream with bounded memory, and the reason why a row is no fact.

use std::{fmt, io, io::BufRead, io::Read as _, str::FromStr, sync::Arc};

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::model::{
    fact_line::MAX_LINE_BYTES,
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

/// Where the next row stands, or why there is none in its place.
pub type Row = Result<u64, Rejected>;

/// Lines of a text: LF or CRLF, the last one with or without an end, empty ones skipped, a byte-order mark tolerated.
/// Holds one line of at most [`MAX_LINE_BYTES`]; a longer one is skipped without being held.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning of a stream.
    pub fn new(reader: R) -> Self {
        Lines { reader, line: 0 }
    }

    /// Puts the next line into `row`.
    pub fn next(&mut self, row: &mut Vec<u8>) -> io::Result<Option<Row>> {
        // the line, its CR and LF, and a mark before the first one
        const LIMIT: usize = MAX_LINE_BYTES + 5;
        loop {
            row.clear();
            let mut bounded = (&mut self.reader).take(LIMIT as u64);
            if bounded.read_until(b'\n', row)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let whole = row.last() == Some(&b'\n');
            if whole {
                row.pop();
            } else if row.len() == LIMIT {
                self.skip_rest_of_line()?;
            }
            if row.last() == Some(&b'\r') {
                row.pop();
            }
            if self.line == 1 && row.starts_with(b"\xef\xbb\xbf") {
                row.drain(..3);
            }
            if row.len() > MAX_LINE_BYTES {
                row.clear();
                return Ok(Some(Err(Rejected {
                    line: self.line,
                    reason: format!("longer than {MAX_LINE_BYTES} bytes"),
                })));
            }
            if !row.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Ok(self.line)));
            }
        }
    }

    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        loop {
            let held = self.reader.fill_buf()?;
            if held.is_empty() {
                return Ok(());
            }
            match held.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    self.reader.consume(at + 1);
                    return Ok(());
                }
                None => {
                    let all = held.len();
                    self.reader.consume(all);
                }
            }
        }
    }
}

/// Elements of a JSON array, of all arrays directly inside a JSON object, or one bare object that is its own only element.
///
/// Cuts the text without judging it: what it hands out is parsed by the importer, which holds one element of at most
/// [`MAX_LINE_BYTES`] at a time whatever the size of the file.
#[derive(Debug)]
pub struct Elements<R> {
    reader: R,
    groups: bool,
    place: Place,
    ordinal: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Array { grouped: bool },
    Groups,
    End,
}

impl<R: BufRead> Elements<R> {
    /// From the beginning of a stream. With `groups`, a top-level object is a set of named arrays.
    pub fn new(reader: R, groups: bool) -> Self {
        Elements {
            reader,
            groups,
            place: Place::Start,
            ordinal: 0,
        }
    }

    /// Puts the next element into `row`.
    pub fn next(&mut self, row: &mut Vec<u8>) -> io::Result<Option<Row>> {
        loop {
            match self.place {
                Place::Start => match self.peek_visible()? {
                    None => return Ok(None),
                    // the three bytes of a byte-order mark
                    Some(0xef | 0xbb | 0xbf) => self.reader.consume(1),
                    Some(b'[') => {
                        self.reader.consume(1);
                        self.place = Place::Array { grouped: false };
                    }
                    Some(b'{') if self.groups => {
                        self.reader.consume(1);
                        self.place = Place::Groups;
                    }
                    Some(b'{') => {
                        self.place = Place::End;
                        return self.element(row).map(Some);
                    }
                    Some(_) => return Ok(Some(self.stop("not a JSON array or object"))),
                },
                Place::Array { grouped } => match self.peek_visible()? {
                    None => return Ok(Some(self.stop("the file ends before its array does"))),
                    Some(b',') => self.reader.consume(1),
                    Some(b']') => {
                        self.reader.consume(1);
                        self.place = if grouped { Place::Groups } else { Place::End };
                    }
                    Some(b'}' | b':') => {
                        return Ok(Some(self.stop("a bracket that nothing opened")));
                    }
                    Some(_) => return self.element(row).map(Some),
                },
                Place::Groups => match self.peek_visible()? {
                    None => return Ok(Some(self.stop("the file ends before its object does"))),
                    Some(b',' | b':') => self.reader.consume(1),
                    Some(b'}') => {
                        self.reader.consume(1);
                        self.place = Place::End;
                    }
                    Some(b'[') => {
                        self.reader.consume(1);
                        self.place = Place::Array { grouped: true };
                    }
                    Some(b']') => return Ok(Some(self.stop("a bracket that nothing opened"))),
                    // a key, or a value that is no array
                    Some(_) => {
                        self.value(row)?;
                    }
                },
                Place::End => return Ok(None),
            }
        }
    }

    fn stop(&mut self, what: &str) -> Row {
        self.place = Place::End;
        self.ordinal += 1;
        Err(self.rejected(what))
    }

    fn rejected(&self, what: &str) -> Rejected {
        Rejected {
            line: self.ordinal,
            reason: format!("element {}: {what}", self.ordinal),
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn peek_visible(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() => self.reader.consume(1),
                other => return Ok(other),
            }
        }
    }

    fn element(&mut self, row: &mut Vec<u8>) -> io::Result<Row> {
        self.ordinal += 1;
        match self.value(row)? {
            Cut::Whole => Ok(Ok(self.ordinal)),
            Cut::TooLong => {
                row.clear();
                Ok(Err(
                    self.rejected(&format!("longer than {MAX_LINE_BYTES} bytes"))
                ))
            }
            Cut::Truncated => {
                self.place = Place::End;
                Ok(Err(self.rejected("the file ends inside it")))
            }
        }
    }

    /// Takes one JSON value: brackets are counted outside of texts, nothing else is understood.
    fn value(&mut self, row: &mut Vec<u8>) -> io::Result<Cut> {
        row.clear();
        let mut too_long = false;
        let (mut depth, mut in_text, mut escaped) = (0_u64, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                let bare = depth == 0 && !in_text;
                return Ok(if bare { Cut::Whole } else { Cut::Truncated });
            };
            let bare = depth == 0 && !in_text;
            let ends_bare = byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}' | b':');
            if bare && ends_bare && !row.is_empty() {
                break;
            }
            self.reader.consume(1);
            if row.len() < MAX_LINE_BYTES {
                row.push(byte);
            } else {
                too_long = true;
            }
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
                if !in_text && depth == 0 {
                    break;
                }
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        Ok(if too_long { Cut::TooLong } else { Cut::Whole })
    }
}

enum Cut {
    Whole,
    TooLong,
    Truncated,
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

    fn lines(text: &[u8]) -> Vec<Result<(u64, String), String>> {
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text));
        let mut row = Vec::new();
        let mut all = Vec::new();
        while let Some(next) = lines.next(&mut row).unwrap() {
            let text = String::from_utf8_lossy(&row).into_owned();
            all.push(
                next.map(|line| (line, text))
                    .map_err(|e| format!("{}:{}", e.line, e.reason)),
            );
        }
        all
    }

    fn elements(text: &[u8], groups: bool) -> Vec<Result<String, String>> {
        let mut elements = Elements::new(io::BufReader::with_capacity(3, text), groups);
        let mut row = Vec::new();
        let mut all = Vec::new();
        while let Some(next) = elements.next(&mut row).unwrap() {
            let text = String::from_utf8_lossy(&row).into_owned();
            all.push(next.map(|_| text).map_err(|e| e.reason));
        }
        all
    }

    #[test]
    fn lines_are_numbered_as_an_editor_numbers_them() {
        let read = lines(b"\xef\xbb\xbfone\r\n\r\n   \ntwo\nlast");
        let want = [(1, "one"), (4, "two"), (5, "last")];
        assert_eq!(read, want.map(|(line, text)| Ok((line, text.to_owned()))));
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_long_line_is_skipped_and_the_next_one_read() {
        let mut text = vec![b'x'; 3 * MAX_LINE_BYTES];
        text.extend_from_slice(b"\nshort\n");
        text.extend(std::iter::repeat_n(b'y', MAX_LINE_BYTES));
        let read = lines(&text);
        assert_eq!(read.len(), 3);
        assert_eq!(read[0], Err("1:longer than 1000000 bytes".to_owned()));
        assert_eq!(read[1], Ok((2, "short".to_owned())));
        assert!(read[2].is_ok(), "exactly the limit is allowed");
    }

    #[test]
    fn elements_of_arrays_and_groups() {
        let ok = |texts: &[&str]| {
            texts
                .iter()
                .map(|t| Ok((*t).to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            elements(br#" [ {"a":"]}\""}, 2 ,"x,]"] "#, false),
            ok(&[r#"{"a":"]}\""}"#, "2", r#""x,]""#])
        );
        assert_eq!(
            elements(
                br#"{"k":[{"a":[1]}],"n":5,"o":{"p":[7]},"z":[{}],"t":"[9]"}"#,
                true
            ),
            ok(&[r#"{"a":[1]}"#, "{}"])
        );
        assert_eq!(elements(br#"{"one":[1]}"#, false), ok(&[r#"{"one":[1]}"#]));
        assert_eq!(elements(b"[]", false), ok(&[]));
    }

    #[test]
    fn broken_arrays_say_so_and_end() {
        for (text, why) in [
            ("[{\"a\":1", "element 1: the file ends inside it"),
            ("[{},", "element 2: the file ends before its array does"),
            ("<html>", "element 1: not a JSON array or object"),
            ("[{}}", "element 2: a bracket that nothing opened"),
        ] {
            let read = elements(text.as_bytes(), false);
            assert_eq!(read.last(), Some(&Err(why.to_owned())), "{text}");
        }
        let mut long = b"[\"".to_vec();
        long.extend(vec![b'x'; 2 * MAX_LINE_BYTES]);
        long.extend_from_slice(b"\",3]");
        let read = elements(&long, false);
        assert_eq!(
            read[0],
            Err("element 1: longer than 1000000 bytes".to_owned())
        );
        assert_eq!(read[1], Ok("3".to_owned()));
    }

    #[test]
    fn formats_are_words() {
        for (word, format) in Format::WORDS {
            assert_eq!(word.parse(), Ok(format));
            assert_eq!(format.to_string(), word);
        }
        assert!("json".parse::<Format>().is_err());
    }
}
