//! What a company's net flow is made of, without a transaction: its declarations, its closes, and who its people are.

use std::collections::HashMap;

use super::{
    db::Db,
    error::{StoreError, StoreResult},
    prices::date_of,
    sql::{QueryBuilder, query_as},
};
use crate::{model::market::Market, score::insider::record::DeclarationRecord};
use jiff::civil::Date;
use rust_decimal::Decimal;

const KEYS_PER_STATEMENT: usize = 400;

/// An insider as it is pointed to.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InsiderBrief {
    /// What it is known by.
    pub key: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// Records as they are stored. Thousands take a while to read: that is done where it holds nobody up.
#[derive(Debug)]
pub struct Records(Vec<(String, String)>);

impl Records {
    /// Reads them, in their order.
    pub fn read(&self) -> StoreResult<Vec<DeclarationRecord>> {
        let rows = self.0.iter();
        rows.map(|(amf_id, record)| {
            serde_json::from_str(record)
                .map_err(|e| StoreError::corrupt(format!("declaration {amf_id}"), e))
        })
        .collect()
    }
}

impl Db {
    /// What the engine knows of all declarations of a company, by publication.
    pub async fn records_of(&self, company: i64) -> StoreResult<Records> {
        let rows = query_as(
            "select amf_id, record from declarations where company = $1 order by published_at, amf_id",
        );
        Ok(Records(rows.bind(company).fetch_all(self).await?))
    }

    /// All closes of a symbol, by day.
    pub async fn closes_of(&self, market: &str, symbol: &str) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> = query_as(
            "select day, close from closes where market = $1 and symbol = $2 order by day",
        )
        .bind(market)
        .bind(symbol)
        .fetch_all(self)
        .await?;
        rows.into_iter()
            .map(|(day, close)| {
                let what = || format!("close of {symbol} on day {day}");
                let close = close.parse().map_err(|e| StoreError::corrupt(what(), e));
                Ok((date_of(day), close?))
            })
            .collect()
    }

    /// A market by its code; its benchmarks are left out.
    pub async fn market(&self, code: &str) -> StoreResult<Option<Market>> {
        let row: Option<(String, String, String, String, String, String)> =  query_as(
            "select code, regulator, name, currency, time_zone, prefix from markets where code = $1")
            .bind(code).fetch_optional(self).await?;
        let market = |(code, regulator, name, currency, time_zone, prefix)| Market {
            code,
            regulator,
            name,
            currency,
            time_zone,
            prefix,
            benchmarks: Vec::new(),
        };
        Ok(row.map(market))
    }

    /// Insiders by what they are known by.
    pub async fn insiders_known_by(
        &self,
        keys: &[&str],
    ) -> StoreResult<HashMap<String, InsiderBrief>> {
        let mut found = HashMap::new();
        for some in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("select key, slug, name from insiders where key in (");
            let mut list = query.separated(", ");
            for key in some {
                list.push_bind(*key);
            }
            query.push(")");
            let rows: Vec<InsiderBrief> = query.build_query_as().fetch_all(self).await?;
            found.extend(rows.into_iter().map(|one| (one.key.clone(), one)));
        }
        Ok(found)
    }
}
