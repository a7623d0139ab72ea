//! One endpoint's worker: from its place in the log on, message by message, each until it is answered or given up.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    attempt::{self, Line, Message, Outcome},
    ledger::Ledger,
    metrics::Metrics,
    secret::Secret,
    sign,
    window::{Settled, Window},
};
use crate::{
    gate::{endpoint::Compat, filter::Filter},
    hub::{
        catch_up::{Cursor, Step},
        frame::Frame,
        node::Hub,
    },
    model::{
        log::Position,
        random::Random,
        signal,
        time::{Clock, Time},
    },
    store::{
        hook_messages::{self, Attempt},
        hook_takings::Taken,
    },
};

/// Attempts of one endpoint at once.
pub const ABREAST: usize = 8;
/// Where a message's row cannot be read now, this long is waited.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What all endpoints of a node share.
pub struct Shared {
    /// The node's log.
    pub hub: Arc<Hub>,
    /// Where progress is noted.
    pub ledger: Ledger,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// Counters.
    pub metrics: Metrics,
}

/// What signs an endpoint's messages.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The one that it has.
    pub now: Secret,
    /// The one before, and until when it signs as well.
    pub before: Option<(Secret, Time)>,
}

/// An endpoint that this node sends to.
pub struct Endpoint {
    shared: Arc<Shared>,
    id: Arc<str>,
    filter: Filter,
    compat: Option<Compat>,
    secrets: Secrets,
    line: Arc<Line>,
    window: Window,
    place: Position,
    /// Cancelled where it turns out to be another node's.
    lost: CancellationToken,
}

/// An attempt that is over.
struct Done {
    seq: i64,
    signal_id: String,
    number: u32,
    began: Time,
    took: Duration,
    outcome: Outcome,
}

impl Endpoint {
    /// One that was taken, with the messages that wait.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        taken: Taken,
        secrets: Secrets,
        line: Line,
        waiting: Vec<hook_messages::Message>,
    ) -> Self {
        let Taken { hook, fence } = taken;
        let seq = hook.sent_to.seq;
        let window = Window::new(
            &hook.id,
            fence,
            hook.ordered,
            ABREAST,
            seq,
            hook.failing,
            waiting,
        );
        Endpoint {
            shared,
            id: hook.id.into(),
            filter: hook.filter,
            compat: hook.compat,
            secrets,
            line: Arc::new(line),
            window,
            place: hook.sent_to,
            lost: CancellationToken::new(),
        }
    }

    /// Sends until `stop`; what is under way then finishes, and is noted.
    pub async fn run(mut self, stop: CancellationToken) {
        let hub = self.shared.hub.clone();
        let (log, head) = hub.ring.standing();
        let at = if *log.epoch == *self.place.epoch {
            self.place.seq
        } else {
            // the log that it stood in is no more: it goes on with what comes
            self.window.pass(head);
            head
        };
        let mut cursor = Cursor::new(hub.clone(), log, at);
        let mut read: VecDeque<Arc<Frame>> = VecDeque::new();
        let mut attempts = JoinSet::new();
        let mut disabled = false;
        while !disabled {
            self.place.epoch = cursor.epoch();
            self.begin(&mut read, &mut attempts);
            self.note().await;
            let wants_more = read.is_empty() && self.window.may_take();
            let due = self.window.next_due();
            let muted = hub.tenure.is_muted();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.lost.cancelled() => break,
                Some(done) = attempts.join_next() => disabled = self.settle(done),
                () = hub.tenure.unmuted(), if muted => {}
                () = self.until(due), if due.is_some() && !muted => {}
                step = cursor.next(), if wants_more => match step {
                    Step::Frames(frames) => read.extend(frames),
                    Step::Gap(gap) => self.window.pass(gap.resume_at),
                },
            }
        }
        while let Some(done) = attempts.join_next().await {
            self.settle(done);
        }
        self.note().await;
    }

    async fn until(&self, due: Option<Time>) {
        if let Some(due) = due {
            let left = due.0.saturating_sub(self.shared.clock.now().0).max(0);
            tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))).await;
        }
    }

    /// Begins what may be begun: first what waits and is due, then what is new.
    fn begin(&mut self, read: &mut VecDeque<Arc<Frame>>, attempts: &mut JoinSet<Done>) {
        if self.shared.hub.tenure.is_muted() {
            return;
        }
        while let Some((seq, number)) = self.window.take_due(self.shared.clock.now()) {
            let sender = self.sender();
            attempts.spawn(async move { sender.send_again(seq, number).await });
        }
        while self.window.may_take()
            && let Some(frame) = read.pop_front()
        {
            if !self.filter.passes(&frame.facets) {
                self.window.pass(frame.seq);
                continue;
            }
            self.window.take(frame.seq, self.shared.clock.now());
            let sender = self.sender();
            attempts.spawn(async move { sender.send(frame.seq, frame.data(), 1).await });
        }
    }

    fn sender(&self) -> Sender {
        Sender {
            shared: self.shared.clone(),
            line: self.line.clone(),
            secrets: self.secrets.clone(),
            compat: self.compat,
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

    async fn note(&mut self) {
        let seq = self.window.sent_to();
        if let Some(mut progress) = self.window.take_progress() {
            let epoch = self.place.epoch.clone();
            progress.sent_to = Some(Position { epoch, seq });
            self.shared.ledger.note(progress, &self.lost).await;
        }
    }
}

/// What one attempt needs.
struct Sender {
    shared: Arc<Shared>,
    line: Arc<Line>,
    secrets: Secrets,
    compat: Option<Compat>,
}

impl Sender {
    /// A message that waits: its row is read again.
    async fn send_again(&self, seq: i64, number: u32) -> Done {
        let row = loop {
            match self.shared.hub.log.after(seq - 1, 1).await {
                Ok(part) => break part.rows.into_iter().find(|row| row.seq == seq),
                Err(error) => {
                    tracing::warn!(%error, "a webhook waits for the database");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        };
        match row {
            Some(row) => self.send(seq, signal::wire(&row).into(), number).await,
            None => Done {
                seq,
                signal_id: String::new(),
                number,
                began: self.shared.clock.now(),
                took: Duration::ZERO,
                outcome: Outcome::pruned(),
            },
        }
    }

    async fn send(&self, seq: i64, data: bytes::Bytes, number: u32) -> Done {
        let began = self.shared.clock.now();
        let signal_id = signal::id_of(&data).unwrap_or_default();
        let headers = self.headers(seq, &signal_id, &data, began);
        let started = std::time::Instant::now();
        let message = Message {
            body: data,
            headers,
        };
        let outcome = self.line.attempt(&message).await;
        Done {
            seq,
            signal_id,
            number,
            began,
            took: started.elapsed(),
            outcome,
        }
    }

    fn headers(&self, seq: i64, id: &str, body: &[u8], now: Time) -> HeaderMap {
        let before = self.secrets.before.as_ref();
        let before = before
            .filter(|(_, until)| now < *until)
            .map(|(secret, _)| secret);
        let live: Vec<&Secret> = std::iter::once(&self.secrets.now).chain(before).collect();
        let at = now.0.div_euclid(Time::SECOND);
        let mut headers = HeaderMap::new();
        // proof: ids are UUIDs, numbers and base64: no header refuses these letters
        let mut put = |name: &'static str, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put(sign::ID, id.to_owned());
        put(sign::TIMESTAMP, at.to_string());
        put(sign::SIGNATURE, sign::standard(&live, id, at, body));
        if self.compat == Some(Compat::Sigmate) {
            put(sign::SIGMATE_EVENT, sign::SIGNAL_FIRED.to_owned());
            put(
                sign::SIGMATE_SIGNATURE,
                sign::sigmate(&self.secrets.now, body),
            );
            if let Some(before) = before {
                put(sign::SIGMATE_PREVIOUS, sign::sigmate(before, body));
            }
        }
        headers.insert(attempt::SEQ, seq.into());
        headers
    }
}
