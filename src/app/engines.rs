//! Who runs the engines: this process as soon as no other does, and for as long as they are its own.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{
    error::StartResult,
    life::Life,
    ownership::{Duties, Duty, Held},
};
use crate::{
    http::state::State,
    hub::node::Hub,
    ingest::{
        metrics::Metrics,
        pipeline::{self, Config, Engine, Pace, Pipeline},
    },
    model::time::Clock,
    score::config::Config as EngineConfig,
    store::db::Db,
};

/// What pipelines are made of.
pub struct Making {
    pub db: Db,
    pub hub: Arc<Hub>,
    pub clock: Clock,
    pub config: Config,
    pub engine: EngineConfig,
    pub metrics: Metrics,
}

impl Making {
    /// A pipeline at work: with the engines, or one that only stores.
    fn pipeline(&self, held: Option<&Held>) -> (Pipeline, JoinHandle<()>) {
        let (pipeline, worker) = pipeline::new(
            self.db.clone(),
            Some(self.hub.clone()),
            self.clock.clone(),
            self.config.clone(),
            held.map(|held| Engine {
                config: self.engine.clone(),
                proof: held.proof(),
            }),
            self.metrics.clone(),
            Pace::Live,
        );
        (pipeline, tokio::spawn(worker.run()))
    }
}

/// How often the engines are tried while another process has them.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long what was queued may take to be stored at the end.
const LAST_WORK: Duration = Duration::from_secs(10);

/// The first pipeline's worker, and the duty if it was free.
pub struct Started {
    making: Making,
    duties: Duties,
    held: Option<Held>,
    worker: JoinHandle<()>,
}

/// What there is to end.
#[derive(Default)]
struct Running {
    held: Option<Held>,
    /// Of the pipeline that is used, and of those before that still end.
    workers: Vec<JoinHandle<()>>,
}

/// The pipeline's workers, and the engines as long as this process has them.
pub struct Engines(JoinHandle<Running>);

impl Engines {
    /// A pipeline at once, with the engines if no other process runs them.
    pub async fn start(making: Making, duties: Duties) -> StartResult<(Pipeline, Started)> {
        let held = duties.try_take(Duty::Engines).await?;
        let (pipeline, worker) = making.pipeline(held.as_ref());
        let started = Started {
            making,
            duties,
            held,
            worker,
        };
        Ok((pipeline, started))
    }

    /// Waits until what was queued is stored; every handle to the pipelines must be gone.
    pub async fn end(self) {
        let Running { held, workers } = self.0.await.unwrap_or_default();
        let work = async {
            for worker in workers {
                let _ = worker.await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORK, work).await;
        drop(held);
    }
}

impl Started {
    /// Takes the engines over whenever they are free, and leaves them where another process has them.
    pub fn serve(self, state: &Arc<State>, life: &Life) -> Engines {
        if self.held.is_none() {
            tracing::warn!(
                "another process runs the engines; serving, and taking them over when it is done"
            );
            state.set_engines_elsewhere(true);
        }
        Engines(tokio::spawn(self.watch(state.clone(), life.clone())))
    }

    async fn watch(self, state: Arc<State>, life: Life) -> Running {
        let mut running = Running {
            held: self.held,
            workers: vec![self.worker],
        };
        loop {
            let next = async {
                match &running.held {
                    Some(held) => {
                        held.lost().await;
                        None
                    }
                    None => Some(take(&self.duties).await),
                }
            };
            let next = tokio::select! {
                () = life.soft.cancelled() => return running,
                next = next => next,
            };
            // what the old one has still in its queue is stored, and applied by whoever has the engines as a stranger's
            let (pipeline, worker) = self.making.pipeline(next.as_ref());
            state.set_pipeline(pipeline);
            state.set_engines_elsewhere(next.is_none());
            if next.is_some() {
                tracing::info!("the engines run here from now on");
            } else {
                tracing::error!(
                    "the engines are another node's by now: this one did not reach the database for too long; taking them again when they are free"
                );
            }
            running.workers.retain(|worker| !worker.is_finished());
            running.workers.push(worker);
            running.held = next;
        }
    }
}

/// Waits until the engines are free.
async fn take(duties: &Duties) -> Held {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match duties.try_take(Duty::Engines).await {
            Ok(Some(held)) => return held,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the engines' lock cannot be looked at"),
        }
    }
}
