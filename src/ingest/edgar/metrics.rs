//! What following EDGAR counts; `telemetry` registers it.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::protocol::Reply;

/// How requests were answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// The HTTP status; 0 where no whole answer came.
    pub status: u16,
}

/// Its own counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Requests, by the status of their answers.
    pub requests: Family<StatusLabel, Counter>,
    /// Answers that asked for fewer requests: 429, and 403 but where it says that there is no such file.
    pub refused: Counter,
    /// Filings that were fetched.
    pub fetched: Counter,
    /// Filings that were named and known already, and not fetched.
    pub known: Counter,
    /// Filings that were given up: they cannot be had, or are none.
    pub rejected: Counter,
    /// Filings that are named, and not fetched yet.
    pub waiting: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, reply: &Reply) {
        let status = reply.status;
        self.requests.get_or_create(&StatusLabel { status }).inc();
        if reply.is_refusal() {
            self.refused.inc();
        }
    }

    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        to.register(
            "edgar_requests",
            "Requests to EDGAR by the status of their answers, 0 where none came",
            self.requests.clone(),
        );
        to.register(
            "edgar_requests_refused",
            "Answers of EDGAR that asked for fewer requests: 403 and 429",
            self.refused.clone(),
        );
        to.register(
            "edgar_filings_fetched",
            "Filings fetched from EDGAR",
            self.fetched.clone(),
        );
        to.register(
            "edgar_filings_known",
            "Filings that EDGAR named and that were known already",
            self.known.clone(),
        );
        to.register(
            "edgar_filings_rejected",
            "Filings of EDGAR that were given up",
            self.rejected.clone(),
        );
        to.register(
            "edgar_filings_waiting",
            "Filings that EDGAR named and that are not fetched yet",
            self.waiting.clone(),
        );
    }
}
