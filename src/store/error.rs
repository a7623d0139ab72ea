//! What can go wrong with the database, sorted by what the caller can do about it.

use sqlx::postgres::PgDatabaseError;

/// A failed query.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the quota on it, is full, here or at the database's server. Nothing was changed; it works again when there is room.
    #[error(
        "the disk that holds the database is full, or a quota or a limit on file sizes is reached; make room, nothing else is needed ({0})"
    )]
    Full(sqlx::Error),
    /// The database cannot be reached, or is locked for too long.
    #[error("the database cannot be used now: {0}")]
    Unavailable(sqlx::Error),
    /// The database, or its folder, may not be written by this user.
    #[error(
        "this user may not write the database or its folder; give it the right to, or use another folder ({0})"
    )]
    ReadOnly(sqlx::Error),
    /// The caller asked for something that the data forbids.
    #[error("{0}")]
    Refused(String),
    /// Stored data that cannot be read back.
    #[error("the database holds {what} that cannot be read: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(sqlx::Error),
}

impl StoreError {
    /// The same for another one who asked.
    #[must_use]
    pub fn again(&self) -> Self {
        let told = |error: &sqlx::Error| sqlx::Error::Io(std::io::Error::other(error.to_string()));
        match self {
            StoreError::Full(error) => StoreError::Full(told(error)),
            StoreError::Unavailable(error) => StoreError::Unavailable(told(error)),
            StoreError::ReadOnly(error) => StoreError::ReadOnly(told(error)),
            StoreError::Refused(reason) => StoreError::Refused(reason.clone()),
            StoreError::Corrupt { what, reason } => StoreError::Corrupt {
                what: what.clone(),
                reason: reason.clone(),
            },
            StoreError::Other(error) => StoreError::Other(told(error)),
        }
    }

    /// The database cannot be used, for a reason of ours.
    #[must_use]
    pub fn told(reason: &str) -> Self {
        StoreError::Unavailable(sqlx::Error::Io(std::io::Error::other(reason.to_owned())))
    }
}

/// What a query comes to.
pub type StoreResult<T> = Result<T, StoreError>;

const SQLITE_BUSY: i64 = 5;
const SQLITE_FULL: &str = "13";
const SQLITE_IOERR: i64 = 10;
const SQLITE_READONLY: i64 = 8;
const SQLITE_CANTOPEN: i64 = 14;
/// The index of the WAL could not grow: SQLite says this of a full disk alone.
const SQLITE_IOERR_SHMSIZE: &str = "4874";
/// A write that the system refused: a quota, a limit on file sizes, or a disk that is broken.
const SQLITE_IOERR_WRITE: &str = "778";

/// What PostgreSQL says of a full disk, and of a right that is missing.
const PG_DISK_FULL: &str = "53100";
const PG_NO_RIGHT: &str = "42501";
/// It passes: connections that broke, shortages, conflicts with others' transactions, and a server that starts, stops, or is a
/// standby until it is promoted. By the beginnings of its codes.
const PG_PASSING: [&str; 7] = ["08", "53", "40", "55P03", "57", "25006", "25P03"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error),
            sqlx::Error::Database(cause) => {
                let code = cause.code().unwrap_or_default().into_owned();
                match cause.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => of_postgres(&code, error),
                    None => of_sqlite(&code, error),
                }
            }
            _ => StoreError::Other(error),
        }
    }
}

fn of_sqlite(code: &str, error: sqlx::Error) -> StoreError {
    // extended codes hold the primary one in their low byte
    let primary = code.parse::<i64>().map_or(0, |code| code & 0xff);
    if [SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE].contains(&code) {
        StoreError::Full(error)
    } else if [SQLITE_READONLY, SQLITE_CANTOPEN].contains(&primary) {
        StoreError::ReadOnly(error)
    } else if [SQLITE_BUSY, SQLITE_IOERR].contains(&primary) {
        StoreError::Unavailable(error)
    } else {
        StoreError::Other(error)
    }
}

fn of_postgres(code: &str, error: sqlx::Error) -> StoreError {
    if code == PG_DISK_FULL {
        StoreError::Full(error)
    } else if code == PG_NO_RIGHT {
        StoreError::ReadOnly(error)
    } else if PG_PASSING.iter().any(|passing| code.starts_with(passing)) {
        StoreError::Unavailable(error)
    } else {
        StoreError::Other(error)
    }
}

impl StoreError {
    /// Stored data that cannot be read back.
    pub(crate) fn corrupt(what: impl Into<String>, reason: impl ToString) -> Self {
        StoreError::Corrupt {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// Whether the same call may work later without anybody changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Full(_) | StoreError::Unavailable(_))
    }
}
