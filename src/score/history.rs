//! A wallet's closed positions, and what they make it worth at any moment of the last month.

use std::collections::VecDeque;

use crate::model::{
    rank::{Rank, Tenths},
    time::Time,
};

use super::{
    record::ClosedRecord,
    wallet::{Inputs, MIN_CLOSED, fresh_part, lasting_parts, rank_of, total},
};

/// Positions closed in the last 30 days count.
const PERIOD: i64 = 30 * Time::DAY;
/// What is kept: one day more than counts, before the latest. Older ones are as if they had never been loaded.
const KEPT: i64 = 31 * Time::DAY;
/// Returns are winsorised to [−1, +3], in millionths.
const RETURN_PPM: (i64, i64) = (-1_000_000, 3_000_000);
/// Nobody can copy a position held for less.
const QUICK: i64 = 60 * Time::SECOND;
/// A longer hold counts as this one. Of holds, only whether their median is below [`QUICK`] is asked: the mean of two holds with one
/// at the bound or above is not, as no hold is negative. So nothing is lost, and a hold fits in 32 bits.
const LONG: i64 = 2 * QUICK;

/// What a signal says of a wallet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Points, 0–150.
    pub score: Tenths,
    /// Its letter.
    pub rank: Rank,
    /// Share of winning positions.
    pub win_rate: f64,
    /// Realised profit, micro-dollars.
    pub pnl: i128,
}

/// A closed position, as little of it as scoring needs.
#[derive(Clone, Copy, Debug)]
struct Closed {
    at: i64,
    pnl: i64,
    return_ppm: i32,
    /// At most [`LONG`].
    hold: u32,
}

impl Closed {
    fn of(record: &ClosedRecord) -> Self {
        let hold = record.closed_at.0.saturating_sub(record.opened_at.0);
        Closed {
            at: record.closed_at.0,
            pnl: record.pnl.0,
            // both fit by their bounds
            return_ppm: record.return_ppm.clamp(RETURN_PPM.0, RETURN_PPM.1) as i32,
            hold: hold.clamp(0, LONG) as u32,
        }
    }

    fn hold(&self) -> i64 {
        i64::from(self.hold)
    }
}

/// Exact sums over the closed positions that count: whole numbers, so that their order never matters.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    wins: u32,
    quick: usize,
    returns: i128,
    squares: i128,
    pnl: i128,
}

impl Sums {
    fn add(&mut self, closed: &Closed) {
        let r = i128::from(closed.return_ppm);
        self.wins += u32::from(closed.pnl > 0);
        self.quick += usize::from(closed.hold() < QUICK);
        self.returns += r;
        self.squares += r * r;
        self.pnl += i128::from(closed.pnl);
    }

    /// The opposite of [`Sums::add`], for what was added.
    fn remove(&mut self, closed: &Closed) {
        let r = i128::from(closed.return_ppm);
        self.wins -= u32::from(closed.pnl > 0);
        self.quick -= usize::from(closed.hold() < QUICK);
        self.returns -= r;
        self.squares -= r * r;
        self.pnl -= i128::from(closed.pnl);
    }

    /// mean/(sd/√n) = Σr·√(n−1)/√(nΣr²−(Σr)²): exact whole numbers up to the last step.
    fn t(&self, n: usize) -> f64 {
        let spread = n as i128 * self.squares - self.returns * self.returns;
        if spread <= 0 || n < 2 {
            return 0.0;
        }
        self.returns as f64 * ((n - 1) as f64).sqrt() / (spread as f64).sqrt()
    }
}

/// What holds from `from` until `until` (exclusive): the same positions count.
#[derive(Clone, Copy, Debug)]
struct Standing {
    from: i64,
    until: i64,
    /// `None`: too few closed positions.
    scored: Option<Scored>,
}

#[derive(Clone, Copy, Debug)]
struct Scored {
    lasting: f64,
    quick: bool,
    last_closed: i64,
    win_rate: f64,
    pnl: i128,
}

/// The closed positions of a wallet, by the time at which they closed, and a window of 30 days that slides over them.
#[derive(Clone, Debug, Default)]
pub struct History {
    closed: VecDeque<Closed>,
    /// The window is `closed[low..high]`.
    low: usize,
    high: usize,
    sums: Sums,
    standing: Option<Standing>,
}

impl History {
    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.closed.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty()
    }

    /// Bytes outside of itself, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.closed.capacity() * size_of::<Closed>()
    }

    /// Takes a closed position. What is older than 31 days before the latest is let go, now and later:
    /// what a wallet is worth must not depend on how long ago it was loaded.
    pub fn insert(&mut self, record: &ClosedRecord) {
        let at = record.closed_at.0;
        let latest = self.closed.back().map_or(at, |last| last.at.max(at));
        let oldest = latest.saturating_sub(KEPT);
        if at < oldest {
            return;
        }
        let place = self.closed.partition_point(|closed| closed.at <= at);
        if self.closed.len() == self.closed.capacity() {
            // a quarter more, not twice as many: a busy month is millions of these
            self.closed.reserve_exact(self.closed.len() / 4 + 1);
        }
        self.closed.insert(place, Closed::of(record));
        self.standing = None;
        if place < self.high {
            self.rewind();
        }
        while self.closed.front().is_some_and(|first| first.at < oldest) {
            if self.low == 0 {
                self.rewind();
            }
            self.closed.pop_front();
            self.low = self.low.saturating_sub(1);
            self.high = self.high.saturating_sub(1);
        }
    }

    fn rewind(&mut self) {
        (self.low, self.high, self.sums) = (0, 0, Sums::default());
    }

    /// What the wallet is worth at `now`. `None`: unscored.
    pub fn rate(&mut self, now: Time, bot: bool) -> Option<Rating> {
        let now = now.0;
        let standing = match self.standing {
            Some(standing) if (standing.from..standing.until).contains(&now) => standing,
            _ => self.stand(now),
        };
        let scored = standing.scored?;
        let idle_days = now.saturating_sub(scored.last_closed) as f64 / Time::DAY as f64;
        let score = total(scored.lasting, fresh_part(idle_days, scored.quick), bot);
        Some(Rating {
            score,
            rank: rank_of(score),
            win_rate: scored.win_rate,
            pnl: scored.pnl,
        })
    }

    /// Slides the window to (now − 30 days, now].
    fn stand(&mut self, now: i64) -> Standing {
        let past = now.saturating_sub(PERIOD);
        let at =
            |closed: &VecDeque<Closed>, place: usize| closed.get(place).map(|closed| closed.at);
        let before = |place: usize| place.checked_sub(1);
        // time ran backwards: begin anew rather than slide both ways
        let too_far = |place: usize, limit: i64, closed: &VecDeque<Closed>| {
            before(place)
                .and_then(|last| at(closed, last))
                .is_some_and(|time| time > limit)
        };
        if too_far(self.high, now, &self.closed) || too_far(self.low, past, &self.closed) {
            self.rewind();
        }
        while let Some(next) = self.closed.get(self.high).filter(|next| next.at <= now) {
            self.sums.add(next);
            self.high += 1;
        }
        while self.low < self.high
            && let Some(first) = self.closed.get(self.low).filter(|first| first.at <= past)
        {
            self.sums.remove(first);
            self.low += 1;
        }
        let entered = before(self.high).and_then(|last| at(&self.closed, last));
        let left = before(self.low).and_then(|last| at(&self.closed, last));
        let enters = at(&self.closed, self.high).unwrap_or(i64::MAX);
        let leaves =
            (at(&self.closed, self.low)).map_or(i64::MAX, |time| time.saturating_add(PERIOD));
        let standing = Standing {
            from: (entered.unwrap_or(i64::MIN))
                .max(left.map_or(i64::MIN, |time| time.saturating_add(PERIOD))),
            until: enters.min(leaves),
            scored: entered.and_then(|last| self.scored(last)),
        };
        self.standing = Some(standing);
        standing
    }

    fn scored(&self, last_closed: i64) -> Option<Scored> {
        let n = self.high.saturating_sub(self.low);
        if n < MIN_CLOSED {
            return None;
        }
        let pnl = self.sums.pnl;
        let best = self.counted().map(|closed| closed.pnl).max().unwrap_or(0);
        let inputs = Inputs {
            n: u32::try_from(n).unwrap_or(u32::MAX),
            wins: self.sums.wins,
            t: self.sums.t(n),
            pnl_usd: pnl as f64 / 1e6,
            concentrated: pnl > 0 && i128::from(best) * 10 > pnl * 6,
            idle_days: 0.0,
            quick: self.is_quick(n),
            bot: false,
        };
        let [win, edge, profit] = lasting_parts(&inputs);
        Some(Scored {
            lasting: win + edge + profit,
            quick: inputs.quick,
            last_closed,
            win_rate: f64::from(inputs.wins) / f64::from(inputs.n),
            pnl,
        })
    }

    fn counted(&self) -> impl Iterator<Item = &Closed> {
        self.closed.range(self.low..self.high) // low ≤ high ≤ len: both only move by one, past what exists
    }

    /// Whether the median hold is below a minute, by counting; the values matter only where the middle falls between the two halves.
    fn is_quick(&self, n: usize) -> bool {
        match (self.sums.quick * 2).cmp(&n) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => {
                let holds = || self.counted().map(Closed::hold);
                let below = holds().filter(|hold| *hold < QUICK).max().unwrap_or(0);
                let above = holds().filter(|hold| *hold >= QUICK).min().unwrap_or(0);
                below.saturating_add(above) < 2 * QUICK
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::money::MicroUsd,
        score::wallet::{BOT_CAP, score},
    };

    fn record(opened_at: i64, closed_at: i64, return_ppm: i64, pnl: i64) -> ClosedRecord {
        ClosedRecord {
            opened_at: Time(opened_at),
            closed_at: Time(closed_at),
            return_ppm,
            pnl: MicroUsd(pnl),
        }
    }

    #[test]
    fn ten_positions_count_for_thirty_days() {
        let mut history = History::default();
        for place in 0..10 {
            history.insert(&record(0, Time::DAY + place, 500_000, 1_000_000));
        }
        let last = Time::DAY + 9;
        assert_eq!(history.rate(Time(last - 1), false), None, "nine so far");
        assert!(history.rate(Time(last), false).is_some());
        assert!(history.rate(Time(31 * Time::DAY - 1), false).is_some());
        assert_eq!(
            history.rate(Time(31 * Time::DAY), false),
            None,
            "the first has left"
        );
        assert!(history.rate(Time(last), false).is_some(), "and back");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let check = |low: i64, high: i64, quick: bool| {
            let mut history = History::default();
            for place in 0..10 {
                let hold = if place < 5 { low } else { high };
                history.insert(&record(1000 * QUICK - hold, 1000 * QUICK, 1, 1));
            }
            history.rate(Time(1000 * QUICK), false).unwrap();
            assert_eq!(history.standing.unwrap().scored.unwrap().quick, quick);
        };
        check(QUICK - 2, QUICK + 1, true);
        check(QUICK - 1, QUICK + 1, false);
        check(QUICK, QUICK, false);
    }

    #[test]
    fn long_holds_are_cut_where_no_median_shows_it() {
        assert_eq!(size_of::<Closed>(), 24);
        for (low, high, quick) in [
            (0, LONG - 1, true),
            (0, LONG, false),
            (0, 1000 * LONG, false),
        ] {
            let mut history = History::default();
            for place in 0..10 {
                let hold = if place < 5 { low } else { high };
                history.insert(&record(9000 * QUICK - hold, 9000 * QUICK, 1, 1));
            }
            history.rate(Time(9000 * QUICK), false).unwrap();
            assert_eq!(
                history.standing.unwrap().scored.unwrap().quick,
                quick,
                "{low} and {high}"
            );
        }
    }

    #[test]
    fn bots_have_forty_at_most() {
        let mut history = History::default();
        for place in 0..20 {
            history.insert(&record(0, place * QUICK, 500_000 + place, 9_000_000_000));
        }
        let now = Time(20 * QUICK);
        assert!(history.rate(now, false).unwrap().score > Tenths(1000));
        let bot = history.rate(now, true).unwrap();
        assert_eq!((bot.score, bot.rank), (BOT_CAP, Rank::D));
    }

    proptest! {
        /// The sliding window agrees with a fresh look at every moment, forwards and backwards.
        #[test]
        fn sliding_agrees_with_counting(
            steps in proptest::collection::vec((0..60_i64, -1_500_000..4_000_000_i64, 0..200_i64), 1..80),
            moments in proptest::collection::vec(0..70_i64, 1..20),
        ) {
            let mut sliding = History::default();
            let mut all: Vec<ClosedRecord> = Vec::new();
            let mut moments = moments.into_iter().cycle();
            for (day, ppm, hold) in steps {
                let at = day * Time::DAY;
                let closed = record(at - hold * Time::SECOND, at, ppm, ppm * 1000);
                sliding.insert(&closed);
                all.push(closed);
                let now = moments.next().unwrap() * Time::DAY;
                let latest = all.iter().map(|closed| closed.closed_at.0).max().unwrap();
                let counted: Vec<_> = all.iter().filter(|closed| {
                    let at = closed.closed_at.0;
                    at <= now && at > now - PERIOD && at >= latest - KEPT
                }).collect();
                let found = sliding.rate(Time(now), false);
                prop_assert_eq!(found.is_some(), counted.len() >= MIN_CLOSED);
                let Some(found) = found else { continue };
                let n = counted.len() as f64;
                let returns: Vec<f64> = counted.iter().map(|closed| closed.return_ppm.clamp(-1_000_000, 3_000_000) as f64 / 1e6).collect();
                let mean = returns.iter().sum::<f64>() / n;
                let sd = (returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / (n - 1.0)).sqrt();
                let mut holds: Vec<i64> = counted.iter().map(|closed| closed.closed_at.0 - closed.opened_at.0).collect();
                holds.sort_unstable();
                let half = holds.len() / 2;
                let median = if holds.len() % 2 == 1 { holds[half] * 2 } else { holds[half] + holds[half - 1] };
                let pnl: i64 = counted.iter().map(|closed| closed.pnl.0).sum();
                let top = counted.iter().map(|closed| closed.pnl.0).max().unwrap();
                let last = counted.iter().map(|closed| closed.closed_at.0).max().unwrap();
                let expected = score(&Inputs {
                    n: counted.len() as u32,
                    wins: counted.iter().filter(|closed| closed.return_ppm > 0).count() as u32,
                    t: if sd == 0.0 { 0.0 } else { mean / (sd / n.sqrt()) },
                    pnl_usd: pnl as f64 / 1e6,
                    concentrated: pnl > 0 && top * 10 > pnl * 6,
                    idle_days: (now - last) as f64 / Time::DAY as f64,
                    quick: median < 2 * QUICK,
                    bot: false,
                }).unwrap();
                prop_assert!((found.score.0 - expected.score.0).abs() <= 1, "{:?} {:?}", found, expected);
                prop_assert_eq!(found.pnl, i128::from(pnl));
            }
        }
    }
}
