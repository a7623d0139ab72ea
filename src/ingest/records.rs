//! Records of tables (comma, semicolon or tab between the cells): read by the names in their header, with a reason for every bad one.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use super::{
    encoding::Utf8,
    rows::{Lines, Row},
    source::Rejected,
};

/// Cells of one record, at most: a table of closes has a column for each ticker.
const MAX_CELLS: usize = 8_192;
/// Lines that a cell in quotes may run over, at most.
const MAX_JOINED: usize = 50;
/// Bytes of one record of several lines, at most.
const MAX_JOINED_BYTES: usize = 1_000_000;

/// How cells are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between two cells.
    pub separator: char,
    /// Whether a cell may stand in quotes, and then hold separators, line ends and doubled quotes.
    pub quotes: bool,
}

/// Splits a record into its cells. `None`: it ends inside quotes.
#[must_use]
pub fn split(text: &str, dialect: Dialect) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        // there is always a last cell: it begins with one, and they only become more
        let Some(cell) = cells.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            // a quote inside of a cell (an inch, a nickname) is a letter like any other
            '"' if dialect.quotes && cell.is_empty() => quoted = true,
            _ if letter == dialect.separator && !quoted => {
                // what is beyond the bound only has to be counted as too many
                if cells.len() > MAX_CELLS {
                    break;
                }
                cells.push(String::new());
            }
            other => cell.push(other),
        }
    }
    (!quoted).then_some(cells)
}

/// A line and the cells of the record that begins there, or why there are none.
type Cells = Result<(u64, Vec<String>), Rejected>;

/// Records cut from a stream: one is held at a time, and a few lines of the next.
#[derive(Debug)]
struct Records<R> {
    lines: Lines<Utf8<R>>,
    dialect: Dialect,
    /// Lines that were read for a cell in quotes which nothing closed.
    waiting: VecDeque<(Row, Vec<u8>)>,
}

impl<R: BufRead> Records<R> {
    fn line(&mut self, row: &mut Vec<u8>) -> io::Result<Option<Row>> {
        if let Some((line, text)) = self.waiting.pop_front() {
            *row = text;
            return Ok(Some(line));
        }
        self.lines.next(row)
    }

    fn next(&mut self) -> io::Result<Option<Cells>> {
        let mut row = Vec::new();
        let line = match self.line(&mut row)? {
            None => return Ok(None),
            Some(Err(rejected)) => return Ok(Some(Err(rejected))),
            Some(Ok(line)) => line,
        };
        let rejected = |reason: &str| Rejected {
            line,
            reason: reason.into(),
        };
        let Ok(mut text) = String::from_utf8(row) else {
            return Ok(Some(Err(rejected("not UTF-8"))));
        };
        if let Some(cells) = split(&text, self.dialect) {
            return Ok(Some(Ok((line, cells))));
        }
        // a cell in quotes goes on in the next line; where nothing closes it, those lines are records of their own
        let mut further = VecDeque::new();
        while further.len() < MAX_JOINED && text.len() < MAX_JOINED_BYTES {
            let mut row = Vec::new();
            let Some(next) = self.line(&mut row)? else {
                break;
            };
            let whole = next.is_ok();
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&row));
            further.push_back((next, row));
            if !whole {
                break;
            }
            if let Some(cells) = split(&text, self.dialect) {
                return Ok(Some(Ok((line, cells))));
            }
        }
        further.append(&mut self.waiting);
        self.waiting = further;
        Ok(Some(Err(rejected("a quote that nothing closes"))))
    }
}

/// The names of a table's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header(Vec<String>);

impl Header {
    /// Where a column stands; names are told apart without their case and the blanks around them.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        let mut columns = self.0.iter();
        columns.position(|column| column.to_lowercase() == name)
    }

    /// Where a column stands that has to be there.
    pub fn need(&self, name: &str) -> Result<usize, String> {
        self.find(name)
            .ok_or_else(|| format!("header: no column `{name}`"))
    }

    /// All columns in their order, as they are spelled.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// The cells of one record, as many as the header has.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a [String]);

impl<'a> Record<'a> {
    /// A cell without the blanks around it; empty where it is.
    #[must_use]
    pub fn cell(&self, at: usize) -> &'a str {
        self.0.get(at).map_or("", |cell| cell.trim())
    }

    /// A cell that says something.
    #[must_use]
    pub fn text(&self, at: Option<usize>) -> Option<&'a str> {
        at.map(|at| self.cell(at)).filter(|text| !text.is_empty())
    }
}

/// What the records of one kind of table are read as.
pub trait Rows {
    /// What a record becomes.
    type Item;

    /// Looks for its columns. What it refuses ends the table: nothing can be read without them.
    fn header(&mut self, header: &Header) -> Result<(), String>;

    /// Reads a record as none, one or several items, each of which may be refused by itself.
    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Self::Item, String>>);
}

/// The items of a table, read as they are asked for.
///
/// Ends at the end of the stream or at the first read error; ask [`Table::error`] which of the two it was.
pub struct Table<R, T: Rows> {
    records: Records<R>,
    rows: T,
    header: Option<Header>,
    ready: VecDeque<Result<T::Item, String>>,
    line: u64,
    error: Option<io::Error>,
    ended: bool,
}

impl<R: BufRead, T: Rows> Table<R, T> {
    /// From the beginning of a stream, UTF-8 or UTF-16.
    pub fn new(reader: R, dialect: Dialect, rows: T) -> Self {
        Table {
            records: Records {
                lines: Lines::new(Utf8::new(reader)),
                dialect,
                waiting: VecDeque::new(),
            },
            rows,
            header: None,
            ready: VecDeque::new(),
            line: 0,
            error: None,
            ended: false,
        }
    }

    /// The line of the item handed out last, as an editor numbers it.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Why the stream ended before its end, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// What reads the records.
    #[must_use]
    pub fn rows(&self) -> &T {
        &self.rows
    }

    fn record(&mut self, cells: &mut Vec<String>) -> Result<(), String> {
        let Some(header) = &self.header else {
            let names = cells.iter().map(|name| name.trim().to_owned());
            let header = Header(names.collect());
            if let Err(reason) = self.rows.header(&header) {
                self.ended = true;
                return Err(reason);
            }
            self.header = Some(header);
            return Ok(());
        };
        let width = header.0.len();
        // one separator more or less at the end of a line is a habit of writers, not a lost cell
        if cells.len() == width + 1 && cells.last().is_some_and(|last| last.trim().is_empty()) {
            cells.pop();
        } else if cells.len() + 1 == width && header.0.last().is_some_and(String::is_empty) {
            cells.push(String::new());
        }
        if cells.len() != width {
            return Err(format!(
                "{} columns where the header has {width}",
                cells.len()
            ));
        }
        self.rows.read(&Record(cells), &mut self.ready);
        Ok(())
    }
}

impl<R: BufRead, T: Rows> Iterator for Table<R, T> {
    type Item = Result<T::Item, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                let line = self.line;
                return Some(item.map_err(|reason| Rejected { line, reason }));
            }
            if self.ended {
                return None;
            }
            match self.records.next() {
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.error = Some(error);
                    self.ended = true;
                }
                Ok(Some(Err(rejected))) => {
                    self.line = rejected.line;
                    return Some(Err(rejected));
                }
                Ok(Some(Ok((line, mut cells)))) => {
                    self.line = line;
                    if let Err(reason) = self.record(&mut cells) {
                        return Some(Err(Rejected { line, reason }));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEMICOLON: Dialect = Dialect {
        separator: ';',
        quotes: true,
    };

    /// Hands out the cells themselves.
    struct Told(usize);

    impl Rows for Told {
        type Item = Vec<String>;

        fn header(&mut self, header: &Header) -> Result<(), String> {
            header.need("b")?;
            self.0 = header.names().len();
            Ok(())
        }

        fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Vec<String>, String>>) {
            out.push_back(Ok((0..self.0)
                .map(|at| record.cell(at).to_owned())
                .collect()));
        }
    }

    fn read(text: &str) -> Vec<Result<String, String>> {
        let reader = io::BufReader::with_capacity(5, text.as_bytes());
        let table = Table::new(reader, SEMICOLON, Told(0));
        let told = |rejected: Rejected| format!("{}: {}", rejected.line, rejected.reason);
        table
            .map(|row| row.map(|cells| cells.join("|")).map_err(told))
            .collect()
    }

    fn ok(cells: &str) -> Result<String, String> {
        Ok(cells.to_owned())
    }

    fn bad(reason: &str) -> Result<String, String> {
        Err(reason.to_owned())
    }

    #[test]
    fn quotes_hold_separators_lines_and_quotes() {
        let text = "A; B \n1;\"two; and \"\"more\"\"\nlines\"\r\n3;4\" pipe\n5;\" 6 \"\n";
        let want = ["1|two; and \"more\"\nlines", "3|4\" pipe", "5|6"];
        assert_eq!(read(text), want.map(ok));
    }

    #[test]
    fn a_quote_that_nothing_closes_costs_its_own_line_only() {
        let read = read("a;b\n1;\"2\n3;4\n5;6\n");
        assert_eq!(
            read,
            [bad("2: a quote that nothing closes"), ok("3|4"), ok("5|6")]
        );
    }

    #[test]
    fn widths_are_checked_and_a_last_separator_forgiven() {
        assert_eq!(read("a;b\n1;2;\n"), [ok("1|2")]);
        assert_eq!(read("a;b;\n1;2\n3;4;\n"), [ok("1|2|"), ok("3|4|")]);
        assert_eq!(
            read("a;b\n1\n1;2;3\n"),
            [
                bad("2: 1 columns where the header has 2"),
                bad("3: 3 columns where the header has 2")
            ]
        );
        let many = format!("a;b\n{}\n", ";".repeat(20_000));
        assert_eq!(read(&many).len(), 1);
    }

    #[test]
    fn nothing_is_read_without_the_columns() {
        assert_eq!(read("a;c\n1;2\n"), [bad("1: header: no column `b`")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let bytes: &[u8] = b"a;b\n1;\xff\n3;4\n";
        let rows: Vec<_> = Table::new(bytes, SEMICOLON, Told(0)).collect();
        assert!(rows[0].as_ref().is_err_and(|why| why.reason == "not UTF-8"));
        assert_eq!(rows.len(), 2);
    }
}
