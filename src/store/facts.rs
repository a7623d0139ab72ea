//! Facts: appended in order of arrival, each once; and back in that order.

use std::collections::BTreeMap;

use super::{
    db::{Db, Lane, Tx},
    error::{StoreError, StoreResult},
    fact_keys::Into,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{
    fact_line,
    swap::{Fact, SolPrice},
    time::Time,
};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

/// A fact in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFact {
    /// When in the order: grows.
    pub arrival: i64,
    /// Builds books, fires nothing.
    pub backfill: bool,
    /// The fact.
    pub fact: Fact,
}

/// The price of SOL over time, as far as a batch needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolPrices(BTreeMap<Time, Decimal>);

impl SolPrices {
    /// Adds a price.
    pub fn insert(&mut self, price: SolPrice) {
        self.0.insert(price.time, price.usd);
    }

    /// The latest price at or before a time.
    #[must_use]
    pub fn at(&self, time: Time) -> Option<Decimal> {
        self.0.range(..=time).next_back().map(|(_, usd)| *usd)
    }
}

const ROWS_PER_STATEMENT: usize = 500;

fn kind(fact: &Fact) -> i64 {
    match fact {
        Fact::Swap(_) => 0,
        Fact::Transfer(_) => 1,
        Fact::Token(_) => 2,
        Fact::Wallet(_) => 3,
        Fact::SolPrice(_) => 4,
    }
}

/// Under which number a mint's or wallet's facts are found: the first 64 bits of its SHA-256. Others may share it.
pub(crate) fn subject_of(address: &str) -> i64 {
    let digest: [u8; 32] = Sha256::digest(address.as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

fn subject(fact: &Fact) -> i64 {
    match fact {
        Fact::Wallet(wallet) => subject_of(&wallet.wallet),
        other => other.mint().map_or(0, |mint| subject_of(mint)),
    }
}

impl Tx {
    /// Appends facts whose amounts are in dollars. Per fact its arrival, or `None` where it was known already.
    pub async fn append_facts(
        &mut self,
        facts: &[Fact],
        backfill: bool,
        now: Time,
    ) -> StoreResult<Vec<Option<i64>>> {
        self.append(facts, backfill, now, Into::Place).await
    }

    /// The same for thousands at a time. Their keys wait for [`Tx::place_keys`], in pieces and in the end for all of them.
    pub async fn append_facts_in_bulk(
        &mut self,
        facts: &[Fact],
        backfill: bool,
        now: Time,
    ) -> StoreResult<Vec<Option<i64>>> {
        self.append(facts, backfill, now, Into::Waiting).await
    }

    async fn append(
        &mut self,
        facts: &[Fact],
        backfill: bool,
        now: Time,
        keys: Into,
    ) -> StoreResult<Vec<Option<i64>>> {
        self.alone_in(Lane::Facts).await?;
        let known_by: Vec<_> = facts.iter().map(Fact::key).collect();
        let is_new = self.note_keys(&known_by, keys).await?;
        let mut next = self.last_arrival().await?;
        let arrivals = is_new.iter().map(|is_new| {
            next += i64::from(*is_new);
            is_new.then_some(next)
        });
        let arrivals: Vec<Option<i64>> = arrivals.collect();
        let new = facts.iter().zip(&arrivals);
        let new: Vec<_> = new
            .filter_map(|(fact, place)| Some((fact, (*place)?)))
            .collect();
        for chunk in new.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into facts (arrival, kind, subject, time, arrived_at, backfill, body) ",
            );
            query.push_values(chunk, |mut row, (fact, arrival)| {
                row.push_bind(*arrival)
                    .push_bind(kind(fact))
                    .push_bind(subject(fact))
                    .push_bind(fact.time().0)
                    .push_bind(now.0)
                    .push_bind(backfill)
                    .push_bind(fact_line::write(fact));
            });
            query.build().execute(&mut *self).await?;
        }
        if !new.is_empty() {
            // the node that runs the engine applies them
            self.tell_all();
        }
        Ok(arrivals)
    }

    /// Arrival of the last fact; 0 before the first.
    pub async fn last_arrival(&mut self) -> StoreResult<i64> {
        query_scalar("select coalesce(max(arrival), 0) from facts")
            .fetch_one(&mut *self)
            .await
    }

    /// Facts beyond an arrival, in order.
    pub async fn facts_after(
        &mut self,
        arrival: i64,
        limit: usize,
    ) -> StoreResult<Vec<StoredFact>> {
        let rows: Vec<(i64, bool, String)> = query_as(
            "select arrival, backfill, body from facts where arrival > $1 order by arrival limit $2",
        )
        .bind(arrival)
        .bind(limit as i64)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter()
            .map(|(arrival, backfill, body)| {
                Ok(StoredFact {
                    arrival,
                    backfill,
                    fact: read_fact(arrival, &body)?,
                })
            })
            .collect()
    }

    /// The prices of SOL that hold from `from` to `to`.
    pub async fn sol_prices(&mut self, from: Time, to: Time) -> StoreResult<SolPrices> {
        let bodies: Vec<(i64, String)> = query_as(
            "select arrival, body from facts where subject = 0 and kind = 4 and time <= $2 and time >= coalesce(
                (select max(time) from facts where subject = 0 and kind = 4 and time <= $1), $1)",
        )
        .bind(from.0)
        .bind(to.0)
        .fetch_all(&mut *self)
        .await?;
        let mut prices = SolPrices::default();
        for (arrival, body) in bodies {
            if let Fact::SolPrice(price) = read_fact(arrival, &body)? {
                prices.insert(price);
            }
        }
        Ok(prices)
    }

    /// Arrival of the last fact that is in an engine's stored state.
    pub async fn engine_cursor(&mut self, engine: &str) -> StoreResult<i64> {
        let cursor: Option<i64> = query_scalar("select cursor from engines where name = $1")
            .bind(engine)
            .fetch_optional(&mut *self)
            .await?;
        cursor.ok_or_else(|| StoreError::corrupt(format!("engine {engine}"), "it has no row"))
    }

    /// Moves an engine's cursor on.
    pub async fn set_engine_cursor(&mut self, engine: &str, arrival: i64) -> StoreResult<()> {
        query("update engines set cursor = $2 where name = $1")
            .bind(engine)
            .bind(arrival)
            .execute(&mut *self)
            .await?;
        Ok(())
    }
}

impl Db {
    /// Whether facts wait that an engine has not applied: beyond `applied`, the arrival up to which it has, or where it is not
    /// given, up to which its state is stored.
    pub async fn has_unapplied_facts(
        &self,
        engine: &str,
        applied: Option<i64>,
    ) -> StoreResult<bool> {
        let waiting: Option<i64> =  query_scalar("select cast(1 as bigint) from facts where arrival > coalesce($2, (select cursor from engines where name = $1)) limit 1")
                .bind(engine).bind(applied).fetch_optional(self).await?;
        Ok(waiting.is_some())
    }

    /// How many facts there are.
    pub async fn count_facts(&self) -> StoreResult<i64> {
        query_scalar("select count(*) from facts")
            .fetch_one(self)
            .await
    }
}

pub(crate) fn read_fact(arrival: i64, body: &str) -> StoreResult<Fact> {
    fact_line::parse(body.as_bytes()).map_err(|e| StoreError::corrupt(format!("fact {arrival}"), e))
}
