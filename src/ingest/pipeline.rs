//! The one path of a fact: resolved, stored, applied, and what it fired appended to the log, in one transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{apply::Applier, metrics::Metrics};
use crate::{
    hub::node::Hub,
    model::{
        money::MicroUsd,
        publish::NewSignal,
        swap::{Amount, Fact},
        time::{Clock, Time},
    },
    score::{config::Config as EngineConfig, consensus},
    store::{
        db::Db,
        error::{StoreError, StoreResult},
        facts::SolPrices,
        log::Published,
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

/// Per job what became of it.
type Outcome = (Vec<Receipt>, Vec<Vec<Published>>);

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
}

/// Makes a pipeline. `engine`: the settings of the consensus engine if this process owns it. `hub`: told when facts were seen.
#[must_use]
pub fn new(
    db: Db,
    hub: Option<Arc<Hub>>,
    clock: Clock,
    config: Config,
    engine: Option<EngineConfig>,
    metrics: Metrics,
) -> (Pipeline, Worker) {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let bytes = |megabytes: usize| megabytes.saturating_mul(1_000_000);
    let (wallets, mints) = (bytes(config.wallets_mb), bytes(config.mints_mb));
    let applier = engine.map(|engine| Applier::new(engine, wallets, mints));
    (
        Pipeline(sender),
        Worker {
            jobs,
            db,
            hub,
            clock,
            config,
            metrics,
            applier,
        },
    )
}

impl Worker {
    /// Runs until every [`Pipeline`] is dropped; what was queued is done first.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.tick_ms.max(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let first = tokio::select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => Some(job),
                    None => return,
                },
                _ = tick.tick() => None,
            };
            match first {
                Some(job) => self.work(job).await,
                None => self.look_for_strangers().await,
            }
        }
    }

    /// Facts that another process appended.
    async fn look_for_strangers(&mut self) {
        if self.applier.is_none() {
            return;
        }
        match self.db.has_unapplied_facts(consensus::NAME).await {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.apply_strangers().await {
                    self.failed(&error);
                }
            }
            Err(error) => tracing::warn!(%error, "the pipeline waits for the database"),
        }
    }

    /// Applies all of them, some in each transaction.
    async fn apply_strangers(&mut self) -> StoreResult<()> {
        while self.batch(&[], &[]).await?.is_none() {}
        Ok(())
    }

    /// One commit for jobs that came together; those of strangers before.
    async fn batch_in_turn(
        &mut self,
        arrivals: &[&Arrivals],
        lists: &[&[NewSignal]],
    ) -> StoreResult<Outcome> {
        loop {
            if let Some(outcome) = self.batch(arrivals, lists).await? {
                return Ok(outcome);
            }
        }
    }

    /// Does a job, together with those that wait behind it: one commit for all.
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
        match self.batch_in_turn(&arrivals, &lists).await {
            Ok((receipts, published)) => {
                for ((_, reply), receipt) in facts.into_iter().zip(receipts) {
                    let _ = reply.send(Ok(receipt));
                }
                for ((_, reply), published) in signals.into_iter().zip(published) {
                    let _ = reply.send(Ok(published));
                }
            }
            Err(error) => {
                self.failed(&error);
                let error = PipelineError::from(&error);
                for (_, reply) in facts {
                    let _ = reply.send(Err(error.clone()));
                }
                for (_, reply) in signals {
                    let _ = reply.send(Err(error.clone()));
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

    /// One transaction. `None`: it was spent on strangers' facts alone, and there are more of them.
    async fn batch(
        &mut self,
        arrivals: &[&Arrivals],
        lists: &[&[NewSignal]],
    ) -> StoreResult<Option<Outcome>> {
        let begun = Instant::now();
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let mut fired = Vec::new();
        let mut more = false;
        if let Some(applier) = &mut self.applier {
            (fired, more) = applier.apply_strangers(&mut tx).await?;
        }
        let (arrivals, lists) = if more {
            (&[][..], &[][..])
        } else {
            (arrivals, lists)
        };
        let mut receipts = Vec::new();
        for arrivals in arrivals {
            let mut receipt = Receipt::default();
            let prices = prices_for(&mut tx, arrivals).await?;
            let (lines, facts) = resolve(
                arrivals,
                prices,
                now,
                self.config.max_future_seconds,
                &mut receipt,
            );
            let places = tx.append_facts(&facts, arrivals.backfill, now).await?;
            receipt.accepted = places.iter().flatten().count() as u64;
            receipt.duplicate = lines.len() as u64 - receipt.accepted;
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
        let made: Vec<NewSignal> = fired.iter().map(|signal| signal.prepare()).collect();
        let placed = tx.publish(&made, now).await?;
        if let Some(hub) = &self.hub {
            for (signal, place) in fired
                .iter()
                .zip(&placed)
                .filter(|(_, place)| !place.duplicate)
            {
                hub.note_accepted(place.seq, signal.seen);
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
        Ok((!more).then_some((receipts, published)))
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

/// The prices of SOL that the swaps paid in SOL need.
async fn prices_for(tx: &mut crate::store::db::Tx, arrivals: &Arrivals) -> StoreResult<SolPrices> {
    let in_sol = arrivals.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::Swap(swap) if matches!(swap.amount, Amount::Sol(_)) => Some(swap.time),
        _ => None,
    });
    let (first, last) = in_sol.fold(
        (None, None),
        |(first, last): (Option<Time>, Option<Time>), time| {
            (
                Some(first.map_or(time, |t| t.min(time))),
                Some(last.map_or(time, |t| t.max(time))),
            )
        },
    );
    match (first, last) {
        (Some(first), Some(last)) => tx.sol_prices(first, last).await,
        _ => Ok(SolPrices::default()),
    }
}

/// Turns SOL into dollars, and refuses what cannot be: lines and facts that may be stored.
fn resolve(
    arrivals: &Arrivals,
    mut prices: SolPrices,
    now: Time,
    max_future_seconds: i64,
    receipt: &mut Receipt,
) -> (Vec<u64>, Vec<Fact>) {
    let latest = latest_time(now, max_future_seconds);
    let mut lines = Vec::with_capacity(arrivals.facts.len());
    let mut facts = Vec::with_capacity(arrivals.facts.len());
    for (line, fact) in &arrivals.facts {
        let checked = if fact.time() > latest {
            Err(in_the_future(fact.time()))
        } else {
            in_dollars(fact, &mut prices, arrivals.sol_usd)
        };
        match checked {
            Ok(fact) => {
                lines.push(*line);
                facts.push(fact);
            }
            Err(reason) => receipt.rejected.push(Rejection {
                line: *line,
                reason,
            }),
        }
    }
    (lines, facts)
}

/// Why a fact of a later time is refused.
#[must_use]
pub fn in_the_future(time: Time) -> String {
    format!("time: {time} is in the future; is the clock right?")
}

/// The last time that is not in the future.
#[must_use]
pub fn latest_time(now: Time, max_future_seconds: i64) -> Time {
    now.plus(max_future_seconds.saturating_mul(Time::SECOND))
}

fn in_dollars(
    fact: &Fact,
    prices: &mut SolPrices,
    otherwise: Option<Decimal>,
) -> Result<Fact, String> {
    match fact {
        Fact::SolPrice(price) => {
            prices.insert(*price);
            Ok(fact.clone())
        }
        Fact::Swap(swap) => {
            let Amount::Sol(sol) = swap.amount else {
                return Ok(fact.clone());
            };
            let price = prices.at(swap.time).or(otherwise);
            let price = price.ok_or("amount_sol: no sol_price is known at or before this time; send one, or use --sol-usd")?;
            let usd = sol.checked_mul(price).ok_or("amount_sol: too large")?;
            let usd =
                MicroUsd::from_dollars(usd).map_err(|e| format!("amount_sol: in dollars, {e}"))?;
            Ok(Fact::Swap(crate::model::swap::Swap {
                amount: Amount::Usd(usd),
                ..swap.clone()
            }))
        }
        _ => Ok(fact.clone()),
    }
}
