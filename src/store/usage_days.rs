//! Requests of each key by the day: written with the reservations, read for who owns the key, forgotten when they are old.

use std::collections::HashMap;

use super::{
    db::{Db, Tx},
    error::StoreResult,
    sql::{query, query_as},
};
use crate::gate::quota::Correction;

/// A key's requests of a day, reserved.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DayUsage {
    /// The key.
    pub key_id: String,
    /// The day, as days since 1970-01-01.
    pub day: i64,
    /// Requests.
    pub requests: i64,
}

impl Db {
    /// What an account's keys asked from a day on, by key and day.
    pub async fn usage_by_day(&self, account: &str, from: i64) -> StoreResult<Vec<DayUsage>> {
        query_as(
            "select d.key_id, d.day, d.requests from api_keys k join usage_days d on d.key_id = k.id
             where k.account_id = $1 and d.day >= $2 order by d.day, d.key_id",
        )
        .bind(account)
        .bind(from)
        .fetch_all(self)
        .await
    }

    /// Forgets up to `most` days of keys before a day; how many these were.
    pub async fn forget_usage_days(&self, before: i64, most: i64) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        let done = query(
            "delete from usage_days where (key_id, day) in (select key_id, day from usage_days where day < $1 limit $2)",
        )
        .bind(before)
        .bind(most)
        .execute(&mut tx)
        .await?;
        self.commit_quietly(tx).await?;
        Ok(done)
    }
}

impl Tx {
    /// Writes down by the day what is corrected and reserved of a key; `day` is the one that is reserved of.
    pub(super) async fn note_usage(
        &mut self,
        key_id: &str,
        corrections: &[Correction],
        day: i64,
        granted: u64,
    ) -> StoreResult<()> {
        let mut changes: HashMap<i64, i64> = HashMap::new();
        for correction in corrections {
            *changes.entry(correction.day).or_default() += correction.change;
        }
        *changes.entry(day).or_default() += i64::try_from(granted).unwrap_or(i64::MAX);
        for (day, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
            query(
                "insert into usage_days (key_id, day, requests) values ($1, $2, $3)
                 on conflict (key_id, day) do update set requests = usage_days.requests + excluded.requests",
            )
            .bind(key_id)
            .bind(day)
            .bind(change)
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }
}
