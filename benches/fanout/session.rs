//! One server, started, connected to, measured in some figures one after the other, and ended.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    figures::{Figure, Metric, Placement},
    peers::{Found, Peer, Server, Setting},
    process::{Bounds, Used, pin, resident_bytes},
    receivers::{Receivers, Window},
    results::Sample,
    sigcast_server::Keys,
};

/// Events that all streams are sent before anything is measured: buffers are there, and code is warm.
const WARM_UP: u64 = 4;
const WARM_UP_PACE: f64 = 4.0;
/// One stream in so many is opened before the others, which are then measured without the server's own first costs.
const FIRST_SHARE: usize = 20;
/// What an opening leaves behind is done.
const SETTLES: Duration = Duration::from_secs(3);
/// How long what was sent may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);
/// Of what was offered, deliveries count that come so soon after the last was sent.
const IN_TIME: Duration = Duration::from_millis(500);
/// Bursts, and how many of them are on their way at once.
const BURST: u64 = 8;
const BURSTS_UNDER_WAY: u64 = 4;
const LOOK: Duration = Duration::from_micros(500);

/// What all sessions have in common.
pub struct Plan<'a> {
    /// What optional servers were found.
    pub found: &'a Found,
    /// sigcast's keys.
    pub keys: Option<&'a Keys>,
    /// A folder for the servers' files.
    pub folder: &'a Path,
    /// The two cores that all of it runs on.
    pub cores: [usize; 2],
    /// How long each figure takes.
    pub takes: Duration,
}

/// What one session is about.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// From 1.
    pub round: usize,
    /// The server.
    pub peer: Peer,
    /// All of one placement.
    pub figures: &'a [Figure],
    /// How many streams.
    pub streams: usize,
    /// Open files of the server, where they are fewer than the system allows.
    pub descriptors: Option<u64>,
}

/// Runs it.
pub fn run(plan: &Plan<'_>, part: Part<'_>) -> io::Result<Vec<Sample>> {
    let placement = part.figures.first().map(|figure| figure.placement());
    let placement = placement.ok_or_else(|| io::Error::other("no figure"))?;
    let [first, second] = plan.cores;
    let (server_cores, own_cores) = match placement {
        Placement::Apart => (vec![first], vec![second]),
        Placement::Together => (vec![first, second], vec![first, second]),
    };
    // threads that begin from here on are held to them too
    pin(&own_cores)?;
    let folder = tempfile::tempdir_in(plan.folder)?;
    let mut server = plan.found.start(
        part.peer,
        &Setting {
            folder: folder.path(),
            bounds: Bounds {
                cores: server_cores,
                descriptors: part.descriptors,
            },
            streams: part.streams,
            keys: plan.keys,
        },
    )?;
    let mut samples = Vec::new();
    let mut note = |figure: Figure, metric: Metric, value: f64| {
        // of nothing that arrived there is no time
        if !value.is_finite() {
            return;
        }
        samples.push(Sample {
            round: part.round,
            peer: part.peer,
            figure,
            streams: part.streams,
            metric,
            value,
        });
    };
    // where they have a core to themselves they poll it: the server would pay for waking them
    let mut receivers = Receivers::start(placement == Placement::Apart)?;
    let mut targets = std::mem::take(&mut server.targets);
    let others = targets.split_off((part.streams / FIRST_SHARE).max(1));
    let count = others.len().max(1) as f64;
    receivers.connect(targets)?;
    thread::sleep(SETTLES);
    // by now, a server that has others work for it has them all
    let pids = server.pids();
    let resident = resident_bytes(&pids);
    let before = Used::by(&pids);
    receivers.connect(others)?;
    let used = Used::by(&pids).since(before);
    thread::sleep(SETTLES);
    let has = |figure| part.figures.contains(&figure);
    if has(Figure::Connect) {
        let micros = used.all_ns as f64 / 1e3;
        note(Figure::Connect, Metric::ConnectUs, micros / count);
    }
    if has(Figure::Memory) {
        let more = resident_bytes(&pids).saturating_sub(resident);
        note(Figure::Memory, Metric::StreamBytes, more as f64 / count);
    }
    let mut session = Session {
        server,
        receivers,
        pids,
        streams: part.streams as u64,
    };
    session.pace(WARM_UP_PACE, WARM_UP)?;
    session.arrive();
    for figure in part.figures {
        let mut note = |metric, value| note(*figure, metric, value);
        match figure {
            Figure::Connect | Figure::Memory => {}
            Figure::Paced | Figure::Growth => session.paced(plan.takes, &mut note)?,
            Figure::Last => session.last(plan.takes, &mut note)?,
            Figure::Sustained => session.sustained(plan.takes, &mut note)?,
            Figure::Bursts => session.bursts(plan.takes, &mut note)?,
            Figure::Soak => session.soak(plan.takes, &mut note)?,
        }
    }
    session.end(part)?;
    Ok(samples)
}

struct Session {
    server: Server,
    receivers: Receivers,
    pids: Vec<u32>,
    streams: u64,
}

/// Milliseconds.
fn ms(nanos: Option<u64>) -> f64 {
    nanos.map_or(f64::NAN, |nanos| nanos as f64 / 1e6)
}

fn note_used(used: Used, window: &Window, note: &mut impl FnMut(Metric, f64)) {
    let count = window.deliveries as f64;
    note(Metric::DeliveryUs, used.all_ns as f64 / 1e3 / count);
    note(Metric::UserUs, used.user_ns() / 1e3 / count);
}

impl Session {
    /// So many events, so many a second.
    fn pace(&mut self, a_second: f64, events: u64) -> io::Result<()> {
        let began = Instant::now();
        for event in 0..events {
            let due = Duration::from_secs_f64(event as f64 / a_second);
            thread::sleep(due.saturating_sub(began.elapsed()));
            self.server.publisher.send(1)?;
        }
        // the last one has its time as well
        let due = Duration::from_secs_f64(events as f64 / a_second);
        thread::sleep(due.saturating_sub(began.elapsed()));
        Ok(())
    }

    /// Deliveries that are to come in all.
    fn due(&self) -> u64 {
        self.server.publisher.number() * self.streams
    }

    /// Waits until all that was sent has arrived, or will not.
    fn arrive(&mut self) {
        let began = Instant::now();
        while self.receivers.deliveries() < self.due() && began.elapsed() < ARRIVES_WITHIN {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends at a pace and waits until all has arrived; what the server used, and what came.
    fn measure(&mut self, a_second: f64, takes: Duration) -> io::Result<(Used, Window)> {
        self.receivers.take()?;
        let before = Used::by(&self.pids);
        let events = (a_second * takes.as_secs_f64()).round().max(1.0);
        self.pace(a_second, events as u64)?;
        self.arrive();
        let used = Used::by(&self.pids).since(before);
        Ok((used, self.receivers.take()?))
    }

    fn paced(&mut self, takes: Duration, note: &mut impl FnMut(Metric, f64)) -> io::Result<()> {
        let (used, window) = self.measure(2.0, takes)?;
        note_used(used, &window, note);
        let bytes = window.bytes as f64 / window.deliveries as f64;
        note(Metric::DeliveryBytes, bytes);
        Ok(())
    }

    fn last(&mut self, takes: Duration, note: &mut impl FnMut(Metric, f64)) -> io::Result<()> {
        let (_, window) = self.measure(5.0, takes)?;
        note(Metric::LastP50, ms(window.last.quantile(0.5)));
        note(Metric::LastP99, ms(window.last.quantile(0.99)));
        Ok(())
    }

    fn sustained(&mut self, takes: Duration, note: &mut impl FnMut(Metric, f64)) -> io::Result<()> {
        self.receivers.take()?;
        let before = self.receivers.deliveries();
        let began = Instant::now();
        let a_second = 20.0;
        let events = (a_second * takes.as_secs_f64()).round();
        self.pace(a_second, events as u64)?;
        let took = began.elapsed();
        // a server that is late is given the time of a delivery, and no more
        thread::sleep(IN_TIME);
        let in_time = (self.receivers.deliveries() - before) as f64;
        self.arrive();
        let window = self.receivers.take()?;
        note(Metric::Rate, in_time / took.as_secs_f64());
        note(Metric::Share, in_time / (events * self.streams as f64));
        note(Metric::P50, ms(window.all.quantile(0.5)));
        note(Metric::P99, ms(window.all.quantile(0.99)));
        note(Metric::LastP50, ms(window.last.quantile(0.5)));
        Ok(())
    }

    fn bursts(&mut self, takes: Duration, note: &mut impl FnMut(Metric, f64)) -> io::Result<()> {
        self.receivers.take()?;
        let before = Used::by(&self.pids);
        let began = Instant::now();
        let room = BURST * BURSTS_UNDER_WAY * self.streams;
        // what was lost before is not waited for
        let (due, delivered) = (self.due(), self.receivers.deliveries());
        while began.elapsed() < takes {
            // this burst included
            let sent = self.due() - due + BURST * self.streams;
            let arrived = self.receivers.deliveries() - delivered;
            if sent.saturating_sub(arrived) <= room {
                self.server.publisher.send(BURST)?;
            } else {
                thread::sleep(LOOK);
            }
        }
        self.arrive();
        let took = began.elapsed();
        let used = Used::by(&self.pids).since(before);
        let window = self.receivers.take()?;
        note_used(used, &window, note);
        note(Metric::Rate, window.deliveries as f64 / took.as_secs_f64());
        Ok(())
    }

    fn soak(&mut self, takes: Duration, note: &mut impl FnMut(Metric, f64)) -> io::Result<()> {
        let (used, window) = self.measure(2.0, takes)?;
        note_used(used, &window, note);
        note(Metric::P50, ms(window.all.quantile(0.5)));
        note(Metric::P99, ms(window.all.quantile(0.99)));
        let faults = self.receivers.faults(self.server.publisher.number())?;
        note(Metric::Missing, faults.missing as f64);
        note(Metric::Doubled, faults.doubled as f64);
        note(Metric::Ended, faults.ended as f64);
        Ok(())
    }

    /// Says what went wrong: a server that loses what it was to deliver is not comparable.
    fn end(mut self, part: Part<'_>) -> io::Result<()> {
        self.server.publisher.settle()?;
        self.arrive();
        let faults = self.receivers.faults(self.server.publisher.number())?;
        if faults.any() {
            eprintln!(
                "{} in round {}: {} deliveries missing, {} doubled, {} streams ended",
                part.peer, part.round, faults.missing, faults.doubled, faults.ended
            );
        }
        if !self.server.runs() {
            return Err(io::Error::other(format!("{} ended by itself", part.peer)));
        }
        // clients first, so that no server has to take leave of each
        drop(self.receivers);
        Ok(())
    }
}
