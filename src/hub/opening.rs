//! How a stream begins, or goes on where it goes over from one way of being written to another.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{config::Config, frame::Gap, ring::Lineage};
use crate::{gate::filter::Filter, model::time::Time};

/// Old frames at the pace at which they happened.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// When the last of it was, or will have been, published.
    pub until: Time,
    /// The last seq of it, once that is known.
    pub last: Option<i64>,
    /// How many times faster.
    pub speed: f64,
}

/// A row's time is taken before its commit: by then, nearly all that were published until a moment are there. The last are waited for.
pub(super) const COMMITTED_WITHIN: i64 = Time::SECOND;

impl Replay {
    /// Whether all of it has been published.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        self.until.plus(COMMITTED_WITHIN) < now
    }
}

/// How a stream begins.
#[derive(Debug)]
pub struct Opening {
    /// The first frame; `None` where it has been said.
    pub hello: Option<Bytes>,
    /// A hole that is already known.
    pub gap: Option<Gap>,
    /// After which seq, ...
    pub at: i64,
    /// ... of which log.
    pub log: Lineage,
    /// What passes.
    pub filter: Filter,
    /// Whether each ping has a `heartbeat` beside it.
    pub heartbeat: bool,
    /// Set for a paced replay.
    pub replay: Option<Replay>,
    /// `retry:` of a `bye`.
    pub retry_ms: u32,
    /// When the first ping is due.
    pub next_ping: Instant,
    /// Signals sent before.
    pub matched: u64,
}

/// When the first ping of a stream is due that begins now. `phase`: by how much of the spread it is off the others', −1 to 1.
#[must_use]
pub fn first_ping(config: &Config, phase: f64) -> Instant {
    let seconds = config.ping_seconds as f64;
    let spread = phase * (config.ping_spread_seconds as f64).min(seconds / 2.0);
    Instant::now() + Duration::from_secs_f64((seconds + spread).max(0.05))
}
