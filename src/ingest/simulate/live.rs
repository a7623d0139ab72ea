//! The simulated present: launches every few seconds over a murmur of unremarkable trades, for as long as one listens.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;

use super::{
    cast::{Cast, Skill},
    dice::Dice,
    launch::{Kind, Launch},
    minting::{Coin, Safety, Stamp, swap, units_for, worth},
};
use crate::model::{
    swap::{Address, Amount, Fact, Side, SolPrice},
    time::Time,
};

const SECOND: u64 = 1_000_000;
const DOLLAR: u64 = 1_000_000;

/// Bought by the murmur and not yet sold; the oldest is sold first and what is beyond is forgotten.
const MAX_OPEN: usize = 2_000;

/// An endless iterator of `(offset in milliseconds since the start, fact)`, both ascending.
///
/// Facts carry the event time `start + offset`: who hands each out at its offset plays the market live.
#[derive(Debug)]
pub struct Live {
    cast: Cast,
    bots: Vec<Address>,
    dice: Dice,
    stamp: Stamp,
    tempo: Tempo,
    /// By offset and order of planning. Bounded: a launch plans at most 100 minutes ahead, and one comes every eight seconds or more.
    planned: BTreeMap<(u64, u64), Fact>,
    plans: u64,
    coins: Vec<(Coin, u64)>,
    open: VecDeque<(Address, usize, u128)>,
    sol_cents: u64,
    next_launch: u64,
    next_murmur: u64,
    next_price: u64,
    murmur_gap: u64,
    murmur_until: u64,
    launches: u64,
}

#[derive(Clone, Copy, Debug)]
struct Tempo {
    start: Time,
    pace: f64,
}

impl Tempo {
    /// Microseconds of the plan as microseconds of the audience.
    fn offset(self, planned: u64) -> u64 {
        (planned as f64 / self.pace) as u64
    }

    fn time(self, planned: u64) -> Time {
        let offset = i64::try_from(self.offset(planned)).unwrap_or(i64::MAX);
        self.start.plus(offset)
    }
}

impl Live {
    /// The market of a seed from `start` on; the past that fits it is [`super::past::history`] of the same seed. `pace` divides all
    /// gaps: 2 is twice as fast. Outside of 0.01 to 1,000 (or no number) it is taken as the nearest bound (or 1).
    ///
    /// At pace 1 the first signal is due within six seconds, then two to five a minute, over 5 to 40 swaps a second.
    #[must_use]
    pub fn new(seed: u64, start: Time, pace: f64) -> Self {
        let pace = if pace.is_nan() {
            1.0
        } else {
            pace.clamp(0.01, 1_000.0)
        };
        let cast = Cast::new(seed);
        let mut live = Live {
            bots: cast.of(Skill::Bot),
            cast,
            dice: Dice::new(seed, 4),
            stamp: Stamp::new(seed, 5),
            tempo: Tempo { start, pace },
            planned: BTreeMap::new(),
            plans: 0,
            coins: Vec::new(),
            open: VecDeque::new(),
            sol_cents: 15_000,
            next_launch: 0,
            next_murmur: 50_000,
            next_price: 0,
            murmur_gap: 60_000,
            murmur_until: 0,
            launches: 0,
        };
        live.old_coins();
        live
    }

    /// What the murmur trades: tokens that nobody launches any more.
    fn old_coins(&mut self) {
        for _ in 0..40 {
            let coin = Coin::new(&mut self.dice, self.tempo.start.plus(-20 * Time::DAY));
            let cap = self.dice.between(200_000, 3_000_000);
            let safety = Safety {
                mint_renounced: true,
                freeze_renounced: true,
                top10_pct: self.dice.between(12, 40),
                max_holder_pct: self.dice.between(2, 8),
                lp_locked: Some(true),
                bonding_curve: false,
            };
            let state = coin.state(self.tempo.start, cap, cap / 5, safety);
            self.plan(0, state);
            self.coins.push((coin, cap));
        }
    }

    fn plan(&mut self, at: u64, fact: Fact) {
        self.planned.insert((at, self.plans), fact);
        self.plans += 1;
    }

    /// Plans whatever begins next, until the earliest planned fact is the next to happen.
    fn plan_ahead(&mut self) {
        loop {
            let soonest = self.next_price.min(self.next_launch).min(self.next_murmur);
            if let Some(((at, _), _)) = self.planned.first_key_value()
                && *at <= soonest
            {
                return;
            }
            if self.next_price == soonest {
                self.price(soonest);
            } else if self.next_launch == soonest {
                self.launch(soonest);
            } else {
                self.murmur(soonest);
            }
        }
    }

    fn price(&mut self, at: u64) {
        let drift = self.dice.between(0, 100);
        self.sol_cents = (self.sol_cents + drift)
            .saturating_sub(50)
            .clamp(8_000, 30_000);
        let fact = Fact::SolPrice(SolPrice {
            time: self.tempo.time(at),
            usd: Decimal::new(self.sol_cents as i64, 2),
        });
        self.plan(at, fact);
        self.next_price = at + 30 * SECOND;
    }

    fn launch(&mut self, at: u64) {
        let first = self.launches == 0;
        let kind = if first {
            Kind::Star
        } else {
            Kind::draw(&mut self.dice)
        };
        let tempo = self.tempo;
        let mut launch = Launch {
            dice: &mut self.dice,
            cast: &self.cast,
            time: &|planned| tempo.time(planned),
            facts: Vec::new(),
        };
        launch.play(kind, at, first);
        for (at, fact) in launch.facts {
            self.plan(at, fact);
        }
        self.launches += 1;
        self.next_launch = at + self.dice.between(8, 16) * SECOND;
    }

    /// One unremarkable trade: bought three percent dear and sold three percent cheap, so that nobody earns a rank by it.
    fn murmur(&mut self, at: u64) {
        if at >= self.murmur_until {
            // 5 to 40 a second, changing every ten seconds
            self.murmur_gap = SECOND / self.dice.between(5, 40);
            self.murmur_until = at + 10 * SECOND;
        }
        self.next_murmur = at + self.dice.between(1, 2 * self.murmur_gap);
        let full = self.open.len() >= MAX_OPEN;
        let sells = full || (self.open.len() > 300 && self.dice.chance(48));
        if sells && let Some((wallet, number, units)) = self.open.pop_front() {
            self.murmur_sells(at, &wallet, number, units);
            return;
        }
        let number = self.dice.below(self.coins.len() as u64) as usize;
        let bot = self.dice.chance(10);
        let crowd = if bot { &self.bots } else { &self.cast.crowd };
        let (Some(wallet), Some((coin, cap))) =
            (self.dice.pick(crowd).cloned(), self.coins.get(number))
        else {
            return;
        };
        let micros = self.dice.between(8, 250) * DOLLAR;
        let units = units_for(micros * 97 / 100, *cap);
        let time = self.tempo.time(at);
        let buy = swap(&wallet, &coin.mint, Side::Buy, units, micros, time);
        self.plan(at, Fact::Swap(buy));
        if bot {
            let soon = at + self.dice.between(2, 15) * SECOND;
            self.murmur_sells(soon, &wallet, number, units);
        } else {
            self.open.push_back((wallet, number, units));
        }
    }

    fn murmur_sells(&mut self, at: u64, wallet: &Address, number: usize, units: u128) {
        if let Some((coin, cap)) = self.coins.get(number) {
            let micros = worth(units, *cap) * 97 / 100;
            let time = self.tempo.time(at);
            let sell = swap(wallet, &coin.mint, Side::Sell, units, micros, time);
            self.plan(at, Fact::Swap(sell));
        }
    }

    /// One swap in five is told in SOL, as most sources tell all of them.
    fn tell_in_sol(&mut self, fact: &mut Fact) {
        if let Fact::Swap(swap) = fact
            && let Amount::Usd(usd) = swap.amount
            && self.dice.chance(20)
        {
            let lamports = i128::from(usd.0) * 100_000 / i128::from(self.sol_cents.max(1));
            swap.amount = Amount::Sol(Decimal::from_i128_with_scale(lamports, 9));
        }
    }
}

impl Iterator for Live {
    type Item = (u64, Fact);

    fn next(&mut self) -> Option<(u64, Fact)> {
        self.plan_ahead();
        let ((at, _), mut fact) = self.planned.pop_first()?;
        self.tell_in_sol(&mut fact);
        self.stamp.stamp(&mut fact);
        Some((self.tempo.offset(at) / 1000, fact))
    }
}
