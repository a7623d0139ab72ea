//! What may be set of the consensus engine.

use serde::Deserialize;

use crate::model::time::Time;

use super::mint::Limits;

/// So much of a mint's swaps is stored to be loaded again: no window may be longer.
const MAX_WINDOW_SECONDS: u32 = 100;
/// Episodes are stored to be loaded again for two hours after they opened.
const MAX_EXIT_MINUTES: u32 = 120;

/// What may be set of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Length of the window in which buyers count together, seconds of event time; at most 100.
    pub window_seconds: u32,
    /// How much too late a swap may come and still count for what fires next, seconds.
    pub late_seconds: u32,
    /// For how long a mint's first signal makes others updates of it, minutes of event time.
    pub episode_minutes: u32,
    /// Within which time after the first signal its wallets' sales make an exit, minutes of event time; at most 120.
    pub exit_minutes: u32,
    /// Pool wallets (rank C and better) that a signal takes.
    pub min_pool: u32,
    /// Buyers that a signal takes, pool wallets among them.
    pub min_total: u32,
    /// Net purchases in the window from which a wallet counts, whole dollars.
    pub min_net_usd: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            window_seconds: 90,
            late_seconds: 5,
            episode_minutes: 30,
            exit_minutes: 60,
            min_pool: 3,
            min_total: 5,
            min_net_usd: 25,
        }
    }
}

impl Config {
    /// The same, within what the engine can keep.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.window_seconds = self.window_seconds.clamp(1, MAX_WINDOW_SECONDS);
        self.exit_minutes = self.exit_minutes.min(MAX_EXIT_MINUTES);
        self
    }

    /// The limits of each mint.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            window: i64::from(self.window_seconds) * Time::SECOND,
            late: i64::from(self.late_seconds) * Time::SECOND,
            min_net: i64::from(self.min_net_usd) * 1_000_000,
        }
    }

    /// For how long after its first signal an episode takes updates, microseconds.
    #[must_use]
    pub fn episode(&self) -> i64 {
        minutes(self.episode_minutes)
    }

    /// For how long after its first signal an episode may end in an exit, microseconds.
    #[must_use]
    pub fn exit(&self) -> i64 {
        minutes(self.exit_minutes)
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes) * 60 * Time::SECOND
}
