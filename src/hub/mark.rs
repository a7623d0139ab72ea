//! What is measured of a frame when its bytes leave: how old it is by then, counted from each of its beginnings.

use std::time::{Duration, Instant};

use super::{
    frame::{Accepted, Frame},
    metrics::Metrics,
};

/// A frame on its way to a connection.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    accepted: Option<Accepted>,
    age: Option<Duration>,
    read: Instant,
}

impl Mark {
    /// Of this frame.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        Mark {
            accepted: frame.accepted,
            age: frame.age,
            read: frame.read,
        }
    }

    /// Its bytes leave now, to so many streams.
    pub fn leaves(&self, metrics: &Metrics, streams: u64, now: Instant) {
        let since_read = now.saturating_duration_since(self.read);
        metrics.delivery.observe(since_read, streams);
        if let Some(age) = self.age {
            metrics.publishing.observe(age + since_read, streams);
        }
        if let Some(accepted) = self.accepted {
            let since = now.saturating_duration_since(accepted.at);
            metrics.detection.observe(since, streams);
            if let Some(sighted) = accepted.sighted {
                let since = now.saturating_duration_since(sighted);
                metrics.feed_to_frame.observe(since, streams);
            }
        }
    }
}
