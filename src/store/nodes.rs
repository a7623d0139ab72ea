//! The nodes that share a database, as an operator sees them: their heartbeats, what each does, and which of them has a key's stream.

use super::{db::Db, error::StoreResult, sql::query_as};
use crate::model::time::Time;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// Names the process.
    pub id: String,
    /// When it started.
    pub started_at: Time,
    /// Milliseconds since its last heartbeat.
    pub silent_ms: i64,
    /// Whether it lives: it wrote within the time that it set itself.
    pub lives: bool,
    /// What it alone does now, by name.
    pub duties: Vec<String>,
    /// Streams that it has.
    pub streams: i64,
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    id: String,
    started_at: i64,
    silent_ms: i64,
    lives: bool,
    duties: String,
    streams: i64,
}

/// A key's stream on some node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOf {
    /// The key.
    pub key_id: String,
    /// Which node has it.
    pub node: String,
    /// Since when it is connected.
    pub connected_at: Time,
    /// From where.
    pub peer: String,
}

#[derive(sqlx::FromRow)]
struct LeaseRow {
    key_id: String,
    node: String,
    connected_at: i64,
    peer: String,
}

impl Db {
    /// The nodes, those that started first at first; none where the database is one process's own.
    pub async fn nodes(&self) -> StoreResult<Vec<NodeSeen>> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let rows: Vec<NodeRow> = query_as(
            "select n.id, cast(extract(epoch from n.started_at) * 1000000 as bigint) as started_at,
             cast(extract(epoch from clock_timestamp() - n.beat_at) * 1000 as bigint) as silent_ms,
             n.beat_at >= clock_timestamp() - n.life as lives,
             coalesce((select string_agg(d.name, ',' order by d.name) from duties d where d.node = n.id), '') as duties,
             (select count(*) from leases l where l.node = n.id) as streams
             from nodes n order by n.started_at, n.id",
        )
        .fetch_all(self)
        .await?;
        let seen = rows.into_iter().map(|row| NodeSeen {
            duties: row
                .duties
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            id: row.id,
            started_at: Time(row.started_at),
            silent_ms: row.silent_ms,
            lives: row.lives,
            streams: row.streams,
        });
        Ok(seen.collect())
    }

    /// On which nodes an account's keys have their streams; none where the database is one process's own.
    pub async fn leases_of_account(&self, account: &str) -> StoreResult<Vec<LeaseOf>> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let rows: Vec<LeaseRow> = query_as(
            "select l.key_id, l.node, l.connected_at, l.peer from leases l join api_keys k on k.id = l.key_id
             where k.account_id = $1 and l.node is not null order by l.connected_at, l.key_id",
        )
        .bind(account)
        .fetch_all(self)
        .await?;
        let leases = rows.into_iter().map(|row| LeaseOf {
            key_id: row.key_id,
            node: row.node,
            connected_at: Time(row.connected_at),
            peer: row.peer,
        });
        Ok(leases.collect())
    }
}
