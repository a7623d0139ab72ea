//! A captcha in place of proof of work: another service says whether it was solved.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::Semaphore;

/// Longer tokens are none: services promise 2,048 characters at most.
const MOST_TOKEN: usize = 2_048;
/// Questions under way at once; who comes beyond them is told to come again.
const AT_ONCE: usize = 32;

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
}

impl Verifier {
    /// Who asks in this way.
    #[must_use]
    pub fn new(verify: Verify) -> Self {
        Verifier {
            verify,
            turns: Semaphore::new(AT_ONCE),
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
                tracing::warn!(%error, "the service that verifies captchas gives no answer");
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
        let verifier = Arc::new(Verifier::new(Arc::new(move |token| {
            let opened = opened.clone();
            Box::pin(async move {
                opened.acquire().await.map_err(|e| e.to_string())?.forget();
                Ok(token == "right")
            })
        })));
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
}
