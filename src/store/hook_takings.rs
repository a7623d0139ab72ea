//! Which node sends to which webhook endpoint: taken, shared evenly, let go; a fence tells who has one from who had it.

use super::{
    db::{Db, Pools},
    error::StoreResult,
    hooks::{Hook, HookRow},
    sql::{query, query_as},
};

/// An endpoint that this node sends to.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The endpoint.
    pub hook: Hook,
    /// Proves that it is this node's: what is written with an older one is not.
    pub fence: i64,
    /// Grows when its owner or its state changes.
    pub version: i64,
    /// Grows when something is to be sent again.
    pub asked: i64,
}

/// How endpoints are shared among nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Enabled endpoints that no living node sends to.
    pub free: i64,
    /// What falls to each node, if all have about as many.
    pub each: i64,
}

#[derive(sqlx::FromRow)]
struct TakenRow {
    #[sqlx(flatten)]
    hook: HookRow,
    fence: i64,
    version: i64,
    asked: i64,
}

#[derive(sqlx::FromRow)]
struct ShareRow {
    enabled: i64,
    free: i64,
    nodes: i64,
    listed: bool,
}

impl Db {
    /// How endpoints are shared among nodes; alone on its database, a node sends to all.
    pub async fn hook_share(&self) -> StoreResult<Share> {
        let row: ShareRow = match &self.0.pools {
            Pools::Sqlite { .. } => query_as(
                "select count(*) as enabled, coalesce(sum(case when node is null then 1 else 0 end), 0) as free, 1 as nodes,
                 true as listed from hooks where enabled",
            ),
            Pools::Postgres { .. } => query_as(
                "with living as (select id from nodes where beat_at >= clock_timestamp() - life)
                 select count(*) as enabled, count(*) filter (where node is null or node not in (select id from living)) as free,
                 (select count(*) from hook_senders where node in (select id from living)) as nodes,
                 exists (select from hook_senders where node = $1) as listed from hooks where enabled",
            )
            .bind(self.node()),
        }
        .fetch_one(self)
        .await?;
        if !row.listed {
            self.list_sender().await?;
        }
        let nodes = row.nodes + i64::from(!row.listed);
        Ok(Share {
            free: row.free,
            each: (row.enabled + nodes - 1) / nodes,
        })
    }

    /// Counts this node among those that send, for as long as it lives.
    async fn list_sender(&self) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("insert into hook_senders (node) select id from nodes where id = $1 on conflict do nothing")
            .bind(self.node())
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// Takes up to `most` enabled endpoints for this node that no living one sends to. Of several nodes that ask at once each gets others.
    pub async fn take_hooks(&self, most: i64) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        match &self.0.pools {
            Pools::Sqlite { .. } => query(
                "update hooks set node = 'here', fence = fence + 1 where id in (
                     select id from hooks where enabled and node is null order by id limit $1)",
            ),
            Pools::Postgres { .. } => query(
                "update hooks set node = $2, fence = fence + 1 where id in (
                     select id from hooks where enabled and (node is null or node <> $2 and is_gone(node))
                     order by id limit $1 for update skip locked)",
            )
        }
        .bind(most)
        .bind(self.node())
        .execute(&mut tx)
        .await?;
        self.commit(tx).await
    }

    /// Lets go of an endpoint that this node has, for another to take.
    pub async fn release_hook(&self, id: &str, fence: i64) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("update hooks set node = null, fence = fence + 1 where id = $1 and fence = $2")
            .bind(id)
            .bind(fence)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// Lets go of all endpoints that a process before this one had; for SQLite, where that one is gone.
    pub async fn free_hooks(&self) -> StoreResult<()> {
        if let Pools::Sqlite { .. } = &self.0.pools {
            let mut tx = self.begin().await?;
            query("update hooks set node = null where node is not null")
                .execute(&mut tx)
                .await?;
            self.commit(tx).await?;
        }
        Ok(())
    }

    /// The endpoints that this node sends to.
    pub async fn taken_hooks(&self) -> StoreResult<Vec<Taken>> {
        let node = match &self.0.pools {
            Pools::Sqlite { .. } => Some("here"),
            Pools::Postgres { .. } => self.node(),
        };
        let Some(node) = node else {
            return Ok(Vec::new());
        };
        let rows: Vec<TakenRow> = query_as(
            "select id, account_id, url, description, filter, compat, ordered, disabled_why, disabled_at, secret, old_secret,
             old_secret_until, created_at, epoch, sent_to, failing_since, failing_messages, answered_at, fence, version, asked
             from hooks where enabled and node = $1 order by id",
        )
        .bind(node)
        .fetch_all(self)
        .await?;
        let taken = rows.into_iter().map(|row| {
            Ok(Taken {
                hook: row.hook.try_into()?,
                fence: row.fence,
                version: row.version,
                asked: row.asked,
            })
        });
        taken.collect()
    }
}
