//! The position book: what a wallet holds of one mint, first in, first out, and what it made when it was done.

use std::collections::VecDeque;

use crate::model::{
    money::MicroUsd,
    swap::{Address, MAX_QUANTITY},
    time::Time,
};

use super::record::{ClosedRecord, Lot, PositionRecord};

/// Buys beyond this many open lots join the newest: a program that buys a thousand times must not cost a thousand lots.
const MAX_LOTS: usize = 256;

/// What a position without a cost is taken to have returned when it brought money: the upper bound of winsorising.
const FREE_GAIN_PPM: i64 = 3_000_000;

/// What most positions do not have, being one buy that waits for its sale: kept apart, as there are hundreds of thousands of those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    /// Lots after the oldest one, oldest first.
    later: VecDeque<Lot>,
    /// Base units in them.
    later_held: u128,
    peak: u128,
    cost_sold: i64,
    proceeds: i64,
    unmatched: u128,
}

/// An open position of one wallet in one mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// First buy.
    pub opened_at: Time,
    /// Latest buy.
    pub last_buy_at: Time,
    /// Of the oldest lot; zero where there is none.
    quantity: u128,
    cost: i64,
    /// `None`: the oldest lot is the only one, and is as it was bought.
    more: Option<Box<More>>,
}

impl Position {
    /// An empty position that a buy at `time` is about to open.
    #[must_use]
    pub fn new(time: Time) -> Self {
        Position {
            opened_at: time,
            last_buy_at: time,
            quantity: 0,
            cost: 0,
            more: None,
        }
    }

    /// From its stored form. Lots of nothing are left out.
    #[must_use]
    pub fn from_record(record: PositionRecord) -> Self {
        let mut position = Position::new(record.opened_at);
        position.last_buy_at = record.last_buy_at;
        for lot in record.lots.iter().filter(|lot| lot.quantity > 0) {
            position.push(lot.quantity, lot.cost.0);
        }
        let held = position.held();
        let sold = (record.cost_sold, record.proceeds) != (MicroUsd::ZERO, MicroUsd::ZERO);
        if sold || record.unmatched > 0 || record.peak > held {
            let more = position.more();
            more.peak = record.peak.max(held);
            more.cost_sold = record.cost_sold.0;
            more.proceeds = record.proceeds.0;
            more.unmatched = record.unmatched;
        }
        position
    }

    /// Its stored form.
    #[must_use]
    pub fn record(&self, mint: &Address) -> PositionRecord {
        let more = self.more.as_deref();
        PositionRecord {
            mint: mint.clone(),
            opened_at: self.opened_at,
            last_buy_at: self.last_buy_at,
            peak: self.peak(),
            lots: self.lots().collect(),
            cost_sold: MicroUsd(self.cost_sold()),
            proceeds: MicroUsd(self.proceeds()),
            unmatched: more.map_or(0, |more| more.unmatched),
        }
    }

    /// Bytes outside of itself, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let more = self.more.as_deref();
        more.map_or(0, |more| {
            size_of::<More>() + 16 + more.later.capacity() * size_of::<Lot>()
        })
    }

    /// Base units that lots stand for.
    #[must_use]
    pub fn held(&self) -> u128 {
        let later = self.more.as_ref().map_or(0, |more| more.later_held);
        self.quantity.saturating_add(later)
    }

    /// Cost of the lots left, micro-dollars with fees.
    #[must_use]
    pub fn cost_left(&self) -> i64 {
        self.lots()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.cost.0))
    }

    /// Average cost of a base unit still held, micro-dollars.
    #[must_use]
    pub fn unit_cost(&self) -> f64 {
        let held = self.held();
        if held == 0 {
            return 0.0;
        }
        self.cost_left() as f64 / held as f64
    }

    /// Adds a lot. `cost` is the amount with fees, micro-dollars.
    pub fn buy(&mut self, quantity: u128, cost: i64, time: Time) {
        // a position never exceeds what pro-rata arithmetic is proven for
        let quantity = quantity.min(MAX_QUANTITY.saturating_sub(self.held()));
        self.opened_at = self.opened_at.min(time);
        self.last_buy_at = self.last_buy_at.max(time);
        if quantity > 0 {
            self.push(quantity, cost);
        }
    }

    /// Sells the oldest first; `proceeds` is the amount less fees, micro-dollars. Gives the quantity that lots stood for:
    /// the rest came from elsewhere, and neither it nor its money says anything of the wallet's skill.
    pub fn sell(&mut self, quantity: u128, proceeds: i64) -> u128 {
        let matched = quantity.min(self.held());
        let share = pro_rata(proceeds.unsigned_abs(), matched, quantity).min(i64::MAX as u64);
        let share = if proceeds < 0 {
            -(share as i64)
        } else {
            share as i64
        };
        let cost = self.consume(matched);
        let more = self.more();
        more.unmatched = more.unmatched.saturating_add(quantity - matched);
        more.proceeds = more.proceeds.saturating_add(share);
        more.cost_sold = more.cost_sold.saturating_add(cost);
        matched
    }

    /// Removes the oldest lots at cost: a transfer is no trade. Gives the quantity removed.
    pub fn transfer_out(&mut self, quantity: u128) -> u128 {
        let moved = quantity.min(self.held());
        self.consume(moved);
        moved
    }

    /// Whether at most 1 % of the peak is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.held() <= self.peak() / 100
    }

    /// What the position came to, with what is left counted as lost. `None` where nothing was sold of it and `lost` is not set:
    /// tokens that were all moved elsewhere are neither won nor lost.
    #[must_use]
    pub fn close(&self, at: Time, lost: bool) -> Option<ClosedRecord> {
        if !lost && self.cost_sold() == 0 && self.proceeds() == 0 {
            return None;
        }
        let cost = self.cost_sold().saturating_add(self.cost_left());
        let pnl = self.proceeds().saturating_sub(cost);
        Some(ClosedRecord {
            opened_at: self.opened_at,
            closed_at: at.max(self.opened_at),
            return_ppm: return_ppm(pnl, cost),
            pnl: MicroUsd(pnl),
        })
    }

    /// Takes `quantity` ≤ held from the oldest lots and gives its cost. A lot's remainder keeps the remainder of its cost,
    /// so no micro-dollar is lost however often a lot is divided.
    fn consume(&mut self, mut quantity: u128) -> i64 {
        let mut cost = 0_i64;
        self.more(); // remembers the peak
        while quantity > 0 && self.quantity > 0 {
            if self.quantity <= quantity {
                quantity -= self.quantity;
                cost = cost.saturating_add(self.cost);
                self.pop();
            } else {
                let part = pro_rata(self.cost.unsigned_abs(), quantity, self.quantity) as i64;
                self.quantity -= quantity;
                self.cost = self.cost.saturating_sub(part);
                cost = cost.saturating_add(part);
                quantity = 0;
            }
        }
        cost
    }

    /// Lots, oldest first.
    fn lots(&self) -> impl Iterator<Item = Lot> + '_ {
        let first = (self.quantity > 0).then_some(Lot {
            quantity: self.quantity,
            cost: MicroUsd(self.cost),
        });
        let later = self.more.iter().flat_map(|more| more.later.iter().cloned());
        first.into_iter().chain(later)
    }

    /// Adds a lot of more than nothing; beyond [`MAX_LOTS`] it joins the newest.
    fn push(&mut self, quantity: u128, cost: i64) {
        if self.quantity == 0 {
            // the first: none is later than one that there is not
            (self.quantity, self.cost) = (quantity, cost);
        } else {
            let more = self.more();
            let full = more.later.len() + 1 >= MAX_LOTS;
            match more.later.back_mut().filter(|_| full) {
                Some(newest) => {
                    newest.quantity = newest.quantity.saturating_add(quantity);
                    newest.cost = MicroUsd(newest.cost.0.saturating_add(cost));
                }
                None => {
                    let cost = MicroUsd(cost);
                    more.later.push_back(Lot { quantity, cost });
                }
            }
            more.later_held = more.later_held.saturating_add(quantity);
        }
        let held = self.held();
        if let Some(more) = &mut self.more {
            more.peak = more.peak.max(held);
        }
    }

    /// The oldest lot goes, and the next is the oldest.
    fn pop(&mut self) {
        let next = self.more.as_mut().and_then(|more| {
            let next = more.later.pop_front()?;
            more.later_held = more.later_held.saturating_sub(next.quantity);
            Some(next)
        });
        (self.quantity, self.cost) = next.map_or((0, 0), |lot| (lot.quantity, lot.cost.0));
    }

    fn more(&mut self) -> &mut More {
        let peak = self.quantity;
        self.more.get_or_insert_with(|| {
            Box::new(More {
                peak,
                ..More::default()
            })
        })
    }

    fn peak(&self) -> u128 {
        (self.more.as_ref()).map_or(self.quantity, |more| more.peak)
    }

    fn cost_sold(&self) -> i64 {
        self.more.as_ref().map_or(0, |more| more.cost_sold)
    }

    fn proceeds(&self) -> i64 {
        self.more.as_ref().map_or(0, |more| more.proceeds)
    }
}

fn return_ppm(pnl: i64, cost: i64) -> i64 {
    if cost <= 0 {
        return if pnl > 0 { FREE_GAIN_PPM } else { 0 };
    }
    let ppm = i128::from(pnl) * 1_000_000 / i128::from(cost);
    i64::try_from(ppm).unwrap_or(if pnl < 0 { i64::MIN } else { i64::MAX })
}

/// `money · part / whole`, rounded down, exact. `part` ≤ `whole`; a whole of zero gives zero.
fn pro_rata(money: u64, part: u128, whole: u128) -> u64 {
    if whole == 0 {
        return 0;
    }
    if part >= whole {
        return money;
    }
    if let Some(product) = u128::from(money).checked_mul(part) {
        return (product / whole) as u64; // < money
    }
    // the product needs up to 192 bits: long multiplication by the bits of `money`, reduced at every step
    let (mut quotient, mut rest) = (0_u64, 0_u128);
    for bit in (0..u64::BITS).rev() {
        quotient <<= 1;
        let mut add = |rest: u128, more: u128| {
            // both below `whole`: compared by difference, as their sum may exceed 128 bits
            if rest >= whole - more {
                quotient += 1;
                rest - (whole - more)
            } else {
                rest + more
            }
        };
        rest = add(rest, rest);
        if money >> bit & 1 == 1 {
            rest = add(rest, part);
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOLLAR: i64 = 1_000_000;

    fn bought(quantity: u128, cost: i64) -> Position {
        let mut position = Position::new(Time(0));
        position.buy(quantity, cost, Time(0));
        position
    }

    #[test]
    fn oldest_lots_go_first() {
        let mut position = bought(100, 10 * DOLLAR);
        position.buy(100, 30 * DOLLAR, Time(5));
        assert_eq!(position.sell(150, 60 * DOLLAR), 150);
        assert_eq!(position.cost_sold(), 25 * DOLLAR);
        assert_eq!(position.cost_left(), 15 * DOLLAR);
        assert!(!position.is_done());
        assert_eq!(position.sell(50, 5 * DOLLAR), 50);
        assert!(position.is_done());
        let closed = position.close(Time(9), false).expect("it sold");
        assert_eq!(closed.pnl, MicroUsd(25 * DOLLAR));
        assert_eq!(closed.return_ppm, 625_000);
    }

    #[test]
    fn what_no_lot_stands_for_is_left_out() {
        let mut position = bought(100, 10 * DOLLAR);
        assert_eq!(position.sell(400, 80 * DOLLAR), 100);
        assert_eq!(
            position.proceeds(),
            20 * DOLLAR,
            "a quarter of the sale was its own"
        );
        assert_eq!(position.record(&"M".into()).unmatched, 300);
    }

    #[test]
    fn closes_at_one_percent_and_counts_the_dust_as_lost() {
        let mut position = bought(1000, 10 * DOLLAR);
        position.sell(989, 989_000);
        assert!(!position.is_done(), "1.1 % is a holding");
        position.sell(1, 1_000);
        assert!(position.is_done(), "1 % is dust");
        let closed = position.close(Time(9), false).expect("it sold");
        assert_eq!(closed.pnl, MicroUsd(990_000 - 10 * DOLLAR));
        assert_eq!(closed.return_ppm, -901_000);
    }

    #[test]
    fn tokens_moved_elsewhere_are_no_result() {
        let mut position = bought(100, 10 * DOLLAR);
        assert_eq!(position.transfer_out(250), 100);
        assert!(position.is_done());
        assert_eq!(position.close(Time(9), false), None);
    }

    #[test]
    fn a_free_position_gains_three_hundred_percent_at_most() {
        let mut free = bought(100, 0);
        free.sell(100, DOLLAR);
        let closed = free.close(Time(9), false).expect("it sold");
        assert_eq!(closed.return_ppm, 3_000_000);
        assert_eq!(return_ppm(0, 0), 0);
        assert_eq!(return_ppm(i64::MAX, 1), i64::MAX);
    }

    #[test]
    fn records_round_trip() {
        let mut position = bought(100, 10 * DOLLAR);
        position.buy(7, 3, Time(4));
        position.sell(120, 55);
        position.buy(9, 9, Time(8));
        let record = position.record(&"M".into());
        assert_eq!(Position::from_record(record), position);
        // what waits for its sale takes little, however it came to be
        let waiting = bought(100, 10 * DOLLAR);
        assert_eq!(size_of::<Position>(), 48);
        assert_eq!(waiting.weight(), 0);
        assert_eq!(Position::from_record(waiting.record(&"M".into())), waiting);
    }

    proptest! {
        #[test]
        fn pro_rata_is_exact(money in any::<u64>(), part in 0..MAX_QUANTITY, more in 0..MAX_QUANTITY) {
            let whole = part + more + 1;
            let result = u128::from(pro_rata(money, part, whole));
            // result ≤ money·part/whole < result + 1, compared in 192 bits
            let wide = |a: u128, b: u128| -> (u128, u128) {
                let (a1, a0) = (a >> 64, a & u128::from(u64::MAX));
                let low = a0 * b;
                let high = a1 * b + (low >> 64);
                (high >> 64, high << 64 | low & u128::from(u64::MAX))
            };
            let product = wide(part, u128::from(money));
            prop_assert!(wide(whole, result) <= product);
            prop_assert!(result == u128::from(u64::MAX) || wide(whole, result + 1) > product);
        }

        #[test]
        fn quantity_and_cost_are_conserved(steps in proptest::collection::vec((0..3_u8, 1..1_000_000_u128, 0..1_000_000_000_i64), 1..400)) {
            let mut position = Position::new(Time(0));
            let (mut bought, mut matched, mut moved, mut dust) = (0_u128, 0, 0, 0);
            let (mut paid, mut left_cost, mut moved_cost) = (0_i64, 0_i64, 0_i64);
            for (kind, quantity, money) in steps {
                match kind {
                    0 => {
                        bought += quantity;
                        paid += money;
                        position.buy(quantity, money, Time(0));
                    }
                    1 => matched += position.sell(quantity, money),
                    _ => {
                        let before = position.cost_left();
                        moved += position.transfer_out(quantity);
                        moved_cost += before - position.cost_left();
                    }
                }
                let lots: u128 = position.lots().map(|lot| lot.quantity).sum();
                prop_assert_eq!(lots, position.held());
                if position.is_done() {
                    dust += position.held();
                    left_cost += position.cost_sold() + position.cost_left();
                    position = Position::new(Time(0));
                }
            }
            prop_assert_eq!(bought, matched + moved + dust + position.held());
            prop_assert_eq!(paid, left_cost + moved_cost + position.cost_sold() + position.cost_left());
        }
    }
}
