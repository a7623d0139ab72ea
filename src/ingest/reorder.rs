//! File order → chain order: holds facts back until nothing within the watermark can come before them.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

use crate::model::{
    swap::{ChainOrder, Fact},
    time::Time,
};

/// How far a fact may stand behind a later one and still be put in its place, in microseconds.
pub const WATERMARK: i64 = 5 * Time::SECOND;

/// Facts held at most. Beyond it the oldest leave early, which keeps memory bounded in a file that is in no order at all.
pub const MAX_HELD: usize = 200_000;

/// The buffer of file mode. Whatever the order of lines within the watermark, the same sequence comes out.
#[derive(Debug)]
pub struct Reorder {
    watermark: i64,
    max_held: usize,
    held: BinaryHeap<Held>,
    ready: VecDeque<(u64, Fact)>,
    latest: Option<Time>,
    arrivals: u64,
    late: u64,
    early: u64,
}

#[derive(Debug)]
struct Held {
    order: ChainOrder,
    // equal orders are one fact told twice: the first telling stays first
    arrival: u64,
    line: u64,
    fact: Fact,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    /// Reversed: the heap's greatest is the chain's first.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.order, other.arrival).cmp(&(&self.order, self.arrival))
    }
}

impl Default for Reorder {
    fn default() -> Self {
        Reorder::new(WATERMARK, MAX_HELD)
    }
}

impl Reorder {
    /// A buffer with a watermark in microseconds, holding at most `max_held` facts (one at least).
    #[must_use]
    pub fn new(watermark: i64, max_held: usize) -> Self {
        Reorder {
            watermark,
            max_held: max_held.max(1),
            held: BinaryHeap::new(),
            ready: VecDeque::new(),
            latest: None,
            arrivals: 0,
            late: 0,
            early: 0,
        }
    }

    /// Takes a fact with its line; [`Reorder::pop`] until `None` before the next one.
    ///
    /// A fact exactly at the watermark still finds its place; one beyond it passes at once and is counted as late.
    pub fn push(&mut self, line: u64, fact: Fact) {
        let time = fact.time();
        let latest = self.latest.map_or(time, |latest| latest.max(time));
        self.latest = Some(latest);
        let ripe = latest.plus(-self.watermark);
        if time < ripe {
            // what is known of a token or wallet has no window to miss
            if matches!(fact, Fact::Swap(_) | Fact::Transfer(_)) {
                self.late += 1;
            }
            self.ready.push_back((line, fact));
            return;
        }
        self.arrivals += 1;
        self.held.push(Held {
            order: fact.chain_order(),
            arrival: self.arrivals,
            line,
            fact,
        });
        while let Some(first) = self.held.peek() {
            let over = self.held.len() > self.max_held;
            let is_ripe = first.fact.time() < ripe;
            if !over && !is_ripe {
                break;
            }
            self.early += u64::from(!is_ripe);
            if let Some(first) = self.held.pop() {
                self.ready.push_back((first.line, first.fact));
            }
        }
    }

    /// The next fact that may go, with its line.
    pub fn pop(&mut self) -> Option<(u64, Fact)> {
        self.ready.pop_front()
    }

    /// The stream has ended: all that is held may go; [`Reorder::pop`] until `None`.
    pub fn finish(&mut self) {
        while let Some(first) = self.held.pop() {
            self.ready.push_back((first.line, first.fact));
        }
    }

    /// Facts that came later than the watermark and went on in the order of their lines.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Facts that left before the watermark because too many were held.
    #[must_use]
    pub fn early(&self) -> u64 {
        self.early
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        money::MicroUsd,
        swap::{Amount, Side, Swap},
    };

    fn swap(number: usize, time_ms: i64, slot: u64) -> Fact {
        Fact::Swap(Swap {
            signature: format!("signature-{number}").into(),
            index: 0,
            slot: Some(slot),
            tx_index: Some(0),
            time: Time(1_700_000_000_000_000 + time_ms * 1000),
            wallet: "wallet".into(),
            mint: "mint".into(),
            side: Side::Buy,
            token_amount: 1,
            amount: Amount::Usd(MicroUsd(1)),
            fee: MicroUsd::ZERO,
            dex: None,
        })
    }

    fn run(mut reorder: Reorder, facts: impl IntoIterator<Item = Fact>) -> (Vec<Fact>, Reorder) {
        let mut out = Vec::new();
        for (line, fact) in facts.into_iter().enumerate() {
            reorder.push(line as u64, fact);
            out.extend(std::iter::from_fn(|| reorder.pop()).map(|(_, fact)| fact));
        }
        reorder.finish();
        out.extend(std::iter::from_fn(|| reorder.pop()).map(|(_, fact)| fact));
        (out, reorder)
    }

    proptest! {
        #[test]
        fn lines_displaced_within_the_watermark_come_out_in_chain_order(
            rows in prop::collection::vec((0_i64..60_000, 0_i64..=5_000), 1..200)
        ) {
            // a line that is written up to five seconds after its event: sorting by the moment of writing displaces it at most so far
            let mut written: Vec<_> = rows
                .iter()
                .enumerate()
                .map(|(number, (time, delay))| (time + delay, swap(number, *time, 7)))
                .collect();
            written.sort_by_key(|(at, _)| *at);
            let mut want: Vec<_> = written.iter().map(|(_, fact)| fact.clone()).collect();
            want.sort_by_key(Fact::chain_order);
            let (out, reorder) = run(Reorder::default(), written.into_iter().map(|(_, fact)| fact));
            prop_assert_eq!(out, want);
            prop_assert_eq!((reorder.late(), reorder.early()), (0, 0));
        }

        #[test]
        fn nothing_is_lost_or_made(times in prop::collection::vec(0_i64..100_000, 0..200), cap in 1_usize..20) {
            let facts: Vec<_> = times.iter().enumerate().map(|(n, t)| swap(n, *t, 0)).collect();
            let (mut out, reorder) = run(Reorder::new(WATERMARK, cap), facts.clone());
            prop_assert!(reorder.held.is_empty());
            let mut want = facts;
            out.sort_by_key(Fact::chain_order);
            want.sort_by_key(Fact::chain_order);
            prop_assert_eq!(out, want);
        }
    }

    #[test]
    fn slots_decide_within_a_second() {
        let (out, _) = run(
            Reorder::default(),
            [swap(1, 0, 9), swap(2, 0, 8), swap(3, 0, 10)],
        );
        assert_eq!(out, [swap(2, 0, 8), swap(1, 0, 9), swap(3, 0, 10)]);
    }

    #[test]
    fn the_late_pass_in_place_and_the_many_leave_early() {
        let (out, reorder) = run(
            Reorder::default(),
            [swap(1, 0, 0), swap(2, 10_000, 0), swap(3, 1_000, 0)],
        );
        assert_eq!(out, [swap(1, 0, 0), swap(3, 1_000, 0), swap(2, 10_000, 0)]);
        assert_eq!(reorder.late(), 1);
        let (_, reorder) = run(Reorder::new(WATERMARK, 2), (0..5).map(|n| swap(n, 0, 0)));
        assert_eq!(reorder.early(), 3);
    }
}
