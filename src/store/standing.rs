//! How the database stands, for an operator: how much it holds, what was taken in last from where, and how webhooks fare on the whole.

use super::{
    db::{Db, Pools},
    error::StoreResult,
    sql::{query_as, query_scalar},
};
use crate::model::time::Time;

/// What kind of database it is, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its name.
    pub kind: &'static str,
    /// Bytes.
    pub bytes: i64,
}

/// The fact that was taken in last, and how far the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFact {
    /// Its number: how many were taken in.
    pub arrival: i64,
    /// When it was taken in.
    pub arrived_at: Time,
    /// When it happened.
    pub time: Time,
    /// Facts that no engine has applied yet.
    pub unapplied: i64,
}

#[derive(sqlx::FromRow)]
struct LastFactRow {
    arrival: i64,
    arrived_at: i64,
    time: i64,
    cursor: i64,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// When it was last noted where its follower stands.
    pub changed_at: Time,
}

/// All webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct HookHealth {
    /// Sent to.
    pub enabled: i64,
    /// Of these, those whose last attempt failed.
    pub failing: i64,
    /// Not sent to: their owners want it so.
    pub asked: i64,
    /// Not sent to: they answered 410, or nothing for days.
    pub given_up: i64,
    /// Messages that are sent again later.
    pub waiting: i64,
    /// Messages that were given up.
    pub failed: i64,
}

impl Db {
    /// How much it holds.
    pub async fn size(&self) -> StoreResult<Size> {
        let (kind, size) = match &self.0.pools {
            Pools::Sqlite { .. } => (
                "SQLite",
                "select page_count * page_size from pragma_page_count(), pragma_page_size()",
            ),
            Pools::Postgres { .. } => ("PostgreSQL", "select pg_database_size(current_database())"),
        };
        let bytes = query_scalar::<i64>(size).fetch_one(self).await?;
        Ok(Size { kind, bytes })
    }

    /// The last fact; `None` before the first.
    pub async fn last_fact(&self) -> StoreResult<Option<LastFact>> {
        let row: Option<LastFactRow> = query_as(
            "select arrival, arrived_at, time, coalesce((select min(cursor) from engines), 0) as cursor
             from facts order by arrival desc limit 1",
        )
        .fetch_optional(self)
        .await?;
        Ok(row.map(|row| LastFact {
            arrival: row.arrival,
            arrived_at: Time(row.arrived_at),
            time: Time(row.time),
            unapplied: (row.arrival - row.cursor).max(0),
        }))
    }

    /// What is followed, by name.
    pub async fn sources(&self) -> StoreResult<Vec<Source>> {
        let rows: Vec<(String, i64)> =
            query_as("select name, changed_at from sources order by name")
                .fetch_all(self)
                .await?;
        let sources = rows.into_iter().map(|(name, changed_at)| Source {
            name,
            changed_at: Time(changed_at),
        });
        Ok(sources.collect())
    }

    /// How webhooks fare on the whole.
    pub async fn hook_health(&self) -> StoreResult<HookHealth> {
        query_as(
            "select coalesce(sum(case when enabled then 1 else 0 end), 0) as enabled,
             coalesce(sum(case when enabled and failing_since is not null then 1 else 0 end), 0) as failing,
             coalesce(sum(case when not enabled and disabled_why = 'asked' then 1 else 0 end), 0) as asked,
             coalesce(sum(case when not enabled and disabled_why <> 'asked' then 1 else 0 end), 0) as given_up,
             (select count(next_at) from hook_messages) as waiting,
             (select count(*) - count(next_at) from hook_messages) as failed
             from hooks",
        )
        .fetch_one(self)
        .await
    }
}
