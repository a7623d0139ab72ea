//! One node's hub: the log, the ring, the seats and the clock, in one handle; and how a key's stream is taken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    config::Config,
    frame::Accepted,
    leases::{Leases, Refusal},
    metrics::Metrics,
    ring::{Lineage, Ring},
    seat::Seat,
    seats::{SeatGuard, Seats},
    tenure::Tenure,
    writes::Writes,
};
use crate::model::{
    lease::Claim,
    log::{LogHead, LogRead, LogRow, LogUnavailable},
    random::Random,
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
    /// The latest frames.
    pub ring: Ring,
    /// Who listens.
    pub seats: Arc<Seats>,
    /// Until when signals may be sent.
    pub tenure: Arc<Tenure>,
    leases: Option<Arc<Leases>>,
    /// What was written to the streams of accounts that want to know.
    pub writes: Writes,
    /// How many streams read the log at once, each in its turn.
    pub(super) readings: Semaphore,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    random: Random,
    accepted: Mutex<HashMap<i64, Accepted>>,
    /// The last row that was read of the log.
    last_row: Mutex<Option<LogRow>>,
}

/// Streams that read the log at once. More would take connections from what keeps the node going, and read no faster.
const READINGS: usize = 4;
/// How long a request waits for this node to follow the log.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(2);

impl Hub {
    /// A hub that stands at the head of the log. `leases`: where other nodes share the database.
    pub async fn open(
        mut config: Config,
        log: Arc<dyn LogRead>,
        leases: Option<Arc<Leases>>,
        clock: Clock,
        random: Random,
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
                head.epoch,
                head.seq,
            ),
            seats,
            tenure,
            leases,
            writes: Writes::default(),
            readings: Semaphore::new(READINGS),
            random,
            accepted: Mutex::default(),
            last_row: Mutex::default(),
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

    /// Takes a place for a view of a key: see [`Seats::take_view`]. It is nobody's rival, on whatever node, and needs no lease.
    #[must_use]
    pub fn take_view(
        &self,
        key_id: &str,
        places: u8,
        seat: impl Fn(Box<str>) -> Seat,
    ) -> Option<SeatGuard> {
        self.seats.take_view(key_id, places, seat)
    }

    /// The log's name.
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        self.ring.standing().0.epoch
    }

    /// The head of the log, and which log that is. Where the log has gone back, and this node has yet to find out, it is waited for: what
    /// the ring holds by then is not in the log any more. `read` reads it, and what else is to be of the same state of the database.
    pub async fn head_with<T, F>(
        &self,
        read: impl Fn() -> F,
    ) -> Result<(Lineage, LogHead, T), LogUnavailable>
    where
        F: Future<Output = Result<(LogHead, T), LogUnavailable>>,
    {
        let mut news = self.ring.listen();
        let end = tokio::time::Instant::now() + FOLLOWS_WITHIN;
        loop {
            news.arm();
            let (log, seen) = self.ring.standing();
            let (head, more) = read().await?;
            if head.epoch == log.epoch && head.seq >= seen {
                return Ok((log, head, more));
            }
            if tokio::time::timeout_at(end, news.heard()).await.is_err() {
                let behind =
                    "the database was put back to an earlier state, which is yet to be dealt with";
                return Err(LogUnavailable(behind.to_owned()));
            }
        }
    }

    /// A name for a log that went back.
    pub(super) fn random_epoch(&self) -> String {
        format!("{:08x}", self.random.number() as u32)
    }

    /// The last row that was read, if it is known.
    pub(super) fn last_row(&self) -> Option<LogRow> {
        let last = self.last_row.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// Notes it.
    pub(super) fn note_last_row(&self, row: LogRow) {
        let mut last = self.last_row.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(row);
    }

    /// Forgets what is known of rows: they are another log's.
    pub(super) fn forget_log(&self) {
        *self.last_row.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.clear();
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
