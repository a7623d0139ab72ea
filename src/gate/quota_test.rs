//! What quotas promise: never more than the plan, nothing lost but what a crash took, and midnight.

use proptest::prelude::*;

use super::quota::{Correction, Counters, Limits, Quota, Standing, Taken, Usage, Window};
use crate::model::time::Time;

/// A second before the end of a month.
const BEGIN: &str = "2026-04-30T23:59:59Z";

fn begin() -> Time {
    Time::parse_iso(BEGIN).unwrap()
}

fn limits(per_day: u64, per_month: u64) -> Limits {
    let some = |limit| Some(limit).filter(|&limit| limit > 0);
    Limits {
        per_day: some(per_day),
        per_month: some(per_month),
    }
}

/// The store's side of one key: what all nodes share.
struct Store {
    counters: Counters,
    works: bool,
}

/// One node's side of a request: asks the store where it must, as the server does.
fn request(node: &mut Quota, store: &mut Store, limits: Limits, now: Time) -> Taken {
    match node.take(limits, now) {
        Taken::Unknown => {}
        known => return known,
    }
    let ask = node.ask(limits, 1, now);
    if store.works {
        let granted = tell(store, &ask.corrections, ask.want, limits, now);
        node.granted(store.counters, granted, now);
    } else {
        node.not_told(ask);
        node.lend(1, limits, now);
    }
    match node.take(limits, now) {
        Taken::Passed => Taken::Passed,
        _ => Taken::Refused,
    }
}

fn tell(
    store: &mut Store,
    corrections: &[Correction],
    want: u64,
    limits: Limits,
    now: Time,
) -> u64 {
    for correction in corrections {
        store.counters.correct(*correction);
    }
    store.counters.roll(now.utc_day());
    store.counters.reserve(want, limits)
}

fn store() -> Store {
    Store {
        counters: Counters::new(begin()),
        works: true,
    }
}

fn quota(store: &Store) -> Quota {
    Quota::new(store.counters, begin())
}

#[test]
fn the_plan_and_not_one_more() {
    let mut store = store();
    let mut node = quota(&store);
    let free = limits(40, 0);
    for n in 1..=40 {
        assert_eq!(request(&mut node, &mut store, free, begin()), Taken::Passed);
        let standing = node.standing(free, begin()).unwrap();
        assert_eq!((standing.limit, standing.remaining), (40, 40 - n));
    }
    assert_eq!(
        request(&mut node, &mut store, free, begin()),
        Taken::Refused
    );
    assert_eq!(store.counters.today, 40, "single requests are reserved");
}

#[test]
fn counting_begins_anew_at_midnight_and_on_the_first() {
    let mut store = store();
    let mut node = quota(&store);
    let both = limits(2, 3);
    let at = |text: &str| Time::parse_iso(text).unwrap();
    let (april, may, second) = (begin(), at("2026-05-01"), at("2026-05-02"));
    let mut outcomes = |now: Time| {
        let passed = std::iter::repeat_with(|| request(&mut node, &mut store, both, now))
            .take(4)
            .filter(|taken| *taken == Taken::Passed);
        passed.count()
    };
    assert_eq!(outcomes(april), 2);
    assert_eq!(outcomes(may), 2, "a new day, and a new month");
    assert_eq!(outcomes(second), 1, "the month has three");
    assert_eq!(outcomes(april), 0, "a clock set back opens nothing");
    let standing = node.standing(both, second).unwrap();
    let of_may = Standing {
        window: Window::Month,
        limit: 3,
        remaining: 0,
        reset: at("2026-06-01"),
        seconds: 31 * 86_400,
    };
    assert_eq!(standing, of_may);
    let usage = Usage {
        today: 1,
        this_month: 3,
        total: 5,
    };
    assert_eq!(node.usage(second), usage);
    let day = node.standing(limits(2, 0), second).unwrap();
    assert_eq!((day.reset, day.seconds), (at("2026-05-03"), 86_400));
    assert_eq!(node.standing(limits(0, 0), second), None);
}

#[test]
fn a_block_is_given_back_and_what_a_crash_takes_is_less_than_one() {
    let mut store = store();
    let pro = limits(0, 10_000);
    let mut node = quota(&store);
    assert_eq!(request(&mut node, &mut store, pro, begin()), Taken::Passed);
    assert_eq!(store.counters.total, 10, "a thousandth of the plan");
    assert_eq!(node.usage(begin()).total, 1);
    let mut ended = node.clone();
    let ask = ended.settle();
    tell(&mut store, &ask.corrections, ask.want, pro, begin());
    assert_eq!(store.counters.total, 1);
    assert!(ended.is_settled());
    // the same node, had it crashed instead
    drop(node);
    let mut next = quota(&store);
    assert_eq!(next.usage(begin()).total, 1);
    assert_eq!(request(&mut next, &mut store, pro, begin()), Taken::Passed);
}

#[test]
fn what_midnight_leaves_of_a_block_counts_for_no_day() {
    let mut store = store();
    let pro = limits(0, 10_000);
    let mut node = quota(&store);
    request(&mut node, &mut store, pro, begin());
    let after = begin().plus(2 * Time::SECOND);
    request(&mut node, &mut store, pro, after);
    assert_eq!(store.counters.total, 11, "one of April, ten of May");
    assert_eq!(store.counters.this_month, 10);
    let usage = node.usage(after);
    assert_eq!((usage.today, usage.this_month, usage.total), (1, 1, 2));
}

#[test]
fn who_waits_is_reserved_for_though_others_use_meanwhile_what_is_held() {
    let mut store = store();
    let pro = limits(10_000, 0);
    let mut node = quota(&store);
    request(&mut node, &mut store, pro, begin());
    assert_eq!(node.left(), 9);
    let ask = node.ask(pro, 3, begin());
    for _ in 0..9 {
        assert_eq!(node.take(pro, begin()), Taken::Passed);
    }
    let granted = tell(&mut store, &ask.corrections, ask.want, pro, begin());
    node.granted(store.counters, granted, begin());
    for _ in 0..3 {
        assert_eq!(node.take(pro, begin()), Taken::Passed);
    }
}

#[test]
fn a_store_that_cannot_be_written_lends_within_the_limits() {
    let mut store = store();
    let free = limits(3, 0);
    let mut node = quota(&store);
    assert_eq!(request(&mut node, &mut store, free, begin()), Taken::Passed);
    store.works = false;
    assert_eq!(request(&mut node, &mut store, free, begin()), Taken::Passed);
    assert_eq!(request(&mut node, &mut store, free, begin()), Taken::Passed);
    assert_eq!(
        request(&mut node, &mut store, free, begin()),
        Taken::Refused
    );
    assert_eq!(store.counters.today, 1, "it was told nothing");
    store.works = true;
    let later = begin().plus(Time::SECOND / 2);
    let ask = node.settle();
    tell(&mut store, &ask.corrections, 0, free, later);
    assert_eq!(store.counters.today, 3, "and then all of it");
}

#[test]
fn a_plan_that_changes_counts_at_once() {
    let mut store = store();
    let mut node = quota(&store);
    let pro = limits(0, 10_000);
    for _ in 0..5 {
        request(&mut node, &mut store, pro, begin());
    }
    let small = limits(0, 5);
    assert_eq!(
        request(&mut node, &mut store, small, begin()),
        Taken::Refused,
        "although there is a block"
    );
    let large = limits(0, 7);
    assert_eq!(
        request(&mut node, &mut store, large, begin()),
        Taken::Passed
    );
}

#[test]
fn a_count_whose_request_was_never_made_can_be_put_back() {
    let mut store = store();
    let mut node = quota(&store);
    let free = limits(1, 0);
    assert_eq!(request(&mut node, &mut store, free, begin()), Taken::Passed);
    node.put_back();
    assert_eq!(node.take(free, begin()), Taken::Passed);
    assert_eq!(node.take(free, begin()), Taken::Refused);
}

#[derive(Clone, Debug)]
enum Step {
    Request(usize),
    Crash(usize),
    Settle(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3usize).prop_map(Step::Request),
        1 => (0..3usize).prop_map(Step::Crash),
        1 => (0..3usize).prop_map(Step::Settle),
        2 => (0..40i64).prop_map(|hours| Step::Wait(hours * 3600 * Time::SECOND)),
    ]
}

proptest! {
    /// Three nodes on one store, whatever happens to them: no day and no month has more than the plan allows.
    #[test]
    fn never_more_than_the_plan(
        per_day in prop_oneof![Just(0u64), 1..60u64, 2_000..6_000u64],
        per_month in prop_oneof![Just(0u64), 1..200u64, 2_000..9_000u64],
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let limits = limits(per_day, per_month);
        let mut store = store();
        let mut nodes: Vec<Quota> = (0..3).map(|_| quota(&store)).collect();
        let mut now = begin();
        let mut passed: std::collections::BTreeMap<(i64, i64), u64> = Default::default();
        for step in steps {
            match step {
                Step::Request(n) => {
                    if request(&mut nodes[n], &mut store, limits, now) == Taken::Passed {
                        let day = now.utc_day();
                        *passed.entry((crate::model::time::utc_month(day).0, day)).or_default() += 1;
                    }
                }
                Step::Crash(n) => nodes[n] = Quota::new(store.counters, now),
                Step::Settle(n) => {
                    let ask = nodes[n].settle();
                    tell(&mut store, &ask.corrections, ask.want, limits, now);
                }
                Step::Wait(micros) => now = now.plus(micros),
            }
        }
        for (&(month, day), count) in &passed {
            prop_assert!(per_day == 0 || *count <= per_day, "{day}: {count}");
            let of_month: u64 = passed.range((month, i64::MIN)..=(month, i64::MAX)).map(|(_, n)| n).sum();
            prop_assert!(per_month == 0 || of_month <= per_month, "{month}: {of_month}");
        }
    }

    /// One node, ended and begun again in good order as often as you like: exactly the plan.
    #[test]
    fn exactly_the_plan(
        per_day in 1..5_000u64,
        asked in 1..6_000u64,
        settle_every in 1..500u64,
    ) {
        let limits = limits(per_day, 0);
        let mut store = store();
        let mut node = quota(&store);
        let mut passed = 0;
        for n in 0..asked {
            if n % settle_every == 0 {
                let ask = node.settle();
                tell(&mut store, &ask.corrections, ask.want, limits, begin());
                node = quota(&store);
            }
            passed += u64::from(request(&mut node, &mut store, limits, begin()) == Taken::Passed);
        }
        prop_assert_eq!(passed, asked.min(per_day));
        prop_assert_eq!(node.usage(begin()).total, passed);
    }

    /// A crash costs less than a block, and what was answered stays counted.
    #[test]
    fn a_crash_costs_less_than_a_block(per_day in 1..20_000u64, before in 0..3_000u64, crashes in 1..4u64) {
        let limits = limits(per_day, 0);
        let mut store = store();
        let mut passed = 0;
        for _ in 0..crashes {
            let mut node = quota(&store);
            for _ in 0..before {
                passed += u64::from(request(&mut node, &mut store, limits, begin()) == Taken::Passed);
            }
        }
        prop_assert!(store.counters.total >= passed);
        prop_assert!(store.counters.total <= passed + crashes * (limits.block() - 1));
    }
}
