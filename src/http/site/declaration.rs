//! `/declarations/{amfId}`: one filing: what was dealt, row by row, why its score is what it is, and what became of the price.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, or_unknown, text},
    curl, factors, filings,
    frame::{Page, Place},
    problem::{PageResult, Problem, or_problem},
    reader::Reader,
    returns,
    visit::Visit,
    ways::ways,
};
use crate::score::insider::signal::signal_id;

/// `/declarations/{amfId}`
pub async fn page(visit: Visit) -> Response {
    let shown = show(&visit).await;
    or_problem(&visit, shown).await
}

async fn show(visit: &Visit) -> PageResult {
    let asked = Asked::of(&visit.uri);
    let reader = Reader::of(visit, |plan| plan.rest).await?;
    let path = format!("/api/v1{}", visit.uri.path());
    let one = reader.read(&asked.at(&path)).await?;
    let amf_id = text(&one, "/amfId").unwrap_or_default();
    let audit_path = asked.at(&format!("/api/v1{}/score", cells::declaration_path(amf_id)));
    let audit = reader.read(&audit_path).await?;
    let signal = in_log(&reader, amf_id).await?;
    let company = text(&one, "/company/name").unwrap_or("A company");
    let body = html! {
        (ways(""))
        (what(&one, signal.as_deref()))
        h2 { "Why this score" }
        (factors::audit(&audit))
        (curl::shown(visit, "curl-score", &audit_path))
        h2 { "As filed" }
        (rows(&one))
        (owners(&one))
        (curl::shown(visit, "curl", &asked.at(&path)))
        h2 { "What became of the price" }
        (returns::returns(std::slice::from_ref(&one)))
    };
    let title = format!("{company}: filing {amf_id}");
    let page = Page {
        title: &title,
        place: Place::Screener,
        scripts: &[],
        body,
    };
    Ok(page.show(visit))
}

/// The page of the signal that it became, where the log has one.
async fn in_log(reader: &Reader<'_>, amf_id: &str) -> Result<Option<String>, Problem> {
    let id = signal_id(amf_id).hyphenated();
    match reader
        .answer(&format!("/api/signals/{id}"))
        .await?
        .status()
        .as_u16()
    {
        200 => Ok(Some(format!("/signals/{id}"))),
        _ => Ok(None),
    }
}

fn what(one: &Value, signal: Option<&str>) -> Markup {
    let currency = text(one, "/transaction/currency").unwrap_or_default();
    let of = |pointer| or_unknown(text(one, pointer));
    let facts = [
        ("Company", filings::company(one)),
        ("Insider", filings::insider(one)),
        ("Published, UTC", cells::published(one)),
        ("Traded from", of("/transactionDate")),
        (
            "Dealing",
            html! { (cells::dealing(one)) " " (cells::marks(one)) },
        ),
        (
            "Amount",
            exact(number(one, "/transaction/amount"), currency),
        ),
        (
            "Shares",
            cells::decimal(number(one, "/transaction/volume"), 0),
        ),
        (
            "Price",
            exact(number(one, "/transaction/unitPrice"), currency),
        ),
        ("Instrument", of("/transaction/instrument")),
        ("ISIN", of("/transaction/isin")),
        ("Venue", of("/transaction/venue")),
        ("Form", of("/form")),
    ];
    let url = text(one, "/pdfUrl")
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    html! {
        dl.facts.card { @for (name, value) in facts { dt { (name) } dd { (value) } } }
        p.actions {
            @if let Some(path) = signal { a.button href=(path) { "The signal that it became" } }
            @if let Some(url) = url { a.button.plain href=(url) rel="noreferrer external" { "At the regulator" } }
        }
    }
}

fn exact(amount: Option<f64>, currency: &str) -> Markup {
    match amount {
        Some(amount) => html! { (cells::written(amount, 2)) " " (currency) },
        None => cells::unknown(),
    }
}

/// Each row as filed: of a declaration, or of the signal that it became.
#[must_use]
pub fn rows(one: &Value) -> Markup {
    html! {
        div.scrolls tabindex="0" role="region" aria-label="Rows as filed" {
            table {
                thead { tr {
                    th scope="col" { "Day" } th scope="col" { "Code" } th scope="col" { "Security" } th.number scope="col" { "Shares" }
                    th.number scope="col" { "Price" } th.number scope="col" { "Held after" } th scope="col" { "Held" } th scope="col" { "Marks" }
                } }
                tbody { @for row in list(one, "/transactions") { tr {
                    th scope="row" { (or_unknown(text(row, "/date"))) }
                    td {
                        (or_unknown(text(row, "/code")))
                        @match text(row, "/acquiredDisposed") { Some("A") => { ", acquired" } Some("D") => { ", disposed of" } _ => {} }
                    }
                    td { (or_unknown(text(row, "/security"))) @if row["derivative"] == Value::Bool(true) { " " span.tag { "derivative" } } }
                    td.number { (cells::decimal(number(row, "/shares"), 0)) }
                    td.number { (cells::decimal(number(row, "/price"), 4)) }
                    td.number { (cells::decimal(number(row, "/sharesAfter"), 0)) }
                    td { @match text(row, "/ownership") { Some("D") => { "directly" } Some("I") => { "indirectly" } _ => { (cells::unknown()) } } }
                    td {
                        @if row["suspect"] == Value::Bool(true) {
                            span.tag.suspect { "Suspect" } " "
                            span.hint { (cells::why_suspect(text(row, "/suspectReason").unwrap_or("no reason is told"))) }
                        }
                    }
                } } }
            }
        }
    }
}

/// Everybody who reports.
#[must_use]
pub fn owners(one: &Value) -> Markup {
    let is = |owner: &Value, name: &str| owner[name] == Value::Bool(true);
    html! {
        h3 { "Who reports" }
        ul.hits { @for owner in list(one, "/owners") {
            li {
                (or_unknown(text(owner, "/name")))
                @if let Some(title) = text(owner, "/title") { ", " (title) }
                @for (name, word) in [("director", "director"), ("officer", "officer"), ("tenPercentOwner", "holds 10 %")] {
                    @if is(owner, name) { " " span.tag { (word) } }
                }
            }
        } }
    }
}
