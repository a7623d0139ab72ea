//! Closes of a file beside those that are known: all on one scale, that of the file that reaches further.
//!
//! A file's closes are adjusted for splits as of the day on which it was obtained. A later file that holds only the last months stands, after
//! a split, on another scale than what is known of the years before: put side by side as they are, the two would make a fall or a rise that
//! never was. Days that both tell of say by how much they differ.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::{
    model::company::Close,
    score::insider::{
        company::CLOSE_DAYS,
        days::{self},
        exact,
    },
};

/// Sessions of which both must tell.
const MIN_COMMON: usize = 3;
/// Dividends bend closes by no more than this between two files, and corrections are as small.
const SAME_SCALE: Decimal = Decimal::from_parts(125, 0, 0, false, 2);
/// Between two sessions a price seldom moves so far.
const JUMP: Decimal = Decimal::from_parts(3, 0, 0, false, 0);
/// Decimals of a close that was brought to another scale.
const DECIMALS: u32 = 8;

/// What is to be stored of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scaled {
    /// By day; those of earlier files, too, where they come to another scale.
    pub closes: Vec<(Date, Decimal)>,
    /// What to look at.
    pub warnings: Vec<String>,
}

/// Puts the closes of a file beside those that are known, by day. Of two of one session the later line counts.
///
/// The file's own closes are on one scale. The known ones may be of several files that never met, each on a scale of its own: a file
/// between them says how many times each of them it is.
#[must_use]
pub fn on_one_scale(known: &[(Date, Decimal)], told: &[Close]) -> Scaled {
    let file: BTreeMap<Date, Decimal> = (told.iter())
        .map(|close| (close.date, close.close))
        .collect();
    let mut warnings: Vec<String> = told_twice(told).into_iter().collect();
    let stretches = stretches(known, &file);
    let as_told = || file.iter().map(|(date, close)| (*date, *close)).collect();
    let is_one_scale = (stretches.iter()).all(|stretch| within(stretch.ratio, SAME_SCALE));
    let unclear = (stretches.iter()).find(|stretch| stretch.sessions < MIN_COMMON);
    let (Some(last), None, false) = (stretches.last(), unclear, is_one_scale) else {
        let doubt = match unclear.filter(|_| !is_one_scale) {
            Some(stretch) => Some(stretch.warning()),
            None if stretches.is_empty() => jump(known, &file),
            None => None,
        };
        warnings.extend(doubt);
        return Scaled {
            closes: as_told(),
            warnings,
        };
    };
    let is_newer = file.keys().next_back().copied() >= known.last().map(|(date, _)| *date);
    // the scale is that of whichever reaches further
    let unit = match is_newer {
        true => Decimal::ONE,
        false => last.ratio,
    };
    let scaled = |close: Decimal, factor: Option<Decimal>| {
        let scaled = close.checked_mul(factor?)?;
        Some(exact::round(scaled, DECIMALS))
    };
    let mut closes: BTreeMap<Date, Decimal> = BTreeMap::new();
    for (date, close) in known {
        let begun = stretches.partition_point(|stretch| stretch.from <= *date);
        let ratio = stretches[begun.saturating_sub(1)].ratio; // there is a last one, hence a first
        let kept = match is_newer {
            true => file.contains_key(date),
            false => ratio == unit,
        };
        if !kept && let Some(close) = scaled(*close, exact::divide(ratio, unit)) {
            closes.insert(*date, close);
        }
    }
    for (date, close) in &file {
        let is_known = || known.binary_search_by_key(date, |(date, _)| *date).is_ok();
        if is_newer {
            closes.insert(*date, *close);
        } else if !is_known()
            && let Some(close) = exact::divide(*close, unit)
        {
            closes.insert(*date, exact::round(close, DECIMALS));
        }
    }
    Scaled {
        closes: closes.into_iter().collect(),
        warnings,
    }
}

/// Sessions, one after the other, of which both tell, and of which the file's close is about so many times the known one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from: Date,
    to: Date,
    sessions: usize,
    ratio: Decimal,
}

impl Stretch {
    fn is_like(&self, other: Decimal) -> bool {
        exact::divide(other, self.ratio).is_some_and(|quotient| within(quotient, SAME_SCALE))
    }

    fn warning(&self) -> String {
        format!(
            "the closes from {} to {} are {} times those that are known, on {} sessions: too few to tell a split, so all are taken as they are told",
            self.from,
            self.to,
            exact::round(self.ratio, 4).normalize(),
            self.sessions
        )
    }
}

/// The sessions of which both tell, by how they differ. A session or two that differ among others that do not are slips, which a later file
/// mends, and no stretch.
fn stretches(known: &[(Date, Decimal)], file: &BTreeMap<Date, Decimal>) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for (date, ratio) in ratios(known, file) {
        match all.last_mut().filter(|last| last.is_like(ratio)) {
            Some(last) => {
                last.to = date;
                last.sessions += 1;
            }
            None => all.push(Stretch {
                from: date,
                to: date,
                sessions: 1,
                ratio,
            }),
        }
        // what follows a slip goes on where it stood before
        if let [.., before, slip, after] = all.as_slice()
            && slip.sessions < MIN_COMMON
            && before.is_like(after.ratio)
        {
            let joined = Stretch {
                to: after.to,
                sessions: before.sessions + after.sessions,
                ..*before
            };
            all.truncate(all.len() - 3);
            all.push(joined);
        }
    }
    all
}

/// The first session that a file tells twice, at two prices.
fn told_twice(told: &[Close]) -> Option<String> {
    let mut seen: BTreeMap<Date, Decimal> = BTreeMap::new();
    let mut twice = told.iter().filter_map(|close| {
        let before = seen.insert(close.date, close.close)?;
        (before != close.close).then_some((close, before))
    });
    let (first, before) = twice.next()?;
    let more = match twice.count() {
        0 => String::new(),
        more => format!(", and {more} more lines do so"),
    };
    Some(format!(
        "{} stands there twice, at {} and {}: the later line counts{more}",
        first.date,
        before.normalize(),
        first.close.normalize()
    ))
}

/// How many times a known close the file's is, of each session that both tell of.
fn ratios(known: &[(Date, Decimal)], file: &BTreeMap<Date, Decimal>) -> Vec<(Date, Decimal)> {
    let common = known.iter().filter_map(|(date, close)| {
        let ratio = exact::divide(*file.get(date)?, *close)?;
        (ratio > Decimal::ZERO).then_some((*date, ratio))
    });
    common.collect()
}

/// Where a file begins right after what is known, or ends right before it, at quite another price: by a split, or a mistake.
fn jump(known: &[(Date, Decimal)], file: &BTreeMap<Date, Decimal>) -> Option<String> {
    let known_ends = (*known.first()?, *known.last()?);
    let first = file
        .first_key_value()
        .map(|(date, close)| (*date, *close))?;
    let last = file.last_key_value().map(|(date, close)| (*date, *close))?;
    let (before, after) = match known_ends.1.0 < first.0 {
        true => (known_ends.1, first),
        false => (last, known_ends.0),
    };
    let apart = days::between(before.0, after.0);
    let ratio = exact::divide(after.1, before.1)?;
    let doubtful = apart > 0 && apart <= CLOSE_DAYS.into() && !within(ratio, JUMP);
    doubtful.then(|| {
        format!(
            "the close of {} is {}, that of {} {}: if a split lies between, give a file that holds both sides of it",
            before.0,
            before.1.normalize(),
            after.0,
            after.1.normalize()
        )
    })
}

/// Whether a ratio is from 1/most to most.
fn within(ratio: Decimal, most: Decimal) -> bool {
    let reached = ratio.checked_mul(most);
    ratio <= most && reached.is_none_or(|reached| reached >= Decimal::ONE)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// Closes of days of June 2023.
    fn series(closes: &[(i8, &str)]) -> Vec<(Date, Decimal)> {
        let of_june = |(day, close): &(i8, &str)| (date(2023, 6, *day), number(close));
        closes.iter().map(of_june).collect()
    }

    fn file(closes: &[(Date, Decimal)]) -> Vec<Close> {
        let close = |(date, close): &(Date, Decimal)| Close {
            symbol: "ACME".into(),
            date: *date,
            close: *close,
        };
        closes.iter().map(close).collect()
    }

    #[test]
    fn what_is_known_comes_to_the_scale_of_the_file_that_reaches_further() {
        let old = series(&[(1, "100"), (2, "110"), (5, "120"), (6, "130")]);
        let new = series(&[(2, "11"), (5, "12.1"), (6, "13"), (7, "12")]);
        let whole = series(&[(1, "10"), (2, "11"), (5, "12.1"), (6, "13"), (7, "12")]);
        let scaled = on_one_scale(&old, &file(&new));
        assert_eq!((scaled.closes, scaled.warnings), (whole, vec![]));
        // the other way round: the same, in other words
        let scaled = on_one_scale(&new, &file(&old));
        assert_eq!(scaled.closes, series(&[(1, "10")]));
        // and once more, of what is there then: nothing
        let both = [scaled.closes, new].concat();
        assert_eq!(on_one_scale(&both, &file(&old)).closes, []);
    }

    #[test]
    fn a_dividend_or_a_correction_is_no_split() {
        let old = series(&[(1, "100"), (2, "110"), (5, "120")]);
        for new in [
            series(&[(1, "97"), (2, "106.7"), (5, "116.4"), (6, "1")]),
            series(&[(1, "100"), (2, "11"), (5, "120")]), // a slip mended
            series(&[(2, "11"), (5, "12")]),              // too few to say
        ] {
            assert_eq!(on_one_scale(&old, &file(&new)).closes, new);
        }
    }

    #[test]
    fn a_jump_where_two_files_meet_is_told() {
        let old = series(&[(1, "100"), (2, "110")]);
        let warned = |new: &[(i8, &str)]| {
            let scaled = on_one_scale(&old, &file(&series(new)));
            scaled.warnings.into_iter().next()
        };
        let told = "the close of 2023-06-02 is 110, that of 2023-06-05 11: if a split lies between, give a file that holds both sides of it";
        assert_eq!(warned(&[(5, "11"), (6, "12")]).as_deref(), Some(told));
        assert_eq!(warned(&[(5, "40")]), None);
        assert_eq!(warned(&[(30, "11")]), None, "four weeks later");
    }

    /// A price of 100 that moves a little, over days, as told on a scale.
    fn told(days: std::ops::Range<i32>, scale: &str) -> Vec<(Date, Decimal)> {
        let close = |n: i32| Decimal::from(8_000 + n % 7) * number(scale);
        days.map(|n| (days::plus(date(2021, 1, 1), n), close(n)))
            .collect()
    }

    fn stored(files: &[&Vec<(Date, Decimal)>]) -> Vec<(Date, Decimal)> {
        let mut known = BTreeMap::new();
        for one in files {
            let before: Vec<_> = known.clone().into_iter().collect();
            let scaled = on_one_scale(&before, &file(one));
            assert_eq!(scaled.warnings, [""; 0]);
            known.extend(scaled.closes);
        }
        known.into_iter().collect()
    }

    #[test]
    fn a_file_between_two_others_brings_both_to_one_scale_in_any_order() {
        // four for one before day 450, two for one before day 580: before both, between them, and after
        let (old, between, new) = (
            told(0..400, "1"),
            told(380..600, "0.25"),
            told(550..700, "0.125"),
        );
        let whole = told(0..700, "0.125");
        for order in [
            [&old, &between, &new],
            [&old, &new, &between],
            [&between, &old, &new],
            [&between, &new, &old],
            [&new, &old, &between],
            [&new, &between, &old],
        ] {
            assert_eq!(stored(&order), whole);
        }
        // also where the one between reaches furthest
        let last = told(380..750, "0.25");
        assert_eq!(stored(&[&old, &new, &last]), told(0..750, "0.25"));
    }

    #[test]
    fn days_that_a_later_file_leaves_out_come_to_its_scale() {
        let old = series(&[(1, "100"), (2, "110"), (5, "120"), (6, "130")]);
        let new = series(&[(1, "10"), (2, "11"), (6, "13"), (7, "12")]);
        let scaled = on_one_scale(&old, &file(&new)).closes;
        let whole = series(&[(1, "10"), (2, "11"), (5, "12"), (6, "13"), (7, "12")]);
        assert_eq!(scaled, whole);
    }

    #[test]
    fn what_cannot_be_brought_together_is_told_with_its_days() {
        let old = series(&[(1, "100"), (2, "110"), (5, "120")]);
        let few = series(&[(2, "11"), (5, "12"), (6, "12")]);
        let warnings = on_one_scale(&old, &file(&few)).warnings;
        let why = "the closes from 2023-06-02 to 2023-06-05 are 0.1 times those that are known, on 2 sessions: too few to tell a split, so all are taken as they are told";
        assert_eq!(warnings, [why]);
        // a slip among others is mended, and nothing to look at
        let old = told(0..10, "1");
        let mut slip = old.clone();
        slip[4].1 = Decimal::ONE;
        assert_eq!(on_one_scale(&slip, &file(&old)).warnings, [""; 0]);
        assert_eq!(on_one_scale(&slip, &file(&old)).closes, old);
    }

    #[test]
    fn a_session_that_stands_twice_is_told() {
        let twice = series(&[(1, "100"), (2, "7"), (2, "7.0"), (2, "8"), (1, "9")]);
        let scaled = on_one_scale(&[], &file(&twice));
        assert_eq!(scaled.closes, series(&[(1, "9"), (2, "8")]));
        let told = "2023-06-02 stands there twice, at 7 and 8: the later line counts, and 1 more lines do so";
        assert_eq!(scaled.warnings, [told]);
    }

    proptest! {
        #[test]
        fn nothing_brings_it_down(
            known in proptest::collection::btree_map(0_i64..40, any::<(i64, u32)>(), 0..20),
            told in proptest::collection::vec((0_i64..40, any::<i64>(), 0_u32..29), 0..20),
        ) {
            let day = |n: i64| days::plus(date(2023, 6, 1), n as i32);
            let known: Vec<_> = known
                .into_iter()
                .map(|(n, (close, scale))| (day(n), Decimal::new(close, scale % 29)))
                .collect();
            let told: Vec<_> = told
                .into_iter()
                .map(|(n, close, scale)| (day(n), Decimal::new(close, scale)))
                .collect();
            let scaled = on_one_scale(&known, &file(&told));
            prop_assert!(scaled.closes.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
