//! Requests of each key: the counters that all nodes share, reserved from ahead and corrected afterwards.

use super::{
    accounts::unhex,
    db::{Db, Tx},
    error::StoreResult,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::{
    gate::quota::{Ask, Counters, Limits},
    model::{key::KeyHash, time::Time},
};

#[derive(sqlx::FromRow)]
pub(super) struct CountersRow {
    pub(super) day: i64,
    pub(super) today: i64,
    pub(super) this_month: i64,
    pub(super) total: i64,
}

impl From<CountersRow> for Counters {
    fn from(row: CountersRow) -> Self {
        let count = |kept| u64::try_from(kept).unwrap_or(0);
        Counters {
            day: row.day,
            today: count(row.today),
            this_month: count(row.this_month),
            total: count(row.total),
        }
    }
}

/// What one key asks of its counters.
#[derive(Clone, Debug)]
pub struct KeyAsk {
    /// Which key.
    pub key_id: String,
    /// What its plan allows.
    pub limits: Limits,
    /// What is to be put right, and then reserved.
    pub ask: Ask,
}

/// A key that made requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The key.
    pub key_id: String,
    /// Its visible part.
    pub prefix: String,
    /// Its account.
    pub account_id: String,
    /// The account's name.
    pub account_name: String,
    /// The account's plan.
    pub plan: String,
    /// Reserved for it.
    pub counters: Counters,
}

#[derive(sqlx::FromRow)]
struct ConsumerRow {
    key_id: String,
    prefix: String,
    account_id: String,
    account_name: String,
    plan: String,
    day: i64,
    today: i64,
    this_month: i64,
    total: i64,
}

impl ConsumerRow {
    /// With the counters of days gone by at rest.
    fn at(self, now: Time) -> Consumer {
        let row = CountersRow {
            day: self.day,
            today: self.today,
            this_month: self.this_month,
            total: self.total,
        };
        let mut counters = Counters::from(row);
        counters.roll(now.utc_day());
        Consumer {
            key_id: self.key_id,
            prefix: self.prefix,
            account_id: self.account_id,
            account_name: self.account_name,
            plan: self.plan,
            counters,
        }
    }
}

/// A key of an account, and its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// The key.
    pub key_id: String,
    /// Its digest.
    pub hash: KeyHash,
    /// Reserved for it.
    pub counters: Counters,
    /// The last day on which it made requests, as far as that is kept.
    pub last_day: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct KeyUsageRow {
    key_id: String,
    hash: String,
    day: i64,
    today: i64,
    this_month: i64,
    total: i64,
    last_day: Option<i64>,
}

const CONSUMER: &str = "select u.key_id, k.prefix, k.account_id, a.name as account_name, a.plan, u.day, u.today,
    u.this_month, u.total from usage_counters u join api_keys k on k.id = u.key_id join accounts a on a.id = k.account_id";

/// By what consumers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSort {
    /// The most requests today.
    Today,
    /// The most requests ever.
    Total,
}

impl Db {
    /// Corrects and reserves for many keys in one transaction: for each the counters as they are then, and how many of
    /// what it wanted are its own. When this returns they are on disk. No reader of log or access is woken.
    pub async fn reserve_usage(
        &self,
        asks: &[KeyAsk],
        now: Time,
    ) -> StoreResult<Vec<(Counters, u64)>> {
        let mut tx = self.begin().await?;
        let mut granted = Vec::with_capacity(asks.len());
        // always in the order of keys: two nodes that hold some of the same ones would wait for each other
        let mut order: Vec<usize> = (0..asks.len()).collect();
        order.sort_unstable_by_key(|at| &asks[*at].key_id); // each is a place of `asks`
        for at in order {
            granted.push((at, tx.reserve_usage(&asks[at], now).await?));
        }
        granted.sort_unstable_by_key(|(at, _)| *at);
        self.commit_quietly(tx).await?;
        Ok(granted.into_iter().map(|(_, given)| given).collect())
    }

    /// Those who made the most requests.
    pub async fn top_consumers(
        &self,
        sort: UsageSort,
        limit: u32,
        offset: u64,
        now: Time,
    ) -> StoreResult<Vec<Consumer>> {
        let mut query = QueryBuilder::new(CONSUMER);
        query.push(" order by ");
        if sort == UsageSort::Today {
            query.push("case when u.day >= ").push_bind(now.utc_day());
            query.push(" then u.today else 0 end desc, ");
        }
        query
            .push("u.total desc, u.key_id limit ")
            .push_bind(i64::from(limit));
        query
            .push(" offset ")
            .push_bind(i64::try_from(offset).unwrap_or(i64::MAX));
        let rows: Vec<ConsumerRow> = query.build_query_as().fetch_all(self).await?;
        Ok(rows.into_iter().map(|row| row.at(now)).collect())
    }

    /// The keys of an account that ever made a request, with their counters as they are at `now`.
    pub async fn usage_of_account(&self, account: &str, now: Time) -> StoreResult<Vec<KeyUsage>> {
        let rows: Vec<KeyUsageRow> = query_as(
            "select u.key_id, k.hash, u.day, u.today, u.this_month, u.total,
             (select max(d.day) from usage_days d where d.key_id = u.key_id and d.requests > 0) as last_day
             from api_keys k join usage_counters u on u.key_id = k.id where k.account_id = $1",
        )
        .bind(account)
        .fetch_all(self)
        .await?;
        let read = rows.into_iter().filter_map(|row| {
            let kept = CountersRow {
                day: row.day,
                today: row.today,
                this_month: row.this_month,
                total: row.total,
            };
            let mut counters = Counters::from(kept);
            counters.roll(now.utc_day());
            Some(KeyUsage {
                hash: unhex(&row.hash)?,
                key_id: row.key_id,
                counters,
                last_day: row.last_day,
            })
        });
        Ok(read.collect())
    }

    /// How many keys ever made a request.
    pub async fn count_consumers(&self) -> StoreResult<u64> {
        let count: i64 = query_scalar("select count(*) from usage_counters")
            .fetch_one(self)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl Tx {
    async fn reserve_usage(&mut self, ask: &KeyAsk, now: Time) -> StoreResult<(Counters, u64)> {
        // the insert holds the row, new or known, until the commit: no other node reads the same count
        let row: CountersRow = query_as(
            "insert into usage_counters (key_id, day, today, this_month, total) values ($1, $2, 0, 0, 0)
             on conflict (key_id) do update set key_id = excluded.key_id
             returning day, today, this_month, total",
        )
        .bind(&ask.key_id)
        .bind(now.utc_day())
        .fetch_one(&mut *self)
        .await?;
        let mut counters = Counters::from(row);
        for correction in &ask.ask.corrections {
            counters.correct(*correction);
        }
        counters.roll(now.utc_day());
        let granted = counters.reserve(ask.ask.want, ask.limits);
        let kept = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        query(
            "update usage_counters set day = $2, today = $3, this_month = $4, total = $5 where key_id = $1",
        )
        .bind(&ask.key_id)
        .bind(counters.day)
        .bind(kept(counters.today))
        .bind(kept(counters.this_month))
        .bind(kept(counters.total))
        .execute(&mut *self)
        .await?;
        self.note_usage(&ask.key_id, &ask.ask.corrections, counters.day, granted)
            .await?;
        Ok((counters, granted))
    }
}
