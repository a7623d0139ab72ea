//! Local time: the days and hours that a regulator writes, as moments in UTC.

use jiff::{
    civil::{Date, DateTime, Time as Hour},
    tz::TimeZone,
};

use super::time::{Time, TimeError};

/// A time zone by its IANA name, with all its changes of the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the IANA name of a time zone")]
pub struct UnknownZone(String);

/// The last second of a day. Whatever is said to be of that day was public by then.
const LAST: Hour = Hour::constant(23, 59, 59, 0);

impl Zone {
    /// From its name, such as `Europe/London`; the zone data is part of the program.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(name.chars().take(40).collect());
        TimeZone::get(name).map(Zone).map_err(|_| unknown())
    }

    /// The moment of a local day and hour. An hour that exists twice (the clock is put back) is its first; one that does not
    /// exist (it is put forward) is as much later.
    pub fn moment(&self, local: DateTime) -> Result<Time, TimeError> {
        let wrong = || TimeError::NotIso(local.to_string());
        let stamp = self.0.to_timestamp(local).map_err(|_| wrong())?;
        let whole = Time::from_unix_ms(stamp.as_millisecond())?;
        Ok(whole.plus(stamp.as_microsecond().rem_euclid(1000)))
    }

    /// The last second of a local day.
    pub fn end_of_day(&self, day: Date) -> Result<Time, TimeError> {
        self.moment(day.to_datetime(LAST))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn summer_and_winter_differ() {
        let stockholm = Zone::named("Europe/Stockholm").unwrap();
        let utc = |local| stockholm.moment(local).unwrap().to_string();
        assert_eq!(
            utc(datetime(2018, 3, 10, 21, 49, 30, 0)),
            "2018-03-10T20:49:30.000Z"
        );
        assert_eq!(
            utc(datetime(2018, 7, 10, 21, 49, 30, 0)),
            "2018-07-10T19:49:30.000Z"
        );
        // 02:30 does not exist on the last Sunday of March, and exists twice on that of October
        assert_eq!(
            utc(datetime(2018, 3, 25, 2, 30, 0, 0)),
            "2018-03-25T01:30:00.000Z"
        );
        assert_eq!(
            utc(datetime(2018, 10, 28, 2, 30, 0, 0)),
            "2018-10-28T00:30:00.000Z"
        );
    }

    #[test]
    fn a_day_ends_where_its_people_are() {
        let end = |zone: &str, day| Zone::named(zone).unwrap().end_of_day(day);
        let summer = date(2026, 7, 1);
        assert_eq!(
            end("Europe/London", summer).unwrap().to_string(),
            "2026-07-01T22:59:59.000Z"
        );
        assert_eq!(
            end("America/New_York", summer).unwrap().to_string(),
            "2026-07-02T03:59:59.000Z"
        );
        assert!(end("Europe/London", date(202, 7, 1)).is_err(), "a typo");
        assert!(end("Europe/London", Date::MAX).is_err());
        assert!(Zone::named("Europe/Atlantis").is_err());
    }
}
