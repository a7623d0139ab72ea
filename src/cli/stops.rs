//! Signals that end a command which has something to put away first: an interrupt, a request to end, a terminal that is gone.

use std::{fmt, future::Future};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::outcome::Outcome;
use crate::app::system;

/// Listens to them: from when it is made on, they do nothing else.
pub struct Stops {
    interrupts: Signal,
    terminations: Signal,
    /// None where `nohup` has it ignored, which listening would undo.
    hangups: Option<Signal>,
}

/// One that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(SignalKind);

impl Stops {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let hangups = (!system::ignores_hangup()).then(|| signal(SignalKind::hangup()));
        Ok(Stops {
            interrupts: signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?,
            terminations: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            hangups: hangups.transpose().context("cannot wait for SIGHUP")?,
        })
    }

    /// Does the work. Where a signal comes first, the work is dropped where it stands, and with it what it had made; work that is done is done.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let hangup = async {
            match &mut self.hangups {
                Some(hangups) => hangups.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            _ = self.interrupts.recv() => Err(Stop(SignalKind::interrupt())),
            _ = self.terminations.recv() => Err(Stop(SignalKind::terminate())),
            _ = hangup => Err(Stop(SignalKind::hangup())),
        }
    }
}

impl Stop {
    /// How the command ends by it.
    pub fn outcome(self) -> Outcome {
        // proof: the three have numbers below sixteen
        Outcome::Stopped(u8::try_from(self.0.as_raw_value()).unwrap_or(0))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            kind if kind == SignalKind::interrupt() => "stopped by SIGINT",
            kind if kind == SignalKind::terminate() => "stopped by SIGTERM",
            _ => "stopped by SIGHUP",
        })
    }
}
