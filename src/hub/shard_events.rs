//! What comes to a shard: streams, readiness of their sockets, changes of their seats, and time.

use std::{cmp::Reverse, io, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    lane::Lane,
    mark::Mark,
    ring::RingRead,
    seat::Place,
    shard::{Shard, is_over},
    slot::{AHEAD, BLOCKED, Cold, OWES_HEARTBEAT, OWES_PING, OWES_PROBE, Slot},
    socket::MOST_RECEIVED,
    stream::note_end,
    wire::{Bare, Wire, Wrote, write},
    writes::Passed,
};
use crate::model::log::Position;

/// Frames given to one stream as it comes.
const BATCH: usize = 128;
/// The wall clock may be set: lapses are looked at so often.
const LAPSE_STEP: Duration = Duration::from_secs(1);
/// Noted lapses that are none any more, beyond as many as there are streams.
const STALE_LAPSES: usize = 1_024;
/// While the node may send no signals, and some wait, that is asked again so often.
const MUTED_STEP: Duration = Duration::from_millis(20);

impl<W: Wire> Shard<W> {
    /// Takes a stream that has all until the ring's head, or nearly so. Its place here, if it stays.
    pub fn join(&mut self, mut bare: Bare<W>) -> Option<u32> {
        self.read_on();
        let opening = &bare.opening;
        if !opening.log.is(&self.log) {
            self.leave_behind(bare, Bytes::new());
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
                lapses_at: None,
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
            self.leave_behind(bare, Bytes::new());
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
                self.leave_behind(bare, Bytes::new());
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
                let rest = if taken > 0 {
                    bytes.slice(taken..)
                } else {
                    Bytes::new()
                };
                self.leave_behind(bare, rest);
                return None;
            }
            if frame.read >= bare.opened {
                let now = std::time::Instant::now();
                Mark::of(frame).leaves(&self.hub.metrics, 1, now);
            }
        }
        if bare.opening.at < self.at {
            self.leave_behind(bare, Bytes::new());
            return None;
        }
        Some(bare)
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
        let lapses_at = slot.seat.lapse().map(|lapse| lapse.at.0);
        if lapses_at != std::mem::replace(&mut slot.cold.lapses_at, lapses_at)
            && let Some(at) = lapses_at
        {
            self.note_lapse(at, place);
        }
        self.push(place.slot);
        self.note_whole(place);
        self.count();
    }

    /// How far a stream was written to, where that is noted.
    fn note_whole(&self, place: Place) {
        let slot = self.slots.get(place.slot as usize);
        let is_it =
            |slot: &&Slot<W>| slot.seat.connection == place.connection && slot.seat.notes_writes();
        let Some(slot) = slot.filter(is_it) else {
            return;
        };
        let at = Position {
            epoch: self.log.epoch.clone(),
            seq: self.has_whole(slot),
        };
        let filter = self.lanes[slot.lane as usize].filter();
        let writes = &self.hub.writes;
        writes.begin(&slot.seat.shared(), filter, &at);
        writes.wrote(&slot.seat, &Passed::Signal(at.seq));
    }

    fn note_lapse(&mut self, at: i64, place: Place) {
        self.lapses
            .push(Reverse((at, place.slot, place.connection)));
        // those that were moved, and those of streams that are gone
        if self.lapses.len() > 2 * self.slots.len() + STALE_LAPSES {
            let slots = &self.slots;
            self.lapses.retain(|Reverse((at, slot, connection))| {
                slots.get(*slot as usize).is_some_and(|slot| {
                    slot.seat.connection == *connection && slot.cold.lapses_at == Some(*at)
                })
            });
        }
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
        self.count();
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
}
