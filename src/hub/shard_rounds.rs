//! A shard's rounds: whoever lacks something is visited, lane by lane and some at a time.

use super::{
    lane::Lane,
    shard::{KEPT, MOST_HELD, MOST_HELD_BY_ALL, Shard, is_over},
    slot::LEAVES,
    volley::{self, Sent},
    wire::Wire,
};

/// Streams visited before anything else is looked at again: some tenths of a millisecond.
const VISITS: usize = volley::MOST;

impl<W: Wire> Shard<W> {
    /// Visits some of those who lack something; whether there are more.
    pub fn sweep(&mut self) -> bool {
        if self.hub.tenure.is_muted() {
            return false;
        }
        if let Some(id) = self.turns.pop_front() {
            self.visit(id);
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

    /// Some of a lane: those who lack its last bytes and nothing else all at once, where the system takes that.
    fn visit(&mut self, id: u32) {
        let mut volley = std::mem::take(&mut self.volley);
        let mut leaving = std::mem::take(&mut self.leaving);
        for _ in 0..VISITS {
            let lane = self.lanes.get_mut(id as usize);
            let Some(key) = lane.and_then(Lane::visit) else {
                break;
            };
            if volley.is_ready() && self.may_leave(key) {
                leaving.push(key);
            } else {
                self.push(key);
            }
        }
        let slots = &self.slots;
        let lane = self.lanes.get(id as usize);
        let lacks = |key: &u32| {
            let slot = slots.get(*key as usize)?;
            Some((&*slot.wire, lane?.after(slot.cursor)?))
        };
        // all of them: who is to be written to stays, so its lane does, and a lane forgets nothing before all were visited
        let sent = volley.send(leaving.iter().map_while(lacks));
        for (place, key) in leaving.drain(..).enumerate() {
            match sent.get(place) {
                Some(Sent::Taken(bytes)) => self.left_with(key, *bytes),
                Some(Sent::Unknown) => self.lose(key, "client_gone"),
                None => self.left_with(key, 0),
            }
        }
        (self.volley, self.leaving) = (volley, leaving);
    }

    /// Whether a stream lacks the last bytes of its lane and nothing else, and may have them. It is then taken for one of those who get them together.
    fn may_leave(&mut self, key: u32) -> bool {
        let Some(slot) = self.slots.get_mut(key as usize) else {
            return false;
        };
        let lane = &self.lanes[slot.lane as usize];
        // what is left of a comment has its socket blocked
        let may = slot.flags == 0
            && lane.base() <= slot.cursor
            && slot.cursor < lane.end()
            && is_over(&self.hub, &slot.seat).is_none();
        if may {
            slot.flags |= LEAVES;
        }
        may
    }

    /// So many bytes of what a stream lacks have left.
    fn left_with(&mut self, key: u32, bytes: usize) {
        let Some(slot) = self.slots.get_mut(key as usize) else {
            return;
        };
        slot.flags &= !LEAVES;
        slot.wire.wrote(bytes);
        slot.cursor += bytes as u64;
        if slot.cursor < self.lanes[slot.lane as usize].end() {
            // it is full, or at fault
            return self.push(key);
        }
        self.note_all(key);
    }

    pub(super) fn look_whether_full(&mut self) {
        let is_full = |lane: &Lane| lane.len() > MOST_HELD;
        self.full = self.full
            && (self.held > MOST_HELD_BY_ALL || self.lanes.iter().any(|(_, lane)| is_full(lane)));
    }

    /// All of a lane have been visited: forgets what nobody lacks, and those who lack too much.
    pub(super) fn settle(&mut self, id: u32) {
        let lane = &mut self.lanes[id as usize];
        // where others hold much, none is kept
        let keep = if self.held > MOST_HELD_BY_ALL {
            0
        } else {
            KEPT
        };
        if lane.blocked == 0 {
            self.held -= lane.trim(0);
        } else if lane.len() > keep {
            let least = lane.end() - keep as u64;
            let of_lane = |key: &&u32| {
                let slot = &self.slots[**key as usize];
                slot.lane == id && slot.cursor < least
            };
            let behind: Vec<u32> = self.blocked.iter().filter(of_lane).copied().collect();
            behind.into_iter().for_each(|key| self.depart(key));
            if let Some(lane) = self.lanes.get_mut(id as usize) {
                self.held -= lane.trim(keep);
            }
        }
        self.look_whether_full();
    }
}
