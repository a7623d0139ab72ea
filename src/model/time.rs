//! Time: UTC microseconds, their ISO 8601 spelling, and the one place that reads the clock.

use std::{fmt, sync::Arc};

use jiff::{Span, Timestamp, civil::Date};

/// A moment in UTC, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Why a text or number is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not ISO 8601 with a zone.
    #[error("`{0}` is not an ISO 8601 time such as 2026-04-24T09:32:14.117Z")]
    NotIso(String),
    /// The moment is before EDGAR or after the year 2200; integers are milliseconds.
    #[error("{0} is out of range (integers are Unix milliseconds, from 1993 to 2200)")]
    OutOfRange(i64),
}

const EARLIEST: Time = Time(725_846_400_000_000); // 1993-01-01, the first year of electronic filings
const LATEST: Time = Time(7_258_118_400_000_000); // 2200-01-01

impl Time {
    /// One second, in microseconds.
    pub const SECOND: i64 = 1_000_000;
    /// One day, in microseconds.
    pub const DAY: i64 = 86_400 * Self::SECOND;

    /// From Unix milliseconds; refuses what no chain or regulator can mean (seconds taken for milliseconds, above all).
    pub fn from_unix_ms(ms: i64) -> Result<Self, TimeError> {
        let time = Time(ms.checked_mul(1000).ok_or(TimeError::OutOfRange(ms))?);
        if (EARLIEST..=LATEST).contains(&time) {
            Ok(time)
        } else {
            Err(TimeError::OutOfRange(ms))
        }
    }

    /// From ISO 8601 with `Z` or an offset; a bare date (`2026-04-24`) is its first instant in UTC.
    pub fn parse_iso(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::NotIso(text.chars().take(40).collect());
        let stamp: Timestamp = match text.parse() {
            Ok(stamp) => stamp,
            Err(_) if text.len() == 10 => {
                format!("{text}T00:00:00Z").parse().map_err(|_| wrong())?
            }
            Err(_) => return Err(wrong()),
        };
        let time = Time(stamp.as_microsecond());
        if (EARLIEST..=LATEST).contains(&time) {
            Ok(time)
        } else {
            Err(TimeError::OutOfRange(stamp.as_millisecond()))
        }
    }

    /// Whole milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The same moment cut to a whole millisecond, as it is printed.
    #[must_use]
    pub fn to_whole_ms(self) -> Self {
        Time(self.unix_ms() * 1000)
    }

    /// Its day in UTC, as days since 1970-01-01.
    #[must_use]
    pub fn utc_day(self) -> i64 {
        self.0.div_euclid(Self::DAY)
    }

    /// The first instant of a day that [`Time::utc_day`] gave; saturates at the ends.
    #[must_use]
    pub fn of_utc_day(day: i64) -> Self {
        Time(day.saturating_mul(Self::DAY))
    }

    /// Seconds from `earlier` to this moment; negative where it lies before.
    #[must_use]
    pub fn seconds_since(self, earlier: Time) -> f64 {
        (self.0 - earlier.0) as f64 / Self::SECOND as f64
    }

    /// This moment moved by a number of microseconds; saturates at the ends.
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Time(self.0.saturating_add(micros))
    }
}

/// The first days of the UTC month that a day is in, and of the next one; all as days since 1970-01-01.
#[must_use]
pub fn utc_month(day: i64) -> (i64, i64) {
    const EPOCH: Date = Date::constant(1970, 1, 1);
    let number = |date: Date| i64::from((date - EPOCH).get_days());
    let of_month = |date: Date| {
        let next = date.last_of_month().tomorrow().ok()?;
        Some((number(date.first_of_month()), number(next)))
    };
    let date = EPOCH.checked_add(Span::new().days(day.clamp(-100_000, 1_000_000)));
    // proof: within a thousand years of 1970 every day has a month; a clock beyond has worse troubles
    date.ok().and_then(of_month).unwrap_or((day, day + 1))
}

impl fmt::Display for Time {
    /// `2026-04-24T09:32:14.117Z`: always milliseconds, always UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.to_whole_ms().0) {
            Ok(stamp) => write!(f, "{stamp:.3}"),
            Err(_) => write!(f, "out-of-range({})", self.0),
        }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Time::parse_iso(&text).map_err(serde::de::Error::custom)
    }
}

/// Where "now" comes from. Handed down from the roof, so that tests and replays own it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Time + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub fn system() -> Self {
        Clock(Arc::new(|| Time(Timestamp::now().as_microsecond())))
    }

    /// A clock that the caller moves.
    pub fn from_fn(read: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        Clock(Arc::new(read))
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Time {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_round_trips_in_milliseconds() {
        let time = Time::parse_iso("2026-04-24T09:32:14.117Z").unwrap();
        assert_eq!(time.to_string(), "2026-04-24T09:32:14.117Z");
        assert_eq!(Time::from_unix_ms(time.unix_ms()).unwrap(), time);
        assert_eq!(
            Time::parse_iso("2026-04-24T11:32:14.117+02:00").unwrap(),
            time
        );
        assert_eq!(
            Time::parse_iso("2026-04-24").unwrap().to_string(),
            "2026-04-24T00:00:00.000Z"
        );
    }

    #[test]
    fn days_and_months_are_those_of_utc() {
        let day = |text: &str| Time::parse_iso(text).unwrap().utc_day();
        let leap = day("2028-02-29T23:59:59.999Z");
        assert_eq!(
            utc_month(leap),
            (day("2028-02-01"), day("2028-03-01")),
            "a leap year's February"
        );
        assert_eq!(utc_month(day("2026-12-31")).1, day("2027-01-01"));
        assert_eq!(day("2026-04-24T01:00:00+02:00"), day("2026-04-23"));
        assert_eq!(
            Time::of_utc_day(leap).to_string(),
            "2028-02-29T00:00:00.000Z"
        );
        for absurd in [i64::MIN, -1, i64::MAX - 1] {
            let (first, next) = utc_month(absurd);
            assert!(first < next, "{absurd}");
        }
    }

    #[test]
    fn refuses_seconds_and_nonsense() {
        assert!(
            Time::from_unix_ms(1_760_978_515).is_err(),
            "seconds are not milliseconds"
        );
        assert!(Time::from_unix_ms(i64::MAX).is_err());
        for bad in [
            "",
            "yesterday",
            "2026-04-24T09:32:14",
            "2026-13-01",
            "9999-01-01T00:00:00Z",
        ] {
            assert!(Time::parse_iso(bad).is_err(), "{bad}");
        }
    }
}
