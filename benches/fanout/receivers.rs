//! The clients of the comparison: the load generator's own, the same for every server, and what they saw of a stretch of time.

use std::{io, time::Duration};

use sigcast::cli::bench::{
    clients::{Clients, Findings, Options, Stamp, Target},
    histogram::Histogram,
};

/// How long all may take to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(120);

/// Streams, all open.
pub struct Receivers {
    clients: Clients,
    streams: u64,
    faults: Faults,
}

/// What arrived in a stretch of time.
pub struct Window {
    /// Signals, each once a stream.
    pub deliveries: u64,
    /// All that was read.
    pub bytes: u64,
    /// From a signal's sending to a stream, in nanoseconds.
    pub all: Histogram,
    /// From a signal's sending to the last stream.
    pub last: Histogram,
}

/// What went wrong since the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Deliveries that never came.
    pub missing: u64,
    /// Deliveries that came again.
    pub doubled: u64,
    /// Streams that ended.
    pub ended: u64,
}

impl Faults {
    /// Whether anything did.
    pub fn any(self) -> bool {
        self.missing + self.doubled + self.ended > 0
    }

    fn add(&mut self, found: &Findings) {
        self.missing += found.arrivals.missing;
        self.doubled += found.arrivals.duplicated;
        self.ended += found.ended.values().sum::<u64>();
    }
}

impl Receivers {
    /// None yet. They have one thread, which polls without sleeping where it has a core to itself.
    pub fn start(polls: bool) -> io::Result<Self> {
        let clients = Clients::start(&Options {
            spin: polls,
            stamp: Stamp::InData,
            ..Options::default()
        })?;
        Ok(Receivers {
            clients,
            streams: 0,
            faults: Faults::default(),
        })
    }

    /// Opens some more, and waits until they are open.
    pub fn connect(&mut self, targets: Vec<Target>) -> io::Result<()> {
        self.streams += targets.len() as u64;
        self.clients.connect(targets)?;
        let streams = self.streams;
        self.clients.wait_connected(streams, CONNECT_WITHIN, |_| {});
        let open = self.clients.standing().open;
        if open == streams {
            return Ok(());
        }
        let found = self.clients.collect(None)?;
        Err(io::Error::other(format!(
            "{open} of {streams} streams are open: {:?} {:?}",
            found.refused, found.ended
        )))
    }

    /// Deliveries since the beginning.
    pub fn deliveries(&self) -> u64 {
        self.clients.standing().deliveries
    }

    /// What arrived since this was last asked.
    pub fn take(&mut self) -> io::Result<Window> {
        let found = self.clients.collect(None)?;
        self.faults.add(&found);
        Ok(Window {
            deliveries: found.arrivals.deliveries,
            bytes: found.bytes,
            last: found.arrivals.to_last(self.streams),
            all: found.arrivals.latency,
        })
    }

    /// What went wrong up to now, where so many signals were sent and have had their time to arrive.
    pub fn faults(&mut self, sent: u64) -> io::Result<Faults> {
        let found = self.clients.collect(Some((1, sent)))?;
        self.faults.add(&found);
        Ok(self.faults)
    }
}
