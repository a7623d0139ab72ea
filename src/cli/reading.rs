//! A source read and put in order on a thread of its own, beside what stores it; what is there is handed out in time, however
//! slowly the rest comes.

use std::{
    io,
    io::{BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::progress::Counted;
use crate::{
    ingest::{facts::Facts, pipeline::Rejection, reorder::Reorder, resolve::in_the_future},
    model::{swap::Fact, time::Time},
};

/// A source of any kind.
pub type Source = Facts<BufReader<Counted<Box<dyn Read + Send>>>>;

/// What was read since the last time.
#[derive(Default)]
pub struct Batch {
    /// In chain order, with their lines.
    pub facts: Vec<(u64, Fact)>,
    /// Lines that are no facts.
    pub rejected: Vec<Rejection>,
    /// Set with the last one.
    pub end: Option<End>,
}

/// How the reading ended.
pub struct End {
    /// Facts that came after the watermark had passed them.
    pub late: u64,
    /// Why it ended before the end of the source, if it did.
    pub error: Option<io::Error>,
}

#[derive(Default)]
struct State {
    batch: Batch,
    /// Nobody wants more.
    gone: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The batch is full, or the last.
    full: Condvar,
    /// There is room again, or nobody wants more.
    room: Condvar,
    most: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // whoever holds it leaves nothing half done
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, batch: &Batch) -> bool {
        batch.facts.len() < self.most && batch.rejected.len() < self.most
    }

    /// Adds to the batch when there is room; whether somebody wants more.
    fn add(&self, add: impl FnOnce(&mut Batch)) -> bool {
        let full = |state: &mut State| !state.gone && !self.has_room(&state.batch);
        let waited = self.room.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        add(&mut state.batch);
        if !self.has_room(&state.batch) || state.batch.end.is_some() {
            self.full.notify_one();
        }
        !state.gone
    }

    /// Reads to the end, or until nobody wants more.
    fn fill(&self, mut source: Source, latest: Time) {
        let mut order = Reorder::default();
        let mut wanted = true;
        while wanted {
            let refused = match source.next() {
                // one wrong clock would make all that follow late: refused before the watermark sees it
                Some(Ok(fact)) if fact.time() > latest => {
                    Some((source.line(), in_the_future(fact.time())))
                }
                Some(Ok(fact)) => {
                    order.push(source.line(), fact);
                    None
                }
                Some(Err(bad)) => Some((bad.line, bad.reason)),
                None => {
                    order.finish();
                    break;
                }
            };
            if let Some((line, reason)) = refused {
                wanted = self.add(|batch| batch.rejected.push(Rejection { line, reason }));
            }
            wanted = wanted && self.hand_out(&mut order);
        }
        let end = End {
            late: order.late(),
            error: source.into_error(),
        };
        if self.hand_out(&mut order) {
            self.add(|batch| batch.end = Some(end));
        }
    }

    /// What is ripe.
    fn hand_out(&self, order: &mut Reorder) -> bool {
        std::iter::from_fn(|| order.pop()).all(|ripe| self.add(|batch| batch.facts.push(ripe)))
    }
}

/// A source that is being read.
pub struct Reading(Arc<Shared>);

impl Reading {
    /// Begins. A batch has `most` facts, or as many lines that are none. Facts later than `latest` are refused.
    pub fn start(source: Source, latest: Time, most: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            most,
            ..Shared::default()
        });
        let reader = shared.clone();
        // no task of the runtime: a read that never returns must not keep the process from ending
        let thread = thread::Builder::new().name("reading".into());
        let started = thread.spawn(move || reader.fill(source, latest));
        started.context("no thread to read in")?;
        Ok(Reading(shared))
    }

    /// The next batch: as soon as it is full or the last, or with what there is after `patience`.
    pub async fn next(&self, patience: Duration) -> Result<Batch> {
        let shared = self.0.clone();
        let waiting = tokio::task::spawn_blocking(move || {
            let partial =
                |state: &mut State| shared.has_room(&state.batch) && state.batch.end.is_none();
            let waited = shared
                .full
                .wait_timeout_while(shared.lock(), patience, partial);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let batch = std::mem::take(&mut state.batch);
            shared.room.notify_one();
            batch
        });
        waiting.await.context("reading failed")
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.lock().gone = true;
        self.0.room.notify_one();
    }
}
