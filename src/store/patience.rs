//! Patience with a server over the network: how long an answer is waited for, and which connections are trusted after a silence.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::error::{StoreError, StoreResult};

/// How long an answer is waited for. A connection whose other end is gone says nothing for a quarter of an hour.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// Who has waited for an answer since before this waits in vain.
    doubt: watch::Sender<Option<Instant>>,
    /// No connection of before is used again.
    broken: Mutex<Option<Instant>>,
    /// None of before is used again without being asked first.
    suspicion: Mutex<Option<Instant>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Patience {
            limit,
            doubt: watch::Sender::new(None),
            broken: Mutex::default(),
            suspicion: Mutex::default(),
        }
    }

    /// An answer is late: the server may have much to do, or all connections may be lost without a word. Each that was made before this
    /// is asked before it is used again.
    pub(crate) fn suspect(&self) {
        note(&self.suspicion);
    }

    /// A connection broke: others may be lost as well, without a word. None that was made before this is used again; who waits on one
    /// goes on waiting.
    pub(crate) fn give_up(&self) -> Instant {
        note(&self.broken)
    }

    /// Whoever waits for an answer waits no longer, and no connection of before is used again.
    pub(crate) fn doubt(&self) {
        let now = self.give_up();
        self.doubt_since(now);
    }

    /// Whoever has waited for an answer since before `then` waits no longer.
    pub(crate) fn doubt_since(&self, then: Instant) {
        self.doubt.send_replace(Some(then));
    }

    /// Whether a connection of this age is not to be used again.
    pub(crate) fn doubts(&self, age: Duration) -> bool {
        is_older(age, &self.broken)
    }

    /// Whether a connection that lies idle for so long is to be asked first. One that was given back since has answered.
    pub(crate) fn suspects(&self, idle_for: Duration) -> bool {
        is_older(idle_for, &self.suspicion)
    }

    /// What comes of it, in time.
    pub(crate) async fn of<T>(&self, run: impl Future<Output = sqlx::Result<T>>) -> StoreResult<T> {
        let mut doubt = self.doubt.subscribe();
        let begun = Instant::now();
        tokio::select! {
            biased;
            done = run => Ok(done?),
            // an error says that there is no pool any more
            _ = doubt.wait_for(|then| then.is_some_and(|then| then >= begun)) => Err(no_answer("the server does not answer")),
            () = tokio::time::sleep(self.limit) => {
                Err(no_answer(&format!("no answer within {} s", self.limit.as_secs())))
            }
        }
    }
}

fn note(moment: &Mutex<Option<Instant>>) -> Instant {
    let now = Instant::now();
    *moment.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    now
}

fn is_older(age: Duration, moment: &Mutex<Option<Instant>>) -> bool {
    let moment = *moment.lock().unwrap_or_else(PoisonError::into_inner);
    moment.is_some_and(|at| at.elapsed() <= age)
}

/// Nobody answers.
pub(crate) fn no_answer(why: &str) -> StoreError {
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, why.to_owned());
    StoreError::Unavailable(sqlx::Error::Io(error))
}
