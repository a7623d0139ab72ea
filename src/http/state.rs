//! What all handlers share.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    batch::Batch, callers::Callers, config::Config, connects::Connects, data::Data,
    metrics::Metrics, sandbox_entrance::Entrance, stretches::Stretches, views::Views,
};
use crate::{
    hub::{node::Hub, ring::Lineage},
    ingest::{insider::intake::Intake, pipeline::Pipeline},
    model::{
        account::Plans,
        delivery::Kept,
        key::KeyHash,
        log::{LogHead, LogUnavailable},
        random::Random,
        time::Clock,
    },
    store::db::Db,
    webhook::desk::Desk,
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

    /// As who holds what it opened: another token is another one.
    #[must_use]
    pub fn holder(&self) -> KeyHash {
        KeyHash(self.0)
    }
}

/// Writes all metrics in the Prometheus text form.
pub type EncodeMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The database at one moment, as whoever opens a stream has to know it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which version of accounts and keys.
    pub access: i64,
    /// The log.
    pub log: Lineage,
    /// Its head.
    pub head: LogHead,
}

/// Openings that are served by one look.
const LOOKS_AT_ONCE: usize = 4_096;

async fn look(db: Db, hub: Arc<Hub>, many: usize) -> Vec<Result<Look, LogUnavailable>> {
    let look = async {
        let read = || async {
            let read = db.head_and_access().await;
            read.map_err(|error| LogUnavailable(error.to_string()))
        };
        let (log, head, access) = hub.head_with(read).await?;
        Ok(Look { access, log, head })
    };
    vec![look.await; many]
}

/// Shared by all handlers of both listeners.
pub struct State {
    /// Settings of the listeners.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The streams.
    pub hub: Arc<Hub>,
    /// The way in for facts and signals: another one once this process runs the engines.
    pipeline: RwLock<Pipeline>,
    /// The way in for filings.
    pub intake: Arc<Intake>,
    /// What owners do with their webhooks.
    pub desk: Arc<Desk>,
    /// What plans allow.
    pub plans: Arc<Plans>,
    /// The keys in use.
    pub callers: Callers,
    /// Who is let in without a key; nobody where there is none.
    pub sandbox: Option<Arc<Entrance>>,
    /// How often each key opens its stream.
    pub connects: Connects,
    /// The views of its streams.
    pub views: Arc<Views>,
    looks: Batch<(), Result<Look, LogUnavailable>>,
    /// How many openings of streams ask the database for what is theirs alone, at once.
    pub openings: Semaphore,
    /// What the door counts.
    pub metrics: Metrics,
    /// What is known of the insider data: how fresh it is, which markets there are, and what was counted of it.
    pub data: Data,
    /// What is known of stretches of the log.
    pub stretches: Stretches,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// Who may administer.
    pub admin_token: AdminToken,
    /// For `/metrics`.
    pub encode_metrics: EncodeMetrics,
    /// For how long it is known what became of signals.
    pub kept: Kept,
    /// Cancelled where the process ends: whoever waits for a client stops.
    pub ending: CancellationToken,
    /// When this process began to answer.
    pub began: Instant,
    draining: AtomicBool,
    engines_elsewhere: AtomicBool,
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
        desk: Arc<Desk>,
        plans: Arc<Plans>,
        callers: Callers,
        sandbox: Option<Arc<Entrance>>,
        clock: Clock,
        random: Random,
        admin_token: AdminToken,
        metrics: Metrics,
        encode_metrics: EncodeMetrics,
        kept: Kept,
        ending: CancellationToken,
        openings: usize,
    ) -> Arc<Self> {
        let looked_at = (db.clone(), hub.clone());
        let looks = Batch::new(LOOKS_AT_ONCE, move |asked: Vec<()>| {
            let (db, hub) = looked_at.clone();
            look(db, hub, asked.len())
        });
        Arc::new(State {
            looks,
            connects: Connects::new(config.connects_per_minute),
            views: Arc::default(),
            openings: Semaphore::new(openings),
            config,
            data: Data::new(&db),
            stretches: Stretches::default(),
            db,
            hub,
            pipeline: RwLock::new(pipeline),
            intake,
            desk,
            engines_elsewhere: AtomicBool::new(false),
            plans,
            callers,
            sandbox,
            clock,
            random,
            admin_token,
            metrics,
            encode_metrics,
            kept,
            ending,
            began: Instant::now(),
            draining: AtomicBool::new(false),
        })
    }

    /// Looks at the database now, together with all who want to at the same time.
    pub async fn look(&self) -> Result<Look, LogUnavailable> {
        let going_down = || Err(LogUnavailable("the server goes down".to_owned()));
        self.looks.ask(()).await.unwrap_or_else(going_down)
    }

    /// The way in for facts and signals.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        let pipeline = self.pipeline.read().unwrap_or_else(PoisonError::into_inner);
        pipeline.clone()
    }

    /// Another way in, for all who ask from here on.
    pub fn set_pipeline(&self, pipeline: Pipeline) {
        *self
            .pipeline
            .write()
            .unwrap_or_else(PoisonError::into_inner) = pipeline;
    }

    /// Notes whether another process runs the engines on this data.
    pub fn set_engines_elsewhere(&self, elsewhere: bool) {
        self.engines_elsewhere.store(elsewhere, Ordering::Relaxed);
    }

    /// Whether another process runs the engines on this data: it applies what this one stores.
    #[must_use]
    pub fn engines_elsewhere(&self) -> bool {
        self.engines_elsewhere.load(Ordering::Relaxed)
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
