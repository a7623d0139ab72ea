//! The simulated world: nodes, clients, a publisher, and what befalls them, all from one seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{
    client::{Client, Left},
    database::{Database, EXCUSED},
    draw::Draw,
    node::Node,
    planted::Planted,
    trace::{Outcome, Trace},
    wire::Wire,
};

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Whether nodes die, ways break, and the database stalls.
    pub faults: bool,
    pub planted: Planted,
}

/// Faults befall it for so long, ...
const TROUBLED_MS: u64 = 30_000;
/// ... and after so long everybody must have everything.
const END_MS: u64 = 60_000;
/// A vanished client is back by then, where nothing else is wrong.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A node that has read what the log has lost must live for so long at the most to tell the others.
const NOTICES_WITHIN_MS: u64 = 12_000;

pub struct World {
    pub database: Arc<Database>,
    pub trace: Trace,
    nodes: Mutex<Vec<Option<Arc<Node>>>>,
    wires: Mutex<BTreeMap<String, Vec<Arc<Wire>>>>,
    next_wire: AtomicU64,
    healing: AtomicBool,
    rivals: Mutex<BTreeSet<String>>,
    plan: Plan,
}

impl World {
    pub fn is_healing(&self) -> bool {
        self.healing.load(Ordering::Relaxed)
    }

    /// Where a load balancer leads.
    pub fn some_node(&self, draw: &mut Draw) -> Option<Arc<Node>> {
        let nodes = self.nodes.lock().unwrap();
        nodes[draw.below(nodes.len() as u64) as usize].clone()
    }

    pub fn wire(&self, key: &str) -> Arc<Wire> {
        let number = self.next_wire.fetch_add(1, Ordering::Relaxed);
        let wire = Wire::new(number, self.trace.clone());
        let mut wires = self.wires.lock().unwrap();
        wires.entry(key.to_owned()).or_default().push(wire.clone());
        wire
    }

    /// Whether a client held another connection of the key at some time since then.
    pub fn was_held(&self, key: &str, own: &Arc<Wire>, since_ms: u64) -> bool {
        let wires = self.wires.lock().unwrap();
        let others = wires[key].iter().filter(|wire| !Arc::ptr_eq(wire, own));
        others.into_iter().any(|wire| wire.was_held_since(since_ms))
    }

    /// A vanished client is back; a rival of its key may have kept it out, as it should.
    pub fn note_return(&self, key: &str, after: Duration) {
        self.trace.count("returns");
        let rivals = self.rivals.lock().unwrap().contains(key);
        if !self.plan.faults && !rivals && after > BACK_WITHIN {
            self.trace
                .fault(format!("a vanished client was back after {after:?}"));
        }
    }
}

/// Runs one world to its end.
pub fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let outcome = runtime.block_on(live(plan));
    runtime.shutdown_background();
    outcome
}

async fn live(plan: Plan) -> Outcome {
    let mut draw = Draw::new(plan.seed);
    let trace = Trace::new();
    // a clock may be fast or slow by a tenth
    let pace = if plan.faults {
        draw.between(90, 110)
    } else {
        100
    };
    let database = Database::new(pace, plan.planted, plan.faults, trace.clone());
    let count = draw.between(2, 3) as usize;
    let world = Arc::new(World {
        database: database.clone(),
        trace: trace.clone(),
        nodes: Mutex::new(vec![None; count]),
        wires: Mutex::default(),
        next_wire: AtomicU64::new(1),
        healing: AtomicBool::new(false),
        rivals: Mutex::default(),
        plan,
    });
    let seen = world.clone();
    database.watch_takings(Box::new(move |node, key| {
        let nodes = seen.nodes.lock().unwrap();
        let holder = nodes[node.0].as_ref();
        // mute before takeover: whoever loses a lease must be silent by then
        if !seen.database.is_excused()
            && holder.is_some_and(|held| {
                held.id == node && !held.is_dead() && !held.hub.tenure.is_muted()
            })
        {
            seen.trace.fault(format!(
                "{key} was taken from {node:?}, which is not silent"
            ));
        }
    }));
    for number in 0..count {
        start(&world, number, 0, &draw).await;
    }
    let mut clients = Vec::new();
    for number in 0..draw.between(2, 4) {
        let key = format!("key {number}");
        clients.push(join(&world, &key, "bot", END_MS, &draw));
        if draw.percent(40) {
            world.rivals.lock().unwrap().insert(key.clone());
            clients.push(join(
                &world,
                &key,
                "rival",
                draw.between(5_000, TROUBLED_MS),
                &draw,
            ));
        }
        if number == 0 {
            let (world, at) = (world.clone(), draw.ms(5_000, 25_000));
            tokio::spawn(async move {
                sleep(at).await;
                world.trace.tell(format!("{key} is revoked"));
                world.database.revoke(&key);
            });
        }
    }
    let publisher = tokio::spawn(publish(world.clone(), draw.part("publisher", 0)));
    if plan.faults {
        trouble(&world, draw.part("trouble", 0)).await;
    } else {
        sleep(Duration::from_millis(TROUBLED_MS)).await;
    }
    world.healing.store(true, Ordering::Relaxed);
    trace.tell("all is mended".to_owned());
    let _ = publisher.await;
    for client in clients {
        // proof: a client's task does not panic; its faults are in the trace
        let Left { key, last, got } = client.await.unwrap();
        let (epoch, head) = (database.epoch(), database.head());
        let revoked = database.revoked_ago(&key).is_some();
        if revoked || is_rival(&key) {
            continue;
        }
        if last.is_some() && last != Some((epoch.clone(), head)) {
            trace.fault(format!("{key}: ended at {last:?} of {epoch}-{head}"));
        }
        // all that it was not told to be lost is in the log, in its place
        for (seq, body) in got {
            if database
                .row(&epoch, seq)
                .is_none_or(|row| *row.body != *body)
            {
                trace.fault(format!(
                    "{key}: {body}, which it has as {seq}, is not in the log"
                ));
            }
        }
    }
    trace.outcome()
}

fn is_rival(key: &str) -> bool {
    key.ends_with('!')
}

type Ending = tokio::task::JoinHandle<Left>;

fn join(world: &Arc<World>, key: &str, what: &str, until_ms: u64, draw: &Draw) -> Ending {
    let client = Client {
        name: format!("{what} of {key}"),
        key: key.to_owned(),
        world: world.clone(),
        draw: draw.part(
            what,
            key.len() as u64 + u64::from(key.as_bytes()[key.len() - 1]),
        ),
        last: None,
        got: Vec::new(),
        until_ms,
    };
    let rival = what == "rival";
    tokio::spawn(async move {
        let mut left = client.run().await;
        if rival {
            left.key.push('!');
        }
        left
    })
}

async fn start(world: &Arc<World>, number: usize, times: u32, draw: &Draw) {
    let draw = draw.part("node", number as u64 * 1_000 + u64::from(times));
    loop {
        if let Some(node) = Node::start((number, times), &world.database, draw.clone()).await {
            world.nodes.lock().unwrap()[number] = Some(node);
            return;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

async fn publish(world: Arc<World>, mut draw: Draw) {
    while world.trace.ms() < END_MS - 25_000 {
        let (pause, burst) = match draw.below(10) {
            0 => (draw.ms(1_000, 4_000), 1),
            1 => (draw.ms(50, 500), draw.between(5, 60)),
            _ => (draw.ms(20, 600), 1),
        };
        sleep(pause).await;
        world.database.publish(burst);
    }
}

/// One misfortune after the other, some at a time; in the end all is mended.
async fn trouble(world: &Arc<World>, mut draw: Draw) {
    let mut times = vec![0; world.nodes.lock().unwrap().len()];
    while world.trace.ms() < TROUBLED_MS {
        sleep(draw.ms(200, 4_000)).await;
        let number = draw.below(times.len() as u64) as usize;
        let node = world.nodes.lock().unwrap()[number].clone();
        let Some(node) = node else { continue };
        let kind = draw.below(14);
        match kind {
            10 | 11 => {
                let (ms, still) = (draw.ms(500, 9_000), kind == 10);
                world.trace.count("suspended");
                world.trace.tell(format!(
                    "node {number} is suspended for {ms:?}, clock too: {still}"
                ));
                if still {
                    world.database.excuse(ms + EXCUSED);
                }
                node.line.suspend(still);
                let trace = world.trace.clone();
                tokio::spawn(async move {
                    sleep(ms).await;
                    node.line.resume();
                    trace.tell(format!("node {number} wakes up"));
                });
            }
            12 => {
                let by = draw.ms(1_000, 20_000);
                world.trace.count("clock steps");
                world
                    .trace
                    .tell(format!("the database's clock is set forward by {by:?}"));
                world.database.step(by);
            }
            13 => {
                // where nobody is left who has read what is lost, nobody can tell
                let (epoch, head) = (world.database.epoch(), world.database.head());
                let (log, seen) = node.hub.ring.standing();
                let reads = !node.line.is_cut() && !node.line.is_suspended();
                if !reads || log.epoch != epoch || seen != head || world.database.is_down() {
                    continue;
                }
                let by = draw.between(1, 8) as usize;
                world.trace.count("logs gone back");
                world.trace.tell(format!("the log goes back by {by}"));
                world.database.go_back(by);
                for _ in 0..NOTICES_WITHIN_MS / 100 {
                    if world.database.epoch() != epoch {
                        break;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
            0..=4 => {
                let ms = draw.ms(200, 8_000);
                world.trace.count("cuts");
                world
                    .trace
                    .tell(format!("node {number} is cut off for {ms:?}"));
                node.line.set_cut(true);
                let trace = world.trace.clone();
                tokio::spawn(async move {
                    sleep(ms).await;
                    node.line.set_cut(false);
                    trace.tell(format!("node {number} is back"));
                });
            }
            5 => {
                let ms = draw.ms(200, 7_000);
                world.trace.count("outages");
                world.trace.tell(format!("the database is down for {ms:?}"));
                world.database.set_down(true);
                sleep(ms).await;
                world.database.set_down(false);
            }
            _ => {
                let killed = kind > 7;
                let how = if killed { "killed" } else { "ended" };
                world.trace.count(how);
                world.trace.tell(format!("node {number} is {how}"));
                world.nodes.lock().unwrap()[number] = None;
                if killed {
                    node.kill();
                } else {
                    node.end().await;
                }
                times[number] += 1;
                let (world, draw, times) = (world.clone(), draw.clone(), times[number]);
                let pause = draw.clone().ms(200, 5_000);
                tokio::spawn(async move {
                    sleep(pause).await;
                    start(&world, number, times, &draw).await;
                });
            }
        }
    }
}
