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
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => ExitCode::SUCCESS,
            Outcome::SomeBad => ExitCode::from(2),
        }
    }
}

/// A line to standard output. A reader that is gone ends the command as quietly as it left.
pub fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush())
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// A line to standard error.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
