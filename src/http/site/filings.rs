//! Filings as a table: sorted by its headers, page after page, with what else is said of each; the same on every page that lists some.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, or_unknown, text},
    figures, intervals,
};

/// What is left out where all rows have it in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Filings of anybody anywhere.
    All,
    /// Of one company.
    Company,
    /// Of one insider.
    Insider,
}

/// A table of filings.
pub struct Filings<'a> {
    /// Whose.
    pub of: Of,
    /// The page that it is on.
    pub path: &'a str,
    /// What was asked.
    pub asked: &'a Asked,
    /// The answer: `{total, limit, offset, items}`.
    pub answer: &'a Value,
    /// Whether the list can be sorted otherwise.
    pub sorts: bool,
    /// Whether each has the record of its kind.
    pub with_records: bool,
    /// The part of the page that another page of the list takes the place of.
    pub target: &'static str,
}

/// Order where nothing is said.
const LATEST: (&str, &str) = ("pubDate", "desc");

impl Filings<'_> {
    /// How many there are, the rows, and the way to the others.
    #[must_use]
    pub fn show(&self) -> Markup {
        let rows = list(self.answer, "/items");
        html! {
            (self.extent(rows.len()))
            @if !rows.is_empty() {
                div.scrolls tabindex="0" role="region" aria-label="Filings" {
                    table.filings {
                        thead { tr { (self.heads()) } }
                        tbody { @for row in rows { (self.row(row)) } }
                    }
                }
                (self.pager(rows.len()))
            }
        }
    }

    fn place(&self) -> (i64, i64, i64) {
        let count = |name| cells::count(self.answer, name);
        (count("/total"), count("/limit"), count("/offset"))
    }

    fn extent(&self, shown: usize) -> Markup {
        let (total, _, offset) = self.place();
        let last = offset.saturating_add(i64::try_from(shown).unwrap_or(i64::MAX));
        html! {
            p.extent data-says {
                @if total == 0 { "No filing passes." }
                @else if shown == 0 { "There is no more: " (figures::counted(total, "filing")) " in all." }
                @else { (figures::whole(offset + 1)) " to " (figures::whole(last)) " of " (figures::counted(total, "filing")) }
            }
        }
    }

    fn pager(&self, shown: usize) -> Markup {
        let (total, limit, offset) = self.place();
        let last = offset.saturating_add(i64::try_from(shown).unwrap_or(i64::MAX));
        let before = (offset - limit).max(0);
        html! {
            nav.actions.pager aria-label="Pages of the list" {
                @if offset > 0 { (self.link("previous", "Previous", &self.asked.with(&[("offset", &in_query(before))]))) }
                @if last < total { (self.link("next", "Next", &self.asked.with(&[("offset", &in_query(last))]))) }
            }
        }
    }

    /// A link to another part of the list, which takes this one's place.
    fn link(&self, id: &str, words: &str, asked: &Asked) -> Markup {
        let path = asked.at(self.path);
        html! {
            a.button.plain id=(id) href=(path) hx-get=(path) hx-target=(self.target) hx-swap="outerHTML" hx-push-url="true"
                hx-indicator="#busy" { (words) }
        }
    }

    /// What is looked at first comes first: on a phone, the first four or so are seen.
    fn heads(&self) -> Markup {
        html! {
            (self.head("Published, UTC", Some("pubDate"), false))
            @if self.of != Of::Company { th scope="col" { "Company" } }
            th scope="col" { "Dealing" }
            (self.head("Score", Some("signalScore"), false))
            (self.head("Amount", Some("amount"), true))
            @if self.with_records { th scope="col" { "Record of its kind" } }
            @if self.of != Of::Insider { th scope="col" { "Insider" } }
            th scope="col" { "Marks" }
            th.number scope="col" { "Shares" }
            th.number scope="col" { "Price" }
            th scope="col" { "Traded" }
        }
    }

    fn head(&self, words: &str, sort: Option<&str>, is_number: bool) -> Markup {
        fn or<'a>(said: &'a str, default: &'a str) -> &'a str {
            if said.is_empty() { default } else { said }
        }
        let now = (
            or(self.asked.get("sort"), LATEST.0),
            or(self.asked.get("order"), LATEST.1),
        );
        let Some(sort) = sort.filter(|_| self.sorts) else {
            return html! { th.number[is_number] scope="col" { (words) } };
        };
        let is_sorted = now.0 == sort;
        let falls = now.1 == "desc";
        let aria = is_sorted.then_some(if falls { "descending" } else { "ascending" });
        let (sort, order) = match (is_sorted, falls) {
            (true, true) => (sort, "asc"),
            _ => (sort, ""),
        };
        let sort_pair = if sort == LATEST.0 { "" } else { sort };
        let asked = self
            .asked
            .with(&[("sort", sort_pair), ("order", order), ("offset", "")]);
        let path = asked.at(self.path);
        html! {
            th.number[is_number] scope="col" aria-sort=[aria] {
                a.sort id=(format!("sort-{sort}")) href=(path) hx-get=(path) hx-target=(self.target) hx-swap="outerHTML"
                    hx-push-url="true" hx-indicator="#busy" {
                    (words)
                    span aria-hidden="true" { @if is_sorted { @if falls { " ↓" } @else { " ↑" } } @else { " ↕" } }
                }
            }
        }
    }

    fn row(&self, row: &Value) -> Markup {
        let id = text(row, "/amfId").unwrap_or_default();
        let currency = text(row, "/transaction/currency").unwrap_or_default();
        html! {
            tr {
                th scope="row" { a href=(cells::declaration_path(id)) title=(id) { (cells::published(row)) } }
                @if self.of != Of::Company { td.name { (company(row)) } }
                td.dealing { (cells::dealing(row)) }
                td.score { (cells::score(&row["signal"])) }
                td.number { (cells::amount(number(row, "/transaction/amount"), currency)) }
                @if self.with_records { td.wide { (record(&row["strategy"])) } }
                @if self.of != Of::Insider { td.name { (insider(row)) } }
                td { (cells::marks(row)) }
                td.number { (cells::decimal(number(row, "/transaction/volume"), 0)) }
                td.number { (cells::decimal(number(row, "/transaction/unitPrice"), 2)) }
                td.day { (or_unknown(text(row, "/transactionDate"))) }
            }
        }
    }
}

fn in_query(offset: i64) -> String {
    match offset {
        0 => String::new(),
        offset => offset.to_string(),
    }
}

/// The company of a filing, with its ticker.
#[must_use]
pub fn company(row: &Value) -> Markup {
    html! {
        @match text(row, "/company/slug") {
            Some(slug) => { a href=(format!("/companies/{}", cells::path_part(slug))) { (or_unknown(text(row, "/company/name"))) } }
            None => { (or_unknown(text(row, "/company/name"))) }
        }
        @if let Some(symbol) = text(row, "/company/yahooSymbol") { " " span.tag { (symbol) } }
    }
}

/// The insider of a filing, and what he or she is there.
#[must_use]
pub fn insider(row: &Value) -> Markup {
    html! {
        @match text(row, "/insider/slug") {
            Some(slug) => { a href=(format!("/insiders/{}", cells::path_part(slug))) { (or_unknown(text(row, "/insider/name"))) } }
            None => { (or_unknown(text(row, "/insider/name"))) }
        }
        @if let Some(function) = text(row, "/insider/function") { br; span.hint { (function) } }
    }
}

/// How a filing's kind had done before it: never without how many, and the interval.
fn record(strategy: &Value) -> Markup {
    let is_cluster = strategy.get("isCluster") == Some(&Value::Bool(true));
    html! {
        (intervals::win_rate(strategy))
        span.hint {
            (or_unknown(text(strategy, "/band"))) " "
            (match text(strategy, "/direction") { Some("SELL") => "sales", _ => "purchases" })
            @if is_cluster { " in clusters" }
            ", " (cells::count(strategy, "/horizonDays")) " days; mean held to ±50 %: "
            (cells::change(number(strategy, "/winsorisedMean")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(uri: &str, answer: &Value) -> String {
        let filings = Filings {
            of: Of::All,
            path: "/screener",
            asked: &Asked::of(&uri.parse().unwrap()),
            answer,
            sorts: true,
            with_records: false,
            target: "#screen",
        };
        filings.show().into_string()
    }

    fn item() -> Value {
        json!({
            "amfId": "SEC:1:P", "pubDate": "2026-04-20T18:32:11.123Z", "transactionDate": null,
            "company": {"name": "<script>alert(1)</script>", "slug": "a-1", "yahooSymbol": "\"><b>"},
            "insider": {"name": "O'Neil & <i>", "slug": "o-2", "function": null},
            "transaction": {"amount": 1234567.0, "currency": "EUR", "volume": null, "unitPrice": 12.5, "nature": null},
            "direction": "BUY", "transactions": [], "signal": {"score": 56.2, "band": "high", "isCluster": true},
        })
    }

    #[test]
    fn what_companies_and_people_are_called_stays_text() {
        let page = shown(
            "/screener",
            &json!({"total": 1, "limit": 50, "offset": 0, "items": [item()]}),
        );
        assert!(
            !page.contains("<script>") && !page.contains("<i>") && !page.contains("<b>"),
            "{page}"
        );
        for said in [
            "&lt;script&gt;",
            "href=\"/declarations/SEC:1:P\"",
            "1.2\u{202f}M EUR",
            "rank-B",
            "not known",
            "Cluster",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }

    #[test]
    fn headers_sort_and_turn_around() {
        let answer = json!({"total": 9, "limit": 1, "offset": 3, "items": [item()]});
        let page = shown("/screener?market=us&offset=3&sort=amount", &answer);
        assert!(page.contains("aria-sort=\"descending\"><a class=\"sort\" id=\"sort-amount\" href=\"/screener?market=us&amp;sort=amount&amp;order=asc\""), "{page}");
        assert!(
            page.contains("id=\"sort-pubDate\" href=\"/screener?market=us\""),
            "{page}"
        );
        assert_eq!(page.matches("aria-sort").count(), 1);
        assert!(page.contains("4 to 4 of 9 filings"));
        assert!(
            page.contains("id=\"next\" href=\"/screener?market=us&amp;sort=amount&amp;offset=4\""),
            "{page}"
        );
        assert!(
            page.contains(
                "id=\"previous\" href=\"/screener?market=us&amp;sort=amount&amp;offset=2\""
            ),
            "{page}"
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        let none = json!({"total": 0, "limit": 50, "offset": 0, "items": []});
        let page = shown("/screener", &none);
        assert!(
            page.contains("No filing passes.") && !page.contains("<table"),
            "{page}"
        );
    }
}
