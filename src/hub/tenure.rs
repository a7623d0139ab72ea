//! The node's tenure: until when it may send signals, by its last heartbeat that reached the database.
//!
//! Where several nodes share a database, a node that cannot reach it cannot tell whether the others can, and hold it for gone. So it
//! goes silent before they may: `mute_after` counts from the *start* of the last heartbeat that succeeded, and is shorter than a
//! lease's life, which the database counts from its commit. Every signal is held against the clock itself, not against a note that
//! some task has to make in time. That clock is handed in: it must not stand still while the machine is suspended, as tokio's does.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::bell::Bell;

/// Until when signals may be sent.
#[derive(Debug)]
pub struct Tenure {
    time: Stopwatch,
    /// In nanoseconds of `time`; `ALWAYS` where this node shares its database with nobody.
    until: AtomicU64,
    /// The same by the last heartbeat, whatever was taken from the node since: 0 before the first.
    reached: AtomicU64,
    mute_after: Duration,
    bell: Bell,
    round: Mutex<Round>,
}

/// Time that has passed since some moment.
#[derive(Clone)]
pub struct Stopwatch(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Stopwatch {
    /// Read by a function that never goes back.
    #[must_use]
    pub fn from_fn(read: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Stopwatch(Arc::new(read))
    }

    /// That of the timers, which may stand still while the machine is suspended.
    #[must_use]
    pub fn of_timers() -> Self {
        let begun = Instant::now();
        Stopwatch::from_fn(move || begun.elapsed())
    }

    /// What has passed.
    #[must_use]
    pub fn passed(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopwatch")
    }
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
        Self::new(ALWAYS, Duration::MAX, Stopwatch::of_timers())
    }

    /// Of one among several: silent until its first heartbeat.
    #[must_use]
    pub fn shared(mute_after: Duration, time: Stopwatch) -> Self {
        Self::new(0, mute_after, time)
    }

    fn new(until: u64, mute_after: Duration, time: Stopwatch) -> Self {
        Tenure {
            time,
            until: AtomicU64::new(until),
            reached: AtomicU64::new(until),
            mute_after,
            bell: Bell::default(),
            round: Mutex::default(),
        }
    }

    /// Whether a signal may not be sent now.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != ALWAYS && nanos(self.now()) >= until
    }

    /// Whether the node is muted since no heartbeat has reached the database for so long: what needs the database will not get far.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let reached = self.reached.load(Ordering::Acquire);
        reached != 0 && self.is_muted() && nanos(self.now()) >= reached
    }

    /// Now, on the clock that it is counted by.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.time.passed()
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
    pub fn extend(&self, start: Duration) {
        let until = nanos(start.saturating_add(self.mute_after));
        self.reached.fetch_max(until, Ordering::AcqRel);
        self.until.fetch_max(until, Ordering::AcqRel);
        self.bell.ring();
    }

    /// Something may have been taken from the node: silence, until it is extended.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// The round under way; it does not change while the guard is held.
    pub fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).map_or(ALWAYS - 1, |nanos| nanos.min(ALWAYS - 1))
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
        let tenure = Tenure::shared(LIFE, Stopwatch::of_timers());
        assert!(tenure.is_muted(), "no heartbeat yet");
        let start = tenure.now();
        tokio::time::advance(Duration::from_millis(600)).await;
        tenure.extend(start);
        assert!(!tenure.is_muted());
        tokio::time::advance(Duration::from_millis(2_066)).await;
        assert!(!tenure.is_muted());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(tenure.is_muted(), "counted from the heartbeat's start");
        assert!(tenure.is_cut_off());
        tenure.extend(start);
        assert!(tenure.is_muted(), "an old one changes nothing");
        tenure.extend(tenure.now());
        tenure.unmuted().await;
        tenure.end();
        assert!(tenure.is_muted(), "whatever the last heartbeat allowed");
        assert!(!tenure.is_cut_off());
        tenure.extend(tenure.now());
        tenure.unmuted().await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted_by_the_clock_that_is_handed_in() {
        // in a suspended machine, timers stand still, and this one goes on
        let asleep = Arc::new(AtomicU64::new(0));
        let (read, timers) = (asleep.clone(), Stopwatch::of_timers());
        let time = Stopwatch::from_fn(move || {
            timers.passed() + Duration::from_secs(read.load(Ordering::Relaxed))
        });
        let tenure = Tenure::shared(LIFE, time);
        tenure.extend(tenure.now());
        assert!(!tenure.is_muted());
        asleep.store(3, Ordering::Relaxed);
        assert!(tenure.is_muted());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_is_never_silent() {
        let tenure = Tenure::alone();
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert!(!tenure.is_muted());
    }
}
