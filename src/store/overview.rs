//! What there is on the whole: markets with their counters, and how many companies, insiders and declarations of which kind.

use super::{
    db::Db,
    error::StoreResult,
    sql::{query_as, query_scalar},
};

/// A market and what there is of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MarketOverview {
    /// Its code.
    pub code: String,
    /// Who publishes its filings.
    pub regulator: String,
    /// Country or exchange.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// How many declarations.
    pub declarations: i64,
    /// How many companies.
    pub companies: i64,
    /// How many insiders.
    pub insiders: i64,
    /// First publication, microseconds.
    pub first_at: Option<i64>,
    /// Latest publication.
    pub last_at: Option<i64>,
}

/// How many declarations of a market and direction there are. Those that cannot be what they say are counted apart.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KindCount {
    /// Code of the market.
    pub market: String,
    /// `BUY` or `SELL` where they count; `None` where they do not.
    pub direction: Option<String>,
    /// What is filed cannot be.
    pub suspect: bool,
    /// How many.
    pub declarations: i64,
    /// Of these, with a score.
    pub scored: i64,
}

impl Db {
    /// All markets, by code.
    pub async fn market_overviews(&self) -> StoreResult<Vec<MarketOverview>> {
        // the counts walk an index of the market's rows; both ends are looked up in it
        query_as(
            "select m.code, m.regulator, m.name, m.currency, m.time_zone,
             (select count(*) from declarations where market = m.code) as declarations,
             (select count(*) from companies where market = m.code) as companies,
             (select count(*) from insiders where market = m.code) as insiders,
             (select min(published_at) from declarations where market = m.code) as first_at,
             (select max(published_at) from declarations where market = m.code) as last_at
             from markets m order by m.code",
        )
        .fetch_all(self)
        .await
    }

    /// Codes of all markets.
    pub async fn market_codes(&self) -> StoreResult<Vec<String>> {
        query_scalar("select code from markets order by code")
            .fetch_all(self)
            .await
    }

    /// Declarations by market and direction.
    pub async fn kind_counts(&self) -> StoreResult<Vec<KindCount>> {
        query_as(
            "select market, direction, suspect, count(*) as declarations, count(score) as scored
             from declarations group by market, direction, suspect order by market, direction, suspect")
            .fetch_all(self).await
    }
}
