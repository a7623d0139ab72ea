//! One node's hub: the log, the ring, the seats and the clock, in one handle; and how a key's stream is taken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    config::Config,
    frame::Accepted,
    leases::{Leases, Refusal},
    metrics::Metrics,
    ring::Ring,
    seat::Seat,
    seats::{SeatGuard, Seats},
    tenure::Tenure,
};
use crate::model::{
    lease::Claim,
    log::{LogRead, LogUnavailable, Position},
    time::{Clock, Time},
};

/// More acceptances than this cannot wait for their frames: all are forgotten (they are a measure, not a promise).
const MOST_MARKS: usize = 16_384;

/// What all streams of this node share.
pub struct Hub {
    /// Settings.
    pub config: Config,
    /// The log.
    pub log: Arc<dyn LogRead>,
    /// Names the log.
    pub epoch: Arc<str>,
    /// The latest frames.
    pub ring: Ring,
    /// Who listens.
    pub seats: Arc<Seats>,
    /// Until when signals may be sent.
    pub tenure: Arc<Tenure>,
    leases: Option<Arc<Leases>>,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    accepted: Mutex<HashMap<i64, Accepted>>,
}

impl Hub {
    /// A hub that stands at the head of the log. `leases`: where other nodes share the database.
    pub async fn open(
        mut config: Config,
        log: Arc<dyn LogRead>,
        leases: Option<Arc<Leases>>,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Arc<Self>, LogUnavailable> {
        // without a pause between them, pings would be all that a stream does; one a day is as good as none
        config.ping_seconds = config.ping_seconds.clamp(1, 86_400);
        let (seats, tenure) = match &leases {
            Some(leases) => (leases.seats(), leases.tenure()),
            None => (
                Arc::new(Seats::new(&config, None)),
                Arc::new(Tenure::alone()),
            ),
        };
        let head = log.head().await?;
        Ok(Arc::new(Hub {
            ring: Ring::new(
                config.ring_frames,
                config.ring_kb.saturating_mul(1024),
                head.seq,
            ),
            seats,
            tenure,
            leases,
            epoch: head.epoch,
            accepted: Mutex::default(),
            config,
            log,
            metrics,
            clock,
        }))
    }

    /// Takes a key's stream for a connection, from its holder on whatever node if need be. Decides within seconds: within the probe's
    /// time, and where the holder's node is silent, within its lease's life.
    pub async fn take_seat(&self, seat: Seat, claim: Claim) -> Result<SeatGuard, Refusal> {
        let taken = self.seats.take(seat, claim).await;
        let seat = taken.map_err(Refusal::Taken)?;
        if let Some(leases) = &self.leases {
            leases.get(&seat, claim).await?;
        }
        Ok(seat)
    }

    /// A place in this log.
    #[must_use]
    pub fn position(&self, seq: i64) -> Position {
        Position {
            epoch: self.epoch.clone(),
            seq,
        }
    }

    /// Notes when the fact was accepted that fires the signal about to be committed as `seq`, and when a feed was first seen to name it.
    pub fn note_accepted(&self, seq: i64, at: Instant, sighted: Option<Time>) {
        // the sighting may be another process's: on the wall clock, and from there on this one's
        let sighted = sighted.and_then(|sighted| {
            let age = self.clock.now().0.saturating_sub(sighted.0).max(0);
            Instant::now().checked_sub(Duration::from_micros(u64::try_from(age).ok()?))
        });
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.len() >= MOST_MARKS {
            accepted.clear();
        }
        accepted.insert(seq, Accepted { at, sighted });
    }

    /// Takes that note.
    pub(super) fn take_accepted(&self, seq: i64) -> Option<Accepted> {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&seq)
    }
}
