//! A node among those that share a PostgreSQL database: its heartbeats, and the duties that one of them has at a time.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor as _, PgPool, postgres::PgPoolOptions};

use super::{
    db::{Db, Pools, Tx},
    error::{StoreError, StoreResult},
    sql::query_scalar,
};

/// Connections beside those of requests: a heartbeat must not wait for a free one.
const CONNECTIONS: u32 = 4;
/// What has written nothing for so long, and holds nothing, is forgotten.
const FORGOTTEN_AFTER: &str = "1 hour";

/// One node. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Member {
    pub(crate) pool: PgPool,
    pub(crate) id: Arc<str>,
    life: Duration,
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
            options, connect, ..
        } = &self.0.pools
        else {
            return Ok(None);
        };
        // nothing here takes long, and what does must not hold its locks when its node has given up
        let limits = format!(
            "set lock_timeout = '{0}ms'; set statement_timeout = '{0}ms'; set idle_in_transaction_session_timeout = '{0}ms'",
            life.as_millis() / 2
        );
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(*connect)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let limits = sqlx::AssertSqlSafe(limits.clone());
                Box::pin(async move {
                    connection.execute(limits).await?;
                    Ok(())
                })
            })
            // whoever gave up waiting gives back a connection that may never answer
            .after_release(|connection, _| {
                Box::pin(async move { Ok(super::postgres::is_there(connection).await) })
            })
            .connect_with(options.as_ref().clone())
            .await?;
        let member = Member {
            pool,
            id: id.into(),
            life,
        };
        member.beat().await?;
        // a process joins once
        let _ = self.0.node.set(member.id.clone());
        Ok(Some(member))
    }
}

impl Db {
    /// Takes a node for gone at once, whatever its last heartbeat says. For who knows that its process has ended.
    pub async fn bury(&self, id: &str) -> StoreResult<()> {
        if let Pools::Postgres { pool, .. } = &self.0.pools {
            let gone = sqlx::query("delete from nodes where id = $1").bind(id);
            gone.execute(pool).await?;
        }
        Ok(())
    }
}

impl Member {
    /// How long it lives after a heartbeat.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// It lives.
    pub async fn beat(&self) -> StoreResult<()> {
        let sql = "insert into nodes (id, beat_at, life) values ($1, clock_timestamp(), $2 * interval '1 millisecond')
                   on conflict (id) do update set beat_at = clock_timestamp()";
        let life = i64::try_from(self.life.as_millis()).unwrap_or(i64::MAX);
        let beat = sqlx::query(sql).bind(&*self.id).bind(life);
        beat.execute(&self.pool).await?;
        Ok(())
    }

    /// It ends: what it holds is free at once. Nodes that ended without a word long ago are forgotten with it.
    pub async fn leave(&self) -> StoreResult<()> {
        let mut tx = self.pool.begin().await?;
        for sql in [
            "update leases set node = null where node = $1",
            "update duties set node = null where node = $1",
            "delete from nodes where id = $1",
        ] {
            sqlx::query(sql).bind(&*self.id).execute(&mut *tx).await?;
        }
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
