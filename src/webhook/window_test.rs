//! What becomes of an endpoint's messages, step by step, and that none is lost whatever comes in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    attempt::{Failure, Outcome},
    schedule,
    window::{Settled, Window},
};
use crate::{
    model::time::Time,
    store::{
        hook_messages::{MOST_WAITING, Message},
        hooks::Disabled,
    },
};

const BEGIN: Time = Time(1_776_936_000_000_000);

fn window(ordered: bool, abreast: usize) -> Window {
    Window::new("hook", 1, ordered, abreast, 0, None)
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

/// Which message is sent again, and the how many-th attempt that is.
fn due(window: &mut Window, now: Time) -> Option<(i64, u32)> {
    let message = window.take_due(now)?;
    Some((message.seq, message.attempts + 1))
}

fn waits(seq: i64, at: Time) -> Message {
    Message {
        seq,
        signal_id: "id".to_owned(),
        attempts: 0,
        first_at: BEGIN,
        next_at: Some(at),
    }
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
        assert_eq!(due(&mut window, BEGIN), None);
        assert_eq!(window.next_due(), Some(after(1)));
        assert_eq!(due(&mut window, after(1)), Some((1, 2)));
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
    assert_eq!(due(&mut window, after(1)), Some((1, 2)));
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
        assert_eq!(due(&mut window, now), Some((5, attempts)));
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

#[test]
fn what_its_owner_asks_for_again_comes_at_once() {
    let mut window = window(false, 8);
    window.join(vec![waits(1, after(60))]);
    window.take(2, BEGIN);
    window.join(vec![waits(1, BEGIN), waits(2, BEGIN), waits(0, BEGIN)]);
    assert_eq!(due(&mut window, BEGIN), Some((0, 1)));
    assert_eq!(due(&mut window, BEGIN), Some((1, 1)), "sooner than it was");
    assert_eq!(due(&mut window, BEGIN), None, "2 is under way");
    for seq in 0..3 {
        answers(&mut window, seq, BEGIN);
    }
    let answered = window.take_progress().unwrap().answered;
    assert_eq!(answered, [0, 1, 2], "each row is gone");
    assert_eq!((window.waiting(), window.next_due()), (0, None));
}

#[test]
fn what_waits_with_a_row_ahead_of_the_place_is_sent_once() {
    let mut window = window(false, 4);
    window.join(vec![waits(2, after(60))]);
    window.take(1, BEGIN);
    assert!(
        window.waits(2),
        "its row was written before the crash, the place was not moved"
    );
    window.pass(2);
    answers(&mut window, 1, BEGIN);
    assert_eq!(window.sent_to(), 2);
    assert_eq!(due(&mut window, after(60)), Some((2, 1)));
}

#[test]
fn an_endpoint_that_is_well_again_is_sent_at_once_what_waits() {
    for (failed, at_once) in [(7, false), (8, true)] {
        let mut window = window(false, 8);
        for seq in 1..=failed {
            window.take(seq, BEGIN);
            fails(&mut window, seq, BEGIN);
        }
        assert_eq!(due(&mut window, BEGIN), None);
        window.take(99, BEGIN);
        answers(&mut window, 99, BEGIN);
        assert_eq!(due(&mut window, BEGIN), at_once.then_some((1, 2)));
    }
}

#[test]
fn what_is_asked_for_twice_is_sent_once() {
    let mut window = window(false, 8);
    for _ in 0..2 {
        window.join(vec![waits(7, BEGIN)]);
    }
    assert_eq!(due(&mut window, BEGIN), Some((7, 1)));
    window.join(vec![waits(7, BEGIN)]);
    assert_eq!(due(&mut window, BEGIN), None);
    assert_eq!(window.waiting(), 1);
}

#[test]
fn a_range_leaves_room_for_what_is_new() {
    let mut window = window(false, 8);
    let room = window.room_for_ranges() as i64;
    assert_eq!(room, 16);
    let messages = (1..=room).map(|seq| waits(seq, BEGIN)).collect();
    window.expand(3, Some(room), messages);
    assert_eq!(window.room_for_ranges(), 0);
    for _ in 0..4 {
        assert!(!window.has_its_share_of_waiting());
        assert!(due(&mut window, BEGIN).is_some());
    }
    assert!(window.has_its_share_of_waiting() && window.may_take());
    answers(&mut window, 1, BEGIN);
    assert_eq!(window.room_for_ranges(), 1);
    let noted = window.take_progress().unwrap();
    assert_eq!(
        (noted.ranges, noted.waiting.len()),
        (vec![(3, Some(16))], 15)
    );
    assert_eq!(noted.answered, [1], "its row was never written, or is gone");
}

#[test]
fn a_range_does_not_wait_for_what_fails_beside_it() {
    let mut window = window(false, 8);
    for seq in 1..=20 {
        window.take(seq, BEGIN);
        fails(&mut window, seq, BEGIN);
    }
    assert_eq!(window.room_for_ranges(), 16);
    for seq in 21..=40 {
        window.take(seq, BEGIN);
        fails(&mut window, seq, BEGIN);
    }
    assert_eq!(window.room_for_ranges(), 8, "the log's own find room");
}

#[test]
fn answered_and_asked_for_again_it_has_a_row() {
    let mut window = window(false, 8);
    window.join(vec![waits(7, BEGIN)]);
    due(&mut window, BEGIN);
    answers(&mut window, 7, BEGIN);
    window.expand(1, None, vec![waits(7, BEGIN)]);
    let noted = window.take_progress().unwrap();
    assert_eq!(
        (noted.answered, noted.waiting),
        (vec![], vec![waits(7, BEGIN)])
    );
}

#[test]
fn in_order_means_by_seq_and_ranges_first() {
    let mut window = window(true, 8);
    window.set_has_ranges(true);
    assert!(!window.may_take());
    let messages = vec![waits(1, after(5)), waits(2, BEGIN)];
    window.expand(1, None, messages);
    window.set_has_ranges(false);
    assert_eq!(
        (due(&mut window, BEGIN), window.next_due()),
        (None, Some(after(5)))
    );
    assert_eq!(due(&mut window, after(5)), Some((1, 1)));
    assert_eq!(due(&mut window, after(5)), None, "one at a time");
    answers(&mut window, 1, after(5));
    assert_eq!(due(&mut window, after(5)), Some((2, 1)));
    assert!(!window.may_take());
    answers(&mut window, 2, after(5));
    assert!(window.may_take());
}

#[test]
fn a_signal_that_is_gone_is_not_the_endpoints_failure() {
    let mut window = window(false, 8);
    window.join(vec![waits(7, BEGIN)]);
    due(&mut window, BEGIN);
    let settled = window.settle(7, "", &Outcome::pruned(), BEGIN, 0.0);
    assert_eq!(settled, Settled::Failed);
    let noted = window.take_progress().unwrap();
    assert_eq!(noted.failing, None);
    assert_eq!(
        (
            noted.waiting[0].signal_id.as_str(),
            noted.waiting[0].next_at
        ),
        ("id", None)
    );
}

#[test]
fn in_order_each_attempt_counts_towards_giving_up() {
    let mut window = window(true, 8);
    window.take(1, BEGIN);
    fails(&mut window, 1, BEGIN);
    due(&mut window, after(1));
    fails(&mut window, 1, after(1));
    let noted = window.take_progress().unwrap();
    assert_eq!(noted.failing, Some(Some((BEGIN, 2))));
}

/// Has the database know what the window knows.
fn write(window: &mut Window, sent_to: &mut i64, rows: &mut BTreeMap<i64, Message>) {
    let stands = window.sent_to();
    if let Some(progress) = window.take_progress() {
        *sent_to = stands;
        rows.extend(progress.waiting.into_iter().map(|row| (row.seq, row)));
        for seq in progress.answered {
            rows.remove(&seq);
        }
    }
}

proptest! {
    /// Whatever endpoints answer, whatever is asked for again, and whenever the process is killed and goes on from what was written: no message
    /// is lost.
    #[test]
    fn nothing_is_lost(
        ordered in any::<bool>(),
        abreast in 1..9_usize,
        steps in prop::collection::vec((0..10_u8, 0..9_usize), 1..300),
    ) {
        let mut window = window(ordered, abreast);
        let mut now = BEGIN;
        // what a database has, and what is on its way
        let (mut sent_to, mut rows) = (0, BTreeMap::<i64, Message>::new());
        let (mut last, mut flying) = (0, BTreeSet::new());
        // what is not answered since it was asked for
        let mut owed = BTreeSet::new();
        // of a range, whose own row moves on only with theirs
        let mut unwritten = BTreeSet::new();
        for (what, which) in steps {
            let chosen = flying.iter().nth(which).copied();
            match what {
                0 | 1 if window.waits(last + 1) => {
                    last += 1;
                    window.pass(last);
                }
                0 | 1 if window.may_take() => {
                    last += 1;
                    window.take(last, now);
                    flying.insert(last);
                    owed.insert(last);
                }
                2 if flying.is_empty() && which == 0 => {
                    last += 1;
                    window.pass(last);
                }
                3 => {
                    now = Time(now.0 + 700_000 * which as i64);
                    while let Some((seq, _)) = due(&mut window, now) {
                        flying.insert(seq);
                    }
                }
                4 | 5 => if let Some(seq) = chosen {
                    flying.remove(&seq);
                    if what == 4 {
                        answers(&mut window, seq, now);
                        owed.remove(&seq);
                    } else {
                        fails(&mut window, seq, now);
                    }
                },
                6 => {
                    unwritten.clear();
                    write(&mut window, &mut sent_to, &mut rows);
                }
                7 if which == 0 => {
                    let waiting = rows.values().cloned().collect();
                    window = Window::new("hook", 1, ordered, abreast, sent_to, None);
                    window.join(waiting);
                    last = sent_to;
                    flying.clear();
                    owed.retain(|seq| *seq <= sent_to && (rows.contains_key(seq) || !unwritten.contains(seq)));
                    unwritten.clear();
                }
                8 if which as i64 <= last && which > 0 && window.room_for_ranges() > 0 => {
                    window.expand(1, None, vec![waits(which as i64, now)]);
                    if !flying.contains(&(which as i64)) {
                        owed.insert(which as i64);
                        unwritten.insert(which as i64);
                    }
                }
                9 => {
                    // what it knows is written before it reads what others ask for
                    unwritten.clear();
                    write(&mut window, &mut sent_to, &mut rows);
                    let seq = which as i64;
                    if (1..=sent_to).contains(&seq) {
                        rows.insert(seq, waits(seq, now));
                        window.join(rows.values().cloned().collect());
                        owed.insert(seq);
                    }
                }
                _ => {}
            }
            prop_assert!(window.waiting() <= MOST_WAITING + 9, "64, and what was asked for one by one");
            prop_assert!(window.under_way() <= abreast);
            // what is owed is on its way, waits in memory, or is written
            for seq in owed.iter().filter(|seq| **seq <= sent_to && **seq <= window.sent_to()) {
                let known = flying.contains(seq) || window.waits(*seq) || rows.contains_key(seq);
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
        let mut window = Window::new("hook", 1, false, 100, 50, None);
        window.join(waiting.collect());
        let mut came = Vec::new();
        while let Some((seq, _)) = due(&mut window, after(100)) {
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
