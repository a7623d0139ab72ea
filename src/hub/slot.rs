//! A stream as a shard keeps it: a socket, a cursor, and what is owed. What a sweep looks at stands together; the rest is elsewhere.

use std::sync::Arc;

use tokio::time::Instant;

use super::{seats::SeatGuard, wire::Keep};

/// A ping, a probe, a heartbeat is to be written.
pub(super) const OWES_PING: u8 = 1;
pub(super) const OWES_PROBE: u8 = 2;
pub(super) const OWES_HEARTBEAT: u8 = 4;
/// What it lacks is held back: its socket was full.
pub(super) const BLOCKED: u8 = 8;
/// It had frames already that the lane has yet to get.
pub(super) const AHEAD: u8 = 16;
/// What it lacks is about to leave, with that of others.
pub(super) const LEAVES: u8 = 32;

/// A stream in a shard.
pub(super) struct Slot<W> {
    pub(super) wire: Arc<W>,
    pub(super) seat: SeatGuard,
    /// The offset in its lane behind the last byte that its socket took.
    pub(super) cursor: u64,
    /// Frames of its lane until there.
    pub(super) seen: u64,
    pub(super) lane: u32,
    /// Among the lane's members.
    pub(super) place: u32,
    /// Among the pings.
    pub(super) spoke: u32,
    pub(super) flags: u8,
    pub(super) next_ping: Instant,
    pub(super) cold: Box<Cold>,
}

/// What of a stream is seldom looked at.
pub(super) struct Cold {
    /// What is left of a comment or heartbeat.
    pub(super) rest: Vec<u8>,
    pub(super) heartbeat: bool,
    pub(super) retry_ms: u32,
    pub(super) received: usize,
    /// Signals sent before it came here, ...
    pub(super) matched: u64,
    /// ... when its lane had had so many.
    pub(super) joined: u64,
    /// What it had when it came here.
    pub(super) had: i64,
    /// When it lapses by itself, as far as that is noted.
    pub(super) lapses_at: Option<i64>,
    pub(super) opened: std::time::Instant,
    pub(super) keep: Keep,
}

impl<W> Slot<W> {
    /// Whether one of these flags is set.
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Signals that it was sent, since its hello.
    pub(super) fn matched(&self) -> u64 {
        self.cold.matched + (self.seen - self.cold.joined)
    }
}
