//! `/screener`: filings by all that the API filters by, the best of late, and those whose kind did best; each as a page, a file and a command.

use axum::{http::StatusCode, response::Response};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::{Asked, Refused, answered},
    curl,
    filings::{Filings, Of},
    filters::{self, Filters},
    frame::{self, Page, Place},
    problem::{PageResult, Problem, or_problem},
    reader::Reader,
    visit::Visit,
    ways::{self, ways},
};
use crate::gate::{
    insider_query::{DeclarationsQuery, InsiderQuery as _},
    insider_view::{SignalsQuery, WinningQuery},
    parameter::Parameter,
};

/// A list of filings that the API has.
struct View {
    path: &'static str,
    file: &'static str,
    api: &'static str,
    title: &'static str,
    about: &'static str,
    table: &'static [Parameter],
    fields: &'static [&'static str],
    sorts: bool,
    with_records: bool,
}

const ALL: View = View {
    path: ways::ALL,
    file: "/screener/all.csv",
    api: "/api/v1/declarations",
    title: "Screener",
    about: "All filings, by what they say and by their score.",
    table: DeclarationsQuery::PARAMETERS,
    fields: &[
        "market",
        "direction",
        "minScore",
        "maxScore",
        "cluster",
        "minAmount",
        "company",
        "insider",
        "isin",
        "from",
        "to",
        "sort",
        "order",
        "limit",
    ],
    sorts: true,
    with_records: false,
};

const TOP: View = View {
    path: ways::TOP,
    file: "/screener/top.csv",
    api: "/api/v1/signals",
    title: "Top signals of late",
    about: "Filings of the last days with the best scores.",
    table: SignalsQuery::PARAMETERS,
    fields: &["market", "direction", "lookbackDays", "minScore", "limit"],
    sorts: false,
    with_records: false,
};

const WINNING: View = View {
    path: ways::WINNING,
    file: "/screener/winning.csv",
    api: "/api/v1/strategy/winning",
    title: "Kinds that won",
    about: "Recent filings whose kind (direction, band, cluster or not, in one market) has the best record before each of them was \
            published; ranked by the lower end of the win rate's interval.",
    table: WinningQuery::PARAMETERS,
    fields: &["market", "lookbackDays", "limit"],
    sorts: false,
    with_records: true,
};

/// `/screener`
pub async fn all(visit: Visit) -> Response {
    page(&visit, &ALL).await
}

/// `/screener/top`
pub async fn top(visit: Visit) -> Response {
    page(&visit, &TOP).await
}

/// `/screener/winning`
pub async fn winning(visit: Visit) -> Response {
    page(&visit, &WINNING).await
}

async fn page(visit: &Visit, view: &View) -> Response {
    let shown = show(visit, view).await;
    filters::beside_form(visit, or_problem(visit, shown).await)
}

async fn show(visit: &Visit, view: &View) -> PageResult {
    let asked = Asked::of(&visit.uri);
    // an address to share says what was asked and no more
    if asked.said_nothing() && !visit.wants_part() {
        return Ok(frame::lead_to(&asked.at(view.path)));
    }
    let reader = Reader::of(visit, |plan| plan.rest).await?;
    let markets = reader.read("/api/v1/markets?limit=200").await?;
    let (answer, refused) = answered(reader.read(&asked.at(view.api)).await).await?;
    let screen = screen(
        visit,
        view,
        &asked,
        &markets,
        answer.as_ref(),
        refused.as_ref(),
    );
    let response = match visit.wants_part() {
        true => frame::part(&screen),
        false => {
            let body = html! { (ways(view.path)) (screen) };
            let page = Page {
                title: view.title,
                place: Place::Screener,
                scripts: &[],
                body,
            };
            page.show(visit)
        }
    };
    Ok(filters::answer(
        response,
        &asked.at(view.path),
        refused.as_ref(),
    ))
}

fn screen(
    visit: &Visit,
    view: &View,
    asked: &Asked,
    markets: &Value,
    answer: Option<&Value>,
    refused: Option<&Refused>,
) -> Markup {
    let filters = Filters {
        path: view.path,
        table: view.table,
        fields: view.fields,
        asked,
        markets,
        refused,
        target: "#screen",
    };
    html! {
        div #screen {
            p.soft { (view.about) }
            (filters.form())
            div #found {
                @if let Some(answer) = answer {
                    (Filings {
                        of: Of::All,
                        path: view.path,
                        asked,
                        answer,
                        sorts: view.sorts,
                        with_records: view.with_records,
                        target: "#screen",
                    }.show())
                    (take(visit, view, asked))
                } @else {
                    p data-says { "A filter was refused: see its field." }
                }
            }
        }
    }
}

/// The list as a command and as a file.
fn take(visit: &Visit, view: &View, asked: &Asked) -> Markup {
    let whole = whole(asked);
    html! {
        (curl::shown(visit, "curl", &asked.at(view.api)))
        p.hint {
            a href=(whole.at(view.file)) download { "The whole list as CSV" }
            ": all rows that pass, not this page alone; it counts as one request. By the API: the same with "
            code { "format=csv" } "."
        }
    }
}

/// Without which part of the list.
fn whole(asked: &Asked) -> Asked {
    asked.only(|name| !matches!(name, "limit" | "offset" | "include"))
}

/// `/screener/all.csv`
pub async fn all_file(visit: Visit) -> Response {
    file(&visit, &ALL).await
}

/// `/screener/top.csv`
pub async fn top_file(visit: Visit) -> Response {
    file(&visit, &TOP).await
}

/// `/screener/winning.csv`
pub async fn winning_file(visit: Visit) -> Response {
    file(&visit, &WINNING).await
}

/// The API's own file, row by row as it is read.
async fn file(visit: &Visit, view: &View) -> Response {
    let read = async {
        let asked = Asked::of(&visit.uri);
        let reader = Reader::of(visit, |plan| plan.rest).await?;
        let path = whole(&asked).with(&[("format", "csv")]).at(view.api);
        let response = reader.answer(&path).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(Problem::Answered(Box::new(response))),
        }
    };
    let read = read.await;
    or_problem(visit, read).await
}
