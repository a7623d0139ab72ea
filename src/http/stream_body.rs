//! The body of a stream in hyper: one chunk a frame, no signal once the stream has ended, and none while the node may send none.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::hub::{node::Hub, seat::Seat, stream::Piece, transport::Transport};

/// Reads what a stream's task hands over.
pub struct StreamBody {
    pieces: mpsc::Receiver<Piece>,
    seat: Arc<Seat>,
    socket: Arc<dyn Transport>,
    hub: Arc<Hub>,
    /// What was handed over while the node might send no signals; the first is one.
    held: VecDeque<Piece>,
    /// A signal was left out: nothing that tells a later place may follow, or the client would come back behind that signal.
    left_out: bool,
    /// Resolves when it may again; set while `held` waits.
    unmuted: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl StreamBody {
    /// The other end of a stream's task.
    #[must_use]
    pub fn new(
        pieces: mpsc::Receiver<Piece>,
        seat: Arc<Seat>,
        socket: Arc<dyn Transport>,
        hub: Arc<Hub>,
    ) -> Self {
        StreamBody {
            pieces,
            seat,
            socket,
            hub,
            held: VecDeque::new(),
            left_out: false,
            unmuted: None,
        }
    }

    /// The next piece that may be written now.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        loop {
            let ended = self.seat.ending().is_some();
            if !self.held.is_empty() && (ended || !self.is_muted(cx)) {
                match self.held.pop_front().filter(|piece| self.may_follow(piece)) {
                    Some(piece) => return Poll::Ready(Some(piece)),
                    None => continue,
                }
            }
            let piece = match self.pieces.poll_recv(cx) {
                Poll::Ready(Some(piece)) => piece,
                // the rest is held back, and goes before the end
                Poll::Ready(None) if self.held.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            };
            let waits = match &piece {
                Piece::Comment(_) => false,
                Piece::Signal(..) => !self.held.is_empty() || self.is_muted(cx),
                Piece::Control(_) | Piece::Last(_) => !self.held.is_empty(),
            };
            if waits && self.seat.ending().is_none() {
                self.hold(piece);
            } else if self.may_follow(&piece) {
                return Poll::Ready(Some(piece));
            }
        }
    }

    /// Keeps it for later. The stream sends no signals meanwhile: there are no more of them than fitted between it and the connection.
    /// Of heartbeats that would follow each other, one is enough.
    fn hold(&mut self, piece: Piece) {
        let place = |piece: &Piece| matches!(piece, Piece::Control(_));
        if !(place(&piece) && self.held.back().is_some_and(place)) {
            self.held.push_back(piece);
        }
    }

    /// Whether it may be written after what was, and was left out. Signals that waited here while the stream ended are in the log: the
    /// next stream has them.
    fn may_follow(&mut self, piece: &Piece) -> bool {
        match piece {
            Piece::Comment(_) | Piece::Last(_) => true,
            Piece::Control(_) => !self.left_out,
            Piece::Signal(..) => {
                self.left_out |= self.seat.ending().is_some();
                !self.left_out
            }
        }
    }

    /// Whether signals may not be sent now; the task is woken when they may.
    fn is_muted(&mut self, cx: &mut Context<'_>) -> bool {
        while self.hub.tenure.is_muted() {
            let unmuted = self.unmuted.get_or_insert_with(|| {
                let hub = self.hub.clone();
                Box::pin(async move { hub.tenure.unmuted().await })
            });
            if unmuted.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.unmuted = None;
        }
        false
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match std::task::ready!(self.poll_piece(cx)) {
            None => return Poll::Ready(None),
            Some(Piece::Comment(bytes) | Piece::Control(bytes) | Piece::Last(bytes)) => bytes,
            Some(Piece::Signal(bytes, frame)) => {
                self.socket.mark(&frame);
                bytes
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
