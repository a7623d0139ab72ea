//! PostgreSQL: its URL, which is a secret, and opening a pool of connections that notice when the other end is gone.

use std::{fmt, str::FromStr as _, sync::Arc, time::Duration};

use serde::Deserialize;
use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    error::{StoreError, StoreResult},
    migrations::{self, Migration},
    patience::{Patience, no_answer},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The last step that tables here take.
pub(crate) fn newest() -> i64 {
    migrations::newest(&MIGRATIONS)
}

/// Settings of the database where it is PostgreSQL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it is; empty for SQLite in the data directory.
    pub url: DatabaseUrl,
    /// Connections of this process at the most, beside the one that listens and those that hold locks.
    pub connections: u32,
    /// How long a request waits for a free connection, and a connection for its server, in seconds.
    pub connect_seconds: u64,
    /// How long a transaction waits for another one's lock, in seconds.
    pub lock_seconds: u64,
    /// How long a statement may take, in seconds.
    pub statement_seconds: u64,
}

/// A database's URL. It may hold a password: it shows nothing but where the database is.
#[derive(Clone, Default)]
pub struct DatabaseUrl(Option<Box<PgConnectOptions>>);

/// Why a text is no URL of a database that is known. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// SQLite has no URL: two data directories could share it, each with its own lock.
    #[error("the SQLite database is always in the data directory; name that one with --data-dir")]
    Sqlite,
    /// Of another scheme.
    #[error("this is no database URL that is known: postgres://user@host/database is one")]
    Unknown,
    /// `postgres:`, and then something else than is expected.
    #[error(
        "the PostgreSQL URL cannot be read; it looks like postgres://user:password@host:5432/database, where special characters \
             of the password are written as %40 and the like"
    )]
    Malformed,
}

impl DatabaseUrl {
    /// Reads it; an empty text is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(DatabaseUrl(None));
        }
        let (scheme, _) = text.split_once(':').unwrap_or((text, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" => {}
            "sqlite" | "file" => return Err(UrlError::Sqlite),
            _ => return Err(UrlError::Unknown),
        }
        // the reason may repeat a part of it
        let options = PgConnectOptions::from_str(text).map_err(|_| UrlError::Malformed)?;
        let options = options.application_name("sigcast");
        Ok(DatabaseUrl(Some(Box::new(options))))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// With another database of the same server.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let options = self.0.clone();
        DatabaseUrl(options.map(|options| Box::new(options.database(name))))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(options) = &self.0 else {
            return f.write_str("none");
        };
        let name = options.get_database().unwrap_or_default();
        match options.get_socket() {
            Some(socket) => write!(f, "PostgreSQL at {}, database {name}", socket.display()),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "PostgreSQL at {host}:{port}, database {name}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        DatabaseUrl::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A pool of connections.
pub(crate) struct Opened {
    pub(crate) pool: PgPool,
    pub(crate) options: PgConnectOptions,
    pub(crate) patience: Arc<Patience>,
    pub(crate) migrated: Vec<Migration>,
}

/// Whether the database has tables of this program.
pub(crate) async fn is_made(config: &Config) -> StoreResult<bool> {
    let options = options(config)?;
    let patience = Duration::from_secs(config.connect_seconds.max(1));
    let mut connection = connect(&options, patience).await?;
    let made = sqlx::query_scalar("select to_regclass('log_head') is not null")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(made)
}

fn options(config: &Config) -> StoreResult<PgConnectOptions> {
    let options = config.url.0.as_deref().cloned();
    options.ok_or_else(|| StoreError::Refused("no database URL is set".to_owned()))
}

/// How long a connection may take to say that it is still there.
pub(crate) const PING: Duration = Duration::from_secs(2);
/// A connection that was used so lately is not asked whether it is still there.
const SURELY_THERE: Duration = Duration::from_secs(1);

/// Connects to the database, and brings its tables up to date.
pub(crate) async fn open(config: &Config) -> StoreResult<Opened> {
    let options = options(config)?;
    let connect = Duration::from_secs(config.connect_seconds.max(1));
    let migrated = migrate(&options, connect).await?;
    // as statements, not as options of the start: poolers between do not know those
    // Plans are made for the values that are given: how far a page lies and how many rows a filter passes decide what is fastest. To compile
    // one, or to start others that help with it, takes longer than nearly all statements here.
    let limits = format!(
        "set lock_timeout = '{}s'; set statement_timeout = '{}s'; set idle_in_transaction_session_timeout = '{}s';
         set plan_cache_mode = force_custom_plan; set jit = off; set max_parallel_workers_per_gather = 0",
        config.lock_seconds, config.statement_seconds, IDLE_IN_TRANSACTION
    );
    // the server ends what takes too long; this is for one that does not answer at all
    let limit = Duration::from_secs(config.statement_seconds.max(1) + 1);
    let patience = Arc::new(Patience::new(limit));
    let suspicion = patience.clone();
    let pool = PgPoolOptions::new()
        .max_connections(config.connections.max(2))
        .acquire_timeout(connect)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let limits = sqlx::AssertSqlSafe(limits.clone());
            Box::pin(async move {
                connection.execute(limits).await?;
                Ok(())
            })
        })
        .before_acquire(move |connection, meta| {
            let doubted = suspicion.doubts(meta.age);
            let surely = meta.idle_for < SURELY_THERE && !suspicion.suspects(meta.idle_for);
            Box::pin(async move { Ok(!doubted && (surely || is_there(connection, PING).await)) })
        })
        // whoever gave up waiting for an answer gives back a connection that may never answer again: the pool must not wait either
        .after_release(|connection, _| {
            Box::pin(async move { Ok(is_there(connection, PING).await) })
        })
        .connect_with(options.clone())
        .await?;
    Ok(Opened {
        pool,
        options,
        patience,
        migrated,
    })
}

/// A process that stops in the middle of a transaction, or whose connection is lost without a word, must not hold its locks for long, in
/// seconds. What is computed between two statements takes less.
const IDLE_IN_TRANSACTION: u64 = 10;

pub(crate) async fn is_there(connection: &mut PgConnection, within: Duration) -> bool {
    matches!(
        tokio::time::timeout(within, connection.ping()).await,
        Ok(Ok(()))
    )
}

async fn migrate(options: &PgConnectOptions, patience: Duration) -> StoreResult<Vec<Migration>> {
    // a connection of its own: steps may take long, and wait for another process that takes them
    let mut connection = connect(options, patience).await?;
    // that a table is there already is no news
    connection
        .execute("set client_min_messages = warning")
        .await?;
    let encoding: String = sqlx::query_scalar("show server_encoding")
        .fetch_one(&mut connection)
        .await?;
    if encoding != "UTF8" {
        return Err(StoreError::Refused(format!(
            "the database keeps its texts in {encoding}; make it with: create database … encoding 'UTF8' template template0"
        )));
    }
    let migrated = migrations::run(&MIGRATIONS, &mut connection).await?;
    connection.close().await?;
    Ok(migrated)
}

/// A connection of its own, beside the pool.
pub(crate) async fn connect(
    options: &PgConnectOptions,
    patience: Duration,
) -> StoreResult<PgConnection> {
    match tokio::time::timeout(patience, PgConnection::connect_with(options)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(no_answer("no connection in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_shows_its_password() {
        let url = DatabaseUrl::parse("postgres://me:s3cr%40t@db.example:6543/signals").unwrap();
        assert_eq!(
            url.to_string(),
            "PostgreSQL at db.example:6543, database signals"
        );
        assert_eq!(format!("{url:?}"), url.to_string());
        for text in [
            "postgres://me:s3cret@db:port/x",
            "mysql://me:s3cret@db/x",
            "sqlite://s3cret",
            "s3cret",
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        assert!(!DatabaseUrl::parse(" ").unwrap().is_set());
    }

    #[test]
    fn a_socket_is_shown_as_such() {
        let url = DatabaseUrl::parse("postgres:///signals?host=/run/postgresql").unwrap();
        let shown = url.to_string();
        assert!(shown.contains("/run/postgresql"), "{shown}");
    }
}
