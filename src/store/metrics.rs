//! What the store counts; `telemetry` registers it.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// The store's own counters. With SQLite, nothing moves them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Seconds from the sending of a notification, by this process to itself, to its arrival on the connection that listens.
    pub notify_lag: Histogram,
    /// Such notifications that have not arrived in time.
    pub notify_lost: Counter,
    /// How full the database server's queue of notifications is: 0 to 1.
    pub notify_queue: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            notify_lag: Histogram::new(exponential_buckets(0.000_25, 1.5, 28)),
            notify_lost: Counter::default(),
            notify_queue: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        to.register(
            "notify_lag_seconds",
            "From the sending of a notification to its arrival on the connection that listens",
            self.notify_lag.clone(),
        );
        to.register(
            "notify_lost",
            "Notifications that have not arrived in time",
            self.notify_lost.clone(),
        );
        to.register(
            "notify_queue_usage",
            "How full PostgreSQL's queue of notifications is, from 0 to 1",
            self.notify_queue.clone(),
        );
    }
}
