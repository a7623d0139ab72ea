//! A wallet in memory: who it is, what it holds, what it closed.

use std::sync::Arc;

use crate::model::{
    swap::{Address, Label, WalletFact},
    time::Time,
};

use super::{
    book::Position,
    history::{History, Rating},
    prices::Fate,
    record::{Changes, ClosedRecord, WalletRecord},
    sums::{Sums, sum},
    table::Weigh,
    wallet::MIN_CLOSED,
};

/// More facts about one wallet than this are no history but noise; the latest are kept.
const MAX_FACTS: usize = 64;
/// A holding is written off a day after its latest buy at the earliest.
const DAY: i64 = Time::DAY;
/// How far into the future a wallet without a dying holding needs no new look; an hour less than a day, see [`Trader::settle`].
const SETTLED: i64 = 23 * (Time::DAY / 24);

/// What a position's end or change leaves behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sale {
    /// Base units that lots stood for.
    pub matched: u128,
    /// When what is left may be dead at the earliest.
    pub ages_at: i64,
}

/// A position with its sum and mark, and the address of its mint where no other has it; measured from above.
const HOLDING: usize = size_of::<(Address, Position)>() + 72;

/// What the store knows of a position.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// It as it is.
    Stored,
    /// An older state of it.
    Changed,
    /// Nothing.
    New,
}

/// Open positions, in no order.
#[derive(Debug, Default)]
struct Holdings {
    sums: Sums,
    rows: Vec<(Address, Position)>,
    /// At the same places.
    marks: Vec<Mark>,
    /// Mints of positions that are gone, and that the store still has.
    gone: Vec<Address>,
    /// Bytes of their lots.
    lots: usize,
}

impl Holdings {
    fn find(&self, mint: &Address) -> Option<usize> {
        self.sums.find(sum(mint), |place| {
            let known = self.rows.get(place).map(|(known, _)| known);
            known.is_some_and(|known| Arc::ptr_eq(known, mint) || known == mint)
        })
    }

    fn get(&self, mint: &Address) -> Option<&Position> {
        Some(&self.rows.get(self.find(mint)?)?.1)
    }

    fn change<R>(&mut self, mint: &Address, change: impl FnOnce(&mut Position) -> R) -> Option<R> {
        let place = self.find(mint)?;
        let (_, position) = self.rows.get_mut(place)?;
        let before = position.weight();
        let result = change(position);
        self.lots = (self.lots + position.weight()).saturating_sub(before);
        if let Some(mark @ Mark::Stored) = self.marks.get_mut(place) {
            *mark = Mark::Changed;
        }
        Some(result)
    }

    /// Adds a position; the mint has none.
    fn push(&mut self, mint: Address, position: Position, mark: Mark) {
        if self.rows.len() == self.rows.capacity() {
            // a quarter more, not twice as many: thousands of wallets have a few each
            let more = self.rows.len() / 4 + 1;
            self.rows.reserve_exact(more);
            self.sums.reserve(more);
            self.marks.reserve_exact(more);
        }
        self.lots += position.weight();
        self.sums.push(sum(&mint));
        self.rows.push((mint, position));
        self.marks.push(mark);
    }

    fn remove(&mut self, mint: &Address) -> Option<Position> {
        let place = self.find(mint)?;
        self.sums.swap_remove(place);
        // `find` gave a place that there is, in all three lists
        let mark = self.marks.swap_remove(place);
        let (mint, position) = self.rows.swap_remove(place);
        self.lots = self.lots.saturating_sub(position.weight());
        if mark != Mark::New {
            self.gone.push(mint);
        }
        Some(position)
    }

    /// Tells what the store does not know; then it does.
    fn take_changes(&mut self, wallet: &Address, into: &mut Changes) {
        // gone and bought again: its row is overwritten, or removed if it is gone again
        let mut gone = std::mem::take(&mut self.gone);
        gone.sort_unstable();
        gone.dedup();
        gone.retain(|mint| self.find(mint).is_none());
        let removed = gone.into_iter().map(|mint| (wallet.clone(), mint, None));
        into.positions.extend(removed);
        for ((mint, position), mark) in self.rows.iter().zip(&mut self.marks) {
            if *mark != Mark::Stored {
                *mark = Mark::Stored;
                let record = Some(position.record(mint));
                into.positions.push((wallet.clone(), mint.clone(), record));
            }
        }
    }
}

/// A wallet.
#[derive(Debug, Default)]
pub struct Trader {
    /// Sets of labels as bits, by time.
    labels: Vec<(Time, u8)>,
    /// First funders, by time.
    funders: Vec<(Time, Address)>,
    positions: Holdings,
    history: History,
    /// Closed, and not yet told to the store.
    closed: Vec<ClosedRecord>,
    /// Whether anything of it is not yet told to the store, and it is noted for that.
    pub noted: bool,
    /// Until when no holding can turn out dead, and under which count of disorder that was found.
    settled_until: i64,
    settled_under: u64,
    /// No open position is a day old before.
    young_until: i64,
}

impl Weigh for Trader {
    fn weight(&self) -> usize {
        let facts = self.labels.capacity() * 16 + self.funders.capacity() * 96;
        let positions = self.positions.rows.capacity() * HOLDING + self.positions.lots;
        let untold = self.closed.capacity() * size_of::<ClosedRecord>()
            + self.positions.gone.capacity() * size_of::<Address>();
        facts + positions + untold + self.history.weight()
    }
}

impl Trader {
    /// From its stored form. `known` gives a mint's address as it is kept already, so that it is kept once.
    #[must_use]
    pub fn from_record(record: WalletRecord, known: impl Fn(&Address) -> Option<Address>) -> Self {
        let mut trader = Trader {
            settled_until: i64::MIN,
            young_until: i64::MAX,
            ..Trader::default()
        };
        for fact in &record.facts {
            trader.learn(fact);
        }
        for closed in &record.closed {
            trader.history.insert(closed);
        }
        for position in record.positions {
            let mint = position.mint.clone();
            let position = Position::from_record(position);
            if position.is_done() {
                continue;
            }
            trader.young_until = trader.young_until.min(position.last_buy_at.plus(DAY).0);
            let mint = known(&mint).unwrap_or(mint);
            trader.positions.remove(&mint); // a store has one of each
            trader.positions.push(mint, position, Mark::Stored);
        }
        trader
    }

    /// Tells what changed since changes were last taken. What came and went in between, the store never hears of.
    pub fn take_changes(&mut self, wallet: &Address, into: &mut Changes) {
        self.noted = false;
        self.positions.take_changes(wallet, into);
        let closed = std::mem::take(&mut self.closed);
        if !closed.is_empty() {
            into.closed.push((wallet.clone(), closed));
        }
    }

    /// Sorts a `wallet` fact in.
    pub fn learn(&mut self, fact: &WalletFact) {
        if let Some(labels) = &fact.labels {
            let bits = labels.iter().fold(0, |bits, label| bits | bit(*label));
            keep(&mut self.labels, fact.time, bits);
        }
        if let Some(funder) = &fact.first_funder {
            keep(&mut self.funders, fact.time, funder.clone());
        }
    }

    /// Whether it carried a label at `time`.
    #[must_use]
    pub fn is(&self, label: Label, time: Time) -> bool {
        latest(&self.labels, time).is_some_and(|bits| bits & bit(label) != 0)
    }

    /// Who sent it its first SOL, as known at `time`.
    #[must_use]
    pub fn funder(&self, time: Time) -> Option<&Address> {
        latest(&self.funders, time)
    }

    /// Its position in a mint.
    #[must_use]
    pub fn position(&self, mint: &Address) -> Option<&Position> {
        self.positions.get(mint)
    }

    /// Adds to a position, or opens one. Gives when it may be dead at the earliest.
    pub fn buy(&mut self, mint: &Address, quantity: u128, cost: i64, time: Time) -> i64 {
        if quantity == 0 {
            return i64::MAX;
        }
        let buy = |position: &mut Position| {
            position.buy(quantity, cost, time);
            position.last_buy_at
        };
        let last_buy_at = self.positions.change(mint, buy).unwrap_or_else(|| {
            let mut position = Position::new(time);
            let last_buy_at = buy(&mut position);
            self.positions.push(mint.clone(), position, Mark::New);
            last_buy_at
        });
        let ages_at = last_buy_at.plus(DAY).0;
        self.settled_until = self.settled_until.min(ages_at);
        self.young_until = self.young_until.min(ages_at);
        ages_at
    }

    /// Sells of a position. `None`: there is none.
    pub fn sell(
        &mut self,
        mint: &Address,
        quantity: u128,
        proceeds: i64,
        time: Time,
    ) -> Option<Sale> {
        let matched = self
            .positions
            .change(mint, |position| position.sell(quantity, proceeds))?;
        let ages_at = self.after_removal(mint, time);
        Some(Sale { matched, ages_at })
    }

    /// Moves tokens of a position elsewhere. `None`: there is none.
    pub fn transfer_out(&mut self, mint: &Address, quantity: u128, time: Time) -> Option<Sale> {
        let matched = self
            .positions
            .change(mint, |position| position.transfer_out(quantity))?;
        let ages_at = self.after_removal(mint, time);
        Some(Sale { matched, ages_at })
    }

    /// Closes a position as lost.
    pub fn write_off(&mut self, mint: &Address, at: Time) {
        if let Some(position) = self.positions.remove(mint) {
            self.keep_closed(position.close(at, true));
        }
    }

    fn after_removal(&mut self, mint: &Address, time: Time) -> i64 {
        let Some(position) = self.positions.get(mint) else {
            return i64::MAX;
        };
        if !position.is_done() {
            // what is left may have cost more than the average so far, and be dead by that
            let ages_at = position.last_buy_at.plus(DAY).0;
            self.settled_until = self.settled_until.min(ages_at);
            return ages_at;
        }
        let closed = position.close(time, false);
        self.positions.remove(mint);
        self.keep_closed(closed);
        i64::MAX
    }

    fn keep_closed(&mut self, closed: Option<ClosedRecord>) {
        if let Some(closed) = closed {
            self.history.insert(&closed);
            self.closed.push(closed);
        }
    }

    /// Whether it could have positions enough for a score, with `more` that are about to come.
    #[must_use]
    pub fn may_score(&self, more: usize) -> bool {
        self.history.len() + self.positions.rows.len() + more >= MIN_CLOSED
    }

    /// Whether no holding can turn out dead at `now`. `disorder` counts observations of prices that came late.
    #[must_use]
    pub fn is_settled(&self, now: Time, disorder: u64) -> bool {
        now.0 < self.settled_until(disorder)
    }

    /// Until when (exclusive) no holding can turn out dead.
    #[must_use]
    pub fn settled_until(&self, disorder: u64) -> i64 {
        if disorder == self.settled_under {
            self.settled_until.max(self.young_until)
        } else {
            self.young_until
        }
    }

    /// When the next holding is old enough to be dead.
    #[must_use]
    pub fn ages_next(&self, now: Time) -> i64 {
        let young = (self.positions.rows.iter()).filter(|(_, position)| !is_aged(position, now));
        let ages = young.map(|(_, position)| position.last_buy_at.plus(DAY).0);
        ages.min().unwrap_or(i64::MAX)
    }

    /// The mints of holdings old enough to be dead.
    pub fn aged_mints(&self, now: Time) -> impl Iterator<Item = &Address> {
        (self.positions.rows.iter())
            .filter(move |(_, position)| is_aged(position, now))
            .map(|(mint, _)| mint)
    }

    /// Closes the holdings that are dead at `now`; whether there were any.
    ///
    /// What it finds holds for a while. A holding that lives now dies a day after a price yet to come at the earliest, and
    /// prices to come are at most an hour older than `now`; where one is older, `disorder` is counted up and all is looked at anew.
    pub fn settle(
        &mut self,
        now: Time,
        disorder: u64,
        fate: impl Fn(&Address, &Position) -> Fate,
    ) -> bool {
        let mut until = now.0.saturating_add(SETTLED);
        let mut dead = Vec::new();
        for (mint, position) in &self.positions.rows {
            if !is_aged(position, now) {
                until = until.min(position.last_buy_at.plus(DAY).0);
                continue;
            }
            match fate(mint, position) {
                Fate::Dead(at) => dead.push((mint.clone(), at)),
                Fate::Dying(at) => until = until.min(at.0),
                Fate::Alive => {}
            }
        }
        (self.settled_until, self.settled_under) = (until, disorder);
        dead.sort_unstable(); // the list's order is no order
        for (mint, at) in &dead {
            self.write_off(mint, *at);
        }
        !dead.is_empty()
    }

    /// What it is worth at `now`. `None`: unscored.
    pub fn rate(&mut self, now: Time) -> Option<Rating> {
        let bot = self.is(Label::Bot, now);
        self.history.rate(now, bot)
    }
}

/// Whether the latest buy is a day old.
#[must_use]
pub fn is_aged(position: &Position, now: Time) -> bool {
    position.last_buy_at.plus(DAY) <= now
}

fn bit(label: Label) -> u8 {
    match label {
        Label::Exchange => 1,
        Label::Router => 1 << 1,
        Label::Bot => 1 << 2,
        Label::Deployer => 1 << 3,
        Label::Pool => 1 << 4,
        Label::Burn => 1 << 5,
        Label::Locker => 1 << 6,
    }
}

fn keep<T>(line: &mut Vec<(Time, T)>, time: Time, value: T) {
    match line.binary_search_by_key(&time, |(known, _)| *known) {
        Ok(place) => {
            if let Some(known) = line.get_mut(place) {
                known.1 = value;
            }
        }
        Err(place) => line.insert(place, (time, value)),
    }
    if line.len() > MAX_FACTS {
        line.remove(0); // longer than MAX_FACTS: there is a first
    }
}

fn latest<T>(line: &[(Time, T)], time: Time) -> Option<&T> {
    let known = line.partition_point(|(known, _)| *known <= time);
    let (_, value) = line.get(known.checked_sub(1)?)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_hold_from_their_time_on_and_gaps_keep_the_earlier() {
        let fact = |time, labels: Option<&[Label]>, funder: Option<&str>| WalletFact {
            wallet: "W".into(),
            time: Time(time),
            labels: labels.map(<[_]>::to_vec),
            first_funder: funder.map(Into::into),
        };
        let mut trader = Trader::default();
        trader.learn(&fact(20, Some(&[]), None));
        trader.learn(&fact(10, Some(&[Label::Bot, Label::Router]), Some("F")));
        assert!(!trader.is(Label::Bot, Time(9)));
        assert!(trader.is(Label::Bot, Time(19)) && trader.is(Label::Router, Time(10)));
        assert!(
            !trader.is(Label::Bot, Time(20)),
            "an empty list takes labels away"
        );
        assert_eq!(trader.funder(Time(99)).map(|f| &**f), Some("F"));
        assert_eq!(trader.funder(Time(9)), None);
    }

    #[test]
    fn a_dead_holding_is_a_loss_once() {
        let mut trader = Trader::default();
        let mint: Address = "M".into();
        trader.buy(&mint, 100, 5_000_000, Time(0));
        let dead = |_: &Address, _: &Position| Fate::Dead(Time(DAY + 5));
        assert!(!trader.settle(Time(DAY - 1), 0, dead), "too young to look");
        assert!(!trader.is_settled(Time(DAY), 0));
        assert!(trader.settle(Time(DAY + 9), 0, dead));
        let mut changes = Changes::default();
        trader.take_changes(&"W".into(), &mut changes);
        let [(_, found)] = &changes.closed[..] else {
            panic!("{changes:?}");
        };
        let [closed] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((closed.return_ppm, closed.pnl.0), (-1_000_000, -5_000_000));
        assert_eq!(closed.closed_at, Time(DAY + 5));
        assert!(!trader.settle(Time(2 * DAY), 0, dead));
        assert!(trader.is_settled(Time(2 * DAY), 0) && !trader.is_settled(Time(2 * DAY), 1));
    }

    #[test]
    fn the_store_hears_once_of_what_it_does_not_know() {
        let (wallet, mint): (Address, Address) = ("W".into(), "M".into());
        let mut trader = Trader::default();
        let told = |trader: &mut Trader| {
            let mut changes = Changes::default();
            trader.take_changes(&wallet, &mut changes);
            let positions = changes.positions.into_iter();
            let held: Vec<_> = positions
                .map(|(_, mint, position)| (mint, position.map(|position| position.peak)))
                .collect();
            (held, changes.closed.len())
        };
        trader.buy(&mint, 100, 5, Time(0));
        trader.sell(&mint, 100, 6, Time(1));
        assert_eq!(told(&mut trader), (vec![], 1), "it came and went");
        trader.buy(&mint, 70, 5, Time(2));
        assert_eq!(told(&mut trader), (vec![(mint.clone(), Some(70))], 0));
        assert_eq!(told(&mut trader), (vec![], 0), "once");
        trader.buy(&mint, 10, 5, Time(3));
        assert_eq!(told(&mut trader), (vec![(mint.clone(), Some(80))], 0));
        trader.sell(&mint, 80, 6, Time(4));
        trader.buy(&mint, 30, 5, Time(5));
        assert_eq!(told(&mut trader), (vec![(mint.clone(), Some(30))], 1));
        trader.sell(&mint, 30, 6, Time(6));
        trader.buy(&mint, 30, 5, Time(7));
        trader.sell(&mint, 30, 6, Time(8));
        assert_eq!(told(&mut trader), (vec![(mint, None)], 1));
    }
}
