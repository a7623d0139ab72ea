//! The course of a price: which closes a page asks the API for, so that it stays light, and in which session a close that a filing tells was.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{list, number, path_part, text},
    reader::Reader,
};
use crate::score::insider::days;

/// Points of a line at most.
const MOST: u16 = 520;
/// Two years of sessions are fewer than [`MOST`].
const MOST_DAYS_BY_DAY: i64 = 2 * 366;
/// And so many days are fewer weeks.
const MOST_DAYS_BY_WEEK: i64 = 7 * (MOST as i64 - 1);
/// Before it the API knows no days.
const FIRST_DAY: Date = date(1993, 1, 1);
/// Days within which a session counts for a day on which there was none.
const TO_SESSION: i32 = 10;

/// How many closes come to one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Each is one.
    #[default]
    Day,
    /// The last of a week.
    Week,
    /// The last of a month.
    Month,
}

impl Step {
    fn over(days: i64) -> Self {
        match days {
            _ if days <= MOST_DAYS_BY_DAY => Step::Day,
            _ if days <= MOST_DAYS_BY_WEEK => Step::Week,
            _ => Step::Month,
        }
    }

    /// As the API calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Step::Day => "day",
            Step::Week => "week",
            Step::Month => "month",
        }
    }
}

/// The closes of a share over some time; none where nobody knows any, or where they could not be had: a page has more to say than these.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// How dense they are.
    pub step: Step,
    /// Where they are from; nothing where none were asked for.
    pub api: Option<String>,
    closes: BTreeMap<Date, f64>,
}

impl Course {
    /// What the API knows of a company's closes from one day until another.
    pub async fn read(reader: &Reader<'_>, slug: &str, (from, to): (Date, Date)) -> Self {
        let from = from.max(FIRST_DAY);
        let step = Step::over(days::between(from, to));
        let asked = Asked::default().with(&[
            ("bucket", step.word()),
            ("from", &from.to_string()),
            ("to", &to.to_string()),
            ("limit", &MOST.to_string()),
        ]);
        let api = asked.at(&format!("/api/v1/companies/{}/closes", path_part(slug)));
        let told = reader.read(&api).await.unwrap_or_default();
        Course {
            api: Some(api),
            ..Course::of(step, &told)
        }
    }

    /// Of the API's answer.
    #[must_use]
    pub fn of(step: Step, told: &Value) -> Self {
        let close =
            |item: &Value| Some((text(item, "/date")?.parse().ok()?, number(item, "/close")?));
        Course {
            step,
            api: None,
            closes: list(told, "/items").iter().filter_map(close).collect(),
        }
    }

    /// Day by day.
    pub fn closes(&self) -> impl Iterator<Item = (Date, f64)> + '_ {
        self.closes.iter().map(|(day, close)| (*day, *close))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closes.is_empty()
    }

    /// The session of a close that is told of the first one from a day on, where it is among these.
    #[must_use]
    pub fn session(&self, day: Date, close: f64) -> Option<Date> {
        // both are the same decimal, read alike
        let is_it = |known: f64| (known - close).abs() <= f64::EPSILON * close.abs();
        let mut near = self.closes.range(day..=days::plus(day, TO_SESSION));
        near.find(|(_, known)| is_it(**known)).map(|(day, _)| *day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_courses_have_few_points_too() {
        for (days, step) in [
            (0, Step::Day),
            (732, Step::Day),
            (733, Step::Week),
            (3_633, Step::Week),
            (3_634, Step::Month),
            (i64::MAX, Step::Month),
        ] {
            assert_eq!(Step::over(days), step, "{days}");
        }
    }

    #[test]
    fn a_close_is_found_in_its_session() {
        let course = Course::of(
            Step::Day,
            &json!({"items": [
                {"date": "2021-06-08", "close": 11.25}, {"date": "2021-06-07", "close": 10.1}, {"date": "2021-06-04", "close": 10.1},
                {"date": "x", "close": 1}, {"date": "2021-06-03", "close": null},
            ]}),
        );
        assert_eq!(course.closes().count(), 3, "what is no close is left out");
        let session = |day: &str, close| {
            course
                .session(day.parse().unwrap(), close)
                .map(|day| day.to_string())
        };
        assert_eq!(session("2021-06-04", 10.1).as_deref(), Some("2021-06-04"));
        assert_eq!(
            session("2021-06-05", 10.1).as_deref(),
            Some("2021-06-07"),
            "after a Saturday"
        );
        assert_eq!(session("2021-06-05", 11.25).as_deref(), Some("2021-06-08"));
        assert_eq!(session("2021-06-05", 10.2), None);
        assert_eq!(session("2021-05-01", 10.1), None, "too long before");
        assert!(Course::default().is_empty());
    }
}
