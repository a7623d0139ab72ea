//! An endpoint's messages: which are under way, which wait to be sent again, and where that leaves it in the log. Pure: moments and chance are arguments.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    attempt::{Failure, Outcome},
    schedule,
};
use crate::{
    model::time::Time,
    store::{
        hook_messages::{Attempt, Message, Progress},
        hooks::Disabled,
    },
};

/// Messages of an endpoint that may wait to be sent again. With so many, its place in the log waits as well.
pub const MOST_WAITING: usize = 64;

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
    failing: Option<(Time, i64)>,
    progress: Progress,
    changed: bool,
}

impl Window {
    /// Of an endpoint that stands behind a seq, with messages that wait.
    #[must_use]
    pub fn new(
        hook_id: &str,
        fence: i64,
        ordered: bool,
        abreast: usize,
        read_to: i64,
        failing: Option<(Time, i64)>,
        waiting: Vec<Message>,
    ) -> Self {
        let mut window = Window {
            ordered,
            abreast: abreast.max(1),
            read_to,
            under_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            failing,
            progress: Progress {
                hook_id: hook_id.to_owned(),
                fence,
                ..Progress::default()
            },
            changed: false,
        };
        for message in waiting {
            window.let_wait(message);
        }
        window
    }

    fn let_wait(&mut self, message: Message) {
        if let Some(at) = message.next_at {
            self.due.insert((at, message.seq));
            self.waiting.insert(message.seq, message);
        }
    }

    /// Attempts at once: one while it fails, so that an endpoint which answers nothing holds no more than one connection.
    fn abreast(&self) -> usize {
        match (self.ordered, self.failing) {
            (false, None) => self.abreast,
            _ => 1,
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
        let room = self.waiting.len() + self.first_ones() < MOST_WAITING;
        let in_turn = !self.ordered || self.waiting.is_empty();
        self.has_hand_free() && room && in_turn
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

    /// A message that waits and is due is sent again; which, and the how many-th attempt that is.
    pub fn take_due(&mut self, now: Time) -> Option<(i64, u32)> {
        let &(at, seq) = self.due.first()?;
        if at > now || !self.has_hand_free() {
            return None;
        }
        self.due.pop_first();
        self.under_way.insert(seq, Stage::Again);
        let attempts = self.waiting.get(&seq).map_or(0, |waits| waits.attempts);
        Some((seq, attempts + 1))
    }

    /// When the next one is due, if a hand is free for it.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        let due = self.due.first().map(|(at, _)| *at);
        due.filter(|_| self.has_hand_free())
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
        let Some(failure) = outcome.failure else {
            if waits.is_some() {
                self.progress.answered.push(seq);
            }
            if self.failing.take().is_some() {
                self.progress.failing = Some(None);
            }
            self.progress.answered_at = Some(now);
            return Settled::Answered;
        };
        let (attempts, first_at) = match (&waits, stage) {
            (Some(waits), _) => (waits.attempts + 1, waits.first_at),
            (None, Some(Stage::First { began })) => (1, began),
            (None, _) => (1, now),
        };
        // a message counts once, however often it fails
        let (since, messages) = self.failing.unwrap_or((now, 0));
        let messages = messages + i64::from(attempts == 1);
        self.failing = Some((since, messages));
        self.progress.failing = Some(self.failing);
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
        self.progress.waiting.retain(|noted| noted.seq != seq);
        self.progress.waiting.push(message.clone());
        self.let_wait(message);
        let disabled = match failure {
            Failure::Gone => Some(Disabled::Gone),
            _ if schedule::is_given_up(since, messages, now) => Some(Disabled::Failing),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const BEGIN: Time = Time(1_776_936_000_000_000);

    fn window(ordered: bool, abreast: usize) -> Window {
        Window::new("hook", 1, ordered, abreast, 0, None, Vec::new())
    }

    fn outcome(failure: Option<Failure>) -> Outcome {
        Outcome {
            status: None,
            failure,
            said: String::new(),
            retry_after: None,
        }
    }

    fn after(seconds: i64) -> Time {
        Time(BEGIN.0 + seconds * Time::SECOND)
    }

    fn fails(window: &mut Window, seq: i64, now: Time) -> Settled {
        window.settle(seq, "id", &outcome(Some(Failure::Status)), now, 0.0)
    }

    fn answers(window: &mut Window, seq: i64, now: Time) -> Settled {
        window.settle(seq, "id", &outcome(None), now, 0.0)
    }

    #[test]
    fn it_stands_before_the_first_that_is_under_way() {
        let mut window = window(false, 3);
        for seq in 1..=3 {
            assert!(window.may_take());
            window.take(seq, BEGIN);
        }
        assert!(!window.may_take(), "three at once");
        assert_eq!(window.sent_to(), 0);
        assert_eq!(answers(&mut window, 2, BEGIN), Settled::Answered);
        assert_eq!(window.sent_to(), 0);
        assert_eq!(answers(&mut window, 1, BEGIN), Settled::Answered);
        assert_eq!(window.sent_to(), 2);
        assert_eq!(fails(&mut window, 3, BEGIN), Settled::Waits(after(1)));
        assert_eq!(window.sent_to(), 3, "it has a row of its own");
        window.pass(9);
        assert_eq!(window.sent_to(), 9);
    }

    #[test]
    fn later_ones_pass_those_that_wait_unless_order_is_wanted() {
        for ordered in [false, true] {
            let mut window = window(ordered, 8);
            window.take(1, BEGIN);
            assert_eq!(window.may_take(), !ordered, "one at a time");
            fails(&mut window, 1, BEGIN);
            assert_eq!(window.may_take(), !ordered);
            assert_eq!(window.take_due(BEGIN), None);
            assert_eq!(window.next_due(), Some(after(1)));
            assert_eq!(window.take_due(after(1)), Some((1, 2)));
            answers(&mut window, 1, after(1));
            assert!(window.may_take());
            assert_eq!(window.take_progress().map(|p| p.answered), Some(vec![1]));
        }
    }

    #[test]
    fn with_sixty_four_that_wait_the_place_waits() {
        let mut window = window(false, 8);
        let mut seq = 0;
        while window.may_take() {
            seq += 1;
            window.take(seq, BEGIN);
            fails(&mut window, seq, BEGIN);
        }
        assert_eq!((seq, window.waiting(), window.sent_to()), (64, 64, 64));
        assert_eq!(window.take_due(after(1)), Some((1, 2)));
        assert!(!window.may_take());
        answers(&mut window, 1, after(1));
        assert!(window.may_take());
    }

    #[test]
    fn a_message_is_given_up_after_its_last_attempt() {
        let mut window = window(false, 8);
        window.take(5, BEGIN);
        let mut now = BEGIN;
        let mut settled = fails(&mut window, 5, now);
        let mut attempts = 1;
        while let Settled::Waits(at) = settled {
            now = at;
            attempts += 1;
            assert_eq!(window.take_due(now), Some((5, attempts)));
            settled = fails(&mut window, 5, now);
        }
        assert_eq!((settled, attempts), (Settled::Failed, schedule::ATTEMPTS));
        assert_eq!(window.waiting(), 0);
        let noted = window.take_progress().unwrap().waiting;
        assert_eq!(noted.len(), 1);
        assert_eq!((noted[0].attempts, noted[0].next_at), (12, None));
        assert_eq!(noted[0].first_at, BEGIN);
    }

    #[test]
    fn an_endpoint_is_disabled_by_its_word_or_by_days_of_failures() {
        let mut gone = window(false, 8);
        gone.take(1, BEGIN);
        let outcome = outcome(Some(Failure::Gone));
        let settled = gone.settle(1, "id", &outcome, BEGIN, 0.0);
        assert_eq!(settled, Settled::Disabled(Disabled::Gone));
        let mut failing = window(false, 8);
        for seq in 1..=20 {
            failing.take(seq, BEGIN);
            let settled = fails(&mut failing, seq, BEGIN);
            assert!(matches!(settled, Settled::Waits(_)), "{settled:?}");
        }
        let later = Time(BEGIN.0 + schedule::GIVE_UP_AFTER);
        failing.take_due(later);
        let settled = fails(&mut failing, 1, later);
        assert_eq!(settled, Settled::Disabled(Disabled::Failing));
        let noted = failing.take_progress().unwrap();
        assert_eq!(noted.failing, Some(Some((BEGIN, 20))));
    }

    proptest! {
        /// Whatever endpoints answer, and whenever the process is killed and goes on from what was written: no message is lost.
        #[test]
        fn nothing_is_lost(
            ordered in any::<bool>(),
            abreast in 1..9_usize,
            steps in prop::collection::vec((0..8_u8, 0..9_usize), 1..300),
        ) {
            let mut window = window(ordered, abreast);
            let mut now = BEGIN;
            // what a database has
            let (mut sent_to, mut rows) = (0, BTreeMap::<i64, Message>::new());
            let mut answered = BTreeSet::new();
            let mut last = 0;
            for (what, which) in steps {
                match what {
                    0 | 1 if window.may_take() => {
                        last = window.read_to + 1;
                        window.take(last, now);
                    }
                    2 if window.under_way() == 0 => window.pass(window.read_to),
                    3 => {
                        now = Time(now.0 + 700_000 * which as i64);
                        while window.take_due(now).is_some() {}
                    }
                    4 | 5 => {
                        let under_way: Vec<i64> = window.under_way.keys().copied().collect();
                        if let Some(&seq) = under_way.get(which) {
                            if what == 4 {
                                answers(&mut window, seq, now);
                                answered.insert(seq);
                            } else {
                                fails(&mut window, seq, now);
                            }
                        }
                    }
                    6 => {
                        let stands = window.sent_to();
                        if let Some(progress) = window.take_progress() {
                            sent_to = stands;
                            rows.extend(progress.waiting.into_iter().map(|row| (row.seq, row)));
                            for seq in progress.answered {
                                rows.remove(&seq);
                            }
                        }
                    }
                    7 if which == 0 => {
                        let waiting = rows.values().cloned().collect();
                        window = Window::new("hook", 1, ordered, abreast, sent_to, None, waiting);
                    }
                    _ => {}
                }
                prop_assert!(window.waiting() <= MOST_WAITING);
                prop_assert!(window.under_way() <= abreast);
                for seq in 1..=sent_to {
                    let known = answered.contains(&seq) || rows.contains_key(&seq);
                    prop_assert!(known, "{seq} of {sent_to}, {last}");
                }
            }
        }

        #[test]
        fn what_is_due_comes_in_the_order_of_its_time(times in prop::collection::vec(0..100_i64, 1..40)) {
            let waiting = (1..).zip(&times).map(|(seq, at)| Message {
                seq,
                signal_id: String::new(),
                attempts: 1,
                first_at: BEGIN,
                next_at: Some(after(*at)),
            });
            let mut window = Window::new("hook", 1, false, 100, 50, None, waiting.collect());
            let mut came = Vec::new();
            while let Some((seq, _)) = window.take_due(after(100)) {
                came.push(times[seq as usize - 1]);
            }
            let mut sorted = times;
            sorted.sort_unstable();
            prop_assert_eq!(came, sorted);
            prop_assert_eq!(window.next_due().map(|at| at.0.abs_diff(BEGIN.0)), None);
        }
    }

    #[test]
    fn who_asks_for_time_is_given_it() {
        let mut window = window(false, 1);
        window.take(1, BEGIN);
        let busy = Outcome {
            retry_after: Some(Duration::from_secs(90)),
            ..outcome(Some(Failure::Status))
        };
        let settled = window.settle(1, "id", &busy, BEGIN, 0.0);
        assert_eq!(settled, Settled::Waits(after(90)));
    }
}
