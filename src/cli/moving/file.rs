//! A store as a file: NDJSON that begins with what it is of, holds each table's rows behind its columns, and ends with what by then was in it,
//! by which nothing of it can be missing or changed without notice.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    model::{
        digest::Rolling,
        log::{LogHead, Position},
        signal::wire,
        time::Time,
    },
    store::{
        accounts::hex,
        row_line::Row,
        tables::{LOG_HEAD, LOG_TAIL, SIGNALS, Table, step},
    },
};

/// The form that this page describes.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The file's form.
    pub sigcast_store: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// The last step that the tables had taken.
    pub step: i64,
    /// When it was written, ISO 8601.
    pub at: String,
    /// The log's name.
    pub epoch: String,
    /// The first seq that was left in it.
    pub oldest: i64,
    /// Its last seq.
    pub head: i64,
}

impl Header {
    /// Of a store whose log stands so.
    #[must_use]
    pub fn new(log: &LogHead, at: Time) -> Self {
        Header {
            sigcast_store: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            step: step(),
            at: at.to_string(),
            epoch: log.epoch.to_string(),
            oldest: log.oldest,
            head: log.seq,
        }
    }

    /// How the log stood.
    #[must_use]
    pub fn log(&self) -> LogHead {
        LogHead {
            epoch: self.epoch.as_str().into(),
            seq: self.head,
            oldest: self.oldest,
        }
    }
}

/// Before a table's rows.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// Which table.
    pub table: String,
    /// What the values of each row are.
    pub columns: Vec<String>,
}

impl Heading {
    /// Of a table.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        Heading {
            table: table.name.to_owned(),
            columns: table
                .columns()
                .map(|column| column.name.to_owned())
                .collect(),
        }
    }
}

/// A table's rows, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many there are.
    pub rows: u64,
    /// SHA-256 of their lines.
    pub sha256: String,
}

/// The log, as `GET /api/signals/digest` sums it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Its first row.
    pub from: String,
    /// Its last.
    pub to: String,
    /// How many there are.
    pub count: u64,
    /// The rolling digest.
    pub digest: String,
}

/// What a store holds, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// By table.
    pub tables: BTreeMap<String, Sum>,
    /// The log.
    pub log: Log,
}

impl Contents {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|sum| sum.rows).sum()
    }

    /// What is not the same in another, if anything is.
    #[must_use]
    pub fn difference(&self, other: &Contents) -> Option<String> {
        let names = self.tables.keys().chain(other.tables.keys());
        let mut unlike = names.filter(|name| self.tables.get(*name) != other.tables.get(*name));
        match unlike.next() {
            Some(table) => Some(format!("the rows of {table}")),
            None => (self.log != other.log).then(|| "the log's digest".to_owned()),
        }
    }
}

/// The last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// What stands before it.
    pub end: End,
}

/// What stands before the last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Lines.
    pub lines: u64,
    /// What they hold.
    #[serde(flatten)]
    pub contents: Contents,
    /// SHA-256 of all of their bytes.
    pub sha256: String,
}

/// Sums a store up while it is read.
pub struct Tally {
    log: LogHead,
    contents: Contents,
    table: Option<(&'static Table, u64, Sha256)>,
    rolling: Rolling,
    seen: Seen,
}

/// What rows say of the log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    epoch: Option<String>,
    head: Option<i64>,
    oldest: Option<i64>,
    /// The last signal.
    last: Option<i64>,
}

impl Tally {
    /// Of a store whose log stands so.
    #[must_use]
    pub fn new(log: LogHead) -> Self {
        Tally {
            log,
            contents: Contents::default(),
            table: None,
            rolling: Rolling::default(),
            seen: Seen::default(),
        }
    }

    /// The next table begins.
    pub fn begin(&mut self, table: &'static Table) {
        self.finish();
        self.table = Some((table, 0, Sha256::new()));
    }

    /// A row of it, and its line.
    pub fn row(&mut self, row: &Row, line: &str) {
        let Some((table, rows, hash)) = &mut self.table else {
            return;
        };
        *rows += 1;
        hash.update(line);
        hash.update("\n");
        match table.name {
            LOG_HEAD => {
                self.seen.epoch = row.text(table, "epoch").map(str::to_owned);
                self.seen.head = row.int(table, "seq");
            }
            LOG_TAIL => self.seen.oldest = row.int(table, "oldest"),
            // in the order of their key
            SIGNALS => self.seen.last = row.int(table, "seq"),
            _ => {}
        }
        if let Some(row) = row.log_row(table) {
            self.contents.log.count += 1;
            self.rolling = self.rolling.and(wire(&row).as_bytes());
        }
    }

    fn finish(&mut self) {
        if let Some((table, rows, hash)) = self.table.take() {
            let sha256 = hex(&hash.finalize());
            let sum = Sum { rows, sha256 };
            self.contents.tables.insert(table.name.to_owned(), sum);
        }
    }

    /// Where rows say something else of the log than what it was said to be at the beginning: the seqs that clients have would mean other signals.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let LogHead { epoch, seq, oldest } = &self.log;
        let seen = &self.seen;
        let head = (seen.epoch.as_deref(), seen.head, seen.oldest);
        if head != (Some(&**epoch), Some(*seq), Some(*oldest)) {
            return Some("its first line tells of another log than its log_head and log_tail do");
        }
        // none is left where all were removed for their age
        let last = (oldest <= seq).then_some(*seq);
        (seen.last != last).then_some("its last signal is another one than its first line says")
    }

    /// What it came to.
    #[must_use]
    pub fn contents(mut self) -> Contents {
        self.finish();
        let LogHead { epoch, seq, oldest } = self.log;
        let place = |seq| {
            let epoch = epoch.clone();
            Position { epoch, seq }.to_string()
        };
        self.contents.log.from = place(oldest);
        self.contents.log.to = place(seq);
        self.contents.log.digest = self.rolling.to_string();
        self.contents
    }
}

/// Writes lines, and knows what was written.
pub struct Lines<W> {
    out: W,
    hash: Sha256,
    lines: u64,
    bytes: u64,
}

impl<W: Write> Lines<W> {
    /// Into this.
    pub fn new(out: W) -> Self {
        Lines {
            out,
            hash: Sha256::new(),
            lines: 0,
            bytes: 0,
        }
    }

    /// A line that is there already.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        self.hash.update(line);
        self.hash.update("\n");
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
        Ok(())
    }

    /// A line of JSON.
    pub fn json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        self.line(&serde_json::to_string(value)?)
    }

    /// The last line; how many bytes there are with it.
    pub fn end(mut self, contents: Contents) -> io::Result<(W, u64)> {
        let hash = std::mem::take(&mut self.hash);
        let end = End {
            lines: self.lines,
            contents,
            sha256: hex(&hash.finalize()),
        };
        self.json(&Trailer { end })?;
        self.out.flush()?;
        Ok((self.out, self.bytes))
    }
}
