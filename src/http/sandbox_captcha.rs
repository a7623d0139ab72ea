//! A captcha in place of proof of work: another service says whether it was solved.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use crate::model::time::{Clock, Time};

/// Longer tokens are none: services promise 2,048 characters at most.
const MOST_TOKEN: usize = 2_048;
/// Questions under way at once; who comes beyond them is told to come again.
const AT_ONCE: usize = 32;
/// That it gives no answer is told at most so often: anybody can have it asked.
const TOLD_EVERY: i64 = 60 * Time::SECOND;

/// Asks the service whether a token stands for a captcha that was solved; an error where it gives no answer.
pub type Verify = Arc<dyn Fn(String) -> Verifying + Send + Sync>;
/// An answer on its way.
pub type Verifying = Pin<Box<dyn Future<Output = Result<bool, String>> + Send>>;

/// What a token comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Captcha {
    /// It was solved.
    Solved,
    /// It was not.
    Unsolved,
    /// Nobody knows now.
    Unknown,
}

/// Asks, a bounded number of questions at once.
pub struct Verifier {
    verify: Verify,
    turns: Semaphore,
    clock: Clock,
    silence: Mutex<Silence>,
}

/// What is told of answers that did not come.
#[derive(Debug, Default)]
struct Silence {
    /// When it was told last.
    told_at: Option<Time>,
    /// How many there were since then.
    untold: u64,
}

impl Silence {
    /// Counts another one; how many there were, with it, where it is time to tell.
    fn count(&mut self, now: Time) -> Option<u64> {
        self.untold += 1;
        let since = self.told_at.map(|at| now.0 - at.0);
        // a clock that was set back must not silence it
        if since.is_some_and(|since| (0..TOLD_EVERY).contains(&since)) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Verifier {
    /// Who asks in this way.
    #[must_use]
    pub fn new(verify: Verify, clock: Clock) -> Self {
        Verifier {
            verify,
            turns: Semaphore::new(AT_ONCE),
            clock,
            silence: Mutex::default(),
        }
    }

    /// Whether a token stands for a captcha that was solved.
    pub async fn ask(&self, token: &str) -> Captcha {
        if token.is_empty() || token.len() > MOST_TOKEN {
            return Captcha::Unsolved;
        }
        let Ok(_turn) = self.turns.try_acquire() else {
            return Captcha::Unknown;
        };
        match (self.verify)(token.to_owned()).await {
            Ok(true) => Captcha::Solved,
            Ok(false) => Captcha::Unsolved,
            Err(error) => {
                let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(times) = silence.count(self.clock.now()) {
                    tracing::warn!(%error, times, "the service that verifies captchas gives no answer; told once a minute");
                }
                Captcha::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_again() {
        let gate = Arc::new(Semaphore::new(0));
        let opened = gate.clone();
        let verify: Verify = Arc::new(move |token| {
            let opened = opened.clone();
            Box::pin(async move {
                opened.acquire().await.map_err(|e| e.to_string())?.forget();
                Ok(token == "right")
            })
        });
        let clock = Clock::from_fn(|| Time(0));
        let verifier = Arc::new(Verifier::new(verify, clock));
        let mut asking = tokio::task::JoinSet::new();
        for n in 0..AT_ONCE {
            let verifier = verifier.clone();
            let token = if n % 2 == 0 { "right" } else { "wrong" };
            asking.spawn(async move { verifier.ask(token).await });
        }
        while verifier.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(verifier.ask("right").await, Captcha::Unknown);
        assert_eq!(verifier.ask("").await, Captcha::Unsolved);
        let long = "x".repeat(MOST_TOKEN + 1);
        assert_eq!(verifier.ask(&long).await, Captcha::Unsolved);
        gate.add_permits(AT_ONCE);
        let answers = asking.join_all().await;
        let solved = answers.iter().filter(|one| **one == Captcha::Solved);
        assert_eq!(solved.count(), AT_ONCE / 2);
    }

    #[test]
    fn silence_is_told_once_a_minute_with_all_that_came_meanwhile() {
        let mut silence = Silence::default();
        let mut at = |seconds: i64| silence.count(Time(seconds * Time::SECOND));
        assert_eq!(at(100), Some(1), "the first at once");
        for seconds in [100, 101, 159] {
            assert_eq!(at(seconds), None, "{seconds}");
        }
        assert_eq!(at(160), Some(4));
        assert_eq!(at(219), None);
        assert_eq!(at(1_000), Some(2));
        assert_eq!(at(500), Some(1), "the clock was set back");
    }
}
