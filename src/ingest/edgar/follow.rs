//! The loop around the follower: requests out, answers in, events on their way, until it is told to end or nothing is left.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    follower::Follower,
    metrics::Metrics,
    protocol::{Event, Reply, Request, Step},
    state::State,
};
use crate::model::time::{Clock, Time};

/// Filings after which a state is told in the midst of work.
const STATE_EVERY: usize = 100;
/// No sleep is longer: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Where replies come from.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches a path of EDGAR's host, whole. What goes wrong on the way is status 0.
    fn get(&self, path: &str) -> impl Future<Output = Reply> + Send;
}

/// What is at hand already.
pub trait Known: Send + Sync {
    /// Those of these accession numbers that need not be fetched. None where that cannot be told: what comes twice counts once.
    fn known(&self, accessions: Vec<String>) -> impl Future<Output = HashSet<String>> + Send;
}

/// What the loop tells. Whoever stores a [`Told::State`] only after all that was told before it can start again from it.
#[derive(Debug)]
pub enum Told {
    /// A filing, or trouble.
    Event(Event),
    /// Where to start again.
    State(State),
}

/// How far to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to end.
    ToldToEnd,
    /// Until all that there is by now is told.
    CaughtUp,
}

/// Why following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to, or nobody listens any more.
    Told,
    /// All that there is was told.
    CaughtUp,
    /// Nothing comes any more, however often it is asked for.
    Stuck,
}

/// What a following works with.
pub struct Means<F, K> {
    /// Where replies come from.
    pub web: Arc<F>,
    /// What is at hand.
    pub at_hand: K,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// Follows until `end` is cancelled, nobody listens to `told` any more, or, as `until` says, it has caught up. Requests under way are let
/// go at the end.
pub async fn follow<F: Fetch, K: Known>(
    mut follower: Follower,
    means: Means<F, K>,
    until: Until,
    told: mpsc::Sender<Told>,
    end: CancellationToken,
) -> Ended {
    let mut requests: JoinSet<(Request, Reply)> = JoinSet::new();
    let mut last_told = follower.state();
    let mut untold = 0;
    loop {
        let now = means.clock.now();
        if until == Until::CaughtUp {
            if follower.is_caught_up(now) {
                return Ended::CaughtUp;
            }
            if follower.is_stuck() {
                return Ended::Stuck;
            }
        }
        let wait = match follower.next(now) {
            Step::Get(request, path) => {
                let web = means.web.clone();
                requests.spawn(async move {
                    let reply = web.get(&path).await;
                    (request, reply)
                });
                continue;
            }
            Step::Wait(until) => sleep_of(now, until),
        };
        let answered = tokio::select! {
            () = end.cancelled() => return Ended::Told,
            () = tokio::time::sleep(wait) => continue,
            Some(answered) = requests.join_next() => answered,
        };
        let (request, reply) = match answered {
            Ok(answered) => answered,
            Err(error) => match error.try_into_panic() {
                // without an answer the follower would wait for it for ever
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Ended::Told,
            },
        };
        means.metrics.answered(&reply);
        let events = follower.answer(request, &reply, means.clock.now());
        let named = follower.take_named();
        if !named.is_empty() {
            for accession in means.at_hand.known(named).await {
                means.metrics.known.inc();
                follower.skip(&accession, means.clock.now());
            }
        }
        means.metrics.waiting.set(follower.waiting() as i64);
        for event in events {
            untold += 1;
            match &event {
                Event::Filing { .. } => means.metrics.fetched.inc(),
                Event::Rejected { .. } => means.metrics.rejected.inc(),
                Event::Trouble(_) => 0,
            };
            if told.send(Told::Event(event)).await.is_err() {
                return Ended::Told;
            }
        }
        if follower.waiting() == 0 || untold >= STATE_EVERY {
            let state = follower.state();
            untold = 0;
            if state != last_told {
                last_told = state.clone();
                if told.send(Told::State(state)).await.is_err() {
                    return Ended::Told;
                }
            }
        }
    }
}

fn sleep_of(now: Time, until: Time) -> Duration {
    let micros = until.0.saturating_sub(now.0).max(0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LONGEST_SLEEP)
}
