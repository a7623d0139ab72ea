//! Local days: which day a moment falls on, business days, trailing windows, months and ISO weeks.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use crate::model::{market::Market, time::Time};

/// A market's zone; UTC where its name is unknown.
#[must_use]
pub fn zone(market: &Market) -> TimeZone {
    TimeZone::get(&market.time_zone).unwrap_or(TimeZone::UTC)
}

/// The day on which a moment falls there.
#[must_use]
pub fn local_day(moment: Time, zone: &TimeZone) -> Date {
    match Timestamp::from_microsecond(moment.0) {
        Ok(stamp) => zone.to_datetime(stamp).date(),
        Err(_) if moment.0 < 0 => Date::MIN,
        Err(_) => Date::MAX,
    }
}

/// The first instant of the day after this one: from then on its close is known.
#[must_use]
pub fn end_of(day: Date, zone: &TimeZone) -> Time {
    let midnight = plus(day, 1).at(0, 0, 0, 0);
    match zone.to_timestamp(midnight) {
        Ok(stamp) => Time(stamp.as_microsecond()),
        Err(_) => Time(i64::MAX),
    }
}

/// A day moved by calendar days; stays at the ends of the calendar.
#[must_use]
pub fn plus(day: Date, days: i32) -> Date {
    day.saturating_add(days.days())
}

/// Calendar days from one to the other; negative where it lies before.
#[must_use]
pub fn between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

/// Mondays to Fridays after `from` up to `to`; `None` where that lies before. Holidays count: no calendar of them is at hand.
#[must_use]
pub fn business_days(from: Date, to: Date) -> Option<u32> {
    let days = u32::try_from(between(from, to)).ok()?;
    let (weeks, rest) = (days / 7, days % 7);
    let odd = (0..rest)
        .map(|back| plus(to, -(back as i32)))
        .filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday))
        .count();
    Some(weeks * 5 + odd as u32)
}

/// `2023-03`.
#[must_use]
pub fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

/// `2023-W09`, by ISO 8601: the week of a year's first days may belong to the year before.
#[must_use]
pub fn week(day: Date) -> String {
    let week = day.iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn business_days_are_counted_after_the_first() {
        let check = |from: (i16, i8, i8), to: (i16, i8, i8), expected: Option<u32>| {
            let day = |(y, m, d)| date(y, m, d);
            let found = business_days(day(from), day(to));
            assert_eq!(found, expected, "{from:?} {to:?}");
        };
        check((2023, 3, 13), (2023, 3, 13), Some(0));
        check((2023, 3, 13), (2023, 3, 15), Some(2));
        check((2023, 3, 10), (2023, 3, 13), Some(1)); // over a weekend
        check((2023, 3, 11), (2023, 3, 13), Some(1)); // from a Saturday
        check((2023, 3, 10), (2023, 3, 12), Some(0)); // to a Sunday
        check((2023, 3, 10), (2023, 3, 31), Some(15));
        check((2023, 3, 14), (2023, 3, 13), None);
    }

    #[test]
    fn business_days_are_those_of_a_walk() {
        let start = date(2023, 1, 1);
        for from in 0..8 {
            let from = plus(start, from);
            let mut walked = 0;
            for ahead in 1..40 {
                let to = plus(from, ahead);
                walked += u32::from(!matches!(to.weekday(), Weekday::Saturday | Weekday::Sunday));
                assert_eq!(business_days(from, to), Some(walked), "{from} {to}");
            }
        }
    }

    #[test]
    fn a_day_is_local() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let evening = Time::parse_iso("2023-03-15T02:30:00Z").unwrap();
        assert_eq!(local_day(evening, &zone), date(2023, 3, 14));
        let end = end_of(date(2023, 3, 14), &zone);
        assert_eq!(end, Time::parse_iso("2023-03-15T04:00:00Z").unwrap());
        assert_eq!(local_day(end, &zone), date(2023, 3, 15));
        assert_eq!(local_day(end.plus(-1), &zone), date(2023, 3, 14));
        assert!(end_of(Date::MAX, &zone) > end);
        assert_eq!(local_day(Time(i64::MIN), &zone), Date::MIN);
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        assert_eq!(week(date(2021, 1, 3)), "2020-W53");
        assert_eq!(week(date(2024, 12, 30)), "2025-W01");
        assert_eq!(month(date(2023, 3, 1)), "2023-03");
    }
}
