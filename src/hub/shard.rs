//! A shard: live streams on their bare sockets, written to by one thread. A stream is a socket and a cursor into its lane.
//!
//! Who is healthy is here, and nothing else: who falls behind what a lane holds goes back to a task of its own, and comes again once it
//! has caught up. The thread, its sleep and its sockets' readiness are [`super::shards`]'.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use slab::Slab;
use tokio::time::Instant;

use super::{
    chunk::{self, Chunk},
    frame,
    lane::Lane,
    mark::Mark,
    node::Hub,
    ping::Pings,
    ring::{Lineage, RingRead},
    seat::{End, Place, Watcher},
    seats::SeatGuard,
    socket::MOST_RECEIVED,
    stream::{Opening, Over, note_end},
};
use crate::{gate::filter::Filter, model::log::Position};

/// A socket that does not block, or what stands for one in a test.
pub trait Wire: Send + Sync + 'static {
    /// Writes what is taken now.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Reads what has come; 0 at the end.
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;
}

/// What belongs to a connection, and is let go with it.
pub type Keep = Box<dyn Send + Sync>;

/// A stream that needs no hyper any more: its hello has been said.
pub struct Bare<W> {
    /// Its seat.
    pub seat: SeatGuard,
    /// Its connection.
    pub socket: Arc<W>,
    /// Where it goes on.
    pub opening: Opening,
    /// When it was opened.
    pub opened: std::time::Instant,
    /// Let go with its connection.
    pub keep: Keep,
}

/// A stream that is not here any more.
pub enum Left<W> {
    /// It has to catch up: first the rest of a frame, then from its place on.
    Behind {
        /// The stream.
        bare: Box<Bare<W>>,
        /// What is left of a frame that it has in part.
        rest: Vec<u8>,
    },
    /// It is over: these are the last bytes.
    Over {
        /// Its connection.
        socket: Arc<W>,
        /// What it has yet to take.
        rest: Vec<u8>,
        /// Let go with it.
        keep: Keep,
    },
}

/// Streams visited before anything else is looked at again: some tenths of a millisecond.
const VISITS: usize = 64;
/// Frames read at once.
const BATCH: usize = 128;
/// Bytes that a lane holds before no more are read until those who can take them have.
const MOST_HELD: usize = 1 << 20;
/// Bytes that a lane keeps for streams whose sockets are full.
const KEPT: usize = 512 * 1024;
/// The wall clock may be set: lapses are looked at so often.
const LAPSE_STEP: Duration = Duration::from_secs(1);
/// While the node may send no signals, and some wait, that is asked again so often.
const MUTED_STEP: Duration = Duration::from_millis(20);

const OWES_PING: u8 = 1;
const OWES_PROBE: u8 = 2;
const OWES_HEARTBEAT: u8 = 4;
/// What it lacks is held back: its socket was full.
const BLOCKED: u8 = 8;
/// It had frames already that the lane has yet to get.
const AHEAD: u8 = 16;

struct Slot<W> {
    wire: Arc<W>,
    seat: SeatGuard,
    /// The offset in its lane behind the last byte that its socket took.
    cursor: u64,
    /// Frames of its lane until there.
    seen: u64,
    lane: u32,
    /// Among the lane's members.
    place: u32,
    /// Among the pings.
    spoke: u32,
    flags: u8,
    next_ping: Instant,
    cold: Box<Cold>,
}

/// What of a stream is seldom looked at.
struct Cold {
    /// What is left of a comment or heartbeat.
    rest: Vec<u8>,
    heartbeat: bool,
    retry_ms: u32,
    received: usize,
    /// Signals sent before it came here, ...
    matched: u64,
    /// ... when its lane had had so many.
    joined: u64,
    /// What it had when it came here.
    had: i64,
    opened: std::time::Instant,
    keep: Keep,
}

impl<W> Slot<W> {
    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn matched(&self) -> u64 {
        self.cold.matched + (self.seen - self.cold.joined)
    }
}

/// Streams that got the same frames at once, counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    lane: u32,
    from: u64,
    to: u64,
    streams: u64,
}

enum Wrote {
    All,
    /// The socket is full.
    Part(usize),
    Gone,
}

fn write<W: Wire>(wire: &W, bytes: &[u8]) -> Wrote {
    let mut taken = 0;
    while taken < bytes.len() {
        match wire.write(&bytes[taken..]) {
            Ok(0) => return Wrote::Gone,
            Ok(more) => taken += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Wrote::Part(taken),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Wrote::Gone,
        }
    }
    Wrote::All
}

/// The streams of one thread.
pub struct Shard<W> {
    hub: Arc<Hub>,
    watcher: Arc<dyn Watcher>,
    log: Lineage,
    /// The last seq that the lanes have been given.
    at: i64,
    slots: Slab<Slot<W>>,
    lanes: Slab<Lane>,
    by_filter: HashMap<Filter, u32>,
    /// Lanes with members that have yet to be visited.
    turns: VecDeque<u32>,
    /// A lane holds as much as it may.
    full: bool,
    blocked: BTreeSet<u32>,
    pings: Pings,
    lapses: BinaryHeap<Reverse<(i64, u32, u64)>>,
    left: Vec<Left<W>>,
    tally: Tally,
    ping: Chunk,
    probe: Chunk,
}

impl<W: Wire> Shard<W> {
    /// Without any stream, at the head of the node's log. `watcher` brings back what happens to the seats.
    #[must_use]
    pub fn new(hub: Arc<Hub>, watcher: Arc<dyn Watcher>) -> Self {
        let (log, at) = hub.ring.standing();
        let every = Duration::from_secs(hub.config.ping_seconds);
        Shard {
            pings: Pings::new(every, Instant::now()),
            hub,
            watcher,
            log,
            at,
            slots: Slab::new(),
            lanes: Slab::new(),
            by_filter: HashMap::new(),
            turns: VecDeque::new(),
            full: false,
            blocked: BTreeSet::new(),
            lapses: BinaryHeap::new(),
            left: Vec::new(),
            tally: Tally::default(),
            ping: Chunk::of(frame::PING),
            probe: Chunk::of(frame::PROBE),
        }
    }

    /// Whether the ring has more than the lanes.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.full && (self.at < self.hub.ring.head() || !self.hub.ring.is_in(&self.log))
    }

    /// Those who left since this was asked last.
    pub fn take_left(&mut self) -> Vec<Left<W>> {
        std::mem::take(&mut self.left)
    }

    /// Reads what is new, unless there is still too much to be written.
    pub fn read_on(&mut self) {
        while self.is_behind() {
            match self.hub.ring.after(&self.log, self.at, BATCH) {
                RingRead::UpToDate => return,
                RingRead::Frames(frames) => {
                    for frame in &frames {
                        for (id, lane) in &mut self.lanes {
                            if lane.add(frame) {
                                self.full |= lane.len() > MOST_HELD;
                                if !std::mem::replace(&mut lane.waits, true) {
                                    self.turns.push_back(id as u32);
                                }
                            }
                        }
                        self.at = frame.seq;
                    }
                }
                RingRead::Behind | RingRead::OtherLog => {
                    // each reads the log for itself, or is told that it is another
                    let all: Vec<u32> = self.slots.iter().map(|(key, _)| key as u32).collect();
                    all.into_iter().for_each(|key| self.depart(key));
                    (self.log, self.at) = self.hub.ring.standing();
                }
            }
        }
    }

    /// Takes a stream that has all until the ring's head, or nearly so. Its place here, if it stays.
    pub fn join(&mut self, mut bare: Bare<W>) -> Option<u32> {
        self.read_on();
        let opening = &bare.opening;
        if !opening.log.is(&self.log) {
            self.leave_behind(bare, Vec::new());
            return None;
        }
        if opening.at < self.at {
            bare = self.bridge(bare)?;
        }
        let Bare {
            seat,
            socket,
            opening,
            opened,
            keep,
        } = bare;
        let at = self.at;
        let lanes = &mut self.lanes;
        let lane = *(self.by_filter.entry(opening.filter)).or_insert_with_key(|filter| {
            // proof: fewer than there are streams, and each has a descriptor
            lanes.insert(Lane::new(filter.clone(), at)) as u32
        });
        let entry = self.slots.vacant_entry();
        let key = entry.key() as u32;
        let lane_now = &mut self.lanes[lane as usize];
        let (cursor, seen) = (lane_now.end(), lane_now.frames());
        let place = Place {
            slot: key,
            connection: seat.connection,
        };
        entry.insert(Slot {
            wire: socket,
            cursor,
            seen,
            lane,
            place: lane_now.join(key),
            spoke: self.pings.add(key, opening.next_ping),
            flags: if opening.at > at { AHEAD } else { 0 },
            next_ping: opening.next_ping,
            cold: Box::new(Cold {
                rest: Vec::new(),
                heartbeat: opening.heartbeat,
                retry_ms: opening.retry_ms,
                received: 0,
                matched: opening.matched,
                joined: seen,
                had: opening.at,
                opened,
                keep,
            }),
            seat,
        });
        let seat = &self.slots[key as usize].seat;
        seat.watch(self.watcher.clone(), place);
        // what has happened before that
        self.look_at(place);
        self.slots.contains(key as usize).then_some(key)
    }

    /// Gives a stream the frames that the lanes have had already, as long as its socket takes them.
    fn bridge(&mut self, mut bare: Bare<W>) -> Option<Bare<W>> {
        let opening = &mut bare.opening;
        let RingRead::Frames(frames) = self.hub.ring.after(&self.log, opening.at, BATCH) else {
            self.leave_behind(bare, Vec::new());
            return None;
        };
        for frame in frames.iter().take_while(|frame| frame.seq <= self.at) {
            let name = opening.filter.event_name(&frame.facets);
            let Some(name) = name else {
                opening.at = frame.seq;
                continue;
            };
            let (seat, muted) = (&bare.seat, self.hub.tenure.is_muted());
            if muted || is_over(&self.hub, seat).is_some() {
                self.leave_behind(bare, Vec::new());
                return None;
            }
            let bytes = frame.chunk(name).whole();
            let taken = match write(&*bare.socket, bytes) {
                Wrote::All => bytes.len(),
                Wrote::Part(taken) => taken,
                Wrote::Gone => {
                    note_end(&self.hub, &bare.seat, "client_gone");
                    return None;
                }
            };
            if taken > 0 {
                opening.at = frame.seq;
                opening.matched += 1;
                self.hub.metrics.frames.inc();
            }
            if taken < bytes.len() {
                let rest = if taken > 0 { &bytes[taken..] } else { &[] };
                self.leave_behind(bare, rest.to_vec());
                return None;
            }
            if frame.read >= bare.opened {
                let now = std::time::Instant::now();
                Mark::of(frame).leaves(&self.hub.metrics, 1, now);
            }
        }
        if bare.opening.at < self.at {
            self.leave_behind(bare, Vec::new());
            return None;
        }
        Some(bare)
    }

    fn leave_behind(&mut self, bare: Bare<W>, rest: Vec<u8>) {
        let bare = Box::new(bare);
        self.left.push(Left::Behind { bare, rest });
    }

    /// Visits some of those who lack something; whether there are more.
    pub fn sweep(&mut self) -> bool {
        if self.hub.tenure.is_muted() {
            return false;
        }
        if let Some(id) = self.turns.pop_front() {
            for _ in 0..VISITS {
                if self.hub.tenure.is_muted() {
                    break;
                }
                let lane = self.lanes.get_mut(id as usize);
                match lane.and_then(Lane::visit) {
                    Some(key) => self.push(key),
                    None => break,
                }
            }
            self.count();
            match self.lanes.get_mut(id as usize) {
                // the others first
                Some(lane) if lane.has_left() => self.turns.push_back(id),
                Some(lane) => {
                    lane.waits = false;
                    self.settle(id);
                }
                None => {}
            }
        }
        !self.turns.is_empty()
    }

    /// All of a lane have been visited: forgets what nobody lacks, and those who lack too much.
    fn settle(&mut self, id: u32) {
        let lane = &mut self.lanes[id as usize];
        if lane.blocked == 0 {
            lane.trim(0);
        } else if lane.len() > KEPT {
            let least = lane.end() - KEPT as u64;
            let of_lane = |key: &&u32| {
                let slot = &self.slots[**key as usize];
                slot.lane == id && slot.cursor < least
            };
            let behind: Vec<u32> = self.blocked.iter().filter(of_lane).copied().collect();
            behind.into_iter().for_each(|key| self.depart(key));
            if let Some(lane) = self.lanes.get_mut(id as usize) {
                lane.trim(KEPT);
            }
        }
        self.full = self.full && self.lanes.iter().any(|(_, lane)| lane.len() > MOST_HELD);
    }

    /// Writes what a stream lacks, and what is owed to it, in as few writes as can be.
    fn push(&mut self, key: u32) {
        let Some(slot) = self.slots.get_mut(key as usize) else {
            return;
        };
        if let Some(end) = is_over(&self.hub, &slot.seat) {
            return self.finish(key, end);
        }
        if slot.is(BLOCKED) {
            return;
        }
        if !slot.cold.rest.is_empty() {
            let rest = std::mem::take(&mut slot.cold.rest);
            match write(&*slot.wire, &rest) {
                Wrote::All => {}
                Wrote::Part(taken) => {
                    slot.cold.rest = rest[taken..].to_vec();
                    return self.block(key);
                }
                Wrote::Gone => return self.lose(key, "client_gone"),
            }
        }
        let lane = &self.lanes[slot.lane as usize];
        if slot.is(AHEAD) {
            let (cursor, had) = lane.skip(slot.cursor, slot.cold.had);
            slot.cursor = cursor;
            slot.seen += had;
            slot.cold.joined += had;
            if self.at >= slot.cold.had {
                slot.flags &= !AHEAD;
            }
        }
        let end = lane.end();
        if slot.cursor < end && !self.hub.tenure.is_muted() {
            let Some(bytes) = lane.after(slot.cursor) else {
                return self.depart(key);
            };
            match write(&*slot.wire, bytes) {
                Wrote::All => {
                    let got = Tally {
                        lane: slot.lane,
                        from: slot.seen,
                        to: lane.frames(),
                        streams: 1,
                    };
                    slot.cursor = end;
                    slot.seen = got.to;
                    self.note(got);
                }
                Wrote::Part(taken) => {
                    slot.cursor += taken as u64;
                    return self.block(key);
                }
                Wrote::Gone => return self.lose(key, "client_gone"),
            }
        } else if slot.cursor < end {
            let lane = slot.lane;
            self.visit_again(lane);
        }
        self.pay(key);
    }

    /// Somebody of a lane could not be given what there is.
    fn visit_again(&mut self, id: u32) {
        let lane = &mut self.lanes[id as usize];
        lane.visit_all();
        if !std::mem::replace(&mut lane.waits, true) {
            self.turns.push_back(id);
        }
    }

    /// Says what is owed beside signals.
    fn pay(&mut self, key: u32) {
        let slot = &mut self.slots[key as usize];
        if !slot.is(OWES_PING | OWES_PROBE | OWES_HEARTBEAT) {
            return;
        }
        let lane = &self.lanes[slot.lane as usize];
        let mut bytes = Vec::new();
        if slot.is(OWES_PROBE) {
            bytes.extend_from_slice(self.probe.whole());
        }
        if slot.is(OWES_PING) {
            bytes.extend_from_slice(self.ping.whole());
        }
        slot.flags &= !(OWES_PING | OWES_PROBE);
        // it says a place: after the signals before it
        if slot.is(OWES_HEARTBEAT) && slot.cursor == lane.end() {
            let at = Position {
                epoch: self.log.epoch.clone(),
                seq: self.at.max(slot.cold.had),
            };
            let matched = (!lane.filter().is_open()).then(|| slot.matched());
            let beat = frame::heartbeat(&at, self.hub.clock.now(), matched);
            bytes.extend_from_slice(Chunk::of(beat).whole());
            slot.flags &= !OWES_HEARTBEAT;
        }
        match write(&*slot.wire, &bytes) {
            Wrote::All => {}
            Wrote::Part(taken) => {
                slot.cold.rest = bytes[taken..].to_vec();
                self.block(key);
            }
            Wrote::Gone => self.lose(key, "client_gone"),
        }
    }

    fn block(&mut self, key: u32) {
        let slot = &mut self.slots[key as usize];
        slot.flags |= BLOCKED;
        self.lanes[slot.lane as usize].blocked += 1;
        self.blocked.insert(key);
    }

    fn unblock(&mut self, key: u32) {
        if let Some(slot) = self.slots.get_mut(key as usize)
            && slot.is(BLOCKED)
        {
            slot.flags &= !BLOCKED;
            self.lanes[slot.lane as usize].blocked -= 1;
            self.blocked.remove(&key);
        }
    }

    /// Counts what was delivered; who got the same is counted at once.
    fn note(&mut self, got: Tally) {
        let same =
            (got.lane, got.from, got.to) == (self.tally.lane, self.tally.from, self.tally.to);
        if same {
            self.tally.streams += 1;
        } else {
            self.count();
            self.tally = got;
        }
    }

    /// Writes down what was counted. Before a lane forgets anything, or gets more.
    fn count(&mut self) {
        let Tally {
            lane,
            from,
            to,
            streams,
        } = std::mem::take(&mut self.tally);
        let Some(lane) = self.lanes.get(lane as usize).filter(|_| streams > 0) else {
            return;
        };
        let (metrics, now) = (&self.hub.metrics, std::time::Instant::now());
        metrics.frames.inc_by(streams * (to - from));
        for frame in lane.since(from) {
            Mark::of(frame).leaves(metrics, streams, now);
        }
    }

    /// Takes a stream out of everything; it, what is left of a frame that it has in part, and the place behind that.
    fn take_out(&mut self, key: u32) -> (Slot<W>, Vec<u8>, i64) {
        self.count();
        self.unblock(key);
        let mut slot = self.slots.remove(key as usize);
        slot.seat.unwatch();
        self.pings.remove(key, slot.spoke);
        let lane = &mut self.lanes[slot.lane as usize];
        let (cut, behind) = lane.cut(slot.cursor);
        let is_whole = slot.cursor == lane.end();
        slot.seen = lane.frames() - behind;
        if let Some(moved) = lane.leave(slot.place) {
            self.slots[moved as usize].place = slot.place;
        }
        if lane.is_deserted() {
            self.by_filter.remove(lane.filter());
            self.lanes.remove(slot.lane as usize);
            self.full = self.full && self.lanes.iter().any(|(_, lane)| lane.len() > MOST_HELD);
        }
        let mut rest = std::mem::take(&mut slot.cold.rest);
        rest.extend_from_slice(&cut.rest);
        // what its filter hid is behind it as well
        let at = if is_whole { self.at } else { cut.seq };
        let at = at.max(slot.cold.had);
        (slot, rest, at)
    }

    /// Sends a stream to catch up.
    fn depart(&mut self, key: u32) {
        let Some(slot) = self.slots.get(key as usize) else {
            return;
        };
        let filter = self.lanes[slot.lane as usize].filter().clone();
        let (slot, rest, at) = self.take_out(key);
        let matched = slot.matched();
        let opening = Opening {
            hello: None,
            gap: None,
            at,
            log: self.log.clone(),
            filter,
            heartbeat: slot.cold.heartbeat,
            replay: None,
            retry_ms: slot.cold.retry_ms,
            next_ping: slot.next_ping,
            matched,
        };
        let bare = Bare {
            seat: slot.seat,
            socket: slot.wire,
            opening,
            opened: slot.cold.opened,
            keep: slot.cold.keep,
        };
        self.leave_behind(bare, rest);
    }

    /// Ends a stream with its last word.
    fn finish(&mut self, key: u32, end: End) {
        let over = Over::by(end, self.slots[key as usize].cold.retry_ms);
        let is_blocked = self.slots[key as usize].is(BLOCKED);
        let (slot, mut rest, _) = self.take_out(key);
        note_end(&self.hub, &slot.seat, over.reason());
        let Over::Say(_, last) = over else {
            return;
        };
        let last: Bytes = Chunk::of(last).whole().clone();
        rest.extend_from_slice(&last);
        rest.extend_from_slice(chunk::END);
        if !is_blocked {
            match write(&*slot.wire, &rest) {
                Wrote::All => rest.clear(),
                Wrote::Part(taken) => rest = rest.split_off(taken),
                Wrote::Gone => return,
            }
        }
        self.left.push(Left::Over {
            socket: slot.wire,
            rest,
            keep: slot.cold.keep,
        });
    }

    /// Ends a stream whose client is gone.
    pub fn lose(&mut self, key: u32, reason: &'static str) {
        let (slot, ..) = self.take_out(key);
        note_end(&self.hub, &slot.seat, reason);
    }

    /// A socket takes bytes again.
    pub fn writable(&mut self, key: u32) {
        if self
            .slots
            .get(key as usize)
            .is_some_and(|slot| slot.is(BLOCKED))
        {
            self.unblock(key);
            self.push(key);
            self.count();
            // it may have been the last who lacked something
            if let Some(slot) = self.slots.get(key as usize)
                && !self.lanes[slot.lane as usize].waits
            {
                self.settle(slot.lane);
            }
        }
    }

    /// A socket has something to be read, or has come to its end.
    pub fn readable(&mut self, key: u32) {
        let mut buffer = [0; 2048];
        while let Some(slot) = self.slots.get_mut(key as usize) {
            match slot.wire.read(&mut buffer) {
                Ok(0) => return self.lose(key, "client_gone"),
                Ok(bytes) => {
                    slot.cold.received += bytes;
                    if slot.cold.received > MOST_RECEIVED {
                        return self.lose(key, "client_talks");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose(key, "client_gone"),
            }
        }
    }

    /// Something has happened to a seat.
    pub fn look_at(&mut self, place: Place) {
        let Some(slot) = self.slots.get_mut(place.slot as usize) else {
            return;
        };
        if slot.seat.connection != place.connection {
            return;
        }
        if slot.seat.take_probe() {
            slot.flags |= OWES_PROBE;
        }
        if let Some(lapse) = slot.seat.lapse() {
            let entry = (lapse.at.0, place.slot, place.connection);
            self.lapses.push(Reverse(entry));
        }
        self.push(place.slot);
        self.count();
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: Instant) {
        while let Some(streams) = self.pings.turn(now) {
            for key in streams {
                let every = Duration::from_secs(self.hub.config.ping_seconds);
                let Some(slot) = self.slots.get_mut(key as usize) else {
                    continue;
                };
                // of the next round
                if slot.next_ping > now {
                    continue;
                }
                slot.next_ping = (slot.next_ping + every).max(now);
                slot.flags |= OWES_PING;
                if slot.cold.heartbeat {
                    slot.flags |= OWES_HEARTBEAT;
                }
                self.push(key);
            }
            self.count();
        }
        if self.lapses.is_empty() {
            return;
        }
        let now = self.hub.clock.now();
        while let Some(Reverse((at, slot, connection))) = self.lapses.peek().copied()
            && at <= now.0
        {
            self.lapses.pop();
            let held = self.slots.get(slot as usize);
            if let Some(seat) = held.map(|slot| &slot.seat)
                && seat.connection == connection
            {
                // moved, it has another entry
                self.push(slot);
            }
        }
    }

    /// How long nothing is due.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Duration {
        let mut rest = self.pings.rest(now);
        if let Some(Reverse((at, ..))) = self.lapses.peek() {
            let left = at.saturating_sub(self.hub.clock.now().0).max(0);
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            rest = rest.min(left.clamp(Duration::from_millis(1), LAPSE_STEP));
        }
        if !self.turns.is_empty() {
            rest = rest.min(MUTED_STEP);
        }
        rest
    }

    /// How many streams it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The connection of a stream.
    #[must_use]
    pub fn wire(&self, key: u32) -> Option<&Arc<W>> {
        self.slots.get(key as usize).map(|slot| &slot.wire)
    }

    /// Ends all of them without a word.
    pub fn end(&mut self) {
        let all: Vec<u32> = self.slots.iter().map(|(key, _)| key as u32).collect();
        all.into_iter().for_each(|key| self.lose(key, "drain"));
    }
}

/// Whether a stream is over, and as what.
fn is_over(hub: &Hub, seat: &SeatGuard) -> Option<End> {
    if let Some(end) = seat.ending() {
        return Some(end);
    }
    if !seat.may_lapse() {
        return None;
    }
    let ending = seat.lapsed(hub.clock.now())?;
    seat.end(End::Error(ending));
    Some(End::Error(ending))
}
