//! Seats: at most one live stream of this node per key. A rival probes the holder first, then decides.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::{DashMap, mapref::entry::Entry};
use tokio::time::Instant;

use super::{
    config::Config,
    frame::Ending,
    releases::Releases,
    seat::{End, Seat},
};
use crate::model::{
    lease::{Answer, Claim, Fence},
    time::Time,
};

/// The seat is another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Since when.
    pub connected_at: Time,
    /// From where.
    pub peer: String,
    /// Whether it was a takeover that came too often.
    pub flapping: bool,
}

/// A seat, to be found by its key's id, which it holds itself: at thousands of streams, a second copy of each is not small.
#[derive(Debug)]
struct ByKey(Arc<Seat>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        &self.0.key_id
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key_id.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_id == other.0.key_id
    }
}

impl Eq for ByKey {}

/// All seats of this node.
#[derive(Debug)]
pub struct Seats {
    seats: DashMap<ByKey, ()>,
    /// When living holders were superseded, by key, for a minute.
    takeovers: DashMap<String, VecDeque<Instant>>,
    next_connection: AtomicU64,
    probe_for: Duration,
    takeovers_per_minute: usize,
    /// Where a seat needs a lease as well: what is to be let go with it.
    releases: Option<Arc<Releases>>,
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
        self.seat.leave_opening();
        if let (Some(releases), Some(fence)) = (&self.seats.releases, self.seat.fence()) {
            releases.add(&self.seat.key_id, fence);
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// How often a probed holder's socket is looked at.
const PROBE_STEP: Duration = Duration::from_millis(2);

impl Seats {
    /// No seat taken. `releases`: where a seat needs a lease, too.
    #[must_use]
    pub fn new(config: &Config, releases: Option<Arc<Releases>>) -> Self {
        Seats {
            seats: DashMap::new(),
            takeovers: DashMap::new(),
            next_connection: AtomicU64::new(1),
            probe_for: Duration::from_millis(config.probe_ms),
            takeovers_per_minute: config.takeovers_per_minute,
            releases,
        }
    }

    /// A number for a connection, unlike any other of this process.
    pub fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// All seats now taken, the oldest connection first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Seat>> {
        let all = self.seats.iter().map(|entry| entry.key().0.clone());
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|seat| seat.connection);
        all
    }

    /// Of some, those whose sockets are not known to be at rest, and those that are asked for; the oldest connection first.
    #[must_use]
    pub fn restless(
        &self,
        some: impl Fn(&Seat) -> bool,
        also: impl Fn(&Seat) -> bool,
    ) -> Vec<Arc<Seat>> {
        let rests = |seat: &Seat| seat.socket().is_some_and(|socket| socket.is_at_rest());
        let all = self.seats.iter();
        let some = all.filter(|entry| {
            let seat = &entry.key().0;
            also(seat) || (some(seat) && !rests(seat))
        });
        let mut some: Vec<_> = some.map(|entry| entry.key().0.clone()).collect();
        some.sort_unstable_by_key(|seat| seat.connection);
        some
    }

    /// The seat of a key, if it is taken.
    #[must_use]
    pub fn of_key(&self, key_id: &str) -> Option<Arc<Seat>> {
        self.seats.get(key_id).map(|entry| entry.key().0.clone())
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

    /// Takes the seat of the key, from its holder if need be. Decides within the probe's time, once no lease is waited for.
    pub async fn take(self: &Arc<Self>, seat: Seat, claim: Claim) -> Result<SeatGuard, Taken> {
        if self.releases.is_some() {
            seat.wait_for_lease();
        }
        let seat = Arc::new(seat);
        loop {
            let holder = match self.seats.entry(ByKey(seat.clone())) {
                Entry::Vacant(free) => {
                    free.insert(());
                    return Ok(SeatGuard {
                        seat,
                        seats: self.clone(),
                    });
                }
                Entry::Occupied(taken) => taken.key().0.clone(),
            };
            if holder.is_opening() {
                holder.settled().await;
                continue;
            }
            if let Err(answer) = self.contest(&holder, claim).await {
                return Err(Taken {
                    connected_at: holder.connected_at,
                    peer: holder.peer.to_string(),
                    flapping: answer == Answer::Flapping,
                });
            }
        }
    }

    /// Makes room for a stream of another node, which asks for the lease with this fence; says whether there is room.
    pub async fn make_room(&self, key_id: &str, fence: Fence, claim: Claim) -> Answer {
        loop {
            let Some(holder) = self.of_key(key_id) else {
                return Answer::Free;
            };
            if holder.is_opening() {
                // the lease that is asked for may be the one that it is about to get
                holder.settled().await;
                continue;
            }
            if holder.fence().is_some_and(|own| own > fence) {
                // that lease is none any more; the holder's own has to be asked for
                return Answer::Free;
            }
            match self.contest(&holder, claim).await {
                Ok(()) => return Answer::Free,
                Err(answer) => return answer,
            }
        }
    }

    /// Who has the seat in the end: the holder is evicted, or stays.
    async fn contest(&self, holder: &Arc<Seat>, claim: Claim) -> Result<(), Answer> {
        let (living, answer) = match claim {
            Claim::Fresh => (self.is_living(holder).await, Answer::Living),
            // a takeover needs no probe, unless there were too many: then only a living holder is protected
            Claim::Takeover if self.may_take_over(holder) => (false, Answer::Free),
            Claim::Takeover => (self.is_living(holder).await, Answer::Flapping),
        };
        if living {
            return Err(answer);
        }
        let end = match claim {
            Claim::Takeover => End::Error(Ending::Superseded),
            Claim::Fresh => End::Gone,
        };
        self.evict(holder, end);
        Ok(())
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
            .get(&*seat.key_id)
            .is_some_and(|holder| holder.key().0.connection == seat.connection)
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
        let mut times = self.takeovers.entry(holder.key_id.to_string()).or_default();
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

    /// Takes the seat from its holder, and ends its stream.
    pub fn evict(&self, holder: &Arc<Seat>, end: End) {
        if self.remove(holder) {
            holder.end(end);
        }
    }

    /// How long ago living holders of the key were superseded, within a minute.
    #[must_use]
    pub fn takeovers(&self, key_id: &str) -> Vec<Duration> {
        let now = Instant::now();
        let times = self.takeovers.get(key_id);
        let ages = times.iter().flat_map(|times| times.iter());
        ages.map(|at| now.duration_since(*at))
            .filter(|age| *age < MINUTE)
            .collect()
    }

    /// Takes that over from the node that had the key before.
    pub fn set_takeovers(&self, key_id: &str, mut ages: Vec<Duration>) {
        let now = Instant::now();
        ages.retain(|age| *age < MINUTE);
        ages.sort_unstable_by(|a, b| b.cmp(a));
        if ages.is_empty() {
            self.takeovers.remove(key_id);
            return;
        }
        let times = ages.into_iter().filter_map(|age| now.checked_sub(age));
        self.takeovers.insert(key_id.to_owned(), times.collect());
    }

    /// Removes this seat if it is still the key's; an old connection's clean-up never frees a new one's.
    fn remove(&self, seat: &Arc<Seat>) -> bool {
        self.seats
            .remove_if(&*seat.key_id, |holder, ()| {
                holder.0.connection == seat.connection
            })
            .is_some()
    }
}
