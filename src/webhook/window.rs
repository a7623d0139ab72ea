//! An endpoint's messages: which are under way, which wait to be sent again, and where that leaves it in the log. Pure: moments and chance are arguments.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    attempt::{Failure, Outcome},
    schedule,
};
use crate::{
    model::time::Time,
    store::{
        hook_messages::{Attempt, MOST_WAITING, Message, Progress},
        hooks::Disabled,
    },
};

/// So many messages in a row, and an endpoint is asked with one at a time.
const FAILS: i64 = 8;
/// Of ranges that are sent again, so many messages wait at once for their first attempt, ...
const MOST_OF_RANGES: usize = 16;
/// ... and of all that wait, they leave so many to the log's own.
const LEFT_TO_THE_LOG: usize = 16;

/// What a message that is attempted is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Of the log: nothing is known of it but its seq.
    First { began: Time },
    /// It has a row of its own.
    Again,
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is acknowledged.
    Answered,
    /// It is sent again at that moment.
    Waits(Time),
    /// It is given up.
    Failed,
    /// And so is its endpoint.
    Disabled(Disabled),
}

/// The state of one endpoint.
#[derive(Debug)]
pub struct Window {
    ordered: bool,
    /// Attempts at once.
    abreast: usize,
    /// All of the log up to here was looked at.
    read_to: i64,
    under_way: BTreeMap<i64, Stage>,
    waiting: BTreeMap<i64, Message>,
    due: BTreeSet<(Time, i64)>,
    /// Whether there are ranges to be sent again.
    has_ranges: bool,
    failing: Option<(Time, i64)>,
    progress: Progress,
    changed: bool,
}

impl Window {
    /// Of an endpoint that stands behind a seq.
    #[must_use]
    pub fn new(
        hook_id: &str,
        fence: i64,
        ordered: bool,
        abreast: usize,
        read_to: i64,
        failing: Option<(Time, i64)>,
    ) -> Self {
        Window {
            ordered,
            abreast: abreast.max(1),
            read_to,
            under_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            has_ranges: false,
            failing,
            progress: Progress {
                hook_id: hook_id.to_owned(),
                fence,
                ..Progress::default()
            },
            changed: false,
        }
    }

    fn let_wait(&mut self, message: Message) {
        if let Some(at) = message.next_at {
            self.due.insert((at, message.seq));
            self.waiting.insert(message.seq, message);
        }
    }

    /// Attempts at once: one where all has failed for a while, so that an endpoint which answers nothing holds no more than one connection.
    fn abreast(&self) -> usize {
        let fails = self.failing.is_some_and(|(_, messages)| messages >= FAILS);
        if self.ordered || fails {
            1
        } else {
            self.abreast
        }
    }

    fn has_hand_free(&self) -> bool {
        self.under_way.len() < self.abreast()
    }

    /// Messages of the log that are under way for the first time: each may have to wait.
    fn first_ones(&self) -> usize {
        let first = |stage: &&Stage| matches!(stage, Stage::First { .. });
        self.under_way.values().filter(first).count()
    }

    /// Whether the next message of the log may be sent.
    #[must_use]
    pub fn may_take(&self) -> bool {
        self.has_hand_free() && !self.stands_still()
    }

    /// Whether its place in the log waits for messages that wait: for all that may, or in order for a single one.
    #[must_use]
    pub fn stands_still(&self) -> bool {
        let is_full = self.waiting.len() + self.first_ones() >= MOST_WAITING;
        is_full || self.ordered && (self.has_ranges || !self.waiting.is_empty())
    }

    /// All of the log up to here was looked at.
    #[must_use]
    pub fn read_to(&self) -> i64 {
        self.read_to
    }

    /// Whether messages that are sent again have half of the hands: the next is the log's, if there is one.
    #[must_use]
    pub fn has_its_share_of_waiting(&self) -> bool {
        let again = self.under_way.len() - self.first_ones();
        again >= self.abreast().div_ceil(2)
    }

    /// Messages that are to be sent again by their owner's wish, as the database has them; those that wait already come when the earlier says.
    pub fn join(&mut self, messages: Vec<Message>) {
        for message in messages {
            let (seq, Some(at)) = (message.seq, message.next_at) else {
                continue;
            };
            match self.under_way.get(&seq) {
                // answered now, it is answered after it was asked for
                Some(Stage::First { .. }) => {
                    self.waiting.insert(seq, message);
                    continue;
                }
                Some(Stage::Again) => continue,
                None => {}
            }
            match self.waiting.get(&seq).and_then(|waits| waits.next_at) {
                Some(known) if known <= at => {}
                known => {
                    if let Some(known) = known {
                        self.due.remove(&(known, seq));
                    }
                    self.let_wait(message);
                }
            }
        }
    }

    /// Whether there are ranges to be sent again.
    pub fn set_has_ranges(&mut self, has_ranges: bool) {
        self.has_ranges = has_ranges;
    }

    /// An endpoint for which all had failed is well again: what waits does not wait for its time. Where one message alone fails it does, or
    /// that one would use up its attempts while the others are answered.
    fn bring_forward(&mut self, now: Time) {
        for (_, seq) in self.due.split_off(&(now, i64::MAX)) {
            self.due.insert((now, seq));
            if let Some(message) = self.waiting.get_mut(&seq) {
                message.next_at = Some(now);
            }
        }
    }

    /// How many messages of ranges find room to wait.
    #[must_use]
    pub fn room_for_ranges(&self) -> usize {
        let never_sent = self.waiting.values().filter(|one| one.attempts == 0);
        let own = MOST_OF_RANGES.saturating_sub(never_sent.count());
        // those that failed wait for days, and a range does not wait with them while there is room
        let all = self.waiting.len() + self.first_ones();
        own.min((MOST_WAITING - LEFT_TO_THE_LOG).saturating_sub(all))
    }

    /// A range has moved on to a seq, or is done (`None`), and these of its messages are to be sent.
    pub fn expand(&mut self, range: i64, sent_to: Option<i64>, messages: Vec<Message>) {
        self.progress.ranges.push((range, sent_to));
        self.changed = true;
        for message in messages {
            let seq = message.seq;
            if !self.waiting.contains_key(&seq) && !self.under_way.contains_key(&seq) {
                self.write_down(message.clone());
                self.let_wait(message);
            }
        }
    }

    fn write_down(&mut self, message: Message) {
        let seq = message.seq;
        self.progress.answered.retain(|noted| *noted != seq);
        self.progress.waiting.retain(|noted| noted.seq != seq);
        self.progress.waiting.push(message);
    }

    /// The next message of the log is sent.
    pub fn take(&mut self, seq: i64, now: Time) {
        self.read_to = seq;
        self.under_way.insert(seq, Stage::First { began: now });
        self.changed = true;
    }

    /// What lies up to a seq does not concern it.
    pub fn pass(&mut self, seq: i64) {
        self.changed |= seq > self.read_to;
        self.read_to = self.read_to.max(seq);
    }

    /// It goes on behind a seq, wherever it stood.
    pub fn stand_at(&mut self, seq: i64) {
        self.read_to = seq;
        self.changed = true;
    }

    /// A message that waits and is due is sent again; which, and the how many-th attempt that is.
    pub fn take_due(&mut self, now: Time) -> Option<&Message> {
        let (at, seq) = self.first_due()?;
        if at > now || !self.has_hand_free() {
            return None;
        }
        self.due.remove(&(at, seq));
        self.under_way.insert(seq, Stage::Again);
        self.waiting.get(&seq)
    }

    /// When the next one is due, if a hand is free for it.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        let due = self.first_due().map(|(at, _)| at);
        due.filter(|_| self.has_hand_free())
    }

    /// In order means by seq, whenever each is due.
    fn first_due(&self) -> Option<(Time, i64)> {
        if !self.ordered {
            return self.due.first().copied();
        }
        let (seq, first) = self.waiting.first_key_value()?;
        let due = (first.next_at?, *seq);
        self.due.contains(&due).then_some(due)
    }

    /// An attempt has come to this. `chance`: 0 to 1, for the time to wait.
    pub fn settle(
        &mut self,
        seq: i64,
        signal_id: &str,
        outcome: &Outcome,
        now: Time,
        chance: f64,
    ) -> Settled {
        self.changed = true;
        let stage = self.under_way.remove(&seq);
        let waits = self.waiting.remove(&seq);
        if let Some(at) = waits.as_ref().and_then(|waits| waits.next_at) {
            self.due.remove(&(at, seq));
        }
        let Some(failure) = outcome.failure else {
            if waits.is_some() {
                self.progress.waiting.retain(|noted| noted.seq != seq);
                self.progress.answered.push(seq);
            }
            if let Some((_, messages)) = self.failing.take() {
                self.progress.failing = Some(None);
                if messages >= FAILS {
                    self.bring_forward(now);
                }
            }
            self.progress.answered_at = Some(now);
            return Settled::Answered;
        };
        let (attempts, first_at) = match (&waits, stage) {
            (Some(waits), _) => (waits.attempts + 1, waits.first_at),
            (None, Some(Stage::First { began })) => (1, began),
            (None, _) => (1, now),
        };
        // that a signal is gone is nothing that an endpoint does
        if failure != Failure::Pruned {
            // a message counts once, however often it fails; in order there is but one at a time, and each attempt counts
            let (since, messages) = self.failing.unwrap_or((now, 0));
            let messages = messages + i64::from(attempts == 1 || self.ordered);
            self.failing = Some((since, messages));
            self.progress.failing = Some(self.failing);
        }
        let wait = match failure {
            Failure::Pruned => None,
            _ => schedule::wait(attempts, chance, outcome.retry_after),
        };
        let next_at = wait.map(|wait| {
            let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            Time(now.0.saturating_add(micros))
        });
        // of a signal that is gone, its message alone knows the name
        let signal_id = match &waits {
            Some(waits) => waits.signal_id.clone(),
            None => signal_id.to_owned(),
        };
        let message = Message {
            seq,
            signal_id,
            attempts,
            first_at,
            next_at,
        };
        self.write_down(message.clone());
        self.let_wait(message);
        let given_up = |(since, messages)| schedule::is_given_up(since, messages, now);
        let disabled = match failure {
            Failure::Gone => Some(Disabled::Gone),
            Failure::Pruned => None,
            _ if self.failing.is_some_and(given_up) => Some(Disabled::Failing),
            _ => None,
        };
        if let Some(why) = disabled {
            self.progress.disabled = Some((why, now));
            return Settled::Disabled(why);
        }
        next_at.map_or(Settled::Failed, Settled::Waits)
    }

    /// An attempt was made, to be listed.
    pub fn made(&mut self, attempt: Attempt) {
        self.progress.attempts.push(attempt);
        self.changed = true;
    }

    /// Where it stands: everything up to here was answered, waits with a row of its own, or does not concern it.
    #[must_use]
    pub fn sent_to(&self) -> i64 {
        let first = |(_, stage): &(&i64, &Stage)| matches!(stage, Stage::First { .. });
        let first = self.under_way.iter().find(first);
        first.map_or(self.read_to, |(seq, _)| (seq - 1).min(self.read_to))
    }

    /// Whether a message waits: after a crash its row may lie ahead of the place in the log.
    #[must_use]
    pub fn waits(&self, seq: i64) -> bool {
        self.waiting.contains_key(&seq)
    }

    /// Whether its last attempt failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// How many messages wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Attempts that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// What has changed since this was asked last; `None`: nothing.
    pub fn take_progress(&mut self) -> Option<Progress> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let kept = Progress {
            hook_id: self.progress.hook_id.clone(),
            fence: self.progress.fence,
            ..Progress::default()
        };
        Some(std::mem::replace(&mut self.progress, kept))
    }
}
