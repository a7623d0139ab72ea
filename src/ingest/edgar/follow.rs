//! The loop around the follower: requests out, answers in, events on their way, until it is told to end.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    follower::Follower,
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

/// What the loop tells. Whoever stores a [`Told::State`] only after all that was told before it can start again from it.
#[derive(Debug)]
pub enum Told {
    /// A filing, or trouble.
    Event(Event),
    /// Where to start again.
    State(State),
}

/// Follows until `end` is cancelled, or nobody listens to `told` any more. Returns where it stood; requests under way are let go.
pub async fn follow<F: Fetch>(
    mut follower: Follower,
    fetch: Arc<F>,
    clock: Clock,
    told: mpsc::Sender<Told>,
    end: CancellationToken,
) -> State {
    let mut requests: JoinSet<(Request, Reply)> = JoinSet::new();
    let mut last_told = follower.state();
    let mut untold = 0;
    loop {
        let now = clock.now();
        let wait = match follower.next(now) {
            Step::Get(request, path) => {
                let fetch = fetch.clone();
                requests.spawn(async move {
                    let reply = fetch.get(&path).await;
                    (request, reply)
                });
                continue;
            }
            Step::Wait(until) => sleep_of(now, until),
        };
        let answered = tokio::select! {
            () = end.cancelled() => return follower.state(),
            () = tokio::time::sleep(wait) => continue,
            Some(answered) = requests.join_next() => answered,
        };
        let (request, reply) = match answered {
            Ok(answered) => answered,
            Err(error) => match error.try_into_panic() {
                // without an answer the follower would wait for it for ever
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return follower.state(),
            },
        };
        for event in follower.answer(request, &reply, clock.now()) {
            untold += 1;
            if told.send(Told::Event(event)).await.is_err() {
                return follower.state();
            }
        }
        if follower.waiting() == 0 || untold >= STATE_EVERY {
            let state = follower.state();
            untold = 0;
            if state != last_told {
                last_told = state.clone();
                if told.send(Told::State(state)).await.is_err() {
                    return follower.state();
                }
            }
        }
    }
}

fn sleep_of(now: Time, until: Time) -> Duration {
    let micros = until.0.saturating_sub(now.0).max(0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LONGEST_SLEEP)
}
