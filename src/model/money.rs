//! Money and other exact decimals: micro-dollars for sums, [`Exact`] for numbers that are only passed on.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde_json::value::RawValue;

/// US dollars in millionths. Signed: a profit may be a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(pub i64);

/// No single amount exceeds a trillion dollars; sums of a few thousand then stay inside an i64.
const MAX_DOLLARS: i64 = 1_000_000_000_000;

/// Why a number is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a decimal number (a word, an empty text, an exponent out of reach).
    #[error("`{0}` is not a decimal number")]
    NotANumber(String),
    /// A number, but negative where only amounts make sense.
    #[error("`{0}` is negative")]
    Negative(String),
    /// A number beyond what is plausible.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl MicroUsd {
    /// Nothing.
    pub const ZERO: MicroUsd = MicroUsd(0);

    /// From dollars, rounded half away from zero to the millionth; ≤ 10^12 dollars either way.
    pub fn from_dollars(dollars: Decimal) -> Result<Self, NumberError> {
        let too_large = || NumberError::TooLarge(dollars.to_string());
        if dollars.abs() > Decimal::from(MAX_DOLLARS) {
            return Err(too_large());
        }
        let micros = (dollars * Decimal::from(1_000_000))
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        micros.to_i64().map(MicroUsd).ok_or_else(too_large)
    }

    /// As exact dollars.
    #[must_use]
    pub fn dollars(self) -> Decimal {
        Decimal::new(self.0, 6).normalize()
    }

    /// As dollars for formulas that take logarithms.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dollars().fmt(f)
    }
}

/// An exact decimal that is written as a JSON number with all its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub Decimal);

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.0.normalize().to_string())
            .map_err(serde::ser::Error::custom)?;
        number.serialize(to)
    }
}

impl Exact {
    /// Nearest f64, for formulas.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0.to_f64().unwrap_or(0.0)
    }
}

/// Reads a decimal from JSON number or string text, with or without an exponent. 28 significant decimals are kept.
pub fn parse_decimal(text: &str) -> Result<Decimal, NumberError> {
    let wrong = || NumberError::NotANumber(text.chars().take(40).collect());
    // a bound before the library sees it: no real quantity needs more
    if text.is_empty() || text.len() > 64 {
        return Err(wrong());
    }
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).map_err(|_| wrong())
    } else if text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
    {
        text.parse().map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

/// As [`parse_decimal`], refusing what is below zero.
pub fn parse_amount(text: &str) -> Result<Decimal, NumberError> {
    let number = parse_decimal(text)?;
    if number.is_sign_negative() && !number.is_zero() {
        return Err(NumberError::Negative(text.chars().take(40).collect()));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_round_half_up_and_print_exactly() {
        let cents = |text| MicroUsd::from_dollars(parse_decimal(text).unwrap());
        assert_eq!(cents("1.0000005"), Ok(MicroUsd(1_000_001)));
        assert_eq!(cents("-2.5"), Ok(MicroUsd(-2_500_000)));
        assert_eq!(cents("250").unwrap().to_string(), "250");
        assert!(cents("1000000000001").is_err());
    }

    #[test]
    fn absurd_numbers_are_refused() {
        for bad in ["", "NaN", "inf", "1e400", "--1", "0x10", "1,5", " 1"] {
            assert!(parse_decimal(bad).is_err(), "{bad}");
        }
        assert!(parse_amount("-1").is_err());
        assert_eq!(
            parse_amount("3.7345199136678403e-06").unwrap().to_string(),
            "0.0000037345199136678403"
        );
    }

    #[test]
    fn exact_writes_a_json_number() {
        let number = Exact(parse_decimal("0.0000412").unwrap());
        assert_eq!(serde_json::to_string(&number).unwrap(), "0.0000412");
    }
}
