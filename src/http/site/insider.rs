//! `/insiders/{slug}`: who somebody is, to which companies, what was filed, and what became of the prices since.

use std::ops::ControlFlow;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, or_unknown, text},
    company::{Begun, Own},
    figures,
    filings::Of,
    filters,
    frame::{Page, Place},
    problem::{PageResult, or_problem},
    returns,
    visit::Visit,
    ways::ways,
};

/// `/insiders/{slug}`
pub async fn page(visit: Visit) -> Response {
    let shown = show(&visit).await;
    filters::beside_form(&visit, or_problem(&visit, shown).await)
}

async fn show(visit: &Visit) -> PageResult {
    let Begun { reader, asked, own } = match Own::begin(visit, Of::Insider).await? {
        ControlFlow::Continue(begun) => begun,
        ControlFlow::Break(answer) => return Ok(answer),
    };
    let path = visit.uri.path();
    let insider = reader.read(&format!("/api/v1{path}")).await?;
    let name = text(&insider, "/name").unwrap_or_default();
    let slug = text(&insider, "/slug").unwrap_or_default();
    let (dealt, part) = returns::dealt(
        &reader,
        &Asked::default(),
        ("insider", name),
        "/insider/slug",
        slug,
    )
    .await?;
    let body = html! {
        (ways(""))
        (who(&insider))
        h2 { "Filings" }
        (own.section(visit, &asked))
        h2 { "Returns since" }
        (returns::returns(&dealt))
        (returns::looked_at(part))
    };
    let page = Page {
        title: text(&insider, "/name").unwrap_or("An insider"),
        place: Place::Screener,
        scripts: &[],
        body,
    };
    let response = page.show(visit);
    Ok(filters::answer(
        response,
        &asked.at(path),
        own.refused.as_ref(),
    ))
}

fn who(insider: &Value) -> Markup {
    let posts = list(insider, "/companies");
    html! {
        ul.cards {
            li.card { span.soft { "Filings" } span.figure { (figures::whole(cells::count(insider, "/declarationsCount"))) } }
            li.card { span.soft { "Companies" } span.figure { (figures::whole(cells::count(insider, "/companiesCount"))) } }
            li.card { span.soft { "Mean score" } span.figure { (cells::decimal(number(insider, "/stats/avgScore"), 1)) } }
            li.card { span.soft { "Best score" } span.figure { (cells::decimal(number(insider, "/stats/maxScore"), 1)) } }
        }
        h2 { "At" }
        ul.hits { @for post in posts {
            li {
                a href=(format!("/companies/{}", cells::path_part(text(post, "/company/slug").unwrap_or_default()))) {
                    (or_unknown(text(post, "/company/name")))
                }
                ", " (or_unknown(text(post, "/function")))
            }
        } }
    }
}
