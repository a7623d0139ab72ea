//! A mint's price history, kept just well enough to tell since when a holding has been worth next to nothing.
//!
//! The levels are the maxima that no later price reached, falling from the oldest to the newest: for any threshold, the last
//! level above it says when the price went under for good. That takes a few dozen numbers however long the history.

use std::{collections::VecDeque, fmt::Write as _};

use crate::model::time::Time;

/// How long a holding must have been worth next to nothing.
const DEAD_MICROS: i64 = Time::DAY;
/// Worth next to nothing: at most this share of what it cost.
const DEAD_SHARE: f64 = 0.1;
/// Levels closer than this are one.
const SAME: f64 = 0.99;
const MAX_LEVELS: usize = 48;
const MAX_WASHOUTS: usize = 8;
/// The price is still at this level, as far as is known.
const STILL: i64 = i64::MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    price: f64,
    /// The first observation below it; [`STILL`] for the newest.
    ended: i64,
}

/// A spell of at least a day under `level`, over since a recovery: holdings died in it, whoever asks later.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Washout {
    since: i64,
    until: i64,
    level: f64,
}

/// Whether a holding is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Counted as lost at this moment.
    Dead(Time),
    /// Dead at this moment unless the price recovers before.
    Dying(Time),
    /// Alive.
    Alive,
}

/// The price history of one mint. Prices are micro-dollars per base unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices {
    begin: i64,
    last: i64,
    levels: Vec<Level>,
    washouts: VecDeque<Washout>,
}

impl Prices {
    /// Takes one observation. Time never runs backwards here: an older one counts as of the latest.
    pub fn observe(&mut self, time: Time, price: f64) {
        if !price.is_finite() || price <= 0.0 {
            return;
        }
        let now = if self.levels.is_empty() {
            self.begin = time.0;
            time.0
        } else {
            time.0.max(self.last)
        };
        self.last = now;
        while let Some(top) = self.levels.pop_if(|top| top.price <= price) {
            let since = self.levels.last().map_or(self.begin, |below| below.ended);
            if now.saturating_sub(since) >= DEAD_MICROS {
                self.remember(Washout {
                    since,
                    until: now,
                    level: top.price,
                });
            }
        }
        match self.levels.last_mut() {
            Some(top) if price >= top.price * SAME => top.ended = STILL,
            top => {
                if let Some(top) = top
                    && top.ended == STILL
                {
                    top.ended = now;
                }
                self.levels.push(Level {
                    price,
                    ended: STILL,
                });
                self.compact();
            }
        }
    }

    fn remember(&mut self, washout: Washout) {
        if self.washouts.len() >= MAX_WASHOUTS {
            self.washouts.pop_front();
        }
        self.washouts.push_back(washout);
    }

    /// Joins the two closest levels where there are too many. The higher price stays with the later end: what is lost is
    /// precision in favour of the holder.
    fn compact(&mut self) {
        if self.levels.len() <= MAX_LEVELS {
            return;
        }
        let ratio = |pair: &[Level]| match pair {
            [high, low] => low.price / high.price,
            _ => 0.0,
        };
        let closest = (self.levels.windows(2).enumerate())
            .max_by(|(_, a), (_, b)| ratio(a).total_cmp(&ratio(b)))
            .map_or(0, |(at, _)| at);
        let low = self.levels.remove(closest + 1); // windows(2) of a list longer than 48: closest + 1 exists
        if let Some(high) = self.levels.get_mut(closest) {
            high.ended = low.ended;
        }
    }

    /// What became by `now` of a holding with this average `unit_cost` (micro-dollars per base unit) and latest buy.
    #[must_use]
    pub fn fate(&self, unit_cost: f64, last_buy_at: Time, now: Time) -> Fate {
        let threshold = unit_cost * DEAD_SHARE;
        if threshold.is_nan() || threshold <= 0.0 || self.levels.is_empty() {
            return Fate::Alive;
        }
        let dies = |since: i64| since.max(last_buy_at.0).saturating_add(DEAD_MICROS);
        let washed = (self.washouts.iter())
            .filter(|washout| washout.level <= threshold && dies(washout.since) <= washout.until)
            .map(|washout| dies(washout.since))
            .filter(|end| *end <= now.0)
            .min();
        if let Some(end) = washed {
            return Fate::Dead(Time(end));
        }
        let above = self.levels.partition_point(|level| level.price > threshold);
        let since = match above.checked_sub(1).and_then(|at| self.levels.get(at)) {
            Some(level) if level.ended == STILL => return Fate::Alive,
            Some(level) => level.ended,
            // never seen above: it says something only if the history reaches back to the buy
            None if self.begin <= last_buy_at.0 => self.begin,
            None => return Fate::Alive,
        };
        let end = dies(since);
        if end <= now.0 {
            Fate::Dead(Time(end))
        } else {
            Fate::Dying(Time(end))
        }
    }

    /// Bytes outside of itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.levels.capacity() * size_of::<Level>()
            + self.washouts.capacity() * size_of::<Washout>()
    }

    /// Its stored form; empty where nothing was observed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        if self.levels.is_empty() {
            return out;
        }
        let _ = write!(out, "{} {}", self.begin, self.last);
        for level in &self.levels {
            let _ = write!(out, " l{}:{}", level.price, level.ended);
        }
        for washout in &self.washouts {
            let Washout {
                since,
                until,
                level,
            } = washout;
            let _ = write!(out, " w{since}:{until}:{level}");
        }
        out
    }

    /// From its stored form. A text that is not one is an empty history.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or_default()
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut prices = Prices {
            begin: words.next()?.parse().ok()?,
            last: words.next()?.parse().ok()?,
            ..Prices::default()
        };
        for word in words {
            if let Some(level) = word.strip_prefix('l') {
                let (price, ended) = level.split_once(':')?;
                prices.levels.push(Level {
                    price: price.parse().ok()?,
                    ended: ended.parse().ok()?,
                });
            } else {
                let (since, rest) = word.strip_prefix('w')?.split_once(':')?;
                let (until, level) = rest.split_once(':')?;
                prices.remember(Washout {
                    since: since.parse().ok()?,
                    until: until.parse().ok()?,
                    level: level.parse().ok()?,
                });
            }
        }
        let falling = prices.levels.is_sorted_by(|a, b| a.price > b.price);
        let usable = |level: &Level| level.price.is_finite() && level.price > 0.0;
        (falling && prices.levels.iter().all(usable) && prices.levels.len() <= MAX_LEVELS)
            .then_some(prices)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = Time::DAY / 24;

    fn history(observations: &[(i64, f64)]) -> Prices {
        let mut prices = Prices::default();
        for (hour, price) in observations {
            prices.observe(Time(hour * HOUR), *price);
        }
        prices
    }

    #[test]
    fn fates() {
        let check = |observations: &[(i64, f64)], bought: i64, now: i64, expected: Fate| {
            let fate = history(observations).fate(100.0, Time(bought * HOUR), Time(now * HOUR));
            assert_eq!(fate, expected, "{observations:?} at {now}");
        };
        let at = |hour: i64| Time(hour * HOUR);
        check(&[], 0, 99, Fate::Alive);
        check(&[(0, 100.0), (1, 11.0)], 0, 99, Fate::Alive);
        check(&[(0, 100.0), (1, 10.0)], 0, 24, Fate::Dying(at(25)));
        check(&[(0, 100.0), (1, 10.0)], 0, 25, Fate::Dead(at(25)));
        check(
            &[(0, 100.0), (1, 9.0), (5, 10.0), (20, 3.0)],
            0,
            30,
            Fate::Dead(at(25)),
        );
        // a recovery in between begins the day anew
        check(
            &[(0, 100.0), (1, 9.0), (20, 50.0), (21, 9.0)],
            0,
            30,
            Fate::Dying(at(45)),
        );
        // a recovery after the day does not raise the dead
        check(
            &[(0, 100.0), (1, 9.0), (26, 500.0)],
            0,
            30,
            Fate::Dead(at(25)),
        );
        check(&[(0, 100.0), (1, 9.0), (26, 500.0)], 0, 24, Fate::Alive);
        // bought again under water: the day begins with that buy
        check(&[(0, 100.0), (1, 9.0)], 10, 33, Fate::Dying(at(34)));
        check(&[(0, 100.0), (1, 9.0), (30, 500.0)], 10, 40, Fate::Alive);
        // never seen above the threshold
        check(&[(0, 9.0)], 2, 27, Fate::Dead(at(26)));
        check(&[(5, 9.0)], 2, 99, Fate::Alive);
    }

    #[test]
    fn levels_stay_bounded_and_time_does_not_run_backwards() {
        let mut prices = Prices::default();
        for step in 0..1000 {
            prices.observe(Time(1000 - step), 1e9 * 0.98_f64.powi(step as i32));
        }
        assert_eq!(prices.levels.len(), MAX_LEVELS);
        assert_eq!(prices.last, 1000);
        assert_eq!(Prices::parse(&prices.text()), prices);
    }

    #[test]
    fn bad_text_is_an_empty_history() {
        for bad in [
            "",
            "x",
            "1",
            "1 2 l1:2:3",
            "1 2 l1:2 l2:3",
            "1 2 lNaN:1",
            "1 2 q",
            "1 2 w1:2",
        ] {
            assert_eq!(Prices::parse(bad), Prices::default(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_whole_history(steps in proptest::collection::vec((0..12_i64, 1..2000_u32), 1..60), bought in 0..40_i64, now in 0..400_i64) {
            let mut prices = Prices::default();
            let (mut hour, mut seen) = (0, Vec::new());
            for (wait, price) in steps {
                hour += wait;
                prices.observe(Time(hour * HOUR), f64::from(price));
                seen.push((hour, f64::from(price)));
            }
            prop_assert_eq!(&Prices::parse(&prices.text()), &prices);
            // by brute force: the last spell under the threshold, from the buy on
            let mut since = None;
            for (hour, price) in &seen {
                match (*price <= 100.0, since) {
                    (true, None) => since = Some(*hour),
                    (false, _) => since = None,
                    _ => {}
                }
            }
            let fate = prices.fate(1000.0, Time(bought * HOUR), Time(now * HOUR));
            // levels joined within 1 % may delay a death, never hasten it
            if let Fate::Dying(at) = fate {
                let since = since.expect("the price is under now");
                prop_assert!(at.0 >= (since.max(bought) + 24) * HOUR);
            }
            if let (Fate::Alive, Some(since)) = (fate, since) {
                let first = seen.first().map_or(0, |(hour, _)| *hour);
                let near = seen.iter().any(|(_, price)| (99.0..=101.1).contains(price));
                prop_assert!(near || since == first && first > bought, "{:?}", prices);
            }
        }
    }
}
