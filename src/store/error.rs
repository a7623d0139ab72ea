//! What can go wrong with the database, sorted by what the caller can do about it.

/// A failed query.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the quota on it, is full. Nothing was changed; it works again when there is room.
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

/// What a query comes to.
pub type StoreResult<T> = Result<T, StoreError>;

const SQLITE_BUSY: &str = "5";
const SQLITE_FULL: &str = "13";
const SQLITE_IOERR: i64 = 10;
const SQLITE_READONLY: i64 = 8;
const SQLITE_CANTOPEN: i64 = 14;
/// The index of the WAL could not grow: SQLite says this of a full disk alone.
const SQLITE_IOERR_SHMSIZE: &str = "4874";
/// A write that the system refused: a quota, a limit on file sizes, or a disk that is broken.
const SQLITE_IOERR_WRITE: &str = "778";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                StoreError::Unavailable(error)
            }
            sqlx::Error::Database(cause) => {
                let code = cause.code().unwrap_or_default().into_owned();
                // extended codes hold the primary one in their low byte
                let primary = code.parse::<i64>().map_or(0, |code| code & 0xff);
                if [SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE].contains(&&*code) {
                    StoreError::Full(error)
                } else if [SQLITE_READONLY, SQLITE_CANTOPEN].contains(&primary) {
                    StoreError::ReadOnly(error)
                } else if code == SQLITE_BUSY || primary == 5 || primary == SQLITE_IOERR {
                    StoreError::Unavailable(error)
                } else {
                    StoreError::Other(error)
                }
            }
            _ => StoreError::Other(error),
        }
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
