//! One-time tickets that open a stream where no header can be sent.

use super::{
    accounts::hex,
    db::{Db, read},
    error::StoreResult,
};
use crate::model::{key::KeyHash, time::Time};

/// How long the stream that a ticket opened may be reopened by it after it closed, in microseconds.
pub const REOPEN: i64 = 5 * 60 * Time::SECOND;

impl Db {
    /// Stores a ticket by its digest; clears out those that can do nothing any more.
    pub async fn add_ticket(
        &self,
        hash: &KeyHash,
        key_id: &str,
        expires_at: Time,
        now: Time,
    ) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        sqlx::query("delete from stream_tickets where (spent_at is null and expires_at < $1) or closed_at < $2")
            .bind(now.0)
            .bind(now.0 - REOPEN)
            .execute(&mut *tx.0)
            .await?;
        sqlx::query("insert into stream_tickets (hash, key_id, expires_at) values ($1, $2, $3)")
            .bind(hex(&hash.0))
            .bind(key_id)
            .bind(expires_at.0)
            .execute(&mut *tx.0)
            .await?;
        self.commit(tx).await
    }

    /// The id of the key behind a ticket, if the ticket opens a stream now: once; and again by a client that comes
    /// back to the stream that it opened (`resumes`).
    pub async fn spend_ticket(
        &self,
        hash: &KeyHash,
        resumes: bool,
        now: Time,
    ) -> StoreResult<Option<String>> {
        let mut tx = self.begin().await?;
        let hash = hex(&hash.0);
        let fresh: Option<String> = sqlx::query_scalar(
            "update stream_tickets set spent_at = $2 where hash = $1 and spent_at is null and expires_at > $2 returning key_id",
        )
        .bind(&hash)
        .bind(now.0)
        .fetch_optional(&mut *tx.0)
        .await?;
        let key_id = match fresh {
            Some(key_id) => Some(key_id),
            None if resumes => {
                sqlx::query_scalar(
                    "update stream_tickets set closed_at = null where hash = $1 and spent_at is not null
                     and (closed_at is null or closed_at > $2) returning key_id",
                )
                .bind(&hash)
                .bind(now.0 - REOPEN)
                .fetch_optional(&mut *tx.0)
                .await?
            }
            None => None,
        };
        self.commit(tx).await?;
        Ok(key_id)
    }

    /// The stream that the ticket opened has ended.
    pub async fn close_ticket(&self, hash: &KeyHash, now: Time) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        sqlx::query("update stream_tickets set closed_at = $2 where hash = $1")
            .bind(hex(&hash.0))
            .bind(now.0)
            .execute(&mut *tx.0)
            .await?;
        self.commit(tx).await
    }

    /// After a start: streams that were open when the last process ended are closed now.
    pub async fn close_all_tickets(&self, now: Time) -> StoreResult<()> {
        let open: Option<i64> = read!(self, pool =>
            sqlx::query_scalar("select 1 from stream_tickets where spent_at is not null and closed_at is null limit 1")
                .fetch_optional(pool).await)?;
        if open.is_none() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("update stream_tickets set closed_at = $1 where spent_at is not null and closed_at is null")
            .bind(now.0)
            .execute(&mut *tx.0)
            .await?;
        self.commit(tx).await
    }
}
