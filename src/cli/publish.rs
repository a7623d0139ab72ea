//! `sigcast publish`: ready-made signals into the log, one a line, each answered with its seq.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, answer, complain},
};
use crate::{
    model::publish::{self, NewSignal},
    store::log::Published,
};

/// What `publish` takes.
#[derive(Debug, Clone, Args)]
pub struct PublishArgs {
    /// A file of signals, one JSON object a line (or a single object over several lines); `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Answer in JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Signals in one transaction.
const BATCH: usize = 500;
/// Read at a time: enough for a whole batch of a file.
const READ_BYTES: usize = 512 * 1024;

/// Runs it.
pub async fn run(args: PublishArgs) -> Result<Outcome> {
    let opened = args.data.open().await?;
    let reader: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let name = args.file.display();
        Box::new(fs::File::open(&args.file).with_context(|| format!("{name} cannot be opened"))?)
    };
    let mut input = Input::new(BufReader::with_capacity(READ_BYTES, reader));
    let mut outcome = Outcome::Good;
    let mut answers = Answers {
        json: args.json,
        read: true,
    };
    let mut batch: Vec<NewSignal> = Vec::new();
    while let Some((number, text)) = input.next_signal()? {
        let prepared = std::str::from_utf8(&text)
            .map_err(|_| "not UTF-8".to_owned())
            .and_then(|text| {
                publish::prepare(text, || opened.random.uuid()).map_err(|e| e.to_string())
            });
        match prepared {
            Ok(signal) => batch.push(signal),
            Err(reason) => {
                outcome = Outcome::SomeBad;
                complain(format!("{}:{number}: {reason}", args.file.display()));
            }
        }
        // who sends as things happen, and then waits, is not kept waiting
        if batch.len() >= BATCH || !input.has_line() {
            append(&opened, &mut batch, &mut answers).await?;
        }
    }
    append(&opened, &mut batch, &mut answers).await?;
    opened.db.close().await;
    Ok(outcome)
}

async fn append(opened: &Opened, batch: &mut Vec<NewSignal>, answers: &mut Answers) -> Result<()> {
    for one in opened.db.publish(batch, opened.clock.now()).await? {
        answers.give(&one);
    }
    batch.clear();
    Ok(())
}

/// What became of each signal, for as long as somebody reads it. The signals are the work: they go in either way.
struct Answers {
    json: bool,
    read: bool,
}

impl Answers {
    fn give(&mut self, one: &Published) {
        if !self.read {
            return;
        }
        let shown = if self.json {
            answer(json!({"id": one.id, "seq": one.seq, "duplicate": one.duplicate}))
        } else {
            let known = if one.duplicate {
                " (known already)"
            } else {
                ""
            };
            answer(format!("{} {}{known}", one.seq, one.id))
        };
        if let Err(error) = shown {
            self.read = false;
            complain(format!(
                "answers can no longer be written ({error}); publishing goes on without them"
            ));
        }
    }
}

/// A line and its number, from 1.
type Line = (u64, Vec<u8>);

/// More than a signal may have, also with its white space.
const MOST_BYTES: usize = publish::MAX_SIGNAL_BYTES * 2;

struct Input<R> {
    reader: BufReader<R>,
    line: u64,
    /// Lines that were read as the rest of an object, and are none.
    put_back: VecDeque<Line>,
}

impl<R: Read> Input<R> {
    fn new(reader: BufReader<R>) -> Self {
        Input {
            reader,
            line: 0,
            put_back: VecDeque::new(),
        }
    }

    /// The next signal and the line that it begins on. An object that does not end on its line goes on until it is whole.
    ///
    /// Where it never is, its first line alone is to blame: a line that was cut short must not take others with it.
    fn next_signal(&mut self) -> Result<Option<Line>> {
        let Some((begins, first)) = self.next_line()? else {
            return Ok(None);
        };
        let mut whole = first.clone();
        let mut rest = Vec::new();
        while is_open(&whole) && whole.len() <= MOST_BYTES {
            let Some((number, line)) = self.next_line()? else {
                break;
            };
            whole.push(b'\n');
            whole.extend_from_slice(&line);
            rest.push((number, line));
        }
        if rest.is_empty() || serde_json::from_slice::<IgnoredAny>(&whole).is_ok() {
            return Ok(Some((begins, whole)));
        }
        for line in rest.into_iter().rev() {
            self.put_back.push_front(line);
        }
        Ok(Some((begins, first)))
    }

    /// The next line that is not empty. Of one that is too long to be a signal, only so much that it shows.
    fn next_line(&mut self) -> Result<Option<Line>> {
        if let Some(line) = self.put_back.pop_front() {
            return Ok(Some(line));
        }
        loop {
            let mut text = Vec::new();
            self.line += 1;
            if self.read_until_end(&mut text, MOST_BYTES + 1)? {
                return Ok((!text.trim_ascii().is_empty()).then_some((self.line, text)));
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some((self.line, text)));
            }
        }
    }

    /// Whether the next line is here already.
    fn has_line(&self) -> bool {
        !self.put_back.is_empty() || self.reader.buffer().contains(&b'\n')
    }

    /// Reads to the end of a line and keeps at most `most` of it, without the line feed; whether the input ended there.
    fn read_until_end(&mut self, text: &mut Vec<u8>, most: usize) -> Result<bool> {
        loop {
            let piece = self.reader.fill_buf().context("reading failed")?;
            if piece.is_empty() {
                return Ok(true);
            }
            let end = piece.iter().position(|&byte| byte == b'\n');
            let length = end.unwrap_or(piece.len());
            let room = most.saturating_sub(text.len());
            text.extend_from_slice(&piece[..length.min(room)]);
            self.reader.consume(end.map_or(length, |end| end + 1));
            if end.is_some() {
                return Ok(false);
            }
        }
    }
}

/// Whether the text is the beginning of a JSON value that has not ended.
fn is_open(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, String)> {
        // a small buffer: lines come in pieces
        let mut input = Input::new(BufReader::with_capacity(7, text));
        let mut found = Vec::new();
        while let Some((line, text)) = input.next_signal().unwrap() {
            found.push((line, String::from_utf8(text).unwrap()));
        }
        found
    }

    fn expect(text: &str, expected: &[(u64, &str)]) {
        let found = read(text.as_bytes());
        let found: Vec<_> = found.iter().map(|(n, text)| (*n, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_object_may_take_several_lines() {
        expect(
            "\n{\"a\":\n\n[{\"b\":1}\n]}\n{}\r\n\n{}",
            &[(2, "{\"a\":\n[{\"b\":1}\n]}"), (6, "{}\r"), (8, "{}")],
        );
    }

    #[test]
    fn a_line_cut_short_takes_no_other_with_it() {
        expect(
            "{\"a\":\n{\"b\":1}\n{\"c\":\n{\"d\":1}",
            &[
                (1, "{\"a\":"),
                (2, "{\"b\":1}"),
                (3, "{\"c\":"),
                (4, "{\"d\":1}"),
            ],
        );
    }

    #[test]
    fn a_line_too_long_is_one_line() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 * MOST_BYTES));
        let found = read(format!("{long}\n{{}}").as_bytes());
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[0].1.len()), (1, MOST_BYTES + 1));
        assert!(publish::prepare(&found[0].1, || unreachable!()).is_err());
        assert_eq!(found[1], (2, "{}".to_owned()));
    }

    proptest! {
        #[test]
        fn every_whole_line_is_found(lines in prop::collection::vec("[\\[{\"a:1,}\\]]{0,9}|\\{\"good\":1\\}", 0..12)) {
            let found = read(lines.join("\n").as_bytes());
            let good = |text: &str| text == "{\"good\":1}";
            let expected = lines.iter().filter(|line| good(line)).count();
            // inside a larger object that is whole, it is a part of that one
            let alone = found.iter().filter(|(_, text)| good(text)).count();
            let within: usize = found
                .iter()
                .filter(|(_, text)| text.contains('\n') && !is_open(text.as_bytes()))
                .map(|(_, text)| text.lines().filter(|line| good(line)).count())
                .sum();
            prop_assert_eq!(alone + within, expected);
        }
    }
}
