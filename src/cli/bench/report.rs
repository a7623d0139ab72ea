//! What a run of `bench streams` found: one object, with a unit in every name.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{clients::Findings, histogram::Histogram, process::Usage, publisher::Published};

/// All of it, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where the streams were opened.
    pub url: String,
    /// Nothing missing, nothing twice, nothing refused, nothing ended before its time: exit status 0.
    pub clean: bool,
    /// It was ended by hand.
    pub interrupted: bool,
    /// What became of the streams.
    pub streams: Streams,
    /// How they were opened.
    pub connecting: Connecting,
    /// What was published; `null` where nothing was.
    pub publishing: Option<Publishing>,
    /// What arrived; `null` where nothing was published.
    pub delivery: Option<Delivery>,
    /// What the server took; `null` without `--pid`.
    pub server: Option<Server>,
}

/// Streams.
#[derive(Clone, Debug, Serialize)]
pub struct Streams {
    /// As many as were asked for.
    pub wanted: u64,
    /// As many as were open once.
    pub opened: u64,
    /// As many as were open at the end.
    pub open_at_end: u64,
    /// Times that a stream came back.
    pub reconnected: u64,
    /// Attempts that failed, by status and code or by what the system said.
    pub refused: BTreeMap<String, u64>,
    /// Open streams that ended, by the code or reason that the server gave.
    pub ended: BTreeMap<String, u64>,
}

/// Times of one kind, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// How many there are.
    pub count: u64,
    /// Half of them are no longer.
    pub p50_ms: f64,
    /// 99 % of them.
    pub p99_ms: f64,
    /// 99.9 % of them.
    pub p999_ms: f64,
    /// None is longer.
    pub max_ms: f64,
}

/// The connecting phase.
#[derive(Clone, Debug, Serialize)]
pub struct Connecting {
    /// From the first connect to the last `hello`.
    pub seconds: f64,
    /// Streams opened a second, meanwhile.
    pub connects_per_second: f64,
    /// From a connect to its `hello`.
    pub connect_to_hello: Option<Times>,
}

/// The publisher.
#[derive(Clone, Debug, Serialize)]
pub struct Publishing {
    /// Signals that the log took.
    pub signals: u64,
    /// Requests that took them there.
    pub posts: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Signals a second, meanwhile.
    pub signals_per_second: f64,
    /// From a request to its answer: the commit.
    pub post_to_answer: Option<Times>,
    /// How late the latest request was, as it waited for the answer to the one before.
    pub latest_post_ms: f64,
    /// What was not published, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// What arrived.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// Signals that came, each once a stream.
    pub deliveries: u64,
    /// Signals published, times streams opened.
    pub expected: u64,
    /// Signals that should have come and did not.
    pub missing: u64,
    /// Signals that came again.
    pub duplicated: u64,
    /// Holes that the server told of.
    pub gaps: u64,
    /// Deliveries a second, from the first request to the last arrival.
    pub deliveries_per_second: f64,
    /// Bytes read, pings included, for each delivery.
    pub bytes_per_delivery: f64,
    /// From the request's start to the arrival at a stream.
    pub post_to_arrival: Option<Times>,
    /// From the request's answer to the arrival; 0 where the signal was there before the answer.
    pub answer_to_arrival: Option<Times>,
    /// From the request's start to the arrival at the last stream; of the signals that reached all.
    pub post_to_last_stream: Option<Times>,
}

/// The server's processes, as `/proc` shows them.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Which.
    pub pids: Vec<u32>,
    /// Processor time of the connecting phase for each stream opened.
    pub cpu_us_per_connect: Option<f64>,
    /// Processor time of the publishing phase for a million deliveries.
    pub cpu_s_per_million_deliveries: Option<f64>,
    /// Of it in the server's own code.
    pub user_s_per_million_deliveries: Option<f64>,
    /// Of it in the kernel.
    pub system_s_per_million_deliveries: Option<f64>,
    /// Processors that were busy in the publishing phase: 1.0 is one of them all the time.
    pub cores_busy: Option<f64>,
    /// Resident before the first connect.
    pub resident_bytes_before: u64,
    /// Resident with all streams open and idle.
    pub resident_bytes_idle: u64,
    /// Resident at the end of the publishing phase.
    pub resident_bytes_loaded: Option<u64>,
    /// What was added from before to idle, for each open stream.
    pub resident_bytes_per_stream: Option<f64>,
}

/// The server's processes at the borders of the phases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usages {
    /// Before the first connect.
    pub before: Usage,
    /// When the last stream was open.
    pub connected: Usage,
    /// After a rest; the publishing begins.
    pub idle: Usage,
    /// After the last delivery.
    pub loaded: Option<Usage>,
    /// From idle to loaded.
    pub took: Duration,
}

fn milliseconds(ns: u64) -> f64 {
    rounded(ns as f64 / 1e6, 1e3)
}

/// To so many steps of one.
pub fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

impl Times {
    /// Of nanoseconds; nothing of nothing.
    #[must_use]
    pub fn of(all: &Histogram) -> Option<Self> {
        let at = |q| all.quantile(q).map(milliseconds);
        Some(Times {
            count: all.count(),
            p50_ms: at(0.5)?,
            p99_ms: at(0.99)?,
            p999_ms: at(0.999)?,
            max_ms: at(1.0)?,
        })
    }
}

fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        rounded(count as f64 / seconds, 10.0)
    } else {
        0.0
    }
}

impl Connecting {
    /// Of what clients found.
    #[must_use]
    pub fn of(found: &Findings) -> Self {
        let seconds = seconds(found.first_connect_ns, found.last_open_ns);
        Connecting {
            seconds: rounded(seconds, 1e3),
            connects_per_second: per_second(found.opened, seconds),
            connect_to_hello: Times::of(&found.opening),
        }
    }
}

impl Publishing {
    /// Of what the publisher did.
    #[must_use]
    pub fn of(done: &Published) -> Self {
        let seconds = seconds(done.from_ns, done.to_ns);
        Publishing {
            signals: done.signals,
            posts: done.posts,
            seconds: rounded(seconds, 1e3),
            signals_per_second: per_second(done.signals, seconds),
            post_to_answer: Times::of(&done.posting),
            latest_post_ms: rounded(done.late.as_secs_f64() * 1e3, 1e3),
            failed: done.failed.clone(),
        }
    }
}

impl Delivery {
    /// Of what the publisher did and clients found; `opened`: streams that were to get it.
    #[must_use]
    pub fn of(done: &Published, found: &Findings, opened: u64) -> Self {
        let arrivals = &found.arrivals;
        let deliveries = arrivals.deliveries;
        let bytes = found.bytes as f64 / deliveries.max(1) as f64;
        Delivery {
            deliveries,
            expected: done.signals * opened,
            missing: arrivals.missing,
            duplicated: arrivals.duplicated,
            gaps: arrivals.gaps,
            deliveries_per_second: per_second(deliveries, seconds(done.from_ns, arrivals.last_ns)),
            bytes_per_delivery: rounded(bytes, 10.0),
            post_to_arrival: Times::of(&arrivals.latency),
            answer_to_arrival: Times::of(&arrivals.after_answer),
            post_to_last_stream: Times::of(&arrivals.to_last(opened)),
        }
    }

    /// Nothing missing, nothing twice.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing == 0 && self.duplicated == 0 && self.gaps == 0
    }
}

impl Server {
    /// Of what was looked up at the borders of the phases.
    #[must_use]
    pub fn of(pids: Vec<u32>, usages: &Usages, opened: u64, deliveries: u64) -> Self {
        let sum = |(user, system): (Duration, Duration)| user + system;
        let connecting = sum(usages.connected.since(&usages.before));
        let each = |time: Duration, count: u64| {
            (count > 0).then(|| rounded(time.as_secs_f64() * 1e6 / count as f64, 1e3))
        };
        let loaded = usages.loaded.map(|loaded| loaded.since(&usages.idle));
        // a microsecond for each is a second for a million
        let million = |time: Option<Duration>| time.and_then(|time| each(time, deliveries));
        let grown = usages.idle.resident_bytes as f64 - usages.before.resident_bytes as f64;
        Server {
            pids,
            cpu_us_per_connect: each(connecting, opened),
            cpu_s_per_million_deliveries: million(loaded.map(sum)),
            user_s_per_million_deliveries: million(loaded.map(|(user, _)| user)),
            system_s_per_million_deliveries: million(loaded.map(|(_, system)| system)),
            cores_busy: loaded
                .filter(|_| !usages.took.is_zero())
                .map(|both| rounded(sum(both).as_secs_f64() / usages.took.as_secs_f64(), 100.0)),
            resident_bytes_before: usages.before.resident_bytes,
            resident_bytes_idle: usages.idle.resident_bytes,
            resident_bytes_loaded: usages.loaded.map(|loaded| loaded.resident_bytes),
            resident_bytes_per_stream: (opened > 0).then(|| (grown / opened as f64).round()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(user_ms: u64, system_ms: u64, resident_bytes: u64) -> Usage {
        Usage {
            user: Duration::from_millis(user_ms),
            system: Duration::from_millis(system_ms),
            resident_bytes,
        }
    }

    #[test]
    fn what_the_server_took_is_shared_out_among_what_it_did() {
        let usages = Usages {
            before: usage(10, 10, 1_000_000),
            connected: usage(20, 20, 3_000_000),
            idle: usage(25, 25, 2_000_000),
            loaded: Some(usage(125, 425, 4_000_000)),
            took: Duration::from_secs(1),
        };
        let server = Server::of(vec![1], &usages, 1_000, 50_000);
        assert_eq!(server.cpu_us_per_connect, Some(20.0));
        assert_eq!(server.user_s_per_million_deliveries, Some(2.0));
        assert_eq!(server.system_s_per_million_deliveries, Some(8.0));
        assert_eq!(server.cpu_s_per_million_deliveries, Some(10.0));
        assert_eq!(server.cores_busy, Some(0.5));
        assert_eq!(server.resident_bytes_per_stream, Some(1_000.0));
        // nothing is made up where nothing was done
        let nothing = Server::of(vec![1], &usages, 0, 0);
        assert_eq!(nothing.cpu_us_per_connect, None);
        assert_eq!(nothing.cpu_s_per_million_deliveries, None);
        assert_eq!(nothing.resident_bytes_per_stream, None);
    }
}
