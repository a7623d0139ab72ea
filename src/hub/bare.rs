//! Streams on bare sockets that are not live: a task for each, which catches up or sees the last bytes off.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    chunk::{self, Chunk},
    metrics::Metrics,
    node::Hub,
    outlet::Outlet,
    socket::{Socket, SocketIo},
    stream::{self, note_end},
    transport::Transport as _,
    wire::{Bare, Keep},
};

/// Bytes that are gathered for one write.
const GATHERED: usize = 32 * 1024;
/// How long the last bytes of a stream that is over may be on their way until the system has taken them.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How often it is asked whether the peer has them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Brings a stream to the head of the log, and hands it on; or to its end. `rest`: what is left of a frame that it has in part.
pub async fn catch_up(
    hub: Arc<Hub>,
    stream: Bare<Socket>,
    rest: Vec<u8>,
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
    let running = stream::catch_up(&hub, &seat, &*socket, opening, out);
    let (goes_on, written) = tokio::join!(running, write(io, outlet, rest));
    match (goes_on, written) {
        (Some(opening), Ok(io)) => {
            drop(io);
            live(Bare {
                seat,
                socket,
                opening,
                opened,
                keep,
            });
        }
        (Some(_), Err(_)) => note_end(&hub, &seat, "client_gone"),
        (None, Ok(io)) => {
            drop(seat);
            linger(&io, chunk::END).await;
            socket.close();
            drop(keep);
        }
        (None, Err(_)) => socket.close(),
    }
}

/// Writes what an outlet lets through until its end, as much at once as there is.
async fn write(io: SocketIo, mut outlet: Outlet, rest: Vec<u8>) -> io::Result<SocketIo> {
    let mut bytes = rest;
    let writing = async {
        let mut ended = false;
        loop {
            io.write_all(&bytes).await?;
            bytes.clear();
            if ended {
                return io::Result::Ok(());
            }
            ended = poll_fn(|cx| gather(&mut outlet, &mut bytes, cx)).await;
        }
    };
    tokio::select! {
        written = writing => written?,
        end = io.ended() => end.and(Err(io::ErrorKind::ConnectionReset.into()))?,
        () = io.killed() => return Err(io::ErrorKind::ConnectionAborted.into()),
    }
    Ok(io)
}

/// Takes what may be written now, at least one frame; whether that was the last.
fn gather(outlet: &mut Outlet, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<bool> {
    while bytes.len() < GATHERED {
        match outlet.poll_bytes(cx) {
            Poll::Ready(Some(frame)) => bytes.extend_from_slice(Chunk::of(frame).whole()),
            Poll::Ready(None) => return Poll::Ready(true),
            Poll::Pending if bytes.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(false)
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
