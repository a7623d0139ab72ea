//! What was written to streams, kept: which accounts want it, looked at every few seconds and when a stream closes, and saved.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::settings::Settings,
    http::state::State,
    hub::node::Hub,
    model::{
        delivery::{Kept, Written},
        time::Clock,
    },
    store::{db::Db, error::StoreResult},
};

/// From one look to the next: a crash forgets no more.
const EVERY: Duration = Duration::from_secs(5);
/// So long threads of streams may take to answer; and streams that close together are saved together.
const SETTLES_IN: Duration = Duration::from_millis(100);
/// Old ones are forgotten this often.
const FORGETS_EVERY: Duration = Duration::from_secs(60);
/// Rows in one transaction: publishing waits for none that is long.
const ROWS: usize = 500;
/// Ranges that wait for a database that takes none; beyond them the oldest are forgotten, and less is said than was written.
const MOST_UNSAVED: usize = 100_000;
/// How long the end waits for the last to be saved.
const END: Duration = Duration::from_secs(5);

/// For how long it is known what became of a signal, as the settings say.
#[must_use]
pub fn kept(settings: &Settings) -> Kept {
    let log = settings.log.retention_days;
    Kept {
        streams: Kept::days(settings.deliveries.days, log),
        attempts: Kept::days(settings.webhook.attempt_days, log),
    }
}

/// It runs; to be ended when no stream is left.
pub struct Keeping {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Keeping {
    /// Begins; streams that are opened afterwards are noted from their first signal on.
    pub async fn start(settings: &Settings, state: &State) -> Self {
        let mut keeper = Keeper {
            db: state.db.clone(),
            hub: state.hub.clone(),
            clock: state.clock.clone(),
            node: format!("{:016x}", state.random.number()),
            kept: kept(settings).streams,
            known: None,
            unsaved: BTreeMap::new(),
        };
        keeper.refresh().await;
        let stop = CancellationToken::new();
        let task = tokio::spawn(keeper.run(stop.clone()));
        Keeping { stop, task }
    }

    /// Saves what is left.
    pub async fn end(self) {
        self.stop.cancel();
        if tokio::time::timeout(END, self.task).await.is_err() {
            tracing::warn!("what was written to streams last could not be saved in time");
        }
    }
}

struct Keeper {
    db: Db,
    hub: Arc<Hub>,
    clock: Clock,
    /// Names this process.
    node: String,
    /// For how long, in microseconds.
    kept: Option<i64>,
    /// The version of endpoints whose accounts are known.
    known: Option<i64>,
    /// By number, so that the oldest stands first.
    unsaved: BTreeMap<u64, Written>,
}

impl Keeper {
    async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forgets = Instant::now();
        while !stop.is_cancelled() {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = looks.tick() => {
                    self.refresh().await;
                    self.hub.writes.look(self.hub.ring.head());
                }
                () = self.hub.writes.closed() => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(SETTLES_IN) => {}
            }
            self.save().await;
            if forgets <= Instant::now() {
                forgets = Instant::now() + FORGETS_EVERY;
                self.forget().await;
            }
        }
        self.save().await;
    }

    /// Has those accounts' streams noted that have webhooks.
    async fn refresh(&mut self) {
        match self.news().await {
            Ok(None) => {}
            Ok(Some((version, accounts))) => {
                let accounts = accounts.into_iter().map(String::into_boxed_str).collect();
                self.hub.writes.set_accounts(accounts, &self.hub.seats);
                self.known = Some(version);
            }
            Err(error) => {
                tracing::warn!(%error, "whose streams are noted waits for the database");
            }
        }
    }

    /// Accounts that have webhooks, where that may have changed, and the version which that is of.
    async fn news(&self) -> StoreResult<Option<(i64, Vec<String>)>> {
        // before the accounts: what is made in between is found at the next look
        let version = self.db.hook_version().await?;
        match self.known == Some(version) {
            true => Ok(None),
            false => Ok(Some((version, self.db.hook_accounts().await?))),
        }
    }

    async fn save(&mut self) {
        let now = self.clock.now();
        let changed = self.hub.writes.take_changed(now);
        self.unsaved
            .extend(changed.into_iter().map(|range| (range.number, range)));
        while !self.unsaved.is_empty() {
            let some: Vec<Written> = self.unsaved.values().take(ROWS).cloned().collect();
            match self.db.save_writes(&self.node, &some, now).await {
                Ok(()) => {
                    for range in &some {
                        self.unsaved.remove(&range.number);
                    }
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "what was written to streams could not be saved; trying again");
                    break;
                }
            }
        }
        while self.unsaved.len() > MOST_UNSAVED {
            self.unsaved.pop_first();
        }
    }

    async fn forget(&self) {
        let Some(kept) = self.kept else {
            return;
        };
        let before = Kept::horizon(Some(kept), self.clock.now());
        loop {
            match self.db.forget_writes(before, ROWS as i64).await {
                Ok(forgotten) if forgotten == ROWS as u64 => tokio::task::yield_now().await,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "what was written to streams long ago could not be forgotten; trying again in a minute");
                    return;
                }
            }
        }
    }
}
