//! A connection as streams, their rivals and the pulse see it: what its peer has acknowledged, and its end.

use std::{fmt, io, net::SocketAddr, time::Duration};

use super::frame::Frame;

/// What the system knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Bytes that the peer has acknowledged so far.
    pub acknowledged: u64,
    /// Bytes written that it has not.
    pub waiting: u64,
    /// Whether the peer has neither closed nor reset it.
    pub open: bool,
    /// How long ago the peer sent an acknowledgement of whatever kind; `None` where the system does not say.
    pub heard: Option<Duration>,
}

/// A moment between what was handed to a connection and what is handed to it later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handing {
    /// Bytes that were handed over until then, where they are counted.
    pub bytes: u64,
    /// How often nothing had been left to be written, when these were out of the connection's hands.
    pub flushes: Option<u64>,
}

/// What carries a stream: a connection's socket, one of many streams of an HTTP/2 connection, or what stands for one in a simulation.
pub trait Transport: fmt::Debug + Send + Sync {
    /// The other side's address.
    fn peer(&self) -> SocketAddr;
    /// Bytes that the system has taken so far.
    fn written(&self) -> u64;
    /// What the system knows of it now; `None` where it does not say.
    fn condition(&self) -> Option<Condition>;
    /// Whether the peer has all that was written, as far as that is cheaply known.
    fn is_at_rest(&self) -> bool {
        false
    }
    /// Whether this side has ended it.
    fn is_closed(&self) -> bool;
    /// Ends it without waiting for the peer.
    fn kill(&self);
    /// From here on it carries a stream: little is to wait in it.
    fn becomes_stream(&self) -> io::Result<()> {
        Ok(())
    }
    /// How long a peer may leave written bytes without any answer.
    fn unanswered_for(&self) -> Duration;
    /// Whether the system ends the connection where written bytes are not taken for too long. It also ends those that take them
    /// slowly: a window smaller than what waits at the head is filled by probes, and it counts their time as time without an answer.
    fn let_system_give_up(&self, may: bool) -> io::Result<()>;
    /// This moment, to ask later whether all has left that was handed over before.
    fn handing(&self) -> Handing {
        Handing::default()
    }
    /// Whether the system has taken all that was handed over before a moment, as far as that is known.
    fn has_left(&self, _: &mut Handing) -> bool {
        true
    }
    /// The next successful write carries this frame.
    fn mark(&self, frame: &Frame);
}
