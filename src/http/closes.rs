//! `GET /api/v1/companies/{slug}/closes`: what is known of a share's price, the latest first.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, CompanyPath},
    csv::{self, Fields, Row},
    data::{Counted, PageKey},
    declarations,
    error::{ApiError, ApiResult},
    net_flow::day_of,
    schema::{ErrorBody, Listed},
};
use crate::{
    gate::closes_query::{CloseBucket, ClosesQuery},
    model::{market::Market, money::Exact},
    score::insider::days,
    store::{
        close_list::{Bucket, Stretch},
        db::Db,
    },
};

/// A close.
#[derive(Serialize, ToSchema)]
pub struct Close {
    /// The session; of a week or a month, the last one in it.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// Adjusted for splits and dividends, as its source gives it.
    #[schema(value_type = f64)]
    close: Exact,
}

impl From<(Date, Decimal)> for Close {
    fn from((date, close): (Date, Decimal)) -> Self {
        Close {
            date,
            close: Exact(close),
        }
    }
}

impl Row for Close {
    const COLUMNS: &'static [&'static str] = &["date", "close"];

    fn fields(&self, fields: &mut Fields<'_>) {
        fields.plain(Some(self.date));
        fields.plain(Some(self.close.0.normalize()));
    }
}

/// Closes of a company
///
/// Of its share, adjusted for splits and dividends as their source gives them, the latest first: each, or the last of an ISO week or a month.
/// Days are those of the market. A company without a ticker, or without closes that were taken in, has an empty list.
#[utoipa::path(
    get, path = "/api/v1/companies/{slug}/closes", tag = "companies",
    params(("slug" = String, Path, description = "The company's slug"), Asked<ClosesQuery>),
    responses(
        (status = 200, description = "A page", body = Listed<Close>),
        (status = 404, description = "`company_not_found`", body = ErrorBody),
    ),
)]
pub async fn list(
    call: Call,
    CompanyPath(slug): CompanyPath,
    Asked(query): Asked<ClosesQuery>,
) -> ApiResult {
    let company = declarations::company(&call, &slug).await?;
    let db = call.state.db.clone();
    let market = db.market(&company.market).await?;
    let market = market.ok_or_else(|| ApiError::internal(&"a company without a market"))?;
    let (stretch, page) = (stretch(&query, &market), query.page);
    let of = company.symbol.map(|symbol| Share {
        db,
        market: company.market,
        symbol,
    });
    if call.wants_csv(&page) {
        let days = match &of {
            Some(share) => share.days(&stretch, csv::stretch(&page)).await?,
            None => Vec::new(),
        };
        let read = move |days: Vec<i64>| {
            let of = of.clone();
            async move { read(of.as_ref(), &days).await }
        };
        return csv::numbered("closes", csv::at_once(days), read).await;
    }
    let key = PageKey::Closes(company.number, stretch, page.place());
    let made = async {
        let Some(share) = &of else {
            return Call::list::<Close>(&page, 0, &[]);
        };
        let counted = Counted::Closes(company.number, stretch);
        let total = share
            .db
            .count_closes(&share.market, &share.symbol, &stretch);
        let total = call.total(counted, total).await?;
        let days = share.days(&stretch, page.place()).await?;
        Call::list(&page, total, &read(Some(share), &days).await?)
    };
    call.page(key, made).await
}

fn stretch(query: &ClosesQuery, market: &Market) -> Stretch {
    let zone = days::zone(market);
    Stretch {
        bucket: match query.bucket {
            CloseBucket::Day => Bucket::Day,
            CloseBucket::Week => Bucket::Week,
            CloseBucket::Month => Bucket::Month,
        },
        from: query.from.as_ref().map(|from| day_of(from, &zone)),
        to: query.to.as_ref().map(|to| day_of(to, &zone)),
    }
}

/// What closes are known by.
#[derive(Clone)]
struct Share {
    db: Db,
    market: String,
    symbol: String,
}

impl Share {
    async fn days(&self, stretch: &Stretch, part: (i64, i64)) -> ApiResult<Vec<i64>> {
        let days = self
            .db
            .close_days(&self.market, &self.symbol, stretch, part);
        Ok(days.await?)
    }
}

async fn read(share: Option<&Share>, days: &[i64]) -> ApiResult<Vec<Close>> {
    let Some(share) = share else {
        return Ok(Vec::new());
    };
    let closes = share.db.closes_on(&share.market, &share.symbol, days);
    Ok(closes.await?.into_iter().map(Close::from).collect())
}
