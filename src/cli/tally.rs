//! What became of much input: counts, the bad pieces with their reasons, and the exit status that follows.

use std::{fmt, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    outcome::{Outcome, complain},
    progress::Progress,
};

/// Bad pieces named; further ones are counted.
const MOST_NAMED: u64 = 1_000;

/// A file, or a line of it, that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: String,
    /// Its line, or the ordinal of its element; `None`: the whole file.
    pub line: Option<u64>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

/// Counts of what was read.
#[derive(Debug, Default)]
pub struct Tally {
    /// Taken.
    pub accepted: u64,
    /// Known already.
    pub duplicate: u64,
    /// Not taken.
    pub rejected: u64,
    named: Vec<Refusal>,
    failed: Vec<anyhow::Error>,
}

impl Tally {
    /// Names a piece that was not taken, at once.
    pub fn refuse(&mut self, progress: &Progress, refusal: Refusal) {
        self.rejected += 1;
        if self.rejected <= MOST_NAMED {
            progress.note(&refusal.to_string());
            self.named.push(refusal);
        } else if self.rejected == MOST_NAMED + 1 {
            progress.note("further bad ones are only counted");
        }
    }

    /// Notes that a file could not be read, or not to its end: the others may be good.
    pub fn fail(&mut self, file: &Path, error: impl Into<anyhow::Error>) {
        let error = error.into().context(file.display().to_string());
        self.failed.push(error);
    }

    /// The pieces that were not taken, as JSON.
    pub fn rejected(&self) -> Value {
        let named = self.named.iter().map(|one| match one.line {
            Some(line) => json!({"file": one.file, "line": line, "reason": one.reason}),
            None => json!({"file": one.file, "reason": one.reason}),
        });
        named.collect()
    }

    /// How the command ends.
    pub fn outcome(mut self) -> Result<Outcome> {
        if self.accepted + self.duplicate + self.rejected == 0 && !self.failed.is_empty() {
            return Err(self.failed.remove(0));
        }
        for error in &self.failed {
            complain(format!("{error:#}"));
        }
        if self.failed.is_empty() && self.rejected == 0 {
            Ok(Outcome::Good)
        } else {
            Ok(Outcome::SomeBad)
        }
    }
}
