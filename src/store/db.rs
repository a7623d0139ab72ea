//! The database: opening, migrating, the writer and the readers, and the wake-ups between them.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use sqlx::{
    Connection as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::error::{StoreError, StoreResult};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Settings of the store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Connections that read at the same time.
    pub readers: u32,
    /// Page cache of the writing connection, in kB.
    pub writer_cache_kb: u32,
    /// Pages in the write-ahead log before they are moved into the database.
    pub checkpoint_pages: u32,
    /// How long a statement waits for another process's transaction, in seconds.
    pub busy_seconds: u64,
}

/// What differs between databases.
pub(crate) enum Pools {
    /// One writer, as SQLite has one; any number of readers beside it (WAL).
    Sqlite { write: SqlitePool, read: SqlitePool },
}

/// A handle to the database; clones share it.
#[derive(Clone)]
pub struct Db(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pools: Pools,
    commits: watch::Sender<u64>,
    writes: Arc<Writes>,
    /// Where the database is.
    dir: PathBuf,
    /// What the last trial came to, and when.
    trial: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

/// Whether the last transaction that wrote came to its end.
#[derive(Debug, Default)]
struct Writes {
    broke_off: AtomicBool,
}

/// Goes with a transaction: dropped without a commit, it tells.
#[derive(Debug)]
pub(crate) struct Mark {
    writes: Arc<Writes>,
    committed: bool,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.writes
            .broke_off
            .store(!self.committed, Ordering::Relaxed);
    }
}

/// Runs an expression with `$pool` bound to the pool for reading.
macro_rules! read {
    ($db:expr, $pool:ident => $body:expr) => {
        match &$db.0.pools {
            $crate::store::db::Pools::Sqlite { read: $pool, .. } => $body,
        }
    };
}
pub(crate) use read;

/// A transaction that writes. Dropped without a commit, it leaves nothing behind.
pub struct Tx(pub(crate) sqlx::Transaction<'static, sqlx::Sqlite>, Mark);

/// How long a trial may take, and its outcome counts.
const TRIAL: Duration = Duration::from_secs(1);

impl Db {
    /// Opens (or creates) the database `sigcast.db` in a data directory, and brings its tables up to date.
    pub async fn open_sqlite(data_dir: &Path, config: &Config) -> StoreResult<Self> {
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join("sigcast.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // an acknowledged signal survives the loss of power, not only of the process
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(config.busy_seconds))
            .foreign_keys(true);
        let writer = options
            .clone()
            .pragma("cache_size", format!("-{}", config.writer_cache_kb))
            .pragma("wal_autocheckpoint", config.checkpoint_pages.to_string());
        // two processes that find no tables would both make them: one waits, and finds them made
        let alone = lock(data_dir).await?;
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            // A commit that meets a full disk is rolled back by SQLite itself. The pool's own ROLLBACK then fails, and the
            // connection would count as inside a transaction for ever: it is replaced.
            .after_release(|connection, _| {
                Box::pin(async move {
                    if connection.is_in_transaction() {
                        // the rollback of a dropped transaction may still be on its way
                        connection.ping().await?;
                    }
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(writer)
            .await?;
        let migrated = SQLITE_MIGRATIONS.run(&write).await;
        migrated.map_err(|e| StoreError::corrupt("a schema", e))?;
        drop(alone);
        let read = SqlitePoolOptions::new()
            .max_connections(config.readers.max(1))
            .connect_with(options)
            .await?;
        Ok(Db(Arc::new(Inner {
            pools: Pools::Sqlite { write, read },
            commits: watch::Sender::new(0),
            writes: Arc::default(),
            dir: data_dir.to_owned(),
            trial: tokio::sync::Mutex::new(None),
        })))
    }

    /// Begins a transaction that writes. Waits for the one under way, here or in another process.
    pub async fn begin(&self) -> StoreResult<Tx> {
        // where it cannot even begin, the mark is dropped, and tells
        let mark = Mark {
            writes: self.0.writes.clone(),
            committed: false,
        };
        match &self.0.pools {
            Pools::Sqlite { write, .. } => Ok(Tx(write.begin_with("begin immediate").await?, mark)),
        }
    }

    /// Commits, and wakes whoever waits for changes in this process.
    pub async fn commit(&self, tx: Tx) -> StoreResult<()> {
        let Tx(begun, mut mark) = tx;
        begun.commit().await?;
        mark.committed = true;
        drop(mark);
        self.0.commits.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether the database takes writes: yes as long as they succeed; after one that did not, a trial decides, at most once a
    /// second. The reason where it does not.
    pub async fn check_writable(&self) -> Result<(), String> {
        let broke_off = || self.0.writes.broke_off.load(Ordering::Relaxed);
        if !broke_off() {
            return Ok(());
        }
        let mut last = self.0.trial.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < TRIAL
            && broke_off()
        {
            return outcome.clone();
        }
        let outcome = match tokio::time::timeout(TRIAL, self.try_to_write()).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("a write waits for longer than a second".to_owned()),
        };
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    async fn try_to_write(&self) -> StoreResult<()> {
        let dir = self.0.dir.clone();
        let room = tokio::task::spawn_blocking(move || find_room(&dir));
        let room = room.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        room.map_err(|e| StoreError::Full(sqlx::Error::Io(e)))?;
        let mut tx = self.begin().await?;
        sqlx::query("update log_head set seq = seq where only_row = 1")
            .execute(&mut *tx.0)
            .await?;
        self.commit(tx).await
    }

    /// Changes with every commit of this process.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    /// A read that touches the file; the readiness check.
    pub async fn ping(&self) -> StoreResult<()> {
        read!(self, pool => sqlx::query("select seq from log_head").execute(pool).await)?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.0.pools {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// Whether the disk has room for what the next signals may need: the few bytes of a trial fit where they do not.
fn find_room(dir: &Path) -> io::Result<()> {
    const ROOM: usize = 256 * 1024;
    let path = dir.join("room.tmp");
    let written = std::fs::write(&path, vec![1; ROOM]);
    let _ = std::fs::remove_file(&path);
    written
}

/// A lock on the directory itself, held until dropped; the system frees it however the process ends.
async fn lock(data_dir: &Path) -> StoreResult<File> {
    let path = data_dir.to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        let dir = File::open(path)?;
        dir.lock()?;
        Ok(dir)
    });
    let locked = locked.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    locked.map_err(|e| StoreError::Unavailable(sqlx::Error::Io(e)))
}
