//! The outlet of a stream's task: what of it may be written now. No signal once the stream has ended, and none while the node may send none.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{node::Hub, piece::Piece, seat::Seat, transport::Transport, writes::Passed};

/// Reads what a stream's task hands over.
pub struct Outlet {
    pieces: mpsc::Receiver<Piece>,
    seat: Arc<Seat>,
    socket: Arc<dyn Transport>,
    hub: Arc<Hub>,
    opened: Instant,
    /// What was handed over while the node might send no signals; the first is one.
    held: VecDeque<Piece>,
    /// A signal was left out: nothing that tells a later place may follow, or the client would come back behind that signal.
    left_out: bool,
    /// Of the bytes that were given last.
    given: Option<Passed>,
    /// Resolves when it may again; set while `held` waits.
    unmuted: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Outlet {
    /// The other end of a stream's task. Of the signals, those that were read after `opened` are measured: what was there before the
    /// stream is late by no fault of ours.
    #[must_use]
    pub fn new(
        pieces: mpsc::Receiver<Piece>,
        seat: Arc<Seat>,
        socket: Arc<dyn Transport>,
        hub: Arc<Hub>,
        opened: Instant,
    ) -> Self {
        Outlet {
            pieces,
            seat,
            socket,
            hub,
            opened,
            held: VecDeque::new(),
            left_out: false,
            given: None,
            unmuted: None,
        }
    }

    /// The next piece that may be written now.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
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
                Piece::Control(_)
                | Piece::Gap(..)
                | Piece::Heartbeat(_)
                | Piece::Last(_)
                | Piece::Flush(_) => !self.held.is_empty(),
            };
            if waits && self.seat.ending().is_none() {
                self.hold(piece);
            } else if self.may_follow(&piece) {
                return Poll::Ready(Some(piece));
            }
        }
    }

    /// Keeps it for later. The stream sends no signals meanwhile: there are no more of them than fitted between it and the connection.
    /// Of heartbeats that would follow each other, one is enough: until the next signal or gap, they say the same place.
    fn hold(&mut self, piece: Piece) {
        let beats = |piece: &Piece| matches!(piece, Piece::Heartbeat(_));
        if !(beats(&piece) && self.held.back().is_some_and(beats)) {
            self.held.push_back(piece);
        }
    }

    /// Whether it may be written after what was, and was left out. Signals that waited here while the stream ended are in the log: the
    /// next stream has them.
    fn may_follow(&mut self, piece: &Piece) -> bool {
        match piece {
            Piece::Comment(_) | Piece::Last(_) | Piece::Flush(_) => true,
            Piece::Control(_) | Piece::Gap(..) | Piece::Heartbeat(_) => !self.left_out,
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

    /// The bytes that may be written now, a frame; `None` at the end.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // who asks for more has handed on all of what it was given
        if let Some(passed) = self.given.take() {
            self.hub.writes.hand_on(&self.seat, passed, &*self.socket);
        }
        loop {
            let piece = std::task::ready!(self.poll_piece(cx));
            if let Some(piece) = &piece {
                self.mark(piece);
                self.given = piece.passes();
            }
            match piece.map(Piece::into_bytes) {
                None => return Poll::Ready(None),
                Some(Some(bytes)) => return Poll::Ready(Some(bytes)),
                Some(None) => {}
            }
        }
    }

    /// Its bytes are about to be written.
    pub fn mark(&self, piece: &Piece) {
        if let Piece::Signal(_, frame) = piece
            && frame.read >= self.opened
        {
            self.socket.mark(frame);
        }
    }

    /// This has left whole.
    pub fn wrote(&self, passed: &Passed) {
        self.hub.writes.wrote(&self.seat, passed);
    }

    /// Whether what was let through before may not be written any more: to be asked at any time.
    pub fn shutter(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (seat, hub) = (self.seat.clone(), self.hub.clone());
        move || seat.ending().is_some() || hub.tenure.is_muted()
    }

    /// Takes back what was let through and has not been begun: it waits with the rest, or is left out.
    pub fn take_back(&mut self, pieces: impl DoubleEndedIterator<Item = Piece>) {
        for piece in pieces.rev() {
            self.held.push_front(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::{
            chunk::Chunk,
            frame::{self, Ending},
            seat::End,
            test_node::{self, Pipe, node},
        },
        model::{log::LogRow, time::Time},
    };

    /// The end of a stream that takes these pieces and no more, and its seat.
    async fn given(pieces: Vec<Piece>) -> (Outlet, Arc<Seat>) {
        let transport: Arc<dyn Transport> = Arc::new(Pipe::default());
        let seat = Arc::new(test_node::seat(1, &transport, None));
        let (out, taken) = mpsc::channel(8);
        for piece in pieces {
            out.send(piece).await.unwrap();
        }
        let hub = node().await;
        let outlet = Outlet::new(taken, seat.clone(), transport, hub, Instant::now());
        (outlet, seat)
    }

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn signal() -> Piece {
        let row = LogRow {
            seq: 1,
            published_at: Time(0),
            body: "{}".into(),
        };
        let frame = frame::Frame::new("e", &row, None, std::time::Instant::now());
        Piece::Signal(Chunk::of("signal"), Arc::new(frame))
    }

    #[tokio::test]
    async fn nothing_that_tells_a_place_follows_a_signal_that_was_left_out() {
        let pieces = vec![
            Piece::Control(bytes("hello")),
            signal(),
            Piece::Heartbeat(bytes("heartbeat")),
            Piece::Comment(frame::PING),
            Piece::Last(Ending::Superseded.frame()),
        ];
        let (mut outlet, seat) = given(pieces).await;
        let mut written = Vec::new();
        while let Some(next) = std::future::poll_fn(|cx| outlet.poll_bytes(cx)).await {
            written.push(next);
            // after hello, another connection takes over
            seat.end(End::Error(Ending::Superseded));
        }
        let told = [bytes("hello"), frame::PING, Ending::Superseded.frame()];
        assert_eq!(written, told);
    }

    #[tokio::test]
    async fn a_signal_is_handed_on_when_the_next_bytes_are_asked_for() {
        let (mut outlet, seat) = given(vec![signal(), Piece::Comment(frame::PING)]).await;
        let hub = outlet.hub.clone();
        hub.writes
            .set_accounts(["account".into()].into(), &hub.seats);
        let begins = crate::model::log::Position {
            epoch: "e".into(),
            seq: 0,
        };
        hub.writes
            .open(&seat, &crate::gate::filter::Filter::default(), &begins);
        let mut next = async || std::future::poll_fn(|cx| outlet.poll_bytes(cx)).await;
        assert_eq!(next().await, Some(bytes("signal")));
        assert_eq!(hub.writes.take_changed(Time(1)), []);
        assert_eq!(next().await, Some(frame::PING));
        let noted = hub.writes.take_changed(Time(1));
        assert_eq!(noted.len(), 1);
        assert_eq!((noted[0].after, noted[0].until), (0, 1));
    }

    #[tokio::test]
    async fn a_gap_that_waits_behind_a_heartbeat_is_not_taken_for_one() {
        let (mut outlet, _seat) = given(Vec::new()).await;
        for piece in [
            signal(),
            Piece::Heartbeat(bytes("heartbeat")),
            Piece::Heartbeat(bytes("heartbeat")),
            Piece::Control(bytes("gap")),
            Piece::Heartbeat(bytes("heartbeat")),
        ] {
            outlet.hold(piece);
        }
        let mut written = Vec::new();
        while let Some(next) = std::future::poll_fn(|cx| outlet.poll_bytes(cx)).await {
            written.push(next);
        }
        let told = ["signal", "heartbeat", "gap", "heartbeat"].map(bytes);
        assert_eq!(written, told);
    }
}
