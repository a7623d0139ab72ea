//! The node's tenure: until when it may send signals, by its last heartbeat that reached the database.
//!
//! Where several nodes share a database, a node that cannot reach it cannot tell whether the others can, and hold it for gone. So it
//! goes silent before they may: `mute_after` counts from the *start* of the last heartbeat that succeeded, and is shorter than a
//! lease's life, which the database counts from its commit. Every signal is held against the clock itself, not against a note that
//! some task has to make in time.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::bell::Bell;

/// Until when signals may be sent.
#[derive(Debug)]
pub struct Tenure {
    /// What `until` counts from.
    begun: Instant,
    /// In nanoseconds; `ALWAYS` where this node shares its database with nobody.
    until: AtomicU64,
    mute_after: Duration,
    bell: Bell,
    round: Mutex<Round>,
}

/// How often the node's leases were looked through after a silence. What was granted in one round and comes to be known in the next may
/// be lost already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round(u64);

const ALWAYS: u64 = u64::MAX;

impl Tenure {
    /// Of a node that is alone.
    #[must_use]
    pub fn alone() -> Self {
        Self::new(ALWAYS, Duration::MAX)
    }

    /// Of one among several: silent until its first heartbeat.
    #[must_use]
    pub fn shared(mute_after: Duration) -> Self {
        Self::new(0, mute_after)
    }

    fn new(until: u64, mute_after: Duration) -> Self {
        Tenure {
            begun: Instant::now(),
            until: AtomicU64::new(until),
            mute_after,
            bell: Bell::default(),
            round: Mutex::default(),
        }
    }

    /// Whether a signal may not be sent now.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != ALWAYS && self.nanos(Instant::now()) >= until
    }

    /// Resolves when signals may be sent.
    pub async fn unmuted(&self) {
        let mut bell = self.bell.listen();
        loop {
            bell.arm();
            if !self.is_muted() {
                return;
            }
            bell.heard().await;
        }
    }

    /// A heartbeat that began at `start` has succeeded, and nothing can have been taken from the node since.
    pub fn extend(&self, start: Instant) {
        let until = self.nanos(start.checked_add(self.mute_after).unwrap_or(start));
        self.until.fetch_max(until, Ordering::AcqRel);
        self.bell.ring();
    }

    /// The round under way; it does not change while the guard is held.
    pub fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(after).unwrap_or(ALWAYS - 1)
    }
}

impl Round {
    /// Begins the next one.
    pub fn next(&mut self) {
        self.0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_millis(2_667);

    #[tokio::test(start_paused = true)]
    async fn silence_begins_by_itself_and_ends_with_a_heartbeat() {
        let tenure = Tenure::shared(LIFE);
        assert!(tenure.is_muted(), "no heartbeat yet");
        let start = Instant::now();
        tokio::time::advance(Duration::from_millis(600)).await;
        tenure.extend(start);
        assert!(!tenure.is_muted());
        tokio::time::advance(Duration::from_millis(2_066)).await;
        assert!(!tenure.is_muted());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(tenure.is_muted(), "counted from the heartbeat's start");
        tenure.extend(start);
        assert!(tenure.is_muted(), "an old one changes nothing");
        tenure.extend(Instant::now());
        tenure.unmuted().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_is_never_silent() {
        let tenure = Tenure::alone();
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert!(!tenure.is_muted());
    }
}
