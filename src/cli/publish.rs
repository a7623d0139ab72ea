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
    model::{
        fact_line::BYTE_ORDER_MARK,
        publish::{self, NewSignal},
    },
    store::log::Published,
};

/// What `publish` takes.
#[derive(Debug, Clone, Args)]
pub struct PublishArgs {
    /// A file of signals, one JSON object a line, or one object alone over several lines; `-` is standard input
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

/// As long as a line may be.
const MOST_BYTES: usize = publish::MAX_TEXT_BYTES;

struct Input<R> {
    reader: BufReader<R>,
    line: u64,
    /// Lines that were read in the hope of one object, and are none.
    put_back: VecDeque<Line>,
    begun: bool,
}

impl<R: Read> Input<R> {
    fn new(reader: BufReader<R>) -> Self {
        Input {
            reader,
            line: 0,
            put_back: VecDeque::new(),
            begun: false,
        }
    }

    /// The next signal and its line.
    fn next_signal(&mut self) -> Result<Option<Line>> {
        if std::mem::replace(&mut self.begun, true) {
            return self.next_line();
        }
        self.first_signal()
    }

    /// The first one may be all there is, spread over many lines. In every other case a line is a signal, or is refused alone: one
    /// that was cut short must not take others with it.
    fn first_signal(&mut self) -> Result<Option<Line>> {
        let Some((begins, mut whole)) = self.next_line()? else {
            return Ok(None);
        };
        let first = whole.len();
        let mut lines = Vec::new();
        // looked at now and then, and before every wait: text that is read again for each of its lines is read for ever
        let mut look_at = 0;
        let is_one = loop {
            if (whole.len() >= look_at || !self.has_line()) && !is_open(&whole) {
                break lines.is_empty() || (is_object(&whole) && self.next_is_none(&mut lines)?);
            }
            if whole.len() >= look_at {
                look_at = whole.len() * 2;
            }
            match self.next_line()? {
                Some((number, line)) if whole.len() + line.len() < MOST_BYTES => {
                    whole.push(b'\n');
                    whole.extend_from_slice(&line);
                    lines.push((number, line));
                }
                Some(line) => {
                    lines.push(line);
                    break false;
                }
                None => break is_object(&whole),
            }
        };
        if !is_one {
            whole.truncate(first);
            for line in lines.into_iter().rev() {
                self.put_back.push_front(line);
            }
        }
        Ok(Some((begins, whole)))
    }

    /// Whether no line is left; one that is goes to the others.
    fn next_is_none(&mut self, lines: &mut Vec<Line>) -> Result<bool> {
        let next = self.next_line()?;
        let none = next.is_none();
        lines.extend(next);
        Ok(none)
    }

    /// The next line that is not empty. Of one that is too long to be a signal, only so much that it shows.
    fn next_line(&mut self) -> Result<Option<Line>> {
        if let Some(line) = self.put_back.pop_front() {
            return Ok(Some(line));
        }
        loop {
            let mut text = Vec::new();
            self.line += 1;
            let ended = self.read_until_end(&mut text, MOST_BYTES + 1)?;
            if self.line == 1 && text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len());
            }
            if ended {
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

/// Whether the text is one JSON value.
fn is_object(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
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
        read_with(text, 7)
    }

    fn read_with(text: &[u8], buffer: usize) -> Vec<(u64, String)> {
        let mut input = Input::new(BufReader::with_capacity(buffer, text));
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
    fn a_byte_order_mark_does_no_harm() {
        let told = read("\u{feff}{\"a\":1}\n\u{feff}{}\n".as_bytes());
        let want = [(1, "{\"a\":1}".to_owned()), (2, "\u{feff}{}".to_owned())];
        assert_eq!(told, want, "before the first line alone");
    }

    #[test]
    fn an_object_alone_may_take_several_lines() {
        expect(
            "\n{\"a\":\n\n[{\"b\":1}\n]}\r\n\n",
            &[(2, "{\"a\":\n[{\"b\":1}\n]}\r")],
        );
    }

    #[test]
    fn a_line_cut_short_takes_no_other_with_it() {
        for cut in ["{\"n\":1", "{\"n\":", "{\"n\":[", "{\"n", "{"] {
            expect(
                &format!("{cut}\n{{\"b\":1}}\n{cut}\n{{\"d\":1}}"),
                &[(1, cut), (2, "{\"b\":1}"), (3, cut), (4, "{\"d\":1}")],
            );
        }
        // whole as they are, but not alone
        expect(
            "{\"a\":\n{\"b\":1}\n}\n{\"c\":1}",
            &[(1, "{\"a\":"), (2, "{\"b\":1}"), (3, "}"), (4, "{\"c\":1}")],
        );
    }

    #[test]
    fn many_lines_cut_short_are_read_in_no_time() {
        let text = "{\"a\":[\n".repeat(200_000);
        assert_eq!(read_with(text.as_bytes(), READ_BYTES).len(), 200_000);
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
            let text = lines.join("\n");
            let found = read(text.as_bytes());
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(found.len(), 1);
                return Ok(());
            }
            // what the HTTP listener takes of the same bytes
            let expected: Vec<_> = (1..)
                .zip(text.split('\n'))
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(number, line)| (number, line.to_owned()))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
