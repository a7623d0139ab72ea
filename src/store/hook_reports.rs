//! Webhooks as their owners see them: attempts, messages that failed, and how many wait.

use std::collections::HashMap;

use super::{
    db::Db,
    error::StoreResult,
    hook_messages::{Attempt, Message, MessageRow},
    sql::{QueryBuilder, query_as, query_scalar},
};
use crate::model::time::Time;

/// An attempt as it is listed: the number grows with time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub id: i64,
    /// What was made.
    pub attempt: Attempt,
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    id: i64,
    seq: Option<i64>,
    signal_id: String,
    attempt: i64,
    at: i64,
    took: i64,
    status: Option<i64>,
    error: Option<String>,
    answer: Option<String>,
}

impl From<AttemptRow> for Listed {
    fn from(row: AttemptRow) -> Self {
        Listed {
            id: row.id,
            attempt: Attempt {
                seq: row.seq,
                signal_id: row.signal_id,
                attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
                at: Time(row.at),
                took: row.took,
                status: row.status.and_then(|status| u16::try_from(status).ok()),
                error: row.error,
                answer: row.answer,
            },
        }
    }
}

/// Messages of one endpoint that are not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// To be sent again.
    pub waiting: i64,
    /// Given up.
    pub failed: i64,
}

#[derive(sqlx::FromRow)]
struct UnansweredRow {
    hook_id: String,
    waiting: i64,
    failed: i64,
}

/// Endpoints in one statement.
const MANY: usize = 500;
const ATTEMPT: &str =
    "select id, seq, signal_id, attempt, at, took, status, error, answer from hook_attempts";

impl Db {
    /// What is not answered of each of these endpoints; those with nothing of the kind are not named.
    pub async fn unanswered(&self, hook_ids: &[&str]) -> StoreResult<HashMap<String, Unanswered>> {
        let mut found = HashMap::new();
        for some in hook_ids.chunks(MANY) {
            let mut query = QueryBuilder::new(
                "select hook_id, count(next_at) as waiting, count(*) - count(next_at) as failed from hook_messages where hook_id in (",
            );
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(*id);
            }
            query.push(") group by hook_id");
            let rows: Vec<UnansweredRow> = query.build_query_as().fetch_all(self).await?;
            found.extend(rows.into_iter().map(|row| {
                let (waiting, failed) = (row.waiting, row.failed);
                (row.hook_id, Unanswered { waiting, failed })
            }));
        }
        Ok(found)
    }

    /// Up to `most` messages of an endpoint that failed, in order, without the first `offset`.
    pub async fn failed_messages(
        &self,
        hook_id: &str,
        most: i64,
        offset: i64,
    ) -> StoreResult<Vec<Message>> {
        let rows: Vec<MessageRow> = query_as(
            "select seq, signal_id, attempts, first_at, next_at from hook_messages
             where hook_id = $1 and next_at is null order by seq limit $2 offset $3",
        )
        .bind(hook_id)
        .bind(most)
        .bind(offset)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(Message::from).collect())
    }

    /// Up to `most` attempts of an endpoint, the latest first: at one signal, where its seq is named; before the one with a number, where one is.
    pub async fn attempts(
        &self,
        hook_id: &str,
        seq: Option<i64>,
        before: Option<i64>,
        most: i64,
    ) -> StoreResult<Vec<Listed>> {
        let mut query = QueryBuilder::new(ATTEMPT);
        query.push(" where hook_id = ").push_bind(hook_id);
        if let Some(seq) = seq {
            query.push(" and seq = ").push_bind(seq);
        }
        if let Some(before) = before {
            query.push(" and id < ").push_bind(before);
        }
        query.push(" order by id desc limit ").push_bind(most);
        let rows: Vec<AttemptRow> = query.build_query_as().fetch_all(self).await?;
        Ok(rows.into_iter().map(Listed::from).collect())
    }

    /// One attempt of an endpoint.
    pub async fn attempt(&self, hook_id: &str, id: i64) -> StoreResult<Option<Listed>> {
        let mut query = QueryBuilder::new(ATTEMPT);
        query.push(" where hook_id = ").push_bind(hook_id);
        query.push(" and id = ").push_bind(id);
        let row: Option<AttemptRow> = query.build_query_as().fetch_optional(self).await?;
        Ok(row.map(Listed::from))
    }

    /// Notes an attempt that belongs to no message, a test; its number. `None`: the endpoint is gone.
    pub async fn add_attempt(&self, hook_id: &str, made: &Attempt) -> StoreResult<Option<i64>> {
        let mut tx = self.begin().await?;
        let id = query_scalar(
            "insert into hook_attempts (hook_id, seq, signal_id, attempt, at, took, status, error, answer)
             select id, $2, $3, $4, $5, $6, $7, $8, $9 from hooks where id = $1 returning id",
        )
        .bind(hook_id)
        .bind(made.seq)
        .bind(&made.signal_id)
        .bind(i64::from(made.attempt))
        .bind(made.at.0)
        .bind(made.took)
        .bind(made.status.map(i64::from))
        .bind(&made.error)
        .bind(&made.answer)
        .fetch_optional(&mut tx)
        .await?;
        self.commit(tx).await?;
        Ok(id)
    }
}
