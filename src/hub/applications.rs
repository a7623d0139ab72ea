//! Applications for leases that wait for their turn: whatever has come while one statement was under way is made in the next.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::model::lease::{Applicant, Application, LeasesUnavailable};

/// To whom it is told what an application came to.
pub type Outcome = oneshot::Sender<Result<Application, LeasesUnavailable>>;

/// What waits.
#[derive(Debug, Default)]
pub struct Applications {
    waiting: Mutex<Vec<(Applicant, Outcome)>>,
    added: Notify,
}

impl Applications {
    /// Waits for its turn, and for what comes of it.
    pub async fn make(&self, applicant: Applicant) -> Result<Application, LeasesUnavailable> {
        let (sender, outcome) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((applicant, sender));
        }
        self.added.notify_one();
        let ends = || Err(LeasesUnavailable("the server ends".to_owned()));
        outcome.await.unwrap_or_else(|_| ends())
    }

    /// Takes up to `most` that are still waited for, the oldest first; waits for one.
    pub async fn take(&self, most: usize) -> Vec<(Applicant, Outcome)> {
        loop {
            let taken: Vec<_> = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.retain(|(_, outcome)| !outcome.is_closed());
                let count = waiting.len().min(most);
                waiting.drain(..count).collect()
            };
            if !taken.is_empty() {
                return taken;
            }
            self.added.notified().await;
        }
    }
}
