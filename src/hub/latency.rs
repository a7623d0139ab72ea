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
