//! The databases that the promises are kept on, and what all promises need.

use sigcast::{
    config::load,
    model::{publish::NewSignal, time::Time},
    store::{db::Db, sqlite::Config},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::cluster::Database;

/// A fresh, empty database, gone with the test.
pub enum Fresh {
    /// A file of its own.
    Sqlite(TempDir),
    /// A database of its own.
    Postgres(Database),
}

impl Fresh {
    pub fn sqlite() -> Self {
        Fresh::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn postgres() -> Self {
        Fresh::Postgres(Database::fresh())
    }

    /// Another fresh one of the same kind.
    pub fn another(&self) -> Self {
        match self {
            Fresh::Sqlite(_) => Fresh::sqlite(),
            Fresh::Postgres(_) => Fresh::postgres(),
        }
    }

    /// A handle of its own, as another process would have it.
    pub async fn open(&self) -> Db {
        let config = Config {
            readers: 2,
            busy_seconds: 30,
            ..settings().store
        };
        match self {
            Fresh::Sqlite(folder) => Db::open_sqlite(folder.path(), &config).await.unwrap(),
            Fresh::Postgres(database) => Db::open_postgres(&database.config()).await.unwrap(),
        }
    }

    /// A handle to a database whose log has a name.
    pub async fn named(&self) -> Db {
        let db = self.open().await;
        db.name_log("0123abcd", at(0)).await.unwrap();
        db
    }

    /// Runs statements on it, as some other program would.
    pub async fn sql(&self, statements: &str) {
        match self {
            Fresh::Postgres(database) => database.run(statements),
            Fresh::Sqlite(folder) => {
                let file = SqliteConnectOptions::new().filename(folder.path().join("sigcast.db"));
                let mut connection = SqliteConnection::connect_with(&file).await.unwrap();
                let statements = sqlx::AssertSqlSafe(statements.to_owned());
                let done = sqlx::raw_sql(statements).execute(&mut connection).await;
                done.unwrap();
            }
        }
    }
}

/// Holds each database to these promises: functions `async fn(Fresh)` of the module.
macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                $crate::backend::run(super::$name($crate::backend::Fresh::sqlite()));
            })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                $crate::backend::run(super::$name($crate::backend::Fresh::postgres()));
            })*
        }
    };
}
pub(crate) use promises;

pub fn run<T>(promise: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(promise)
}

pub fn settings() -> sigcast::config::settings::Settings {
    load::load(None, std::iter::empty(), &[]).unwrap()
}

/// A moment, in seconds after the tests begin.
pub fn at(seconds: i64) -> Time {
    Time((1_760_000_000 + seconds) * Time::SECOND)
}

/// The `n`th signal, with this much more in its body.
pub fn signal_with(n: u32, more: &str) -> NewSignal {
    let id = format!("00000000-0000-4000-8000-{n:012}");
    NewSignal {
        body: format!("{{\"id\":\"{id}\"{more}}}"),
        id,
    }
}

pub fn signal(n: u32) -> NewSignal {
    signal_with(n, "")
}

pub fn signals(numbers: impl IntoIterator<Item = u32>) -> Vec<NewSignal> {
    numbers.into_iter().map(signal).collect()
}
