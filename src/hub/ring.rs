//! The ring: the latest frames of the log, in order, for all streams of this node.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use super::{
    bell::{Bell, Listener},
    frame::Frame,
};

/// What the ring holds for a cursor.
#[derive(Debug)]
pub enum RingRead {
    /// The next frames, at least one.
    Frames(Vec<Arc<Frame>>),
    /// Nothing newer.
    UpToDate,
    /// The next frame is no longer here: the log has it.
    Behind,
}

#[derive(Debug, Default)]
struct Held {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
}

/// The latest frames. Written by the log reader alone.
#[derive(Debug)]
pub struct Ring {
    frames: RwLock<Held>,
    capacity: usize,
    max_bytes: usize,
    /// The last seq that the reader has put here.
    head: AtomicI64,
    bell: Bell,
}

impl Ring {
    /// Empty, standing at a place in the log. Holds at most `capacity` frames and, but for the last one, `max_bytes`.
    #[must_use]
    pub fn new(capacity: usize, max_bytes: usize, head: i64) -> Self {
        Ring {
            frames: RwLock::default(),
            capacity: capacity.max(1),
            max_bytes,
            head: AtomicI64::new(head),
            bell: Bell::default(),
        }
    }

    /// Adds frames that follow the head without a hole, and wakes the streams.
    pub fn push(&self, frames: Vec<Frame>) {
        let Some(last) = frames.last().map(|frame| frame.seq) else {
            return;
        };
        {
            let mut held = self.frames.write().unwrap_or_else(PoisonError::into_inner);
            // a hole (rows were pruned while the database was away) must not be jumped: what is older goes
            let follows = |back: &Arc<Frame>| frames.first().is_some_and(|f| f.seq == back.seq + 1);
            if !held.frames.back().is_none_or(follows) {
                *held = Held::default();
            }
            for frame in frames {
                held.bytes += frame.len();
                held.frames.push_back(Arc::new(frame));
                while held.frames.len() > self.capacity
                    || (held.bytes > self.max_bytes && held.frames.len() > 1)
                {
                    let gone = held.frames.pop_front().map_or(0, |frame| frame.len());
                    held.bytes -= gone;
                }
            }
        }
        self.head.store(last, Ordering::Release);
        self.bell.ring();
    }

    /// The last seq read from the log.
    #[must_use]
    pub fn head(&self) -> i64 {
        self.head.load(Ordering::Acquire)
    }

    /// Wakes at every new head.
    #[must_use]
    pub fn listen(&self) -> Listener {
        self.bell.listen()
    }

    /// How many frames it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .frames
            .len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `limit` frames after a cursor.
    #[must_use]
    pub fn after(&self, cursor: i64, limit: usize) -> RingRead {
        if cursor >= self.head() {
            return RingRead::UpToDate;
        }
        let held = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        let ring = &held.frames;
        let Some(first) = ring.front().map(|frame| frame.seq) else {
            return RingRead::Behind;
        };
        if cursor + 1 < first {
            return RingRead::Behind;
        }
        let skip = usize::try_from(cursor + 1 - first).unwrap_or(usize::MAX);
        let frames: Vec<_> = ring.iter().skip(skip).take(limit).cloned().collect();
        if frames.is_empty() {
            RingRead::UpToDate
        } else {
            RingRead::Frames(frames)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::model::{log::LogRow, time::Time};

    fn frames(seqs: std::ops::RangeInclusive<i64>) -> Vec<Frame> {
        let row = |seq| LogRow {
            seq,
            published_at: Time(0),
            body: "{}".into(),
        };
        seqs.map(|seq| Frame::new("e", &row(seq), None, Instant::now()))
            .collect()
    }

    const NONE: [i64; 0] = [];

    fn seqs(read: RingRead) -> Vec<i64> {
        match read {
            RingRead::Frames(frames) => frames.iter().map(|frame| frame.seq).collect(),
            RingRead::UpToDate => vec![],
            RingRead::Behind => vec![-1],
        }
    }

    #[test]
    fn holds_the_latest_and_says_who_is_behind() {
        let ring = Ring::new(3, 1 << 20, 0);
        assert_eq!(seqs(ring.after(0, 9)), NONE);
        ring.push(frames(1..=5));
        assert_eq!(seqs(ring.after(2, 9)), [3, 4, 5]);
        assert_eq!(seqs(ring.after(3, 1)), [4]);
        assert_eq!(seqs(ring.after(5, 9)), NONE);
        assert_eq!(seqs(ring.after(1, 9)), [-1], "frame 2 is gone");
        assert_eq!(seqs(ring.after(99, 9)), NONE, "ahead is not behind");
    }

    #[test]
    fn large_frames_push_others_out() {
        let frame = frames(1..=1).remove(0).len();
        let ring = Ring::new(100, 3 * frame, 0);
        ring.push(frames(1..=5));
        assert_eq!(
            seqs(ring.after(1, 9)),
            [-1],
            "3 to 5 are as many bytes as it may hold"
        );
        assert_eq!(seqs(ring.after(2, 9)), [3, 4, 5]);
        let narrow = Ring::new(100, 1, 0);
        narrow.push(frames(1..=5));
        assert_eq!(
            seqs(narrow.after(4, 9)),
            [5],
            "the last one is always there"
        );
    }

    #[test]
    fn never_bridges_a_hole() {
        let ring = Ring::new(10, 1 << 20, 0);
        ring.push(frames(1..=3));
        ring.push(frames(7..=8));
        assert_eq!(
            seqs(ring.after(3, 9)),
            [-1],
            "4 to 6 must come from the log"
        );
        assert_eq!(seqs(ring.after(6, 9)), [7, 8]);
    }

    #[test]
    fn an_empty_ring_that_starts_at_a_head_sends_the_older_to_the_log() {
        let ring = Ring::new(3, 1 << 20, 100);
        assert_eq!(seqs(ring.after(100, 9)), NONE);
        assert_eq!(seqs(ring.after(99, 9)), [-1]);
    }
}
