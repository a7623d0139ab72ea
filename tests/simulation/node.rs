//! A node of the simulated world: the real hub, with the simulated database below and simulated wires above.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sigcast::{
    gate::filter::Filter,
    http::stream_body::StreamBody,
    hub::{
        config::Config,
        frame::{self, Ending, Gap, GapReason, Hello},
        leases::{self, Leases, Refusal},
        metrics::Metrics,
        node::Hub,
        opening::{self, Opening},
        outlet::Outlet,
        pulse, reader,
        seat::{End, Seat},
        seats::Taken,
        stream,
        tenure::Stopwatch,
        transport::Transport,
    },
    model::{
        lease::Claim,
        log::Position,
        random::Random,
        time::{Clock, Time},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    database::{Database, LIFE, Line, NodeId, Wakes},
    draw::Draw,
    planted::Planted,
    trace::Trace,
    way::Way,
    wire::{Seen, Watcher, Wire, carry},
};

/// Why a stream was not opened.
#[derive(Debug)]
pub enum Refused {
    Taken(Taken),
    Revoked,
    Later,
}

pub struct Node {
    pub id: NodeId,
    pub hub: Arc<Hub>,
    pub line: Arc<Line>,
    leases: Arc<Leases>,
    database: Arc<Database>,
    trace: Trace,
    stop: CancellationToken,
    dead: AtomicBool,
    wires: Mutex<Vec<Arc<Wire>>>,
    draw: Mutex<Draw>,
}

fn config() -> Config {
    Config {
        ring_frames: 48,
        ring_kb: 1024,
        ping_seconds: 5,
        ping_spread_seconds: 1,
        probe_ms: 2_000,
        takeovers_per_minute: 6,
        write_stall_seconds: 10,
        unanswered_seconds: 20,
        lag_seconds: 30,
        direct: false,
        io_uring: false,
        nice: 0,
        shards: 0,
        pending_frames: 16,
        tick_ms: 500,
        lease_ms: LIFE.as_millis() as u64,
        beat_ms: 1_000,
    }
}

impl Node {
    /// Starts one; `None` where the database cannot be reached.
    pub async fn start(id: NodeId, database: &Arc<Database>, mut draw: Draw) -> Option<Arc<Self>> {
        let wakes = Wakes {
            signals: watch::Sender::new(0),
            leases: watch::Sender::new(0),
            access: watch::Sender::new(0),
        };
        let line = database.connect(id, wakes.clone(), draw.part("line", 0));
        let way = Arc::new(Way(line.clone()));
        let mute = (database.planted == Planted::LateMute).then(|| LIFE.mul_f64(1.2));
        let clock = line.clone();
        let time = Stopwatch::from_fn(move || clock.passed());
        let leases = Leases::new(&config(), way.clone(), Metrics::default(), mute, time);
        let leases = Arc::new(leases);
        // clocks differ between nodes
        let (begun, off) = (Instant::now(), draw.between(0, 240) as i64 - 120);
        let clock = Clock::from_fn(move || {
            let passed = Instant::now().duration_since(begun).as_micros() as i64;
            Time(1_700_000_000_000_000 + off * Time::SECOND + passed)
        });
        let drawn = Mutex::new(draw.part("random", 0));
        let random = Random::from_fn(move |bytes| {
            let mut drawn = drawn.lock().unwrap();
            bytes.fill_with(|| drawn.below(256) as u8);
        });
        let hub = Hub::open(
            config(),
            way,
            Some(leases.clone()),
            clock,
            random,
            Metrics::default(),
        );
        let hub = hub.await.ok()?;
        let node = Arc::new(Node {
            id,
            hub,
            line,
            leases,
            database: database.clone(),
            trace: database.trace.clone(),
            stop: CancellationToken::new(),
            dead: AtomicBool::new(false),
            wires: Mutex::default(),
            draw: Mutex::new(draw),
        });
        let stop = || node.stop.clone().cancelled_owned();
        let (hub, leases) = (&node.hub, &node.leases);
        tokio::spawn(reader::run(hub.clone(), wakes.signals.subscribe(), stop()));
        tokio::spawn(pulse::run(hub.clone(), stop()));
        let again = node.clone();
        let recheck = move || {
            let node = again.clone();
            async move { check_access(&node).await }
        };
        tokio::spawn(leases::keep(leases.clone(), recheck, stop()));
        let changes = wakes.leases.subscribe();
        tokio::spawn(leases::answer(leases.clone(), changes, stop()));
        tokio::spawn(leases::apply(leases.clone(), stop()));
        tokio::spawn(leases::let_go(leases.clone(), stop()));
        tokio::spawn(watch_access(node.clone(), wakes.access.subscribe()));
        Some(node)
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The process is killed: the system resets its connections.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.line.die();
        self.stop.cancel();
        for wire in self.wires.lock().unwrap().drain(..) {
            wire.kill();
        }
    }

    /// The process ends in order.
    pub async fn end(&self) {
        for seat in self.hub.seats.all() {
            seat.end(End::Drain);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.leases.leave().await;
        self.kill();
    }

    /// What a request for a stream comes to.
    pub async fn open(
        self: &Arc<Self>,
        key: &str,
        claim: Claim,
        after: Option<(Arc<str>, i64)>,
        wire: &Arc<Wire>,
    ) -> Result<mpsc::Receiver<Seen>, Refused> {
        if self.is_dead() {
            return Err(Refused::Later);
        }
        self.wires.lock().unwrap().push(wire.clone());
        self.line.while_suspended().await;
        let later = |_| Refused::Later;
        if self.line.revoked().await.map_err(later)?.contains(key) {
            return Err(Refused::Revoked);
        }
        let hub = &self.hub;
        let connection = hub.seats.next_connection();
        let transport: Arc<dyn Transport> = wire.clone();
        let seat = Seat::new(
            key.into(),
            "account".into(),
            connection,
            hub.clock.now(),
            wire.peer().into(),
            Arc::downgrade(&transport),
            None,
        );
        let seat = hub
            .take_seat(seat, claim)
            .await
            .map_err(|refusal| match refusal {
                Refusal::Taken(taken) => Refused::Taken(taken),
                Refusal::Unavailable(_) => Refused::Later,
            })?;
        if self.line.revoked().await.map_err(later)?.contains(key) {
            return Err(Refused::Revoked);
        }
        let read = || async { Ok((hub.log.head().await?, ())) };
        let (log, head, ()) = hub.head_with(read).await.map_err(|_| Refused::Later)?;
        if self.is_dead() {
            return Err(Refused::Later);
        }
        let reason = match &after {
            Some((epoch, _)) if *epoch != head.epoch => Some(GapReason::EpochChanged),
            Some((_, seq)) if *seq > head.seq => Some(GapReason::AheadOfLog),
            _ => None,
        };
        let gap = reason.map(|reason| Gap {
            from: None,
            to: None,
            reason,
            resume_at: head.seq,
        });
        let known = after.as_ref().filter(|_| gap.is_none());
        let after = known.map(|(_, seq)| *seq);
        let at = after.unwrap_or(head.seq);
        let stands = Position {
            epoch: head.epoch.clone(),
            seq: at,
        };
        let hello = Hello {
            user_id: "account",
            key_id: key,
            plan: "alpha",
            epoch: &head.epoch,
            seq: head.seq,
            resumed_from: after,
            ping_seconds: 5,
            server_time: hub.clock.now(),
        };
        let opening = Opening {
            hello: Some(frame::hello(
                &hello,
                1_000,
                gap.is_none().then_some(&stands),
            )),
            gap,
            at,
            log,
            filter: Filter::default(),
            heartbeat: connection.is_multiple_of(2),
            replay: None,
            retry_ms: 1_000,
            next_ping: opening::first_ping(&hub.config, 0.0),
            matched: 0,
        };
        let draw = self.draw.lock().unwrap().part("wire", connection);
        let place = (self.id.0, self.id.1, connection);
        self.trace
            .tell(format!("{key}: opened at {place:?} after {at}, {claim:?}"));
        let (out, pieces) = mpsc::channel(hub.config.pending_frames);
        let (seen, socket) = (seat.shared(), transport.clone());
        let outlet = Outlet::new(pieces, seen, socket, hub.clone(), std::time::Instant::now());
        let body = StreamBody(outlet);
        let (database, own, name) = (self.database.clone(), self.id, key.to_owned());
        let bound = self.database.knows_within;
        let check = move |seq| {
            if database.is_excused() {
                return None;
            }
            if let Some(ago) = database.revoked_ago(&name)
                && ago > bound
            {
                return Some(format!(
                    "{name}: {own:?} wrote signal {seq} {ago:?} after it was revoked"
                ));
            }
            let owner = database.owner(&name).filter(|owner| *owner != own)?;
            Some(format!(
                "{name}: {own:?} wrote signal {seq}, and {owner:?} has the lease"
            ))
        };
        let watcher = Watcher {
            database: self.database.clone(),
            line: self.line.clone(),
            trace: self.trace.clone(),
            key: key.to_owned(),
            place,
            seat: seat.shared(),
            check: Box::new(check),
        };
        let (to, from) = mpsc::channel(8);
        tokio::spawn(carry(wire.clone(), body, watcher, to, draw));
        tokio::spawn(stream::run(hub.clone(), seat, transport, opening, out));
        Ok(from)
    }
}

/// Ends the streams of keys that were revoked.
async fn watch_access(node: Arc<Node>, mut changes: watch::Receiver<u64>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            Ok(()) = changes.changed() => {}
            _ = tick.tick() => {}
        }
        let _ = check_access(&node).await;
    }
}

async fn check_access(node: &Node) -> Result<(), &'static str> {
    let revoked = tokio::time::timeout(Duration::from_secs(1), node.line.revoked());
    let revoked = revoked.await.unwrap_or(Err("no answer"))?;
    for seat in node.hub.seats.all() {
        if revoked.contains(seat.key()) {
            seat.end(End::Error(Ending::KeyRevoked));
        }
    }
    Ok(())
}
