//! How a command ends, and how it writes: exit codes, and standard output that survives a closed pipe.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All good: 0.
    Good,
    /// Some input was bad, and was listed; the rest went in: 2.
    SomeBad,
    /// What was asked is answered, and the answer is bad: 1.
    Bad,
    /// A signal of this number ended it: 128 and the number, as shells have it of programs that signals end.
    Stopped(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => ExitCode::SUCCESS,
            Outcome::SomeBad => ExitCode::from(2),
            Outcome::Bad => ExitCode::FAILURE,
            Outcome::Stopped(number) => ExitCode::from(128 + number),
        }
    }
}

/// A line to standard output that is the very thing asked for.
pub fn answer(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush())
}

/// A line to standard output beside the work itself: whether somebody reads it changes nothing.
pub fn say(line: impl Display) {
    let _ = answer(line);
}

/// `… | head` ends well: the one who reads has seen enough.
pub fn quiet_if_nobody_reads(ended: anyhow::Result<()>) -> anyhow::Result<()> {
    match ended {
        Err(e)
            if e.downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// A line to standard error.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
