//! What was served of a declaration, at any moment since it came: every assessment is kept.

use super::{db::Db, error::StoreResult, sql::query_as};
use crate::model::time::Time;

/// An assessment as it was served.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Served {
    /// From 1.
    pub revision: i64,
    /// When it took the place of the one before, microseconds.
    pub assessed_at: i64,
    /// JSON of the declaration's own members.
    pub rest: String,
    /// JSON of the signal.
    pub signal: String,
    /// JSON of the audit.
    pub audit: Option<String>,
}

impl Db {
    /// What was served of a declaration at a moment by a version of the score; the latest by default.
    pub async fn served(
        &self,
        declaration: i64,
        version: &str,
        as_of: Option<Time>,
    ) -> StoreResult<Option<Served>> {
        query_as(
            "select revision, assessed_at, rest, signal, audit from assessments
             where declaration = $1 and version = $2 and assessed_at <= $3 order by revision desc limit 1")
            .bind(declaration).bind(version).bind(as_of.map_or(i64::MAX, |time| time.0))
            .fetch_optional(self).await
    }
}
