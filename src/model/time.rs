//! Time: UTC microseconds, their ISO 8601 spelling, and the one place that reads the clock.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

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

const EARLIEST: Time = Time(725_846_400_000_000); // 1993-01-01
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
