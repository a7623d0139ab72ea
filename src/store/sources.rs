//! What is followed: where each follower stands, and when a feed was first seen to name a filing.

use super::{
    db::{Db, Tx},
    error::StoreResult,
    sql::{query, query_scalar},
};
use crate::model::time::Time;

impl Db {
    /// Where the follower of a source stood when it was last noted.
    pub async fn source_state(&self, name: &str) -> StoreResult<Option<String>> {
        query_scalar("select state from sources where name = $1")
            .bind(name)
            .fetch_optional(self)
            .await
    }
}

impl Tx {
    /// Notes where the follower of a source stands: to start again from there, all that it told before must be stored.
    pub async fn put_source_state(
        &mut self,
        name: &str,
        state: &str,
        now: Time,
    ) -> StoreResult<()> {
        query(
            "insert into sources (name, state, changed_at) values ($1, $2, $3)
             on conflict (name) do update set state = excluded.state, changed_at = excluded.changed_at",
        )
        .bind(name)
        .bind(state)
        .bind(now.0)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// Notes when a feed was first seen to name a stored filing; later sightings change nothing.
    pub async fn put_sighting(&mut self, filing: &str, seen_at: Time) -> StoreResult<()> {
        query(
            "insert into sightings (filing, seen_at) select number, $2 from filings where id = $1
             on conflict (filing) do nothing",
        )
        .bind(filing)
        .bind(seen_at.0)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// When a feed was first seen to name the filing of this number; `None` where none was followed.
    pub async fn sighting(&mut self, filing: i64) -> StoreResult<Option<Time>> {
        let seen: Option<i64> = query_scalar("select seen_at from sightings where filing = $1")
            .bind(filing)
            .fetch_optional(&mut *self)
            .await?;
        Ok(seen.map(Time))
    }
}
