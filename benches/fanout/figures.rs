//! What is measured, under which conditions, and what is to come out.

use std::fmt;

use clap::ValueEnum;

use crate::peers::Peer;

/// A figure of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Figure {
    /// Processor time of the server for each connection that becomes a stream.
    Connect,
    /// Memory of an idle stream.
    Memory,
    /// Processor time for each delivery at 2 events/s.
    Paced,
    /// Time from sending to the last stream at 5 events/s.
    Last,
    /// What is delivered of 20 events/s, and how late.
    Sustained,
    /// Processor time for each delivery in bursts of 8, as fast as they are taken.
    Bursts,
    /// Processor time for each delivery as streams grow: a tenth, one, and 1.9 times as many.
    Growth,
    /// So many streams for so long: what is lost, missing, doubled.
    Soak,
}

/// Where server and clients run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The server on one core with one thread; clients and publisher on another.
    Apart,
    /// All on the same two cores, the server with two threads.
    Together,
}

impl Figure {
    /// Those of a run that names none.
    pub const USUAL: [Figure; 6] = [
        Figure::Connect,
        Figure::Memory,
        Figure::Paced,
        Figure::Last,
        Figure::Sustained,
        Figure::Bursts,
    ];

    /// Where it is measured.
    pub fn placement(self) -> Placement {
        match self {
            Figure::Connect | Figure::Memory | Figure::Paced | Figure::Growth => Placement::Apart,
            Figure::Last | Figure::Sustained | Figure::Bursts | Figure::Soak => Placement::Together,
        }
    }

    /// Whether a server has a part in it. The server that joins events is nothing of its own where none wait.
    pub fn takes(self, peer: Peer) -> bool {
        match self {
            Figure::Soak => peer == Peer::Sigcast,
            Figure::Growth => matches!(peer, Peer::Limit | Peer::Sigcast),
            _ => peer != Peer::Joining || self.placement() == Placement::Together,
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// What is measured of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Microseconds of processor time a connection.
    ConnectUs,
    /// Bytes a stream.
    StreamBytes,
    /// Microseconds of processor time a delivery.
    DeliveryUs,
    /// Of it in user space.
    UserUs,
    /// Bytes read by clients for each delivery.
    DeliveryBytes,
    /// Deliveries a second.
    Rate,
    /// Deliveries of what was offered, within the time.
    Share,
    /// Median from sending to any stream, in milliseconds.
    P50,
    /// 99th percentile of it.
    P99,
    /// Median from sending to the last stream.
    LastP50,
    /// 99th percentile of it.
    LastP99,
    /// Deliveries that never came.
    Missing,
    /// Deliveries that came twice.
    Doubled,
    /// Streams that ended.
    Ended,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::ConnectUs => "µs processor a connect",
            Metric::StreamBytes => "resident bytes a stream",
            Metric::DeliveryUs => "µs processor a delivery",
            Metric::UserUs => "of it in user space",
            Metric::DeliveryBytes => "bytes a delivery",
            Metric::Rate => "deliveries/s",
            Metric::Share => "of what was offered",
            Metric::P50 => "p50 ms",
            Metric::P99 => "p99 ms",
            Metric::LastP50 => "last stream p50 ms",
            Metric::LastP99 => "last stream p99 ms",
            Metric::Missing => "missing",
            Metric::Doubled => "doubled",
            Metric::Ended => "ended",
        })
    }
}

/// What a value is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Itself.
    Nothing,
    /// The same of another server in the same round.
    Peer(Peer),
    /// The straight line between the fewest and the most streams: what all streams cost together, and what there is besides.
    Line,
}

/// What is to come out of sigcast.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// Of which figure.
    pub figure: Figure,
    /// Of which value.
    pub metric: Metric,
    /// Held against what.
    pub against: Against,
    /// The bound. Values are at most so much; [`Metric::Share`] is at least so much.
    pub must: f64,
    /// Where it would be good.
    pub aim: Option<f64>,
}

const fn aim(figure: Figure, metric: Metric, against: Against, must: f64, aim: f64) -> Aim {
    Aim {
        figure,
        metric,
        against,
        must,
        aim: Some(aim),
    }
}

const fn must(figure: Figure, metric: Metric, against: Against, must: f64) -> Aim {
    Aim {
        figure,
        metric,
        against,
        must,
        aim: None,
    }
}

/// All of them, for 10,000 streams.
pub const AIMS: [Aim; 15] = {
    use Against::{Line, Nothing, Peer as Of};
    use Figure::{Bursts, Connect, Growth, Last, Memory, Paced, Soak, Sustained};
    use Metric::{
        ConnectUs, DeliveryUs, Doubled, Ended, LastP50, Missing, P99, Share, StreamBytes, UserUs,
    };
    [
        aim(Paced, DeliveryUs, Of(Peer::Limit), 1.10, 1.0),
        must(Paced, DeliveryUs, Of(Peer::Nchan), 0.75),
        aim(Paced, UserUs, Nothing, 0.8, 0.4),
        aim(Bursts, DeliveryUs, Of(Peer::Joining), 0.75, 0.5),
        must(Bursts, DeliveryUs, Of(Peer::Nchan), 0.2),
        must(Sustained, Share, Nothing, 0.99),
        aim(Sustained, P99, Of(Peer::Joining), 0.8, 0.6),
        aim(Memory, StreamBytes, Nothing, 2_200.0, 1_200.0),
        aim(Last, LastP50, Of(Peer::Limit), 1.1, 0.9),
        must(Last, LastP50, Of(Peer::Nchan), 1.0),
        aim(Connect, ConnectUs, Of(Peer::Limit), 2.0, 1.5),
        must(Growth, DeliveryUs, Line, 1.15),
        must(Soak, Missing, Nothing, 0.0),
        must(Soak, Doubled, Nothing, 0.0),
        must(Soak, Ended, Nothing, 0.0),
    ]
};

impl Aim {
    /// Whether a value is within a bound.
    pub fn meets(&self, value: f64, bound: f64) -> bool {
        match self.metric {
            Metric::Share => value >= bound,
            _ => value <= bound,
        }
    }
}
