//! Bare sockets, and the streams on them: as they come out of hyper, go from a task into a shard, and leave it again.

use std::{io, os::fd::RawFd, sync::Arc};

use bytes::Bytes;

use super::{opening::Opening, seats::SeatGuard};

/// A socket that does not block, or what stands for one in a test.
pub trait Wire: Send + Sync + 'static {
    /// Writes what is taken now.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Reads what has come; 0 at the end.
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;
    /// Its descriptor, if it has one: it may then be written to by that, ...
    fn descriptor(&self) -> Option<RawFd> {
        None
    }
    /// ... and is told how many bytes that took.
    fn wrote(&self, _: usize) {}
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
        rest: Bytes,
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

/// What became of a write.
pub(super) enum Wrote {
    All,
    /// So many bytes, then the socket was full.
    Part(usize),
    Gone,
}

/// Writes as much as is taken now.
pub(super) fn write<W: Wire>(wire: &W, bytes: &[u8]) -> Wrote {
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
