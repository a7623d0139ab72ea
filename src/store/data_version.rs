//! The version of all insider data: what is cached of it holds for one version, and how fresh its parts are.

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{query, query_as, query_scalar},
};

/// When the parts of the data last changed, microseconds; `None` where there is nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct DataVersion {
    /// Grows with every change.
    pub version: i64,
    /// When one was taken in, or its regulator said something new of it.
    pub declarations_at: Option<i64>,
    /// When a close was taken in.
    pub prices_at: Option<i64>,
    /// When a company changed.
    pub companies_at: Option<i64>,
    /// When a score was computed.
    pub scores_at: Option<i64>,
}

/// What changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Declarations were taken in.
    pub declarations_at: Option<i64>,
    /// Closes were taken in.
    pub prices_at: Option<i64>,
    /// Companies changed.
    pub companies_at: Option<i64>,
    /// Scores were computed.
    pub scores_at: Option<i64>,
}

impl Tx {
    /// Notes a change; each moment only moves forward.
    pub async fn touch(&mut self, touched: Touched) -> StoreResult<()> {
        query(
            "update data_version set version = version + 1,
             declarations_at = case when declarations_at >= $1 or $1 is null then declarations_at else $1 end,
             prices_at = case when prices_at >= $2 or $2 is null then prices_at else $2 end,
             companies_at = case when companies_at >= $3 or $3 is null then companies_at else $3 end,
             scores_at = case when scores_at >= $4 or $4 is null then scores_at else $4 end",
        )
        .bind(touched.declarations_at)
        .bind(touched.prices_at)
        .bind(touched.companies_at)
        .bind(touched.scores_at)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// The version of all matured returns.
    pub async fn returns_version(&mut self) -> StoreResult<i64> {
        query_scalar("select returns_version from data_version")
            .fetch_one(&mut *self)
            .await
    }

    /// The version of all closes.
    pub async fn prices_version(&mut self) -> StoreResult<i64> {
        query_scalar("select prices_version from data_version")
            .fetch_one(&mut *self)
            .await
    }

    /// Notes that closes changed.
    pub async fn touch_prices(&mut self) -> StoreResult<()> {
        query("update data_version set prices_version = prices_version + 1")
            .execute(&mut *self)
            .await?;
        Ok(())
    }

    /// Notes that matured returns changed: whatever is kept of the data may have been made of them.
    pub async fn touch_returns(&mut self) -> StoreResult<()> {
        query(
            "update data_version set returns_version = returns_version + 1, version = version + 1",
        )
        .execute(&mut *self)
        .await?;
        Ok(())
    }
}

impl Db {
    /// The version of all insider data.
    pub async fn data_version(&self) -> StoreResult<DataVersion> {
        let found: Option<DataVersion> = query_as(
            "select version, declarations_at, prices_at, companies_at, scores_at from data_version",
        )
        .fetch_optional(self)
        .await?;
        found.ok_or_else(|| StoreError::corrupt("data_version", "it has no row"))
    }
}
