//! Seats: at most one live stream of this node per key, and a few views beside it. A rival probes the holder first, then decides.

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
    seat::{End, Seat, view_name},
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

/// A seat, to be found by its name, which it holds itself: at thousands of streams, a second copy of each is not small.
#[derive(Debug)]
struct ByKey(Arc<Seat>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
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
            releases.add(&self.seat.name, fence);
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

    /// The views of a key, which may have so many.
    #[must_use]
    pub fn views(&self, key_id: &str, places: u8) -> Vec<Arc<Seat>> {
        let views = (0..places).filter_map(|place| self.of_key(&view_name(key_id, place)));
        views.collect()
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

    /// Takes a place for a view of a key, which may have so many; where all are taken, that of the view that is open the longest. `None` where it
    /// may have none. `seat`: by its name.
    pub fn take_view(
        self: &Arc<Self>,
        key_id: &str,
        places: u8,
        seat: impl Fn(Box<str>) -> Seat,
    ) -> Option<SeatGuard> {
        if places == 0 {
            return None;
        }
        loop {
            for place in 0..places {
                let seat = Arc::new(seat(view_name(key_id, place)));
                if let Entry::Vacant(free) = self.seats.entry(ByKey(seat.clone())) {
                    free.insert(());
                    return Some(SeatGuard {
                        seat,
                        seats: self.clone(),
                    });
                }
            }
            let views = self.views(key_id, places).into_iter();
            if let Some(longest) = views.min_by_key(|view| view.connection) {
                self.evict(&longest, End::Error(Ending::Superseded));
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
            .get(&*seat.name)
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
        let mut times = self.takeovers.entry(holder.name.to_string()).or_default();
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
            .remove_if(&*seat.name, |holder, ()| {
                holder.0.connection == seat.connection
            })
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{
        test_node::{self, Pipe, node},
        transport::Transport,
    };

    #[tokio::test]
    async fn views_take_places_of_their_own_and_the_longest_open_makes_room() {
        let seats = Arc::new(Seats::new(&node().await.config, None));
        let transport: Arc<dyn Transport> = Arc::new(Pipe::default());
        let own = seats.take(test_node::seat(1, &transport, None), Claim::Fresh);
        let own = own.await.unwrap();
        let view = |connection| {
            let seat = |name| test_node::named(name, connection, &transport);
            seats.take_view("key 1", 2, seat)
        };
        let (first, second) = (view(2).unwrap(), view(3).unwrap());
        assert_eq!((first.key(), first.is_view()), ("key 1", true));
        assert_eq!((own.key(), own.is_view()), ("key 1", false));
        let third = view(4).unwrap();
        let superseded = Some(End::Error(Ending::Superseded));
        assert_eq!((first.ending(), second.ending()), (superseded, None));
        assert_eq!(own.ending(), None, "the key's own stream is nobody's rival");
        let connections = || -> Vec<u64> {
            let views = seats.views("key 1", 2);
            views.iter().map(|view| view.connection).collect()
        };
        assert_eq!(connections(), [4, 3]);
        // whoever goes frees no place but its own
        drop(first);
        assert_eq!(connections(), [4, 3]);
        drop((second, third));
        assert_eq!((connections(), seats.len()), (vec![], 1));
        assert!(seats.take_view("key 1", 0, |_| unreachable!()).is_none());
    }
}
