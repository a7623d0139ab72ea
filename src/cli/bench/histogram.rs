//! A histogram of times: as fine at a microsecond as at a minute, in constant memory, a quantile within 0.4 % of the exact one.

/// Each doubling is cut into 2^7 buckets: one is 0.8 % wide, and its middle is at most half of that away.
const FINENESS: u32 = 7;
const STEPS: usize = 1 << FINENESS;
/// One stretch of steps for what is exact, one for each doubling above.
const BUCKETS: usize = STEPS * (64 - FINENESS as usize + 1);

/// Counts of values from 0 to the largest `u64`.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    least: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: vec![0; BUCKETS],
            count: 0,
            least: u64::MAX,
            most: 0,
        }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exact.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.most)
    }

    /// The value that the share `q` (0 to 1) of all values does not exceed; nothing of nothing.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        if rank == self.count {
            return self.max();
        }
        let mut passed = 0;
        let found = self.buckets.iter().position(|&count| {
            passed += count;
            passed >= rank
        });
        found.map(|bucket| middle(bucket).clamp(self.least, self.most))
    }
}

fn bucket(value: u64) -> usize {
    let doublings = (u64::BITS - value.leading_zeros()).saturating_sub(FINENESS + 1);
    doublings as usize * STEPS + (value >> doublings) as usize
}

/// The middle of a bucket's values.
fn middle(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let doublings = bucket / STEPS - 1;
    let least = ((bucket - doublings * STEPS) as u64) << doublings;
    least + (1 << (doublings - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut all = Histogram::default();
        values.iter().for_each(|&value| all.record(value));
        all
    }

    #[test]
    fn nothing_has_no_quantile_and_the_ends_are_exact() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(Histogram::default().max(), None);
        let all = of(&[0, 1_000_003, u64::MAX]);
        assert_eq!((all.quantile(0.0), all.quantile(1.0)), (Some(0), all.max()));
        assert_eq!((all.max(), all.count()), (Some(u64::MAX), 3));
    }

    proptest! {
        #[test]
        fn a_quantile_is_that_of_the_sorted_values(
            mut values in prop::collection::vec(
                prop_oneof![0_u64..1_000, 0_u64..10_000_000_000, any::<u64>()], 1..200),
            split in 0_usize..200,
            q in 0.0_f64..=1.0,
        ) {
            let (left, right) = values.split_at(split.min(values.len()));
            let mut all = of(left);
            all.add(&of(right));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            let found = all.quantile(q).unwrap();
            prop_assert!(found.abs_diff(exact) as f64 <= exact as f64 * 0.004, "{} for {}", found, exact);
        }
    }
}
