//! Locks that a process holds in a PostgreSQL database for as long as its own connection lives, and the proof of it in a transaction.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{
    db::{Db, Pools, Tx},
    error::{StoreError, StoreResult},
    postgres,
    sql::query_scalar,
};

/// How often the connection is asked whether it is still there.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A lock that this process has. The server frees it with its connection, however that ends: the process must notice, and what it
/// does by right of the lock must be proved where it is stored, see [`Fence`].
#[derive(Debug)]
pub struct SessionLock {
    fence: Fence,
    held: watch::Receiver<bool>,
    keeper: JoinHandle<()>,
}

/// By what a transaction proves that it still has the right to what it does. The empty one proves nothing, where nothing can be lost.
#[derive(Clone, Debug, Default)]
pub struct Fence(Option<Arc<Proof>>);

#[derive(Debug)]
struct Proof {
    name: String,
    key: i64,
    /// The server's process behind the connection that has the lock.
    backend: i64,
}

impl SessionLock {
    /// What proves it.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Whether it is not this process's any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !*self.held.borrow()
    }

    /// Resolves when it is not this process's any more.
    pub async fn lost(&self) {
        let mut held = self.held.clone();
        // an error says that the keeper is gone, and with it the lock
        let _ = held.wait_for(|held| !held).await;
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // with it goes the connection, and the server frees the lock
        self.keeper.abort();
    }
}

impl Db {
    /// Whether several processes may share the database over the network, with data directories of their own.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.0.pools, Pools::Postgres { .. })
    }

    /// Takes a lock of all processes on the database by its name; `None` while another one has it. Only where it is shared.
    pub async fn try_session_lock(&self, name: &str) -> StoreResult<Option<SessionLock>> {
        let Pools::Postgres {
            options, connect, ..
        } = &self.0.pools
        else {
            return Err(StoreError::Refused(
                "locks of SQLite are files of the data directory".to_owned(),
            ));
        };
        let mut connection = postgres::connect(options, *connect).await?;
        let key = key_of(name);
        let take = async {
            sqlx::query_as::<_, (bool, i64)>(
                "select pg_try_advisory_lock($1), cast(pg_backend_pid() as bigint)",
            )
            .bind(key)
            .fetch_one(&mut connection)
            .await
        };
        let late = |_| StoreError::Unavailable(sqlx::Error::PoolTimedOut);
        let (taken, backend) = timeout(*connect, take).await.map_err(late)??;
        if !taken {
            let _ = timeout(*connect, connection.close()).await;
            return Ok(None);
        }
        let (holds, held) = watch::channel(true);
        Ok(Some(SessionLock {
            fence: Fence(Some(Arc::new(Proof {
                name: name.to_owned(),
                key,
                backend,
            }))),
            held,
            keeper: tokio::spawn(keep(connection, holds)),
        }))
    }
}

/// Holds the connection until it does not answer.
async fn keep(mut connection: PgConnection, holds: watch::Sender<bool>) {
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        if !matches!(timeout(ANSWER_WITHIN, connection.ping()).await, Ok(Ok(()))) {
            holds.send_replace(false);
            return;
        }
    }
}

impl Tx {
    /// Refused where the right behind a fence is gone. In the lane of what is changed by that right: whoever has it next changes
    /// nothing before this transaction's end.
    pub async fn prove(&mut self, fence: &Fence) -> StoreResult<()> {
        let Some(proof) = &fence.0 else {
            return Ok(());
        };
        // a lock by one number of 64 bits is listed in two halves
        let held: i64 = query_scalar(
            "select count(*) from pg_locks where locktype = 'advisory' and granted and objsubid = 1 and cast(pid as bigint) = $1
             and cast(classid as bigint) = $2 and cast(objid as bigint) = $3
             and database = (select oid from pg_database where datname = current_database())",
        )
        .bind(proof.backend)
        .bind((proof.key >> 32) & 0xffff_ffff)
        .bind(proof.key & 0xffff_ffff)
        .fetch_one(&mut *self)
        .await?;
        if held == 0 {
            return Err(StoreError::Unavailable(sqlx::Error::Io(
                std::io::Error::other(format!(
                    "the lock `{}` is lost; another process may have it",
                    proof.name
                )),
            )));
        }
        Ok(())
    }
}

fn key_of(name: &str) -> i64 {
    let digest: [u8; 32] = Sha256::digest(format!("sigcast lock {name}").as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
