//! A histogram of durations to which thousands are added at once: prometheus-client's own takes a lock and a search for each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Durations, counted by upper bounds that grow by the same factor.
#[derive(Clone, Debug)]
pub struct Latency(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// In nanoseconds, rising; the last is infinity.
    bounds: Vec<u64>,
    counts: Vec<AtomicU64>,
    /// In nanoseconds.
    sum: AtomicU64,
}

impl Latency {
    /// With so many bounds: the first one, and each the one before times `factor`.
    #[must_use]
    pub fn new(first: Duration, factor: f64, bounds: i32) -> Self {
        let bound = |n| nanos(first.mul_f64(factor.powi(n)));
        let bounds: Vec<u64> = (0..bounds).map(bound).chain([u64::MAX]).collect();
        Latency(Arc::new(Counts {
            counts: bounds.iter().map(|_| AtomicU64::new(0)).collect(),
            bounds,
            sum: AtomicU64::new(0),
        }))
    }

    /// The duration that such a share of all did not exceed, about; `None` while nothing is counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let counts = self.0.counts.iter();
        let counts: Vec<u64> = counts.map(|count| count.load(Ordering::Relaxed)).collect();
        quantile(&self.0.bounds, &counts, share)
    }

    /// Counts `times` that each took so long.
    pub fn observe(&self, took: Duration, times: u64) {
        let took = nanos(took);
        let Counts {
            bounds,
            counts,
            sum,
        } = &*self.0;
        let bucket = bounds.partition_point(|bound| *bound < took);
        if let Some(count) = counts.get(bucket) {
            count.fetch_add(times, Ordering::Relaxed);
        }
        sum.fetch_add(took.saturating_mul(times), Ordering::Relaxed);
    }
}

/// Where a share of all lies among durations that were counted between bounds, as if they were spread evenly there.
fn quantile(bounds: &[u64], counts: &[u64], share: f64) -> Option<Duration> {
    let all: u64 = counts.iter().sum();
    let wanted = share.clamp(0.0, 1.0) * all as f64;
    let (mut below, mut from) = (0.0, 0);
    for (bound, count) in bounds.iter().zip(counts) {
        let with = below + *count as f64;
        if *count > 0 && with >= wanted {
            // beyond the last bound nothing is known but that
            let until = if *bound == u64::MAX { from } else { *bound };
            let part = (wanted - below) / *count as f64;
            let nanos = from as f64 + part * (until - from) as f64;
            return Some(Duration::from_nanos(nanos as u64));
        }
        (below, from) = (with, *bound);
    }
    None
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let seconds = |nanos: u64| match nanos {
            u64::MAX => f64::INFINITY,
            nanos => Duration::from_nanos(nanos).as_secs_f64(),
        };
        let counts = self
            .0
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let bounds = self.0.bounds.iter().map(|bound| seconds(*bound));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let all = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.sum.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, all, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn a_share_of_all_is_found_between_bounds() {
        let latency = Latency::new(Duration::from_millis(1), 2.0, 4);
        assert_eq!(latency.quantile(0.5), None);
        latency.observe(Duration::from_micros(1_500), 50);
        latency.observe(Duration::from_micros(3_000), 49);
        let ms = |share: f64| latency.quantile(share).unwrap().as_secs_f64() * 1e3;
        assert!((ms(0.0) - 1.0).abs() < 0.01 && (ms(1.0) - 4.0).abs() < 0.01);
        assert!((1.9..2.0).contains(&ms(0.49)), "{}", ms(0.49));
        latency.observe(Duration::from_secs(60), 1);
        assert!(
            (ms(1.0) - 8.0).abs() < 0.01,
            "beyond the last bound: {}",
            ms(1.0)
        );
        assert!(ms(0.98) < 4.0);
    }

    #[test]
    fn it_is_written_as_a_histogram() {
        let latency = Latency::new(Duration::from_millis(1), 2.0, 3);
        for (ms, times) in [(1, 2), (2, 1), (3, 10_000), (60_000, 1)] {
            latency.observe(Duration::from_millis(ms), times);
        }
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("took", "How long", latency);
        encode(&mut text, &registry).unwrap();
        let expected = "# HELP took How long.\n# TYPE took histogram\ntook_sum 90.004\ntook_count 10004\ntook_bucket{le=\"0.001\"} 2\n\
                        took_bucket{le=\"0.002\"} 3\ntook_bucket{le=\"0.004\"} 10003\ntook_bucket{le=\"+Inf\"} 10004\n# EOF\n";
        assert_eq!(text, expected);
    }
}
