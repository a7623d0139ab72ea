//! Settings of the insider engine.

use serde::Deserialize;

use crate::model::time::Time;

/// Settings of the insider engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A scored declaration with so many points, or more, becomes a signal.
    pub signal_min_score: f64,
    /// Filings published longer before they were taken in make no signal, in hours.
    pub signal_max_age_hours: i64,
}

impl Config {
    /// The greatest age of a filing that may make a signal, in microseconds.
    #[must_use]
    pub fn max_age(&self) -> i64 {
        self.signal_max_age_hours
            .saturating_mul(3600)
            .saturating_mul(Time::SECOND)
    }
}
