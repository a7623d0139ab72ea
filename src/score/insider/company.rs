//! What is known of a company beside its filings: daily closes, its benchmarks', splits, market capitalisations.

use std::sync::Arc;

use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{days, exact, record::Split};

/// A close counts as the last one for so many days.
pub const CLOSE_DAYS: i32 = 10;
/// A market capitalisation counts for so many days.
const CAP_DAYS: i64 = 400;
/// Length of the range of closes, days.
const RANGE_DAYS: i32 = 365;
/// Sessions that a range must have.
const RANGE_SESSIONS: usize = 200;

/// Numbers > 0 by day: closes of sessions, adjusted for splits and dividends as of the day on which they were obtained; or market
/// capitalisations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(Vec<(Date, Decimal)>);

impl Series {
    /// From numbers in any order. What is not > 0 is left out; of two of one day the lower counts, so that no order of arrival shows.
    pub fn new(closes: impl IntoIterator<Item = (Date, Decimal)>) -> Self {
        let closes = closes.into_iter();
        let mut closes: Vec<_> = closes.filter(|(_, close)| *close > Decimal::ZERO).collect();
        closes.sort_unstable();
        closes.dedup_by_key(|(date, _)| *date);
        Series(closes)
    }

    /// The last close of a session before this day.
    #[must_use]
    pub fn before(&self, day: Date) -> Option<(Date, Decimal)> {
        let end = self.0.partition_point(|(date, _)| *date < day);
        Some(*self.0.get(end.checked_sub(1)?)?)
    }

    /// The last close up to this day, not older than [`CLOSE_DAYS`].
    #[must_use]
    pub fn on(&self, day: Date) -> Option<(Date, Decimal)> {
        let found = self.before(days::plus(day, 1))?;
        (days::between(found.0, day) <= CLOSE_DAYS.into()).then_some(found)
    }

    /// The first close from this day on, within [`CLOSE_DAYS`].
    #[must_use]
    pub fn from(&self, day: Date) -> Option<(Date, Decimal)> {
        let start = self.0.partition_point(|(date, _)| *date < day);
        let found = *self.0.get(start)?;
        (days::between(day, found.0) <= CLOSE_DAYS.into()).then_some(found)
    }

    /// The range of the 365 days before this day. `None` with less than 200 sessions, or where the price never moved.
    #[must_use]
    pub fn range(&self, day: Date) -> Option<Range> {
        let at = |day: Date| self.0.partition_point(|(date, _)| *date < day);
        let sessions = self.0.get(at(days::plus(day, -RANGE_DAYS))..at(day))?;
        if sessions.len() < RANGE_SESSIONS {
            return None;
        }
        let closes = || sessions.iter().map(|(_, close)| *close);
        let (last_at, last) = *sessions.last()?;
        let (high, low) = (closes().max()?, closes().min()?);
        (high > low).then_some(Range {
            last,
            last_at,
            high,
            low,
        })
    }

    fn last_session(&self) -> Option<Date> {
        self.0.last().map(|(date, _)| *date)
    }
}

/// Where the price stands in its range of a year. Only quotients of these mean anything: later splits and dividends scale all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Last close.
    pub last: Decimal,
    /// Its session.
    pub last_at: Date,
    /// Highest close.
    pub high: Decimal,
    /// Lowest close.
    pub low: Decimal,
}

/// What the engine knows of a company beside its filings.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    /// ISO 4217, of its closes and market capitalisations.
    pub currency: String,
    /// In which its days begin and end.
    pub zone: TimeZone,
    /// Its own closes.
    pub closes: Series,
    /// Those of the indexes that it may be measured against, the first choice first.
    pub benchmarks: Arc<[Series]>,
    /// Its splits, in any order. Not every file of closes tells them: where none is given, none can be undone.
    pub splits: Vec<Split>,
    /// Its market capitalisations, each with its day.
    pub market_caps: Series,
}

impl Company {
    /// A company of which nothing is known.
    #[must_use]
    pub fn unknown(currency: &str, zone: TimeZone) -> Self {
        Company {
            currency: currency.to_owned(),
            zone,
            closes: Series::default(),
            benchmarks: Arc::default(),
            splits: Vec::new(),
            market_caps: Series::default(),
        }
    }

    /// The latest market capitalisation of this day or before, not older than 400 days.
    #[must_use]
    pub fn market_cap(&self, day: Date) -> Option<(Date, Decimal)> {
        let (date, cap) = self.market_caps.before(days::plus(day, 1))?;
        (days::between(date, day) <= CAP_DAYS).then_some((date, cap))
    }

    /// The last close that was known before `published`, of the day of a dealing or up to ten days before, as it was quoted then: the
    /// splits after the dealing are undone, as far as the file of closes reaches over them. Dividends are not: they bend a year's
    /// close by some percent, which no rule here notices.
    #[must_use]
    pub fn quoted(&self, dealt: Date, published: Date) -> Option<Decimal> {
        let day = dealt.min(days::plus(published, -1));
        let (_, close) = self.closes.on(day)?;
        let reached = self.closes.last_session()?;
        close.checked_mul(self.split_ratio(dealt, reached)?)
    }

    /// How many times its value a benchmark was worth on another day: the first that has closes, not older than ten days, of both. One
    /// that tells of some days only does not stand in the way of the next.
    #[must_use]
    pub fn benchmark_growth(&self, from: Date, to: Date) -> Option<Decimal> {
        self.benchmarks.iter().find_map(|benchmark| {
            let (_, before) = benchmark.on(from)?;
            let (_, after) = benchmark.on(to)?;
            exact::divide(after, before)
        })
    }

    /// How many shares one share of `from` has become by the end of `to`.
    #[must_use]
    pub fn split_ratio(&self, from: Date, to: Date) -> Option<Decimal> {
        let splits = self.splits.iter();
        splits
            .filter(|split| from < split.date && split.date <= to && split.ratio > Decimal::ZERO)
            .try_fold(Decimal::ONE, |product, split| {
                product.checked_mul(split.ratio)
            })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn series(closes: &[(Date, &str)]) -> Series {
        Series::new(closes.iter().map(|(date, close)| (*date, number(close))))
    }

    #[test]
    fn a_close_is_the_last_one_for_ten_days() {
        let closes = series(&[
            (date(2023, 3, 10), "8.5"),
            (date(2023, 3, 13), "9"),
            (date(2023, 3, 14), "0"),
        ]);
        assert_eq!(closes.before(date(2023, 3, 10)), None);
        let tenth = Some((date(2023, 3, 10), number("8.5")));
        assert_eq!(closes.before(date(2023, 3, 13)), tenth);
        assert_eq!(closes.on(date(2023, 3, 12)), tenth);
        let last = Some((date(2023, 3, 13), number("9")));
        assert_eq!(closes.on(date(2023, 3, 23)), last);
        assert_eq!(closes.on(date(2023, 3, 24)), None);
        assert_eq!(closes.from(date(2023, 3, 11)), last);
        assert_eq!(closes.from(date(2023, 2, 28)), tenth);
        assert_eq!(closes.from(date(2023, 2, 27)), None);
        assert_eq!(closes.from(date(2023, 3, 14)), None);
    }

    #[test]
    fn a_range_takes_two_hundred_sessions_before_the_day() {
        let day = date(2023, 6, 30);
        let closes = |sessions: i32| {
            Series::new((1..=sessions).map(|back| (days::plus(day, -back), Decimal::from(back))))
        };
        assert_eq!(closes(199).range(day), None);
        let range = closes(200).range(day).unwrap();
        assert_eq!((range.low, range.high), (Decimal::ONE, Decimal::from(200)));
        assert_eq!(
            (range.last, range.last_at),
            (Decimal::ONE, date(2023, 6, 29))
        );
        assert_eq!(closes(400).range(day).unwrap().high, Decimal::from(365));
        let flat = Series::new((1..=300).map(|back| (days::plus(day, -back), Decimal::ONE)));
        assert_eq!(flat.range(day), None, "it never moved");
    }

    #[test]
    fn splits_after_the_dealing_are_undone() {
        let mut company = Company::unknown("USD", TimeZone::UTC);
        // as downloaded after the split of ten for one on 10 June 2024
        company.closes = series(&[(date(2024, 6, 7), "120"), (date(2024, 6, 10), "121")]);
        company.splits = vec![Split {
            date: date(2024, 6, 10),
            ratio: Decimal::TEN,
        }];
        let quoted = |dealt, published| company.quoted(dealt, published);
        let after = date(2024, 6, 12);
        assert_eq!(quoted(date(2024, 6, 7), after), Some(number("1200")));
        assert_eq!(quoted(date(2024, 6, 10), after), Some(number("121")));
        // on the day of the split, with that day's close not yet known
        assert_eq!(
            quoted(date(2024, 6, 10), date(2024, 6, 10)),
            Some(number("120"))
        );
        // a file that ends before the split was not adjusted for it
        company.closes = series(&[(date(2024, 6, 7), "1200")]);
        assert_eq!(
            company.quoted(date(2024, 6, 7), after),
            Some(number("1200"))
        );
    }

    #[test]
    fn a_market_capitalisation_lasts_four_hundred_days_and_never_looks_ahead() {
        let mut company = Company::unknown("USD", TimeZone::UTC);
        company.market_caps = series(&[(date(2023, 5, 1), "7"), (date(2022, 5, 1), "5")]);
        let cap = |day| company.market_cap(day).map(|(_, cap)| cap);
        assert_eq!(cap(date(2022, 4, 30)), None);
        assert_eq!(cap(date(2023, 4, 30)), Some(number("5")));
        assert_eq!(cap(date(2023, 5, 1)), Some(number("7")));
        assert_eq!(cap(date(2024, 6, 4)), Some(number("7")));
        assert_eq!(cap(date(2024, 6, 5)), None);
    }
}
