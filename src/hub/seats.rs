//! Seats: at most one live stream per key. A rival probes the holder first, then decides.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::{DashMap, mapref::entry::Entry};

use super::{
    config::Config,
    frame::Ending,
    seat::{End, Seat},
};
use crate::model::{address::ClientAddress, time::Time};

/// How a request asks for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new consumer.
    Fresh,
    /// The same consumer come back (it knows an id), or an explicit takeover.
    Takeover,
}

/// The seat is another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Since when.
    pub connected_at: Time,
    /// From where.
    pub peer: ClientAddress,
    /// Whether it was a takeover that came too often.
    pub flapping: bool,
}

/// All seats of this node.
#[derive(Debug)]
pub struct Seats {
    seats: DashMap<String, Arc<Seat>>,
    /// When living holders were superseded, by key, for a minute.
    takeovers: DashMap<String, VecDeque<Instant>>,
    next_connection: AtomicU64,
    probe_for: Duration,
    takeovers_per_minute: usize,
}

/// Holds a seat; frees it when dropped, and never another connection's.
#[derive(Debug)]
pub struct SeatGuard {
    seat: Arc<Seat>,
    seats: Arc<Seats>,
}

impl SeatGuard {
    /// The seat itself, for those who only look at it.
    #[must_use]
    pub fn shared(&self) -> Arc<Seat> {
        self.seat.clone()
    }
}

impl std::ops::Deref for SeatGuard {
    type Target = Seat;

    fn deref(&self) -> &Seat {
        &self.seat
    }
}

impl Drop for SeatGuard {
    fn drop(&mut self) {
        self.seats.remove(&self.seat);
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// How often a probed holder's socket is looked at.
const PROBE_STEP: Duration = Duration::from_millis(2);

impl Seats {
    /// No seat taken.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Seats {
            seats: DashMap::new(),
            takeovers: DashMap::new(),
            next_connection: AtomicU64::new(1),
            probe_for: Duration::from_millis(config.probe_ms),
            takeovers_per_minute: config.takeovers_per_minute,
        }
    }

    /// A number for a connection, unlike any other of this process.
    pub fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// All seats now taken.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Seat>> {
        self.seats
            .iter()
            .map(|entry| entry.value().clone())
            .collect()
    }

    /// The seat of a key, if it is taken.
    #[must_use]
    pub fn of_key(&self, key_id: &str) -> Option<Arc<Seat>> {
        self.seats.get(key_id).map(|seat| seat.clone())
    }

    /// How many are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether none is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Takes the seat of the key, from its holder if need be. Decides within the probe's time.
    pub async fn take(self: &Arc<Self>, seat: Seat, claim: Claim) -> Result<SeatGuard, Taken> {
        let seat = Arc::new(seat);
        loop {
            let holder = match self.seats.entry(seat.key_id.clone()) {
                Entry::Vacant(free) => {
                    free.insert(seat.clone());
                    return Ok(SeatGuard {
                        seat,
                        seats: self.clone(),
                    });
                }
                Entry::Occupied(taken) => taken.get().clone(),
            };
            let (living, flapping) = match claim {
                Claim::Fresh => (self.is_living(&holder).await, false),
                // a takeover needs no probe, unless there were too many: then only a living holder is protected
                Claim::Takeover if self.may_take_over(&holder) => (false, false),
                Claim::Takeover => (self.is_living(&holder).await, true),
            };
            if living {
                return Err(Taken {
                    connected_at: holder.connected_at,
                    peer: holder.peer,
                    flapping,
                });
            }
            self.evict(&holder, claim);
        }
    }

    /// Whether the holder acknowledges anything within the probe's time. One that reads slowly has much before the probe: any byte will do.
    async fn is_living(&self, holder: &Seat) -> bool {
        let Some(socket) = holder.socket() else {
            return false;
        };
        let before = socket
            .condition()
            .map_or(u64::MAX, |condition| condition.acknowledged);
        let deadline = tokio::time::Instant::now() + self.probe_for;
        holder.ask_probe();
        while tokio::time::Instant::now() < deadline {
            tokio::time::sleep(PROBE_STEP).await;
            // ended, closed, or no longer the holder: whatever it is, it is not in the way
            if holder.ending().is_some() || socket.is_closed() || !self.holds(holder) {
                return false;
            }
            match socket.condition() {
                // the farewell of a peer acknowledges as well
                Some(condition) if !condition.open => return false,
                Some(condition) if condition.acknowledged > before => return true,
                _ => {}
            }
        }
        false
    }

    fn holds(&self, seat: &Seat) -> bool {
        self.seats
            .get(&seat.key_id)
            .is_some_and(|holder| holder.connection == seat.connection)
    }

    /// Counts a takeover from a holder that looks alive; false when there were too many within a minute.
    fn may_take_over(&self, holder: &Seat) -> bool {
        if holder.socket().is_none() || holder.ending().is_some() {
            return true;
        }
        let now = Instant::now();
        if self.takeovers.len() > 10_000 {
            self.takeovers.retain(|_, times| {
                times
                    .back()
                    .is_some_and(|at| now.duration_since(*at) < MINUTE)
            });
        }
        let mut times = self.takeovers.entry(holder.key_id.clone()).or_default();
        while times
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            times.pop_front();
        }
        if times.len() >= self.takeovers_per_minute {
            return false;
        }
        times.push_back(now);
        true
    }

    fn evict(&self, holder: &Arc<Seat>, claim: Claim) {
        if self.remove(holder) {
            match claim {
                Claim::Takeover => holder.end(End::Error(Ending::Superseded)),
                Claim::Fresh => holder.end(End::Gone),
            }
        }
    }

    /// Removes this seat if it is still the key's; an old connection's clean-up never frees a new one's.
    fn remove(&self, seat: &Arc<Seat>) -> bool {
        self.seats
            .remove_if(&seat.key_id, |_, holder| {
                holder.connection == seat.connection
            })
            .is_some()
    }
}
