//! Declarations: all, a company's, an insider's, the best of late; and one by its amfId, as it is or as it was.

use super::{
    call::{Asked, Call, CompanyPath, DeclarationPath, InsiderPath},
    csv,
    data::{Counted, PageKey},
    declaration_row::DeclarationRow,
    declaration_text::{Declaration, UNJUDGED, declaration},
    error::{ApiError, ApiResult},
    schema::{Answer, ErrorBody, Listed as ListOf},
};
use crate::{
    gate::{
        insider_query::{
            DeclarationSort, DeclarationsQuery, Direction, Order, OwnDeclarationsQuery, Page,
            at_least, at_most,
        },
        insider_view::{DeclarationQuery, SignalsQuery},
        path_id::Slug,
    },
    model::{name::number_of, time::Time},
    score::insider::{audit::SCORE_VERSION, entity},
    store::{
        company_list::{Company, Person},
        db::Db,
        declaration_filter::{Filter, Sort},
        declaration_list::{Listed, Slice},
    },
};

/// Rows of a file that are found at a time.
const STRETCH: i64 = 20_000;
/// Decimals of a score.
const TENTHS: u32 = 1;
/// Decimals of an amount that is filtered by.
const MILLIONTHS: u32 = 6;
/// What is counted from a moving moment is counted from a whole minute.
const MINUTE: i64 = 60 * Time::SECOND;

fn word(direction: Option<Direction>) -> Option<String> {
    direction.map(|direction| direction.word().to_owned())
}

/// A page of the declarations that a filter passes, or a file of all of them.
async fn list(call: &Call, filter: Filter, page: &Page, with_backtest: bool) -> ApiResult {
    if call.wants_csv(page) {
        return file(call, filter, page).await;
    }
    let key = PageKey::Declarations(filter.clone(), page.place(), with_backtest);
    let made = async {
        let total = total(call, &filter).await?;
        let (limit, offset) = page.place();
        let slice = Slice {
            total: Some(total),
            ..Slice::of(limit, offset)
        };
        let db = &call.state.db;
        let rows = db.list_declarations(&filter, &slice, with_backtest).await?;
        let items = rows
            .iter()
            .map(declaration)
            .collect::<ApiResult<Vec<_>>>()?;
        Ok(Call::list_of_texts(page, total, &items))
    };
    call.page(key, made).await
}

async fn total(call: &Call, filter: &Filter) -> ApiResult<u64> {
    let counted = Counted::Declarations(filter.counted());
    let count = call.state.db.count_declarations(filter);
    call.total(counted, count).await
}

/// By publication, a stretch is found after the last row of the one before: neither ever changes its place, and what comes in meanwhile
/// stays out. In other orders rows may change their places, so that all of them are found at once, eight bytes each.
async fn file(call: &Call, filter: Filter, page: &Page) -> ApiResult {
    let db = &call.state.db;
    let (left, offset) = csv::stretch(page);
    let by_time = filter.sort == Sort::PubDate;
    let first = Slice {
        limit: if by_time { left.min(STRETCH) } else { left },
        offset,
        total: Some(total(call, &filter).await?),
        after: None,
        upto: Some(db.last_declaration().await?),
    };
    let whole = by_time && page.whole;
    let (of, rows) = (db.clone(), db.clone());
    let next = move |last: Option<i64>| {
        let (db, filter) = (of.clone(), filter.clone());
        let slice = match last {
            None => Some(first.clone()),
            after @ Some(_) => whole.then(|| Slice {
                after,
                offset: 0,
                ..first.clone()
            }),
        };
        async move {
            match slice {
                Some(slice) => Ok(db.declaration_numbers(&filter, &slice).await?),
                None => Ok(Vec::new()),
            }
        }
    };
    let read = move |numbers: Vec<i64>| {
        let db = rows.clone();
        async move {
            let rows = db.declarations_numbered(&numbers, false).await?;
            rows.into_iter().map(DeclarationRow::read).collect()
        }
    };
    csv::numbered("declarations", next, read).await
}

/// List declarations
///
/// All of them, filtered and sorted. `since` with `sort=pubDate&order=asc` serves incremental polling.
#[utoipa::path(
    get, path = "/api/v1/declarations", tag = "declarations", params(Asked<DeclarationsQuery>),
    responses((status = 200, description = "A page", body = ListOf<Declaration>)),
)]
pub async fn all(call: Call, Asked(query): Asked<DeclarationsQuery>) -> ApiResult {
    if query.with_backtest && call.wants_csv(&query.page) {
        let allowed = "no related objects in a file: JSON alone holds them";
        return Err(ApiError::parameter("include", "backtest", allowed));
    }
    let filter = Filter {
        company: None,
        insider: None,
        market: query.market,
        direction: word(query.direction),
        min_score: query.min_score.map(|score| at_least(score, TENTHS)),
        max_score: query.max_score.map(|score| at_most(score, TENTHS)),
        cluster: query.cluster,
        min_amount: query.min_amount.map(|amount| at_least(amount, MILLIONTHS)),
        company_name: query.company,
        insider_name: query.insider,
        isin: query.isin,
        from: query.period.from,
        before: query.period.before,
        sort: match query.sort {
            DeclarationSort::PubDate => Sort::PubDate,
            DeclarationSort::SignalScore => Sort::SignalScore,
            DeclarationSort::Amount => Sort::Amount,
        },
        ascending: query.order == Order::Ascending,
    };
    list(&call, filter, &query.page, query.with_backtest).await
}

/// The latest signals
///
/// Declarations of the last days with a score of at least `minScore`, the best first.
#[utoipa::path(
    get, path = "/api/v1/signals", tag = "declarations", params(Asked<SignalsQuery>),
    responses((status = 200, description = "A page", body = ListOf<Declaration>)),
)]
pub async fn signals(call: Call, Asked(query): Asked<SignalsQuery>) -> ApiResult {
    let filter = Filter {
        direction: word(Some(query.direction)),
        min_score: Some(at_least(query.min_score, TENTHS)),
        market: query.market,
        from: Some(days_ago(call.now(), query.lookback_days)),
        sort: Sort::SignalScore,
        ..Filter::default()
    };
    list(&call, filter, &query.page, false).await
}

/// So many days before, at a whole minute.
#[must_use]
pub fn days_ago(now: Time, days: u32) -> Time {
    let then = now.plus(-i64::from(days).saturating_mul(Time::DAY));
    Time(then.0.div_euclid(MINUTE).saturating_mul(MINUTE))
}

fn own(query: &OwnDeclarationsQuery) -> Filter {
    Filter {
        direction: word(query.direction),
        min_score: query.min_score.map(|score| at_least(score, TENTHS)),
        market: query.market.clone(),
        ..Filter::default()
    }
}

/// A company's declarations
///
/// The latest first.
#[utoipa::path(
    get, path = "/api/v1/companies/{slug}/declarations", tag = "companies",
    params(("slug" = String, Path, description = "The company's slug"), Asked<OwnDeclarationsQuery>),
    responses(
        (status = 200, description = "A page", body = ListOf<Declaration>),
        (status = 404, description = "`company_not_found`", body = ErrorBody),
    ),
)]
pub async fn of_company(
    call: Call,
    CompanyPath(slug): CompanyPath,
    Asked(query): Asked<OwnDeclarationsQuery>,
) -> ApiResult {
    let filter = Filter {
        company: Some(company(&call, &slug).await?.number),
        ..own(&query)
    };
    list(&call, filter, &query.page, false).await
}

/// An insider's declarations
///
/// The latest first.
#[utoipa::path(
    get, path = "/api/v1/insiders/{slug}/declarations", tag = "insiders",
    params(("slug" = String, Path, description = "The insider's slug"), Asked<OwnDeclarationsQuery>),
    responses(
        (status = 200, description = "A page", body = ListOf<Declaration>),
        (status = 404, description = "`insider_not_found`", body = ErrorBody),
    ),
)]
pub async fn of_insider(
    call: Call,
    InsiderPath(slug): InsiderPath,
    Asked(query): Asked<OwnDeclarationsQuery>,
) -> ApiResult {
    let filter = Filter {
        insider: Some(insider(&call, &slug).await?.number),
        ..own(&query)
    };
    list(&call, filter, &query.page, false).await
}

/// The company of a slug: its number counts, whatever it was called when the slug was made.
pub async fn company(call: &Call, Slug(slug): &Slug) -> ApiResult<Company> {
    let number = number_of(slug).ok_or_else(ApiError::company_not_found)?;
    let found = call.state.db.company(number).await?;
    found.ok_or_else(ApiError::company_not_found)
}

/// The insider of a slug, likewise.
pub async fn insider(call: &Call, Slug(slug): &Slug) -> ApiResult<Person> {
    let number = number_of(slug).ok_or_else(ApiError::insider_not_found)?;
    let found = call.state.db.insider(number).await?;
    found.ok_or_else(ApiError::insider_not_found)
}

/// Read one declaration
///
/// By its amfId, raw or percent-encoded; the bare number of a filing with several gives the principal one, of the largest amount. With
/// `asOf`, as it was served then, its company's name and market capitalisation included, but without its backtest.
#[utoipa::path(
    get, path = "/api/v1/declarations/{amfId}", tag = "declarations",
    params(("amfId" = String, Path, description = "Such as `2026DD1108988` or `SEC:0001127602-25-009876`"), Asked<DeclarationQuery>),
    responses(
        (status = 200, description = "The declaration", body = Answer<Declaration>),
        (status = 404, description = "`declaration_not_found`", body = ErrorBody),
    ),
)]
pub async fn one(
    call: Call,
    DeclarationPath(id): DeclarationPath,
    Asked(query): Asked<DeclarationQuery>,
) -> ApiResult {
    let db = &call.state.db;
    let found = db.declaration(&id.0, query.as_of.is_none()).await?;
    let mut found = found.ok_or_else(ApiError::declaration_not_found)?;
    if let Some(then) = query.as_of {
        as_served(db, &mut found, then).await?;
    }
    Ok(call.object(declaration(&found)?.into_bytes()))
}

/// Makes a declaration what it was at a moment; an error where it had not come.
async fn as_served(db: &Db, found: &mut Listed, then: Time) -> ApiResult<()> {
    if let Some(served) = db.served(found.number, SCORE_VERSION, Some(then)).await? {
        (found.head, found.rest, found.signal) = (served.head, served.rest, served.signal);
    } else {
        let arrived = db.arrived(found.number, then).await?;
        let arrived = arrived.ok_or_else(ApiError::declaration_not_found)?;
        found.rest = entity::pending(&arrived.record, &arrived.filing, arrived.insider)
            .map_err(|error| ApiError::internal(&error))?;
        found.signal = UNJUDGED.to_owned();
    }
    if let Some(company) = db.company_then(found.number, then).await? {
        found.company_name = company.name;
        found.company_slug = company.slug;
        found.company_symbol = company.symbol;
        found.company_market_cap = company.market_cap;
    }
    Ok(())
}
