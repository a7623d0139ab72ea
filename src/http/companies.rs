//! Companies: listed, and one by its slug.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, CompanyPath},
    csv::{self, Fields, Row},
    data::{Counted, PageKey},
    declarations,
    error::ApiResult,
    numbers::{count, exact},
    schema::{Answer, ErrorBody, Listed},
};
use crate::{
    gate::insider_query::{CompaniesQuery, CompanySort as Asks, NoQuery, Order},
    model::{money::Exact, time::Time},
    store::{
        company_list::{Company as Stored, CompanyFilter, CompanySort},
        db::Db,
    },
};

/// A company. What no source tells is null.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    #[schema(example = "bouygues-1454")]
    slug: String,
    name: String,
    #[schema(required)]
    isin: Option<String>,
    /// Code of its market.
    market: String,
    #[schema(required)]
    yahoo_symbol: Option<String>,
    #[schema(value_type = Option<f64>, required)]
    market_cap: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    current_price: Option<Exact>,
    #[serde(rename = "trailingPE")]
    #[schema(value_type = Option<f64>, required)]
    trailing_pe: Option<Exact>,
    #[serde(rename = "forwardPE")]
    #[schema(value_type = Option<f64>, required)]
    forward_pe: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    price_to_book: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    beta: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    debt_to_equity: Option<Exact>,
    #[schema(required)]
    analyst_reco: Option<String>,
    #[schema(value_type = Option<f64>, required)]
    analyst_score: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    target_mean: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    target_high: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    target_low: Option<Exact>,
    #[schema(required)]
    num_analysts: Option<u32>,
    #[schema(value_type = Option<f64>, required)]
    dividend_yield: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    fifty_two_week_high: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    fifty_two_week_low: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    fifty_day_average: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    two_hundred_day_average: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    revenue: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    ebitda: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    net_income: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    total_debt: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    free_cash_flow: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    diluted_eps: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    shares_out: Option<Exact>,
    #[schema(required)]
    description: Option<String>,
    #[schema(required)]
    logo_url: Option<String>,
    declarations_count: u64,
    insiders_count: u64,
    /// The session of `currentPrice`.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    price_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    financials_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    analyst_at: Option<Time>,
}

impl Company {
    fn of(stored: Stored) -> ApiResult<Self> {
        Ok(Company {
            market_cap: exact(stored.market_cap.as_deref())?,
            current_price: exact(stored.last_close.as_deref())?,
            fifty_two_week_high: exact(stored.high_52w.as_deref())?,
            fifty_two_week_low: exact(stored.low_52w.as_deref())?,
            fifty_day_average: exact(stored.average_50d.as_deref())?,
            two_hundred_day_average: exact(stored.average_200d.as_deref())?,
            declarations_count: count(stored.declarations),
            insiders_count: count(stored.insiders),
            price_at: stored.last_day.map(Time::of_utc_day),
            slug: stored.slug,
            name: stored.name,
            isin: stored.isin,
            market: stored.market,
            yahoo_symbol: stored.symbol,
            description: stored.description,
            ..Company::default()
        })
    }
}

impl Row for Company {
    const COLUMNS: &'static [&'static str] = &[
        "slug",
        "name",
        "isin",
        "market",
        "yahooSymbol",
        "marketCap",
        "currentPrice",
        "fiftyTwoWeekHigh",
        "fiftyTwoWeekLow",
        "declarationsCount",
        "insidersCount",
        "priceAt",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        fields.plain(Some(&self.slug));
        fields.text(Some(&self.name));
        fields.text(self.isin.as_deref());
        fields.plain(Some(&self.market));
        fields.text(self.yahoo_symbol.as_deref());
        for number in [
            self.market_cap,
            self.current_price,
            self.fifty_two_week_high,
            self.fifty_two_week_low,
        ] {
            fields.plain(number.map(|Exact(number)| number.normalize()));
        }
        fields.plain(Some(self.declarations_count));
        fields.plain(Some(self.insiders_count));
        fields.plain(self.price_at);
    }
}

/// List companies
///
/// Found by words of the name, ISIN or market. Companies without a market capitalisation stand last where it is sorted by that.
#[utoipa::path(
    get, path = "/api/v1/companies", tag = "companies", params(Asked<CompaniesQuery>),
    responses((status = 200, description = "A page", body = Listed<Company>)),
)]
pub async fn list(call: Call, Asked(query): Asked<CompaniesQuery>) -> ApiResult {
    let page = query.page;
    let filter = CompanyFilter {
        q: query.q,
        isin: query.isin,
        market: query.market,
        sort: match query.sort {
            Asks::Name => CompanySort::Name,
            Asks::MarketCap => CompanySort::MarketCap,
            Asks::Recent => CompanySort::Recent,
        },
        descending: query.order == Order::Descending,
    };
    // no source of logos is connected: no company has one
    let none = query.has_logo == Some(true);
    let db = call.state.db.clone();
    if call.wants_csv(&page) {
        let (limit, offset) = csv::stretch(&page);
        let limit = if none { 0 } else { limit };
        let found = db.company_numbers(&filter, limit, offset).await?;
        let read = move |numbers| read(db.clone(), numbers);
        return csv::numbered("companies", csv::at_once(found), read).await;
    }
    if none {
        return Ok(call.object(Call::list::<Company>(&page, 0, &[])?));
    }
    let key = PageKey::Companies(filter.clone(), page.place());
    let made = async {
        let counted = Counted::Companies(filter.counted());
        let total = call.total(counted, db.count_companies(&filter)).await?;
        let (limit, offset) = page.place();
        let numbers = db.company_numbers(&filter, limit, offset).await?;
        let companies = read(db.clone(), numbers).await?;
        Call::list(&page, total, &companies)
    };
    call.page(key, made).await
}

async fn read(db: Db, numbers: Vec<i64>) -> ApiResult<Vec<Company>> {
    let rows = db.companies_numbered(&numbers).await?;
    rows.into_iter().map(Company::of).collect()
}

/// Read one company
///
/// The number at the slug's end counts: a slug made under a former name still finds it.
#[utoipa::path(
    get, path = "/api/v1/companies/{slug}", tag = "companies",
    params(("slug" = String, Path, description = "The company's slug"), Asked<NoQuery>),
    responses(
        (status = 200, description = "The company", body = Answer<Company>),
        (status = 404, description = "`company_not_found`", body = ErrorBody),
    ),
)]
pub async fn one(
    call: Call,
    CompanyPath(slug): CompanyPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    call.json(&Company::of(declarations::company(&call, &slug).await?)?)
}
