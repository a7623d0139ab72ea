//! One-time tickets that open a stream where no header can be sent.

use super::{
    accounts::{hex, unhex},
    db::{Db, Pools},
    error::StoreResult,
    sql::{query, query_as, query_scalar},
};
use crate::model::{key::KeyHash, time::Time};

/// How long the stream that a ticket opened may be reopened by it after it closed, in microseconds.
pub const REOPEN: i64 = 5 * 60 * Time::SECOND;

#[derive(sqlx::FromRow)]
struct TicketRow {
    key_id: String,
    session: Option<String>,
}

/// What a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The id of the key that it stands for.
    pub key_id: String,
    /// The session whose page it opens a view for; `None`: it opens the key's own stream.
    pub session: Option<KeyHash>,
}

impl Db {
    /// Stores a ticket by its digest; clears out those that can do nothing any more.
    pub async fn add_ticket(
        &self,
        hash: &KeyHash,
        opens: &Ticket,
        expires_at: Time,
        now: Time,
    ) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("delete from stream_tickets where (spent_at is null and expires_at < $1) or closed_at < $2")
            .bind(now.0)
            .bind(now.0 - REOPEN)
            .execute(&mut tx)
            .await?;
        query("insert into stream_tickets (hash, key_id, session, expires_at) values ($1, $2, $3, $4)")
            .bind(hex(&hash.0))
            .bind(&opens.key_id)
            .bind(opens.session.map(|session| hex(&session.0)))
            .bind(expires_at.0)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// What a ticket stands for, if it opens a stream now: once; and again by a client that comes
    /// back to the stream that it opened (`resumes`). `now` names this opening when it is closed.
    pub async fn spend_ticket(
        &self,
        hash: &KeyHash,
        resumes: bool,
        now: Time,
    ) -> StoreResult<Option<Ticket>> {
        let mut tx = self.begin().await?;
        let hash = hex(&hash.0);
        let fresh: Option<TicketRow> = query_as(
            "update stream_tickets set spent_at = $2, node = $3 where hash = $1 and spent_at is null and expires_at > $2
             returning key_id, session",
        )
        .bind(&hash)
        .bind(now.0)
        .bind(self.node())
        .fetch_optional(&mut tx)
        .await?;
        let opened = match fresh {
            Some(row) => Some(row),
            None if resumes => {
                query_as(
                    "update stream_tickets set spent_at = $3, closed_at = null, node = $4 where hash = $1
                     and spent_at is not null and (closed_at is null or closed_at > $2) returning key_id, session",
                )
                .bind(&hash)
                .bind(now.0 - REOPEN)
                .bind(now.0)
                .bind(self.node())
                .fetch_optional(&mut tx)
                .await?
            }
            None => None,
        };
        self.commit(tx).await?;
        let read = |row: TicketRow| {
            let session = match row.session {
                Some(text) => Some(unhex(&text)?),
                None => None,
            };
            Some(Ticket {
                key_id: row.key_id,
                session,
            })
        };
        Ok(opened.and_then(read))
    }

    /// The stream that the ticket opened at `opened` has ended. One that it was taken over by goes on.
    pub async fn close_ticket(&self, hash: &KeyHash, opened: Time, now: Time) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("update stream_tickets set closed_at = $3 where hash = $1 and spent_at = $2")
            .bind(hex(&hash.0))
            .bind(opened.0)
            .bind(now.0)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// Closes what is open of processes that have ended without a word: with SQLite, at a start, all that is open; where nodes share
    /// the database, what no node has that was heard of lately. One that was silent for a moment still has its streams.
    pub async fn close_lost_tickets(&self, now: Time) -> StoreResult<()> {
        let open: Option<i64> =
            query_scalar("select cast(1 as bigint) from stream_tickets where spent_at is not null and closed_at is null limit 1")
                .fetch_optional(self)
                .await?;
        if open.is_none() {
            return Ok(());
        }
        let close = match &self.0.pools {
            Pools::Sqlite { .. } => query(
                "update stream_tickets set closed_at = $1 where spent_at is not null and closed_at is null",
            )
            .bind(now.0),
            // of a node that is not heard of any more, they were open for all that is known until it was heard of last; where not even
            // that is known, until now
            Pools::Postgres { .. } => query(
                "update stream_tickets set closed_at = coalesce(
                     (select cast(extract(epoch from beat_at) * 1000000 as bigint) from nodes where nodes.id = stream_tickets.node), $1)
                 where spent_at is not null and closed_at is null and not exists (
                     select from nodes where nodes.id = stream_tickets.node
                     and beat_at >= clock_timestamp() - $2 * interval '1 microsecond')",
            )
            .bind(now.0)
            .bind(REOPEN),
        };
        let mut tx = self.begin().await?;
        close.execute(&mut tx).await?;
        self.commit(tx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            account::{Account, KeyRecord},
            key::{KeyKind, KeyText},
        },
        store::sqlite::Config,
    };

    const BEGIN: Time = Time(1_776_936_000_000_000);
    const HASH: KeyHash = KeyHash([7; 32]);

    async fn with_ticket(dir: &std::path::Path) -> Db {
        let config = Config {
            readers: 1,
            writer_cache_kb: 1_000,
            busy_seconds: 5,
            checkpoint_pages: 1_000,
        };
        let db = Db::open_sqlite(dir, &config).await.unwrap();
        let account = Account {
            id: "a".into(),
            name: "a".into(),
            plan: "alpha".into(),
            expires_at: None,
            suspended_at: None,
            created_at: BEGIN,
        };
        db.create_account(&account).await.unwrap();
        let key = KeyText::generate(KeyKind::Stream, || 7);
        let record = KeyRecord {
            id: "k".into(),
            account_id: "a".into(),
            kind: KeyKind::Stream,
            prefix: key.prefix().to_owned(),
            created_at: BEGIN,
            expires_at: None,
            revoked_at: None,
        };
        db.create_key(&record, &key).await.unwrap();
        db.add_ticket(&HASH, &opens(), after(60), BEGIN)
            .await
            .unwrap();
        db
    }

    fn opens() -> Ticket {
        Ticket {
            key_id: "k".to_owned(),
            session: None,
        }
    }

    fn after(seconds: i64) -> Time {
        BEGIN.plus(seconds * Time::SECOND)
    }

    #[tokio::test]
    async fn a_stream_taken_over_by_its_own_ticket_does_not_close_it() {
        let dir = tempfile::tempdir().unwrap();
        let db = with_ticket(dir.path()).await;
        let known = Some(opens());
        assert_eq!(
            db.spend_ticket(&HASH, false, after(1)).await.unwrap(),
            known
        );
        assert_eq!(db.spend_ticket(&HASH, true, after(9)).await.unwrap(), known);
        // the first one notices only now that its seat is gone
        db.close_ticket(&HASH, after(1), after(10)).await.unwrap();
        // long after: the second lives, and others make tickets
        let other = KeyHash([8; 32]);
        db.add_ticket(&other, &opens(), after(999), after(900))
            .await
            .unwrap();
        assert_eq!(
            db.spend_ticket(&HASH, true, after(901)).await.unwrap(),
            known
        );
        db.close_ticket(&HASH, after(901), after(902))
            .await
            .unwrap();
        assert_eq!(
            db.spend_ticket(&HASH, true, after(1203)).await.unwrap(),
            None
        );
    }
}
