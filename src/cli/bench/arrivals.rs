//! What streams saw, counted: each signal's arrivals and their latencies, and for each stream what was missing or came twice.

use std::collections::{HashMap, VecDeque};

use super::{
    frames::{Frame, Kind},
    histogram::Histogram,
};

/// Signals of one measurement; a number further away is not counted as one.
const MOST_ROWS: u64 = 1 << 22;
/// Arrivals whose time of sending is not known yet. Beyond it, the oldest are taken for another publisher's.
const MOST_WAITING: usize = 1 << 20;

/// When a signal was sent. All times are monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its seq.
    pub number: u64,
    /// When its POST began.
    pub from_ns: u64,
    /// When the answer to it was there: by then, it was committed.
    pub answered_ns: u64,
}

/// Where one stream stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// The number that comes next; 0 where nothing is known.
    next: u64,
    epoch: u32,
}

/// What became of a signal so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// Streams that have it.
    pub streams: u32,
    /// When the last of them got it.
    pub last_ns: u64,
    /// When it was sent; 0 where that is not known.
    pub from_ns: u64,
    answered_ns: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// From the sending's start to the arrival, in nanoseconds.
    pub latency: Histogram,
    /// From the answer to the sender; 0 where the signal was there before it.
    pub after_answer: Histogram,
    /// Signals that came, each once a stream.
    pub deliveries: u64,
    /// Signals that should have come, and did not.
    pub missing: u64,
    /// Signals that came again.
    pub duplicated: u64,
    /// Holes that the server told of.
    pub gaps: u64,
    /// When the last arrival was.
    pub last_ns: u64,
    base: u64,
    rows: VecDeque<Row>,
    waiting: HashMap<u64, Vec<u64>>,
    /// Whose times of sending are waited for, in the order in which they came.
    order: VecDeque<u64>,
    waiting_count: usize,
}

impl Cursor {
    /// After which event this stream would go on.
    #[must_use]
    pub fn last_event_id(&self) -> Option<String> {
        let Cursor { next, epoch } = *self;
        (next > 0).then(|| format!("{epoch:08x}-{}", next - 1))
    }

    /// Takes a frame.
    pub fn see(&mut self, frame: &Frame<'_>, at_ns: u64, arrivals: &mut Arrivals) {
        arrivals.gaps += u64::from(frame.kind == Kind::Gap);
        let Some(number) = frame.number else { return };
        if !matches!(frame.kind, Kind::Signal | Kind::Hello | Kind::Gap) {
            return;
        }
        if self.next == 0 || frame.epoch != self.epoch {
            // where this stream begins, or another log
            self.epoch = frame.epoch;
            self.next = number.saturating_add(u64::from(frame.kind != Kind::Signal));
        }
        if frame.kind != Kind::Signal {
            // `hello` and `gap` name the last one before what comes
            arrivals.missing += number.saturating_add(1).saturating_sub(self.next);
            self.next = self.next.max(number.saturating_add(1));
            return;
        }
        if number < self.next {
            arrivals.duplicated += 1;
            return;
        }
        arrivals.missing += number - self.next;
        self.next = number.saturating_add(1);
        arrivals.arrived(number, at_ns, frame.sent_ns);
    }

    /// The signals from `first` to `last` were sent: counts those that this stream has not had, once.
    pub fn settle(&mut self, first: u64, last: u64, arrivals: &mut Arrivals) {
        let next = self.next.max(first);
        arrivals.missing += last.saturating_add(1).saturating_sub(next);
        self.next = next.max(last.saturating_add(1));
    }
}

impl Arrivals {
    fn arrived(&mut self, number: u64, at_ns: u64, sent_ns: Option<u64>) {
        self.deliveries += 1;
        self.last_ns = self.last_ns.max(at_ns);
        let Some(row) = self.row(number) else { return };
        row.streams += 1;
        row.last_ns = row.last_ns.max(at_ns);
        row.from_ns = sent_ns.unwrap_or(row.from_ns);
        let (from, answered) = (row.from_ns, row.answered_ns);
        if from == 0 {
            self.wait(number, at_ns);
            return;
        }
        self.latency.record(at_ns.saturating_sub(from));
        if answered > 0 {
            self.after_answer.record(at_ns.saturating_sub(answered));
        }
    }

    /// A signal usually arrives before its publisher knows its number.
    fn wait(&mut self, number: u64, at_ns: u64) {
        let order = &mut self.order;
        let waiting = self.waiting.entry(number).or_insert_with(|| {
            order.push_back(number);
            Vec::new()
        });
        waiting.push(at_ns);
        self.waiting_count += 1;
        while self.waiting_count > MOST_WAITING
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.waiting.remove(&oldest).map_or(0, |times| times.len());
            self.waiting_count -= gone;
        }
    }

    /// When a signal was sent.
    pub fn told(&mut self, sent: Sent) {
        let Some(row) = self.row(sent.number) else {
            return;
        };
        (row.from_ns, row.answered_ns) = (sent.from_ns, sent.answered_ns);
        let Some(times) = self.waiting.remove(&sent.number) else {
            return;
        };
        self.waiting_count -= times.len();
        self.order.retain(|&number| number != sent.number);
        for at_ns in times {
            self.latency.record(at_ns.saturating_sub(sent.from_ns));
            self.after_answer
                .record(at_ns.saturating_sub(sent.answered_ns));
        }
    }

    fn row(&mut self, number: u64) -> Option<&mut Row> {
        if self.rows.is_empty() {
            self.base = number;
        }
        let end = self.base + self.rows.len() as u64;
        let span = end.max(number.saturating_add(1)) - self.base.min(number);
        if span > MOST_ROWS {
            return None;
        }
        while self.base > number {
            self.base -= 1;
            self.rows.push_front(Row::default());
        }
        let place = (number - self.base) as usize;
        if place >= self.rows.len() {
            self.rows.resize(place + 1, Row::default());
        }
        self.rows.get_mut(place)
    }

    /// Adds what another thread counted.
    pub fn add(&mut self, other: &Arrivals) {
        self.latency.add(&other.latency);
        self.after_answer.add(&other.after_answer);
        self.deliveries += other.deliveries;
        self.missing += other.missing;
        self.duplicated += other.duplicated;
        self.gaps += other.gaps;
        self.last_ns = self.last_ns.max(other.last_ns);
        for (number, theirs) in other.rows() {
            if let Some(mine) = self.row(number) {
                mine.streams += theirs.streams;
                mine.last_ns = mine.last_ns.max(theirs.last_ns);
                mine.from_ns = mine.from_ns.max(theirs.from_ns);
            }
        }
    }

    /// Signals by number, those of other publishers among them.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &Row)> {
        (self.base..).zip(&self.rows)
    }

    /// From a signal's sending to its arrival at the last of `streams` streams, in nanoseconds, of the signals that reached them all.
    #[must_use]
    pub fn to_last(&self, streams: u64) -> Histogram {
        let mut all = Histogram::default();
        for (_, row) in self.rows() {
            if row.from_ns > 0 && streams > 0 && u64::from(row.streams) >= streams {
                all.record(row.last_ns.saturating_sub(row.from_ns));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, epoch: u32, number: u64) -> Frame<'static> {
        Frame {
            kind,
            epoch,
            number: Some(number),
            sent_ns: None,
            code: "",
        }
    }

    /// Frames of one stream, one a nanosecond.
    fn after(frames: &[(Kind, u64)]) -> (Cursor, Arrivals) {
        let (mut cursor, mut arrivals) = (Cursor::default(), Arrivals::default());
        for (at, &(kind, number)) in (1..).zip(frames) {
            cursor.see(&frame(kind, 7, number), at, &mut arrivals);
        }
        (cursor, arrivals)
    }

    fn counts(arrivals: &Arrivals) -> (u64, u64, u64) {
        (arrivals.deliveries, arrivals.missing, arrivals.duplicated)
    }

    #[test]
    fn holes_and_repetitions_are_counted_and_the_rest_is_not() {
        use Kind::{Gap, Hello, Other, Signal};
        let whole = [(Hello, 4), (Signal, 5), (Other, 5), (Signal, 6)];
        assert_eq!(counts(&after(&whole).1), (2, 0, 0));
        let hole = [(Hello, 4), (Signal, 7), (Signal, 8)];
        assert_eq!(counts(&after(&hole).1), (2, 2, 0));
        let twice = [(Hello, 4), (Signal, 5), (Signal, 5), (Signal, 6)];
        assert_eq!(counts(&after(&twice).1), (2, 0, 1));
        let told = [(Hello, 4), (Gap, 9), (Signal, 10)];
        let (_, arrivals) = after(&told);
        assert_eq!((counts(&arrivals), arrivals.gaps), ((1, 5, 0), 1));
        // a resumed stream's hello says where it goes on
        let resumed = [(Hello, 4), (Signal, 5), (Hello, 5), (Signal, 6)];
        assert_eq!(counts(&after(&resumed).1), (2, 0, 0));
        let anew = [(Hello, 4), (Signal, 5), (Hello, 8), (Signal, 9)];
        assert_eq!(counts(&after(&anew).1), (2, 3, 0));
        // numbers without a hello begin anywhere
        assert_eq!(counts(&after(&[(Signal, 41), (Signal, 42)]).1), (2, 0, 0));
    }

    #[test]
    fn what_never_came_is_missing_once() {
        let (mut cursor, mut arrivals) = after(&[(Kind::Hello, 4), (Kind::Signal, 5)]);
        cursor.settle(5, 8, &mut arrivals);
        cursor.settle(5, 8, &mut arrivals);
        assert_eq!(counts(&arrivals), (1, 3, 0));
        let mut silent = Cursor::default();
        silent.settle(5, 8, &mut arrivals);
        assert_eq!(arrivals.missing, 7);
        assert_eq!(cursor.last_event_id().unwrap(), "00000007-8");
        assert_eq!(Cursor::default().last_event_id(), None);
    }

    #[test]
    fn another_log_is_told_by_its_gap_and_no_hole_is_made_up() {
        let (mut cursor, mut arrivals) = after(&[(Kind::Hello, 400), (Kind::Signal, 401)]);
        cursor.see(&frame(Kind::Gap, 8, 3), 9, &mut arrivals);
        cursor.see(&frame(Kind::Signal, 8, 4), 10, &mut arrivals);
        assert_eq!((counts(&arrivals), arrivals.gaps), ((2, 0, 0), 1));
    }

    #[test]
    fn latencies_count_from_the_sending_whenever_it_is_told() {
        let mut arrivals = Arrivals::default();
        let mut streams = [Cursor::default(); 3];
        let sent = |number, from_ns| Sent {
            number,
            from_ns,
            answered_ns: from_ns + 30,
        };
        streams[0].see(&frame(Kind::Signal, 7, 5), 120, &mut arrivals);
        streams[1].see(&frame(Kind::Signal, 7, 5), 150, &mut arrivals);
        assert_eq!(arrivals.latency.count(), 0, "not known yet");
        arrivals.told(sent(5, 100));
        streams[2].see(&frame(Kind::Signal, 7, 5), 190, &mut arrivals);
        assert_eq!(arrivals.latency.count(), 3);
        assert_eq!(arrivals.latency.quantile(0.0), Some(20));
        assert_eq!(arrivals.latency.max(), Some(90));
        assert_eq!(arrivals.after_answer.quantile(0.0), Some(0));
        assert_eq!(arrivals.after_answer.max(), Some(60));
        // one that an earlier number follows, and one that only two streams had
        arrivals.told(sent(3, 50));
        streams[0].see(&frame(Kind::Signal, 7, 6), 300, &mut arrivals);
        arrivals.told(sent(6, 200));
        let last = arrivals.to_last(3);
        assert_eq!((last.count(), last.max()), (1, Some(90)));
        // in another thread the last one came later
        let mut other = Arrivals::default();
        other.told(sent(5, 100));
        Cursor::default().see(&frame(Kind::Signal, 7, 5), 250, &mut other);
        other.add(&arrivals);
        assert_eq!((other.deliveries, other.to_last(4).max()), (5, Some(150)));
    }

    #[test]
    fn what_others_publish_is_not_kept_for_ever() {
        let mut arrivals = Arrivals::default();
        for number in 1..=40 {
            for at in 0..(MOST_WAITING / 20) as u64 {
                arrivals.arrived(number, at + 1, None);
            }
        }
        assert!(arrivals.waiting_count <= MOST_WAITING);
        assert_eq!(arrivals.order.len(), arrivals.waiting.len());
        arrivals.arrived(u64::MAX - 1, 1, None);
        assert_eq!(
            arrivals.rows.len(),
            40,
            "no number makes room for all before it"
        );
    }
}
