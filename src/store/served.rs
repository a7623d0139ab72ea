//! What was served of a declaration, at any moment since it came: every assessment is kept.

use super::{
    db::Db,
    error::{StoreError, StoreResult},
    sql::query_as,
};
use crate::{
    model::{filing::Filing, time::Time},
    score::insider::record::DeclarationRecord,
};

/// An assessment as it was served.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Served {
    /// From 1.
    pub revision: i64,
    /// When it took the place of the one before, microseconds.
    pub assessed_at: i64,
    /// JSON from the opening brace up to the company.
    pub head: String,
    /// JSON of the declaration's own members.
    pub rest: String,
    /// JSON of the signal.
    pub signal: String,
    /// JSON of the audit.
    pub audit: Option<String>,
}

/// A declaration on the day that it came, before its first assessment.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// What the engine knows of it.
    pub record: DeclarationRecord,
    /// Its filing.
    pub filing: Filing,
    /// Number of its principal insider.
    pub insider: i64,
}

impl Db {
    /// A declaration that had arrived by a moment; `None` before that.
    pub async fn arrived(&self, declaration: i64, by: Time) -> StoreResult<Option<Arrived>> {
        let row: Option<(String, String, i64)> = query_as(
            "select d.record, f.body, d.insider from declarations d join filings f on f.number = d.filing
             where d.number = $1 and f.arrived_at <= $2")
            .bind(declaration).bind(by.0).fetch_optional(self).await?;
        let Some((record, body, insider)) = row else {
            return Ok(None);
        };
        let corrupt = |e| StoreError::corrupt(format!("declaration {declaration}"), e);
        Ok(Some(Arrived {
            record: serde_json::from_str(&record).map_err(corrupt)?,
            filing: serde_json::from_str(&body).map_err(corrupt)?,
            insider,
        }))
    }

    /// The versions of the score by which a declaration was assessed.
    pub async fn score_versions(&self, declaration: i64) -> StoreResult<Vec<String>> {
        let rows: Vec<(String,)> = query_as(
            "select distinct version from assessments where declaration = $1 order by version",
        )
        .bind(declaration)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(|(version,)| version).collect())
    }

    /// What was served of a declaration at a moment by a version of the score; the latest by default.
    pub async fn served(
        &self,
        declaration: i64,
        version: &str,
        as_of: Option<Time>,
    ) -> StoreResult<Option<Served>> {
        query_as(
            "select revision, assessed_at, head, rest, signal, audit from assessments
             where declaration = $1 and version = $2 and assessed_at <= $3 order by revision desc limit 1")
            .bind(declaration).bind(version).bind(as_of.map_or(i64::MAX, |time| time.0))
            .fetch_optional(self).await
    }
}
