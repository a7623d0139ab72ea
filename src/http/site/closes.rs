//! Prices as far as the API tells them with filings: entry and exits of their backtests, on one line, with purchases and sales marked.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, text},
    filings, flow,
    problem::Problem,
    reader::Reader,
};
use crate::score::insider::days;

/// Days from entry to exit, as the API names them.
const HORIZONS: [(i32, &str); 7] = [
    (30, "30d"),
    (60, "60d"),
    (90, "90d"),
    (160, "160d"),
    (180, "180d"),
    (365, "365d"),
    (730, "730d"),
];

/// A close, and whether a purchase or a sale could be followed at it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    close: f64,
    bought: bool,
    sold: bool,
}

/// What is known of a price by day: of each filing the close that it could first be followed at, and those after 30 to 730 days.
fn points(filings: &[Value], zone: &TimeZone) -> BTreeMap<Date, Point> {
    let mut points: BTreeMap<Date, Point> = BTreeMap::new();
    for filing in filings {
        let backtest = &filing["backtest"];
        let Some(published) = flow::day_of(filing, zone) else {
            continue;
        };
        // the first session after the day of publication
        let entry = days::plus(published, 1);
        if let Some(close) = number(backtest, "/priceAtTrade") {
            let point = points.entry(entry).or_default();
            point.close = close;
            match text(filing, "/direction") {
                Some("BUY") => point.bought = true,
                Some("SELL") => point.sold = true,
                _ => {}
            }
        }
        for (later, name) in HORIZONS {
            if let Some(close) = number(backtest, &format!("/price/{name}")) {
                points.entry(days::plus(entry, later)).or_default().close = close;
            }
        }
    }
    points
}

/// The chart, with the latest close of all where that is known; words where there is nothing to draw.
#[must_use]
pub fn chart(filings: &[Value], company: &Value, zone: &TimeZone) -> Markup {
    let mut points = points(filings, zone);
    let latest = text(company, "/priceAt").and_then(|at| at.get(..10)?.parse().ok());
    if let Some((day, close)) = latest.zip(number(company, "/currentPrice")) {
        points.entry(day).or_default().close = close;
    }
    let mark = |is_marked: bool, point: &Point| is_marked.then_some(point.close);
    html! {
        @if points.len() < 2 { p { "No closes are known of this share." } }
        @else {
            figure data-chart="line" data-points="2,3" {
                figcaption { "Closes around filings, adjusted for splits and dividends" }
                div.plot {}
                p.hint {
                    "Known are the closes that filings could first be followed at, those 30 to 730 days later, and the latest: each of the first "
                    "session on the day or after it, within ten days."
                }
                details {
                    summary { "As a table" }
                    div.scrolls tabindex="0" role="region" aria-label="Closes" {
                        table {
                            thead { tr {
                                th scope="col" { "Day" } th.number scope="col" { "Close" } th.number scope="col" { "Purchase" }
                                th.number scope="col" { "Sale" }
                            } }
                            tbody { @for (day, point) in &points { tr {
                                th scope="row" data-v=(seconds(*day)) { (day) }
                                td.number data-v=(point.close) { (cells::written(point.close, 2)) }
                                @for close in [mark(point.bought, point), mark(point.sold, point)] {
                                    td.number data-v=[close] { @if let Some(close) = close { (cells::written(close, 2)) } }
                                }
                            } } }
                        }
                    }
                }
            }
        }
    }
}

/// Seconds since 1970 of a day's first instant in UTC.
fn seconds(day: Date) -> i64 {
    let at = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0));
    // proof: a close's day lies far within what a timestamp holds
    at.map_or(0, jiff::Timestamp::as_second)
}

/// What became of the price after each filing, as far as it is matured: the return, and by how much it beat the benchmark.
#[must_use]
pub fn returns(filings: &[Value]) -> Markup {
    let matured: Vec<&Value> = filings
        .iter()
        .filter(|filing| {
            let returns = filing
                .pointer("/backtest/return")
                .and_then(Value::as_object);
            returns.is_some_and(|returns| returns.values().any(Value::is_number))
        })
        .collect();
    html! {
        @if matured.is_empty() { p { "No return of these filings is matured, or no closes are known." } }
        @else {
            div.scrolls tabindex="0" role="region" aria-label="Returns" {
                table {
                    thead { tr {
                        th scope="col" { "Published, UTC" } th scope="col" { "Company" } th scope="col" { "Dealing" }
                        th.number scope="col" { "Entry" }
                        @for (days, _) in HORIZONS { th.number scope="col" { (days) " days" } }
                    } }
                    tbody { @for filing in matured { tr {
                        th scope="row" {
                            a href=(cells::declaration_path(text(filing, "/amfId").unwrap_or_default())) { (cells::published(filing)) }
                        }
                        td { (filings::company(filing)) }
                        td { (cells::dealing(filing)) }
                        td.number { (cells::decimal(number(filing, "/backtest/priceAtTrade"), 2)) }
                        @for (_, name) in HORIZONS { td.number { (matured_at(&filing["backtest"], name)) } }
                    } } }
                }
            }
            p.hint { "Each return since the first close after publication; below it the return less the benchmark's. One filing proves nothing." }
        }
    }
}

fn matured_at(backtest: &Value, name: &str) -> Markup {
    let of = |kind: &str| number(backtest, &format!("/{kind}/{name}"));
    html! {
        (cells::change(of("return")))
        @if of("return").is_some() { br; span.hint { (cells::change(of("excess"))) } }
    }
}

/// Filings of whom a slug names, with what became of their prices; and how many of that name were looked at, where there are more. The list
/// that has both is found by names, and others may be called the same, also `among` those: whom each is of says `pointer`.
pub async fn dealt(
    reader: &Reader<'_>,
    among: &Asked,
    (parameter, name): (&str, &str),
    pointer: &str,
    slug: &str,
) -> Result<(Vec<Value>, Option<i64>), Problem> {
    let name = to_look_for(name);
    if name.is_empty() {
        return Ok((Vec::new(), None));
    }
    let asked = among.with(&[
        (parameter, &name),
        ("include", "backtest"),
        ("limit", "200"),
    ]);
    let found = reader.read(&asked.at("/api/v1/declarations")).await?;
    let own = list(&found, "/items").iter();
    let own = own.filter(|filing| text(filing, pointer) == Some(slug));
    let limit = cells::count(&found, "/limit");
    let is_part = cells::count(&found, "/total") > limit;
    Ok((own.cloned().collect(), is_part.then_some(limit)))
}

/// That there are more.
#[must_use]
pub fn looked_at(part: Option<i64>) -> Markup {
    html! { @if let Some(limit) = part { p.hint { "Of the latest " (limit) " filings of this name." } } }
}

/// A name as the API looks for it: its beginning, without what no text may hold.
fn to_look_for(name: &str) -> String {
    const MOST_CHARS: usize = 100;
    let plain = name.chars().filter(|c| !c.is_control());
    let cut: String = plain.take(MOST_CHARS).collect();
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filing(at: &str, direction: &str, entry: f64, after: f64) -> Value {
        json!({
            "amfId": "a", "pubDate": at, "direction": direction,
            "company": {"name": "A & B", "slug": "a-1", "yahooSymbol": null},
            "backtest": {"priceAtTrade": entry, "price": {"30d": after, "60d": null}, "return": {"30d": after / entry - 1.0, "60d": null},
                "excess": {"30d": -0.01}},
        })
    }

    #[test]
    fn closes_stand_on_their_days_and_marks_on_their_closes() {
        let filings = [
            filing("2021-06-01T02:00:00Z", "BUY", 10.0, 12.0),
            filing("2021-06-29T14:00:00Z", "SELL", 11.5, 9.0),
            json!({"pubDate": "2021-07-01T14:00:00Z", "backtest": null}),
        ];
        let zone = TimeZone::get("America/New_York").unwrap();
        let points = points(&filings, &zone);
        let told: Vec<_> = points
            .iter()
            .map(|(day, point)| (day.to_string(), point.close, point.bought, point.sold))
            .collect();
        let day = |day: &str, close, bought, sold| (day.to_owned(), close, bought, sold);
        assert_eq!(
            told,
            [
                day("2021-06-01", 10.0, true, false),
                day("2021-06-30", 11.5, false, true),
                day("2021-07-01", 12.0, false, false),
                day("2021-07-30", 9.0, false, false),
            ]
        );
        let page = chart(
            &filings,
            &json!({"priceAt": "2021-08-01T00:00:00Z", "currentPrice": 8.5}),
            &zone,
        );
        let page = page.into_string();
        assert!(
            page.contains("<th scope=\"row\" data-v=\"1622505600\">2021-06-01</th>"),
            "{page}"
        );
        assert!(page.contains("8.50"), "{page}");
        let none = chart(&[], &json!({"priceAt": null}), &zone).into_string();
        assert!(none.contains("No closes are known"), "{none}");
    }

    #[test]
    fn what_is_not_matured_is_no_return() {
        let page = returns(&[filing("2021-06-01T02:00:00Z", "BUY", 10.0, 12.0)]).into_string();
        assert!(
            page.contains("+20.0\u{202f}%") && page.contains("\u{2212}1.0\u{202f}%"),
            "{page}"
        );
        assert_eq!(page.matches("not known").count(), 6, "{page}");
        assert!(
            returns(&[json!({"backtest": null})])
                .into_string()
                .contains("No return")
        );
    }

    #[test]
    fn names_are_looked_for_as_the_api_takes_them() {
        assert_eq!(to_look_for(" a\u{0}b\n"), "ab");
        assert_eq!(to_look_for(&"é".repeat(300)).chars().count(), 100);
    }
}
