//! Prices around filings: the line of closes, with the entries of purchases and sales marked, and their exits.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    cells::{self, number, text},
    course::{Course, Step},
    flow,
    returns::HORIZONS,
};
use crate::score::insider::days;

/// Exits that a chart has at most beside its line: those of many filings would cover it.
const MOST_EXITS: usize = 21;
/// Before an entry and at least, so that what came after has something to be seen against.
const DAYS_BEFORE: i32 = 90;
/// After the day of the last exit, until its session.
const AFTER_EXIT: i32 = 14;
/// Of a company, at least.
const DAYS_OF_COMPANY: i32 = 365;

/// A close, whether a purchase or a sale could be followed at it, and after how many days it was an exit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    close: f64,
    bought: bool,
    sold: bool,
    exit: Option<i32>,
}

/// What a chart is drawn of.
pub struct Shown<'a> {
    /// With their backtests.
    pub filings: &'a [Value],
    /// The market's; where it is not known, UTC is so near that closes tell the session.
    pub zone: Option<&'a TimeZone>,
    /// The day and the price of the latest close, where that is known.
    pub latest: Option<(Date, f64)>,
    /// The closes in between.
    pub course: &'a Course,
    /// Empty where it is not known.
    pub currency: &'a str,
}

impl Shown<'_> {
    /// What is known of a price by day: the course, and of each filing the close that it could first be followed at, and those after 30 to 730
    /// days; and whether these were too many to stand beside the course.
    fn points(&self) -> (BTreeMap<Date, Point>, bool) {
        let mut points: BTreeMap<Date, Point> = BTreeMap::new();
        for (day, close) in self.course.closes() {
            points.entry(day).or_default().close = close;
        }
        let mut exits = BTreeMap::new();
        for filing in self.filings {
            let backtest = &filing["backtest"];
            let Some((entry, close)) = self.entry(filing) else {
                continue;
            };
            let point = points.entry(entry).or_default();
            point.close = close;
            match text(filing, "/direction") {
                Some("BUY") => point.bought = true,
                Some("SELL") => point.sold = true,
                _ => {}
            }
            for (later, name) in HORIZONS {
                if let Some(close) = number(backtest, &format!("/price/{name}")) {
                    let exit = days::plus(entry, later);
                    let exit = self.course.session(exit, close).unwrap_or(exit);
                    exits.insert(exit, (close, later));
                }
            }
        }
        let too_many = !self.course.is_empty() && exits.len() > MOST_EXITS;
        for (exit, (close, later)) in exits.into_iter().filter(|_| !too_many) {
            let point = points.entry(exit).or_default();
            (point.close, point.exit) = (close, Some(later));
        }
        if let Some((day, close)) = self.latest {
            points.entry(day).or_default().close = close;
        }
        (points, too_many)
    }

    /// In which session a filing could first be followed, and at which close.
    fn entry(&self, filing: &Value) -> Option<(Date, f64)> {
        let published = flow::day_of(filing, self.zone.unwrap_or(&TimeZone::UTC))?;
        let close = number(&filing["backtest"], "/priceAtTrade")?;
        // the first session after the day of publication; that is a day earlier in the west where it is told by UTC
        let next = days::plus(published, 1);
        let first = if self.zone.is_some() { next } else { published };
        Some((self.course.session(first, close).unwrap_or(next), close))
    }

    /// The chart; words where there is nothing to draw.
    #[must_use]
    pub fn chart(&self) -> Markup {
        let (points, too_many) = self.points();
        if points.len() < 2 {
            return html! { p { "No closes are known of this share." } };
        }
        let exits = points.values().filter(|point| point.exit.is_some());
        let few = exits.count() <= MOST_EXITS;
        let marks = Mark::ALL
            .into_iter()
            .filter(|mark| few || *mark != Mark::Exit);
        let marks = marks.filter(|mark| points.values().any(|point| mark.says(point).is_some()));
        let marks: Vec<Mark> = marks.collect();
        let shapes = marks.iter().zip(2..);
        let shapes: Vec<String> = shapes
            .map(|(mark, column)| format!("{column}:{}", mark.shape()))
            .collect();
        html! {
            figure data-chart="line" data-points=(shapes.join(",")) {
                figcaption { (self.caption()) }
                div.plot {}
                p.hint { (self.hint(&marks, too_many)) }
                details {
                    summary { "As a table" }
                    div.scrolls tabindex="0" role="region" aria-label="Closes" { (table(&points, &marks)) }
                }
            }
        }
    }

    fn caption(&self) -> Markup {
        html! {
            @match (self.course.is_empty(), self.course.step) {
                (true, _) => { "Closes around filings" }
                (false, Step::Day) => { "Closes by day" }
                (false, Step::Week) => { "Closes by week" }
                (false, Step::Month) => { "Closes by month" }
            }
            ", adjusted for splits and dividends"
            @if !self.currency.is_empty() { ", " (self.currency) }
        }
    }

    fn hint(&self, marks: &[Mark], too_many: bool) -> Markup {
        let entries = marks.iter().filter(|mark| **mark != Mark::Exit);
        html! {
            @if self.course.is_empty() {
                "Known are the closes that filings could first be followed at, those 30 to 730 days later, and the latest: each of the first "
                "session on the day or after it, within ten days."
            } @else if entries.clone().next().is_none() {
                "No filing could be followed yet: the first close after its publication is not known."
            } @else {
                @for mark in entries { (mark.sign()) " " }
                "at its entry, the first close after its publication. "
                @if marks.contains(&Mark::Exit) { (Mark::Exit.sign()) " 30 to 730 days after an entry." }
                @if too_many { "What the price was 30 to 730 days after each is on its own page." }
            }
        }
    }
}

/// What is marked on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Purchase,
    Sale,
    Exit,
}

impl Mark {
    const ALL: [Mark; 3] = [Mark::Purchase, Mark::Sale, Mark::Exit];

    fn name(self) -> &'static str {
        match self {
            Mark::Purchase => "Purchase",
            Mark::Sale => "Sale",
            Mark::Exit => "Exit",
        }
    }

    /// As the script that draws calls it: told apart without colours, too.
    fn shape(self) -> &'static str {
        match self {
            Mark::Purchase => "up",
            Mark::Sale => "down",
            Mark::Exit => "ring",
        }
    }

    /// As it is drawn, and its name.
    fn sign(self) -> Markup {
        let (colour, sign) = match self {
            Mark::Purchase => ("good", "\u{25b2}"),
            Mark::Sale => ("bad", "\u{25bc}"),
            Mark::Exit => ("exit", "\u{25cb}"),
        };
        html! { span class=(colour) aria-hidden="true" { (sign) } " " (self.name()) }
    }

    /// What a table says of it at a point; nothing where it is not there.
    fn says(self, point: &Point) -> Option<Markup> {
        let close = cells::written(point.close, 2);
        match self {
            Mark::Purchase => point.bought.then(|| html! { (close) }),
            Mark::Sale => point.sold.then(|| html! { (close) }),
            Mark::Exit => point.exit.map(|days| html! { "after " (days) " days" }),
        }
    }
}

fn table(points: &BTreeMap<Date, Point>, marks: &[Mark]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Day" } th.number scope="col" { "Close" }
                @for mark in marks { th.number scope="col" { (mark.name()) } }
            } }
            tbody { @for (day, point) in points { tr {
                th scope="row" data-v=(seconds(*day)) { (day) }
                td.number data-v=(point.close) { (cells::written(point.close, 2)) }
                @for mark in marks { @match mark.says(point) {
                    Some(says) => { td.number data-v=(point.close) { (says) } }
                    None => { td {} }
                } }
            } } }
        }
    }
}

/// The day and the price of a company's latest close.
#[must_use]
pub fn latest(company: &Value) -> Option<(Date, f64)> {
    let day = text(company, "/priceAt")?.get(..10)?.parse().ok()?;
    Some((day, number(company, "/currentPrice")?))
}

/// From when until when a company's price is drawn: from before the earliest of its filings, and a year at least.
#[must_use]
pub fn span_of_company(filings: &[Value], zone: &TimeZone, until: Date) -> (Date, Date) {
    let first = filings
        .iter()
        .filter_map(|one| flow::day_of(one, zone))
        .min();
    let before = first.map(|first| days::plus(first, -DAYS_BEFORE));
    let least = days::plus(until, -DAYS_OF_COMPANY);
    (before.map_or(least, |before| before.min(least)), until)
}

/// From when until when the price around one filing is drawn: until its last exit where that is known, else until today.
#[must_use]
pub fn span_of_filing(filing: &Value, today: Date) -> Option<(Date, Date)> {
    let published = flow::day_of(filing, &TimeZone::UTC)?;
    let last = HORIZONS
        .last()
        .filter(|(_, name)| number(&filing["backtest"], &format!("/price/{name}")).is_some());
    let to = last.map(|(later, _)| days::plus(published, later + AFTER_EXIT));
    Some((
        days::plus(published, -DAYS_BEFORE),
        to.unwrap_or(today).min(today),
    ))
}

/// Seconds since 1970 of a day's first instant in UTC.
fn seconds(day: Date) -> i64 {
    let at = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0));
    // proof: a close's day lies far within what a timestamp holds
    at.map_or(0, jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::{super::returns::sample as filing, *};
    use serde_json::json;

    fn told(shown: &Shown<'_>) -> Vec<String> {
        let told = |(day, point): (&Date, &Point)| {
            let marks = [
                point.bought.then_some("bought"),
                point.sold.then_some("sold"),
            ];
            let marks = marks.into_iter().flatten().map(str::to_owned);
            let marks: Vec<String> = marks
                .chain(point.exit.map(|days| days.to_string()))
                .collect();
            format!("{day} {} {}", point.close, marks.join(" "))
                .trim_end()
                .to_owned()
        };
        shown.points().0.iter().map(told).collect()
    }

    #[test]
    fn closes_stand_on_their_days_and_marks_on_their_closes() {
        let filings = [
            filing("2021-06-01T02:00:00Z", "BUY", 10.0, 12.0),
            filing("2021-06-29T14:00:00Z", "SELL", 11.5, 9.0),
            json!({"pubDate": "2021-07-01T14:00:00Z", "backtest": null}),
        ];
        let zone = TimeZone::get("America/New_York").unwrap();
        let latest = latest(&json!({"priceAt": "2021-08-01T00:00:00Z", "currentPrice": 8.5}));
        let shown = |filings, course, zone| Shown {
            filings,
            zone,
            latest,
            course,
            currency: "USD",
        };
        let none = Course::default();
        let without = shown(&filings, &none, Some(&zone));
        assert_eq!(
            told(&without),
            [
                "2021-06-01 10 bought",
                "2021-06-30 11.5 sold",
                "2021-07-01 12 30",
                "2021-07-30 9 30",
                "2021-08-01 8.5",
            ]
        );
        let page = without.chart().into_string();
        for said in [
            "<th scope=\"row\" data-v=\"1622505600\">2021-06-01</th>",
            "data-points=\"2:up,3:down,4:ring\"",
            "Closes around filings, adjusted for splits and dividends, USD",
            "8.50",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        // with the closes in between the session of each is known, whatever the clock is
        let course = Course::of(
            Step::Day,
            &json!({"items": [
                {"date": "2021-07-02", "close": 12.0}, {"date": "2021-06-30", "close": 11.5}, {"date": "2021-06-02", "close": 10.0},
                {"date": "2021-05-28", "close": 9.75},
            ]}),
        );
        let known = [
            "2021-05-28 9.75",
            "2021-06-02 10 bought",
            "2021-06-30 11.5 sold",
            "2021-07-02 12 30",
            "2021-07-30 9 30",
            "2021-08-01 8.5",
        ];
        for zone in [Some(&zone), None] {
            let with = shown(&filings, &course, zone);
            assert_eq!(told(&with), known);
            let page = with.chart().into_string();
            assert!(
                page.contains("Closes by day") && page.contains("</span> Sale at its entry"),
                "{page}"
            );
        }
        let empty = Shown {
            latest: None,
            ..shown(&[], &none, None)
        };
        let nothing = empty.chart().into_string();
        assert!(nothing.contains("No closes are known"), "{nothing}");
    }

    #[test]
    fn exits_of_many_filings_do_not_cover_the_line() {
        let filings: Vec<Value> = (1..=22)
            .map(|n| {
                let at = days::plus(jiff::civil::date(2021, 1, 1), n);
                filing(&format!("{at}T14:00:00Z"), "BUY", 10.0, 11.0)
            })
            .collect();
        let course = Course::of(
            Step::Week,
            &json!({"items": [{"date": "2021-01-01", "close": 1}, {"date": "2021-01-08", "close": 2}]}),
        );
        let chart = |filings| {
            let shown = Shown {
                filings,
                zone: None,
                latest: None,
                course: &course,
                currency: "",
            };
            shown.chart().into_string()
        };
        let none = chart(&[]);
        assert!(none.contains("No filing could be followed yet"), "{none}");
        assert!(!none.contains("data-points=\"2"), "{none}");
        let few = chart(&filings[..3]);
        assert!(
            few.contains("2:up,3:ring") && few.contains("after 30 days"),
            "{few}"
        );
        let many = chart(&filings);
        assert!(
            many.contains("data-points=\"2:up\"") && many.contains("on its own page"),
            "{many}"
        );
    }

    #[test]
    fn a_price_is_drawn_from_before_a_filing_until_its_last_exit() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let mut one = filing("2021-06-01T14:00:00Z", "BUY", 10.0, 12.0);
        let span = span_of_filing(&one, day("2026-01-01"));
        assert_eq!(span, Some((day("2021-03-03"), day("2026-01-01"))));
        one["backtest"]["price"]["730d"] = json!(15.0);
        let span = span_of_filing(&one, day("2026-01-01"));
        assert_eq!(span, Some((day("2021-03-03"), day("2023-06-15"))));
        let of = |filings| span_of_company(filings, &TimeZone::UTC, day("2021-08-01"));
        assert_eq!(of(&[]), (day("2020-08-01"), day("2021-08-01")));
        let filings = [one, filing("2019-06-01T14:00:00Z", "BUY", 10.0, 12.0)];
        assert_eq!(of(&filings), (day("2019-03-03"), day("2021-08-01")));
    }
}
