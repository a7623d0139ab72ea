//! `GET /api/v1/companies/{slug}/net-flow`: what a company's insiders bought less what they sold.

use std::sync::Arc;

use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, CompanyPath, to_json},
    data::PageKey,
    declarations,
    error::{ApiError, ApiResult},
    schema::{Answer, ErrorBody},
};
use crate::{
    gate::{
        insider_query::{FlowBasis, FlowBucket},
        insider_view::NetFlowQuery,
        parameter::Moment,
    },
    model::{market::Market, money::Exact, time::Time},
    score::insider::{
        assess::assess,
        company::{Company, Series},
        days,
        elsewhere::Nothing,
        flow::{Basis, Bucket, Dealings, Item, Question, Signal90, State, net_flow},
    },
    store::{company_list, error::StoreError},
};

/// Net flow by period, by insider, and over the last 90 days. Amounts are in the market's currency.
#[derive(Serialize, ToSchema)]
pub struct Flow {
    /// Periods in which something was dealt, the earliest first.
    items: Vec<FlowItem>,
    /// The largest net in either direction first.
    insiders: Vec<FlowInsider>,
    signal90: FlowSignal,
}

/// A period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FlowItem {
    /// `2023-03` or `2023-W09`.
    period: String,
    #[schema(value_type = f64)]
    buy: Exact,
    #[schema(value_type = f64)]
    sell: Exact,
    #[schema(value_type = f64)]
    net: Exact,
    /// Distinct insiders who bought.
    n_buyers: usize,
    /// Distinct insiders who sold.
    n_sellers: usize,
}

/// An insider: those who are one in their dealings are one here.
#[derive(Serialize, ToSchema)]
struct FlowInsider {
    slug: String,
    name: String,
    #[schema(value_type = f64)]
    buy: Exact,
    #[schema(value_type = f64)]
    sell: Exact,
    #[schema(value_type = f64)]
    net: Exact,
}

/// What the last 90 days say.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FlowSignal {
    #[schema(value_type = FlowState)]
    state: State,
    /// (bought − sold) / (bought + sold).
    #[schema(value_type = Option<f64>, required)]
    npr: Option<Exact>,
    net_buyers: usize,
    net_sellers: usize,
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
}

/// `accumulation` from an `npr` of 0.5 and two net buyers on, `distribution` from -0.5 and two net sellers on, `insufficient` below two declarations.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what is written as a word")]
enum FlowState {
    Accumulation,
    Distribution,
    Neutral,
    Insufficient,
}

impl From<Item> for FlowItem {
    fn from(item: Item) -> Self {
        FlowItem {
            period: item.period,
            buy: item.buy,
            sell: item.sell,
            net: item.net,
            n_buyers: item.n_buyers,
            n_sellers: item.n_sellers,
        }
    }
}

impl From<Signal90> for FlowSignal {
    fn from(signal: Signal90) -> Self {
        FlowSignal {
            state: signal.state,
            npr: signal.npr,
            net_buyers: signal.net_buyers,
            net_sellers: signal.net_sellers,
            from: signal.from,
            to: signal.to,
        }
    }
}

/// Net flow of a company
///
/// What its insiders bought less what they sold, by month or ISO week, by insider, and over the last 90 days. Days are those of the market:
/// what was published late in New York belongs to that evening, though it is the next day in UTC. What cannot be what it says,
/// is told twice or was replaced is left out.
#[utoipa::path(
    get, path = "/api/v1/companies/{slug}/net-flow", tag = "companies",
    params(("slug" = String, Path, description = "The company's slug"), Asked<NetFlowQuery>),
    responses(
        (status = 200, description = "The flow", body = Answer<Flow>),
        (status = 404, description = "`company_not_found`", body = ErrorBody),
    ),
)]
pub async fn flow(
    call: Call,
    CompanyPath(slug): CompanyPath,
    Asked(query): Asked<NetFlowQuery>,
) -> ApiResult {
    let company = declarations::company(&call, &slug).await?;
    let db = &call.state.db;
    let market = db.market(&company.market).await?;
    let market = market.ok_or_else(|| ApiError::internal(&"a company without a market"))?;
    let question = question(&query, call.now(), &days::zone(&market));
    let made = made(&call, &company, &market, question);
    call.page(PageKey::NetFlow(company.number, question), made)
        .await
}

async fn made(
    call: &Call,
    company: &company_list::Company,
    market: &Market,
    question: Question,
) -> ApiResult<Vec<u8>> {
    let db = &call.state.db;
    let dealings = dealings(call, company, market).await?;
    let counted = dealings.clone();
    // many trades take a while: not on a thread that serves others
    let flow = tokio::task::spawn_blocking(move || net_flow(&counted.trades, &question));
    let flow = flow.await.map_err(|error| ApiError::internal(&error))?;
    let people = |insider| dealings.people.get(&insider).into_iter().flatten();
    let keys = flow.insiders.iter().flat_map(|one| people(one.insider));
    let wanted: Vec<&str> = keys.map(|key| key.0.as_str()).collect();
    let known = db.insiders_known_by(&wanted).await?;
    let insiders = flow.insiders.iter().filter_map(|one| {
        let known = people(one.insider).find_map(|key| known.get(&key.0))?;
        Some(FlowInsider {
            slug: known.slug.clone(),
            name: known.name.clone(),
            buy: Exact(one.buy),
            sell: Exact(one.sell),
            net: Exact(one.net),
        })
    });
    to_json(&Flow {
        insiders: insiders.collect(),
        items: flow.items.into_iter().map(FlowItem::from).collect(),
        signal90: flow.signal90.into(),
    })
}

/// The day that is named; of a time, the one that it falls on there.
pub fn day_of(moment: &Moment, zone: &TimeZone) -> Date {
    match moment.is_day {
        true => days::local_day(moment.at, &TimeZone::UTC),
        false => days::local_day(moment.at, zone),
    }
}

fn question(query: &NetFlowQuery, now: Time, zone: &TimeZone) -> Question {
    let day = |moment: &Moment| day_of(moment, zone);
    Question {
        basis: match query.basis {
            FlowBasis::Publication => Basis::Publication,
            FlowBasis::Trade => Basis::Trade,
        },
        bucket: match query.bucket {
            FlowBucket::Month => Bucket::Month,
            FlowBucket::Week => Bucket::Week,
        },
        from: query.from.as_ref().map(day),
        to: query.to.as_ref().map(day),
        today: days::local_day(now, zone),
    }
}

/// What the flows of a company are made of: the same for all questions while the data is as it is.
async fn dealings(
    call: &Call,
    company: &company_list::Company,
    market: &Market,
) -> ApiResult<Arc<Dealings>> {
    let known = &call.state.data.dealings;
    // before anything is read: what is kept is never older than its version
    let version = call.state.data.version();
    if let Some(dealings) = known.get(version, &company.number) {
        return Ok(dealings);
    }
    let db = &call.state.db;
    let mut about = Company::unknown(&market.currency, days::zone(market));
    if let Some(symbol) = &company.symbol {
        about.closes = Series::new(db.closes_of(&company.market, symbol).await?);
    }
    let records = db.records_of(company.number).await?;
    // a long history takes a while: not on a thread that serves others
    let dealings = tokio::task::spawn_blocking(move || {
        let records = records.read()?;
        let (_, sweep) = assess(Arc::new(about), &records, Time(i64::MAX), &Nothing);
        Ok::<_, StoreError>(Arc::new(sweep.dealings()))
    });
    let dealings = dealings
        .await
        .map_err(|error| ApiError::internal(&error))??;
    known.put(version, company.number, dealings.clone());
    Ok(dealings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::insider_query::InsiderQuery as _;

    #[test]
    fn days_are_those_of_the_market() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let now = Time::parse_iso("2021-06-01T02:00:00Z").unwrap();
        let asked = |query: &str| {
            let query = NetFlowQuery::parse(query, &[]).unwrap();
            let question = question(&query, now, &zone);
            let day = |day: Option<Date>| day.map(|day| day.to_string());
            (
                day(question.from),
                day(question.to),
                question.today.to_string(),
            )
        };
        let day = |text: &str| Some(text.to_owned());
        let today = || "2021-05-31".to_owned();
        let named = asked("from=2021-04-15&to=2021-04-16");
        assert_eq!(named, (day("2021-04-15"), day("2021-04-16"), today()));
        let moments = asked("from=2021-04-15T18:00:00Z&to=2021-04-16T03:59:00Z");
        assert_eq!(moments, (day("2021-04-15"), day("2021-04-15"), today()));
        assert_eq!(asked(""), (None, None, today()));
    }
}
