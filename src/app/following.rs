//! Following EDGAR: one follower on a data directory, in the server or in a command, and what it tells on its way into the store.

use std::{sync::Arc, time::Duration};

use jiff::civil::Date;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    edgar::Edgar,
    error::StartResult,
    life::Life,
    ownership::{Duties, Duty, Held},
};
use crate::{
    ingest::{
        edgar::{
            config::Config,
            follow::{Ended, Means, Until, follow},
            follower::Follower,
            keep::{Batch, Keeper, Kept},
            metrics::Metrics,
            protocol::Manner,
        },
        insider::intake::{Intake, When},
        sec::values,
    },
    model::time::Clock,
    store::{db::Db, error::StoreResult},
};

/// What was told and is not stored yet: the follower waits then.
const MOST_TOLD: usize = 200;
/// Stored in one transaction, at most.
const AT_ONCE: usize = 100;
/// A request, its answer's body included, takes no longer.
const WITHIN: Duration = Duration::from_secs(60);
/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);
/// How often the lock is tried while another process has it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where EDGAR is, and how it is gone about.
#[derive(Clone)]
pub struct Site {
    web: Arc<Edgar>,
    manner: Manner,
}

impl Site {
    /// As the settings say.
    ///
    /// # Errors
    /// Settings that make none: no contact, no address, a pace that the SEC forbids.
    pub fn new(config: &Config) -> StartResult<Self> {
        Ok(Site {
            manner: config.manner()?,
            web: Arc::new(Edgar::new(&config.base_url, &config.contact, WITHIN)?),
        })
    }
}

/// What following EDGAR takes.
pub struct Following {
    site: Site,
    db: Db,
    intake: Arc<Intake>,
    clock: Clock,
    metrics: Metrics,
    when: When,
}

impl Following {
    /// `when`: whether this process judges what is fresh together with its storing.
    #[must_use]
    pub fn new(
        site: Site,
        db: Db,
        intake: Arc<Intake>,
        clock: Clock,
        metrics: Metrics,
        when: When,
    ) -> Self {
        Following {
            site,
            db,
            intake,
            clock,
            metrics,
            when,
        }
    }

    /// Where to go on: where the last one stopped, and where none was, at the beginning of this day in Washington. With a `from`, from that
    /// day on, if it is earlier.
    ///
    /// # Errors
    /// The database's.
    pub async fn keeper(&self, from: Option<Date>) -> StoreResult<Keeper> {
        let today = values::eastern_clock(self.clock.now()).date();
        Keeper::open(&self.db, self.intake.clone(), self.when, today, from).await
    }

    /// Follows, and stores what is told; `each` hears of it then. Whoever follows to no end waits for a database in trouble.
    ///
    /// # Errors
    /// The database's, with `until` it has caught up: what was stored before stays in.
    pub async fn run(
        &self,
        keeper: &mut Keeper,
        until: Until,
        end: CancellationToken,
        mut each: impl AsyncFnMut(&Batch, Kept),
    ) -> StoreResult<Ended> {
        let (tell, mut told) = mpsc::channel(MOST_TOLD);
        let follower = Follower::new(self.site.manner, keeper.state());
        let means = Means {
            web: self.site.web.clone(),
            at_hand: self.db.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let following = follow(follower, means, until, tell, end.clone());
        let keeping = async move {
            let mut some = Vec::new();
            while told.recv_many(&mut some, AT_ONCE).await > 0 {
                let batch = Batch::new(some.drain(..));
                let kept = loop {
                    match keeper.keep(&batch).await {
                        Ok(kept) => break kept,
                        Err(error) if until == Until::CaughtUp => return Err(error),
                        Err(error) => {
                            tracing::error!(%error, "filings of EDGAR could not be stored; trying again");
                        }
                    }
                    tokio::select! {
                        // they are fetched again by whoever goes on
                        () = end.cancelled() => return Ok(()),
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                };
                each(&batch, kept).await;
            }
            Ok(())
        };
        let (ended, kept) = tokio::join!(following, keeping);
        kept.map(|()| ended)
    }
}

/// Follows for as long as the server lives, as soon as no other process does.
pub async fn run(following: Following, duties: Duties, life: Life) {
    while let Some(own) = take(&duties, &life).await {
        // where it is lost, another process goes on from what this one stored last
        tokio::select! {
            () = follow_on(&following, &life) => return,
            () = own.lost() => {}
        }
    }
}

async fn follow_on(following: &Following, life: &Life) {
    let mut keeper = loop {
        match following.keeper(None).await {
            Ok(keeper) => break keeper,
            Err(error) => tracing::error!(%error, "following EDGAR waits for the database"),
        }
        tokio::select! {
            () = life.soft.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    };
    tracing::info!("following EDGAR");
    let end = life.soft.child_token();
    let said = following.run(&mut keeper, Until::ToldToEnd, end, async |batch, _| {
        tell(batch)
    });
    if let Err(error) = said.await {
        tracing::error!(%error, "EDGAR is followed no more");
    }
}

fn tell(batch: &Batch) {
    for trouble in &batch.troubles {
        tracing::warn!("EDGAR: {trouble}; trying again");
    }
    for (accession, reason) in &batch.rejected {
        tracing::warn!("EDGAR: filing {accession} is given up: {reason}");
    }
}

async fn take(duties: &Duties, life: &Life) -> Option<Held> {
    let mut told = false;
    loop {
        match duties.try_take(Duty::Edgar).await {
            Ok(Some(own)) => return Some(own),
            Ok(None) if told => {}
            Ok(None) => {
                told = true;
                tracing::warn!(
                    "`sigcast ingest edgar` is at work on this data; following EDGAR when it is done"
                );
            }
            Err(error) => tracing::warn!(%error, "following EDGAR waits for its lock"),
        }
        tokio::select! {
            () = life.soft.cancelled() => return None,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
