//! The signal log: gapless append, idempotent by id; and every way to it.

use std::sync::Arc;

use super::{
    db::{Brief, Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{
    log::{LogFuture, LogHead, LogPart, LogRead, LogRow, LogUnavailable, Lost},
    publish::NewSignal,
    signal::Facets,
    time::Time,
};

/// What became of one published signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// Its place in the log; of a known id, the place it had already.
    pub seq: i64,
    /// Whether the id was known.
    pub duplicate: bool,
}

/// Narrows a listing in SQL to a superset of what a filter passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Narrow {
    /// `signal_type` is one of these; empty is any.
    pub types: Vec<String>,
    /// 0 for D to 4 for S.
    pub min_rank: Option<i64>,
    /// At least this score.
    pub min_score: Option<f64>,
    /// `token.address`
    pub token: Option<String>,
    /// `market`
    pub market: Option<String>,
    /// `published_at` at or after.
    pub since: Option<Time>,
    /// `published_at` at or before.
    pub until: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct SignalRow {
    seq: i64,
    published_at: i64,
    body: String,
}

#[derive(sqlx::FromRow)]
struct PartRow {
    epoch: String,
    head: i64,
    seq: Option<i64>,
    published_at: Option<i64>,
    body: Option<String>,
}

impl From<SignalRow> for LogRow {
    fn from(row: SignalRow) -> Self {
        LogRow {
            seq: row.seq,
            published_at: Time(row.published_at),
            body: row.body.into(),
        }
    }
}

impl Db {
    /// Draws the log's epoch if it has none yet. `epoch`: 8 hex digits.
    pub async fn name_log(&self, epoch: &str, now: Time) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query(
            "insert into log_head (only_row, epoch, seq, published_at) values (1, $1, 0, $2)
             on conflict (only_row) do nothing",
        )
        .bind(epoch)
        .bind(now.to_whole_ms().0)
        .execute(&mut tx)
        .await?;
        query("insert into log_tail (only_row, oldest) values (1, 1) on conflict (only_row) do nothing")
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// Appends signals in one transaction of their own. All or nothing; known ids are answered, not appended again.
    pub async fn publish(&self, signals: &[NewSignal], now: Time) -> StoreResult<Vec<Published>> {
        let mut tx = self.begin().await?;
        let published = tx.publish(signals, now).await?;
        self.commit(tx).await?;
        Ok(published)
    }

    /// One row by its seq.
    pub async fn signal_by_seq(&self, seq: i64) -> StoreResult<Option<LogRow>> {
        let row: Option<SignalRow> =
            query_as("select seq, published_at, body from signals where seq = $1")
                .bind(seq)
                .fetch_optional(self)
                .await?;
        Ok(row.map(LogRow::from))
    }

    /// One row by its id (lower case).
    pub async fn signal_by_id(&self, id: &str) -> StoreResult<Option<LogRow>> {
        let row: Option<SignalRow> =
            query_as("select seq, published_at, body from signals where id = $1")
                .bind(id)
                .fetch_optional(self)
                .await?;
        Ok(row.map(LogRow::from))
    }

    /// Rows with `after < seq < before` that `narrow` lets through: the first `limit` of them ascending, or with
    /// `newest` the last ones descending.
    pub async fn list_signals(
        &self,
        after: i64,
        before: i64,
        newest: bool,
        narrow: &Narrow,
        limit: usize,
    ) -> StoreResult<Vec<LogRow>> {
        let mut query =
            QueryBuilder::new("select seq, published_at, body from signals where seq > ");
        query.push_bind(after).push(" and seq < ").push_bind(before);
        if !narrow.types.is_empty() {
            query.push(" and signal_type in (");
            let mut list = query.separated(", ");
            for signal_type in &narrow.types {
                list.push_bind(signal_type);
            }
            query.push(")");
        }
        if let Some(rank) = narrow.min_rank {
            query.push(" and best_rank >= ").push_bind(rank);
        }
        if let Some(score) = narrow.min_score {
            query.push(" and best_score >= ").push_bind(score);
        }
        if let Some(token) = &narrow.token {
            query.push(" and token = ").push_bind(token);
        }
        if let Some(market) = &narrow.market {
            query.push(" and market = ").push_bind(market);
        }
        if let Some(since) = narrow.since {
            query.push(" and published_at >= ").push_bind(since.0);
        }
        if let Some(until) = narrow.until {
            query.push(" and published_at <= ").push_bind(until.0);
        }
        query.push(if newest {
            " order by seq desc limit "
        } else {
            " order by seq limit "
        });
        query.push_bind(limit as i64);
        let rows: Vec<SignalRow> = query.build_query_as().fetch_all(self).await?;
        Ok(rows.into_iter().map(LogRow::from).collect())
    }

    async fn read_head(&self) -> StoreResult<LogHead> {
        let (epoch, seq, oldest): (String, i64, i64) =
            query_as("select epoch, seq, oldest from log_head cross join log_tail")
                .fetch_one(self)
                .await?;
        Ok(LogHead {
            epoch: epoch.into(),
            seq,
            oldest,
        })
    }

    /// The head, and the version of accounts and keys: both of one state of the database.
    pub async fn head_and_access(&self) -> StoreResult<(LogHead, i64)> {
        let (epoch, seq, oldest, access): (String, i64, i64, i64) = query_as(
            "select epoch, seq, oldest, version from log_head cross join log_tail cross join access_version",
        )
        .fetch_one(Brief(self))
        .await?;
        let head = LogHead {
            epoch: epoch.into(),
            seq,
            oldest,
        };
        Ok((head, access))
    }

    /// With the head that goes with it: one statement sees one state of the database.
    async fn read_after(&self, seq: i64, limit: usize) -> StoreResult<LogPart> {
        let rows: Vec<PartRow> = query_as(
            "select log_head.epoch, log_head.seq as head, part.seq, part.published_at, part.body from log_head
             left join (select seq, published_at, body from signals where seq > $1 order by seq limit $2) as part on true
             order by part.seq",
        )
        .bind(seq)
        .bind(limit as i64)
        .fetch_all(self)
        .await?;
        let first = rows.first();
        let (epoch, head) = first
            .map(|row| (row.epoch.as_str().into(), row.head))
            .ok_or_else(|| StoreError::Refused("the log has no name".to_owned()))?;
        let rows = rows.into_iter().filter_map(|row| {
            Some(LogRow {
                seq: row.seq?,
                published_at: Time(row.published_at?),
                body: row.body?.into(),
            })
        });
        let rows = rows.collect();
        Ok(LogPart { epoch, head, rows })
    }

    /// Names the log anew where it has lost what is said. What nodes hold by leases and duties, and know of each other, may have been
    /// lost with it: all of them look through what they have, and whoever runs engines begins again from what is stored. Webhooks go on in the
    /// log that there is, where they stood in it. `rename_log` in
    /// `migrations/postgres` does the same for who restores a database while no node runs.
    async fn name_anew(&self, lost: &Lost, epoch: &str) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        let row = lost.row.as_ref();
        let renamed: Option<i64> = query_scalar(
            "update log_head set epoch = $1 where epoch = $2 and (seq < $3
                 or exists (select 1 from signals where seq = $3 and (published_at <> $4 or body <> $5))) returning seq",
        )
        .bind(epoch)
        .bind(&*lost.epoch)
        .bind(lost.seq)
        .bind(row.map(|row| row.published_at.0))
        .bind(row.map(|row| &*row.body))
        .fetch_optional(&mut tx)
        .await?;
        if let Some(head) = renamed {
            tx.move_hooks(&lost.epoch, epoch, head).await?;
        }
        if renamed.is_some() && self.is_shared() {
            for sql in [
                "update duties set node = null, fence = nextval('fences')",
                "update nodes set era = nextval('fences')",
            ] {
                query(sql).execute(&mut tx).await?;
            }
        }
        tx.tell_all();
        self.commit(tx).await
    }

    /// From here on, whatever is published is so at `time` or later: a row's time is taken before its commit, at most as early as the head's.
    async fn settle_before(&self, time: Time) -> StoreResult<()> {
        // rows have whole milliseconds, and none may come that is earlier than `time` by less than one
        let time = time.plus(999).to_whole_ms();
        let head = query_scalar::<i64>("select published_at from log_head");
        if head.fetch_one(self).await? >= time.0 {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // waits for whoever publishes now
        query("update log_head set published_at = $1 where only_row = 1 and published_at < $1")
            .bind(time.0)
            .execute(&mut tx)
            .await?;
        self.commit_quietly(tx).await
    }

    async fn read_before_time(&self, time: Time) -> StoreResult<i64> {
        let seq: Option<i64> =  query_scalar("select seq from signals where published_at < $1 order by published_at desc, seq desc limit 1")
                .bind(time.0).fetch_optional(self).await?;
        match seq {
            Some(seq) => Ok(seq),
            None => Ok(self.read_head().await?.oldest - 1),
        }
    }
}

impl Tx {
    /// Appends signals; the caller commits. `seq` is gapless and in commit order because the counter row is bumped
    /// in this very transaction; `published_at` is the later of `now` and the last row's.
    pub async fn publish(
        &mut self,
        signals: &[NewSignal],
        now: Time,
    ) -> StoreResult<Vec<Published>> {
        const MOST_PER_STATEMENT: usize = 1_000;
        if signals.is_empty() {
            return Ok(Vec::new());
        }
        self.writes_log();
        // locks the counter: whoever publishes beside us waits here, and sees our ids
        let lock = match self.is_shared() {
            false => "update log_head set seq = seq where only_row = 1 returning seq, published_at",
            // all nodes wait for who has it: one that is cut off in the middle has it for 4 s at the most
            true => {
                "select seq, published_at, set_config('idle_in_transaction_session_timeout', '4s', true)
                 from log_head where only_row = 1 for update"
            }
        };
        let (seq, last_at): (i64, i64) = query_as(lock).fetch_one(&mut *self).await?;
        let mut known = std::collections::HashMap::new();
        for some in signals.chunks(MOST_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select id, seq from signals where id in (");
            let mut list = query.separated(", ");
            for signal in some {
                list.push_bind(&signal.id);
            }
            query.push(")");
            let rows: Vec<(String, i64)> = query.build_query_as().fetch_all(&mut *self).await?;
            known.extend(rows);
        }
        let published_at = now.to_whole_ms().0.max(last_at);
        let mut next = seq;
        let mut answers = Vec::with_capacity(signals.len());
        let mut new = Vec::new();
        for signal in signals {
            if let Some(&seq) = known.get(&signal.id) {
                answers.push(Published {
                    id: signal.id.clone(),
                    seq,
                    duplicate: true,
                });
                continue;
            }
            next += 1;
            new.push((next, signal));
            known.insert(signal.id.clone(), next);
            answers.push(Published {
                id: signal.id.clone(),
                seq: next,
                duplicate: false,
            });
        }
        if next > seq {
            self.insert_signals(&new, published_at).await?;
            query("update log_head set seq = $1, published_at = $2 where only_row = 1")
                .bind(next)
                .bind(published_at)
                .execute(&mut *self)
                .await?;
            self.tell_all();
        }
        Ok(answers)
    }

    async fn insert_signals(
        &mut self,
        signals: &[(i64, &NewSignal)],
        published_at: i64,
    ) -> StoreResult<()> {
        const ROWS_PER_STATEMENT: usize = 200;
        for chunk in signals.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into signals (seq, id, published_at, signal_type, best_rank, best_score, token, market, body) ",
            );
            query.push_values(chunk, |mut row, (seq, signal)| {
                let facets = Facets::of(&signal.body);
                let (rank, score) = best(&facets);
                row.push_bind(*seq)
                    .push_bind(&signal.id)
                    .push_bind(published_at)
                    .push_bind(&facets.signal_type)
                    .push_bind(rank)
                    .push_bind(score)
                    .push_bind(&facets.token)
                    .push_bind(&facets.market)
                    .push_bind(&signal.body);
            });
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}

/// Rank and score by which a listing may find a row: its own or, for an exit, the best that its episode reached.
fn best(facets: &Facets) -> (Option<i64>, Option<f64>) {
    if !facets.is_exit() {
        return (facets.rank.map(|rank| rank as i64), facets.score);
    }
    let ranks = facets.before.iter().map(|(rank, _)| *rank as i64);
    let scores = facets.before.iter().map(|(_, score)| *score);
    (ranks.max(), scores.reduce(f64::max))
}

impl Db {
    /// Removes up to `limit` rows published before `time`, oldest first, in a transaction of its own; how many there were. Who publishes
    /// never waits for it: it holds the log's tail, and not the head.
    pub async fn prune_log(&self, time: Time, limit: usize) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        // of two that prune at once, one waits here
        let oldest: i64 =
            query_scalar("update log_tail set oldest = oldest where only_row = 1 returning oldest")
                .fetch_one(&mut tx)
                .await?;
        // `seq` has no hole and its times never fall: no more rows than these are looked at, whatever there is to remove
        let removed: Vec<i64> = query_scalar(
            "delete from signals where seq >= $1 and seq < $1 + $3 and published_at < $2 returning seq",
        )
        .bind(oldest)
        .bind(time.0)
        .bind(limit as i64)
        .fetch_all(&mut tx)
        .await?;
        if let Some(last) = removed.iter().max() {
            query("update log_tail set oldest = $1 where only_row = 1")
                .bind(last + 1)
                .execute(&mut tx)
                .await?;
        }
        self.commit(tx).await?;
        Ok(removed.len() as u64)
    }
}

impl LogRead for Db {
    fn head(&self) -> LogFuture<'_, LogHead> {
        Box::pin(async { self.read_head().await.map_err(unavailable) })
    }

    fn after(&self, seq: i64, limit: usize) -> LogFuture<'_, LogPart> {
        Box::pin(async move { self.read_after(seq, limit).await.map_err(unavailable) })
    }

    fn before_time(&self, time: Time) -> LogFuture<'_, i64> {
        Box::pin(async move { self.read_before_time(time).await.map_err(unavailable) })
    }

    fn settled_before(&self, time: Time) -> LogFuture<'_, i64> {
        Box::pin(async move {
            self.settle_before(time).await.map_err(unavailable)?;
            self.read_before_time(time).await.map_err(unavailable)
        })
    }

    fn begin_anew<'a>(&'a self, lost: &'a Lost, epoch: &'a str) -> LogFuture<'a, ()> {
        Box::pin(async move { self.name_anew(lost, epoch).await.map_err(unavailable) })
    }
}

fn unavailable(error: StoreError) -> LogUnavailable {
    LogUnavailable(error.to_string())
}

/// The log as `hub` takes it.
#[must_use]
pub fn as_log(db: &Db) -> Arc<dyn LogRead> {
    Arc::new(db.clone())
}
