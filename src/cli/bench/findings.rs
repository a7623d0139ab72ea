//! What clients found, summed over their threads: streams opened, refused and ended, and all that arrived.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use super::{arrivals::Arrivals, histogram::Histogram};

/// What clients have counted since they were last asked.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Of signals.
    pub arrivals: Arrivals,
    /// Bytes read, heads and pings included.
    pub bytes: u64,
    /// Streams that were opened for the first time.
    pub opened: u64,
    /// Streams that came back.
    pub reconnected: u64,
    /// Streams that are open now.
    pub open: u64,
    /// From a stream's connect to its first frame, in nanoseconds.
    pub opening: Histogram,
    /// When the first connect began, in monotonic nanoseconds; 0 where none did.
    pub first_connect_ns: u64,
    /// When the last stream was open.
    pub last_open_ns: u64,
    /// Streams that could not be opened, by status and code, or by what the system said.
    pub refused: BTreeMap<String, u64>,
    /// Open streams that ended, by the code or reason that the server gave.
    pub ended: BTreeMap<String, u64>,
}

impl Findings {
    /// Adds what another thread found.
    pub fn add(&mut self, other: &Findings) {
        self.arrivals.add(&other.arrivals);
        self.bytes += other.bytes;
        self.opened += other.opened;
        self.reconnected += other.reconnected;
        self.open += other.open;
        self.opening.add(&other.opening);
        self.first_connect_ns = match (self.first_connect_ns, other.first_connect_ns) {
            (0, theirs) => theirs,
            (mine, 0) => mine,
            (mine, theirs) => mine.min(theirs),
        };
        self.last_open_ns = self.last_open_ns.max(other.last_open_ns);
        for (all, theirs) in [
            (&mut self.refused, &other.refused),
            (&mut self.ended, &other.ended),
        ] {
            for (reason, count) in theirs {
                *all.entry(reason.clone()).or_default() += count;
            }
        }
    }
}

/// Counters that all threads keep up, for whoever looks on.
#[derive(Debug, Default)]
pub struct Shared {
    /// Streams that were opened for the first time.
    pub opened: AtomicU64,
    /// Streams that could not be opened.
    pub refused: AtomicU64,
    /// Streams that are open.
    pub open: AtomicU64,
    /// Signals that came.
    pub deliveries: AtomicU64,
}
