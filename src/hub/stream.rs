//! One stream from hello to its end: frames, pings, probes, lapse, and nothing after the end.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    catch_up::{Cursor, Step},
    frame::{self, Ending, Frame, Gap, GapReason},
    lag::Lag,
    metrics::CloseLabel,
    node::Hub,
    opening::{COMMITTED_WITHIN, Opening, Replay},
    piece::Piece,
    seat::End,
    seats::SeatGuard,
    transport::Transport,
};
use crate::model::{log::Position, time::Time};

/// How long the last word may wait for a client that does not read.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Why a stream ends.
#[derive(Debug)]
pub enum Over {
    /// Something to say, then the end.
    Say(&'static str, Bytes),
    /// The client is gone, or cannot be told.
    Silent(&'static str),
}

impl Over {
    /// What becomes of a stream that is ended from outside.
    #[must_use]
    pub fn by(end: End, retry_ms: u32) -> Self {
        match end {
            End::Error(ending) => Over::Say(ending.code(), ending.frame()),
            End::Gone => Over::Silent("holder_gone"),
            End::Unreachable => Over::Silent("unreachable"),
            End::Drain => Over::Say("drain", frame::bye("drain", retry_ms)),
            End::SignedOut => Over::Say("signed_out", frame::bye("signed_out", retry_ms)),
            End::Closed => Over::Say(
                "closed_by_operator",
                frame::bye("closed_by_operator", retry_ms),
            ),
        }
    }

    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Over::Say(reason, _) | Over::Silent(reason) => reason,
        }
    }
}

/// Counts a stream that is over. Its seat may still be held.
pub fn note_end(hub: &Hub, seat: &SeatGuard, reason: &'static str) {
    hub.writes.close(seat, hub.clock.now());
    hub.metrics.streams.dec();
    hub.metrics
        .closes
        .get_or_create(&CloseLabel { reason })
        .inc();
    tracing::info!(key = %seat.key(), connection = seat.connection, peer = %seat.peer, reason, "stream closed");
}

/// Runs a stream until it ends; the seat is freed on return. `out` leads to the connection.
pub async fn run(
    hub: Arc<Hub>,
    seat: SeatGuard,
    socket: Arc<dyn Transport>,
    opening: Opening,
    out: mpsc::Sender<Piece>,
) {
    hub.metrics.streams.inc();
    let over = Stream::new(&hub, &seat, &opening, &out).until_over().await;
    end(&hub, &seat, &*socket, over, &out).await;
}

/// Runs a stream until it has all there is, or ends. Where it goes on from, if it does.
pub async fn catch_up(
    hub: &Arc<Hub>,
    seat: &SeatGuard,
    socket: &dyn Transport,
    opening: Opening,
    out: mpsc::Sender<Piece>,
) -> Option<Opening> {
    let mut stream = Stream::new(hub, seat, &opening, &out);
    match stream.until_live().await {
        Ok(()) => {
            let (at, log) = (stream.cursor.at(), stream.cursor.log());
            let (matched, next_ping) = (stream.matched, stream.next_ping);
            drop(stream);
            Some(Opening {
                hello: None,
                gap: None,
                at,
                log,
                matched,
                next_ping,
                ..opening
            })
        }
        Err(over) => {
            drop(stream);
            end(hub, seat, socket, over, &out).await;
            None
        }
    }
}

async fn end(
    hub: &Hub,
    seat: &SeatGuard,
    socket: &dyn Transport,
    over: Over,
    out: &mpsc::Sender<Piece>,
) {
    note_end(hub, seat, over.reason());
    let last = match over {
        Over::Say(_, last) => Some(last),
        Over::Silent(_) => None,
    };
    // the seat may be another's by now: one try to tell, without waiting for a reader that does not read; one that reads slowly
    // has ended of itself, and may take as long as a reader may pause
    let patience = match seat.ending() {
        None => LAST_WORD.max(Duration::from_secs(hub.config.write_stall_seconds)),
        Some(_) => LAST_WORD,
    };
    let told = match last {
        Some(last) => tokio::time::timeout(patience, out.send(Piece::Last(last)))
            .await
            .is_ok_and(|sent| sent.is_ok()),
        None => false,
    };
    if !told {
        socket.kill();
    }
}

/// A comment, and the event beside it, if any: each is a frame of its own.
struct Comment(Bytes, Option<Bytes>);

struct Stream<'a> {
    hub: &'a Arc<Hub>,
    seat: &'a SeatGuard,
    opening: &'a Opening,
    out: &'a mpsc::Sender<Piece>,
    cursor: Cursor,
    /// The position that the client is known to hold: what a heartbeat's id says.
    sent_at: i64,
    /// The log that it is in: the cursor's, but for the time in which the gap between them is yet to be said.
    sent_in: Arc<str>,
    /// The last id that was sent: behind `sent_at` where a filter hides rows.
    told: i64,
    matched: u64,
    /// Handed over so far.
    pieces: u64,
    next_ping: Instant,
    lag: Lag,
    /// The replay's last seq, once that is known.
    replay_last: Option<i64>,
    /// Where a paced replay counts from, its first frame: that one's time and ours.
    pace: Option<(Time, Instant)>,
}

impl<'a> Stream<'a> {
    fn new(
        hub: &'a Arc<Hub>,
        seat: &'a SeatGuard,
        opening: &'a Opening,
        out: &'a mpsc::Sender<Piece>,
    ) -> Self {
        let patience = Duration::from_secs(hub.config.lag_seconds.max(1));
        Stream {
            cursor: Cursor::new(hub.clone(), opening.log.clone(), opening.at),
            sent_at: opening.at,
            sent_in: opening.log.epoch.clone(),
            told: opening.at,
            matched: opening.matched,
            pieces: 0,
            next_ping: opening.next_ping,
            lag: Lag::new(patience, Instant::now()),
            replay_last: opening.replay.and_then(|replay| replay.last),
            pace: None,
            hub,
            seat,
            opening,
            out,
        }
    }

    async fn until_over(&mut self) -> Over {
        if let Err(over) = self.greet().await {
            return over;
        }
        loop {
            if let Err(over) = self.step().await {
                return over;
            }
        }
    }

    /// Until there is nothing more to be read; a replay is never that far.
    async fn until_live(&mut self) -> Result<(), Over> {
        self.greet().await?;
        loop {
            while self.opening.replay.is_some() || !self.cursor.is_live() {
                self.step().await?;
            }
            // all of it has left as well: until then, somebody has to look after it
            let said = self.pieces;
            let (to, flushed) = oneshot::channel();
            self.send(Piece::Flush(to)).await?;
            self.hold(async {
                // who does not write any more has closed `out` as well
                if flushed.await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await?;
            if self.pieces == said + 1 && self.cursor.is_live() {
                return Ok(());
            }
        }
    }

    async fn step(&mut self) -> Result<(), Over> {
        if let Some(last) = self.replay_last
            && self.cursor.at() >= last
        {
            return Err(self.end_replay(last).await);
        }
        if self.cursor.at() >= self.hub.ring.head() {
            self.lag.rest();
        }
        // what has happened wins over what could be sent
        let step = tokio::select! {
            biased;
            over = interruption(self.hub, self.seat, self.out, self.opening.retry_ms) => return Err(over),
            () = self.seat.probe_asked() => Err(Comment(frame::PROBE, None)),
            () = sleep_until(self.next_ping) => Err(self.ping()),
            last = last_of_replay(self.hub, self.opening.replay), if self.replay_last.is_none() => {
                self.replay_last = Some(last);
                return Ok(());
            }
            step = self.cursor.next() => Ok(step),
        };
        match step {
            Err(comment) => self.say(comment).await,
            Ok(Step::Gap(gap)) => self.send_gap(&gap).await,
            Ok(Step::Frames(frames)) => self.send_frames(frames).await,
        }
    }

    /// A client comes back after `bye`, and must then stand at the end, even if the last frames were hidden from it.
    async fn end_replay(&mut self, until: i64) -> Over {
        if self.told < until {
            let at = Position {
                epoch: self.sent_in.clone(),
                seq: until,
            };
            let last = frame::heartbeat(&at, self.hub.clock.now(), Some(self.matched));
            if let Err(over) = self.send(Piece::Heartbeat(last)).await {
                return over;
            }
        }
        Over::Say(
            "replay_finished",
            frame::bye("replay_finished", self.opening.retry_ms),
        )
    }

    async fn greet(&mut self) -> Result<(), Over> {
        if let Some(hello) = &self.opening.hello {
            self.send(Piece::Control(hello.clone())).await?;
        }
        if let Some(gap) = &self.opening.gap {
            self.send(Piece::Control(frame::gap(&self.opening.log.epoch, gap)))
                .await?;
        }
        Ok(())
    }

    /// Notes that the ping is due no more; its frames.
    fn ping(&mut self) -> Comment {
        self.next_ping += Duration::from_secs(self.hub.config.ping_seconds);
        let heartbeat = self.opening.heartbeat.then(|| {
            let matched = (!self.opening.filter.is_open()).then_some(self.matched);
            frame::heartbeat(&self.sent(), self.hub.clock.now(), matched)
        });
        Comment(frame::PING, heartbeat)
    }

    /// The position that the client is known to hold.
    fn sent(&self) -> Position {
        Position {
            epoch: self.sent_in.clone(),
            seq: self.sent_at,
        }
    }

    async fn say(&mut self, comment: Comment) -> Result<(), Over> {
        self.send(Piece::Comment(comment.0)).await?;
        match comment.1 {
            Some(heartbeat) => self.send(Piece::Heartbeat(heartbeat)).await,
            None => Ok(()),
        }
    }

    async fn send_gap(&mut self, gap: &Gap) -> Result<(), Over> {
        self.wait_for_tenure().await?;
        self.sent_at = gap.resume_at;
        self.sent_in = self.cursor.epoch();
        let place = self.sent();
        self.send(Piece::Gap(frame::gap(&self.sent_in, gap), place))
            .await?;
        // where a replay ends is a place in the log that is gone
        if self.opening.replay.is_some() && gap.reason == GapReason::EpochChanged {
            let bye = frame::bye("epoch_changed", self.opening.retry_ms);
            return Err(Over::Say("epoch_changed", bye));
        }
        Ok(())
    }

    async fn send_frames(&mut self, frames: Vec<Arc<Frame>>) -> Result<(), Over> {
        // what is on its way from before is not of what is noted from here on
        if self.seat.notes_writes() {
            let (seat, filter) = (self.seat.shared(), &self.opening.filter);
            self.hub.writes.begin(&seat, filter, &self.sent());
        }
        for frame in frames {
            if self
                .opening
                .replay
                .is_some_and(|replay| frame.published_at > replay.until)
            {
                break;
            }
            let seq = frame.seq;
            if let Some(name) = self.opening.filter.event_name(&frame.facets) {
                self.wait_for_pace(&frame).await?;
                self.wait_for_tenure().await?;
                self.matched += 1;
                self.send(Piece::Signal(frame.chunk(name).clone(), frame))
                    .await?;
                self.told = seq;
            }
            self.sent_at = seq;
            let behind = self.hub.ring.head() - seq;
            // a replay is behind on purpose
            if self.opening.replay.is_none() && self.lag.is_hopeless(behind, Instant::now()) {
                return Err(too_slow());
            }
        }
        Ok(())
    }

    /// In a paced replay, holds a frame back until its time; pings go on.
    async fn wait_for_pace(&mut self, frame: &Frame) -> Result<(), Over> {
        let Some(replay) = self.opening.replay else {
            return Ok(());
        };
        let (from, began) = *self
            .pace
            .get_or_insert((frame.published_at, Instant::now()));
        let after = frame.published_at.seconds_since(from).max(0.0) / replay.speed;
        let due = began + Duration::from_secs_f64(after.min(1e9));
        self.hold(sleep_until(due)).await
    }

    /// Holds signals back while the node may send none.
    async fn wait_for_tenure(&mut self) -> Result<(), Over> {
        let hub = self.hub;
        while hub.tenure.is_muted() {
            self.hold(hub.tenure.unmuted()).await?;
            self.lag.rest();
        }
        Ok(())
    }

    /// Sends no signals until something has happened; pings go on.
    async fn hold(&mut self, until: impl Future<Output = ()>) -> Result<(), Over> {
        tokio::pin!(until);
        loop {
            let comment = tokio::select! {
                biased;
                over = interruption(self.hub, self.seat, self.out, self.opening.retry_ms) => return Err(over),
                () = self.seat.probe_asked() => Comment(frame::PROBE, None),
                () = &mut until => return Ok(()),
                () = sleep_until(self.next_ping) => self.ping(),
            };
            self.say(comment).await?;
        }
    }

    fn count(&mut self, piece: &Piece) {
        self.pieces += 1;
        if !matches!(piece, Piece::Flush(_)) {
            self.hub.metrics.frames.inc();
        }
    }

    /// Hands a piece to the connection, as soon as it takes it. `pulse` ends a client that takes no byte for too long.
    async fn send(&mut self, piece: Piece) -> Result<(), Over> {
        // the usual case, without a timer: nothing has happened, and there is room
        if self.seat.ending().is_none()
            && self.seat.lapsed(self.hub.clock.now()).is_none()
            && let Ok(place) = self.out.try_reserve()
        {
            self.count(&piece);
            place.send(piece);
            return Ok(());
        }
        tokio::select! {
            biased;
            over = interruption(self.hub, self.seat, self.out, self.opening.retry_ms) => Err(over),
            place = self.out.reserve() => match place {
                Ok(place) => {
                    self.count(&piece);
                    place.send(piece);
                    Ok(())
                }
                Err(_) => Err(Over::Silent("client_gone")),
            },
        }
    }
}

/// The last seq of a replay whose end is still to come; never resolves without one.
async fn last_of_replay(hub: &Hub, replay: Option<Replay>) -> i64 {
    let Some(replay) = replay else {
        return std::future::pending().await;
    };
    loop {
        // in steps: the wall clock may be set meanwhile
        let left = replay.until.plus(COMMITTED_WITHIN).0 - hub.clock.now().0;
        if left < 0 {
            match hub.log.settled_before(replay.until.plus(1)).await {
                Ok(last) => return last,
                Err(error) => tracing::warn!(%error, "a replay's end waits for the database"),
            }
        }
        let step = left.clamp(1_000, 10 * Time::SECOND);
        tokio::time::sleep(Duration::from_micros(step as u64)).await;
    }
}

fn too_slow() -> Over {
    Over::Say(Ending::SlowConsumer.code(), Ending::SlowConsumer.frame())
}

/// Resolves when the stream has to end, whatever it is doing: ended from outside, lapsed, or left by its client.
async fn interruption(
    hub: &Hub,
    seat: &SeatGuard,
    out: &mpsc::Sender<Piece>,
    retry_ms: u32,
) -> Over {
    loop {
        if let Some(end) = seat.ending() {
            return Over::by(end, retry_ms);
        }
        let now = hub.clock.now();
        if let Some(ending) = seat.lapsed(now) {
            seat.end(End::Error(ending));
            return Over::Say(ending.code(), ending.frame());
        }
        // a timer of at most a day: the wall clock may be set meanwhile
        let left = seat.lapse().map_or(Time::DAY, |lapse| {
            (lapse.at.0 - now.0).clamp(1_000, Time::DAY)
        });
        tokio::select! {
            biased;
            () = seat.changed() => {}
            () = out.closed() => return Over::Silent("client_gone"),
            () = tokio::time::sleep(Duration::from_micros(left as u64)) => {}
        }
    }
}
