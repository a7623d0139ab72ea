//! Sessions of the pages: which key, or which admin token, a cookie stands for.

use super::{
    accounts::{hex, unhex},
    db::{Db, Tx},
    error::StoreResult,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{key::KeyHash, time::Time};

const SESSIONS_PER_STATEMENT: usize = 500;
/// Browsers that are signed in by one key, or by the admin token.
const MOST_OF_A_HOLDER: i64 = 50;

#[derive(sqlx::FromRow)]
struct SessionRow {
    holder: String,
    expires_at: i64,
}

/// A session that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The digest of what opened it.
    pub holder: KeyHash,
    /// When it ends by itself.
    pub expires_at: Time,
}

impl Db {
    /// Stores a session by its cookie's digest; clears out those that are over, and the oldest where one holder has too many.
    pub async fn add_session(
        &self,
        hash: &KeyHash,
        session: &Session,
        now: Time,
    ) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("delete from sessions where expires_at <= $1")
            .bind(now.0)
            .execute(&mut tx)
            .await?;
        query(
            "insert into sessions (hash, holder, created_at, expires_at) values ($1, $2, $3, $4)",
        )
        .bind(hex(&hash.0))
        .bind(hex(&session.holder.0))
        .bind(now.0)
        .bind(session.expires_at.0)
        .execute(&mut tx)
        .await?;
        query(
            "delete from sessions where holder = $1 and hash not in
             (select hash from sessions where holder = $1 order by created_at desc, expires_at desc, hash limit $2)",
        )
        .bind(hex(&session.holder.0))
        .bind(MOST_OF_A_HOLDER)
        .execute(&mut tx)
        .await?;
        self.commit(tx).await
    }

    /// The session of a cookie, if it counts now.
    pub async fn session(&self, hash: &KeyHash, now: Time) -> StoreResult<Option<Session>> {
        let row: Option<SessionRow> =
            query_as("select holder, expires_at from sessions where hash = $1 and expires_at > $2")
                .bind(hex(&hash.0))
                .bind(now.0)
                .fetch_optional(self)
                .await?;
        Ok(row.and_then(|row| {
            Some(Session {
                holder: unhex(&row.holder)?,
                expires_at: Time(row.expires_at),
            })
        }))
    }

    /// Of some sessions those that count now.
    pub async fn sessions_that_count(
        &self,
        hashes: &[KeyHash],
        now: Time,
    ) -> StoreResult<Vec<KeyHash>> {
        let mut found = Vec::with_capacity(hashes.len());
        for some in hashes.chunks(SESSIONS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select hash from sessions where expires_at > ");
            query.push_bind(now.0).push(" and hash in (");
            let mut list = query.separated(", ");
            for hash in some {
                list.push_bind(hex(&hash.0));
            }
            query.push(")");
            let rows: Vec<String> = query.build_query_scalar().fetch_all(self).await?;
            found.extend(rows.iter().filter_map(|hash| unhex(hash)));
        }
        Ok(found)
    }

    /// Ends a session: its cookie stands for nobody from here on, and its views end.
    pub async fn end_session(&self, hash: &KeyHash) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("delete from sessions where hash = $1")
            .bind(hex(&hash.0))
            .execute(&mut tx)
            .await?;
        tx.end_lost_views().await?;
        self.commit(tx).await
    }

    /// Ends the sessions that were opened by any of an account's keys; how many these were.
    pub async fn end_sessions_of_account(&self, account: &str) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        let ended = query(
            "delete from sessions where holder in (select hash from api_keys where account_id = $1)",
        )
        .bind(account)
        .execute(&mut tx)
        .await?;
        tx.end_lost_views().await?;
        self.commit(tx).await?;
        Ok(ended)
    }

    /// How many sessions count that were opened by any of an account's keys.
    pub async fn count_sessions(&self, account: &str, now: Time) -> StoreResult<i64> {
        query_scalar(
            "select count(*) from sessions where expires_at > $2
             and holder in (select hash from api_keys where account_id = $1)",
        )
        .bind(account)
        .bind(now.0)
        .fetch_one(self)
        .await
    }
}

impl Tx {
    /// Has every process look for views whose sessions are over; to be called where sessions are ended. Their tickets open nothing any more.
    async fn end_lost_views(&mut self) -> StoreResult<()> {
        let lost = query(
            "delete from stream_tickets where session is not null
             and not exists (select 1 from sessions where sessions.hash = stream_tickets.session)",
        )
        .execute(&mut *self)
        .await?;
        match lost {
            0 => Ok(()),
            _ => self.bump_access().await,
        }
    }
}
