//! Settings of the hub.

use serde::Deserialize;

/// Streams and their ring.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Frames kept in memory for those a little behind.
    pub ring_frames: usize,
    /// Their bytes, in kB: large signals fill the memory before the count does.
    pub ring_kb: usize,
    /// Seconds between two pings of one stream.
    pub ping_seconds: u64,
    /// Pings of different streams are spread by up to this many seconds either way.
    pub ping_spread_seconds: u64,
    /// How long a seat's holder may take to acknowledge a probe, in milliseconds.
    pub probe_ms: u64,
    /// Takeovers from living holders that one key is allowed in a minute.
    pub takeovers_per_minute: usize,
    /// A stream that takes no byte for this long is closed, in seconds.
    pub write_stall_seconds: u64,
    /// A peer that leaves written bytes without any answer for this long is gone, in seconds.
    pub unanswered_seconds: u64,
    /// A stream whose lag grows throughout this time is closed, in seconds; paced replays excepted.
    pub lag_seconds: u64,
    /// Whether streams over plain HTTP/1.1 leave hyper, and are written to by threads of their own; else hyper writes to them, as to those
    /// over TLS and HTTP/2.
    pub direct: bool,
    /// Whether these threads write to many streams by one call of the system, by Linux' `io_uring`, where it is allowed.
    pub io_uring: bool,
    /// By how much these threads' priority (`nice`) is below that of the others, 0 to 19.
    pub nice: u8,
    /// So many threads; 0: one a core.
    pub shards: usize,
    /// Frames that wait between a stream and its connection.
    pub pending_frames: usize,
    /// The log is read this often even if nothing wakes its reader, in milliseconds.
    pub tick_ms: u64,
    /// Where several nodes share a database: how long a node's leases outlive its last heartbeat, in milliseconds. It is silent from two
    /// thirds of that on.
    pub lease_ms: u64,
    /// Between two heartbeats, in milliseconds.
    pub beat_ms: u64,
}

/// Heartbeats that must fit into a lease's life: with two of them until the node is silent, one may be late.
const BEATS_IN_LEASE: u64 = 3;

/// The system's lowest priority.
const MOST_NICE: u8 = 19;

impl Config {
    /// Whether the settings go together; why not.
    pub fn check(&self) -> Result<(), String> {
        if self.lease_ms < self.beat_ms.saturating_mul(BEATS_IN_LEASE) {
            return Err(format!(
                "stream.lease_ms ({}) is less than {BEATS_IN_LEASE} times stream.beat_ms ({}): a single late heartbeat would silence a server, \
                 or have its streams taken over",
                self.lease_ms, self.beat_ms
            ));
        }
        if self.nice > MOST_NICE {
            return Err(format!("stream.nice ({}) is above {MOST_NICE}", self.nice));
        }
        Ok(())
    }
}
