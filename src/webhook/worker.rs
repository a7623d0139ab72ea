//! The worker: takes endpoints for this node, and keeps each one's own worker running as its owner wants it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Line,
    dial::Dialer,
    endpoint::{Endpoint, Secrets, Shared},
    secret::{Seal, Unsealable},
    target::Target,
};
use crate::store::{db::Db, error::StoreResult, hook_takings::Taken, hooks::Hook};

/// Endpoints taken at once: others that start take theirs in between.
const AT_ONCE: i64 = 64;
/// What another process changed, or a node that is gone left, is seen after this long at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Sends to the endpoints of this node.
pub struct Worker {
    /// The database.
    pub db: Db,
    /// Opens secrets.
    pub seal: Arc<Seal>,
    /// Reaches targets.
    pub dialer: Dialer,
    /// What all endpoints share.
    pub shared: Arc<Shared>,
}

struct Running {
    /// As it was when it was started, but for what it does itself.
    definition: Hook,
    fence: i64,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// An endpoint without what changes by being sent to.
fn definition(hook: &Hook) -> Hook {
    let mut hook = hook.clone();
    hook.sent_to.seq = 0;
    hook.failing = None;
    hook.answered_at = None;
    hook
}

impl Worker {
    /// Runs until `stop`; all that is under way then finishes.
    pub async fn run(self, mut commits: watch::Receiver<u64>, stop: CancellationToken) {
        let mut running: HashMap<String, Running> = HashMap::new();
        let mut seen = None;
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            match self.look(&mut running, &mut seen).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "webhooks wait for the database"),
            }
            self.shared
                .metrics
                .endpoints
                .set(i64::try_from(running.len()).unwrap_or(i64::MAX));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        for one in running.values() {
            one.stop.cancel();
        }
        for (_, one) in running {
            // it has ended, or has panicked and said so
            let _ = one.task.await;
        }
        self.shared.ledger.written().await;
    }

    async fn look(
        &self,
        running: &mut HashMap<String, Running>,
        seen: &mut Option<i64>,
    ) -> StoreResult<()> {
        self.db.take_hooks(AT_ONCE).await?;
        let version = self.db.hook_version().await?;
        let ended = running.values().any(|one| one.task.is_finished());
        let taken = self.db.taken_hooks().await?;
        if *seen == Some(version) && !ended && taken.len() == running.len() {
            return Ok(());
        }
        *seen = Some(version);
        for (id, one) in running.iter() {
            let still = taken.iter().find(|taken| taken.hook.id == *id);
            let as_it_was = still.is_some_and(|taken| {
                taken.fence == one.fence && definition(&taken.hook) == one.definition
            });
            if !as_it_was {
                one.stop.cancel();
            }
        }
        // what it did last must be written before it is read
        if running.values().any(|one| one.task.is_finished()) {
            self.shared.ledger.written().await;
            running.retain(|_, one| !one.task.is_finished());
            // and then read anew
            *seen = None;
            return Ok(());
        }
        for taken in taken {
            if !running.contains_key(&taken.hook.id) {
                self.start(running, taken).await?;
            }
        }
        Ok(())
    }

    async fn start(&self, running: &mut HashMap<String, Running>, taken: Taken) -> StoreResult<()> {
        let (id, fence) = (taken.hook.id.clone(), taken.fence);
        let definition = definition(&taken.hook);
        let stop = CancellationToken::new();
        let secrets = match self.secrets(&taken.hook) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(webhook = id, %error, "a webhook is not sent to");
                return Ok(());
            }
        };
        let target = match Target::parse(&taken.hook.url, self.dialer.allowed()) {
            Ok(target) => target,
            Err(error) => {
                tracing::error!(webhook = id, %error, "a webhook is not sent to: its URL is not allowed any more");
                return Ok(());
            }
        };
        let line = Line::new(self.dialer.clone(), target);
        let waiting = self.db.waiting_messages(&id).await?;
        let endpoint = Endpoint::new(self.shared.clone(), taken, secrets, line, waiting);
        let task = tokio::spawn(endpoint.run(stop.clone()));
        running.insert(
            id,
            Running {
                definition,
                fence,
                stop,
                task,
            },
        );
        Ok(())
    }

    fn secrets(&self, hook: &Hook) -> Result<Secrets, Unsealable> {
        let open = |sealed: &str| self.seal.open(sealed, &hook.id);
        let before = hook.old_secret.as_ref();
        let before = before.map(|(sealed, until)| Ok((open(sealed)?, *until)));
        Ok(Secrets {
            now: open(&hook.secret)?,
            before: before.transpose()?,
        })
    }
}
