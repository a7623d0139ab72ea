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
/// z of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
const RATE_DECIMALS: u32 = 4;

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
    /// `raw` less the benchmark's between the same days, six decimals. `None` where the benchmark has no close within ten days before either.
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
    let benchmark = |day| company.benchmark.on(day).map(|(_, close)| close);
    let market = benchmark(exit_at)
        .zip(benchmark(entry_at))
        .and_then(|(exit, entry)| exact::divide(exit, entry));
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
pub fn wins(direction: Direction, excess: Decimal) -> bool {
    match direction {
        Direction::Buy => excess > Decimal::ZERO,
        Direction::Sell => excess < Decimal::ZERO,
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

/// The summary of matured excess returns of one direction; `None` of none.
pub fn summary(
    direction: Direction,
    returns: impl IntoIterator<Item = Decimal>,
) -> Option<Summary> {
    let mut returns: Vec<Decimal> = returns.into_iter().collect();
    returns.sort_unstable();
    let count = Decimal::from(returns.len());
    let median = exact::median(&returns)?;
    let sum = exact::sum(returns.iter().map(|excess| winsorised(*excess)))?;
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
