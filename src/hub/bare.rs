//! Streams on bare sockets that are not live: a task for each, which catches up or sees the last bytes off.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::sync::{mpsc, oneshot};

use super::{
    chunk::{self, Chunk},
    metrics::Metrics,
    node::Hub,
    outlet::Outlet,
    piece::Piece,
    socket::{Socket, SocketIo},
    stream::{self, note_end},
    transport::Transport as _,
    wire::{Bare, Keep},
    writes::Passed,
};

/// Bytes that are gathered for one write.
const GATHERED: usize = 32 * 1024;
/// Pieces in one write: no more than the system takes anyway.
const MOST_SLICES: usize = 64;
/// How long the last bytes of a stream that is over may be on their way until the system has taken them.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How often it is asked whether the peer has them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Brings a stream to the head of the log, and hands it on; or to its end. `rest`: what is left of a frame that it has in part.
pub async fn catch_up(
    hub: Arc<Hub>,
    stream: Bare<Socket>,
    rest: Bytes,
    live: impl FnOnce(Bare<Socket>),
) {
    let Bare {
        seat,
        socket,
        opening,
        opened,
        keep,
    } = stream;
    let io = match SocketIo::new(socket.clone(), hub.metrics.clone()) {
        Ok(io) => io,
        Err(error) => {
            tracing::warn!(%error, "a stream's socket cannot be looked at");
            return note_end(&hub, &seat, "client_gone");
        }
    };
    let (out, pieces) = mpsc::channel(hub.config.pending_frames.max(1));
    let outlet = Outlet::new(pieces, seat.shared(), socket.clone(), hub.clone(), opened);
    let waiting = Waiting::behind(opening.at, rest);
    let running = async {
        let opening = stream::catch_up(&hub, &seat, &*socket, opening, out).await?;
        // over, it is let go at once: who looks at the sockets sees its last bytes off
        Some((seat, opening))
    };
    match tokio::join!(running, write(io, outlet, waiting)) {
        (Some((seat, opening)), Ok(io)) => {
            drop(io);
            live(Bare {
                seat,
                socket,
                opening,
                opened,
                keep,
            });
            return;
        }
        (Some((seat, _)), Err(_)) => note_end(&hub, &seat, "client_gone"),
        (None, Ok(io)) => linger(&io, chunk::END).await,
        (None, Err(_)) => {}
    }
    socket.close();
    drop(keep);
}

/// What waits to be written, frame by frame.
#[derive(Default)]
struct Waiting {
    /// The rest of a frame that has been begun, ...
    begun: Bytes,
    /// ... and what has left with it.
    begins: Option<Passed>,
    /// What has left whole, and is not noted yet.
    whole: Vec<Passed>,
    pieces: VecDeque<(Piece, Chunk)>,
    bytes: usize,
    flushes: Vec<oneshot::Sender<()>>,
    ended: bool,
    /// It was taken while no signals might be written.
    shut: bool,
}

impl Waiting {
    /// Of a stream that has all up to a seq, but for the rest of the last frame.
    fn behind(seq: i64, rest: Bytes) -> Self {
        let mut waiting = Waiting {
            begun: rest,
            begins: Some(Passed::Signal(seq)),
            ..Waiting::default()
        };
        waiting.look_whether_whole();
        waiting
    }

    fn look_whether_whole(&mut self) {
        if self.begun.is_empty() {
            self.whole.extend(self.begins.take());
        }
    }

    /// Takes what may be written now, up to a bound; ready where there is something to do.
    fn poll_more(&mut self, outlet: &mut Outlet, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended && self.bytes < GATHERED {
            match outlet.poll_piece(cx) {
                Poll::Ready(Some(Piece::Flush(to))) if self.is_empty() => {
                    // who waited may have left
                    let _ = to.send(());
                }
                Poll::Ready(Some(Piece::Flush(to))) => self.flushes.push(to),
                Poll::Ready(Some(piece)) => {
                    outlet.mark(&piece);
                    if let Some(chunk) = piece.chunk() {
                        self.bytes += chunk.whole().len();
                        self.pieces.push_back((piece, chunk));
                    }
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending if self.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.pieces.is_empty()
    }

    /// So many bytes have left, of what is begun and of what follows.
    fn wrote(&mut self, mut bytes: usize) {
        let of_begun = bytes.min(self.begun.len());
        self.begun.advance(of_begun);
        self.look_whether_whole();
        bytes -= of_begun;
        while bytes > 0
            && let Some((piece, chunk)) = self.pieces.pop_front()
        {
            let whole = chunk.whole();
            self.bytes -= whole.len();
            let taken = bytes.min(whole.len());
            self.begun = whole.slice(taken..);
            self.begins = piece.passes();
            self.look_whether_whole();
            bytes -= taken;
        }
        if self.is_empty() {
            for to in self.flushes.drain(..) {
                let _ = to.send(());
            }
        }
    }

    /// What has not been begun is given back: it may not be written now, or not at all.
    fn give_back(&mut self, outlet: &mut Outlet) {
        self.bytes = 0;
        self.ended = false;
        let back = self.pieces.drain(..).map(|(piece, _)| piece);
        outlet.take_back(back.chain(self.flushes.drain(..).map(Piece::Flush)));
    }
}

/// Writes what an outlet lets through until its end, as much at once as there is.
async fn write(io: SocketIo, mut outlet: Outlet, mut waiting: Waiting) -> io::Result<SocketIo> {
    let is_shut = outlet.shutter();
    let writing = async {
        loop {
            waiting
                .whole
                .drain(..)
                .for_each(|passed| outlet.wrote(&passed));
            poll_fn(|cx| waiting.poll_more(&mut outlet, cx)).await;
            if waiting.is_empty() && waiting.ended {
                return io::Result::Ok(());
            }
            let slices: Vec<IoSlice<'_>> = std::iter::once(&waiting.begun[..])
                .chain(waiting.pieces.iter().map(|(_, chunk)| &chunk.whole()[..]))
                .filter(|bytes| !bytes.is_empty())
                .map(IoSlice::new)
                .take(MOST_SLICES)
                .collect();
            if slices.is_empty() {
                continue;
            }
            // as long as the socket is full, what may be written can change
            let shut = waiting.shut;
            let taken = io.write_some(&slices, || is_shut() == shut).await?;
            if taken > 0 {
                waiting.wrote(taken);
            } else {
                waiting.shut = !shut;
                if waiting.shut {
                    waiting.give_back(&mut outlet);
                }
            }
        }
    };
    tokio::select! {
        written = writing => written?,
        end = io.ended() => end.and(Err(io::ErrorKind::ConnectionReset.into()))?,
        () = io.killed() => return Err(io::ErrorKind::ConnectionAborted.into()),
    }
    Ok(io)
}

/// Writes the last bytes of a stream that is over, and closes its connection.
pub async fn see_off(socket: Arc<Socket>, rest: Vec<u8>, keep: Keep, metrics: Metrics) {
    if let Ok(io) = SocketIo::new(socket.clone(), metrics) {
        linger(&io, &rest).await;
    }
    socket.close();
    drop(keep);
}

/// Closed at once, a connection with something unread, or whose peer reads slowly, would lose its last word.
async fn linger(io: &SocketIo, rest: &[u8]) {
    let taking = async {
        let taken = tokio::time::timeout(LAST_WORD, io.write_all(rest)).await;
        if !matches!(taken, Ok(Ok(()))) || io.shut_down().is_err() {
            return;
        }
        // `pulse` ends it where the peer takes nothing
        while io
            .condition()
            .is_some_and(|condition| condition.waiting > 0)
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = taking => {}
        _ = io.ended() => {}
        () = io.killed() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{task::Waker, time::Instant};

    use super::*;
    use crate::{
        hub::{
            frame::{Ending, Frame},
            seat::{End, Seat},
            test_node::{self, Pipe, node},
            transport::Transport,
        },
        model::{log::LogRow, signal::EventName, time::Time},
    };

    fn signal(seq: i64) -> Piece {
        let row = LogRow {
            seq,
            published_at: Time(0),
            body: "{}".into(),
        };
        let frame = Frame::new("e", &row, None, Instant::now());
        Piece::Signal(frame.chunk(EventName::Signal).clone(), Arc::new(frame))
    }

    /// Two signals and a last word on their way, of which the socket has taken three bytes; their node, and their seat.
    async fn begun() -> (Waiting, Outlet, Arc<Hub>, Arc<Seat>) {
        let transport: Arc<dyn Transport> = Arc::new(Pipe::default());
        let seat = Arc::new(test_node::seat(1, &transport, None));
        let hub = node().await;
        let (out, pieces) = mpsc::channel(8);
        let mut outlet = Outlet::new(pieces, seat.clone(), transport, hub.clone(), Instant::now());
        for piece in [
            signal(1),
            signal(2),
            Piece::Last(Ending::Superseded.frame()),
        ] {
            out.send(piece).await.unwrap();
        }
        let mut waiting = Waiting::default();
        assert_eq!(more(&mut waiting, &mut outlet).len(), 3, "all at once");
        waiting.wrote(3);
        (waiting, outlet, hub, seat)
    }

    /// What waits once it has taken what it may; by what is in it.
    fn more(waiting: &mut Waiting, outlet: &mut Outlet) -> Vec<String> {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = waiting.poll_more(outlet, &mut cx);
        let of = |(_, chunk): &(Piece, Chunk)| {
            let text = String::from_utf8(chunk.content().to_vec()).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        waiting.pieces.iter().map(of).collect()
    }

    #[tokio::test]
    async fn who_is_ended_gets_the_rest_of_a_frame_and_the_last_word_alone() {
        let (mut waiting, mut outlet, _hub, seat) = begun().await;
        let is_shut = outlet.shutter();
        assert!(!is_shut());
        seat.end(End::Error(Ending::Superseded));
        assert!(is_shut());
        waiting.give_back(&mut outlet);
        assert_eq!(more(&mut waiting, &mut outlet), ["event: error"]);
        assert!(waiting.begun.ends_with(b"id: e-1\n\n\r\n"), "whole");
    }

    #[tokio::test]
    async fn what_has_left_whole_is_known_by_its_last_byte() {
        let (mut waiting, _outlet, _hub, _seat) = begun().await;
        let rest = waiting.begun.len();
        waiting.wrote(rest - 1);
        assert_eq!(waiting.whole, []);
        waiting.wrote(1);
        assert_eq!(waiting.whole, [Passed::Signal(1)]);
        let second = waiting.pieces[0].1.whole().len();
        // and a byte of the last word
        waiting.wrote(second + 1);
        assert_eq!(waiting.whole, [Passed::Signal(1), Passed::Signal(2)]);
        assert_eq!(Waiting::behind(7, Bytes::new()).whole, [Passed::Signal(7)]);
        let mut behind = Waiting::behind(7, Bytes::from_static(b"ab"));
        assert_eq!(behind.whole, []);
        behind.wrote(2);
        assert_eq!(behind.whole, [Passed::Signal(7)]);
    }

    #[tokio::test]
    async fn what_a_silent_node_had_taken_waits_until_it_may_speak() {
        let (mut waiting, mut outlet, hub, _seat) = begun().await;
        hub.tenure.end();
        waiting.give_back(&mut outlet);
        assert!(more(&mut waiting, &mut outlet).is_empty());
        hub.tenure.extend(Duration::from_secs(1));
        let all = ["event: signal", "event: error"];
        assert_eq!(more(&mut waiting, &mut outlet), all, "in their order");
    }
}
