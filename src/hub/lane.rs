//! A lane: what streams with the same filter get, in the very bytes that go to their sockets, and who they are.
//!
//! A stream's place is an offset into it. What it lacks is one run of bytes, however many frames that is: it leaves in one write.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::frame::Frame;
use crate::gate::filter::Filter;

/// A frame within a lane.
#[derive(Debug)]
struct Held {
    /// The offset behind its last byte.
    end: u64,
    frame: Arc<Frame>,
}

/// What is left of a frame that a stream has only in part, and the frame's place in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// The bytes that it lacks.
    pub rest: Bytes,
    /// After them, it stands here.
    pub seq: i64,
}

/// Frames that pass one filter, one after the other, as chunks.
#[derive(Debug)]
pub struct Lane {
    filter: Filter,
    bytes: Vec<u8>,
    /// The offset of the first byte that is held.
    base: u64,
    held: VecDeque<Held>,
    /// The last seq before what is held.
    before: i64,
    /// How many frames there ever were.
    frames: u64,
    members: Vec<u32>,
    /// A round stands between two members, goes one way, and has so many to visit until all have been since the last frame came.
    at: usize,
    goes_back: bool,
    left: usize,
    /// How many members' sockets are full.
    pub(super) blocked: u32,
    /// Whether it waits for its turn.
    pub(super) waits: bool,
}

impl Lane {
    /// Nothing has passed yet; it begins behind a seq.
    #[must_use]
    pub fn new(filter: Filter, at: i64) -> Self {
        Lane {
            filter,
            bytes: Vec::new(),
            base: 0,
            held: VecDeque::new(),
            before: at,
            frames: 0,
            members: Vec::new(),
            at: 0,
            goes_back: false,
            left: 0,
            blocked: 0,
            waits: false,
        }
    }

    /// What passes.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Adds a frame if it passes; whether it does. From then on, all members are to be visited.
    pub fn add(&mut self, frame: &Arc<Frame>) -> bool {
        let Some(name) = self.filter.event_name(&frame.facets) else {
            return false;
        };
        self.bytes.extend_from_slice(frame.chunk(name).whole());
        self.held.push_back(Held {
            end: self.end(),
            frame: frame.clone(),
        });
        self.frames += 1;
        self.visit_all();
        true
    }

    /// All members are to be visited from here on. A new round goes the other way than the last one: who was last is first, while what the
    /// system has of that socket is still in the processor's cache. Thousands of sockets are more than it holds; always in one order, none
    /// would be there any more.
    pub fn visit_all(&mut self) {
        self.goes_back ^= self.left == 0;
        self.left = self.members.len();
    }

    /// The offset behind the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The offset of the first byte that is held.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// How many frames there ever were.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What a stream lacks that has all before an offset; `None` where that is not held any more.
    #[must_use]
    pub fn after(&self, cursor: u64) -> Option<&[u8]> {
        let skip = usize::try_from(cursor.checked_sub(self.base)?).ok()?;
        self.bytes.get(skip..)
    }

    /// The frames of a stream that has seen so many of them, up to the last one; as far as they are held.
    pub fn since(&self, seen: u64) -> impl Iterator<Item = &Arc<Frame>> {
        let missing = usize::try_from(self.frames - seen).unwrap_or(usize::MAX);
        let skip = self.held.len().saturating_sub(missing);
        self.held.iter().skip(skip).map(|held| &held.frame)
    }

    /// Where a stream stands that has all before an offset which is held: what is left of the frame that it is in, the place in
    /// the log behind that, and how many frames are behind that place.
    #[must_use]
    pub fn cut(&self, cursor: u64) -> (Cut, u64) {
        debug_assert!(cursor >= self.base, "what is lacked is not held");
        let at = self.held.partition_point(|held| held.end < cursor);
        let behind = |from: usize| (self.held.len() - from) as u64;
        match self.held.get(at) {
            // at the very beginning: nothing of what is held was begun
            _ if cursor <= self.base => (self.whole(self.before), behind(0)),
            None => (self.whole(self.last()), 0),
            Some(held) => {
                // of the frame itself, which all have in common: thousands who do not read must not have a copy each
                let name = self.filter.event_name(&held.frame.facets);
                let whole = name.map(|name| held.frame.chunk(name).whole());
                let length = usize::try_from(held.end - cursor).unwrap_or(0);
                let rest = whole.map(|whole| whole.slice(whole.len().saturating_sub(length)..));
                let cut = Cut {
                    rest: rest.unwrap_or_default(),
                    seq: held.frame.seq,
                };
                (cut, behind(at + 1))
            }
        }
    }

    fn whole(&self, seq: i64) -> Cut {
        Cut {
            rest: Bytes::new(),
            seq,
        }
    }

    fn last(&self) -> i64 {
        self.held.back().map_or(self.before, |held| held.frame.seq)
    }

    /// A stream stands at an offset, and had all until a seq before it came here: where it stands without what it had, and how many frames
    /// that are.
    #[must_use]
    pub fn skip(&self, cursor: u64, had: i64) -> (u64, u64) {
        let new = self.held.iter().skip_while(|held| held.end <= cursor);
        let had = new.take_while(|held| held.frame.seq <= had);
        had.fold((cursor, 0), |(_, n), held| (held.end, n + 1))
    }

    /// Forgets the frames that lie before the last so many bytes; how many bytes these were. What the last bytes begin in stays whole.
    pub fn trim(&mut self, keep: usize) -> usize {
        let from = self.end() - (keep.min(self.bytes.len())) as u64;
        let mut base = self.base;
        while let Some(first) = self.held.front()
            && first.end <= from
        {
            (base, self.before) = (first.end, first.frame.seq);
            self.held.pop_front();
        }
        let gone = usize::try_from(base - self.base).unwrap_or(usize::MAX);
        let gone = gone.min(self.bytes.len());
        self.bytes.drain(..gone);
        self.base = base;
        if self.bytes.is_empty() {
            // what came at once does not stay as room for ever; and a lane of few is not worth keeping any
            self.bytes
                .shrink_to(ROOM.min(self.members.len() * ROOM_EACH));
            self.held.shrink_to(self.bytes.capacity() / ROOM_EACH);
        }
        gone
    }

    /// Adds a stream; its place among the members.
    pub fn join(&mut self, stream: u32) -> u32 {
        self.members.push(stream);
        // what is under way passes over it: it has been given all there was
        if self.left > 0 {
            self.left += 1;
        }
        // proof: as many streams as a process may have descriptors
        (self.members.len() - 1) as u32
    }

    /// Takes out the stream at a place; who has that place now, if another has.
    pub fn leave(&mut self, place: u32) -> Option<u32> {
        let place = place as usize;
        if place >= self.members.len() {
            return None;
        }
        self.members.swap_remove(place);
        // the last one has moved, perhaps to where this round had been: the round visits all once more
        if self.left > 0 {
            self.left = self.members.len();
        }
        self.members.get(place).copied()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.members.is_empty()
    }

    /// All who are in it.
    #[must_use]
    pub fn members(&self) -> &[u32] {
        &self.members
    }

    /// Whether somebody has yet to be visited since the last frame came.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left > 0
    }

    /// Who is to be visited next.
    pub fn visit(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let all = self.members.len();
        self.at = self.at.min(all);
        if self.goes_back {
            self.at = self.at.checked_sub(1).or_else(|| all.checked_sub(1))?;
            return self.members.get(self.at).copied();
        }
        if self.at == all {
            self.at = 0;
        }
        let stream = self.members.get(self.at).copied();
        self.at += 1;
        stream
    }
}

/// Bytes that a lane which holds none keeps room for, at most and for each member.
const ROOM: usize = 64 * 1024;
const ROOM_EACH: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{log::LogRow, signal::EventName, time::Time};

    fn frame(seq: i64, size: usize) -> Arc<Frame> {
        let row = LogRow {
            seq,
            published_at: Time(0),
            body: format!("{{\"x\":\"{}\"}}", "y".repeat(size)).into(),
        };
        Arc::new(Frame::new("e", &row, None, Instant::now()))
    }

    fn bytes(frame: &Frame) -> &[u8] {
        frame.chunk(EventName::Signal).whole()
    }

    #[test]
    fn who_is_in_the_middle_of_a_frame_is_told_what_is_left_of_it() {
        let mut lane = Lane::new(Filter::default(), 4);
        let frames = [frame(5, 10), frame(6, 300)];
        let cut = |lane: &Lane, at| {
            let (cut, behind) = lane.cut(at);
            (cut.rest.to_vec(), cut.seq, behind)
        };
        assert_eq!(cut(&lane, 0), (vec![], 4, 0));
        for frame in &frames {
            assert!(lane.add(frame));
        }
        let (one, two) = (bytes(&frames[0]), bytes(&frames[1]));
        assert_eq!(cut(&lane, 0), (vec![], 4, 2));
        assert_eq!(cut(&lane, 3), (one[3..].to_vec(), 5, 1));
        assert_eq!(cut(&lane, one.len() as u64), (vec![], 5, 1));
        assert_eq!(
            cut(&lane, lane.end() - 1),
            (two[two.len() - 1..].to_vec(), 6, 0)
        );
        assert_eq!(cut(&lane, lane.end()), (vec![], 6, 0));
        lane.trim(0);
        assert_eq!(cut(&lane, lane.end()), (vec![], 6, 0));
        assert_eq!(lane.after(0), None);
    }

    #[test]
    fn a_filter_is_asked_once_and_what_does_not_pass_takes_no_room() {
        let mut lane = Lane::new(
            Filter {
                token: Some("T".to_owned()),
                ..Filter::default()
            },
            0,
        );
        lane.join(7);
        assert!(!lane.add(&frame(1, 10)));
        assert_eq!((lane.len(), lane.frames(), lane.visit()), (0, 0, None));
    }

    proptest! {
        /// Streams that take what they lack in any portions, while frames come and old ones are forgotten, get each byte once and in order.
        #[test]
        fn whatever_is_taken_piece_by_piece_is_the_whole(
            steps in prop::collection::vec((0..4_u8, 0..600_usize), 1..120)
        ) {
            let mut lane = Lane::new(Filter::default(), 0);
            let (mut all, mut got, mut cursor, mut seq) = (Vec::new(), Vec::new(), 0_u64, 0);
            for (what, size) in steps {
                match what {
                    0 | 1 => {
                        seq += 1;
                        let frame = frame(seq, size);
                        all.extend_from_slice(bytes(&frame));
                        lane.add(&frame);
                    }
                    2 => {
                        let lacks = lane.after(cursor).unwrap();
                        let taken = lacks.len().min(size);
                        got.extend_from_slice(&lacks[..taken]);
                        cursor += taken as u64;
                    }
                    _ => {
                        let (cut, _) = lane.cut(cursor);
                        lane.trim(size);
                        prop_assert!(lane.after(lane.end() - lane.len().min(size) as u64).is_some());
                        if cursor < lane.base() {
                            // what is left of its frame comes from elsewhere, and then the frames that are not held
                            got.extend_from_slice(&cut.rest);
                            cursor = lane.base();
                            let missed = all.len() - got.len() - lane.len();
                            got.extend_from_slice(&all[got.len()..got.len() + missed]);
                        }
                    }
                }
            }
            got.extend_from_slice(lane.after(cursor).unwrap());
            prop_assert_eq!(got, all);
        }

        /// A round begins with whom the last one ended with, and goes back through all.
        #[test]
        fn rounds_go_back_and_forth(streams in 1..9_u32, rounds in 1..9_i64) {
            let mut lane = Lane::new(Filter::default(), 0);
            for stream in 0..streams {
                lane.join(stream);
            }
            let mut before: Option<Vec<u32>> = None;
            for seq in 1..=rounds {
                lane.add(&frame(seq, 1));
                let round: Vec<u32> = std::iter::from_fn(|| lane.visit()).collect();
                prop_assert_eq!(round.len(), streams as usize);
                if let Some(mut before) = before.replace(round.clone()) {
                    before.reverse();
                    prop_assert_eq!(round, before);
                }
            }
        }

        /// Whoever comes and goes during a round, each who stays is visited after the last frame.
        #[test]
        fn a_round_visits_all(steps in prop::collection::vec(0..5_u8, 1..200)) {
            let mut lane = Lane::new(Filter::default(), 0);
            let mut places = std::collections::HashMap::new();
            let mut unvisited = std::collections::HashSet::new();
            let (mut named, mut seq) = (0, 0);
            for what in steps {
                match what {
                    0 => {
                        places.insert(named, lane.join(named));
                        named += 1;
                    }
                    1 => {
                        seq += 1;
                        lane.add(&frame(seq, 1));
                        unvisited = places.keys().copied().collect();
                    }
                    2 => {
                        let Some((&gone, &place)) = places.iter().min() else { continue };
                        if let Some(moved) = lane.leave(place) {
                            places.insert(moved, place);
                        }
                        places.remove(&gone);
                        unvisited.remove(&gone);
                    }
                    _ => {
                        if let Some(visited) = lane.visit() {
                            unvisited.remove(&visited);
                        }
                    }
                }
            }
            let mut visits = 0;
            while let Some(visited) = lane.visit() {
                unvisited.remove(&visited);
                visits += 1;
                prop_assert!(visits <= places.len());
            }
            prop_assert!(unvisited.is_empty(), "{unvisited:?}");
        }
    }
}
