//! What the consensus engine keeps: positions, closed positions, mints and episodes; loaded by need, stored by change.

use std::{collections::HashMap, sync::Arc};

use super::{
    db::Tx,
    error::{StoreError, StoreResult},
    facts::{read_fact, subject_of},
    record_row::{
        EpisodeRow, PositionRow, read_closed, write_closed, write_lots, write_reached,
        write_triggers,
    },
    sql::{QueryBuilder, query, query_as},
};
use crate::{
    model::{
        swap::{Address, Fact},
        time::Time,
    },
    score::record::{
        Changes, ClosedRecord, EpisodeRecord, MintRecord, MintState, PositionRecord, WalletRecord,
    },
};

const KEYS_PER_STATEMENT: usize = 200;
const ROWS_PER_STATEMENT: usize = 500;
const PAIRS_PER_STATEMENT: usize = 100;
/// Closed positions count for 30 days; one more for events out of order.
const CLOSED_KEPT: i64 = 31 * Time::DAY;
/// The window, the late events, and some.
const RECENT_KEPT: i64 = 100 * Time::SECOND;
const EPISODES_KEPT: i64 = 2 * 3600 * Time::SECOND;

impl Tx {
    /// Wallets as they stood after every fact that arrived before `arrival`.
    pub async fn load_wallets(
        &mut self,
        wallets: &[Address],
        arrival: i64,
    ) -> StoreResult<Vec<(Address, WalletRecord)>> {
        let mut records: HashMap<&str, WalletRecord> = wallets
            .iter()
            .map(|wallet| (&**wallet, WalletRecord::default()))
            .collect();
        for some in wallets.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select * from positions where wallet in (");
            push_list(&mut query, some);
            let rows: Vec<PositionRow> = query.build_query_as().fetch_all(&mut *self).await?;
            for row in rows {
                if let Some(record) = records.get_mut(row.wallet.as_str()) {
                    record.positions.push(row.read()?);
                }
            }
            for (wallet, closed) in self.recently_closed(some).await? {
                if let Some(record) = records.get_mut(wallet.as_str()) {
                    record.closed = closed;
                }
            }
            for fact in self.facts_of(some, 3, arrival).await? {
                if let Fact::Wallet(fact) = fact
                    && let Some(record) = records.get_mut(&*fact.wallet)
                {
                    record.facts.push(fact);
                }
            }
        }
        Ok(wallets
            .iter()
            .map(|wallet| {
                (
                    wallet.clone(),
                    records.remove(&**wallet).unwrap_or_default(),
                )
            })
            .collect())
    }

    /// Mints as they stood after every fact that arrived before `arrival`.
    pub async fn load_mints(
        &mut self,
        mints: &[Address],
        arrival: i64,
    ) -> StoreResult<Vec<(Address, MintRecord)>> {
        let mut records: HashMap<&str, MintRecord> = mints
            .iter()
            .map(|mint| (&**mint, MintRecord::default()))
            .collect();
        for some in mints.chunks(KEYS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("select mint, high_water, prices from mints where mint in (");
            push_list(&mut query, some);
            let rows: Vec<(String, i64, String)> =
                query.build_query_as().fetch_all(&mut *self).await?;
            let mut seen: Vec<Address> = Vec::new();
            for (mint, high_water, prices) in rows {
                if let Some(record) = records.get_mut(mint.as_str()) {
                    record.state = MintState {
                        high_water: Time(high_water),
                        prices,
                    };
                    seen.push(mint.into());
                }
            }
            for fact in self.facts_of(some, 2, arrival).await? {
                if let Fact::Token(fact) = fact
                    && let Some(record) = records.get_mut(&*fact.mint)
                {
                    record.facts.push(fact);
                }
            }
            // windows and episodes exist only where a mint has a state
            for mint in seen {
                if let Some(record) = records.get_mut(&*mint) {
                    record.recent = self
                        .recent_swaps(&mint, record.state.high_water, arrival)
                        .await?;
                    record.episodes = self.recent_episodes(&mint, record.state.high_water).await?;
                }
            }
        }
        Ok(mints
            .iter()
            .map(|mint| (mint.clone(), records.remove(&**mint).unwrap_or_default()))
            .collect())
    }

    /// Per wallet, what it closed in the month before the latest that it closed.
    async fn recently_closed(
        &mut self,
        wallets: &[Address],
    ) -> StoreResult<Vec<(String, Vec<ClosedRecord>)>> {
        let mut query = QueryBuilder::new("with asked (wallet) as (");
        query.push_values(wallets, |mut row, wallet| {
            row.push_bind(wallet.to_string());
        });
        // a row is found by its latest, and holds no later ones: none that counts is left out
        query.push(
            ") select asked.wallet, string_agg(one.closed, '') from asked join closed_positions as one on one.wallet = asked.wallet
             and one.closed_at >= (select max(closed_at) from closed_positions as all_of where all_of.wallet = asked.wallet) - ",
        );
        query.push_bind(CLOSED_KEPT).push(" group by asked.wallet");
        let rows: Vec<(String, String)> = query.build_query_as().fetch_all(&mut *self).await?;
        let read = rows.into_iter().map(|(wallet, text)| {
            let mut closed = read_closed(&text).ok_or_else(|| {
                StoreError::corrupt(format!("closed positions of {wallet}"), "bad text")
            })?;
            closed.sort_by_key(|closed| closed.closed_at);
            let latest = closed.last().map_or(Time(0), |last| last.closed_at);
            let oldest = latest.plus(-CLOSED_KEPT);
            closed.retain(|closed| closed.closed_at >= oldest);
            Ok((wallet, closed))
        });
        read.collect()
    }

    /// Facts of a kind about any of these mints (or wallets), each list by time.
    async fn facts_of(
        &mut self,
        about: &[Address],
        kind: i64,
        arrival: i64,
    ) -> StoreResult<Vec<Fact>> {
        let mut query = QueryBuilder::new("select arrival, body from facts where subject in (");
        let mut list = query.separated(", ");
        for address in about {
            list.push_bind(subject_of(address));
        }
        query
            .push(") and kind = ")
            .push_bind(kind)
            .push(" and arrival < ")
            .push_bind(arrival);
        query.push(" order by time, arrival");
        let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&mut *self).await?;
        rows.into_iter()
            .map(|(arrival, body)| read_fact(arrival, &body))
            .collect()
    }

    async fn recent_swaps(
        &mut self,
        mint: &Address,
        high_water: Time,
        arrival: i64,
    ) -> StoreResult<Vec<Fact>> {
        let rows: Vec<(i64, String)> = query_as(
            "select arrival, body from facts where subject = $1 and kind = 0 and time >= $2 and arrival < $3 order by arrival",
        )
        .bind(subject_of(mint))
        .bind(high_water.0 - RECENT_KEPT)
        .bind(arrival)
        .fetch_all(&mut *self)
        .await?;
        let facts = rows
            .into_iter()
            .map(|(arrival, body)| read_fact(arrival, &body));
        // another mint may share the digest
        facts
            .filter(|fact| fact.as_ref().map_or(true, |fact| fact.mint() == Some(mint)))
            .collect()
    }

    async fn recent_episodes(
        &mut self,
        mint: &str,
        high_water: Time,
    ) -> StoreResult<Vec<EpisodeRecord>> {
        let rows: Vec<EpisodeRow> = query_as(
            "select * from episodes where mint = $1 and (opened_at >= $2
             or ordinal = (select max(ordinal) from episodes where mint = $1)) order by ordinal",
        )
        .bind(mint)
        .bind(high_water.0 - EPISODES_KEPT)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter().map(EpisodeRow::read).collect()
    }

    /// Stores what applying facts changed. An episode that another engine opened in the meantime is a conflict: an
    /// error, so that the whole transaction goes.
    pub async fn store_changes(&mut self, changes: &Changes) -> StoreResult<()> {
        self.store_positions(&changes.positions).await?;
        self.store_closed(&changes.closed).await?;
        for chunk in changes.mints.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into mints (mint, high_water, prices) ");
            query.push_values(chunk, |mut row, (mint, state)| {
                row.push_bind(&**mint)
                    .push_bind(state.high_water.0)
                    .push_bind(&state.prices);
            });
            query.push(" on conflict (mint) do update set high_water = excluded.high_water, prices = excluded.prices");
            query.build().execute(&mut *self).await?;
        }
        for (mint, episode) in &changes.episodes {
            self.store_episode(mint, episode).await?;
        }
        Ok(())
    }

    async fn store_positions(
        &mut self,
        positions: &[(Address, Address, Option<PositionRecord>)],
    ) -> StoreResult<()> {
        // in the order of the table: those that share a page come one after the other
        let mut sorted: Vec<_> = positions.iter().collect();
        sorted.sort_unstable_by_key(|(wallet, mint, _)| (wallet, mint));
        let kept: Vec<_> = (sorted.iter())
            .filter_map(|(wallet, _, position)| Some((wallet, position.as_ref()?)))
            .collect();
        for chunk in kept.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into positions (wallet, mint, opened_at, last_buy_at, peak, lots, cost_sold, proceeds, unmatched) ",
            );
            query.push_values(chunk, |mut row, (wallet, position)| {
                row.push_bind(&***wallet)
                    .push_bind(&*position.mint)
                    .push_bind(position.opened_at.0)
                    .push_bind(position.last_buy_at.0)
                    .push_bind(position.peak.to_string())
                    .push_bind(write_lots(&position.lots))
                    .push_bind(position.cost_sold.0)
                    .push_bind(position.proceeds.0)
                    .push_bind(position.unmatched.to_string());
            });
            query.push(
                " on conflict (wallet, mint) do update set opened_at = excluded.opened_at, last_buy_at = excluded.last_buy_at,
                 peak = excluded.peak, lots = excluded.lots, cost_sold = excluded.cost_sold, proceeds = excluded.proceeds,
                 unmatched = excluded.unmatched",
            );
            query.build().execute(&mut *self).await?;
        }
        let gone: Vec<_> = (sorted.iter())
            .filter(|(_, _, position)| position.is_none())
            .collect();
        // spelled out: a list of pairs would be looked for in every row of the table
        for chunk in gone.chunks(PAIRS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("delete from positions where ");
            for (number, (wallet, mint, _)) in chunk.iter().enumerate() {
                query.push(if number == 0 {
                    "(wallet = "
                } else {
                    " or (wallet = "
                });
                query.push_bind(&**wallet).push(" and mint = ");
                query.push_bind(&**mint).push(")");
            }
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn store_closed(&mut self, closed: &[(Address, Vec<ClosedRecord>)]) -> StoreResult<()> {
        let mut rows = Vec::new();
        for (wallet, list) in closed {
            // a row for a day at most: of more, little would count by the time that they are read
            let mut list = list.clone();
            list.sort_by_key(|closed| closed.closed_at);
            rows.extend(
                (list.chunk_by(|a, b| {
                    a.closed_at.0.div_euclid(Time::DAY) == b.closed_at.0.div_euclid(Time::DAY)
                }))
                .filter_map(|day| Some((wallet, day.last()?.closed_at.0, write_closed(day)))),
            );
        }
        rows.sort_unstable();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("insert into closed_positions (wallet, closed_at, closed) ");
            query.push_values(chunk, |mut row, (wallet, closed_at, text)| {
                row.push_bind(&***wallet)
                    .push_bind(*closed_at)
                    .push_bind(text);
            });
            query.push(
                " on conflict (wallet, closed_at) do update set closed = closed_positions.closed || excluded.closed",
            );
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn store_episode(&mut self, mint: &str, episode: &EpisodeRecord) -> StoreResult<()> {
        // only the episode's own id may be updated: a rival's episode of the same ordinal fails on the primary key
        query(
            "insert into episodes (mint, ordinal, id, seed, opened_at, updates, last_pool, exited, reached, triggers)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (id) do update set updates = excluded.updates, last_pool = excluded.last_pool,
             exited = excluded.exited, reached = excluded.reached, triggers = excluded.triggers",
        )
        .bind(mint)
        .bind(episode.ordinal)
        .bind(episode.id.to_string())
        .bind(&episode.seed)
        .bind(episode.opened_at.0)
        .bind(episode.updates)
        .bind(episode.last_pool)
        .bind(episode.exited)
        .bind(write_reached(&episode.reached))
        .bind(write_triggers(&episode.triggers)?)
        .execute(&mut *self)
        .await?;
        Ok(())
    }
}

fn push_list(query: &mut QueryBuilder, keys: &[Arc<str>]) {
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind(key.to_string());
    }
    query.push(")");
}
