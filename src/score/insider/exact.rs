//! Arithmetic of the factors: exact decimals, one division at the end, half-up rounding; and the two logarithms.
//!
//! Every operation is checked. What leaves the range of a decimal (28 digits) is `None`, and the factor is then unknown: numbers from
//! filings cannot bring the engine down.

use rust_decimal::{
    Decimal, RoundingStrategy,
    prelude::{FromPrimitive, ToPrimitive},
};

use crate::model::rank::Tenths;

/// Decimals of a return, of the global mean, and of a logarithm: enough that no tenth of a point hangs on the rest.
pub const RETURN_DECIMALS: u32 = 6;
/// Decimals to which a quotient is rounded where it is shown.
pub const SHOWN_DECIMALS: u32 = 6;
const LOG_DECIMALS: u32 = 9;

/// Half-up as on paper: a half goes away from zero.
#[must_use]
pub fn round(number: Decimal, decimals: u32) -> Decimal {
    number
        .round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
        .normalize()
}

/// `numerator / denominator`. `None` for a denominator of 0.
#[must_use]
pub fn divide(numerator: Decimal, denominator: Decimal) -> Option<Decimal> {
    numerator.checked_div(denominator)
}

/// The same, rounded for showing.
#[must_use]
pub fn shown(numerator: Decimal, denominator: Decimal) -> Option<Decimal> {
    Some(round(divide(numerator, denominator)?, SHOWN_DECIMALS))
}

/// `numerator / denominator` points, clamped to 0…`cap`, and rounded half-up to a tenth. `None` for a denominator of 0.
#[must_use]
pub fn points(numerator: Decimal, denominator: Decimal, cap: u8) -> Option<Tenths> {
    tenths(divide(numerator, denominator)?, cap)
}

/// Points, clamped to 0…`cap`, and rounded half-up to a tenth.
#[must_use]
pub fn tenths(points: Decimal, cap: u8) -> Option<Tenths> {
    let within = points.clamp(Decimal::ZERO, Decimal::from(cap));
    let tenths = round(within.checked_mul(Decimal::TEN)?, 0);
    tenths.to_i64().map(Tenths)
}

/// The sum of what is there; `None` where nothing is, or beyond the range.
pub fn sum(numbers: impl IntoIterator<Item = Decimal>) -> Option<Decimal> {
    numbers
        .into_iter()
        .try_fold(None, |sum: Option<Decimal>, number| {
            Some(Some(sum.unwrap_or_default().checked_add(number)?))
        })
        .flatten()
}

/// log10 of a number > 0, else `None`.
///
/// Taken in f64 (its error is below 1e-14 for whatever a decimal can hold) and rounded half-up to nine decimals before anything is done
/// with it, so that machines whose last bits differ still agree.
#[must_use]
pub fn log10(number: Decimal) -> Option<Decimal> {
    log(number, f64::log10)
}

/// log2, likewise.
#[must_use]
pub fn log2(number: Decimal) -> Option<Decimal> {
    log(number, f64::log2)
}

fn log(number: Decimal, log: fn(f64) -> f64) -> Option<Decimal> {
    if number <= Decimal::ZERO {
        return None;
    }
    let log = log(number.to_f64()?);
    Some(round(Decimal::from_f64(log)?, LOG_DECIMALS))
}

/// The middle of sorted numbers, the mean of the two middles; `None` of none.
#[must_use]
pub fn median(sorted: &[Decimal]) -> Option<Decimal> {
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    mean_of_two(*sorted.get(low)?, *sorted.get(high)?)
}

/// The middle of sorted numbers without one of them that is at `gone`.
#[must_use]
pub fn median_without(sorted: &[Decimal], gone: usize) -> Option<Decimal> {
    let left = sorted.len().checked_sub(1)?;
    let (low, high) = (left.checked_sub(1)? / 2, left / 2);
    let at = |place: usize| sorted.get(place + usize::from(place >= gone)).copied();
    mean_of_two(at(low)?, at(high)?)
}

fn mean_of_two(low: Decimal, high: Decimal) -> Option<Decimal> {
    divide(low.checked_add(high)?, Decimal::TWO)
}

/// A share as percent for a sentence.
#[must_use]
pub fn percent(share: Decimal, decimals: u32) -> String {
    told(share.saturating_mul(Decimal::ONE_HUNDRED), decimals)
}

/// A number for a sentence: at most so many decimals, no zeros behind.
#[must_use]
pub fn told(number: Decimal, decimals: u32) -> String {
    round(number, decimals).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn halves_go_up_and_points_stay_within() {
        let check = |over: &str, under: &str, expected: i64| {
            assert_eq!(
                points(number(over), number(under), 12),
                Some(Tenths(expected)),
                "{over}/{under}"
            );
        };
        check("48", "960", 1); // 0.05: a half
        check("240", "960", 3); // 0.25
        check("239.99999", "960", 2);
        check("-1", "3", 0);
        check("100", "3", 120);
        assert_eq!(points(number("1"), number("0"), 12), None);
        let most = Decimal::MAX;
        assert_eq!(sum([most, most]), None, "beyond the range");
        assert_eq!(sum([]), None);
        assert_eq!(sum([number("0.1"), number("0.2")]), Some(number("0.3")));
    }

    #[test]
    fn logarithms_of_powers_are_whole() {
        assert_eq!(log10(number("0.1")), Some(number("-1")));
        assert_eq!(log10(number("0.001")), Some(number("-3")));
        assert_eq!(log2(number("8")), Some(number("3")));
        assert_eq!(log2(number("0.125")), Some(number("-3")));
        assert_eq!(log10(number("2")), Some(number("0.301029996")));
        assert_eq!(log10(number("0")), None);
        assert_eq!(log10(number("-1")), None);
    }

    proptest! {
        #[test]
        fn the_median_without_one_is_the_median_of_the_others(
            mut numbers in proptest::collection::vec(-50_i64..50, 1..12), gone in 0_usize..12
        ) {
            numbers.sort_unstable();
            let sorted: Vec<Decimal> = numbers.iter().copied().map(Decimal::from).collect();
            let gone = gone % sorted.len();
            let mut others = sorted.clone();
            others.remove(gone);
            prop_assert_eq!(median_without(&sorted, gone), median(&others));
        }
    }
}
