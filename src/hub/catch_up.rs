//! Catch up, then live: one cursor that reads the ring where it can and the log where it must.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    bell::Listener,
    frame::{Frame, Gap, GapReason},
    node::Hub,
    ring::{Lineage, RingRead},
};

/// Frames in one step: a slow reader holds no more than this.
const BATCH: usize = 128;
/// Rows read from the log in one step: these are the stream's own, not shared.
const LOG_BATCH: usize = 32;
const RETRY: Duration = Duration::from_millis(250);

/// What comes next for a stream.
#[derive(Debug)]
pub enum Step {
    /// Frames that follow the cursor without a hole; the cursor stands behind the last.
    Frames(Vec<Arc<Frame>>),
    /// Rows that are gone; the cursor stands behind them. Where the log went back, in the log that there is now.
    Gap(Gap),
}

/// A stream's place in the log.
pub struct Cursor {
    hub: Arc<Hub>,
    log: Lineage,
    at: i64,
    head: Listener,
    catching_up: bool,
}

impl Cursor {
    /// A cursor after `at` in a log. Subscribes to the head before anything is read: there is no seam to fall into.
    #[must_use]
    pub fn new(hub: Arc<Hub>, log: Lineage, at: i64) -> Self {
        let head = hub.ring.listen();
        Cursor {
            hub,
            log,
            at,
            head,
            catching_up: false,
        }
    }

    /// After which seq it stands.
    #[must_use]
    pub fn at(&self) -> i64 {
        self.at
    }

    /// The name of the log that it stands in.
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        self.log.epoch.clone()
    }

    /// The log that it stands in.
    #[must_use]
    pub fn log(&self) -> Lineage {
        self.log.clone()
    }

    /// Whether it stands in the node's log, and there is nothing more to be read.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.at >= self.hub.ring.head() && self.hub.ring.is_in(&self.log)
    }

    /// The next step; waits for it. Safe to drop while waiting: the place moves only with what is returned.
    pub async fn next(&mut self) -> Step {
        loop {
            // seen before the ring is read: a head that comes in between wakes us again
            self.head.arm();
            match self.hub.ring.after(&self.log, self.at, BATCH) {
                RingRead::Frames(frames) => {
                    self.set_catching_up(false);
                    self.at = frames.last().map_or(self.at, |frame| frame.seq);
                    return Step::Frames(frames);
                }
                RingRead::OtherLog => return Step::Gap(self.change_log()),
                RingRead::UpToDate => {
                    self.set_catching_up(false);
                    self.head.heard().await;
                }
                RingRead::Behind => {
                    self.set_catching_up(true);
                    match self.read_log().await {
                        Some(step) => return step,
                        None => tokio::time::sleep(RETRY).await,
                    }
                }
            }
        }
    }

    /// What it was to read is not in the log any more, or is something else there: it goes on live.
    fn change_log(&mut self) -> Gap {
        (self.log, self.at) = self.hub.ring.standing();
        Gap {
            from: None,
            to: None,
            reason: GapReason::EpochChanged,
            resume_at: self.at,
        }
    }

    /// `None`: try again later.
    async fn read_log(&mut self) -> Option<Step> {
        // read before the rows: what is published meanwhile is not lost, and must not be called so
        let passed = self.hub.ring.head();
        let part = {
            // in the order in which they came: however many come back far behind, what keeps the node going finds a connection
            let _turn = self.hub.readings.acquire().await;
            self.hub.log.after(self.at, LOG_BATCH).await
        };
        let rows = match part {
            Ok(part) if part.epoch == self.log.epoch && part.head >= passed => part.rows,
            // it has gone back: the reader will see it, too
            Ok(_) => return None,
            Err(error) => {
                self.hub.metrics.log_failures.inc();
                tracing::warn!(%error, "a stream waits for the database");
                return None;
            }
        };
        if !self.hub.ring.is_in(&self.log) {
            return None;
        }
        // nothing left of what the ring has passed: all of it was pruned
        let first = rows.first().map_or(passed + 1, |row| row.seq);
        if first > self.at + 1 {
            let gap = Gap {
                from: Some(self.at + 1),
                to: Some(first - 1),
                reason: GapReason::Pruned,
                resume_at: first - 1,
            };
            self.at = first - 1;
            return Some(Step::Gap(gap));
        }
        let now = Instant::now();
        let frames: Vec<_> = rows
            .iter()
            .map(|row| Arc::new(Frame::new(&self.log.epoch, row, None, now)))
            .collect();
        self.at = frames.last().map_or(self.at, |frame| frame.seq);
        (!frames.is_empty()).then_some(Step::Frames(frames))
    }

    fn set_catching_up(&mut self, now: bool) {
        if self.catching_up != now {
            self.catching_up = now;
            let gauge = &self.hub.metrics.catching_up;
            if now {
                gauge.inc()
            } else {
                gauge.dec()
            };
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.set_catching_up(false);
    }
}
