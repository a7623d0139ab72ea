//! When pings are due, for thousands of streams without a timer for each: a wheel that is looked at spoke by spoke.

use std::time::Duration;

use tokio::time::Instant;

/// Spokes at most: a ping is late by no more than this part of the time between two.
const SPOKES: u64 = 256;
/// Spokes come no faster than this.
const LEAST: Duration = Duration::from_millis(10);

/// Who is pinged at which point of the time between two pings.
#[derive(Debug)]
pub struct Pings {
    begun: Instant,
    every: Duration,
    spokes: Vec<Vec<u32>>,
    /// Spokes that were looked at, since the beginning.
    turned: u64,
}

impl Pings {
    /// Nobody yet. `every`: between two pings of one stream.
    #[must_use]
    pub fn new(every: Duration, now: Instant) -> Self {
        let step = (every / SPOKES as u32).max(LEAST);
        let spokes = (every.as_nanos() / step.as_nanos()).max(1);
        Pings {
            begun: now,
            every,
            spokes: vec![Vec::new(); usize::try_from(spokes).unwrap_or(1)],
            turned: 0,
        }
    }

    fn step(&self) -> Duration {
        self.every / u32::try_from(self.spokes.len()).unwrap_or(1)
    }

    /// The spoke, counted from the beginning, that a moment lies in.
    fn spoke(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begun);
        u64::try_from(since.as_nanos() / self.step().as_nanos().max(1)).unwrap_or(u64::MAX)
    }

    fn place(&self, spoke: u64) -> usize {
        usize::try_from(spoke % self.spokes.len() as u64).unwrap_or(0)
    }

    /// Adds a stream whose next ping is due at a moment; where it is, for [`Pings::remove`].
    pub fn add(&mut self, stream: u32, due: Instant) -> u32 {
        // never one that is being looked at or was
        let place = self.place(self.spoke(due).max(self.turned));
        self.spokes[place].push(stream);
        place as u32
    }

    /// Takes a stream out.
    pub fn remove(&mut self, stream: u32, place: u32) {
        let Some(spoke) = self.spokes.get_mut(place as usize) else {
            return;
        };
        if let Some(at) = spoke.iter().position(|one| *one == stream) {
            spoke.swap_remove(at);
        }
    }

    /// Whose turn it is now: all of the next spoke whose time has come. To be called until there is none.
    pub fn turn(&mut self, now: Instant) -> Option<Vec<u32>> {
        let end = self.spoke(now);
        // after a long pause, everybody once
        self.turned = self
            .turned
            .max(end.saturating_sub(self.spokes.len() as u64));
        while self.turned < end {
            let place = self.place(self.turned);
            self.turned += 1;
            if !self.spokes[place].is_empty() {
                return Some(self.spokes[place].clone());
            }
        }
        None
    }

    /// How long nobody is due.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Duration {
        let all = self.spokes.len() as u64;
        let next = (self.turned..self.turned + all)
            .find(|spoke| !self.spokes[self.place(*spoke)].is_empty());
        let Some(next) = next else {
            return self.every;
        };
        let steps = u32::try_from(next + 1).unwrap_or(u32::MAX);
        (self.begun + self.step().saturating_mul(steps)).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_comes_once_in_every_round_and_not_all_at_once() {
        let begun = Instant::now();
        let every = Duration::from_secs(25);
        let mut pings = Pings::new(every, begun);
        for stream in 0..1_000 {
            pings.add(stream, begun + every.mul_f64(f64::from(stream) / 1_000.0));
        }
        let (mut came, mut most) = (HashMap::<u32, u32>::new(), 0);
        for ms in (0..100_080).step_by(20) {
            while let Some(streams) = pings.turn(begun + Duration::from_millis(ms)) {
                most = most.max(streams.len());
                streams
                    .iter()
                    .for_each(|one| *came.entry(*one).or_default() += 1);
            }
        }
        let odd: Vec<_> = came.iter().filter(|(_, times)| **times != 4).collect();
        assert!(odd.is_empty(), "{odd:?}");
        assert_eq!(came.len(), 1_000);
        assert!(most <= 4, "{most} at once");
    }

    proptest! {
        #[test]
        fn nobody_is_early_nor_late_by_more_than_a_spoke(
            every in 1..60_u64,
            due in prop::collection::vec(0..60_000_u64, 1..50),
            step in 1..300_u64,
        ) {
            let begun = Instant::now();
            let every = Duration::from_secs(every);
            let mut pings = Pings::new(every, begun);
            let due: Vec<Duration> = due.into_iter().map(|ms| Duration::from_millis(ms).min(every)).collect();
            for (stream, due) in due.iter().enumerate() {
                pings.add(stream as u32, begun + *due);
            }
            let mut first = vec![None; due.len()];
            let mut passed = Duration::ZERO;
            while first.contains(&None) {
                passed += Duration::from_millis(step);
                while let Some(streams) = pings.turn(begun + passed) {
                    for one in streams {
                        first[one as usize].get_or_insert(passed);
                    }
                }
                prop_assert!(passed < every * 2 + Duration::from_millis(step));
            }
            // a moment that is a whole round away comes with the round's beginning
            let spoke = pings.step();
            for (due, came) in due.iter().zip(first) {
                let came = came.unwrap_or_default();
                let late = came.saturating_sub(*due);
                prop_assert!(late <= spoke + Duration::from_millis(step), "{late:?} late");
                prop_assert!(came >= *due || *due + spoke > every, "{came:?} for {due:?}");
            }
        }

        #[test]
        fn nothing_is_missed_by_sleeping_as_long_as_it_says(
            due in prop::collection::vec(0..5_000_u64, 1..20),
        ) {
            let begun = Instant::now();
            let mut pings = Pings::new(Duration::from_secs(5), begun);
            for (stream, due) in due.iter().enumerate() {
                pings.add(stream as u32, begun + Duration::from_millis(*due));
            }
            let (mut now, mut seen, mut naps) = (begun, 0, 0);
            while seen < due.len() {
                while let Some(streams) = pings.turn(now) {
                    seen += streams.len();
                }
                now += pings.rest(now);
                naps += 1;
                prop_assert!(naps <= due.len() + 2);
            }
        }
    }
}
