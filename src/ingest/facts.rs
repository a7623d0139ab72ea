//! Opening a source: bytes and a format in, facts and reasons out, one at a time.

use std::{collections::VecDeque, io, io::BufRead};

use super::{
    helius::Helius,
    jupiter::JupiterTokens,
    pumpfun::PumpfunCsv,
    rugcheck::Rugcheck,
    source::{Elements, Format, Importer, Lines, Rejected},
};
use crate::model::{fact_line, swap::Fact, time::Time};

/// The facts of a file or body, read as they are asked for: one row is held at a time.
///
/// Ends at the end of the stream or at the first read error; ask [`Facts::error`] which of the two it was.
pub struct Facts<R> {
    rows: Rows<R>,
    importer: Box<dyn Importer + Send>,
    row: Vec<u8>,
    read: Vec<Fact>,
    ready: VecDeque<Fact>,
    line: u64,
    error: Option<io::Error>,
    ended: bool,
}

enum Rows<R> {
    Lines(Lines<R>),
    Elements(Elements<R>),
}

/// Our own lines.
#[derive(Debug, Default)]
struct Ndjson;

impl Importer for Ndjson {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        out.push(fact_line::parse(row).map_err(|e| e.0)?);
        Ok(())
    }
}

impl<R: BufRead> Facts<R> {
    /// Reads `reader` as `format`. `received_at` is the event time of Helius transactions that carry none (a webhook's moment of
    /// arrival, or what the operator gave); without it they are rejected. Other formats carry their times.
    pub fn new(format: Format, reader: R, received_at: Option<Time>) -> Self {
        let (rows, importer): (_, Box<dyn Importer + Send>) = match format {
            Format::Ndjson => (Rows::Lines(Lines::new(reader)), Box::new(Ndjson)),
            Format::PumpfunCsv => (
                Rows::Lines(Lines::new(reader)),
                Box::new(PumpfunCsv::default()),
            ),
            Format::JupiterTokens => (
                Rows::Elements(Elements::new(reader, true)),
                Box::new(JupiterTokens),
            ),
            Format::Rugcheck => (
                Rows::Elements(Elements::new(reader, false)),
                Box::new(Rugcheck),
            ),
            Format::Helius => (
                Rows::Elements(Elements::new(reader, false)),
                Box::new(Helius { received_at }),
            ),
        };
        Facts {
            rows,
            importer,
            row: Vec::new(),
            read: Vec::new(),
            ready: VecDeque::new(),
            line: 0,
            error: None,
            ended: false,
        }
    }

    /// The line (or ordinal of the element) of the item handed out last: a fact may still be refused further on.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Why the stream ended before its end, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

impl<R: BufRead> Iterator for Facts<R> {
    type Item = Result<Fact, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(fact) = self.ready.pop_front() {
                return Some(Ok(fact));
            }
            if self.ended {
                return None;
            }
            let (next, elements) = match &mut self.rows {
                Rows::Lines(lines) => (lines.next(&mut self.row), false),
                Rows::Elements(elements) => (elements.next(&mut self.row), true),
            };
            let line = match next {
                Ok(Some(Ok(line))) => line,
                Ok(Some(Err(rejected))) => {
                    self.line = rejected.line;
                    return Some(Err(rejected));
                }
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => {
                    self.error = Some(error);
                    self.ended = true;
                    return None;
                }
            };
            self.line = line;
            match self.importer.read(&self.row, &mut self.read) {
                Ok(()) => self.ready.extend(self.read.drain(..)),
                Err(reason) => {
                    self.read.clear();
                    let reason = if elements {
                        format!("element {line}: {reason}")
                    } else {
                        reason
                    };
                    return Some(Err(Rejected { line, reason }));
                }
            }
        }
    }
}
