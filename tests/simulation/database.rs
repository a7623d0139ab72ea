//! The database of the simulated world: its rows, its clock, and the ways to it, which are slow, break and fall silent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sigcast::model::{
    lease::{Answer, Ask},
    log::LogRow,
    time::Time,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep},
};

use super::{draw::Draw, planted::Planted, trace::Trace};

const EPOCH: &str = "0a1b2c3d";
pub const LIFE: Duration = Duration::from_millis(4_000);
/// From a heartbeat on, a node knows what became of it, and without one it is silent by then.
pub const EXCUSED: Duration = Duration::from_millis(2_700);

/// A node by its number and how often it was started.
pub type NodeId = (usize, u32);

pub struct Lease {
    pub node: Option<NodeId>,
    pub fence: i64,
    pub connected_at: Time,
    pub peer: String,
    /// In the database's time.
    pub takeovers: Vec<Duration>,
}

pub struct Question {
    pub ask: Ask,
    pub to: NodeId,
    pub asked_at: Duration,
    pub answer: Option<Answer>,
}

pub struct Rows {
    pub epoch: Arc<str>,
    pub signals: Vec<LogRow>,
    /// Rows that the log has had, and has lost, by their seq.
    pub lost: BTreeMap<i64, LogRow>,
    /// How often that was.
    pub times_back: i64,
    pub eras: BTreeMap<NodeId, i64>,
    pub beats: BTreeMap<NodeId, Duration>,
    pub leases: BTreeMap<String, Lease>,
    pub questions: BTreeMap<i64, Question>,
    pub revoked: BTreeMap<String, Instant>,
    pub fence: i64,
    pub ask: i64,
    pub down: bool,
}

impl Rows {
    fn new() -> Self {
        Rows {
            epoch: EPOCH.into(),
            signals: Vec::new(),
            lost: BTreeMap::new(),
            times_back: 0,
            eras: BTreeMap::new(),
            beats: BTreeMap::new(),
            leases: BTreeMap::new(),
            questions: BTreeMap::new(),
            revoked: BTreeMap::new(),
            fence: 0,
            ask: 0,
            down: false,
        }
    }

    /// The node's next era.
    pub fn begin_era(&mut self, node: NodeId) {
        self.fence += 1;
        self.eras.insert(node, self.fence);
    }
}

/// What wakes a node.
#[derive(Clone)]
pub struct Wakes {
    pub signals: watch::Sender<u64>,
    pub leases: watch::Sender<u64>,
    pub access: watch::Sender<u64>,
}

/// Which of them.
#[derive(Clone, Copy)]
pub enum Topic {
    Signals,
    Leases,
    Access,
}

/// Called where a lease is taken from a node that is held for gone.
pub type OnTaken = Box<dyn Fn(NodeId, &str) + Send + Sync>;

pub struct Database {
    rows: Mutex<Rows>,
    begun: Instant,
    /// Its clock runs so fast, in percent of the others'.
    pace: u64,
    pub planted: Planted,
    /// A revocation is to be known everywhere by then.
    pub knows_within: Duration,
    /// Whether a call may take long now and then.
    stalls: bool,
    lines: Mutex<BTreeMap<NodeId, Arc<Line>>>,
    /// By how much its clock was set forward.
    stepped: Mutex<Duration>,
    /// Until then, a node may not know what became of it: no clock told it.
    excused: Mutex<Instant>,
    pub on_taken: Mutex<Option<OnTaken>>,
    pub trace: Trace,
}

impl Database {
    pub fn new(pace: u64, planted: Planted, stalls: bool, trace: Trace) -> Arc<Self> {
        Arc::new(Database {
            rows: Mutex::new(Rows::new()),
            stepped: Mutex::default(),
            excused: Mutex::new(Instant::now()),
            begun: Instant::now(),
            pace,
            planted,
            knows_within: Duration::from_millis(if stalls { 4_000 } else { 1_000 }),
            stalls,
            lines: Mutex::default(),
            on_taken: Mutex::new(None),
            trace,
        })
    }

    pub fn watch_takings(&self, on_taken: OnTaken) {
        *self.on_taken.lock().unwrap() = Some(on_taken);
    }

    fn now(&self) -> Duration {
        let passed = Instant::now().duration_since(self.begun) * self.pace as u32 / 100;
        passed + *self.stepped.lock().unwrap()
    }

    /// Its clock is set forward: nodes that live are held for gone until they beat again.
    pub fn step(&self, by: Duration) {
        *self.stepped.lock().unwrap() += by;
        self.excuse(EXCUSED);
    }

    /// For so long, a node may send what is another's to send.
    pub fn excuse(&self, by: Duration) {
        let mut excused = self.excused.lock().unwrap();
        *excused = (*excused).max(Instant::now() + by);
    }

    pub fn is_excused(&self) -> bool {
        Instant::now() < *self.excused.lock().unwrap()
    }

    /// It is put back to what it was some signals ago. What nodes hold stays as it is.
    pub fn go_back(&self, by: usize) {
        let mut rows = self.rows.lock().unwrap();
        let kept = rows.signals.len().saturating_sub(by);
        let lost = rows.signals.split_off(kept);
        rows.times_back += 1;
        rows.lost.extend(lost.into_iter().map(|row| (row.seq, row)));
    }

    /// What is in the log under a place of it.
    pub fn row(&self, epoch: &str, seq: i64) -> Option<LogRow> {
        let rows = self.rows.lock().unwrap();
        let at = usize::try_from(seq).ok()?.checked_sub(1)?;
        (*rows.epoch == *epoch).then(|| rows.signals.get(at).cloned())?
    }

    pub fn epoch(&self) -> Arc<str> {
        self.rows.lock().unwrap().epoch.clone()
    }

    pub fn head(&self) -> i64 {
        self.rows.lock().unwrap().signals.len() as i64
    }

    pub fn owner(&self, key: &str) -> Option<NodeId> {
        self.rows.lock().unwrap().leases.get(key)?.node
    }

    pub fn set_down(&self, down: bool) {
        self.rows.lock().unwrap().down = down;
    }

    pub fn is_down(&self) -> bool {
        self.rows.lock().unwrap().down
    }

    pub fn revoked_ago(&self, key: &str) -> Option<Duration> {
        let rows = self.rows.lock().unwrap();
        let at = rows.revoked.get(key)?;
        Some(Instant::now().duration_since(*at))
    }

    pub fn publish(&self, count: u64) {
        {
            let mut rows = self.rows.lock().unwrap();
            if rows.down {
                return;
            }
            for _ in 0..count {
                let seq = rows.signals.len() as i64 + 1;
                // no two are alike, whatever seq they have
                let n = seq + 1_000 * rows.times_back;
                rows.signals.push(LogRow {
                    seq,
                    published_at: Time(1_700_000_000_000_000 + self.now().as_micros() as i64),
                    body: format!("{{\"n\":{n}}}").into(),
                });
            }
        }
        self.notify(Topic::Signals);
    }

    pub fn revoke(&self, key: &str) {
        self.rows
            .lock()
            .unwrap()
            .revoked
            .insert(key.to_owned(), Instant::now());
        self.notify(Topic::Access);
    }

    pub fn connect(self: &Arc<Self>, node: NodeId, wakes: Wakes, draw: Draw) -> Arc<Line> {
        let line = Arc::new(Line {
            database: self.clone(),
            node,
            wakes,
            state: Mutex::new(State {
                draw,
                stalls: self.stalls,
                dead: false,
                cut: false,
                suspended: None,
                asleep: Duration::ZERO,
            }),
        });
        self.lines.lock().unwrap().insert(node, line.clone());
        line
    }

    /// Tells all nodes; some are told late, some never.
    pub fn notify(&self, topic: Topic) {
        let lines: Vec<_> = self.lines.lock().unwrap().values().cloned().collect();
        for line in lines {
            let (late, lost) = {
                let mut state = line.state.lock().unwrap();
                if state.dead {
                    continue;
                }
                (state.latency(), state.draw.percent(3) || state.cut)
            };
            if lost {
                continue;
            }
            tokio::spawn(async move {
                sleep(late).await;
                let wakes = match topic {
                    Topic::Signals => &line.wakes.signals,
                    Topic::Leases => &line.wakes.leases,
                    Topic::Access => &line.wakes.access,
                };
                wakes.send_modify(|count| *count += 1);
            });
        }
    }
}

struct State {
    draw: Draw,
    stalls: bool,
    /// The node is no more: nobody hears what it is told.
    dead: bool,
    /// Nothing goes to and fro.
    cut: bool,
    /// The machine is suspended, since when; whether the clock by which the node counts its tenure stands still meanwhile.
    suspended: Option<(Instant, bool)>,
    /// What that clock missed so far.
    asleep: Duration,
}

impl State {
    fn latency(&mut self) -> Duration {
        match self.draw.below(100) {
            99 if self.stalls => self.draw.ms(100, 900),
            95.. => self.draw.ms(5, 80),
            _ => self.draw.ms(0, 3),
        }
    }
}

/// One node's way to the database.
pub struct Line {
    pub database: Arc<Database>,
    pub node: NodeId,
    wakes: Wakes,
    state: Mutex<State>,
}

/// A broken way is noticed by the system at last.
const NOTICED: Duration = Duration::from_secs(10);

impl Line {
    pub fn set_cut(&self, cut: bool) {
        self.state.lock().unwrap().cut = cut;
    }

    pub fn is_cut(&self) -> bool {
        self.state.lock().unwrap().cut
    }

    /// The node's machine is suspended: nothing of it moves, and it does not know.
    pub fn suspend(&self, clock_stands_still: bool) {
        self.state.lock().unwrap().suspended = Some((Instant::now(), clock_stands_still));
    }

    pub fn resume(&self) {
        let mut state = self.state.lock().unwrap();
        if let Some((since, true)) = state.suspended.take() {
            state.asleep += since.elapsed();
        }
    }

    pub fn is_suspended(&self) -> bool {
        self.state.lock().unwrap().suspended.is_some()
    }

    pub async fn while_suspended(&self) {
        while self.is_suspended() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Time that has passed for the node.
    pub fn passed(&self) -> Duration {
        let state = self.state.lock().unwrap();
        let now = match state.suspended {
            Some((since, true)) => since,
            _ => Instant::now(),
        };
        now.duration_since(self.database.begun)
            .saturating_sub(state.asleep)
    }

    pub fn die(&self) {
        self.state.lock().unwrap().dead = true;
    }

    /// One transaction: there, done at one instant, and back. Whoever asks may lose patience; it is done all the same.
    pub async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        tells: Option<Topic>,
        work: impl FnOnce(&mut Rows, Duration) -> T + Send + 'static,
    ) -> Result<T, &'static str> {
        let (sender, result) = oneshot::channel();
        let line = self.clone();
        tokio::spawn(async move {
            if let Some(done) = line.round_trip(tells, work).await {
                let _ = sender.send(done);
            } else {
                // lost on the way; the caller waits until the system notices
                sleep(NOTICED).await;
            }
        });
        result.await.unwrap_or(Err("the connection broke"))
    }

    async fn round_trip<T>(
        self: &Arc<Self>,
        tells: Option<Topic>,
        work: impl FnOnce(&mut Rows, Duration) -> T,
    ) -> Option<Result<T, &'static str>> {
        let database = &self.database;
        let (there, back, refused) = {
            let mut state = self.state.lock().unwrap();
            let refused = state.cut && state.draw.percent(50);
            (state.latency(), state.latency(), refused)
        };
        self.while_alive().await;
        sleep(there).await;
        if refused {
            return Some(Err("connection refused"));
        }
        if self.is_cut() {
            return None;
        }
        if database.is_down() {
            return Some(Err("the database is down"));
        }
        let done = work(&mut database.rows.lock().unwrap(), database.now());
        if let Some(topic) = tells {
            database.notify(topic);
        }
        sleep(back).await;
        if self.is_cut() {
            return None;
        }
        self.while_alive().await;
        Some(Ok(done))
    }

    async fn while_alive(&self) {
        let dead = self.state.lock().unwrap().dead;
        if dead {
            std::future::pending::<()>().await;
        }
        self.while_suspended().await;
    }

    pub async fn revoked(self: &Arc<Self>) -> Result<BTreeSet<String>, &'static str> {
        self.call(None, |rows, _| rows.revoked.keys().cloned().collect())
            .await
    }
}
