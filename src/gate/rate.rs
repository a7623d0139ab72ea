//! How fast one key may ask: a bucket that refills evenly, kept as a single moment (GCRA, ITU-T I.371).

use crate::model::time::Time;

/// So many requests a second, and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds in which one request's worth comes back.
    interval: i64,
    bucket: u32,
}

impl Rate {
    /// `None` where either is 0: no limit.
    #[must_use]
    pub fn new(per_second: u32, bucket: u32) -> Option<Self> {
        (per_second > 0 && bucket > 0).then(|| Rate {
            interval: (Time::SECOND / i64::from(per_second)).max(1),
            bucket,
        })
    }

    /// Requests that a full bucket holds.
    #[must_use]
    pub fn bucket(self) -> u32 {
        self.bucket
    }

    /// Microseconds in which an empty bucket is full again.
    #[must_use]
    pub fn window(self) -> i64 {
        self.interval.saturating_mul(i64::from(self.bucket))
    }
}

/// The bucket of one key: when it will be full again. The default is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Time,
}

impl Bucket {
    /// Takes one request's worth; otherwise says in how many microseconds there will be one.
    pub fn take(&mut self, rate: Rate, now: Time) -> Result<(), i64> {
        let missing = self.missing(rate, now).saturating_add(rate.interval);
        let wait = missing - rate.window();
        if wait > 0 {
            return Err(wait);
        }
        self.full_at = now.plus(missing);
        Ok(())
    }

    /// Requests that may be made now.
    #[must_use]
    pub fn left(self, rate: Rate, now: Time) -> u32 {
        let there = rate.window() - self.missing(rate, now);
        u32::try_from(there / rate.interval).unwrap_or(0)
    }

    /// Microseconds until it is full.
    #[must_use]
    pub fn missing(self, rate: Rate, now: Time) -> i64 {
        // a clock that was set back must not shut a key out: at worst its bucket is empty
        self.full_at.0.saturating_sub(now.0).clamp(0, rate.window())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEGIN: Time = Time(1_776_936_000_000_000);

    fn rate(per_second: u32, bucket: u32) -> Rate {
        Rate::new(per_second, bucket).unwrap()
    }

    #[test]
    fn a_rested_key_has_its_bucket_then_its_rate() {
        let rate = rate(10, 20);
        let mut bucket = Bucket::default();
        for n in 0..20 {
            assert_eq!(bucket.left(rate, BEGIN), 20 - n);
            assert_eq!(bucket.take(rate, BEGIN), Ok(()));
        }
        assert_eq!(bucket.take(rate, BEGIN), Err(100_000));
        assert_eq!(bucket.take(rate, BEGIN.plus(40_000)), Err(60_000));
        assert_eq!(bucket.take(rate, BEGIN.plus(100_000)), Ok(()));
        assert_eq!(bucket.take(rate, BEGIN.plus(100_000)), Err(100_000));
        assert_eq!(bucket.missing(rate, BEGIN.plus(100_000)), 2_000_000);
        assert_eq!(bucket.left(rate, BEGIN.plus(2_100_000)), 20);
    }

    #[test]
    fn nothing_of_either_is_no_limit() {
        assert_eq!(Rate::new(0, 20), None);
        assert_eq!(Rate::new(10, 0), None);
        let fast = rate(u32::MAX, u32::MAX);
        assert_eq!(Bucket::default().take(fast, BEGIN), Ok(()));
    }

    #[test]
    fn a_clock_set_back_empties_the_bucket_at_worst() {
        let rate = rate(10, 20);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, BEGIN.plus(Time::DAY)), Ok(()));
        assert_eq!(bucket.take(rate, BEGIN), Err(100_000));
        assert_eq!(
            bucket.take(rate, BEGIN.plus(-Time::DAY)),
            Err(100_000),
            "from wherever it is looked at"
        );
        for absurd in [i64::MIN, i64::MAX] {
            let _ = bucket.take(rate, Time(absurd));
        }
    }

    /// The rule as it is written on paper: since any earlier request, no more than the bucket and what came back.
    struct Naive {
        rate: Rate,
        passed: Vec<i64>,
    }

    impl Naive {
        fn take(&mut self, at: i64) -> bool {
            let fits = self.passed.iter().enumerate().all(|(n, since)| {
                let with_this = (self.passed.len() - n + 1) as i64;
                with_this * self.rate.interval <= self.rate.window() + (at - since)
            });
            if fits {
                self.passed.push(at);
            }
            fits
        }
    }

    proptest! {
        #[test]
        fn as_the_rule_on_paper(
            per_second in 1u32..50,
            size in 1u32..30,
            steps in prop::collection::vec(prop_oneof![Just(0i64), 0..300_000i64, 0..5_000_000i64], 1..120),
        ) {
            let rate = rate(per_second, size);
            let mut naive = Naive { rate, passed: Vec::new() };
            let mut bucket = Bucket::default();
            let mut now = BEGIN;
            for step in steps {
                now = now.plus(step);
                let left = bucket.left(rate, now);
                let taken = bucket.take(rate, now);
                prop_assert_eq!(taken.is_ok(), naive.take(now.0));
                prop_assert_eq!(taken.is_ok(), left > 0, "what is said to be left can be had");
                if let Err(wait) = taken {
                    let mut later = bucket;
                    prop_assert!(later.take(rate, now.plus(wait - 1)).is_err());
                    prop_assert!(later.take(rate, now.plus(wait)).is_ok(), "waiting as told is enough");
                }
            }
        }
    }
}
