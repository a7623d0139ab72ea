//! What webhooks count; `telemetry` registers it.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::attempt::Failure;
use crate::store::hooks::Disabled;

const ACKNOWLEDGED: &str = "acknowledged";

/// What attempts came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Result {
    /// `acknowledged`, or the kind of failure.
    pub result: &'static str,
}

/// Why an endpoint was disabled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Why {
    /// `gone` or `failing`.
    pub why: &'static str,
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
    /// Of them, those whose last attempt failed.
    pub failing: Gauge,
    /// Messages that wait to be sent again.
    pub waiting: Gauge,
    /// Endpoints that were disabled, by why.
    pub disabled: Family<Why, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];
        let (attempts, disabled) = (Family::default(), Family::default());
        // known from the start: what is not there is no question to a dashboard
        let acknowledged = Result {
            result: ACKNOWLEDGED,
        };
        drop(attempts.get_or_create(&acknowledged));
        for why in [Disabled::Gone, Disabled::Failing] {
            drop(disabled.get_or_create(&Why { why: why.word() }));
        }
        Metrics {
            attempts,
            given_up: Counter::default(),
            took: Histogram::new(SECONDS),
            endpoints: Gauge::default(),
            failing: Gauge::default(),
            waiting: Gauge::default(),
            disabled,
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, to: &mut Registry) {
        to.register(
            "webhook_attempts",
            "Attempts at webhooks, by what they came to",
            self.attempts.clone(),
        );
        to.register(
            "webhook_attempt_seconds",
            "How long attempts at webhooks take",
            self.took.clone(),
        );
        to.register(
            "webhook_messages_failed",
            "Messages given up after their last attempt",
            self.given_up.clone(),
        );
        to.register(
            "webhook_endpoints",
            "Endpoints that this node sends to",
            self.endpoints.clone(),
        );
        to.register(
            "webhook_endpoints_failing",
            "Of them, those whose last attempt failed",
            self.failing.clone(),
        );
        to.register(
            "webhook_messages_waiting",
            "Messages that wait to be sent again",
            self.waiting.clone(),
        );
        to.register(
            "webhook_endpoints_disabled",
            "Endpoints disabled by this node, by why",
            self.disabled.clone(),
        );
    }

    /// Counts an attempt.
    pub fn attempt(&self, failure: Option<Failure>, took: Duration) {
        let result = failure.map_or(ACKNOWLEDGED, Failure::word);
        self.attempts.get_or_create(&Result { result }).inc();
        self.took.observe(took.as_secs_f64());
    }
}
