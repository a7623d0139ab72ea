//! What waits to be judged, judged in the background: in short turns, so that swaps and signals never wait long for the database.

use std::{sync::Arc, time::Duration};

use super::{
    life::Life,
    ownership::{Duties, Duty, Held},
};
use crate::ingest::insider::intake::{Intake, SHORT_TURN};

/// How often it is looked whether anything waits.
const TICK: Duration = Duration::from_millis(200);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Judges what waits, from other processes or an earlier life, until the process ends.
///
/// Of the processes that share the data one does so at a time: a command that has begun it is not disturbed.
pub async fn run(intake: Arc<Intake>, duties: Duties, life: Life) {
    let mut own: Option<Held> = None;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = life.hard.cancelled() => return,
            _ = tick.tick() => {}
        }
        // two that judge at once do some work twice, no more: it is enough to look between turns
        if own.as_ref().is_some_and(Held::is_lost) {
            own = None;
        }
        // whether anything waits or not: what a command stores is then judged here, from where its signals are sent
        if own.is_none() {
            match duties.try_take(Duty::Insiders).await {
                Ok(taken) => own = taken,
                Err(error) => tracing::warn!(%error, "scoring waits for its lock"),
            }
        }
        let waiting = match intake.waiting().await {
            Ok(waiting) => waiting.companies,
            Err(error) => {
                tracing::warn!(%error, "scoring waits for the database");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if waiting == 0 {
            continue;
        }
        if own.is_some() {
            some_turns(&intake, &life).await;
        }
    }
}

/// Turns until nothing waits, or one fails. Between two of them others get as much time as the turn took.
async fn some_turns(intake: &Intake, life: &Life) {
    while !life.hard.is_cancelled() {
        let begun = tokio::time::Instant::now();
        match intake.settle_some(SHORT_TURN).await {
            Ok(settled) if settled.companies == 0 => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "companies could not be judged; trying again");
                tokio::time::sleep(PAUSE).await;
                return;
            }
        }
        tokio::time::sleep(begun.elapsed().min(PAUSE)).await;
    }
}
