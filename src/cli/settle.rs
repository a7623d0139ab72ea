//! Companies that wait to be judged, judged to the end: by this process, or by the one that is at it already.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{outcome::complain, progress::Progress};
use crate::{
    app::ownership::{Duties, Duty},
    ingest::insider::intake::Intake,
};

/// How often it is looked how far the other process is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The other process got nowhere for so long: it has its own trouble, and goes on when that is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// What judging came to.
#[derive(Debug, Default)]
pub struct Settled {
    /// Assessments that say something new; `None` where another process made them.
    pub revisions: Option<u64>,
    /// Signals; `None` where another process fired them.
    pub signals: Option<u64>,
    /// Companies that still wait.
    pub waiting: i64,
}

/// Judges until nothing waits, unless another process is at it: it judges what is new as well.
pub async fn settle_if_free(intake: &Intake, duties: &Duties) -> Result<()> {
    if let Some(_own) = duties.try_take(Duty::Insiders).await? {
        while intake.settle().await?.companies > 0 {}
    }
    Ok(())
}

/// Judges until nothing waits. Stopped at any moment, the next ingest or server goes on.
pub async fn settle(intake: &Intake, duties: &Duties) -> Result<Settled> {
    let begun = intake.waiting().await?.steps();
    let mut progress = Progress::counting("steps of scoring", begun);
    let (mut revisions, mut signals, mut done) = (0, 0, 0);
    let mut own = duties.try_take(Duty::Insiders).await?;
    let mut foreign = own.is_none();
    if foreign && begun > 0 {
        complain("a server runs on this data, or another command: it scores what was stored");
    }
    let mut last = (begun, Instant::now());
    loop {
        if own.is_some() {
            let settled = intake.settle().await;
            let settled = settled.context(
                "not all is scored; run the command again when this is mended, or start the server: what is in stays in",
            )?;
            if settled.companies == 0 {
                break;
            }
            revisions += settled.revisions;
            signals += settled.fired;
            done += settled.companies as u64;
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
            own = duties.try_take(Duty::Insiders).await?;
        }
        let left = intake.waiting().await?.steps();
        if own.is_none() && left == 0 {
            break;
        }
        if left != last.0 {
            last = (left, Instant::now());
        } else if own.is_none() && last.1.elapsed() > PATIENCE {
            progress.note("scoring goes on without this command");
            break;
        }
        foreign |= own.is_none();
        done = done.max(begun.saturating_sub(left));
        progress.expect(done + left);
        progress.at(done, done);
    }
    progress.finish();
    if let Some(own) = own {
        own.leave().await;
    }
    Ok(Settled {
        revisions: (!foreign).then_some(revisions),
        signals: (!foreign).then_some(signals),
        waiting: intake.waiting().await?.companies,
    })
}
