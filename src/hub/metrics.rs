//! What the hub counts; `telemetry` registers it.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::latency::Latency;

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabel {
    /// One word.
    pub reason: &'static str,
}

/// The hub's own counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Open streams.
    pub streams: Gauge<i64, AtomicI64>,
    /// Streams that read the log rather than the ring.
    pub catching_up: Gauge<i64, AtomicI64>,
    /// Frames in the ring.
    pub ring_frames: Gauge<i64, AtomicI64>,
    /// Frames handed to connections.
    pub frames: Counter,
    /// Streams that ended, by reason.
    pub closes: Family<CloseLabel, Counter>,
    /// Seconds from the acceptance of the firing fact to the write of the frame to a socket.
    pub detection: Latency,
    /// Seconds from the publication of a signal, on whatever node, to the write of its frame to a socket.
    pub publishing: Latency,
    /// Seconds from the reading of a committed row to the write of its frame to a socket.
    pub delivery: Latency,
    /// Seconds from the moment at which a followed feed was first seen to name a filing to the write of its signal's frame to a socket.
    pub feed_to_frame: Latency,
    /// Failed readings of the log.
    pub log_failures: Counter,
    /// Heartbeats that did not reach the database.
    pub heartbeat_failures: Counter,
    /// 1 while the node may send no signals.
    pub muted: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let latency = || Latency::new(Duration::from_micros(250), 1.5, 28);
        Metrics {
            streams: Gauge::default(),
            catching_up: Gauge::default(),
            ring_frames: Gauge::default(),
            frames: Counter::default(),
            closes: Family::default(),
            detection: latency(),
            publishing: latency(),
            delivery: latency(),
            // a filing is fetched and judged within moments, or waits for the limits of its source: minutes
            feed_to_frame: Latency::new(Duration::from_millis(10), 1.6, 24),
            log_failures: Counter::default(),
            heartbeat_failures: Counter::default(),
            muted: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        to.register("streams", "Open streams", self.streams.clone());
        to.register(
            "streams_catching_up",
            "Streams that read the log",
            self.catching_up.clone(),
        );
        to.register(
            "ring_frames",
            "Frames held in memory",
            self.ring_frames.clone(),
        );
        to.register(
            "frames",
            "Frames handed to connections",
            self.frames.clone(),
        );
        to.register("stream_closes", "Streams that ended", self.closes.clone());
        to.register(
            "detection_seconds",
            "From the acceptance of the fact that fired to the write of the frame",
            self.detection.clone(),
        );
        to.register(
            "publish_seconds",
            "From a signal's publication to the write of its frame",
            self.publishing.clone(),
        );
        to.register(
            "delivery_seconds",
            "From the reading of a committed row to the write of its frame",
            self.delivery.clone(),
        );
        to.register(
            "feed_to_frame_seconds",
            "From a filing's appearance in a followed feed to the write of its signal's frame",
            self.feed_to_frame.clone(),
        );
        to.register(
            "log_read_failures",
            "Failed readings of the log",
            self.log_failures.clone(),
        );
        to.register(
            "heartbeat_failures",
            "Heartbeats that did not reach the database",
            self.heartbeat_failures.clone(),
        );
        to.register(
            "streams_muted",
            "1 while signals are held back, as the database was not reached for too long",
            self.muted.clone(),
        );
    }
}
