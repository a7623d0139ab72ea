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

    /// Its bytes leave now.
    pub fn leaves(&self, metrics: &Metrics) {
        let since_read = self.read.elapsed();
        metrics.delivery.observe(since_read.as_secs_f64());
        if let Some(age) = self.age {
            let since_published = age + since_read;
            metrics.publishing.observe(since_published.as_secs_f64());
        }
        if let Some(accepted) = self.accepted {
            metrics
                .detection
                .observe(accepted.at.elapsed().as_secs_f64());
            if let Some(sighted) = accepted.sighted {
                metrics
                    .feed_to_frame
                    .observe(sighted.elapsed().as_secs_f64());
            }
        }
    }
}
