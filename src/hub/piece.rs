//! What a stream's task hands over to be written: by what kind of thing it is, it may wait, overtake, or be left out.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{chunk::Chunk, frame::Frame, writes::Passed};
use crate::model::log::Position;

/// Bytes on their way to the connection.
#[derive(Debug)]
pub enum Piece {
    /// A signal: not to be written once the stream has ended.
    Signal(Chunk, Arc<Frame>),
    /// A comment, which says nothing of the stream's place: it may overtake signals that wait for the node's tenure.
    Comment(Bytes),
    /// What says where the stream stands: not to be written once a signal before it was left out.
    Control(Bytes),
    /// The same, that rows are missing: behind these it goes on.
    Gap(Bytes, Position),
    /// The same, and nothing else: the latest says all that those before it do.
    Heartbeat(Bytes),
    /// The last word, which says nothing of the place.
    Last(Bytes),
    /// Nothing: whoever waits for it is told when all before it has left.
    Flush(oneshot::Sender<()>),
}

impl Piece {
    /// The same as a chunk. A signal's is shared with all who get it: thousands who do not read must not have a copy each.
    #[must_use]
    pub fn chunk(&self) -> Option<Chunk> {
        match self {
            Piece::Signal(chunk, _) => Some(chunk.clone()),
            Piece::Comment(bytes)
            | Piece::Control(bytes)
            | Piece::Gap(bytes, _)
            | Piece::Heartbeat(bytes)
            | Piece::Last(bytes) => Some(Chunk::of(bytes)),
            Piece::Flush(_) => None,
        }
    }

    /// Where the stream stands once all of it has left, if that is anywhere else than before.
    #[must_use]
    pub fn passes(&self) -> Option<Passed> {
        match self {
            Piece::Signal(_, frame) => Some(Passed::Signal(frame.seq)),
            Piece::Gap(_, place) => Some(Passed::Gap(place.clone())),
            Piece::Comment(_)
            | Piece::Control(_)
            | Piece::Heartbeat(_)
            | Piece::Last(_)
            | Piece::Flush(_) => None,
        }
    }

    /// What is to be written.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Piece::Signal(chunk, _) => Some(chunk.content()),
            Piece::Comment(bytes)
            | Piece::Control(bytes)
            | Piece::Gap(bytes, _)
            | Piece::Heartbeat(bytes)
            | Piece::Last(bytes) => Some(bytes),
            Piece::Flush(_) => None,
        }
    }
}
