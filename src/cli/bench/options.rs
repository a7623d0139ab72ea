//! How clients behave: how many threads, how fast they connect, and what they do when a stream ends.

use std::{net::IpAddr, time::Duration};

use super::frames::Stamp;

/// How clients behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads among which the streams are shared out.
    pub threads: usize,
    /// Look for what has come without ever sleeping: a server that has to wake a sleeping client pays for it.
    pub spin: bool,
    /// How frames say which one they are.
    pub stamp: Stamp,
    /// Streams that are being opened at a time.
    pub in_flight: usize,
    /// Connects a second, if bounded.
    pub connect_rate: Option<f64>,
    /// How long one may take to open.
    pub within: Duration,
    /// Whether a stream that ends comes back.
    pub reconnect: bool,
    /// Addresses to connect from, in turns; none leaves it to the system.
    pub sources: Vec<IpAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: 1,
            spin: false,
            stamp: Stamp::BySeq,
            in_flight: 64,
            connect_rate: None,
            within: Duration::from_secs(15),
            reconnect: false,
            sources: Vec::new(),
        }
    }
}
