//! One endpoint's worker: from its place in the log on, message by message, each until it is answered or given up.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Line,
    headers::Secrets,
    metrics::Why,
    range::{self, Part, Unread},
    sender::{Done, Sender, Shared},
    window::{Settled, Window},
};
use crate::{
    gate::filter::Filter,
    hub::{
        catch_up::{Cursor, Step},
        frame::{Frame, GapReason},
        ring::Lineage,
    },
    model::{log::Position, time::Time},
    store::{
        hook_messages::{self, Attempt, Range},
        hook_takings::Taken,
    },
};

/// Attempts of one endpoint at once.
pub const ABREAST: usize = 8;
/// Where the database cannot be read now, this long is waited.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// An endpoint that this node sends to.
pub struct Endpoint {
    shared: Arc<Shared>,
    id: Arc<str>,
    filter: Filter,
    sender: Sender,
    window: Window,
    place: Position,
    /// What is to be sent again.
    ranges: Vec<Range>,
    /// Told where something is to be sent again.
    asked: Arc<Notify>,
    /// What the gauges were told of it: how many messages wait, and whether it fails.
    shown: (i64, i64),
    /// Cancelled where it turns out to be another node's.
    lost: CancellationToken,
}

impl Endpoint {
    /// One that was taken; the messages that wait are read first.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        taken: Taken,
        secrets: Secrets,
        line: Line,
        asked: Arc<Notify>,
    ) -> Self {
        let Taken { hook, mark } = taken;
        let window = Window::new(
            &hook.id,
            mark.fence,
            hook.ordered,
            ABREAST,
            hook.sent_to.seq,
            hook.failing,
        );
        asked.notify_one();
        Endpoint {
            sender: Sender {
                shared: shared.clone(),
                line: Arc::new(line),
                secrets: Arc::new(secrets),
                compat: hook.compat,
            },
            shared,
            id: hook.id.into(),
            filter: hook.filter,
            window,
            place: hook.sent_to,
            ranges: Vec::new(),
            asked,
            shown: (0, 0),
            lost: CancellationToken::new(),
        }
    }

    /// Sends until `stop`; what is under way then finishes, and is noted.
    pub async fn run(mut self, stop: CancellationToken) {
        let hub = self.shared.hub.clone();
        let Some((log, at)) = self.stand(&stop).await else {
            return;
        };
        let mut cursor = Cursor::new(hub.clone(), log, at);
        let mut read: VecDeque<Arc<Frame>> = VecDeque::new();
        let mut attempts = JoinSet::new();
        let mut reading = JoinSet::new();
        let mut look_again = None;
        let mut disabled = false;
        while !disabled {
            self.place.epoch = cursor.epoch();
            let muted = hub.tenure.is_muted();
            if !muted {
                self.begin(&mut read, &mut attempts);
            }
            self.note().await;
            if self.window.stands_still() && !read.is_empty() {
                // it may wait for hours: it holds no frames meanwhile
                read.clear();
                cursor = Cursor::new(hub.clone(), cursor.log(), self.window.read_to());
            }
            let wants_more = read.is_empty() && !self.window.stands_still();
            if !muted && look_again.is_none() && reading.is_empty() {
                self.read_range(&mut reading);
            }
            let due = self.window.next_due();
            let asked = self.asked.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.lost.cancelled() => break,
                Some(done) = attempts.join_next() => disabled = self.settle(done),
                () = hub.tenure.unmuted(), if muted => {}
                () = asked.notified(), if look_again.is_none() => {
                    let looked = self.look().await;
                    look_again = self.read_again(looked);
                }
                () = until(look_again), if look_again.is_some() => {
                    look_again = None;
                    self.asked.notify_one();
                }
                Some(read) = reading.join_next() => look_again = self.expand(read),
                () = self.until(due), if due.is_some() && !muted => {}
                step = cursor.next(), if wants_more => match step {
                    Step::Frames(frames) => read.extend(frames),
                    // its place was moved along, in the database: it begins anew from there
                    Step::Gap(gap) if gap.reason == GapReason::EpochChanged => break,
                    Step::Gap(gap) => self.window.pass(gap.resume_at),
                },
            }
        }
        while let Some(done) = attempts.join_next().await {
            self.settle(done);
        }
        self.note().await;
        self.show(0, false);
    }

    /// Where it begins in the log as this node has it. A log that goes back is named anew in the database first, and places are moved along:
    /// the node follows within moments. `None`: it was stopped before.
    async fn stand(&mut self, stop: &CancellationToken) -> Option<(Lineage, i64)> {
        let hub = self.shared.hub.clone();
        loop {
            let (log, head) = hub.ring.standing();
            if *log.epoch == *self.place.epoch {
                return Some((log, self.place.seq));
            }
            match hub.log.head().await {
                Ok(now) if now.epoch == log.epoch => {
                    // its log is none that anybody knows: it goes on with what comes
                    self.window.stand_at(head);
                    return Some((log, head));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(webhook = &*self.id, %error, "a webhook waits for the database");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(READ_AGAIN) => {}
            }
        }
    }

    /// When to read again, where the database did not answer.
    fn read_again<T>(&self, read: Result<T, Unread>) -> Option<Instant> {
        let error = read.err()?;
        tracing::warn!(webhook = &*self.id, %error, "a webhook waits for the database");
        Some(Instant::now() + READ_AGAIN)
    }

    /// Reads what waits, and which ranges are to be sent again.
    async fn look(&mut self) -> Result<(), Unread> {
        self.note().await;
        // what has become of messages must be there before it is read
        self.shared.ledger.written().await;
        let waiting = self.shared.db.waiting_messages(&self.id).await?;
        self.ranges = self.shared.db.hook_ranges(&self.id).await?;
        self.window.join(waiting);
        self.window.set_has_ranges(!self.ranges.is_empty());
        Ok(())
    }

    /// Reads on in the first range, if its messages find room to wait.
    fn read_range(&self, reading: &mut JoinSet<Result<Part, Unread>>) {
        let room = self.window.room_for_ranges();
        if let Some(next) = self.ranges.first().copied()
            && room > 0
        {
            let (shared, id, filter) = (self.shared.clone(), self.id.clone(), self.filter.clone());
            reading.spawn(async move {
                match next.failed_since {
                    Some(since) => range::failed_part(&shared.db, &id, next, since, room).await,
                    None => range::log_part(&shared.hub, &filter, next, room).await,
                }
            });
        }
    }

    /// What was read of a range waits from here on.
    fn expand(&mut self, read: Result<Result<Part, Unread>, JoinError>) -> Option<Instant> {
        // it has no way to end otherwise; should it, it is read again
        let part = match read.ok()? {
            Ok(part) => part,
            Err(error) => return self.read_again(Err::<(), _>(error)),
        };
        // another look may have come in between
        let range = self
            .ranges
            .iter_mut()
            .find(|range| range.id == part.range.id)?;
        range.sent_to = part.sent_to;
        let left = (part.sent_to < range.until).then_some(part.sent_to);
        if left.is_none() {
            self.ranges.retain(|range| range.id != part.range.id);
        }
        let now = self.shared.clock.now();
        let message = |(seq, signal_id)| hook_messages::Message {
            seq,
            signal_id,
            attempts: 0,
            first_at: now,
            next_at: Some(now),
        };
        let messages = part.signals.into_iter().map(message).collect();
        self.window.expand(part.range.id, left, messages);
        self.window.set_has_ranges(!self.ranges.is_empty());
        None
    }

    async fn until(&self, due: Option<Time>) {
        if let Some(due) = due {
            let left = due.0.saturating_sub(self.shared.clock.now().0).max(0);
            tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))).await;
        }
    }

    /// Begins what may be begun: what waits and is due first, but of the hands only half while there is something new.
    fn begin(&mut self, read: &mut VecDeque<Arc<Frame>>, attempts: &mut JoinSet<Done>) {
        let now = self.shared.clock.now();
        loop {
            while let Some(frame) = read.front()
                && (!self.filter.passes(&frame.facets) || self.window.waits(frame.seq))
            {
                self.window.pass(frame.seq);
                read.pop_front();
            }
            let is_new_next = self.window.may_take() && !read.is_empty();
            let others_turn = is_new_next && self.window.has_its_share_of_waiting();
            let sender = self.sender.clone();
            if !others_turn && let Some(due) = self.window.take_due(now) {
                let (seq, id, number) = (due.seq, due.signal_id.clone(), due.attempts + 1);
                attempts.spawn(async move { sender.send_again(seq, id, number).await });
            } else if is_new_next && let Some(frame) = read.pop_front() {
                self.window.take(frame.seq, now);
                attempts.spawn(async move { sender.send(frame.seq, frame.data(), 1).await });
            } else {
                return;
            }
        }
    }

    /// Whether the endpoint is disabled by that.
    fn settle(&mut self, done: Result<Done, tokio::task::JoinError>) -> bool {
        // an attempt has no way to end otherwise; should it, its message stays under way, and is sent again by the next process
        let Ok(done) = done else {
            return false;
        };
        let now = self.shared.clock.now();
        let chance = f64::from(self.shared.random.number() as u32) / f64::from(u32::MAX);
        let settled = self
            .window
            .settle(done.seq, &done.signal_id, &done.outcome, now, chance);
        self.shared.metrics.attempt(done.outcome.failure, done.took);
        self.window.made(Attempt {
            seq: Some(done.seq),
            signal_id: done.signal_id,
            attempt: done.number,
            at: done.began,
            took: i64::try_from(done.took.as_micros()).unwrap_or(i64::MAX),
            status: done.outcome.status.map(|status| status.as_u16()),
            error: done
                .outcome
                .failure
                .map(|failure| failure.word().to_owned()),
            answer: Some(done.outcome.said).filter(|said| !said.is_empty()),
        });
        match settled {
            Settled::Disabled(why) => {
                let why_label = Why { why: why.word() };
                self.shared.metrics.disabled.get_or_create(&why_label).inc();
                tracing::warn!(
                    webhook = &*self.id,
                    why = why.word(),
                    "a webhook is disabled"
                );
                true
            }
            Settled::Failed => {
                self.shared.metrics.given_up.inc();
                false
            }
            Settled::Answered | Settled::Waits(_) => false,
        }
    }

    /// Has the gauges show this endpoint so.
    fn show(&mut self, waiting: usize, fails: bool) {
        let now = (i64::try_from(waiting).unwrap_or(i64::MAX), i64::from(fails));
        self.shared.metrics.waiting.inc_by(now.0 - self.shown.0);
        self.shared.metrics.failing.inc_by(now.1 - self.shown.1);
        self.shown = now;
    }

    async fn note(&mut self) {
        self.show(self.window.waiting(), self.window.is_failing());
        let seq = self.window.sent_to();
        if let Some(mut progress) = self.window.take_progress() {
            let epoch = self.place.epoch.clone();
            progress.sent_to = Some(Position { epoch, seq });
            self.shared.ledger.note(progress, &self.lost).await;
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
}
