//! The one path of a fact: resolved, stored, applied, and what it fired appended to the log, in one transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    apply::Applier,
    metrics::Metrics,
    resolve::{latest_time, prices_for, resolve},
};
use crate::{
    hub::node::Hub,
    model::{publish::NewSignal, swap::Fact, time::Clock},
    score::{config::Config as EngineConfig, consensus},
    store::{
        db::{Db, Lane},
        error::{StoreError, StoreResult},
        fact_keys::Placing,
        log::Published,
        member::Proof,
    },
};

/// Settings of the pipeline.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A fact may lie this far in the future, in seconds: clocks differ, but a wrong one must not shut a window.
    pub max_future_seconds: i64,
    /// Facts in one transaction, at most.
    pub batch_facts: usize,
    /// In bulk, the state of the engine is stored each time that it has applied so many facts.
    pub bulk_state_facts: i64,
    /// What the wallets kept in memory may take, with their positions and histories, in megabytes.
    pub wallets_mb: usize,
    /// What the mints kept in memory may take, with their windows and prices, in megabytes.
    pub mints_mb: usize,
    /// How often facts of other processes are looked for, in milliseconds.
    pub tick_ms: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What became of some lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Stored.
    pub accepted: u64,
    /// Known already.
    pub duplicate: u64,
    /// Refused, with reasons.
    pub rejected: Vec<Rejection>,
}

impl Receipt {
    /// Adds another one.
    pub fn add(&mut self, other: Receipt) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.rejected.extend(other.rejected);
    }
}

/// Why nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PipelineError {
    /// The disk is full; the same input may be sent again when there is room.
    #[error("{0}")]
    Full(String),
    /// The database refused; the same input may be sent again.
    #[error("{0}")]
    Store(String),
    /// The server is going down.
    #[error("the server is shutting down")]
    Stopped,
}

impl From<&StoreError> for PipelineError {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Full(_) => PipelineError::Full(error.to_string()),
            _ => PipelineError::Store(error.to_string()),
        }
    }
}

/// Facts that arrived together.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// The facts, with their line numbers.
    pub facts: Vec<(u64, Fact)>,
    /// Builds books, fires nothing.
    pub backfill: bool,
    /// When they were first seen.
    pub seen: Instant,
    /// The price of SOL where no `sol_price` fact says it.
    pub sol_usd: Option<Decimal>,
}

enum Job {
    Facts(Arrivals, oneshot::Sender<Result<Receipt, PipelineError>>),
    Signals(
        Vec<NewSignal>,
        oneshot::Sender<Result<Vec<Published>, PipelineError>>,
    ),
}

/// Jobs that wait; more make their senders wait.
const QUEUE: usize = 64;

/// The way in. Clones lead to the same pipeline.
#[derive(Clone)]
pub struct Pipeline(mpsc::Sender<Job>);

impl Pipeline {
    /// Stores facts, and what they fire. Returns after the commit.
    pub async fn facts(&self, arrivals: Arrivals) -> Result<Receipt, PipelineError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Job::Facts(arrivals, reply))
            .await
            .map_err(|_| PipelineError::Stopped)?;
        answer.await.map_err(|_| PipelineError::Stopped)?
    }

    /// Appends ready-made signals to the log. Returns after the commit.
    pub async fn signals(&self, signals: Vec<NewSignal>) -> Result<Vec<Published>, PipelineError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Job::Signals(signals, reply))
            .await
            .map_err(|_| PipelineError::Stopped)?;
        answer.await.map_err(|_| PipelineError::Stopped)?
    }
}

/// What one transaction did.
struct Done {
    receipts: Vec<Receipt>,
    published: Vec<Vec<Published>>,
    /// Whether the given facts were among it.
    all: bool,
}

/// What a pipeline is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Facts as they happen: with each transaction the engine's state is stored, too, and every key put in its place.
    Live,
    /// Millions of facts: what has no order in time is stored in bulk, some time after them.
    Bulk,
}

/// In so many transactions the last keys are put in their place.
const FINISH_PARTS: u64 = 8;
/// So long nothing came in bulk, before the engine's state is stored all the same.
const IDLE: Duration = Duration::from_secs(1);

/// The pipeline's task: owns the engine, where this process does.
pub struct Worker {
    jobs: mpsc::Receiver<Job>,
    db: Db,
    hub: Option<Arc<Hub>>,
    clock: Clock,
    config: Config,
    metrics: Metrics,
    /// `None`: another process owns the engine and will apply what we store.
    applier: Option<Applier>,
    /// Proves that this process owns the engine.
    proof: Proof,
    /// In bulk: which keys are put in their place next.
    placing: Option<Placing>,
    last_job: Instant,
    commits: watch::Receiver<u64>,
}

/// The consensus engine of a process that owns it.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its settings.
    pub config: EngineConfig,
    /// What proves, in each transaction, that this process owns it.
    pub proof: Proof,
}

/// Makes a pipeline. `engine`: the consensus engine, if this process owns it. `hub`: told when facts were seen.
#[must_use]
pub fn new(
    db: Db,
    hub: Option<Arc<Hub>>,
    clock: Clock,
    config: Config,
    engine: Option<Engine>,
    metrics: Metrics,
    pace: Pace,
) -> (Pipeline, Worker) {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let bytes = |megabytes: usize| megabytes.saturating_mul(1_000_000);
    let (wallets, mints) = (bytes(config.wallets_mb), bytes(config.mints_mb));
    let (store_every, placing) = match pace {
        Pace::Live => (0, None),
        Pace::Bulk => (config.bulk_state_facts, Some(Placing::default())),
    };
    let (engine, proof) = engine.map(|own| (own.config, own.proof)).unzip();
    let applier = engine.map(|engine| Applier::new(engine, wallets, mints, store_every));
    (
        Pipeline(sender),
        Worker {
            jobs,
            commits: db.commits(),
            db,
            hub,
            clock,
            config,
            metrics,
            applier,
            proof: proof.unwrap_or_default(),
            placing,
            last_job: Instant::now(),
        },
    )
}

impl Worker {
    /// Runs until every [`Pipeline`] is dropped; what was queued is done first, and what is stored in bulk is stored.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.tick_ms.max(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // more facts of strangers wait: they go on at once, but behind the jobs that have come meanwhile
        let mut more = false;
        // of facts that other nodes store; with SQLite there are none but commands, and the tick is enough
        let hears = self.db.is_shared() && self.applier.is_some();
        loop {
            let job = tokio::select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => Some(job),
                    None => return self.finish().await,
                },
                () = std::future::ready(()), if more => None,
                Ok(()) = self.commits.changed(), if hears => None,
                _ = tick.tick() => None,
            };
            match job {
                Some(job) => {
                    self.work(job).await;
                    // our own commit among them
                    self.commits.mark_unchanged();
                    self.last_job = Instant::now();
                }
                None => more = self.look_for_strangers().await,
            }
        }
    }

    /// The end: nothing is left to be stored later. Where it cannot be, the next owner of the engine does it from the facts.
    async fn finish(mut self) {
        if let Err(error) = self.store_rest().await {
            tracing::warn!(%error, "the engine's state was not stored; it will be made again from the facts");
        }
    }

    async fn store_rest(&mut self) -> StoreResult<()> {
        if let Some(applier) = self.applier.as_mut().filter(|applier| applier.is_ahead()) {
            applier.store_next();
            self.batch(&[], &[]).await?;
        }
        let mut placing = Placing::default();
        while self.placing.is_some() {
            // in parts: others write between them
            let mut tx = self.db.begin_in(Lane::Facts).await?;
            tx.place_keys(&mut placing, FINISH_PARTS).await?;
            self.db.commit(tx).await?;
            if placing.is_at_start() {
                break;
            }
        }
        Ok(())
    }

    /// Applies some facts that another process appended; whether there are more.
    async fn look_for_strangers(&mut self) -> bool {
        let Some(applier) = &mut self.applier else {
            return false;
        };
        let idle = applier.is_ahead() && self.last_job.elapsed() >= IDLE;
        if idle {
            applier.store_next();
        }
        let applied = applier.applied();
        match self.db.has_unapplied_facts(consensus::NAME, applied).await {
            Ok(false) if !idle => false,
            Ok(_) => match self.batch(&[], &[]).await {
                Ok(done) => !done.all,
                Err(error) => {
                    self.failed(&error);
                    false
                }
            },
            Err(error) => {
                tracing::warn!(%error, "the pipeline waits for the database");
                false
            }
        }
    }

    /// Does a job, together with those that wait behind it: one commit for all. Ready-made signals are in with the first commit, and
    /// answered then, whatever comes of what follows. Facts are applied in order of arrival: they wait for those of strangers.
    async fn work(&mut self, first: Job) {
        let mut facts = Vec::new();
        let mut signals = Vec::new();
        let mut size = 0;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Facts(arrivals, reply) => {
                    size += arrivals.facts.len();
                    facts.push((arrivals, reply));
                }
                Job::Signals(list, reply) => {
                    size += list.len();
                    signals.push((list, reply));
                }
            }
            if size < self.config.batch_facts {
                next = self.jobs.try_recv().ok();
            }
        }
        let arrivals: Vec<&Arrivals> = facts.iter().map(|(arrivals, _)| arrivals).collect();
        let lists: Vec<&[NewSignal]> = signals.iter().map(|(list, _)| list.as_slice()).collect();
        let mut done = self.batch(&arrivals, &lists).await;
        match &mut done {
            Ok(done) => {
                let published = std::mem::take(&mut done.published);
                for ((_, reply), published) in signals.into_iter().zip(published) {
                    let _ = reply.send(Ok(published));
                }
            }
            Err(error) => {
                for (_, reply) in signals {
                    let _ = reply.send(Err(PipelineError::from(&*error)));
                }
            }
        }
        while matches!(done, Ok(Done { all: false, .. })) {
            done = self.batch(&arrivals, &[]).await;
        }
        match done {
            Ok(done) => {
                for ((_, reply), receipt) in facts.into_iter().zip(done.receipts) {
                    let _ = reply.send(Ok(receipt));
                }
            }
            Err(error) => {
                self.failed(&error);
                for (_, reply) in facts {
                    let _ = reply.send(Err(PipelineError::from(&error)));
                }
            }
        }
    }

    /// The engine is ahead of the database now: it forgets, and loads again what the database holds.
    fn failed(&mut self, error: &StoreError) {
        self.metrics.failures.inc();
        tracing::error!(%error, "a batch was not stored; nothing of it was kept");
        if let Some(applier) = &mut self.applier {
            applier.forget();
        }
    }

    /// One transaction. If there are more of strangers' facts than fit, the given facts are left for the next one.
    async fn batch(&mut self, arrivals: &[&Arrivals], lists: &[&[NewSignal]]) -> StoreResult<Done> {
        let begun = Instant::now();
        let now = self.clock.now();
        // who publishes and nothing else waits for no facts
        let alone = self.applier.is_some() || !arrivals.is_empty() || self.placing.is_some();
        let mut tx = match alone {
            true => self.db.begin_in(Lane::Facts).await?,
            false => self.db.begin().await?,
        };
        tx.prove(&self.proof).await?;
        let mut fired = Vec::new();
        let mut more = false;
        if let Some(applier) = &mut self.applier {
            (fired, more) = applier.apply_strangers(&mut tx).await?;
        }
        let arrivals = if more { &[][..] } else { arrivals };
        let mut receipts = Vec::new();
        for arrivals in arrivals {
            let mut receipt = Receipt::default();
            let prices = prices_for(&mut tx, &arrivals.facts).await?;
            let latest = latest_time(now, self.config.max_future_seconds);
            let (facts, refused) = resolve(&arrivals.facts, prices, arrivals.sol_usd, latest);
            let rejected = refused.into_iter();
            receipt.rejected = rejected
                .map(|(line, reason)| Rejection { line, reason })
                .collect();
            let places = match self.placing {
                None => tx.append_facts(&facts, arrivals.backfill, now).await?,
                Some(_) => {
                    tx.append_facts_in_bulk(&facts, arrivals.backfill, now)
                        .await?
                }
            };
            receipt.accepted = places.iter().flatten().count() as u64;
            receipt.duplicate = places.len() as u64 - receipt.accepted;
            if let Some(applier) = &mut self.applier {
                let stored = facts
                    .into_iter()
                    .zip(places)
                    .filter_map(|(fact, place)| Some((place?, fact)));
                fired.extend(
                    applier
                        .apply(&mut tx, stored.collect(), arrivals.backfill, arrivals.seen)
                        .await?,
                );
            }
            receipts.push(receipt);
        }
        if let Some(applier) = &mut self.applier {
            applier.store(&mut tx).await?;
        }
        if let Some(placing) = &mut self.placing {
            tx.place_some_keys(placing).await?;
        }
        let made: Vec<NewSignal> = fired.iter().map(|signal| signal.prepare()).collect();
        let placed = tx.publish(&made, now).await?;
        if let Some(hub) = &self.hub {
            for (signal, place) in fired
                .iter()
                .zip(&placed)
                .filter(|(_, place)| !place.duplicate)
            {
                hub.note_accepted(place.seq, signal.seen, None);
            }
        }
        let mut published = Vec::new();
        for list in lists {
            published.push(tx.publish(list, now).await?);
        }
        self.db.commit(tx).await?;
        if let Some(applier) = &mut self.applier {
            applier.committed();
        }
        self.count(
            &receipts,
            placed.iter().filter(|place| !place.duplicate).count(),
            begun,
        );
        Ok(Done {
            receipts,
            published,
            all: !more,
        })
    }

    fn count(&self, receipts: &[Receipt], fired: usize, begun: Instant) {
        for receipt in receipts {
            self.metrics.accepted.inc_by(receipt.accepted);
            self.metrics.duplicate.inc_by(receipt.duplicate);
            self.metrics.rejected.inc_by(receipt.rejected.len() as u64);
        }
        self.metrics.fired.inc_by(fired as u64);
        self.metrics.batch.observe(begun.elapsed().as_secs_f64());
    }
}
