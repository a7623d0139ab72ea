//! `GET /api/v1/search`: companies and insiders by the beginnings of the words of their names.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    csv::{self, Fields, Row},
    data::Counted,
    error::ApiResult,
    numbers::count,
    schema::Listed,
};
use crate::{
    gate::insider_view::SearchQuery,
    store::{companies::Named, company_list::CompanyFilter, search::FoundAny},
};

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// `company` or `insider`.
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
    let (db, text, of) = (call.state.db.clone(), q.clone(), market.clone());
    let read = move |limit, offset| {
        let (db, text, of) = (db.clone(), text.clone(), of.clone());
        async move {
            let found = db.search_all(&text, of.as_deref(), limit, offset).await?;
            Ok(found.into_iter().map(SearchHit::of).collect::<Vec<_>>())
        }
    };
    if call.wants_csv(&page) {
        return csv::list("search", &page, read).await;
    }
    let db = &call.state.db;
    let filter = CompanyFilter {
        q: Some(q.clone()),
        market: market.clone(),
        ..CompanyFilter::default()
    };
    let companies = db.count_companies(&filter);
    let companies = call
        .total(Counted::Companies(filter.clone()), companies)
        .await?;
    let insiders = db.count_insiders(Some(&q), market.as_deref());
    let counted = Counted::Insiders(Some(q.clone()), market.clone());
    let insiders = call.total(counted, insiders).await?;
    let (limit, offset) = page.place();
    call.list(&page, companies + insiders, &read(limit, offset).await?)
}
