//! What was written to streams: ranges of the log by connection, saved while they grow, and forgotten when they are old.

use super::{
    db::Db,
    error::StoreResult,
    sql::{QueryBuilder, query, query_as},
};
use crate::model::{delivery::Written, time::Time};

/// A range as it is read: of which process, by which key, and when that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedWrite {
    /// The process.
    pub node: String,
    /// The visible part of the key.
    pub key_prefix: String,
    /// When it was saved last.
    pub saved_at: Time,
    /// The range.
    pub written: Written,
}

#[derive(sqlx::FromRow)]
struct WriteRow {
    node: String,
    number: i64,
    connection: i64,
    account_id: String,
    key_id: String,
    prefix: String,
    epoch: String,
    after_seq: i64,
    until_seq: i64,
    filter: Option<String>,
    opened_at: i64,
    saved_at: i64,
    closed_at: Option<i64>,
}

impl From<WriteRow> for SavedWrite {
    fn from(row: WriteRow) -> Self {
        // as they were written
        let count = |kept: i64| u64::try_from(kept).unwrap_or(0);
        SavedWrite {
            written: Written {
                number: count(row.number),
                connection: count(row.connection),
                account_id: row.account_id.into(),
                key_id: row.key_id.into(),
                epoch: row.epoch.into(),
                after: row.after_seq,
                until: row.until_seq,
                filter: row.filter.map(Into::into),
                opened_at: Time(row.opened_at),
                closed_at: row.closed_at.map(Time),
            },
            node: row.node,
            key_prefix: row.prefix,
            saved_at: Time(row.saved_at),
        }
    }
}

impl Db {
    /// Saves ranges of a process, each as it is now, in one transaction that wakes nobody. Each may be there once.
    pub async fn save_writes(&self, node: &str, some: &[Written], now: Time) -> StoreResult<()> {
        if some.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let mut insert = QueryBuilder::new(
            "insert into stream_writes (node, number, connection, account_id, key_id, epoch, after_seq, until_seq, filter, opened_at,
             saved_at, closed_at) ",
        );
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        insert.push_values(some, |mut row, range| {
            row.push_bind(node)
                .push_bind(number(range.number))
                .push_bind(number(range.connection))
                .push_bind(&*range.account_id)
                .push_bind(&*range.key_id)
                .push_bind(&*range.epoch)
                .push_bind(range.after)
                .push_bind(range.until)
                .push_bind(range.filter.as_deref())
                .push_bind(range.opened_at.0)
                .push_bind(now.0)
                .push_bind(range.closed_at.map(|at| at.0));
        });
        insert.push(
            " on conflict (node, number) do update
             set until_seq = excluded.until_seq, saved_at = excluded.saved_at, closed_at = excluded.closed_at",
        );
        insert.build().execute(&mut tx).await?;
        self.commit_quietly(tx).await
    }

    /// Up to `most` ranges of an account that hold one of the seqs from `first` to `last` of a log; those that were saved last, the latest first.
    pub async fn stream_writes(
        &self,
        account: &str,
        epoch: &str,
        first: i64,
        last: i64,
        most: i64,
    ) -> StoreResult<Vec<SavedWrite>> {
        let rows: Vec<WriteRow> = query_as(
            "select w.node, w.number, w.connection, w.account_id, w.key_id, k.prefix, w.epoch, w.after_seq, w.until_seq, w.filter,
             w.opened_at, w.saved_at, w.closed_at from stream_writes w join api_keys k on k.id = w.key_id
             where w.account_id = $1 and w.epoch = $2 and w.until_seq >= $3 and w.after_seq < $4
             order by w.saved_at desc, w.node, w.number desc limit $5",
        )
        .bind(account)
        .bind(epoch)
        .bind(first)
        .bind(last)
        .bind(most)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(SavedWrite::from).collect())
    }

    /// Forgets up to `most` ranges that were saved last before a moment; how many these were.
    pub async fn forget_writes(&self, before: Time, most: i64) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        let done = query(
            "delete from stream_writes where (node, number) in (select node, number from stream_writes where saved_at < $1 limit $2)",
        )
        .bind(before.0)
        .bind(most)
        .execute(&mut tx)
        .await?;
        self.commit_quietly(tx).await?;
        Ok(done)
    }
}
