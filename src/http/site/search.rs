//! `/screener/search`: who is meant, by the beginnings of the words of names: a list of links.

use axum::{http::StatusCode, response::Response};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::{Asked, Refused, answered},
    cells::{self, or_unknown, text},
    figures,
    frame::{self, Page, Place},
    problem::{PageResult, Problem, or_problem},
    reader::Reader,
    visit::Visit,
    ways,
};

/// `/screener/search`
pub async fn page(visit: Visit) -> Response {
    let shown = show(&visit).await;
    or_problem(&visit, shown).await
}

async fn show(visit: &Visit) -> PageResult {
    let asked = Asked::of(&visit.uri);
    if asked.pairs().is_empty() {
        // an empty field is nothing to count
        let session = visit.known_session().map_err(Clone::clone)?;
        session.ok_or(Problem::SignIn)?;
        return Ok(shown(visit, &asked, &html! { div #hits {} }));
    }
    let reader = Reader::of(visit, |plan| plan.rest).await?;
    let asked_for = match asked.get("limit") {
        "" => asked.with(&[("limit", "20")]),
        _ => asked.clone(),
    };
    let (answer, refused) = answered(reader.read(&asked_for.at("/api/v1/search")).await).await?;
    let hits = hits(answer.as_ref(), refused.as_ref());
    let mut response = match visit.wants_part() {
        true => frame::part(&hits),
        false => shown(visit, &asked, &hits),
    };
    if let Some(refused) = refused {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().extend(refused.counted());
    }
    Ok(response)
}

fn shown(visit: &Visit, asked: &Asked, hits: &Markup) -> Response {
    let body = ways::looking_for(ways::SEARCH, asked.get("q"), hits);
    let page = Page {
        title: "Search",
        place: Place::Screener,
        scripts: &[],
        body,
    };
    page.show(visit)
}

fn hits(answer: Option<&Value>, refused: Option<&Refused>) -> Markup {
    html! {
        div #hits {
            @if let Some(refused) = refused { p.problem role="alert" { (refused.message) } }
            @if let Some(answer) = answer {
                @let found = cells::list(answer, "/items");
                p data-says {
                    @match cells::count(answer, "/total") {
                        0 => { "Nobody and nothing is called so." }
                        total => { (figures::whole(total)) " found" @if total > i64::try_from(found.len()).unwrap_or(i64::MAX) { ", the first " (found.len()) } }
                    }
                }
                ul.hits { @for hit in found { (one(hit)) } }
            }
        }
    }
}

fn one(hit: &Value) -> Markup {
    let is_company = text(hit, "/type") == Some("company");
    let slug = cells::path_part(text(hit, "/slug").unwrap_or_default());
    let path = match is_company {
        true => format!("/companies/{slug}"),
        false => format!("/insiders/{slug}"),
    };
    html! {
        li {
            a href=(path) { (or_unknown(text(hit, "/name"))) }
            " " span.tag { (if is_company { "company" } else { "insider" }) }
            " " span.hint {
                (or_unknown(text(hit, "/market")))
                @for name in ["/yahooSymbol", "/isin"] { @if let Some(known) = text(hit, name) { " · " (known) } }
                " · " (figures::counted(cells::count(hit, "/declarationsCount"), "filing"))
            }
        }
    }
}
