//! Reading a store's file: line by line in bounded memory, each held against what has to be there, and all of it against the last one.

use std::{
    io::{self, BufRead, Read as _},
    slice,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::file::{Contents, FORMAT, Header, Heading, Tally, Trailer};
use crate::{
    model::log::Position,
    store::{
        accounts::hex,
        row_line::Row,
        tables::{TABLES, Table, step},
    },
};

/// A longer line is none of ours: a filing is the longest, of a megabyte.
const MOST_BYTES: u64 = 64 << 20;
/// What is handed on at once: so many bytes of lines, or so many rows.
const PIECE_BYTES: usize = 1 << 20;
const PIECE_ROWS: usize = 1_000;

/// Why a file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("line 1: this is no export of sigcast")]
    Foreign,
    /// Its form is one of a later program.
    #[error(
        "it is of a later form ({0}) than this program knows ({FORMAT}); use the program that wrote it, or a newer one"
    )]
    Later(u32),
    /// Its tables are not those of this program.
    #[error(
        "its tables are of step {step}, written by {writer}, and those of this program of step {own}; import it with that one and start this program \
         on it then, or export it anew with this program, which brings the tables up to date",
        own = crate::store::tables::step()
    )]
    Step {
        /// Of the file.
        step: i64,
        /// Which program wrote it, in words.
        writer: String,
    },
    /// A line that cannot be.
    #[error("line {number}: {why}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Its last line is missing.
    #[error("it has no end: it breaks off behind line {0}")]
    Cut(u64),
    /// Its last line says something else.
    #[error("it was changed: {0} is not what its last line says")]
    Changed(String),
    /// Its lines are those that were written, and do not fit together.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// A part of a file.
#[derive(Debug)]
pub enum Piece {
    /// Rows of a table.
    Rows {
        /// Which.
        table: &'static Table,
        /// The line of the first, from 1.
        line: u64,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Its end: it is whole, and this was in it.
    End(Contents),
}

/// Reads a file.
pub struct Reader<R> {
    input: R,
    hash: Sha256,
    /// Lines so far.
    number: u64,
    tally: Option<Tally>,
    tables: slice::Iter<'static, Table>,
    table: Option<&'static Table>,
    /// A line that was read, and belongs to the next piece.
    held: Option<String>,
}

impl<R: BufRead> Reader<R> {
    /// Begins to read one.
    pub fn open(input: R) -> Result<(Self, Header), FileError> {
        let mut reader = Reader {
            input,
            hash: Sha256::new(),
            number: 0,
            tally: None,
            tables: TABLES.iter(),
            table: None,
            held: None,
        };
        let line = match reader.line() {
            Err(FileError::Cut(_) | FileError::Line { .. }) => return Err(FileError::Foreign),
            line => line?,
        };
        #[derive(Deserialize)]
        struct Form {
            sigcast_store: u32,
        }
        let form: Form = serde_json::from_str(&line).map_err(|_| FileError::Foreign)?;
        if form.sigcast_store > FORMAT {
            return Err(FileError::Later(form.sigcast_store));
        }
        let header: Header = serde_json::from_str(&line).map_err(|_| FileError::Foreign)?;
        if header.step != step() {
            let (step, writer) = (header.step, writer(&header.program));
            return Err(FileError::Step { step, writer });
        }
        // it is shown, and what is no epoch may be anything
        if Position::parse(&format!("{}-0", header.epoch)).is_none() {
            return Err(reader.wrong("`epoch` is 8 hexadecimal digits"));
        }
        reader.take(&line);
        reader.tally = Some(Tally::new(header.log()));
        Ok((reader, header))
    }

    /// The next part.
    pub fn next(&mut self) -> Result<Piece, FileError> {
        let (mut rows, mut bytes, mut first) = (Vec::new(), 0, 0);
        loop {
            let line = match self.held.take() {
                Some(line) => line,
                None => self.line()?,
            };
            if let (b'[', Some(table)) = (line.as_bytes().first().unwrap_or(&b' '), self.table) {
                let row = Row::parse(table, &line).map_err(|why| self.wrong(why))?;
                if let Some(tally) = &mut self.tally {
                    tally.row(&row, &line);
                }
                self.take(&line);
                if rows.is_empty() {
                    first = self.number;
                }
                bytes += line.len();
                rows.push(row);
                if bytes < PIECE_BYTES && rows.len() < PIECE_ROWS {
                    continue;
                }
            } else {
                self.held = Some(line);
            }
            if let (false, Some(table)) = (rows.is_empty(), self.table) {
                let line = first;
                return Ok(Piece::Rows { table, line, rows });
            }
            let line = self.held.take().unwrap_or_default();
            match self.tables.as_slice().is_empty() {
                true => return self.end(&line).map(Piece::End),
                false => self.heading(&line)?,
            }
        }
    }

    fn heading(&mut self, line: &str) -> Result<(), FileError> {
        let table = self.tables.next();
        let expected = table.map(Heading::of);
        let given: Option<Heading> = serde_json::from_str(line).ok();
        let Some(table) = table.filter(|_| given == expected) else {
            let name = table.map_or("", |table| table.name);
            return Err(self.wrong(format!(
                "the columns of {name} are expected, or another row"
            )));
        };
        self.table = Some(table);
        if let Some(tally) = &mut self.tally {
            tally.begin(table);
        }
        self.take(line);
        Ok(())
    }

    fn end(&mut self, line: &str) -> Result<Contents, FileError> {
        let told: Result<Trailer, _> = serde_json::from_str(line);
        let told = told.map_err(|_| self.wrong("the end is expected, or another row"))?;
        let mut rest = Vec::new();
        (&mut self.input).take(1).read_to_end(&mut rest)?;
        if !rest.is_empty() {
            self.number += 1;
            return Err(self.wrong("there is more behind the end"));
        }
        let tally = self.tally.take();
        let contradiction = tally.as_ref().and_then(Tally::contradiction);
        let contents = tally.map(Tally::contents).unwrap_or_default();
        if let Some(what) = contents.difference(&told.end.contents) {
            return Err(FileError::Changed(what));
        }
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        if told.end.lines != self.number || told.end.sha256 != sha256 {
            return Err(FileError::Changed("its digest".to_owned()));
        }
        match contradiction {
            Some(what) => Err(FileError::Contradiction(what)),
            None => Ok(contents),
        }
    }

    /// A line, without its break; not yet counted.
    fn line(&mut self) -> Result<String, FileError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.input).take(MOST_BYTES);
        let read = bounded.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(match read as u64 == MOST_BYTES {
                true => self.wrong("it is too long"),
                false => FileError::Cut(self.number),
            });
        }
        line.pop();
        String::from_utf8(line).map_err(|_| self.wrong("it is not UTF-8"))
    }

    /// Counts a line: it is what it has to be.
    fn take(&mut self, line: &str) {
        self.number += 1;
        self.hash.update(line);
        self.hash.update("\n");
    }

    /// Of the line that is looked at.
    fn wrong(&self, why: impl ToString) -> FileError {
        FileError::Line {
            number: self.number + 1,
            why: why.to_string(),
        }
    }
}

/// A longer version is none.
const MOST_VERSION: usize = 40;

/// Which program wrote a file, by what its first line says, which may be anything.
fn writer(program: &str) -> String {
    if program == env!("CARGO_PKG_VERSION") {
        // builds between two versions have steps of their own
        return format!("another build of sigcast {program}");
    }
    let shown: String = program.chars().take(MOST_VERSION).collect();
    format!("sigcast {}", shown.escape_debug())
}
