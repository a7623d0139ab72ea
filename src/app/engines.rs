//! Who runs the engines: this process at once, or as soon as the command that has them ends.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{
    data_dir::{self, DirLock},
    error::StartResult,
    life::Life,
};
use crate::{
    http::state::State,
    hub::node::Hub,
    ingest::{
        metrics::Metrics,
        pipeline::{self, Config, Pace, Pipeline},
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
    fn pipeline(&self, with_engines: bool) -> (Pipeline, JoinHandle<()>) {
        let (pipeline, worker) = pipeline::new(
            self.db.clone(),
            Some(self.hub.clone()),
            self.clock.clone(),
            self.config.clone(),
            with_engines.then(|| self.engine.clone()),
            self.metrics.clone(),
            Pace::Live,
        );
        (pipeline, tokio::spawn(worker.run()))
    }
}

/// How often the lock is tried while another process has it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long what was queued may take to be stored at the end.
const LAST_WORK: Duration = Duration::from_secs(10);

/// The first pipeline's worker, and the lock if it was free.
pub struct Started {
    making: Making,
    dir: PathBuf,
    lock: Option<DirLock>,
    worker: JoinHandle<()>,
}

/// The lock, and the worker that runs the engines under it.
type TakenOver = (DirLock, JoinHandle<()>);

/// The pipeline's workers, and the engines' lock as soon as this process has it.
pub struct Engines {
    worker: JoinHandle<()>,
    lock: Option<DirLock>,
    /// Waits for the lock; gives it, and the worker that runs the engines then.
    takeover: Option<JoinHandle<Option<TakenOver>>>,
}

impl Engines {
    /// A pipeline at once, with the engines if no other process runs them.
    pub fn start(making: Making, dir: &Path) -> StartResult<(Pipeline, Started)> {
        let lock = DirLock::try_take(dir, data_dir::ENGINES)?;
        let (pipeline, worker) = making.pipeline(lock.is_some());
        let started = Started {
            making,
            dir: dir.to_owned(),
            lock,
            worker,
        };
        Ok((pipeline, started))
    }

    /// Waits until what was queued is stored; every handle to the pipelines must be gone.
    pub async fn end(self) {
        let taken_over = match self.takeover {
            Some(takeover) => takeover.await.ok().flatten(),
            None => None,
        };
        let (lock, worker) = taken_over.unzip();
        let work = async {
            let _ = self.worker.await;
            if let Some(worker) = worker {
                let _ = worker.await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORK, work).await;
        drop((self.lock, lock));
    }
}

impl Started {
    /// Takes the engines over once they are free, if they are not yet.
    pub fn serve(self, state: &Arc<State>, life: &Life) -> Engines {
        let Started {
            making,
            dir,
            lock,
            worker,
        } = self;
        let takeover = lock.is_none().then(|| {
            tracing::warn!(
                "`sigcast ingest` is at work on {}; serving, and taking over its engines when it is done",
                dir.display()
            );
            state.set_engines_elsewhere(true);
            tokio::spawn(take_over(making, dir, state.clone(), life.clone()))
        });
        Engines {
            worker,
            lock,
            takeover,
        }
    }
}

async fn take_over(
    making: Making,
    dir: PathBuf,
    state: Arc<State>,
    life: Life,
) -> Option<TakenOver> {
    loop {
        tokio::select! {
            () = life.soft.cancelled() => return None,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match DirLock::try_take(&dir, data_dir::ENGINES) {
            Ok(None) => {}
            Ok(Some(lock)) => {
                // what the old one has still in its queue is stored, and applied by the new one as a stranger's
                let (pipeline, worker) = making.pipeline(true);
                state.set_pipeline(pipeline);
                state.set_engines_elsewhere(false);
                tracing::info!("the engines run here from now on");
                return Some((lock, worker));
            }
            Err(error) => tracing::warn!(%error, "the engines' lock cannot be looked at"),
        }
    }
}
