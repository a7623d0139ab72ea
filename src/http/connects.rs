//! How often each key has opened its stream within the last minute.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use dashmap::DashMap;

const MINUTE: Duration = Duration::from_secs(60);
/// Keys beyond which those are let go that have not come for a minute.
const MANY_KEYS: usize = 10_000;

/// The openings of all keys.
#[derive(Debug)]
pub struct Connects {
    by_key: DashMap<String, VecDeque<Instant>>,
    per_minute: usize,
}

impl Connects {
    /// So many within any minute; 0: as many as there are.
    #[must_use]
    pub fn new(per_minute: usize) -> Self {
        Connects {
            by_key: DashMap::new(),
            per_minute,
        }
    }

    /// Counts an opening, or says how long it is until there may be one. Refusals do not count: who waits as told gets in.
    pub fn admit(&self, key_id: &str, now: Instant) -> Result<(), Duration> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let of_late = |at: &Instant| now.duration_since(*at) < MINUTE;
        if self.by_key.len() > MANY_KEYS {
            self.by_key
                .retain(|_, times| times.back().is_some_and(of_late));
        }
        let mut times = self.by_key.entry(key_id.to_owned()).or_default();
        while times.front().is_some_and(|at| !of_late(at)) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= self.per_minute => {
                Err(MINUTE.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_holds_more_than_are_allowed() {
        let connects = Connects::new(3);
        let begin = Instant::now();
        let at = |seconds| connects.admit("k", begin + Duration::from_secs(seconds));
        assert_eq!([at(0), at(10), at(20)], [Ok(()); 3]);
        assert_eq!(at(30), Err(Duration::from_secs(30)));
        assert_eq!(at(59), Err(Duration::from_secs(1)));
        assert_eq!(
            connects.admit("another", begin),
            Ok(()),
            "each key by itself"
        );
        assert_eq!(at(60), Ok(()));
        assert_eq!(at(61), Err(Duration::from_secs(9)));
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let connects = Connects::new(0);
        for _ in 0..100 {
            assert_eq!(connects.admit("k", Instant::now()), Ok(()));
        }
        assert!(connects.by_key.is_empty());
    }

    #[test]
    fn keys_that_came_once_do_not_stay() {
        let connects = Connects::new(1);
        let begin = Instant::now();
        for n in 0..=MANY_KEYS {
            let _ = connects.admit(&n.to_string(), begin);
        }
        let _ = connects.admit("late", begin + 2 * MINUTE);
        assert_eq!(connects.by_key.len(), 1);
    }
}
