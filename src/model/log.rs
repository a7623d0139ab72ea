//! The signal log as the rest of the house sees it: rows, positions, and how they are read.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::time::Time;

/// One committed row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its place: gapless from 1, in commit order.
    pub seq: i64,
    /// When it was committed; never decreases with `seq`.
    pub published_at: Time,
    /// The signal as it was published, without `seq` and `published_at`.
    pub body: Arc<str>,
}

/// Part of the log, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// Names the log.
    pub epoch: Arc<str>,
    /// The last committed seq at that instant.
    pub head: i64,
    /// Rows, in order.
    pub rows: Vec<LogRow>,
}

/// What was in the log, and is no more: the database was put back to an earlier state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The log's name.
    pub epoch: Arc<str>,
    /// The last seq that was seen in it.
    pub seq: i64,
    /// The row that it had, where it is known.
    pub row: Option<LogRow>,
}

/// The state of the log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Names the log; drawn when the database is created, and again when the log has gone back.
    pub epoch: Arc<str>,
    /// The last committed seq; 0 for an empty log.
    pub seq: i64,
    /// The first seq that can still be read; `seq + 1` where none can.
    pub oldest: i64,
}

/// A place in a log: `<epoch>-<seq>`, the `id:` of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which log.
    pub epoch: Arc<str>,
    /// After which row.
    pub seq: i64,
}

impl Position {
    /// Reads `<8 hex digits>-<seq>`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once('-')?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if epoch.len() != 8 || !epoch.bytes().all(hex) {
            return None;
        }
        if seq.is_empty() || seq.len() > 18 || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Position {
            epoch: epoch.into(),
            seq: seq.parse().ok()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// The log could not be read now; the reader keeps its place and tries again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log cannot be read: {0}")]
pub struct LogUnavailable(pub String);

/// What a reading of the log comes to.
pub type LogFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogUnavailable>> + Send + 'a>>;

/// Reading the log: `store` implements it, `hub` uses it.
pub trait LogRead: Send + Sync {
    /// Epoch, last and oldest seq.
    fn head(&self) -> LogFuture<'_, LogHead>;
    /// Up to `limit` rows with a greater seq, in order.
    fn after(&self, seq: i64, limit: usize) -> LogFuture<'_, LogPart>;
    /// The greatest seq whose row was published before `time`; `oldest - 1` where there is none.
    fn before_time(&self, time: Time) -> LogFuture<'_, i64>;
    /// The same, once no row can come any more that was published before: those that are being committed are waited for.
    fn settled_before(&self, time: Time) -> LogFuture<'_, i64>;
    /// Names the log anew, if it has that name and has indeed lost that. Of several who ask, one does it.
    fn begin_anew<'a>(&'a self, lost: &'a Lost, epoch: &'a str) -> LogFuture<'a, ()>;
}
