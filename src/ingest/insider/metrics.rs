//! What the way in of filings counts; `telemetry` registers it.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Its own counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Filings stored, and those whose status changed.
    pub accepted: Counter,
    /// Filings known already.
    pub duplicate: Counter,
    /// Lines and files that are no filings.
    pub rejected: Counter,
    /// Signals fired.
    pub fired: Counter,
    /// Transactions that failed.
    pub failures: Counter,
    /// Companies that wait to be judged.
    pub waiting: Gauge<i64, AtomicI64>,
    /// Seconds that judging some companies took, within one transaction.
    pub judge: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            accepted: Counter::default(),
            duplicate: Counter::default(),
            rejected: Counter::default(),
            fired: Counter::default(),
            failures: Counter::default(),
            waiting: Gauge::default(),
            judge: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
        }
    }
}

impl Metrics {
    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        let counters = [
            ("filings_accepted", "Filings stored", &self.accepted),
            (
                "filings_duplicate",
                "Filings known already",
                &self.duplicate,
            ),
            (
                "filings_rejected",
                "Lines that are no filings",
                &self.rejected,
            ),
            (
                "insider_signals_fired",
                "Signals fired by scores of filings",
                &self.fired,
            ),
            (
                "filings_failures",
                "Transactions with filings that failed",
                &self.failures,
            ),
        ];
        for (name, help, counter) in counters {
            to.register(name, help, counter.clone());
        }
        to.register(
            "insider_companies_waiting",
            "Companies that wait to be judged anew",
            self.waiting.clone(),
        );
        to.register(
            "insider_judge_seconds",
            "Judging some companies, within one transaction",
            self.judge.clone(),
        );
    }
}
