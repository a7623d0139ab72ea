//! The worker: takes endpoints for this node, and keeps each one's own worker running as its owner wants it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Line,
    dial::Dialer,
    endpoint::Endpoint,
    headers::Secrets,
    proof,
    secret::{Seal, Unsealable},
    sender::Shared,
    target::{BadTarget, Target},
};
use crate::store::{
    error::StoreResult,
    hook_takings::{Eligible, Mark, Taken},
};

/// Endpoints taken at once: others that start take theirs in between.
const AT_ONCE: i64 = 1_000;
/// What another process changed, or a node that is gone left, is seen after this long at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// At the end it is looked this often which endpoints have ended: almost all have at once.
const ENDS_WITHIN: Duration = Duration::from_millis(50);

/// Sends to the endpoints of this node.
pub struct Worker {
    /// Opens secrets.
    pub seal: Arc<Seal>,
    /// Reaches targets.
    pub dialer: Dialer,
    /// What all endpoints share.
    pub shared: Arc<Shared>,
    /// Plans that have webhooks.
    pub plans: Vec<String>,
    /// Whether it was said that this node has another key.
    pub has_stood_back: AtomicBool,
}

/// One that is sent to, or would be if it could.
struct Running {
    /// As it was when it was started, or when it was last told.
    mark: Mark,
    stop: CancellationToken,
    asked: Arc<Notify>,
    /// `None`: it cannot be sent to as it is, which was said.
    task: Option<JoinHandle<()>>,
    /// Another node is to have it.
    is_given_away: bool,
}

/// Why an endpoint cannot be sent to.
#[derive(Debug, thiserror::Error)]
enum CannotSend {
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
    #[error("its URL is not allowed any more: {0}")]
    BadTarget(#[from] BadTarget),
}

impl Running {
    fn is_over(&self) -> bool {
        match &self.task {
            Some(task) => task.is_finished(),
            None => self.stop.is_cancelled(),
        }
    }
}

impl Worker {
    /// Runs until `stop`; all that is under way then finishes, and other nodes take over.
    pub async fn run(self, stop: CancellationToken) {
        let mut running: HashMap<String, Running> = HashMap::new();
        // whoever had them here before is gone
        let mut is_clean = false;
        while !stop.is_cancelled() {
            let looked = async {
                if !is_clean {
                    self.shared.db.release_hooks().await?;
                    is_clean = true;
                }
                self.look(&mut running).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(%error, "webhooks wait for the database");
            }
            let many = i64::try_from(running.len()).unwrap_or(i64::MAX);
            self.shared.metrics.endpoints.set(many);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        if let Err(error) = self.let_go(running).await {
            tracing::warn!(%error, "webhooks could not be let go; other nodes take them when this one is held for gone");
        }
    }

    /// Leaves each endpoint to other nodes as soon as what is under way there is over: one that does not answer keeps them from no other.
    async fn let_go(&self, mut running: HashMap<String, Running>) -> StoreResult<()> {
        for one in running.values_mut() {
            one.is_given_away = true;
            one.stop.cancel();
        }
        // for as long as it says goodbye to its streams it lives, and would count among those that endpoints are shared by
        self.shared.db.unlist_sender().await?;
        tokio::time::sleep(ENDS_WITHIN).await;
        while !running.values().all(Running::is_over) {
            self.clear(&mut running).await?;
            tokio::time::sleep(ENDS_WITHIN).await;
        }
        // those that are left, in one go
        self.shared.ledger.written().await;
        self.shared.db.release_hooks().await
    }

    async fn look(&self, running: &mut HashMap<String, Running>) -> StoreResult<()> {
        let db = &self.shared.db;
        if !proof::fits(db, &self.seal).await? {
            return self.stand_back(running).await;
        }
        let whose = Eligible {
            plans: self.plans.clone(),
            now: db.shared_time(self.shared.clock.now()).await?,
        };
        let share = db.hook_share(&whose).await?;
        // not those that run: one that was disabled ends in its time, and takes no other's place
        let mut marks = db.hook_marks(&whose).await?;
        let count = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
        if share.free > 0 && count(marks.len()) < share.each {
            db.take_hooks(&whose, AT_ONCE.min(share.each - count(marks.len())))
                .await?;
            marks = db.hook_marks(&whose).await?;
        }
        let known: HashMap<&str, &Mark> = marks.iter().map(|mark| (&*mark.id, mark)).collect();
        for (id, one) in running.iter_mut() {
            match known.get(&**id) {
                Some(mark) if mark.fence == one.mark.fence && mark.version == one.mark.version => {
                    if mark.asked != one.mark.asked {
                        one.mark.asked = mark.asked;
                        one.asked.notify_one();
                    }
                }
                _ => one.stop.cancel(),
            }
        }
        let leaving = running.values().filter(|one| one.is_given_away).count();
        let too_many = count(marks.len()) - count(leaving) - share.each;
        let too_many = usize::try_from(too_many).unwrap_or(0);
        let staying = running.values_mut().filter(|one| !one.stop.is_cancelled());
        for one in staying.take(too_many) {
            one.is_given_away = true;
            one.stop.cancel();
        }
        self.clear(running).await?;
        for mark in marks {
            if !running.contains_key(&mark.id)
                && let Some(taken) = db.taken_hook(&mark.id).await?
            {
                running.insert(mark.id, self.start(taken));
            }
        }
        Ok(())
    }

    /// Leaves all endpoints to other nodes: the first secret was made elsewhere since this one started, with another key than it has.
    async fn stand_back(&self, running: &mut HashMap<String, Running>) -> StoreResult<()> {
        if !self.has_stood_back.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "webhooks are sealed with another key than this server has: it sends none; give it the same key, and start it again"
            );
        }
        running.values().for_each(|one| one.stop.cancel());
        self.clear(running).await?;
        self.shared.db.release_hooks().await?;
        self.shared.db.unlist_sender().await
    }

    /// Forgets those that have ended; what became of their messages is written by then, and is read when they are started again.
    async fn clear(&self, running: &mut HashMap<String, Running>) -> StoreResult<()> {
        // before what they noted is waited for: of one that ends meanwhile, not all may be written
        let over = running.values().filter(|one| one.is_over());
        let over: Vec<String> = over.map(|one| one.mark.id.clone()).collect();
        if over.is_empty() {
            return Ok(());
        }
        self.shared.ledger.written().await;
        for id in over {
            if let Some(one) = running.get(&id).filter(|one| one.is_given_away) {
                let released = self.shared.db.release_hook(&id, one.mark.fence);
                released.await?;
            }
            running.remove(&id);
        }
        Ok(())
    }

    fn start(&self, taken: Taken) -> Running {
        let (mark, stop, asked) = (
            taken.mark.clone(),
            CancellationToken::new(),
            Arc::new(Notify::new()),
        );
        let task = match self.endpoint(taken, asked.clone()) {
            Ok(endpoint) => Some(tokio::spawn(endpoint.run(stop.clone()))),
            Err(error) => {
                tracing::error!(webhook = mark.id, %error, "a webhook cannot be sent to");
                None
            }
        };
        Running {
            mark,
            stop,
            asked,
            task,
            is_given_away: false,
        }
    }

    fn endpoint(&self, taken: Taken, asked: Arc<Notify>) -> Result<Endpoint, CannotSend> {
        let secrets = Secrets::open(&self.seal, &taken.hook)?;
        let target = Target::parse(&taken.hook.url, self.dialer.allowed())?;
        let line = Line::new(self.dialer.clone(), target);
        Ok(Endpoint::new(
            self.shared.clone(),
            taken,
            secrets,
            line,
            asked,
        ))
    }
}
