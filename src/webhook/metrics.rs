//! What webhooks count; `telemetry` registers it.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::attempt::Failure;

/// What attempts came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Result {
    /// `acknowledged`, or the kind of failure.
    pub result: &'static str,
}

/// Counters of this node.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Attempts, by what they came to.
    pub attempts: Family<Result, Counter>,
    /// Messages given up after their last attempt.
    pub given_up: Counter,
    /// How long attempts take, in seconds.
    pub took: Histogram,
    /// Endpoints that this node sends to.
    pub endpoints: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];
        Metrics {
            attempts: Family::default(),
            given_up: Counter::default(),
            took: Histogram::new(SECONDS),
            endpoints: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Counts an attempt.
    pub fn attempt(&self, failure: Option<Failure>, took: Duration) {
        let result = failure.map_or("acknowledged", Failure::word);
        self.attempts.get_or_create(&Result { result }).inc();
        self.took.observe(took.as_secs_f64());
    }
}
