//! The ring: the latest frames of the log, in order, for all streams of this node.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering, fence},
    },
    task::Waker,
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
    /// It stands in another log than the cursor.
    OtherLog,
}

/// A log as it is told apart from one that went back and was named anew.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// How often that has happened since this node began.
    age: u64,
    /// The log's name.
    pub epoch: Arc<str>,
}

impl Lineage {
    /// Whether it is the same log, by the same name.
    #[must_use]
    pub fn is(&self, other: &Lineage) -> bool {
        self.age == other.age
    }
}

#[derive(Debug)]
struct Held {
    epoch: Arc<str>,
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
    /// Changes while `frames` is held.
    age: AtomicU64,
    bell: Bell,
    /// Threads that read it, each for many streams.
    threads: RwLock<Vec<Waker>>,
}

impl Ring {
    /// Empty, standing at a place in a log. Holds at most `capacity` frames and, but for the last one, `max_bytes`.
    #[must_use]
    pub fn new(capacity: usize, max_bytes: usize, epoch: Arc<str>, head: i64) -> Self {
        Ring {
            frames: RwLock::new(Held {
                epoch,
                frames: VecDeque::new(),
                bytes: 0,
            }),
            age: AtomicU64::new(0),
            capacity: capacity.max(1),
            max_bytes,
            head: AtomicI64::new(head),
            bell: Bell::default(),
            threads: RwLock::default(),
        }
    }

    /// From here on, a thread is woken at every new head.
    pub fn wake(&self, thread: Waker) {
        let mut threads = self.threads.write().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
    }

    fn tell(&self) {
        // a thread that goes to sleep says so, then looks at the head; here it is the other way round
        fence(Ordering::SeqCst);
        let threads = self.threads.read().unwrap_or_else(PoisonError::into_inner);
        threads.iter().for_each(Waker::wake_by_ref);
        self.bell.ring();
    }

    /// Adds frames that follow the head without a hole, and wakes the streams. `held_now` is told how many are held by then.
    pub fn push(&self, frames: Vec<Frame>, held_now: impl FnOnce(usize)) {
        let Some(last) = frames.last().map(|frame| frame.seq) else {
            return;
        };
        {
            let mut held = self.frames.write().unwrap_or_else(PoisonError::into_inner);
            // a hole (rows were pruned while the database was away) must not be jumped: what is older goes
            let follows = |back: &Arc<Frame>| frames.first().is_some_and(|f| f.seq == back.seq + 1);
            if !held.frames.back().is_none_or(follows) {
                held.clear();
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
            held_now(held.frames.len());
        }
        self.head.store(last, Ordering::Release);
        self.tell();
    }

    /// Forgets all: the log went back, and has another name by now. Streams are told so.
    pub fn restart(&self, epoch: Arc<str>, head: i64) {
        {
            let mut held = self.frames.write().unwrap_or_else(PoisonError::into_inner);
            held.clear();
            held.epoch = epoch;
            self.age.fetch_add(1, Ordering::AcqRel);
            self.head.store(head, Ordering::Release);
        }
        self.tell();
    }

    /// The log that it stands in, and the last seq read from it.
    #[must_use]
    pub fn standing(&self) -> (Lineage, i64) {
        let held = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        let lineage = Lineage {
            age: self.age.load(Ordering::Acquire),
            epoch: held.epoch.clone(),
        };
        (lineage, self.head())
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

    /// Whether it stands in that log still.
    #[must_use]
    pub fn is_in(&self, log: &Lineage) -> bool {
        self.age.load(Ordering::Acquire) == log.age
    }

    /// Up to `limit` frames after a cursor in a log.
    #[must_use]
    pub fn after(&self, log: &Lineage, cursor: i64, limit: usize) -> RingRead {
        let head = self.head();
        if !self.is_in(log) {
            return RingRead::OtherLog;
        }
        if cursor >= head {
            return RingRead::UpToDate;
        }
        let held = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        if !self.is_in(log) {
            return RingRead::OtherLog;
        }
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

impl Held {
    fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
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

    fn seqs(ring: &Ring, cursor: i64, limit: usize) -> Vec<i64> {
        match ring.after(&ring.standing().0, cursor, limit) {
            RingRead::Frames(frames) => frames.iter().map(|frame| frame.seq).collect(),
            RingRead::UpToDate => vec![],
            RingRead::Behind => vec![-1],
            RingRead::OtherLog => vec![-2],
        }
    }

    #[test]
    fn holds_the_latest_and_says_who_is_behind() {
        let ring = Ring::new(3, 1 << 20, "e".into(), 0);
        assert_eq!(seqs(&ring, 0, 9), NONE);
        ring.push(frames(1..=5), |_| ());
        assert_eq!(seqs(&ring, 2, 9), [3, 4, 5]);
        assert_eq!(seqs(&ring, 3, 1), [4]);
        assert_eq!(seqs(&ring, 5, 9), NONE);
        assert_eq!(seqs(&ring, 1, 9), [-1], "frame 2 is gone");
        assert_eq!(seqs(&ring, 99, 9), NONE, "ahead is not behind");
    }

    #[test]
    fn large_frames_push_others_out() {
        let frame = frames(1..=1).remove(0).len();
        let ring = Ring::new(100, 3 * frame, "e".into(), 0);
        ring.push(frames(1..=5), |_| ());
        assert_eq!(
            seqs(&ring, 1, 9),
            [-1],
            "3 to 5 are as many bytes as it may hold"
        );
        assert_eq!(seqs(&ring, 2, 9), [3, 4, 5]);
        let narrow = Ring::new(100, 1, "e".into(), 0);
        narrow.push(frames(1..=5), |_| ());
        assert_eq!(seqs(&narrow, 4, 9), [5], "the last one is always there");
    }

    #[test]
    fn never_bridges_a_hole() {
        let ring = Ring::new(10, 1 << 20, "e".into(), 0);
        ring.push(frames(1..=3), |_| ());
        ring.push(frames(7..=8), |_| ());
        assert_eq!(seqs(&ring, 3, 9), [-1], "4 to 6 must come from the log");
        assert_eq!(seqs(&ring, 6, 9), [7, 8]);
    }

    #[test]
    fn an_empty_ring_that_starts_at_a_head_sends_the_older_to_the_log() {
        let ring = Ring::new(3, 1 << 20, "e".into(), 100);
        assert_eq!(seqs(&ring, 100, 9), NONE);
        assert_eq!(seqs(&ring, 99, 9), [-1]);
    }

    #[test]
    fn who_stands_in_a_log_that_went_back_is_told() {
        let ring = Ring::new(3, 1 << 20, "e".into(), 0);
        ring.push(frames(1..=5), |_| ());
        let (old, _) = ring.standing();
        ring.restart("f".into(), 4);
        assert!(matches!(ring.after(&old, 3, 9), RingRead::OtherLog));
        assert!(matches!(ring.after(&old, 5, 9), RingRead::OtherLog));
        let (new, head) = ring.standing();
        assert_eq!((&*new.epoch, head), ("f", 4));
        assert_eq!(seqs(&ring, 4, 9), NONE);
        assert_eq!(seqs(&ring, 3, 9), [-1], "frame 4 was of the old log");
        ring.push(frames(5..=5), |_| ());
        assert_eq!(seqs(&ring, 4, 9), [5]);
    }
}
