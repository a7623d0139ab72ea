//! Settings of following EDGAR.

use std::time::Duration;

use serde::Deserialize;

use super::{pace::Limits, protocol::Manner};

/// The most requests a second that the SEC allows.
pub const MOST_PER_SECOND: u32 = 10;

/// Settings of following EDGAR.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the server follows it.
    pub follow: bool,
    /// Who asks: a name and a mail address.
    pub contact: String,
    /// Where it is.
    pub base_url: String,
    /// Seconds from one look at the feed to the next.
    pub poll_seconds: u64,
    /// Requests in any second, at most.
    pub requests_per_second: u32,
    /// Seconds without a request after a refusal (403, 429), doubled with each further one.
    pub refused_pause_seconds: u64,
}

/// A pace that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "edgar.requests_per_second: {0} is not between 1 and {MOST_PER_SECOND}, the most that the SEC allows"
)]
pub struct PaceError(u32);

impl Config {
    /// How a follower goes about it.
    ///
    /// # Errors
    /// [`PaceError`]: more requests than the SEC allows, or none.
    pub fn manner(&self) -> Result<Manner, PaceError> {
        let most = self.requests_per_second;
        if !(1..=MOST_PER_SECOND).contains(&most) {
            return Err(PaceError(most));
        }
        // those that may go at once after a pause, and those of the second that follows, are no more than allowed together
        let burst = if most >= 4 { 2 } else { 1 };
        let defaults = Manner::default();
        Ok(Manner {
            poll: Duration::from_secs(self.poll_seconds.max(1)),
            limits: Limits {
                per_second: (most - burst).max(1),
                burst,
                refused: Duration::from_secs(self.refused_pause_seconds.max(1)),
                ..defaults.limits
            },
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ingest::edgar::pace::Pace, model::time::Time};

    fn config(requests_per_second: u32) -> Config {
        Config {
            follow: true,
            contact: String::new(),
            base_url: String::new(),
            poll_seconds: 0,
            requests_per_second,
            refused_pause_seconds: 0,
        }
    }

    #[test]
    fn no_second_sees_more_than_was_set() {
        for most in 1..=MOST_PER_SECOND {
            let mut pace = Pace::new(config(most).manner().unwrap().limits);
            let (mut now, mut sent) = (Time(0), Vec::new());
            while sent.len() < 100 {
                match pace.take(now) {
                    Ok(()) => sent.push(now),
                    Err(from) => now = from,
                }
            }
            for (n, first) in sent.iter().enumerate() {
                let within = |later: &&Time| later.0 - first.0 < Time::SECOND;
                let count = sent[n..].iter().take_while(within).count();
                assert!(count <= most as usize, "{most}: {count}");
            }
        }
    }

    #[test]
    fn more_than_the_sec_allows_is_refused() {
        for most in [0, 11, u32::MAX] {
            assert_eq!(config(most).manner(), Err(PaceError(most)));
        }
    }
}
