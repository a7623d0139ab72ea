//! `GET /api/v1/search`: companies and insiders by the beginnings of the words of their names.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    csv::{self, Fields, Row},
    data::{Counted, PageKey},
    error::ApiResult,
    numbers::count,
    schema::Listed,
};
use crate::{
    gate::insider_view::SearchQuery,
    store::{companies::Named, company_list::CompanyFilter, db::Db, search::FoundAny},
};

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    #[schema(value_type = HitType)]
    r#type: &'static str,
    slug: String,
    name: String,
    /// Code of its market.
    market: String,
    /// A company's ticker.
    #[schema(required)]
    yahoo_symbol: Option<String>,
    /// A company's ISIN.
    #[schema(required)]
    isin: Option<String>,
    declarations_count: u64,
}

/// As what it is known.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what is written as a word")]
enum HitType {
    Company,
    Insider,
}

impl SearchHit {
    fn of(any: FoundAny) -> Self {
        let FoundAny { kind, found } = any;
        SearchHit {
            r#type: if kind == Named::Company as i64 {
                "company"
            } else {
                "insider"
            },
            slug: found.slug,
            name: found.name,
            market: found.market,
            yahoo_symbol: found.symbol,
            isin: found.isin,
            declarations_count: count(found.declarations),
        }
    }
}

impl Row for SearchHit {
    const COLUMNS: &'static [&'static str] = &[
        "type",
        "slug",
        "name",
        "market",
        "yahooSymbol",
        "isin",
        "declarationsCount",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        fields.plain(Some(self.r#type));
        fields.plain(Some(&self.slug));
        fields.text(Some(&self.name));
        fields.plain(Some(&self.market));
        fields.text(self.yahoo_symbol.as_deref());
        fields.text(self.isin.as_deref());
        fields.plain(Some(self.declarations_count));
    }
}

/// Search companies and insiders
///
/// By the beginnings of the words of their names, without regard to case and marks; those with the most declarations first.
#[utoipa::path(
    get, path = "/api/v1/search", tag = "data", params(Asked<SearchQuery>),
    responses((status = 200, description = "A page", body = Listed<SearchHit>)),
)]
pub async fn search(call: Call, Asked(query): Asked<SearchQuery>) -> ApiResult {
    let SearchQuery { q, market, page } = query;
    let db = call.state.db.clone();
    if call.wants_csv(&page) {
        let (limit, offset) = csv::stretch(&page);
        let found = (db.search_numbers(&q, market.as_deref(), limit, offset)).await?;
        let read = move |numbers| read(db.clone(), numbers);
        return csv::numbered("search", csv::at_once(found), read).await;
    }
    let key = PageKey::Search(q.clone(), market.clone(), page.place());
    let made = async {
        let total = total(&call, &q, market.as_deref()).await?;
        let (limit, offset) = page.place();
        let found = (db.search_numbers(&q, market.as_deref(), limit, offset)).await?;
        Call::list(&page, total, &read(db.clone(), found).await?)
    };
    call.page(key, made).await
}

async fn read(db: Db, numbers: Vec<(i64, i64)>) -> ApiResult<Vec<SearchHit>> {
    let found = db.found(&numbers).await?;
    Ok(found.into_iter().map(SearchHit::of).collect())
}

async fn total(call: &Call, q: &str, market: Option<&str>) -> ApiResult<u64> {
    let db = &call.state.db;
    let (q, market) = (Some(q.to_owned()), market.map(str::to_owned));
    let filter = CompanyFilter {
        q: q.clone(),
        market: market.clone(),
        ..CompanyFilter::default()
    };
    let companies = db.count_companies(&filter);
    let counted = Counted::Companies(filter.clone());
    let companies = call.total(counted, companies).await?;
    let insiders = db.count_insiders(q.as_deref(), market.as_deref());
    let counted = Counted::Insiders(q.clone(), market.clone());
    Ok(companies + call.total(counted, insiders).await?)
}
