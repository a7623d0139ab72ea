//! SQLite: opening the database of a data directory, with one connection that writes and some that read.

use std::{fs::File, io, path::Path, time::Duration};

use serde::Deserialize;
use sqlx::{
    Connection as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    error::{StoreError, StoreResult},
    migrations::{self, Migration},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The last step that tables here take.
pub(crate) fn newest() -> i64 {
    migrations::newest(&MIGRATIONS)
}

/// What the database is called in its data directory.
pub const FILE: &str = "sigcast.db";

/// Settings of the database where it is SQLite.
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

/// One writer, as SQLite has one; any number of readers beside it (WAL).
pub(crate) struct Opened {
    pub(crate) write: SqlitePool,
    pub(crate) read: SqlitePool,
    pub(crate) brief: SqlitePool,
    pub(crate) migrated: Vec<Migration>,
}

/// Opens (or creates) the database of a data directory, and brings its tables up to date.
pub(crate) async fn open(data_dir: &Path, config: &Config) -> StoreResult<Opened> {
    let options = SqliteConnectOptions::new()
        .filename(data_dir.join(FILE))
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
        .test_before_acquire(false)
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
    let migrated = migrations::run(&MIGRATIONS, &mut *write.acquire().await?).await?;
    drop(alone);
    let readers = |most| {
        SqlitePoolOptions::new()
            .max_connections(most)
            // there is nobody who could have gone away meanwhile, and each question would cost one more way to a thread and back
            .test_before_acquire(false)
            .connect_with(options.clone())
    };
    let (read, brief) = (readers(config.readers.max(1)).await?, readers(1).await?);
    Ok(Opened {
        write,
        read,
        brief,
        migrated,
    })
}

/// Whether the disk has room for what the next signals may need: the few bytes of a trial fit where they do not.
pub(crate) fn find_room(dir: &Path) -> io::Result<()> {
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
