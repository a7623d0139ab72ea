//! What became of the price after a filing: entry, exits after 30 to 730 days, excess over the benchmark, and honest summaries.

use jiff::civil::Date;
use rust_decimal::{
    Decimal,
    prelude::{FromPrimitive, ToPrimitive},
};
use serde::Serialize;

use crate::model::{money::Exact, time::Time};

use super::{company::Company, days, exact, record::Direction};

/// Days from entry to exit.
pub const HORIZONS: [i32; 7] = [30, 60, 90, 160, 180, 365, 730];
/// The horizon of the track record.
pub const TRACK_HORIZON: i32 = 90;
/// ±50 %, in millionths: see [`winsorised`].
const MOST_WINSORISED: i64 = 500_000;
/// z of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// Decimals of rates.
pub(super) const RATE_DECIMALS: u32 = 4;

/// A purchase at the close of the first session strictly after the local day of publication. `None` where no session is within ten days of
/// it: a file of closes that begins years later says nothing of this filing.
#[must_use]
pub fn entry(company: &Company, published: Time) -> Option<(Date, Decimal)> {
    let day = days::local_day(published, &company.zone);
    company.closes.from(days::plus(day, 1))
}

/// What an entry was worth at its exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Days, one of [`HORIZONS`].
    pub horizon: i32,
    /// Close of the entry.
    pub entry: Decimal,
    /// Session of the entry.
    pub entry_at: Date,
    /// Close of the exit.
    pub exit: Decimal,
    /// Session of the exit: the first at or after the horizon, within ten days.
    pub exit_at: Date,
    /// exit / entry − 1, six decimals.
    pub raw: Decimal,
    /// `raw` less the benchmark's between the same days, six decimals. `None` where no benchmark has a close within ten days before both.
    pub excess: Option<Decimal>,
    /// The first instant of the local day after the exit: before it, the outcome is not matured.
    pub known_at: Time,
}

/// The outcome after `horizon` days. `None` where the closes do not reach so far.
#[must_use]
pub fn outcome(company: &Company, published: Time, horizon: i32) -> Option<Outcome> {
    let (entry_at, entry) = entry(company, published)?;
    let (exit_at, exit) = company.closes.from(days::plus(entry_at, horizon))?;
    let growth = exact::divide(exit, entry)?;
    let rounded = |number| exact::round(number, exact::RETURN_DECIMALS);
    let market = company.benchmark_growth(entry_at, exit_at);
    Some(Outcome {
        horizon,
        entry,
        entry_at,
        exit,
        exit_at,
        raw: rounded(growth.checked_sub(Decimal::ONE)?),
        excess: market.and_then(|market| Some(rounded(growth.checked_sub(market)?))),
        known_at: days::end_of(exit_at, &company.zone),
    })
}

/// The outcomes that are matured at `now`, by horizon.
#[must_use]
pub fn matured(company: &Company, published: Time, now: Time) -> Vec<Outcome> {
    let outcomes = HORIZONS.iter();
    outcomes
        .filter_map(|horizon| outcome(company, published, *horizon))
        .filter(|outcome| outcome.known_at <= now)
        .collect()
}

/// A return held to ±50 %, so that one does not speak for all.
#[must_use]
pub fn winsorised(excess: Decimal) -> Decimal {
    let most = Decimal::new(5, 1);
    excess.clamp(-most, most)
}

/// A purchase wins above the benchmark, a sale below it.
#[must_use]
pub fn wins<N: PartialOrd + Default>(direction: Direction, excess: N) -> bool {
    match direction {
        Direction::Buy => excess > N::default(),
        Direction::Sell => excess < N::default(),
    }
}

/// Many returns in a few numbers, and never a bare mean: one return of thousands of percent would make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many.
    pub n: u64,
    /// The middle one, six decimals.
    pub median: Exact,
    /// Mean of the returns held to ±50 %, six decimals.
    pub winsorised_mean: Exact,
    /// How many won.
    pub wins: u64,
    /// wins / n, four decimals.
    pub win_rate: Exact,
    /// Wilson's 95 % interval of the win rate, four decimals.
    pub win_rate_low: Exact,
    /// Its upper end.
    pub win_rate_high: Exact,
}

/// The summary of matured excess returns of one direction, in millionths; `None` of none. They are left in another order.
pub fn summary(direction: Direction, returns: &mut [i64]) -> Option<Summary> {
    let decimal =
        |millionths| Decimal::try_from_i128_with_scale(millionths, exact::RETURN_DECIMALS);
    let count = Decimal::from(returns.len());
    let median = exact::divide(decimal(middle_twice(returns)?).ok()?, Decimal::TWO)?;
    let held = (returns.iter())
        .map(|excess| i128::from((*excess).clamp(-MOST_WINSORISED, MOST_WINSORISED)));
    let sum = decimal(held.sum()).ok()?;
    let won = returns.iter().filter(|excess| wins(direction, **excess));
    let won = won.count();
    let [low, high] = wilson(won, returns.len())?;
    let returned = |number| Exact(exact::round(number, exact::RETURN_DECIMALS));
    let rate = |number| Exact(exact::round(number, RATE_DECIMALS));
    Some(Summary {
        n: returns.len() as u64,
        median: returned(median),
        winsorised_mean: returned(exact::divide(sum, count)?),
        wins: won as u64,
        win_rate: rate(exact::divide(Decimal::from(won), count)?),
        win_rate_low: rate(low),
        win_rate_high: rate(high),
    })
}

/// Twice the median: the sum of the two in the middle, or twice the one. Only they are looked for, which is a tenth of sorting.
fn middle_twice(numbers: &mut [i64]) -> Option<i128> {
    let (low, high) = (numbers.len().checked_sub(1)? / 2, numbers.len() / 2);
    let (before, found, _) = numbers.select_nth_unstable(high);
    let high_one = i128::from(*found);
    if low == high {
        return Some(2 * high_one);
    }
    Some(i128::from(*before.iter().max()?) + high_one)
}

/// Wilson's score interval at 95 % (Wilson 1927): good for few observations and for rates near 0 and 1, where the usual one is not. It
/// takes a root, hence f64; rounded to four decimals before it leaves.
#[must_use]
pub fn wilson(wins: usize, n: usize) -> Option<[Decimal; 2]> {
    let (wins, n) = (wins.to_f64()?, n.to_f64()?);
    if n == 0.0 {
        return None;
    }
    let (rate, z2) = (wins / n, Z * Z);
    let middle = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
    let end = |end: f64| {
        let end = Decimal::from_f64(end.clamp(0.0, 1.0))?;
        Some(exact::round(end, RATE_DECIMALS))
    };
    Some([end(middle - half)?, end(middle + half)?])
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::score::insider::company::Series;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn company(closes: &[(&str, &str)], benchmark: &[(&str, &str)]) -> Company {
        let series = |closes: &[(&str, &str)]| {
            let closes = closes.iter();
            Series::new(closes.map(|(date, close)| (date.parse().unwrap(), number(close))))
        };
        let mut company = Company::unknown("USD", TimeZone::get("America/New_York").unwrap());
        company.closes = series(closes);
        company.benchmarks = [series(benchmark)].into();
        company
    }

    #[test]
    fn entry_is_strictly_after_the_local_day_and_exit_at_or_after_the_horizon() {
        let company = company(
            &[
                ("2023-03-14", "10"),
                ("2023-03-15", "11"),
                ("2023-04-14", "12.1"), // 30 days on: a session
                ("2023-05-20", "13"),   // 66 days on: 60 and up to ten
                ("2023-06-24", "9"),    // 101 days on: eleven too late for 90
            ],
            &[
                ("2023-03-10", "100"),
                ("2023-04-14", "105"),
                ("2023-05-01", "99"),
            ],
        );
        // 15 March in London, 14 March in New York
        let published = Time::parse_iso("2023-03-15T02:00:00Z").unwrap();
        let at = |horizon| outcome(&company, published, horizon);
        let month = at(30).unwrap();
        assert_eq!((month.entry, month.exit), (number("11"), number("12.1")));
        assert_eq!(
            (month.raw, month.excess),
            (number("0.1"), Some(number("0.05")))
        );
        assert_eq!(
            month.known_at,
            Time::parse_iso("2023-04-15T04:00:00Z").unwrap()
        );
        let second = at(60).unwrap();
        assert_eq!(second.raw, number("0.181818"));
        assert_eq!(second.excess, None, "the benchmark's last close is too old");
        assert_eq!(at(90), None);
        let found = |now: &str| matured(&company, published, Time::parse_iso(now).unwrap());
        assert_eq!(found("2023-04-15T03:59:59Z").len(), 0);
        assert_eq!(found("2023-04-15T04:00:00Z").len(), 1);
        // closes that begin later say nothing of an earlier filing
        let early = Time::parse_iso("2023-02-01T12:00:00Z").unwrap();
        assert_eq!(entry(&company, early), None);
    }

    #[test]
    fn the_first_benchmark_that_tells_of_both_days_is_the_measure() {
        let mut company = company(&[("2023-03-15", "10"), ("2023-04-14", "11")], &[]);
        let series = |closes: &[(&str, &str)]| {
            let closes = closes.iter();
            Series::new(closes.map(|(date, close)| (date.parse().unwrap(), number(close))))
        };
        let whole = |exit: &str| series(&[("2023-03-15", "100"), ("2023-04-14", exit)]);
        let excess = |company: &Company| {
            let published = Time::parse_iso("2023-03-14T12:00:00Z").unwrap();
            outcome(company, published, 30).unwrap().excess
        };
        let one_day = || series(&[("2023-04-14", "4000")]);
        let years_later = || series(&[("2025-03-15", "4000")]);
        let with = |benchmarks: Vec<Series>| Company {
            benchmarks: benchmarks.into(),
            ..company.clone()
        };
        let second = Some(number("0.05"));
        for partial in [one_day(), years_later(), Series::default()] {
            assert_eq!(excess(&with(vec![partial, whole("105")])), second);
        }
        let first = with(vec![whole("102"), whole("105")]);
        assert_eq!(excess(&first), Some(number("0.08")), "the first choice");
        // an entry by one and an exit by the other measure nothing
        let halves = vec![series(&[("2023-03-15", "400")]), one_day()];
        assert_eq!(excess(&with(halves)), None);
        company.benchmarks = Vec::new().into();
        assert_eq!(excess(&company), None);
    }

    #[test]
    fn a_summary_is_no_bare_mean() {
        let returns = || [100_000, -200_000, 9_000_000, 50_000];
        let bought = summary(Direction::Buy, &mut returns()).unwrap();
        assert_eq!((bought.n, bought.wins), (4, 3));
        assert_eq!(bought.median.0, number("0.075"));
        assert_eq!(bought.winsorised_mean.0, number("0.1125")); // 9 counts as 0.5
        assert_eq!(bought.win_rate.0, number("0.75"));
        let sold = summary(Direction::Sell, &mut returns()).unwrap();
        assert_eq!(sold.wins, 1);
        assert_eq!(summary(Direction::Buy, &mut []), None);
        assert!(!wins(Direction::Buy, Decimal::ZERO) && !wins(Direction::Sell, Decimal::ZERO));
    }

    proptest! {
        #[test]
        fn the_middle_is_that_of_the_sorted(mut numbers in prop::collection::vec(-5_i64..5, 0..40)) {
            let found = summary(Direction::Buy, &mut numbers).map(|summary| summary.median.0);
            numbers.sort_unstable();
            let sorted: Vec<Decimal> = numbers.iter().map(|one| Decimal::new(*one, 6)).collect();
            let rounded = |median| exact::round(median, exact::RETURN_DECIMALS);
            prop_assert_eq!(found, exact::median(&sorted).map(rounded));
        }
    }

    #[test]
    fn wilson_holds_at_the_ends() {
        // computed by hand from the formula, z = 1.96
        let check = |wins: usize, n: usize, low: &str, high: &str| {
            assert_eq!(
                wilson(wins, n),
                Some([number(low), number(high)]),
                "{wins}/{n}"
            );
        };
        check(0, 10, "0", "0.2775");
        check(10, 10, "0.7225", "1");
        check(50, 100, "0.4038", "0.5962");
        check(1, 1, "0.2065", "1");
        assert_eq!(wilson(0, 0), None);
    }
}
