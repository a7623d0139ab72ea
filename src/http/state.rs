//! What all handlers share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::config::Config;
use crate::{
    hub::node::Hub,
    ingest::{insider::intake::Intake, pipeline::Pipeline},
    model::{account::Plans, random::Random, time::Clock},
    store::db::Db,
};

/// The admin token's digest; tokens are compared by digest, so that the comparison's time tells nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// Of a token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        AdminToken(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether this is the token.
    #[must_use]
    pub fn is(&self, offered: &str) -> bool {
        *self == AdminToken::new(offered)
    }
}

/// Writes all metrics in the Prometheus text form.
pub type EncodeMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Shared by all handlers of both listeners.
pub struct State {
    /// Settings of the listeners.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The streams.
    pub hub: Arc<Hub>,
    /// The way in for facts and signals.
    pub pipeline: Pipeline,
    /// The way in for filings.
    pub intake: Arc<Intake>,
    /// What plans allow.
    pub plans: Arc<Plans>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// Who may administer.
    pub admin_token: AdminToken,
    /// For `/metrics`.
    pub encode_metrics: EncodeMetrics,
    /// Cancelled where the process ends: whoever waits for a client stops.
    pub ending: CancellationToken,
    draining: AtomicBool,
}

impl State {
    /// Bundles them.
    #[expect(clippy::too_many_arguments, reason = "it is the bundle")]
    pub fn new(
        config: Config,
        db: Db,
        hub: Arc<Hub>,
        pipeline: Pipeline,
        intake: Arc<Intake>,
        plans: Arc<Plans>,
        clock: Clock,
        random: Random,
        admin_token: AdminToken,
        encode_metrics: EncodeMetrics,
        ending: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(State {
            config,
            db,
            hub,
            pipeline,
            intake,
            plans,
            clock,
            random,
            admin_token,
            encode_metrics,
            ending,
            draining: AtomicBool::new(false),
        })
    }

    /// From here on, requests are refused.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server goes down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A reconnection delay, spread so that clients do not return in step.
    #[must_use]
    pub fn retry_ms(&self) -> u32 {
        self.random.between(1000, 4000)
    }
}
