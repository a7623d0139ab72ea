//! Swaps by the million for benchmarks: cheap to make, in order of time, without any story.

use rust_decimal::Decimal;

use super::{
    dice::Dice,
    minting::{Stamp, swap, units_for},
};
use crate::model::{
    swap::{Address, Amount, Fact, Side},
    time::Time,
};

/// Of what the swaps are made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Distinct wallets, one at least.
    pub wallets: usize,
    /// Distinct mints, one at least.
    pub mints: usize,
    /// Event time of the first swap.
    pub start: Time,
    /// Over how much event time they spread, in microseconds.
    pub span: i64,
    /// Percent of swaps told in SOL instead of dollars; they need a price.
    pub in_sol_pct: u64,
}

impl Shape {
    /// 20,000 wallets, 5,000 mints, 30 days, all in dollars: most trades by a few wallets, each token's trades close together,
    /// nine in ten holdings sold again.
    #[must_use]
    pub fn month(start: Time) -> Self {
        Shape {
            wallets: 20_000,
            mints: 5_000,
            start,
            span: 30 * Time::DAY,
            in_sol_pct: 0,
        }
    }
}

/// Holdings that wait to be sold.
const MOST_OPEN: usize = 4_096;
/// Tokens that are traded at one time.
const TRADED_NOW: u64 = 200;

/// Exactly `n` swaps, ascending in time.
#[derive(Debug)]
pub struct Bulk {
    dice: Dice,
    stamp: Stamp,
    wallets: Vec<Address>,
    mints: Vec<Address>,
    shape: Shape,
    total: u64,
    made: u64,
    /// Bought and not yet sold: wallet, mint, units.
    open: Vec<(usize, usize, u128)>,
}

impl Bulk {
    /// Of a seed.
    #[must_use]
    pub fn new(seed: u64, n: u64, shape: Shape) -> Self {
        let mut dice = Dice::new(seed, 6);
        Bulk {
            wallets: (0..shape.wallets.max(1)).map(|_| dice.address()).collect(),
            mints: (0..shape.mints.max(1)).map(|_| dice.address()).collect(),
            stamp: Stamp::new(seed, 7),
            dice,
            shape,
            total: n,
            made: 0,
            open: Vec::new(),
        }
    }
}

impl Bulk {
    /// The cube makes the first tenth of the wallets do almost half of the trades.
    fn a_wallet(&mut self) -> usize {
        let share = self.dice.below(1_000_000) as f64 / 1e6;
        (share.powi(3) * self.wallets.len() as f64) as usize
    }

    /// One of the tokens that are traded just now.
    fn a_mint(&mut self) -> usize {
        let oldest =
            u128::from(self.made) * self.mints.len() as u128 / u128::from(self.total.max(1));
        (oldest as usize + self.dice.below(TRADED_NOW) as usize) % self.mints.len()
    }
}

impl Iterator for Bulk {
    type Item = Fact;

    fn next(&mut self) -> Option<Fact> {
        if self.made == self.total {
            return None;
        }
        let share = i128::from(self.shape.span) * i128::from(self.made) / i128::from(self.total);
        let time = self
            .shape
            .start
            .plus(i64::try_from(share).unwrap_or(i64::MAX));
        self.made += 1;
        let micros = self.dice.between(10_000_000, 900_000_000);
        let bought = units_for(micros, self.dice.between(50_000, 60_000));
        let sells = self.open.len() >= MOST_OPEN || (self.dice.chance(47) && !self.open.is_empty());
        let (wallet, mint, side, units) = if sells {
            let at = self.dice.below(self.open.len() as u64) as usize;
            let (wallet, mint, units) = self.open.swap_remove(at);
            (wallet, mint, Side::Sell, units)
        } else {
            let (wallet, mint) = (self.a_wallet(), self.a_mint());
            // one in ten is never sold
            if !self.dice.chance(10) {
                self.open.push((wallet, mint, bought));
            }
            (wallet, mint, Side::Buy, bought)
        };
        let (wallet, mint) = (
            self.wallets.get(wallet)?.clone(),
            self.mints.get(mint)?.clone(),
        );
        let mut swap = swap(&wallet, &mint, side, units, micros, time);
        if self.dice.chance(self.shape.in_sol_pct) {
            let lamports = i128::from(micros) * 1000 / 150;
            swap.amount = Amount::Sol(Decimal::from_i128_with_scale(lamports, 9));
        }
        let mut fact = Fact::Swap(swap);
        self.stamp.stamp(&mut fact);
        Some(fact)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.total - self.made).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}
