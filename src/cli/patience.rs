//! How long a client waits, and how its attempts spread out.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// For a connection, and again for the answer's head.
    pub(super) connect: Duration,
    /// For any byte of an open stream: pings come every 25 s.
    pub(super) silence: Duration,
    /// Before a reconnect, until the server names its own `retry:`.
    pub(super) retry: Duration,
    /// Never less than this between two attempts, whatever the server says.
    pub(super) shortest: Duration,
    /// Never more than this.
    pub(super) longest: Duration,
    /// A stream that stood this long was no failed attempt.
    pub(super) stable: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(60),
            retry: Duration::from_secs(1),
            shortest: Duration::from_millis(250),
            longest: Duration::from_secs(60),
            stable: Duration::from_secs(10),
        }
    }
}

/// The server's `retry:`, doubled with each failure, and up to a quarter more by chance, so that clients do not return in step.
pub(super) fn backoff(
    retry: Duration,
    failures: u32,
    patience: &Patience,
    chance: f64,
) -> Duration {
    let least = retry.clamp(patience.shortest, patience.longest);
    let grown = least.saturating_mul(1 << failures.min(16));
    grown.min(patience.longest).mul_f64(1.0 + chance / 4.0)
}

/// From 0 to 1; without the operating system's randomness, the middle.
pub(super) fn draw() -> f64 {
    getrandom::u32().map_or(0.5, |drawn| f64::from(drawn) / f64::from(u32::MAX))
}
