//! Which facts are known: the keys of all of them, in two tables of which the second takes what comes in bulk.

use std::collections::HashSet;

use super::{
    db::Tx,
    error::StoreResult,
    sql::{QueryBuilder, query},
};
use crate::model::swap::FactKey;

const KEYS_PER_STATEMENT: usize = 1_000;

/// Where new keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Into {
    /// Into their place among all others.
    Place,
    /// Among those that wait for [`Tx::place_keys`]: few enough that many of them share a page.
    Waiting,
}

/// With batches of ten thousand facts: the pages that the waiting keys fill are about as many as those that one stretch of placed
/// ones fills, where a batch writes the fewest pages in all.
const FACTS_PER_PART_SQUARED: u64 = 5_000;

/// How far the waiting keys are put into their place: at which upper half the next stretch begins. It goes round and round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placing(u64);

impl Placing {
    /// Whether the next stretch is the first.
    #[must_use]
    pub fn is_at_start(self) -> bool {
        self.0 == 0
    }

    /// Bounds of the next stretch, both within: one of `parts` that all upper halves are in, or what is left up to the last.
    fn next(&mut self, parts: u64) -> (i64, i64) {
        let (from, length) = (self.0, u64::MAX / parts.max(1));
        let to = from.saturating_add(length);
        self.0 = to.wrapping_add(1); // after the last the first
        // in the order of signed numbers, in which the database has them
        let signed = |half: u64| (half ^ (1 << 63)).cast_signed();
        (signed(from), signed(to))
    }
}

type Halves = (i64, i64);

fn halves(key: &FactKey) -> Halves {
    let key = u128::from_be_bytes(key.0);
    ((key >> 64) as i64, key as i64)
}

/// The beginning of a statement about these keys.
fn asked(keys: &[Halves]) -> QueryBuilder {
    let mut query = QueryBuilder::new("with asked (high, low) as (");
    query.push_values(keys, |mut row, (high, low)| {
        row.push_bind(*high).push_bind(*low);
    });
    query.push(")");
    query
}

impl Tx {
    /// Notes keys. Per key whether it is new: neither known before nor an earlier one of these.
    pub(crate) async fn note_keys(
        &mut self,
        keys: &[FactKey],
        into: Into,
    ) -> StoreResult<Vec<bool>> {
        // in the order of the tables: what shares a page comes one after the other
        let mut sorted: Vec<Halves> = keys.iter().map(halves).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut new = match into {
            Into::Place => self.place_new_keys(&sorted).await?,
            Into::Waiting => self.add_new_keys(sorted).await?,
        };
        // of equal ones, the first
        Ok(keys.iter().map(|key| new.remove(&halves(key))).collect())
    }

    /// One statement, and each key that is new comes back: for few, where every statement is time that a signal takes.
    async fn place_new_keys(&mut self, keys: &[Halves]) -> StoreResult<HashSet<Halves>> {
        let mut new = HashSet::new();
        for chunk in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = asked(chunk);
            query.push(
                " insert into fact_keys (key_high, key_low) select high, low from asked
                 where not exists (select 1 from fact_keys_recent where key_high = high and key_low = low)
                 on conflict do nothing returning key_high, key_low",
            );
            let rows: Vec<Halves> = query.build_query_as().fetch_all(&mut *self).await?;
            new.extend(rows);
        }
        Ok(new)
    }

    /// Two statements, and only what is known comes back: for many, almost all of them new.
    async fn add_new_keys(&mut self, mut keys: Vec<Halves>) -> StoreResult<HashSet<Halves>> {
        let known = self.known_keys(&keys).await?;
        keys.retain(|key| !known.contains(key));
        for chunk in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into fact_keys_recent (key_high, key_low) ");
            query.push_values(chunk, |mut row, (high, low)| {
                row.push_bind(*high).push_bind(*low);
            });
            query.build().execute(&mut *self).await?;
        }
        Ok(keys.into_iter().collect())
    }

    async fn known_keys(&mut self, keys: &[Halves]) -> StoreResult<HashSet<Halves>> {
        let mut known = HashSet::new();
        for chunk in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = asked(chunk);
            query.push(
                " select high, low from asked
                 where exists (select 1 from fact_keys where key_high = high and key_low = low)
                 or exists (select 1 from fact_keys_recent where key_high = high and key_low = low)",
            );
            let rows: Vec<Halves> = query.build_query_as().fetch_all(&mut *self).await?;
            known.extend(rows);
        }
        Ok(known)
    }

    /// Puts some of the waiting keys into their place: those of the next stretch of all that a key can be. As each one comes up
    /// again after a while, and the more seldom the more facts there are, neither the keys that wait nor the pages that they go to
    /// are many.
    pub async fn place_some_keys(&mut self, placing: &mut Placing) -> StoreResult<()> {
        let facts = self.last_arrival().await?.unsigned_abs();
        let parts = (facts / FACTS_PER_PART_SQUARED).isqrt() + 1;
        self.place_keys(placing, parts).await
    }

    /// Puts the waiting keys of the next stretch into their place: one of `parts` that all of them are in.
    pub async fn place_keys(&mut self, placing: &mut Placing, parts: u64) -> StoreResult<()> {
        let (from, to) = placing.next(parts);
        for sql in [
            "insert into fact_keys (key_high, key_low) select key_high, key_low from fact_keys_recent
             where key_high >= $1 and key_high <= $2 order by key_high, key_low",
            "delete from fact_keys_recent where key_high >= $1 and key_high <= $2",
        ] {
            let query = query(sql).bind(from).bind(to);
            query.execute(&mut *self).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_meet_and_come_round() {
        for parts in [1, 2, 3, 7, 32, 1_000] {
            let mut placing = Placing::default();
            let mut expected = i64::MIN;
            for round in 1.. {
                let (from, to) = placing.next(parts);
                assert_eq!(from, expected);
                assert!(to >= from && round <= parts + 1);
                if placing.is_at_start() {
                    assert_eq!(to, i64::MAX);
                    break;
                }
                expected = to + 1;
            }
        }
    }
}
