//! Metrics: the rooms' counters in one registry, and its text.

use std::sync::Arc;

use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{http, http::state::EncodeMetrics, hub, ingest, store, webhook};

/// All counters of the program.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// The streams'.
    pub hub: hub::metrics::Metrics,
    /// The store's.
    pub store: store::metrics::Metrics,
    /// The door's.
    pub http: http::metrics::Metrics,
    /// The pipeline's.
    pub ingest: ingest::metrics::Metrics,
    /// Those of the way in of filings.
    pub insider: ingest::insider::metrics::Metrics,
    /// The second channel's.
    pub webhook: webhook::metrics::Metrics,
    /// Those of following EDGAR.
    pub edgar: ingest::edgar::metrics::Metrics,
}

impl Metrics {
    /// What `/metrics` answers with.
    #[must_use]
    pub fn encoder(&self) -> EncodeMetrics {
        let mut registry = Registry::with_prefix("sigcast");
        self.hub.register(&mut registry);
        self.store.register(&mut registry);
        self.http.register(&mut registry);
        self.ingest.register(&mut registry);
        self.insider.register(&mut registry);
        self.edgar.register(&mut registry);
        self.webhook.register(&mut registry);
        Arc::new(move || {
            let mut text = String::new();
            // writing to a String does not fail
            let _ = encode(&mut text, &registry);
            text
        })
    }
}
