//! What one process does at a time, and who has it: by a lock of the data directory, or where nodes share a database, by a lease there.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

use super::{
    data_dir::{self, DirLock},
    error::StartResult,
};
use crate::{
    model::random::Random,
    store::{
        db::Db,
        error::StoreResult,
        member::{Member, Proof},
    },
};

/// What one process does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Running the engines.
    Engines,
    /// Judging what waits of insider filings.
    Insiders,
    /// Following EDGAR.
    Edgar,
}

impl Duty {
    fn file(self) -> &'static str {
        match self {
            Duty::Engines => data_dir::ENGINES,
            Duty::Insiders => data_dir::INSIDERS,
            Duty::Edgar => data_dir::EDGAR,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Duty::Engines => "engines",
            Duty::Insiders => "insiders",
            Duty::Edgar => "edgar",
        }
    }
}

/// Where duties are taken.
#[derive(Clone)]
pub struct Duties(Place);

#[derive(Clone)]
enum Place {
    /// The only one on its data.
    Directory(PathBuf),
    /// One node among others; its heart where nobody else sends its heartbeats.
    Shared(Member, Option<Arc<Heart>>),
}

/// Sends heartbeats until dropped.
struct Heart(JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A duty that this process has, until it is dropped.
#[derive(Debug)]
pub enum Held {
    /// For as long as the process lives.
    File(DirLock),
    /// For as long as its heartbeats reach the database.
    Lease(Lease),
}

/// A duty by lease.
#[derive(Debug)]
pub struct Lease {
    member: Member,
    proof: Proof,
    held: watch::Receiver<bool>,
    keeper: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Makes this process a node of a shared database, under an id of its own; `None` where the database is the directory's.
pub async fn join(db: &Db, random: &Random, life: Duration) -> StoreResult<Option<Member>> {
    let id = random.uuid().hyphenated().to_string();
    db.join(&id, life).await
}

/// The same for the one server of a data directory, whose lock it has: the server before it there has ended, whether or not it could
/// say so, and nobody has to wait for its leases to end.
pub async fn join_as_server(
    db: &Db,
    random: &Random,
    life: Duration,
    data_dir: &Path,
) -> StartResult<Option<Member>> {
    if !db.is_shared() {
        return Ok(None);
    }
    if let Some(before) = data_dir::last_node(data_dir) {
        db.bury(&before).await?;
    }
    let id = random.uuid().hyphenated().to_string();
    data_dir::note_node(data_dir, &id)?;
    Ok(db.join(&id, life).await?)
}

/// How often a duty's lease is looked at. What is stored by right of it is proved each time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Duties {
    /// Of a data directory, or of a node, whose heartbeats are sent elsewhere.
    #[must_use]
    pub fn of(member: Option<Member>, data_dir: &Path) -> Self {
        Duties(match member {
            Some(member) => Place::Shared(member, None),
            None => Place::Directory(data_dir.to_owned()),
        })
    }

    /// The same; a node's heartbeats are sent from here.
    #[must_use]
    pub fn with_heart(member: Option<Member>, data_dir: &Path) -> Self {
        let Some(member) = member else {
            return Self::of(None, data_dir);
        };
        let heart = Heart(tokio::spawn(beat(member.clone())));
        Duties(Place::Shared(member, Some(Arc::new(heart))))
    }

    /// Takes a duty; `None` while another process has it.
    pub async fn try_take(&self, duty: Duty) -> StartResult<Option<Held>> {
        match &self.0 {
            Place::Directory(dir) => Ok(DirLock::try_take(dir, duty.file())?.map(Held::File)),
            Place::Shared(member, _) => {
                let proof = member.take_duty(duty.name()).await?;
                Ok(proof.map(|proof| Held::Lease(Lease::keep(member.clone(), proof))))
            }
        }
    }

    /// Leaves all duties to others at once. What is not left ends by itself, a lease's life later.
    pub async fn end(self) {
        if let Place::Shared(member, Some(_)) = self.0
            && let Err(error) = member.leave().await
        {
            tracing::debug!(%error, "what this process had ends by itself");
        }
    }
}

async fn beat(member: Member) {
    loop {
        tokio::time::sleep(member.life() / 4).await;
        if let Ok(Err(error)) = tokio::time::timeout(member.life() / 2, member.beat()).await {
            tracing::warn!(%error, "a heartbeat has not reached the database");
        }
    }
}

impl Lease {
    fn keep(member: Member, proof: Proof) -> Self {
        let (holds, held) = watch::channel(true);
        let keeper = tokio::spawn(keep(member.clone(), proof.clone(), holds));
        Lease {
            member,
            proof,
            held,
            keeper,
        }
    }
}

/// Looks at a lease until it is another's.
async fn keep(member: Member, proof: Proof, holds: watch::Sender<bool>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // a database that does not answer tells nothing: nothing can be stored either
        let has = tokio::time::timeout(member.life() / 2, member.has(&proof)).await;
        if matches!(has, Ok(Ok(false))) {
            holds.send_replace(false);
            return;
        }
    }
}

impl Held {
    /// What proves it in a transaction.
    #[must_use]
    pub fn proof(&self) -> Proof {
        match self {
            Held::File(_) => Proof::default(),
            Held::Lease(lease) => lease.proof.clone(),
        }
    }

    /// Whether another process may have it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Held::File(_) => false,
            Held::Lease(lease) => !*lease.held.borrow(),
        }
    }

    /// Resolves when another process may have it.
    pub async fn lost(&self) {
        match self {
            Held::File(_) => std::future::pending().await,
            Held::Lease(lease) => {
                let mut held = lease.held.clone();
                // an error says that the keeper is gone, and with it the lease
                let _ = held.wait_for(|held| !held).await;
            }
        }
    }

    /// Leaves it to others at once.
    pub async fn leave(self) {
        if let Held::Lease(lease) = &self
            && let Err(error) = lease.member.leave_duty(&lease.proof).await
        {
            tracing::debug!(%error, "a duty ends by itself");
        }
    }
}
