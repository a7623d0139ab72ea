//! `/companies/{slug}`: what is known of a company, what its insiders did by month, at which prices, and what such filings came to.

use std::ops::ControlFlow;

use axum::response::Response;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::{Asked, Refused, answered},
    cells::{self, number, or_unknown, text},
    closes,
    course::Course,
    curl, figures,
    filings::{Filings, Of},
    filters::{self, Filters},
    flow,
    frame::{self, Page, Place},
    intervals,
    problem::{PageResult, Problem, or_problem},
    reader::Reader,
    returns,
    visit::Visit,
    ways::ways,
};
use crate::gate::insider_query::{InsiderQuery as _, OwnDeclarationsQuery};

/// Parameters of the page that are the net flow's.
const OF_FLOW: [&str; 4] = ["bucket", "basis", "from", "to"];

/// Where a company's or an insider's filings are on their page.
pub const FILINGS: &str = "#filings";

/// `/companies/{slug}`
pub async fn page(visit: Visit) -> Response {
    let shown = show(&visit).await;
    filters::beside_form(&visit, or_problem(&visit, shown).await)
}

async fn show(visit: &Visit) -> PageResult {
    let Begun { reader, asked, own } = match Own::begin(visit, Of::Company).await? {
        ControlFlow::Continue(begun) => begun,
        ControlFlow::Break(answer) => return Ok(answer),
    };
    let path = visit.uri.path();
    let company = reader.read(&format!("/api/v1{path}")).await?;
    let market = market(&reader, &company).await?;
    let time_zone = text(&market, "/timeZone").unwrap_or("UTC");
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let of_flow = asked.only(|name| OF_FLOW.contains(&name));
    let flow_path = of_flow.at(&format!("/api/v1{path}/net-flow"));
    let (flow, refused) = answered(reader.read(&flow_path).await).await?;
    let name = text(&company, "/isin").or(text(&company, "/name"));
    let slug = text(&company, "/slug").unwrap_or_default();
    let (dealt, part) = returns::dealt(
        &reader,
        &of_market(&company),
        ("company", name.unwrap_or_default()),
        "/company/slug",
        slug,
    )
    .await?;
    let latest = closes::latest(&company);
    let course = match latest {
        Some((day, _)) => {
            Course::read(&reader, slug, closes::span_of_company(&dealt, &zone, day)).await
        }
        // no closes are known: there is nothing to ask for
        None => Course::default(),
    };
    let all = of_market(&company).at("/api/v1/backtest");
    let past = reader.read(&all).await?;
    let clusters = flow::clusters(&dealt, &zone, flow::Width::of(&asked));
    let currency = text(&market, "/currency").unwrap_or_default();
    let body = html! {
        (ways(""))
        (facts(&company, &market))
        section #flow aria-labelledby="flow-head" {
            h2 #flow-head { "Net flow of its insiders" }
            @if let Some(refused) = &refused { p.problem role="alert" { (refused.message) } }
            @if let Some(flow) = &flow { (flow::shown(path, &asked, flow, currency, &clusters)) }
            (curl::shown(visit, "curl-flow", &flow_path))
        }
        h2 { "Price around filings" }
        (closes::Shown { filings: &dealt, zone: Some(&zone), latest, course: &course, currency }.chart())
        (returns::looked_at(part))
        @if let Some(api) = &course.api { (curl::shown(visit, "curl-closes", api)) }
        h2 { "Filings" }
        (own.section(visit, &asked))
        h2 { "What such filings came to" }
        p.hint {
            "All scored filings of the market " (or_unknown(text(&market, "/name"))) ": excess over the benchmark after so many days. A purchase wins "
            "above it, a sale below it; the interval holds the true rate in 95 of 100 cases."
        }
        (intervals::summaries(&past))
    };
    let page = Page {
        title: text(&company, "/name").unwrap_or("A company"),
        place: Place::Screener,
        scripts: &["charts.js"],
        body,
    };
    let refused = refused.as_ref().or(own.refused.as_ref());
    Ok(filters::answer(page.show(visit), &asked.at(path), refused))
}

/// What is asked of a company's market.
fn of_market(company: &Value) -> Asked {
    let code = text(company, "/market").unwrap_or_default();
    Asked::default().with(&[("market", code)])
}

/// What `/api/v1/markets` says of a company's market.
async fn market(reader: &Reader<'_>, company: &Value) -> Result<Value, Problem> {
    let markets = reader
        .read(&of_market(company).at("/api/v1/markets"))
        .await?;
    Ok(markets.pointer("/items/0").cloned().unwrap_or_default())
}

fn facts(company: &Value, market: &Value) -> Markup {
    let price = number(company, "/currentPrice");
    let range = (
        number(company, "/fiftyTwoWeekLow"),
        number(company, "/fiftyTwoWeekHigh"),
    );
    let rows = [
        ("Ticker", or_unknown(text(company, "/yahooSymbol"))),
        ("ISIN", or_unknown(text(company, "/isin"))),
        (
            "Market",
            html! { (or_unknown(text(market, "/name"))) ", " (or_unknown(text(market, "/regulator"))) },
        ),
        (
            "52 weeks",
            html! { (cells::decimal(range.0, 2)) " to " (cells::decimal(range.1, 2)) },
        ),
        (
            "Mean of 50 days",
            cells::decimal(number(company, "/fiftyDayAverage"), 2),
        ),
        (
            "Mean of 200 days",
            cells::decimal(number(company, "/twoHundredDayAverage"), 2),
        ),
    ];
    html! {
        @if let Some(about) = text(company, "/description") { p { (about) } }
        ul.cards {
            li.card {
                span.soft { "Price" } span.figure { (cells::decimal(price, 2)) }
                @if let Some(at) = text(company, "/priceAt") { span.hint { "close of " (at.get(..10).unwrap_or(at)) } }
            }
            li.card {
                span.soft { "Market capitalisation" }
                span.figure { @match number(company, "/marketCap") { Some(cap) => { (figures::rough(cap)) } None => { (cells::unknown()) } } }
            }
            li.card { span.soft { "Filings" } span.figure { (figures::whole(cells::count(company, "/declarationsCount"))) } }
            li.card { span.soft { "Insiders" } span.figure { (figures::whole(cells::count(company, "/insidersCount"))) } }
        }
        dl.facts.card { @for (name, value) in rows { dt { (name) } dd { (value) } } }
    }
}

/// The filings of one company or one insider: the part of their page that is filtered.
pub struct Own {
    of: Of,
    api: String,
    answer: Option<Value>,
    /// What of the filters was refused.
    pub refused: Option<Refused>,
}

/// Whose page is shown whole.
pub struct Begun<'v> {
    /// Reads what else is on it.
    pub reader: Reader<'v>,
    /// What was asked of it.
    pub asked: Asked,
    /// Its filings.
    pub own: Own,
}

impl Own {
    /// How the page of a company or an insider begins; it ends with that where another address, or the filings alone, are all of the answer.
    pub async fn begin<'v>(
        visit: &'v Visit,
        of: Of,
    ) -> Result<ControlFlow<Response, Begun<'v>>, Problem> {
        let asked = Asked::of(&visit.uri);
        if asked.said_nothing() && !visit.wants_part() {
            let whole = asked.at(visit.uri.path());
            return Ok(ControlFlow::Break(frame::lead_to(&whole)));
        }
        let reader = Reader::of(visit, |plan| plan.rest).await?;
        let own = Own::read(&reader, visit, &asked, of).await?;
        if visit.wants_part() {
            return Ok(ControlFlow::Break(own.part(visit, &asked)));
        }
        Ok(ControlFlow::Continue(Begun { reader, asked, own }))
    }

    /// Reads what the page's filters pass.
    async fn read(
        reader: &Reader<'_>,
        visit: &Visit,
        asked: &Asked,
        of: Of,
    ) -> Result<Self, Problem> {
        let path = format!("/api/v1{}/declarations", visit.uri.path());
        let is_of_flow = |name: &str| of == Of::Company && OF_FLOW.contains(&name);
        let api = asked.only(|name| !is_of_flow(name)).at(&path);
        let (answer, refused) = answered(reader.read(&api).await).await?;
        Ok(Own {
            of,
            api,
            answer,
            refused,
        })
    }

    /// The form and the list.
    #[must_use]
    pub fn section(&self, visit: &Visit, asked: &Asked) -> Markup {
        let path = visit.uri.path();
        let filters = Filters {
            path,
            table: OwnDeclarationsQuery::PARAMETERS,
            fields: &["direction", "minScore", "limit"],
            asked,
            markets: &Value::Null,
            refused: self.refused.as_ref(),
            target: FILINGS,
        };
        html! {
            div #filings {
                (filters.form())
                div #found {
                    @if let Some(answer) = &self.answer {
                        (Filings { of: self.of, path, asked, answer, sorts: false, with_records: false, target: FILINGS }.show())
                        (curl::shown(visit, "curl", &self.api))
                    } @else {
                        p data-says { "A filter was refused: see its field." }
                    }
                }
            }
        }
    }

    /// The same as what htmx asks for.
    fn part(&self, visit: &Visit, asked: &Asked) -> Response {
        let part = frame::part(&self.section(visit, asked));
        filters::answer(part, &asked.at(visit.uri.path()), self.refused.as_ref())
    }
}
