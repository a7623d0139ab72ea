//! Settings of the insider engine.

use serde::Deserialize;

/// Settings of the insider engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A scored declaration with so many points, or more, becomes a signal.
    pub signal_min_score: f64,
    /// Filings published longer before they were taken in make no signal, in hours.
    pub signal_max_age_hours: i64,
}
