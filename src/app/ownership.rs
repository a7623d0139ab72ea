//! What one process does at a time, and who has it: by a lock of the data directory, or where nodes share a database, of that.

use std::path::{Path, PathBuf};

use super::{
    data_dir::{self, DirLock},
    error::StartResult,
};
use crate::store::{
    db::Db,
    session::{Fence, SessionLock},
};

/// What one process does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Running the engines.
    Engines,
    /// Judging what waits of insider filings.
    Insiders,
}

impl Duty {
    fn file(self) -> &'static str {
        match self {
            Duty::Engines => data_dir::ENGINES,
            Duty::Insiders => data_dir::INSIDERS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Duty::Engines => "engines",
            Duty::Insiders => "insiders",
        }
    }
}

/// Where duties are taken.
#[derive(Clone)]
pub struct Duties {
    dir: PathBuf,
    /// Where nodes share it.
    shared: Option<Db>,
}

/// A duty that this process has, until it is dropped.
#[derive(Debug)]
pub enum Held {
    /// For as long as the process lives.
    File(DirLock),
    /// For as long as its connection lives.
    Session(SessionLock),
}

impl Duties {
    /// Of a database and its data directory.
    #[must_use]
    pub fn of(db: &Db, data_dir: &Path) -> Self {
        Duties {
            dir: data_dir.to_owned(),
            shared: db.is_shared().then(|| db.clone()),
        }
    }

    /// Takes a duty; `None` while another process has it.
    pub async fn try_take(&self, duty: Duty) -> StartResult<Option<Held>> {
        match &self.shared {
            None => Ok(DirLock::try_take(&self.dir, duty.file())?.map(Held::File)),
            Some(db) => {
                let lock = db.try_session_lock(duty.name()).await?;
                Ok(lock.map(Held::Session))
            }
        }
    }
}

impl Held {
    /// What proves it in a transaction.
    #[must_use]
    pub fn fence(&self) -> Fence {
        match self {
            Held::File(_) => Fence::default(),
            Held::Session(lock) => lock.fence(),
        }
    }

    /// Whether another process may have it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Held::File(_) => false,
            Held::Session(lock) => lock.is_lost(),
        }
    }

    /// Resolves when another process may have it.
    pub async fn lost(&self) {
        match self {
            Held::File(_) => std::future::pending().await,
            Held::Session(lock) => lock.lost().await,
        }
    }
}
