//! What was written to the streams of some accounts: unbroken ranges of the log, by connection. Of all others nothing is noted.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use tokio::sync::Notify;

use super::{
    seat::Seat,
    seats::Seats,
    transport::{Handing, Transport},
};
use crate::{
    gate::{filter::Filter, kept_filter},
    model::{delivery::Written, log::Position, time::Time},
};

/// What has left whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// All of the stream up to this seq.
    Signal(i64),
    /// The word that rows are missing, and the place behind them.
    Gap(Position),
}

/// A stream of which it is noted.
#[derive(Debug)]
struct Noted {
    /// As long as there is one, something may yet be written.
    seat: Weak<Seat>,
    range: Written,
    /// What was written before a gap.
    before: Vec<Written>,
    /// Since it was taken last.
    changed: bool,
    /// What was handed to a library that writes it, and may not have left yet.
    handed: VecDeque<(Passed, Handing)>,
    /// Who knows whether that has left: of a stream that is over, for a moment.
    transport: Option<Arc<dyn Transport>>,
    /// Its account does not want it any more.
    dropped: bool,
}

/// A stream is over when its last bytes are handed to a library: within this time, in microseconds, they have left, or are not counted.
const LAST_BYTES: i64 = 50_000;

impl Noted {
    fn go_on_at(&mut self, place: &Position, number: u64) {
        let next = Written {
            number,
            epoch: place.epoch.clone(),
            after: place.seq,
            until: place.seq,
            ..self.range.clone()
        };
        let range = std::mem::replace(&mut self.range, next);
        if !range.is_empty() {
            self.before.push(range);
        }
    }

    fn note(&mut self, passed: &Passed, number: impl FnOnce() -> u64) {
        match passed {
            Passed::Signal(seq) if *seq > self.range.until => {
                self.range.until = *seq;
                self.changed = true;
            }
            Passed::Signal(_) => {}
            Passed::Gap(place) => self.go_on_at(place, number()),
        }
    }

    /// Notes what of that has left.
    fn settle(&mut self, transport: &dyn Transport, number: impl Fn() -> u64) {
        while let Some((_, handed)) = self.handed.front_mut()
            && transport.has_left(handed)
            && let Some((passed, _)) = self.handed.pop_front()
        {
            self.note(&passed, &number);
        }
    }

    fn transport(&self) -> Option<Arc<dyn Transport>> {
        let held = self.transport.clone();
        held.or_else(|| self.seat.upgrade()?.transport())
    }

    /// Of a stream that is over, and has something on its way.
    fn hold(&mut self, seat: &Seat) {
        if !self.handed.is_empty() {
            self.transport = seat.transport();
        }
    }

    fn close(&mut self, now: Time) {
        if self.range.closed_at.is_none() {
            self.range.closed_at = Some(now);
            self.changed = true;
        }
    }
}

/// Whose streams are noted, and what was written to them.
#[derive(Debug, Default)]
pub struct Writes {
    accounts: RwLock<HashSet<Box<str>>>,
    streams: DashMap<u64, Noted>,
    ranges: AtomicU64,
    closed: Notify,
}

impl Writes {
    fn wants(&self, account: &str) -> bool {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.contains(account)
    }

    /// From here on, these accounts' streams are noted, those that are open included, and no others.
    pub fn set_accounts(&self, accounts: HashSet<Box<str>>, seats: &Seats) {
        for mut stream in self.streams.iter_mut() {
            if !accounts.contains(&*stream.range.account_id) {
                stream.dropped = true;
                if let Some(seat) = stream.seat.upgrade() {
                    seat.note_writes(false);
                }
            }
        }
        let are_more = {
            let mut held = self
                .accounts
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *held, accounts);
            held.iter().any(|account| !before.contains(account))
        };
        if are_more {
            // who opens a stream meanwhile has taken its seat first, and asks then
            for seat in seats.all() {
                if !seat.is_view() && !seat.notes_writes() && self.wants(&seat.account_id) {
                    seat.note_writes(true);
                    seat.tell();
                }
            }
        }
    }

    /// A stream begins behind a place. Views are for people to look at, and nothing is noted of them.
    pub fn open(&self, seat: &Arc<Seat>, filter: &Filter, place: &Position) {
        if !seat.is_view() && self.wants(&seat.account_id) {
            seat.note_writes(true);
            self.begin(seat, filter, place);
        }
    }

    /// Of a stream that is to be noted: whatever is written to it behind a place is, if not what was before.
    pub fn begin(&self, seat: &Arc<Seat>, filter: &Filter, place: &Position) {
        if let Some(mut stream) = self.streams.get_mut(&seat.connection) {
            if std::mem::take(&mut stream.dropped) {
                stream.handed.clear();
                stream.go_on_at(place, self.number());
            }
            return;
        }
        let noted = Noted {
            seat: Arc::downgrade(seat),
            range: Written {
                number: self.number(),
                connection: seat.connection,
                account_id: (*seat.account_id).into(),
                key_id: seat.key().into(),
                epoch: place.epoch.clone(),
                after: place.seq,
                until: place.seq,
                filter: kept_filter::text(filter).map(Into::into),
                opened_at: seat.connected_at,
                closed_at: None,
            },
            before: Vec::new(),
            changed: false,
            handed: VecDeque::new(),
            transport: None,
            dropped: false,
        };
        self.streams.insert(seat.connection, noted);
    }

    fn number(&self) -> u64 {
        self.ranges.fetch_add(1, Ordering::Relaxed)
    }

    /// Something has left whole; in the order in which it does.
    pub fn wrote(&self, seat: &Seat, passed: &Passed) {
        if !seat.notes_writes() {
            return;
        }
        let Some(mut stream) = self.streams.get_mut(&seat.connection) else {
            return;
        };
        stream.note(passed, || self.number());
    }

    /// Something was handed to a library that writes it, in the order in which it will leave.
    pub fn hand_on(&self, seat: &Seat, passed: Passed, transport: &dyn Transport) {
        if seat.notes_writes()
            && let Some(mut stream) = self.streams.get_mut(&seat.connection)
        {
            stream.handed.push_back((passed, transport.handing()));
            stream.settle(transport, || self.number());
            if stream.range.closed_at.is_some() {
                stream.hold(seat);
            }
        }
    }

    /// A stream is over. What is on its way to its connection may yet be taken, and counts.
    pub fn close(&self, seat: &Seat, now: Time) {
        if seat.notes_writes()
            && let Some(mut stream) = self.streams.get_mut(&seat.connection)
        {
            stream.close(now);
            stream.hold(seat);
            self.closed.notify_one();
        }
    }

    /// Resolves when a stream that is noted was closed since this was last awaited. For one who waits.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Has those say where they stand who lack something of the log up to a seq: threads of streams are not asked while they write.
    pub fn look(&self, head: i64) {
        let lacks = |stream: &Noted| stream.range.until < head && stream.range.closed_at.is_none();
        let all = self.streams.iter().filter(|stream| lacks(stream));
        let all: Vec<Arc<Seat>> = all.filter_map(|stream| stream.seat.upgrade()).collect();
        all.iter().for_each(|seat| seat.tell());
    }

    /// Ranges that have changed since this was asked last, each as it is now.
    pub fn take_changed(&self, now: Time) -> Vec<Written> {
        let mut taken = Vec::new();
        self.streams.retain(|_, stream| {
            // before the rest is looked at: who held it has noted all by then
            let gone = stream.seat.strong_count() == 0;
            if let Some(transport) = stream.transport().filter(|_| !stream.handed.is_empty()) {
                stream.settle(&*transport, || self.number());
            }
            if gone {
                stream.close(now);
            }
            let closed = stream.range.closed_at;
            if closed.is_some_and(|at| at.plus(LAST_BYTES) <= now) {
                // what has not left by now is not counted
                stream.transport = None;
            }
            taken.append(&mut stream.before);
            if std::mem::take(&mut stream.changed) && !stream.range.is_empty() {
                taken.push(stream.range.clone());
            }
            let is_over = gone && stream.transport.is_none();
            !(stream.dropped || is_over)
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{
        config::Config,
        seats::SeatGuard,
        test_node::{self, Pipe, node},
        transport::Transport,
    };
    use crate::model::{lease::Claim, rank::Rank};

    fn place(epoch: &str, seq: i64) -> Position {
        Position {
            epoch: epoch.into(),
            seq,
        }
    }

    fn accounts<const N: usize>(some: [&str; N]) -> HashSet<Box<str>> {
        some.into_iter().map(Into::into).collect()
    }

    /// Seats, and one of them taken.
    async fn seated() -> (Arc<Seats>, SeatGuard, Arc<dyn Transport>) {
        let config: Config = node().await.config.clone();
        let seats = Arc::new(Seats::new(&config, None));
        let transport: Arc<dyn Transport> = Arc::new(Pipe::default());
        let seat = test_node::seat(3, &transport, None);
        let guard = seats.take(seat, Claim::Fresh).await.unwrap();
        (seats, guard, transport)
    }

    fn ranges(writes: &Writes) -> Vec<(String, i64, i64, bool)> {
        let taken = writes.take_changed(Time(9));
        let short = taken.into_iter().map(|range| {
            let closed = range.closed_at.is_some();
            (range.epoch.to_string(), range.after, range.until, closed)
        });
        short.collect()
    }

    fn range(epoch: &str, after: i64, until: i64, closed: bool) -> (String, i64, i64, bool) {
        (epoch.to_owned(), after, until, closed)
    }

    #[tokio::test]
    async fn what_is_written_is_noted_once_and_a_gap_begins_another_range() {
        let (seats, guard, _transport) = seated().await;
        let writes = Writes::default();
        writes.set_accounts(accounts(["account"]), &seats);
        writes.open(&guard.shared(), &Filter::default(), &place("e", 4));
        assert_eq!(ranges(&writes), [], "nothing yet");
        writes.wrote(&guard, &Passed::Signal(6));
        writes.wrote(&guard, &Passed::Signal(5));
        assert_eq!(ranges(&writes), [range("e", 4, 6, false)]);
        assert_eq!(ranges(&writes), [], "it has not changed");
        writes.wrote(&guard, &Passed::Signal(7));
        writes.wrote(&guard, &Passed::Gap(place("e", 20)));
        writes.wrote(&guard, &Passed::Gap(place("f", 3)));
        writes.wrote(&guard, &Passed::Signal(4));
        let both = [range("e", 4, 7, false), range("f", 3, 4, false)];
        assert_eq!(ranges(&writes), both);
        writes.close(&guard, Time(8));
        writes.wrote(&guard, &Passed::Signal(5));
        assert_eq!(ranges(&writes), [range("f", 3, 5, true)]);
        writes.wrote(&guard, &Passed::Signal(6));
        drop(guard);
        assert_eq!(ranges(&writes), [range("f", 3, 6, true)], "the last bytes");
        assert!(writes.streams.is_empty());
    }

    /// Has left what was handed over before the last flush.
    #[derive(Debug, Default)]
    struct Flushing(AtomicU64);

    impl Transport for Flushing {
        fn peer(&self) -> std::net::SocketAddr {
            std::net::SocketAddr::from(([127, 0, 0, 1], 1))
        }
        fn written(&self) -> u64 {
            0
        }
        fn condition(&self) -> Option<crate::hub::transport::Condition> {
            None
        }
        fn is_closed(&self) -> bool {
            true
        }
        fn kill(&self) {}
        fn unanswered_for(&self) -> std::time::Duration {
            std::time::Duration::MAX
        }
        fn let_system_give_up(&self, _: bool) -> std::io::Result<()> {
            Ok(())
        }
        fn handing(&self) -> Handing {
            Handing {
                bytes: 0,
                flushes: Some(self.0.load(Ordering::Relaxed)),
            }
        }
        fn has_left(&self, handed: &mut Handing) -> bool {
            handed.flushes < Some(self.0.load(Ordering::Relaxed))
        }
        fn mark(&self, _: &crate::hub::frame::Frame) {}
    }

    #[tokio::test]
    async fn what_a_library_holds_counts_when_it_has_left() {
        let seats = Arc::new(Seats::new(&node().await.config, None));
        let flushing = Arc::new(Flushing::default());
        let transport: Arc<dyn Transport> = flushing.clone();
        let seat = test_node::seat(3, &transport, None);
        let guard = seats.take(seat, Claim::Fresh).await.unwrap();
        drop(transport);
        let writes = Writes::default();
        writes.set_accounts(accounts(["account"]), &seats);
        writes.open(&guard.shared(), &Filter::default(), &place("e", 0));
        let hand_on = |passed| writes.hand_on(&guard, passed, &*flushing);
        let flush = || flushing.0.fetch_add(1, Ordering::Relaxed);
        hand_on(Passed::Signal(1));
        hand_on(Passed::Signal(2));
        assert_eq!(ranges(&writes), []);
        flush();
        hand_on(Passed::Signal(3));
        assert_eq!(ranges(&writes), [range("e", 0, 2, false)]);
        hand_on(Passed::Gap(place("f", 7)));
        hand_on(Passed::Signal(8));
        flush();
        let both = [range("e", 0, 3, false), range("f", 7, 8, false)];
        assert_eq!(ranges(&writes), both);
        // the end: what was on its way may leave after it, for a moment
        hand_on(Passed::Signal(9));
        writes.close(&guard, Time(9));
        hand_on(Passed::Signal(10));
        drop(guard);
        assert_eq!(ranges(&writes), [range("f", 7, 8, true)]);
        flush();
        drop(flushing);
        assert_eq!(ranges(&writes), [range("f", 7, 10, true)]);
        let later = writes.take_changed(Time(9 + LAST_BYTES));
        assert!(later.is_empty() && writes.streams.is_empty());
    }

    #[tokio::test]
    async fn numbers_of_ranges_are_never_used_again() {
        let (seats, guard, _transport) = seated().await;
        let writes = Writes::default();
        let mut numbers = HashSet::new();
        for round in 1..4 {
            writes.set_accounts(accounts(["account"]), &seats);
            writes.begin(&guard.shared(), &Filter::default(), &place("e", round));
            writes.wrote(&guard, &Passed::Signal(round + 1));
            for range in writes.take_changed(Time(9)) {
                assert!(numbers.insert(range.number));
                assert_eq!((range.after, range.until), (round, round + 1));
            }
            // and what is dropped is forgotten
            writes.set_accounts(accounts([]), &seats);
            assert!(!guard.notes_writes());
            writes.wrote(&guard, &Passed::Signal(99));
            assert_eq!(writes.take_changed(Time(9)), []);
        }
        assert_eq!(numbers.len(), 3);
    }

    #[tokio::test]
    async fn of_accounts_that_do_not_want_it_nothing_is_noted() {
        let (seats, guard, _transport) = seated().await;
        let writes = Writes::default();
        writes.set_accounts(accounts(["other"]), &seats);
        writes.open(&guard.shared(), &Filter::default(), &place("e", 0));
        writes.wrote(&guard, &Passed::Signal(1));
        writes.close(&guard, Time(1));
        assert!(!guard.notes_writes() && writes.streams.is_empty());
        // until they do: whoever runs the stream is told, and begins
        writes.set_accounts(accounts(["other", "account"]), &seats);
        assert!(guard.notes_writes());
        writes.wrote(&guard, &Passed::Signal(2));
        let filter = Filter {
            min_rank: Some(Rank::A),
            ..Filter::default()
        };
        writes.begin(&guard.shared(), &filter, &place("e", 2));
        writes.wrote(&guard, &Passed::Signal(3));
        let taken = writes.take_changed(Time(9));
        assert_eq!(taken[0].filter.as_deref(), Some(r#"{"min_rank":"A"}"#));
        assert_eq!((taken[0].after, taken[0].until), (2, 3));
        assert_eq!((&*taken[0].key_id, taken[0].connection), ("key 3", 3));
    }

    #[tokio::test]
    async fn nothing_is_noted_of_views() {
        let (seats, _guard, transport) = seated().await;
        let view = |name| test_node::named(name, 4, &transport);
        let view = seats.take_view("key 3", 1, view).unwrap();
        let writes = Writes::default();
        writes.set_accounts(accounts(["account"]), &seats);
        writes.open(&view.shared(), &Filter::default(), &place("e", 0));
        assert!(!view.notes_writes() && writes.streams.is_empty());
    }

    #[tokio::test]
    async fn whoever_is_gone_without_a_word_is_closed() {
        let (seats, guard, _transport) = seated().await;
        let writes = Writes::default();
        writes.set_accounts(accounts(["account"]), &seats);
        writes.open(&guard.shared(), &Filter::default(), &place("e", 0));
        writes.wrote(&guard, &Passed::Signal(1));
        drop(guard);
        assert_eq!(ranges(&writes), [range("e", 0, 1, true)]);
        assert!(writes.streams.is_empty());
    }
}
