//! Which node sends to which webhook endpoint: taken, shared evenly, let go; a fence tells who has one from who had it.

use super::{
    db::{Db, Pools, Tx},
    error::StoreResult,
    hooks::{Hook, HookRow},
    sql::{QueryBuilder, query, query_as},
};
use crate::model::time::Time;

/// An endpoint that this node sends to.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The endpoint.
    pub hook: Hook,
    /// What tells whether anything of it has changed.
    pub mark: Mark,
}

/// What tells whether anything of an endpoint has changed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Mark {
    /// Which.
    pub id: String,
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

/// Whose endpoints are sent to now: an account that lapsed, was suspended or has another plan finds its endpoints where they stood.
#[derive(Clone, Debug)]
pub struct Eligible {
    /// Plans that have webhooks.
    pub plans: Vec<String>,
    /// When.
    pub now: Time,
}

impl Eligible {
    fn push(&self, query: &mut QueryBuilder) {
        query
            .push("enabled and account_id in (select id from accounts where suspended_at is null and (expires_at is null or expires_at > ")
            .push_bind(self.now.0)
            .push(") and plan in (''");
        for plan in &self.plans {
            query.push(", ").push_bind(plan);
        }
        query.push("))");
    }
}

impl Db {
    /// How endpoints are shared among nodes; alone on its database, a node sends to all.
    pub async fn hook_share(&self, whose: &Eligible) -> StoreResult<Share> {
        let mut query = match &self.0.pools {
            Pools::Sqlite { .. } => QueryBuilder::new(
                "select count(*) as enabled, coalesce(sum(case when node is null then 1 else 0 end), 0) as free, 1 as nodes,
                 true as listed from hooks where ",
            ),
            Pools::Postgres { .. } => {
                let mut query = QueryBuilder::new(
                    "with living as (select id from nodes where beat_at >= clock_timestamp() - life)
                     select count(*) as enabled, count(*) filter (where node is null or node not in (select id from living)) as free,
                     (select count(*) from hook_senders where node in (select id from living)) as nodes,
                     exists (select from hook_senders where node = ",
                );
                query.push_bind(self.node()).push(") as listed from hooks where ");
                query
            }
        };
        whose.push(&mut query);
        let row: ShareRow = query.build_query_as().fetch_one(self).await?;
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

    /// Does not count this node among those that send.
    pub async fn unlist_sender(&self) -> StoreResult<()> {
        if let Pools::Postgres { .. } = &self.0.pools {
            let mut tx = self.begin().await?;
            query("delete from hook_senders where node = $1")
                .bind(self.node())
                .execute(&mut tx)
                .await?;
            self.commit(tx).await?;
        }
        Ok(())
    }

    /// Takes up to `most` enabled endpoints for this node that no living one sends to. Of several nodes that ask at once each gets others.
    pub async fn take_hooks(&self, whose: &Eligible, most: i64) -> StoreResult<()> {
        let Some(node) = self.sender() else {
            return Ok(());
        };
        let mut query = QueryBuilder::new("update hooks set node = ");
        query
            .push_bind(node)
            .push(", fence = fence + 1 where id in (select id from hooks where ");
        whose.push(&mut query);
        match &self.0.pools {
            Pools::Sqlite { .. } => {
                query
                    .push(" and node is null order by id limit ")
                    .push_bind(most);
            }
            Pools::Postgres { .. } => {
                query
                    .push(" and (node is null or node <> ")
                    .push_bind(node)
                    .push(" and is_gone(node)) order by id limit ")
                    .push_bind(most)
                    .push(" for update skip locked");
            }
        }
        query.push(")");
        let mut tx = self.begin().await?;
        query.build().execute(&mut tx).await?;
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

    /// Lets go of all endpoints that this node has.
    pub async fn release_hooks(&self) -> StoreResult<()> {
        let Some(node) = self.sender() else {
            return Ok(());
        };
        let mut tx = self.begin().await?;
        query("update hooks set node = null, fence = fence + 1 where node = $1")
            .bind(node)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// By what endpoints know who sends to them.
    fn sender(&self) -> Option<&str> {
        match &self.0.pools {
            Pools::Sqlite { .. } => Some("here"),
            Pools::Postgres { .. } => self.node(),
        }
    }

    /// The endpoints that this node sends to, by what tells whether anything of them has changed.
    pub async fn hook_marks(&self, whose: &Eligible) -> StoreResult<Vec<Mark>> {
        let Some(node) = self.sender() else {
            return Ok(Vec::new());
        };
        let mut query = QueryBuilder::new("select id, fence, version, asked from hooks where ");
        whose.push(&mut query);
        query
            .push(" and node = ")
            .push_bind(node)
            .push(" order by id");
        query.build_query_as().fetch_all(self).await
    }

    /// One of the endpoints that this node sends to.
    pub async fn taken_hook(&self, id: &str) -> StoreResult<Option<Taken>> {
        let Some(node) = self.sender() else {
            return Ok(None);
        };
        let row: Option<TakenRow> = query_as(
            "select id, account_id, url, description, filter, compat, ordered, disabled_why, disabled_at, secret, old_secret,
             old_secret_until, created_at, epoch, sent_to, failing_since, failing_messages, answered_at, fence, version, asked
             from hooks where id = $1 and enabled and node = $2",
        )
        .bind(id)
        .bind(node)
        .fetch_optional(self)
        .await?;
        let taken = row.map(|row| {
            Ok(Taken {
                mark: Mark {
                    id: row.hook.id.clone(),
                    fence: row.fence,
                    version: row.version,
                    asked: row.asked,
                },
                hook: row.hook.try_into()?,
            })
        });
        taken.transpose()
    }
}

impl Tx {
    /// The log has gone back to a head, and has another name. Each endpoint goes on in it where it stood, or at its end; whoever sends to it
    /// begins anew from there, and what waits of a signal that is no more stands in no other's way.
    pub(super) async fn move_hooks(
        &mut self,
        before: &str,
        now: &str,
        head: i64,
    ) -> StoreResult<()> {
        query(
            "update hooks set sent_to = case when epoch = $1 and sent_to < $3 then sent_to else $3 end, epoch = $2, node = null,
             fence = fence + 1",
        )
        .bind(before)
        .bind(now)
        .bind(head)
        .execute(&mut *self)
        .await?;
        query(
            "delete from hook_messages where seq > $1 or exists
             (select 1 from signals where signals.seq = hook_messages.seq and signals.id <> hook_messages.signal_id)",
        )
        .bind(head)
        .execute(&mut *self)
        .await?;
        query("update hook_ranges set until = $1 where until > $1")
            .bind(head)
            .execute(self)
            .await?;
        Ok(())
    }
}
