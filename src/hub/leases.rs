//! Leases: one stream per key over all nodes of a database. Heartbeats, applications, questions to other nodes and answers to theirs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, sleep, sleep_until, timeout},
};

use super::{
    applications::Applications,
    bell::Bell,
    config::Config,
    frame::Ending,
    metrics::Metrics,
    releases::Releases,
    seat::{End, Seat},
    seats::{Seats, Taken},
    tenure::{Round, Stopwatch, Tenure},
};
use crate::model::lease::{
    Answer, Applicant, Application, Ask, Asked, Claim, Ended, Era, Fence, Held, LeaseStore,
    LeasesUnavailable,
};

/// Why a stream cannot be opened.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The key's stream is another's.
    Taken(Taken),
    /// Nobody can tell now.
    Unavailable(LeasesUnavailable),
}

impl From<LeasesUnavailable> for Refusal {
    fn from(error: LeasesUnavailable) -> Self {
        Refusal::Unavailable(error)
    }
}

/// The lease stays another's.
fn refused(held: &Held, answer: Answer) -> Refusal {
    Refusal::Taken(Taken {
        connected_at: held.connected_at,
        peer: held.peer.clone(),
        flapping: answer == Answer::Flapping,
    })
}

/// Why nothing is known of leases.
const SILENT: &str =
    "the database was not reached for so long that other nodes may have taken streams over";
/// Applications in one statement.
const MOST_APPLICATIONS: usize = 256;
/// After a failure.
const RETRY: Duration = Duration::from_millis(200);
/// How often it is looked whether an answer is there, or its node gone, even if nothing wakes.
const LOOK: Duration = Duration::from_millis(250);
/// Questions that are answered at a time. More wait in the database.
const MOST_ANSWERS: usize = 256;

/// This node's leases.
pub struct Leases {
    store: Arc<dyn LeaseStore>,
    seats: Arc<Seats>,
    tenure: Arc<Tenure>,
    releases: Arc<Releases>,
    metrics: Metrics,
    beat_every: Duration,
    life: Duration,
    tick: Duration,
    /// Rung when questions or answers may be there.
    changed: Bell,
    applications: Applications,
    answering: Mutex<BTreeSet<i64>>,
    /// The era in which its leases were last known to be its own.
    era: Mutex<Option<Era>>,
}

/// Where the node's lease matters: a lease's life, and the share of it after which the node is silent.
fn mute_after(config: &Config) -> Duration {
    Duration::from_millis(config.lease_ms).mul_f64(2.0 / 3.0)
}

impl Leases {
    /// With no seats taken; the node is silent until its first heartbeat. `mute_after`: for tests that it matters; two thirds of a
    /// lease's life where it is not given. `time`: what that is counted by.
    #[must_use]
    pub fn new(
        config: &Config,
        store: Arc<dyn LeaseStore>,
        metrics: Metrics,
        mute: Option<Duration>,
        time: Stopwatch,
    ) -> Self {
        let releases = Arc::new(Releases::default());
        Leases {
            store,
            seats: Arc::new(Seats::new(config, Some(releases.clone()))),
            tenure: Arc::new(Tenure::shared(mute.unwrap_or(mute_after(config)), time)),
            releases,
            metrics,
            beat_every: Duration::from_millis(config.beat_ms.max(10)),
            life: Duration::from_millis(config.lease_ms),
            tick: Duration::from_millis(config.tick_ms.max(1)),
            changed: Bell::default(),
            applications: Applications::default(),
            answering: Mutex::default(),
            era: Mutex::default(),
        }
    }

    /// The node has joined, by a heartbeat that began at `start`; it has no streams yet that could have been taken.
    pub fn join(&self, start: Duration, era: Era) {
        self.know(era);
        self.tenure.extend(start);
    }

    fn know(&self, era: Era) {
        *self.era.lock().unwrap_or_else(PoisonError::into_inner) = Some(era);
    }

    fn knows(&self, era: Era) -> bool {
        *self.era.lock().unwrap_or_else(PoisonError::into_inner) == Some(era)
    }

    /// The seats of this node.
    #[must_use]
    pub fn seats(&self) -> Arc<Seats> {
        self.seats.clone()
    }

    /// Until when this node may send.
    #[must_use]
    pub fn tenure(&self) -> Arc<Tenure> {
        self.tenure.clone()
    }

    /// A call that hangs is a call that failed: whether it took effect is looked up later.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, LeasesUnavailable>>,
    ) -> Result<T, LeasesUnavailable> {
        let late = || LeasesUnavailable("the database does not answer".to_owned());
        timeout(self.life / 2, call)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// One heartbeat. After a silence, nothing is sent before it is known what was taken meanwhile, and who may still listen. Nor where
    /// the database held the node for gone, whatever the node itself thinks of it: clocks stand still, and are set.
    async fn beat<E: fmt::Display>(
        &self,
        recheck: impl Future<Output = Result<(), E>>,
    ) -> Result<(), LeasesUnavailable> {
        let start = self.tenure.now();
        let era = self.within(self.store.beat()).await?;
        if !self.knows(era) {
            self.tenure.end();
        }
        if self.tenure.is_muted() {
            self.look_through().await?;
            self.know(era);
            let failed = |error: E| LeasesUnavailable(error.to_string());
            self.within(async { recheck.await.map_err(failed) }).await?;
        }
        self.tenure.extend(start);
        Ok(())
    }

    /// Ends the streams whose leases were taken.
    async fn look_through(&self) -> Result<(), LeasesUnavailable> {
        let seats = {
            let mut round = self.tenure.round();
            round.next();
            self.seats.all()
        };
        let own: BTreeMap<String, Fence> =
            self.within(self.store.own()).await?.into_iter().collect();
        for seat in seats {
            let Some(fence) = seat.fence() else {
                // a view, which needs none; or it is not granted yet: whoever grants it sees that a round has begun
                continue;
            };
            if own.get(seat.key()).is_none_or(|now| *now < fence) {
                tracing::info!(key = %seat.key(), connection = seat.connection, "another node has this key's stream by now");
                self.seats.evict(&seat, End::Error(Ending::Superseded));
            }
        }
        Ok(())
    }

    /// Gets the lease for a seat that was taken on this node. Where the database is slow, it waits; where the node has not reached it for so
    /// long that it is silent, it is refused at once.
    pub(super) async fn get(&self, seat: &Seat, claim: Claim) -> Result<(), Refusal> {
        let end = Instant::now() + self.life + Duration::from_secs(1);
        let mut changed = self.changed.listen();
        let mut asked: Option<Asked> = None;
        loop {
            if self.tenure.is_cut_off() {
                return Err(LeasesUnavailable(SILENT.to_owned()).into());
            }
            changed.arm();
            // read first: what is granted in one round and comes to be known in the next may be lost already
            let round = *self.tenure.round();
            let application = self.applications.make(Applicant {
                key_id: seat.key().to_owned(),
                connection: seat.connection,
                connected_at: seat.connected_at,
                peer: seat.peer.to_string(),
                takeovers: self.seats.takeovers(seat.key()),
                claim,
                asked,
            });
            let unknown = match application.await {
                Ok(Application::Granted { fence, takeovers }) => {
                    if self.grant(seat, fence, round) {
                        self.seats.set_takeovers(seat.key(), takeovers);
                        return Ok(());
                    }
                    continue;
                }
                Ok(Application::Refused(held, answer)) => return Err(refused(&held, answer)),
                Ok(Application::Held(_, question)) => {
                    asked = Some(question);
                    let silent = "the node that has this key's stream does not answer";
                    LeasesUnavailable(silent.to_owned())
                }
                Err(error) => error,
            };
            let now = Instant::now();
            if now >= end {
                return Err(unknown.into());
            }
            let _ = timeout(LOOK.min(end - now), changed.heard()).await;
        }
    }

    /// Grants the seat its lease, unless the node's leases were looked through since it was applied for: that look did not see this
    /// seat, and the lease may be lost already.
    fn grant(&self, seat: &Seat, fence: Fence, applied_in: Round) -> bool {
        let round = self.tenure.round();
        let same = *round == applied_in;
        if same {
            seat.grant(fence);
        }
        same
    }

    async fn answer(&self, ask: &Ask) {
        let answer = self
            .seats
            .make_room(&ask.key_id, ask.fence, ask.claim)
            .await;
        let takeovers = self.seats.takeovers(&ask.key_id);
        let reply = self.store.reply(ask, answer, takeovers);
        if let Err(error) = self.within(reply).await {
            tracing::warn!(key = %ask.key_id, %error, "another node's question waits for its answer");
        }
    }

    /// Marks a question as being answered; `None` where it is already, or there are too many.
    fn take_up(self: &Arc<Self>, ask: Ask) -> Option<Answering> {
        let mut answering = self
            .answering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = answering.len() < MOST_ANSWERS && answering.insert(ask.id);
        new.then(|| Answering {
            leases: self.clone(),
            ask,
        })
    }

    /// Lets all leases go: the node ends.
    pub async fn leave(&self) {
        if let Err(error) = self.within(self.store.leave()).await {
            tracing::warn!(%error, "the leases end by themselves");
        }
    }
}

/// A question that is being answered; not any more when dropped.
struct Answering {
    leases: Arc<Leases>,
    ask: Ask,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let answering = &self.leases.answering;
        let mut answering = answering.lock().unwrap_or_else(PoisonError::into_inner);
        answering.remove(&self.ask.id);
    }
}

/// Sends heartbeats until `stop` resolves. `recheck`: ends the streams of those who may listen no more; run after a silence, in which
/// nobody told of it.
pub async fn keep<E: fmt::Display, R: Future<Output = Result<(), E>>>(
    leases: Arc<Leases>,
    recheck: impl Fn() -> R,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    loop {
        let start = Instant::now();
        let beat = tokio::select! {
            biased;
            () = &mut stop => return,
            beat = leases.beat(recheck()) => beat,
        };
        let next = match beat {
            Ok(()) => start + leases.beat_every,
            Err(error) => {
                leases.metrics.heartbeat_failures.inc();
                tracing::warn!(%error, "a heartbeat has not reached the database");
                Instant::now() + RETRY
            }
        };
        leases
            .metrics
            .muted
            .set(i64::from(leases.tenure.is_muted()));
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = sleep_until(next) => {}
        }
    }
}

/// Answers other nodes' questions until `stop` resolves. `changes` changes when there may be some, or answers to this node's.
pub async fn answer(
    leases: Arc<Leases>,
    mut changes: watch::Receiver<u64>,
    stop: impl Future<Output = ()>,
) {
    let mut tick = tokio::time::interval(leases.tick);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            Ok(()) = changes.changed() => {}
            _ = tick.tick() => {}
        }
        leases.changed.ring();
        let asks = match leases.within(leases.store.asked()).await {
            Ok(asks) => asks,
            Err(error) => {
                tracing::warn!(%error, "other nodes' questions wait for the database");
                continue;
            }
        };
        for ask in asks {
            if let Some(answering) = leases.take_up(ask) {
                tokio::spawn(async move { answering.leases.answer(&answering.ask).await });
            }
        }
    }
}

/// Makes what applications there are, until `stop` resolves: one statement at a time, however many wait.
pub async fn apply(leases: Arc<Leases>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        let waiting = tokio::select! {
            biased;
            () = &mut stop => return leases.applications.close(),
            waiting = leases.applications.take(MOST_APPLICATIONS) => waiting,
        };
        let (applicants, outcomes): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let keys = applicants.iter().map(|one: &Applicant| one.key_id.clone());
        let keys: Vec<String> = keys.collect();
        let applied = match leases.within(leases.store.apply(&applicants)).await {
            Ok(applied) => applied.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); outcomes.len()],
        };
        for ((key_id, outcome), applied) in keys.iter().zip(outcomes).zip(applied) {
            // whoever asked may have gone: then nobody else lets go what it got
            if let Err(Ok(Application::Granted { fence, .. })) = outcome.send(applied) {
                leases.releases.add(key_id, fence);
            }
        }
    }
}

/// Lets leases go whose streams have ended, until `stop` resolves.
pub async fn let_go(leases: Arc<Leases>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        let ended = tokio::select! {
            biased;
            () = &mut stop => return,
            ended = leases.releases.take() => ended,
        };
        let with_counts = ended.iter().map(|(key_id, fence)| Ended {
            key_id: key_id.clone(),
            fence: *fence,
            takeovers: leases.seats.takeovers(key_id),
        });
        let with_counts: Vec<Ended> = with_counts.collect();
        if let Err(error) = leases.within(leases.store.release(&with_counts)).await {
            tracing::debug!(%error, "ended streams' leases wait for the database");
            for (key_id, fence) in ended {
                leases.releases.add(&key_id, fence);
            }
            sleep(RETRY).await;
        }
    }
}
