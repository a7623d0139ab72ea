//! The body of a stream in hyper: one chunk a frame, and no signal once the stream has ended.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::hub::{seat::Seat, socket::Socket, stream::Piece};

/// Reads what a stream's task hands over.
pub struct StreamBody {
    pieces: mpsc::Receiver<Piece>,
    seat: Arc<Seat>,
    socket: Arc<Socket>,
    opened: Instant,
}

impl StreamBody {
    /// The other end of a stream's task.
    #[must_use]
    pub fn new(pieces: mpsc::Receiver<Piece>, seat: Arc<Seat>, socket: Arc<Socket>) -> Self {
        StreamBody {
            pieces,
            seat,
            socket,
            opened: Instant::now(),
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match ready!(self.pieces.poll_recv(cx)) {
                None => return Poll::Ready(None),
                Some(Piece::Control(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                // ended while the signal waited here: it is in the log, the next stream has it
                Some(Piece::Signal(..)) if self.seat.ending().is_some() => {}
                Some(Piece::Signal(bytes, frame)) => {
                    // what was there before the stream is late by no fault of ours
                    if frame.read >= self.opened {
                        self.socket.mark(&frame);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }
}
