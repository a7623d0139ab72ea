//! Why a node cannot start.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{model::log::LogUnavailable, store::error::StoreError};

/// A start that failed; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder of the data directory.
    #[error("{} cannot be {what}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// made, opened, read, written, locked
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error("the database in {} cannot be opened: {source}", path.display())]
    Database {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The database, after it was opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    /// A listener.
    #[error(
        "cannot listen on {address}: {source}; is another server there? Choose with --listen and --admin-listen"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals of the operating system.
    #[error("signals cannot be listened to: {0}")]
    Signals(#[source] io::Error),
}

/// What a step of the start comes to.
pub type StartResult<T> = Result<T, StartError>;
