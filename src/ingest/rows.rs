//! Rows cut from a stream with bounded memory: lines of a text, elements of a JSON array.

use std::{io, io::BufRead, io::Read as _};

use super::source::Rejected;
use crate::model::fact_line::{BYTE_ORDER_MARK, MAX_LINE_BYTES};

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
            if self.line == 1 && row.starts_with(BYTE_ORDER_MARK) {
                row.drain(..BYTE_ORDER_MARK.len());
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
}
