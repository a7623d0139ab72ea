//! The database, whichever it is: transactions, what writes one after the other, and the wake-ups that follow a commit.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{PgPool, SqlitePool, postgres::PgConnectOptions};
use tokio::sync::watch;

use super::{
    error::{StoreError, StoreResult},
    metrics::Metrics,
    migrations::Migration,
    patience::Patience,
    postgres,
    sql::{Target, query, query_scalar},
    sqlite,
};
use crate::model::time::Time;

/// What differs between databases.
pub(crate) enum Pools {
    /// One writer, any number of readers beside it.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        /// For questions that take no time: nobody waits there behind a long one.
        brief: SqlitePool,
        /// Where the database is.
        dir: PathBuf,
    },
    /// Connections that do both.
    Postgres {
        pool: PgPool,
        /// For connections beside the pool.
        options: Box<PgConnectOptions>,
        /// How long a connection may take to be made, or to become free.
        connect: Duration,
        /// How long an answer is waited for.
        patience: Arc<Patience>,
    },
}

/// A handle to the database; clones share it.
#[derive(Clone)]
pub struct Db(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pools: Pools,
    commits: watch::Sender<u64>,
    leases: watch::Sender<u64>,
    writes: Arc<Writes>,
    /// What the last trial came to, and when.
    trial: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
    migrated: Vec<Migration>,
    /// Which node this process is, once it has joined those that share the database.
    pub(crate) node: OnceLock<Arc<str>>,
    pub(crate) metrics: Metrics,
    /// Whether it listens, and hears not even itself.
    pub(crate) deaf: AtomicBool,
}

/// Whether the last transaction that wrote came to its end.
#[derive(Debug, Default)]
struct Writes {
    broke_off: AtomicBool,
    /// The same of the last one that wrote the log: that others succeed says nothing of it, where somebody holds its head.
    log_broke_off: AtomicBool,
}

/// Goes with a transaction: dropped without a commit, it tells.
#[derive(Debug)]
struct Mark {
    writes: Arc<Writes>,
    committed: bool,
    /// Whether it writes the log.
    log: bool,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let broke_off = !self.committed;
        self.writes.broke_off.store(broke_off, Ordering::Relaxed);
        if self.log {
            self.writes
                .log_broke_off
                .store(broke_off, Ordering::Relaxed);
        }
    }
}

/// What is numbered in order: whoever adds to it, or changes what follows from all of it, is alone with it from the first look to the
/// commit. With SQLite, every transaction that writes is alone anyway. The log is not among them: its own head is its lock, taken last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Facts of the consensus engine, and what it made of them.
    Facts = 1,
    /// Filings, their companies and people, and what the insider engine made of them.
    Insiders = 2,
    /// Calls without a key, which are counted.
    Sandbox = 3,
}

/// Advisory locks of PostgreSQL are numbers that all programs on one database share: ours begin here, far from what one would choose.
const LANES: i64 = 0x5163_6173_7400_0000;

/// The channel of PostgreSQL on which all nodes hear that the log, accounts or keys changed.
pub(crate) const CHANNEL: &str = "sigcast";
/// The one on which they hear of questions about leases, and of answers.
pub(crate) const LEASES: &str = "sigcast_leases";

/// A transaction that writes. Dropped without a commit, it leaves nothing behind.
pub struct Tx {
    begun: Begun,
    /// None where it only reads.
    mark: Option<Mark>,
    lane: Option<Lane>,
    wakes: bool,
}

enum Begun {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>, Arc<Patience>),
}

impl<'a> From<&'a Db> for Target<'a> {
    fn from(db: &'a Db) -> Self {
        match &db.0.pools {
            Pools::Sqlite { read, .. } => Target::SqlitePool(read),
            Pools::Postgres { pool, patience, .. } => Target::PostgresPool(pool, patience),
        }
    }
}

/// Asks what takes no time, and is asked for each opening of a stream. Thousands who come at once then fill one connection's memory of pages.
pub(crate) struct Brief<'a>(pub(crate) &'a Db);

impl<'a> From<Brief<'a>> for Target<'a> {
    fn from(Brief(db): Brief<'a>) -> Self {
        match &db.0.pools {
            Pools::Sqlite { brief, .. } => Target::SqlitePool(brief),
            Pools::Postgres { .. } => db.into(),
        }
    }
}

impl<'a> From<&'a mut Tx> for Target<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        match &mut tx.begun {
            Begun::Sqlite(begun) => Target::Sqlite(begun),
            Begun::Postgres(begun, patience) => Target::Postgres(begun, patience),
        }
    }
}

/// Now, by PostgreSQL's clock.
const NOW: &str = "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)";

/// How long a trial may take, and its outcome counts.
const TRIAL: Duration = Duration::from_secs(1);

impl Db {
    /// Opens (or creates) the SQLite database of a data directory, and brings its tables up to date.
    pub async fn open_sqlite(data_dir: &Path, config: &sqlite::Config) -> StoreResult<Self> {
        let opened = sqlite::open(data_dir, config).await?;
        let pools = Pools::Sqlite {
            write: opened.write,
            read: opened.read,
            brief: opened.brief,
            dir: data_dir.to_owned(),
        };
        Ok(Db::new(pools, opened.migrated))
    }

    /// Connects to a PostgreSQL database, and brings its tables up to date.
    pub async fn open_postgres(config: &postgres::Config) -> StoreResult<Self> {
        let opened = postgres::open(config).await?;
        let pools = Pools::Postgres {
            pool: opened.pool,
            options: Box::new(opened.options),
            connect: Duration::from_secs(config.connect_seconds.max(1)),
            patience: opened.patience,
        };
        Ok(Db::new(pools, opened.migrated))
    }

    /// Whether a PostgreSQL database has tables of this program.
    pub async fn is_made(config: &postgres::Config) -> StoreResult<bool> {
        postgres::is_made(config).await
    }

    fn new(pools: Pools, migrated: Vec<Migration>) -> Self {
        Db(Arc::new(Inner {
            pools,
            commits: watch::Sender::new(0),
            leases: watch::Sender::new(0),
            writes: Arc::default(),
            trial: tokio::sync::Mutex::new(None),
            migrated,
            node: OnceLock::new(),
            metrics: Metrics::default(),
            deaf: AtomicBool::new(false),
        }))
    }

    /// Which node this process is among those that share the database; `None` where it has joined none.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.0.node.get().map(AsRef::as_ref)
    }

    /// What is counted of it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The steps that its tables took when this handle was opened.
    #[must_use]
    pub fn migrated(&self) -> &[Migration] {
        &self.0.migrated
    }

    /// Begins a transaction that writes. With SQLite it waits for the one under way, here or in another process.
    pub async fn begin(&self) -> StoreResult<Tx> {
        // where it cannot even begin, the mark is dropped, and tells
        let mark = Mark {
            writes: self.0.writes.clone(),
            committed: false,
            log: false,
        };
        // boxed, as whoever waits for this, a request for its stream, would be as large as all that making a connection takes: 30 kB
        let begun = match &self.0.pools {
            Pools::Sqlite { write, .. } => {
                Begun::Sqlite(Box::pin(write.begin_with("begin immediate")).await?)
            }
            Pools::Postgres { pool, patience, .. } => {
                let begun = patience.of(Box::pin(pool.begin())).await?;
                Begun::Postgres(begun, patience.clone())
            }
        };
        Ok(Tx {
            begun,
            mark: Some(mark),
            lane: None,
            wakes: false,
        })
    }

    /// Begins a transaction that reads, all of it at one moment, and may take as long as its process likes.
    pub(crate) async fn begin_snapshot(&self) -> StoreResult<Tx> {
        let begun = match &self.0.pools {
            Pools::Sqlite { read, .. } => Begun::Sqlite(Box::pin(read.begin()).await?),
            Pools::Postgres { pool, patience, .. } => {
                let begin = "begin isolation level repeatable read, read only";
                let begun = patience.of(Box::pin(pool.begin_with(begin))).await?;
                Begun::Postgres(begun, patience.clone())
            }
        };
        let mut tx = Tx {
            begun,
            mark: None,
            lane: None,
            wakes: false,
        };
        tx.waits_for_its_process().await?;
        Ok(tx)
    }

    /// Begins a transaction that is alone in its lane to its end.
    pub async fn begin_in(&self, lane: Lane) -> StoreResult<Tx> {
        let mut tx = self.begin().await?;
        tx.alone_in(lane).await?;
        Ok(tx)
    }

    /// Commits, and wakes whoever waits for changes: in this process at once, in others where they have to know.
    pub async fn commit(&self, mut tx: Tx) -> StoreResult<()> {
        if tx.wakes && tx.is_shared() {
            // the last statement: it holds up the commits of all who notify. An empty text, as those of one transaction fold
            query("select pg_notify($1, '')")
                .bind(CHANNEL)
                .execute(&mut tx)
                .await?;
        }
        self.commit_quietly(tx).await?;
        self.wake();
        Ok(())
    }

    /// Commits what nobody waits for.
    pub(crate) async fn commit_quietly(&self, tx: Tx) -> StoreResult<()> {
        let Tx { begun, mark, .. } = tx;
        match begun {
            Begun::Sqlite(begun) => begun.commit().await?,
            Begun::Postgres(begun, patience) => patience.of(begun.commit()).await?,
        }
        if let Some(mut mark) = mark {
            mark.committed = true;
        }
        Ok(())
    }

    /// Lets all who wait for commits look again.
    pub(crate) fn wake(&self) {
        self.0.commits.send_modify(|count| *count += 1);
    }

    /// Whether the database takes writes: yes as long as they succeed; after one that did not, a trial decides, at most once a
    /// second. The reason where it does not.
    pub async fn check_writable(&self) -> Result<(), String> {
        let writes = &self.0.writes;
        let broke_off = || {
            writes.broke_off.load(Ordering::Relaxed) || writes.log_broke_off.load(Ordering::Relaxed)
        };
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
        if let Pools::Sqlite { dir, .. } = &self.0.pools {
            let dir = dir.clone();
            let room = tokio::task::spawn_blocking(move || sqlite::find_room(&dir));
            let room = room.await.unwrap_or_else(|e| Err(io::Error::other(e)));
            room.map_err(|e| StoreError::Full(sqlx::Error::Io(e)))?;
        }
        let mut tx = self.begin().await?;
        tx.writes_log();
        query("update log_head set seq = seq where only_row = 1")
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// Changes with every commit of this process, and where others commit too, with every word of theirs.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    /// Lets all look again who wait for questions about leases, or answers.
    pub(crate) fn wake_for_leases(&self) {
        self.0.leases.send_modify(|count| *count += 1);
    }

    /// Changes when there may be questions about leases, or answers.
    #[must_use]
    pub fn lease_changes(&self) -> watch::Receiver<u64> {
        self.0.leases.subscribe()
    }

    /// Now, by the clock that all who share the database have in common: the database's, where it has one; else `own`.
    pub async fn shared_time(&self, own: Time) -> StoreResult<Time> {
        match &self.0.pools {
            Pools::Sqlite { .. } => Ok(own),
            Pools::Postgres { .. } => Ok(Time(query_scalar(NOW).fetch_one(self).await?)),
        }
    }

    /// A read that touches the database; the readiness check.
    pub async fn ping(&self) -> StoreResult<()> {
        let head = query_scalar::<i64>("select seq from log_head");
        head.fetch_optional(self).await?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.0.pools {
            Pools::Sqlite {
                write, read, brief, ..
            } => {
                brief.close().await;
                read.close().await;
                write.close().await;
            }
            Pools::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl Tx {
    /// Waits until it is alone in a lane, and stays so to its end. Once for a transaction: two lanes would let two wait for each other.
    pub(crate) async fn alone_in(&mut self, lane: Lane) -> StoreResult<()> {
        if self.lane == Some(lane) {
            return Ok(());
        }
        debug_assert!(self.lane.is_none(), "a transaction has one lane");
        if let Begun::Postgres(..) = self.begun {
            query("select pg_advisory_xact_lock($1)")
                .bind(LANES + lane as i64)
                .execute(&mut *self)
                .await?;
        }
        self.lane = Some(lane);
        Ok(())
    }

    /// It is not ended for being idle: it reads from or writes to something that may be slow, and no server waits for it.
    pub(crate) async fn waits_for_its_process(&mut self) -> StoreResult<()> {
        if self.is_shared() {
            query("select set_config('idle_in_transaction_session_timeout', '0', true)")
                .execute(self)
                .await?;
        }
        Ok(())
    }

    /// Whether other nodes may wait for what it holds.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.begun, Begun::Postgres(..))
    }

    /// Now, as [`Db::shared_time`] has it, within this transaction: after all that it has waited for.
    pub(crate) async fn shared_time(&mut self, own: Time) -> StoreResult<Time> {
        match self.begun {
            Begun::Sqlite(_) => Ok(own),
            Begun::Postgres(..) => Ok(Time(query_scalar(NOW).fetch_one(self).await?)),
        }
    }

    /// It writes the log: whether it comes to its end says whether publishing works.
    pub(crate) fn writes_log(&mut self) {
        if let Some(mark) = &mut self.mark {
            mark.log = true;
        }
    }

    /// What it changed is for all nodes to know at once.
    pub(crate) fn tell_all(&mut self) {
        self.wakes = true;
    }
}
