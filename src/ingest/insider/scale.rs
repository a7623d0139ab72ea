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
    pub warning: Option<String>,
}

/// Puts the closes of a file beside those that are known, by day. Of two of one session the later line counts.
#[must_use]
pub fn on_one_scale(known: &[(Date, Decimal)], file: &[Close]) -> Scaled {
    let file: BTreeMap<Date, Decimal> = (file.iter())
        .map(|close| (close.date, close.close))
        .collect();
    let as_told = || file.iter().map(|(date, close)| (*date, *close)).collect();
    let ratios = ratios(known, &file);
    let Some(&(begun, ratio)) = ratios.first() else {
        return Scaled {
            closes: as_told(),
            warning: jump(known, &file),
        };
    };
    let constant = ratios
        .iter()
        .filter_map(|(_, other)| exact::divide(*other, ratio))
        .all(|quotient| within(quotient, SAME_SCALE));
    if ratios.len() < MIN_COMMON || within(ratio, SAME_SCALE) || !constant {
        return Scaled {
            closes: as_told(),
            warning: None,
        };
    }
    let last_known = known.last().map(|(date, _)| *date);
    let newer = file.keys().next_back().copied() >= last_known;
    let closes = if newer {
        let older = known.iter().filter(|(date, _)| *date < begun);
        let mut closes: BTreeMap<Date, Decimal> = older
            .filter_map(|(date, close)| {
                let scaled = close.checked_mul(ratio)?;
                Some((*date, exact::round(scaled, DECIMALS)))
            })
            .collect();
        closes.extend(&file);
        closes.into_iter().collect()
    } else {
        let missing = file.iter().filter(|(date, _)| {
            let at = known.binary_search_by_key(*date, |(date, _)| *date);
            at.is_err()
        });
        missing
            .filter_map(|(date, close)| {
                let scaled = exact::divide(*close, ratio)?;
                Some((*date, exact::round(scaled, DECIMALS)))
            })
            .collect()
    };
    Scaled {
        closes,
        warning: None,
    }
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
        assert_eq!((scaled.closes, scaled.warning), (whole, None));
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
        let warned = |new: &[(i8, &str)]| on_one_scale(&old, &file(&series(new))).warning;
        let told = "the close of 2023-06-02 is 110, that of 2023-06-05 11: if a split lies between, give a file that holds both sides of it";
        assert_eq!(warned(&[(5, "11"), (6, "12")]).as_deref(), Some(told));
        assert_eq!(warned(&[(5, "40")]), None);
        assert_eq!(warned(&[(30, "11")]), None, "four weeks later");
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
