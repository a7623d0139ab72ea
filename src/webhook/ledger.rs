//! The ledger: what has become of messages, of all endpoints of this node, written down together some times a second.
//!
//! What is not written when the process is killed is sent again: a receiver drops it by its id.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::{db::Db, hook_messages::Progress};

/// From one writing to the next.
const EVERY: Duration = Duration::from_millis(100);
/// Notes that wait at most: where the database takes none, endpoints wait for room.
const MOST_NOTES: usize = 4_096;
/// After a writing that failed.
const RETRY: Duration = Duration::from_secs(1);

enum Note {
    Progress {
        progress: Box<Progress>,
        /// Told where the endpoint is another node's by now.
        lost: CancellationToken,
        room: OwnedSemaphorePermit,
    },
    /// Told once all before it is written.
    Mark(oneshot::Sender<()>),
}

/// Where endpoints note what became of their messages.
#[derive(Clone)]
pub struct Ledger {
    notes: mpsc::UnboundedSender<Note>,
    room: Arc<Semaphore>,
}

/// What writes it down; to be run until all who note have gone.
pub struct Writer {
    notes: mpsc::UnboundedReceiver<Note>,
    db: Db,
}

/// A ledger and its writer.
#[must_use]
pub fn open(db: Db) -> (Ledger, Writer) {
    let (send, notes) = mpsc::unbounded_channel();
    let ledger = Ledger {
        notes: send,
        room: Arc::new(Semaphore::new(MOST_NOTES)),
    };
    (ledger, Writer { notes, db })
}

impl Ledger {
    /// Notes progress; waits where too much is not written yet. `lost` is cancelled where the endpoint turns out to be another node's.
    pub async fn note(&self, progress: Progress, lost: &CancellationToken) {
        let Ok(room) = self.room.clone().acquire_owned().await else {
            return;
        };
        let note = Note::Progress {
            progress: Box::new(progress),
            lost: lost.clone(),
            room,
        };
        // its writer goes last
        let _ = self.notes.send(note);
    }

    /// Resolves when all that was noted before is written.
    pub async fn written(&self) {
        let (tell, told) = oneshot::channel();
        let _ = self.notes.send(Note::Mark(tell));
        // an error: there is no writer any more, and nothing will be written
        let _ = told.await;
    }
}

impl Writer {
    /// Writes until everybody has gone, and what they noted is written.
    pub async fn run(mut self) {
        let mut gathered = Vec::new();
        while self.notes.recv_many(&mut gathered, MOST_NOTES).await > 0 {
            let (mut all, mut owners, mut marks) = (Vec::new(), Vec::new(), Vec::new());
            // room is made only once it is written
            let mut rooms = Vec::new();
            for note in gathered.drain(..) {
                match note {
                    Note::Progress {
                        progress,
                        lost,
                        room,
                    } => {
                        all.push(*progress);
                        owners.push(lost);
                        rooms.push(room);
                    }
                    Note::Mark(tell) => marks.push(tell),
                }
            }
            for place in self.write(&all).await {
                if let Some(lost) = owners.get(place) {
                    lost.cancel();
                }
            }
            drop(rooms);
            for tell in marks {
                // who asked may have gone
                let _ = tell.send(());
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn write(&self, all: &[Progress]) -> Vec<usize> {
        if all.is_empty() {
            return Vec::new();
        }
        loop {
            match self.db.write_progress(all).await {
                Ok(lost) => return lost,
                Err(error) => {
                    tracing::warn!(%error, "what became of webhooks cannot be written down; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
