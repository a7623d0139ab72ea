//! Applications for leases that wait for their turn: whatever has come while one statement was under way is made in the next.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::model::lease::{Applicant, Application, LeasesUnavailable};

/// To whom it is told what an application came to.
pub type Outcome = oneshot::Sender<Result<Application, LeasesUnavailable>>;

/// What waits.
#[derive(Debug)]
pub struct Applications {
    /// `None` once nobody takes any more.
    waiting: Mutex<Option<Vec<(Applicant, Outcome)>>>,
    added: Notify,
}

impl Default for Applications {
    fn default() -> Self {
        Applications {
            waiting: Mutex::new(Some(Vec::new())),
            added: Notify::new(),
        }
    }
}

impl Applications {
    /// Waits for its turn, and for what comes of it.
    pub async fn make(&self, applicant: Applicant) -> Result<Application, LeasesUnavailable> {
        let (sender, outcome) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *waiting {
                Some(waiting) => waiting.push((applicant, sender)),
                // that tells who waits for it
                None => drop(sender),
            }
        }
        self.added.notify_one();
        let ends = || Err(LeasesUnavailable("the server ends".to_owned()));
        outcome.await.unwrap_or_else(|_| ends())
    }

    /// Nobody takes any more: all that wait, and whoever comes, are told that the server ends.
    pub fn close(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes up to `most` that are still waited for, the oldest first; waits for one.
    pub async fn take(&self, most: usize) -> Vec<(Applicant, Outcome)> {
        loop {
            let taken: Vec<_> = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = waiting.get_or_insert_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{lease::Claim, time::Time};

    #[tokio::test]
    async fn nobody_waits_for_a_server_that_ends() {
        let applications = Applications::default();
        let made = || {
            applications.make(Applicant {
                key_id: "key".to_owned(),
                connection: 1,
                connected_at: Time(0),
                peer: String::new(),
                takeovers: Vec::new(),
                claim: Claim::Fresh,
                asked: None,
            })
        };
        let ends = async {
            tokio::task::yield_now().await;
            applications.close();
        };
        let (waited, ()) = tokio::join!(made(), ends);
        assert!(waited.is_err() && made().await.is_err());
    }
}
