//! `sigcast publish`: ready-made signals into the log, one a line, each answered with its seq.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
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

const BATCH: usize = 500;

/// Runs it.
pub async fn run(args: PublishArgs) -> Result<Outcome> {
    let opened = args.data.open().await?;
    let reader: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let name = args.file.display();
        Box::new(fs::File::open(&args.file).with_context(|| format!("{name} cannot be opened"))?)
    };
    let mut input = Input {
        reader: BufReader::new(reader),
        line: 0,
    };
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
        if batch.len() >= BATCH {
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

struct Input<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Input<R> {
    /// The next signal and the line that it begins on. An object that does not end on its line goes on until it is whole.
    fn next_signal(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        let mut text = Vec::new();
        let mut begins = 0;
        loop {
            let before = text.len();
            let limit = (publish::MAX_SIGNAL_BYTES * 2 + 1).saturating_sub(before) as u64;
            let read = (&mut self.reader)
                .take(limit)
                .read_until(b'\n', &mut text)
                .context("reading failed")?;
            if read == 0 && (before == 0 || limit > 0) {
                return Ok((!text.is_empty()).then_some((begins, text)));
            }
            self.line += 1;
            if text.trim_ascii().is_empty() {
                text.clear();
                continue;
            }
            if before == 0 {
                begins = self.line;
            }
            if read as u64 == limit || !is_open(&text) {
                return Ok(Some((begins, text)));
            }
        }
    }
}

/// Whether the text is the beginning of a JSON value that has not ended.
fn is_open(text: &[u8]) -> bool {
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => false,
        Err(error) => error.is_eof(),
    }
}
