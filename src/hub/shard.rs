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
    frame::{self, Frame},
    lane::Lane,
    mark::Mark,
    node::Hub,
    opening::Opening,
    ping::Pings,
    ring::{Lineage, RingRead},
    seat::{End, Watcher},
    seats::SeatGuard,
    slot::{AHEAD, BLOCKED, LEAVES, OWES_HEARTBEAT, OWES_PING, OWES_PROBE, Slot},
    stream::{Over, note_end},
    volley::Volley,
    wire::{Bare, Left, Wire, Wrote, write},
    writes::Passed,
};
use crate::{gate::filter::Filter, model::log::Position};

/// Frames read at once.
const BATCH: usize = 128;
/// Bytes that a lane holds before no more are read until those who can take them have.
pub(super) const MOST_HELD: usize = 1 << 20;
/// The same of all lanes together: how many there are, clients decide.
pub(super) const MOST_HELD_BY_ALL: usize = 16 << 20;
/// Bytes that a lane keeps for streams whose sockets are full.
pub(super) const KEPT: usize = 512 * 1024;

/// Streams that got the same frames at once, counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    lane: u32,
    from: u64,
    to: u64,
    streams: u64,
}

/// The streams of one thread.
pub struct Shard<W> {
    pub(super) hub: Arc<Hub>,
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) log: Lineage,
    /// The last seq that the lanes have been given.
    pub(super) at: i64,
    pub(super) slots: Slab<Slot<W>>,
    pub(super) lanes: Slab<Lane>,
    pub(super) by_filter: HashMap<Filter, u32>,
    /// Lanes with members that have yet to be visited.
    pub(super) turns: VecDeque<u32>,
    /// A lane holds as much as it may.
    pub(super) full: bool,
    /// Bytes of all lanes.
    pub(super) held: usize,
    pub(super) blocked: BTreeSet<u32>,
    pub(super) pings: Pings,
    pub(super) lapses: BinaryHeap<Reverse<(i64, u32, u64)>>,
    left: Vec<Left<W>>,
    tally: Tally,
    pub(super) volley: Volley,
    /// Those of a volley, while it is made up.
    pub(super) leaving: Vec<u32>,
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
            held: 0,
            blocked: BTreeSet::new(),
            lapses: BinaryHeap::new(),
            left: Vec::new(),
            tally: Tally::default(),
            volley: Volley::default(),
            leaving: Vec::new(),
            ping: Chunk::of(frame::PING),
            probe: Chunk::of(frame::PROBE),
        }
    }

    /// Writes to many sockets by one call of the system from here on. For the thread that will run it.
    pub fn write_together(&mut self) -> io::Result<()> {
        self.volley = Volley::new()?;
        Ok(())
    }

    /// The same with sockets of tests.
    #[cfg(test)]
    pub(super) fn write_by_turns(&mut self) {
        self.volley = Volley::by_turns();
    }

    /// Whether the ring has more than the lanes.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.hub.ring.is_in(&self.log) || (!self.full && self.at < self.hub.ring.head())
    }

    /// Those who left since this was asked last.
    pub fn take_left(&mut self) -> Vec<Left<W>> {
        std::mem::take(&mut self.left)
    }

    /// Reads some of what is new, unless there is still too much to be written.
    pub fn read_on(&mut self) {
        if !self.is_behind() {
            return;
        }
        match self.hub.ring.after(&self.log, self.at, BATCH) {
            RingRead::UpToDate => {}
            RingRead::Frames(frames) => frames.iter().for_each(|frame| self.add(frame)),
            RingRead::Behind | RingRead::OtherLog => {
                // each reads the log for itself, or is told that it is another
                let all: Vec<u32> = self.slots.iter().map(|(key, _)| key as u32).collect();
                all.into_iter().for_each(|key| self.depart(key));
                (self.log, self.at) = self.hub.ring.standing();
            }
        }
    }

    fn add(&mut self, frame: &Arc<Frame>) {
        for (id, lane) in &mut self.lanes {
            let before = lane.len();
            if lane.add(frame) {
                self.held += lane.len() - before;
                self.full |= lane.len() > MOST_HELD || self.held > MOST_HELD_BY_ALL;
                if !std::mem::replace(&mut lane.waits, true) {
                    self.turns.push_back(id as u32);
                }
            }
        }
        self.at = frame.seq;
    }

    pub(super) fn leave_behind(&mut self, bare: Bare<W>, rest: Bytes) {
        let bare = Box::new(bare);
        self.left.push(Left::Behind { bare, rest });
    }

    /// Writes what a stream lacks, and what is owed to it, in as few writes as can be.
    pub(super) fn push(&mut self, key: u32) {
        let Some(slot) = self.slots.get_mut(key as usize) else {
            return;
        };
        // it stays until it has been written to: whatever ends it meanwhile has said so, and comes here again
        if slot.is(LEAVES) {
            return;
        }
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
                    slot.cursor = end;
                    self.note_all(key);
                }
                Wrote::Part(taken) => {
                    slot.cursor += taken as u64;
                    return self.block(key);
                }
                Wrote::Gone => return self.lose(key, "client_gone"),
            }
        } else if slot.cursor < end {
            let id = slot.lane;
            // nothing may be said in the middle of a frame
            let begun = !lane.cut(slot.cursor).0.rest.is_empty();
            self.visit_again(id);
            if begun {
                return;
            }
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

    pub(super) fn unblock(&mut self, key: u32) {
        if let Some(slot) = self.slots.get_mut(key as usize)
            && slot.is(BLOCKED)
        {
            slot.flags &= !BLOCKED;
            self.lanes[slot.lane as usize].blocked -= 1;
            self.blocked.remove(&key);
        }
    }

    /// A stream has all of its lane: counts what it got; who got the same is counted at once.
    pub(super) fn note_all(&mut self, key: u32) {
        let slot = &mut self.slots[key as usize];
        let got = Tally {
            lane: slot.lane,
            from: slot.seen,
            to: self.lanes[slot.lane as usize].frames(),
            streams: 1,
        };
        slot.seen = got.to;
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
    pub(super) fn count(&mut self) {
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

    /// The last seq that a stream has whole, with what its filter hid.
    pub(super) fn has_whole(&self, slot: &Slot<W>) -> i64 {
        let lane = &self.lanes[slot.lane as usize];
        let at = match slot.cursor == lane.end() {
            true => self.at,
            // of the frame that it is in, it has but a part
            false => match lane.cut(slot.cursor).0 {
                cut if cut.rest.is_empty() => cut.seq,
                cut => cut.seq - 1,
            },
        };
        at.max(slot.cold.had)
    }

    /// Takes a stream out of everything; it, what is left of a frame that it has in part, and the place behind that.
    fn take_out(&mut self, key: u32) -> (Slot<W>, Bytes, i64) {
        self.count();
        self.unblock(key);
        let mut slot = self.slots.remove(key as usize);
        slot.seat.unwatch();
        self.pings.remove(key, slot.spoke);
        if slot.seat.notes_writes() {
            let whole = Passed::Signal(self.has_whole(&slot));
            self.hub.writes.wrote(&slot.seat, &whole);
        }
        let lane = &mut self.lanes[slot.lane as usize];
        let (cut, behind) = lane.cut(slot.cursor);
        let is_whole = slot.cursor == lane.end();
        slot.seen = lane.frames() - behind;
        if let Some(moved) = lane.leave(slot.place) {
            self.slots[moved as usize].place = slot.place;
        }
        if lane.is_deserted() {
            self.by_filter.remove(lane.filter());
            self.held -= lane.len();
            self.lanes.remove(slot.lane as usize);
            self.look_whether_full();
        }
        // never both: a comment begins where no frame is under way
        let own = Bytes::from(std::mem::take(&mut slot.cold.rest));
        let rest = if own.is_empty() { cut.rest } else { own };
        // what its filter hid is behind it as well
        let at = if is_whole { self.at } else { cut.seq };
        let at = at.max(slot.cold.had);
        (slot, rest, at)
    }

    /// Sends a stream to catch up.
    pub(super) fn depart(&mut self, key: u32) {
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
        let (slot, rest, _) = self.take_out(key);
        note_end(&self.hub, &slot.seat, over.reason());
        let Over::Say(_, last) = over else {
            return;
        };
        let mut rest = [&rest[..], Chunk::of(last).whole(), chunk::END].concat();
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
pub(super) fn is_over(hub: &Hub, seat: &SeatGuard) -> Option<End> {
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
