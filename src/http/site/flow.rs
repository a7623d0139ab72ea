//! What a company's insiders bought less what they sold: bars by month or week with the clusters marked, by insider, and of late.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, or_unknown, text},
};
use crate::{model::time::Time, score::insider::days};

/// How wide a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A month.
    Month,
    /// A week of ISO 8601.
    Week,
}

impl Width {
    /// As it was asked for.
    #[must_use]
    pub fn of(asked: &Asked) -> Self {
        match asked.get("bucket") {
            "week" => Width::Week,
            _ => Width::Month,
        }
    }

    /// What the API calls the one that a day is in.
    fn period(self, day: Date) -> String {
        match self {
            Width::Month => days::month(day),
            Width::Week => days::week(day),
        }
    }
}

/// The market's own day of a filing's publication.
#[must_use]
pub fn day_of(filing: &Value, zone: &TimeZone) -> Option<Date> {
    let at = Time::parse_iso(text(filing, "/pubDate")?).ok()?;
    Some(days::local_day(at, zone))
}

/// In which periods filings of clusters were published, and how many.
#[must_use]
pub fn clusters(filings: &[Value], zone: &TimeZone, width: Width) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let of_clusters = filings
        .iter()
        .filter(|filing| filing.pointer("/signal/isCluster") == Some(&Value::Bool(true)));
    for day in of_clusters.filter_map(|filing| day_of(filing, zone)) {
        *found.entry(width.period(day)).or_insert(0) += 1;
    }
    found
}

/// The flow as the API answers it; amounts are in the market's currency.
#[must_use]
pub fn shown(
    path: &str,
    asked: &Asked,
    flow: &Value,
    currency: &str,
    clusters: &BTreeMap<String, usize>,
) -> Markup {
    let width = Width::of(asked);
    let ways = [
        (Width::Month, "", "By month"),
        (Width::Week, "week", "By week"),
    ];
    html! {
        (of_late(&flow["signal90"]))
        nav.tabs aria-label="How wide a bar is" {
            @for (way, word, words) in ways {
                a href=(format!("{}#flow", asked.with(&[("bucket", word)]).at(path))) aria-current=[(way == width).then_some("true")] { (words) }
            }
        }
        (bars(flow, width, currency, clusters))
        (by_insider(flow, currency))
    }
}

fn of_late(signal: &Value) -> Markup {
    let (word, says) = match text(signal, "/state") {
        Some("accumulation") => (
            "Accumulation",
            "insiders bought more than they sold, two of them at least",
        ),
        Some("distribution") => (
            "Distribution",
            "insiders sold more than they bought, two of them at least",
        ),
        Some("neutral") => ("Neutral", "neither side outweighs the other"),
        _ => ("Too little", "less than two dealings"),
    };
    html! {
        p {
            b { (word) } " over 90 days: " (says) ". "
            span.hint {
                (cells::count(signal, "/netBuyers")) " net buyers, " (cells::count(signal, "/netSellers")) " net sellers, "
                (or_unknown(text(signal, "/from"))) " to " (or_unknown(text(signal, "/to")))
                @if let Some(npr) = number(signal, "/npr") { "; (bought − sold) / (bought + sold) = " (cells::written(npr, 2)) }
            }
        }
    }
}

fn bars(flow: &Value, width: Width, currency: &str, clusters: &BTreeMap<String, usize>) -> Markup {
    let items = list(flow, "/items");
    let named = match width {
        Width::Month => "month",
        Width::Week => "week",
    };
    let amount = |item: &Value, name: &str| cells::decimal(number(item, name), 0);
    html! {
        @if items.is_empty() { p { "Nothing that counts was dealt." } }
        @else {
            figure data-chart="bars" data-columns="1,2" data-points="2" {
                figcaption { "Bought less sold, by " (named) ", " (currency) }
                div.plot {}
                details {
                    summary { "As a table" }
                    div.scrolls tabindex="0" role="region" aria-label="Net flow" {
                        table {
                            thead { tr {
                                th scope="col" { (if width == Width::Month { "Month" } else { "Week" }) }
                                th.number scope="col" { "Net" } th scope="col" { "Cluster" }
                                th.number scope="col" { "Bought" } th.number scope="col" { "Sold" }
                                th.number scope="col" { "Buyers" } th.number scope="col" { "Sellers" }
                            } }
                            tbody { @for item in items {
                                @let period = text(item, "/period").unwrap_or_default();
                                @let net = number(item, "/net");
                                @let in_clusters = clusters.get(period).copied();
                                tr {
                                    th scope="row" { (period) }
                                    td.number data-v=[net] { (amount(item, "/net")) }
                                    td data-v=[net.filter(|_| in_clusters.is_some())] {
                                        @match in_clusters {
                                            Some(1) => { "1 filing" }
                                            Some(filings) => { (filings) " filings" }
                                            None => {}
                                        }
                                    }
                                    td.number { (amount(item, "/buy")) }
                                    td.number { (amount(item, "/sell")) }
                                    td.number { (cells::count(item, "/nBuyers")) }
                                    td.number { (cells::count(item, "/nSellers")) }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn by_insider(flow: &Value, currency: &str) -> Markup {
    let insiders = list(flow, "/insiders");
    html! {
        @if !insiders.is_empty() {
            details open[insiders.len() <= 10] {
                summary { "By insider (" (insiders.len()) ")" }
                div.scrolls tabindex="0" role="region" aria-label="Net flow by insider" {
                    table {
                        thead { tr {
                            th scope="col" { "Insider" } th.number scope="col" { "Net, " (currency) }
                            th.number scope="col" { "Bought" } th.number scope="col" { "Sold" }
                        } }
                        tbody { @for insider in insiders { tr {
                            th scope="row" {
                                a href=(format!("/insiders/{}", cells::path_part(text(insider, "/slug").unwrap_or_default()))) {
                                    (or_unknown(text(insider, "/name")))
                                }
                            }
                            @for name in ["/net", "/buy", "/sell"] { td.number { (cells::decimal(number(insider, name), 0)) } }
                        } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn clusters_are_marked_in_the_markets_own_periods() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let filing = |at: &str, is_cluster: bool| json!({"pubDate": at, "signal": {"isCluster": is_cluster}});
        let filings = [
            // the last evening of May there
            filing("2021-06-01T02:00:00Z", true),
            filing("2021-06-01T14:00:00Z", false),
            filing("2021-06-02T14:00:00Z", true),
            filing("2021-06-03T14:00:00Z", true),
        ];
        let found = |width| {
            clusters(&filings, &zone, width)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(Width::Month),
            [("2021-05".into(), 1), ("2021-06".into(), 2)]
        );
        assert_eq!(found(Width::Week), [("2021-W22".into(), 3)]);
    }

    #[test]
    fn bars_are_of_what_the_table_says() {
        let flow = json!({
            "items": [{"period": "2021-05", "buy": 10, "sell": 30.5, "net": -20.5, "nBuyers": 1, "nSellers": 2}],
            "insiders": [{"slug": "a-1", "name": "<A>", "buy": 10, "sell": 0, "net": 10}],
            "signal90": {"state": "insufficient", "npr": null, "netBuyers": 0, "netSellers": 0, "from": "2021-03-03", "to": "2021-05-31"},
        });
        let marks = BTreeMap::from([("2021-05".to_owned(), 2)]);
        let page = shown("/companies/x-1", &Asked::default(), &flow, "USD", &marks).into_string();
        for said in [
            "data-v=\"-20.5\"",
            "2 filings",
            "&lt;A&gt;",
            "less than two dealings",
            "href=\"/companies/x-1?bucket=week#flow\"",
            "href=\"/companies/x-1#flow\" aria-current=\"true\"",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }
}
