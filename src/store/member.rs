//! A node among those that share a PostgreSQL database: its heartbeats, and the duties that one of them has at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Executor as _, PgConnection, PgPool, postgres::PgPoolOptions};

use super::{
    db::{Db, Pools, Tx},
    error::{StoreError, StoreResult},
    patience::Patience,
    postgres::is_there,
    sql::query_scalar,
};
use crate::model::lease::Era;

/// Connections beside those of requests, for leases and duties. Heartbeats have one more, of their own: they must not wait for a free one.
const CONNECTIONS: u32 = 3;
/// What has written nothing for so long, and holds nothing, is forgotten.
const FORGOTTEN_AFTER: &str = "1 hour";

/// One node. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Member {
    pub(crate) pool: PgPool,
    /// For heartbeats, and what follows from them.
    pub(crate) heart: PgPool,
    /// How many connections `heart` has made. A new one may lead to a database that was put back to an earlier state.
    connections: Arc<AtomicU64>,
    pub(crate) id: Arc<str>,
    life: Duration,
    /// In which it joined.
    era: Era,
    patience: Arc<Patience>,
}

/// How long one of its connections is asked that is in doubt, or that is given back: heartbeats have one alone, and the next waits
/// meanwhile. It is not just replaced, as a server that has much to do takes longer for new ones.
const QUICK: Duration = Duration::from_millis(300);
/// A heartbeat under way. Given up after more than this, its connection is in doubt, and all others of its time.
const IN_TIME: Duration = Duration::from_secs(1);

/// Tells when it is dropped without an answer.
struct Unanswered<'a> {
    patience: &'a Patience,
    begun: Instant,
    answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.answered && self.begun.elapsed() > IN_TIME {
            self.patience.suspect();
        }
    }
}

/// By what a transaction proves that it still has the right to what it does. The empty one proves nothing, where nothing can be lost.
#[derive(Clone, Debug, Default)]
pub struct Proof(Option<Arc<Right>>);

#[derive(Debug)]
struct Right {
    duty: String,
    node: Arc<str>,
    fence: i64,
}

impl Db {
    /// Whether several processes may share the database over the network, with data directories of their own.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.0.pools, Pools::Postgres { .. })
    }

    /// Joins those that share the database, under an id that nobody had before. It lives for `life` after each heartbeat, the first of
    /// which is sent here. `None` where the database is not shared.
    pub async fn join(&self, id: &str, life: Duration) -> StoreResult<Option<Member>> {
        let Pools::Postgres {
            options,
            connect,
            patience,
            ..
        } = &self.0.pools
        else {
            return Ok(None);
        };
        // nothing here takes long, and what does must not hold its locks when its node has given up
        let limits = format!(
            "set lock_timeout = '{0}ms'; set statement_timeout = '{0}ms'; set idle_in_transaction_session_timeout = '{0}ms'",
            life.as_millis() / 2
        );
        let made = |made: Arc<AtomicU64>| {
            let limits = limits.clone();
            let suspicion = patience.clone();
            PgPoolOptions::new()
                .acquire_timeout(*connect)
                .test_before_acquire(false)
                .after_connect(move |connection, _| {
                    made.fetch_add(1, Ordering::Relaxed);
                    let limits = sqlx::AssertSqlSafe(limits.clone());
                    Box::pin(async move {
                        connection.execute(limits).await?;
                        Ok(())
                    })
                })
                .before_acquire(move |connection, meta| {
                    let doubted = suspicion.doubts(meta.age);
                    let suspected = suspicion.suspects(meta.idle_for);
                    Box::pin(async move {
                        Ok(!doubted && (!suspected || is_there(connection, QUICK).await))
                    })
                })
                // whoever gave up waiting gives back a connection that may never answer
                .after_release(|connection, _| {
                    Box::pin(async move { Ok(is_there(connection, QUICK).await) })
                })
        };
        let pool = made(Arc::default()).max_connections(CONNECTIONS);
        let pool = pool.connect_with(options.as_ref().clone()).await?;
        let connections = Arc::<AtomicU64>::default();
        // for good: each new connection has the node look through what it has
        let heart = made(connections.clone())
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None);
        let heart = heart.connect_with(options.as_ref().clone()).await?;
        let mut member = Member {
            pool,
            heart,
            connections,
            id: id.into(),
            life,
            era: Era::default(),
            patience: patience.clone(),
        };
        member.era = member.beat().await?;
        // a process joins once
        let _ = self.0.node.set(member.id.clone());
        Ok(Some(member))
    }
}

impl Db {
    /// Takes a node for gone at once, whatever its last heartbeat says. For who knows that its process has ended.
    pub async fn bury(&self, id: &str) -> StoreResult<()> {
        if let Pools::Postgres { pool, .. } = &self.0.pools {
            let mut tx = pool.begin().await?;
            give_up(&mut tx, id).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Frees what a node has, and deletes its row. In the order in which whoever takes something locks: first what is taken, then the row
/// of the node that has it. The other way round, two would wait for each other.
async fn give_up(connection: &mut PgConnection, id: &str) -> StoreResult<()> {
    for sql in [
        "update leases set node = null where key_id in (select key_id from leases where node = $1 order by key_id for update)",
        "update duties set node = null where name in (select name from duties where node = $1 order by name for update)",
        "delete from nodes where id = $1",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Member {
    /// How long it lives after a heartbeat.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// The era in which it joined.
    #[must_use]
    pub fn era(&self) -> Era {
        self.era
    }

    /// It lives; its era.
    pub async fn beat(&self) -> StoreResult<Era> {
        let sql = "insert into nodes (id, beat_at, life) values ($1, clock_timestamp(), $2 * interval '1 millisecond')
                   on conflict (id) do update set beat_at = clock_timestamp() returning era";
        let life = i64::try_from(self.life.as_millis()).unwrap_or(i64::MAX);
        let beat = sqlx::query_scalar(sql).bind(&*self.id).bind(life);
        let mut unanswered = Unanswered {
            patience: &self.patience,
            begun: Instant::now(),
            answered: false,
        };
        let number = beat.fetch_one(&self.heart).await;
        unanswered.answered = true;
        let number = number?;
        Ok(Era {
            number,
            connection: self.connections.load(Ordering::Relaxed),
        })
    }

    /// It ends: what it holds is free at once. Nodes that ended without a word long ago are forgotten with it.
    pub async fn leave(&self) -> StoreResult<()> {
        let mut tx = self.pool.begin().await?;
        give_up(&mut tx, &self.id).await?;
        let forget = "delete from nodes where beat_at < clock_timestamp() - cast($1 as interval)
                      and not exists (select from leases where node = nodes.id)
                      and not exists (select from duties where node = nodes.id)";
        let forget = sqlx::query(forget).bind(FORGOTTEN_AFTER);
        forget.execute(&mut *tx).await?;
        sqlx::query("select pg_notify('sigcast_leases', '')")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes a duty; `None` while another node that lives has it. Proves, in a transaction, that it is still this node's.
    pub async fn take_duty(&self, duty: &str) -> StoreResult<Option<Proof>> {
        let fence: Option<i64> = sqlx::query_scalar("select take_duty($1, $2)")
            .bind(duty)
            .bind(&*self.id)
            .fetch_one(&self.pool)
            .await?;
        Ok(fence.map(|fence| {
            Proof(Some(Arc::new(Right {
                duty: duty.to_owned(),
                node: self.id.clone(),
                fence,
            })))
        }))
    }

    /// Whether a duty that was taken is still this node's.
    pub async fn has(&self, proof: &Proof) -> StoreResult<bool> {
        let Some(right) = &proof.0 else {
            return Ok(true);
        };
        let sql = "select exists (select from duties where name = $1 and node = $2 and fence = $3)";
        let has = sqlx::query_scalar(sql)
            .bind(&right.duty)
            .bind(&*right.node)
            .bind(right.fence);
        Ok(has.fetch_one(&self.pool).await?)
    }

    /// Leaves a duty to others.
    pub async fn leave_duty(&self, proof: &Proof) -> StoreResult<()> {
        let Some(right) = &proof.0 else {
            return Ok(());
        };
        sqlx::query("update duties set node = null where name = $1 and node = $2 and fence = $3")
            .bind(&right.duty)
            .bind(&*right.node)
            .bind(right.fence)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

impl Tx {
    /// Refused where the right behind a proof is gone. In the lane of what is changed by that right: whoever has it next changes nothing
    /// before this transaction's end.
    pub async fn prove(&mut self, proof: &Proof) -> StoreResult<()> {
        let Some(right) = &proof.0 else {
            return Ok(());
        };
        let sql = "select fence from duties where name = $1 and node = $2 and fence = $3";
        let found = query_scalar::<i64>(sql)
            .bind(&right.duty)
            .bind(&*right.node)
            .bind(right.fence)
            .fetch_optional(&mut *self)
            .await?;
        if found.is_none() {
            return Err(StoreError::Unavailable(sqlx::Error::Io(
                std::io::Error::other(format!("another node has `{}` by now", right.duty)),
            )));
        }
        Ok(())
    }
}
