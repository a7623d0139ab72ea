//! What the pipeline counts; `telemetry` registers it.

use prometheus_client::{
    metrics::{
        counter::Counter,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// The pipeline's own counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Facts stored.
    pub accepted: Counter,
    /// Facts known already.
    pub duplicate: Counter,
    /// Facts refused.
    pub rejected: Counter,
    /// Signals fired by an engine.
    pub fired: Counter,
    /// Transactions that failed.
    pub failures: Counter,
    /// Seconds a batch took, from its first fact to its commit.
    pub batch: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            accepted: Counter::default(),
            duplicate: Counter::default(),
            rejected: Counter::default(),
            fired: Counter::default(),
            failures: Counter::default(),
            batch: Histogram::new(exponential_buckets(0.000_25, 2.0, 18)),
        }
    }
}

impl Metrics {
    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        to.register("facts_accepted", "Facts stored", self.accepted.clone());
        to.register(
            "facts_duplicate",
            "Facts known already",
            self.duplicate.clone(),
        );
        to.register("facts_rejected", "Facts refused", self.rejected.clone());
        to.register(
            "signals_fired",
            "Signals fired by an engine",
            self.fired.clone(),
        );
        to.register(
            "ingest_failures",
            "Transactions that failed",
            self.failures.clone(),
        );
        to.register(
            "ingest_batch_seconds",
            "From a batch's first fact to its commit",
            self.batch.clone(),
        );
    }
}
