//! The limit's events: one run of ready bytes, in which each connection is a cursor.

use std::collections::VecDeque;

/// Bytes that are kept: who is further behind is cut off.
const KEPT: usize = 32 << 20;

/// Events end to end.
#[derive(Default)]
pub struct Log {
    bytes: Vec<u8>,
    /// The place of the first byte that is kept.
    base: u64,
    /// Where each event that is kept ends.
    ends: VecDeque<u64>,
    /// The number of the first event that is kept.
    first: u64,
}

/// Where a connection stands.
#[derive(Clone, Copy, Default)]
pub struct Cursor {
    /// The event that it writes next, or has begun.
    event: u64,
    /// The byte that it writes next.
    byte: u64,
}

impl Log {
    /// Adds an event.
    pub fn push(&mut self, event: &[u8]) {
        if self.bytes.len() + event.len() > 2 * KEPT {
            self.forget();
        }
        self.bytes.extend_from_slice(event);
        self.ends.push_back(self.base + self.bytes.len() as u64);
    }

    fn forget(&mut self) {
        let from = self.base + (self.bytes.len() - KEPT) as u64;
        let mut base = self.base;
        while let Some(end) = self.ends.pop_front_if(|end| *end <= from) {
            base = end;
            self.first += 1;
        }
        self.bytes.drain(..(base - self.base) as usize);
        self.base = base;
    }

    /// After the last event.
    pub fn end(&self) -> Cursor {
        Cursor {
            event: self.first + self.ends.len() as u64,
            byte: self.base + self.bytes.len() as u64,
        }
    }

    /// Whether there is anything to write.
    pub fn is_behind(&self, cursor: Cursor) -> bool {
        cursor.byte < self.base + self.bytes.len() as u64
    }

    /// What is next, of so many events at the most; `None` where it is no longer kept.
    pub fn next(&self, cursor: Cursor, events: usize) -> Option<&[u8]> {
        let from = cursor.byte.checked_sub(self.base)? as usize;
        let skip = cursor.event.checked_sub(self.first)? as usize;
        let last = (skip + events).min(self.ends.len()).checked_sub(1)?;
        let to = (self.ends[last] - self.base) as usize;
        self.bytes.get(from..to)
    }

    /// Moves a cursor by what was written.
    pub fn advance(&self, cursor: &mut Cursor, written: usize) {
        cursor.byte += written as u64;
        while let Some(skip) = cursor.event.checked_sub(self.first)
            && let Some(end) = self.ends.get(skip as usize)
            && *end <= cursor.byte
        {
            cursor.event += 1;
        }
    }
}
