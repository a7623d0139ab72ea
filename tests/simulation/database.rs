//! The database of the simulated world: its rows, its clock, and the ways to it, which are slow, break and fall silent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sigcast::model::{
    address::ClientAddress,
    lease::{
        Answer, Applicant, Application, Ask, Claim, Fence, Held, LeaseFuture, LeaseStore,
        LeasesUnavailable,
    },
    log::{LogFuture, LogHead, LogRead, LogRow, LogUnavailable},
    time::Time,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep},
};

use super::{draw::Draw, trace::Trace};

pub const EPOCH: &str = "0a1b2c3d";
pub const LIFE: Duration = Duration::from_millis(4_000);

/// Faults that are put into the program's ways on purpose, to see that they are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// Nodes fall silent only after the others may have taken their leases.
    LateMute,
    /// Whether a node lives is looked at, and only then, in a second step, its lease is taken.
    TakenWithoutLock,
    /// A node that is back sends on without looking what was taken from it.
    NoLookAfterSilence,
}

/// A node by its number and how often it was started.
pub type NodeId = (usize, u32);

struct Lease {
    node: Option<NodeId>,
    fence: i64,
    connected_at: Time,
    peer: ClientAddress,
    /// In the database's time.
    takeovers: Vec<Duration>,
}

struct Question {
    ask: Ask,
    to: NodeId,
    asked_at: Duration,
    answer: Option<Answer>,
}

#[derive(Default)]
struct Rows {
    signals: Vec<LogRow>,
    beats: BTreeMap<NodeId, Duration>,
    leases: BTreeMap<String, Lease>,
    questions: BTreeMap<i64, Question>,
    revoked: BTreeMap<String, Instant>,
    fence: i64,
    ask: i64,
    down: bool,
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
enum Topic {
    Signals,
    Leases,
    Access,
}

/// Called where a lease is taken from a node that is held for gone.
type OnTaken = Box<dyn Fn(NodeId, &str) + Send + Sync>;

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
    on_taken: Mutex<Option<OnTaken>>,
    pub trace: Trace,
}

impl Database {
    pub fn new(pace: u64, planted: Planted, stalls: bool, trace: Trace) -> Arc<Self> {
        Arc::new(Database {
            rows: Mutex::default(),
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
        Instant::now().duration_since(self.begun) * self.pace as u32 / 100
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
                rows.signals.push(LogRow {
                    seq,
                    published_at: Time(1_700_000_000_000_000 + self.now().as_micros() as i64),
                    body: format!("{{\"n\":{seq}}}").into(),
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
            }),
        });
        self.lines.lock().unwrap().insert(node, line.clone());
        line
    }

    /// Tells all nodes; some are told late, some never.
    fn notify(&self, topic: Topic) {
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
    database: Arc<Database>,
    node: NodeId,
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

    pub fn die(&self) {
        self.state.lock().unwrap().dead = true;
    }

    /// One transaction: there, done at one instant, and back. Whoever asks may lose patience; it is done all the same.
    async fn call<T: Send + 'static>(
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
    }

    pub async fn revoked(self: &Arc<Self>) -> Result<BTreeSet<String>, &'static str> {
        self.call(None, |rows, _| rows.revoked.keys().cloned().collect())
            .await
    }
}

/// One node's line, as the hub takes it.
#[derive(Clone)]
pub struct Way(pub Arc<Line>);

fn unread(error: &'static str) -> LogUnavailable {
    LogUnavailable(error.to_owned())
}

fn unheld(error: &'static str) -> LeasesUnavailable {
    LeasesUnavailable(error.to_owned())
}

impl LogRead for Way {
    fn head(&self) -> LogFuture<'_, LogHead> {
        Box::pin(async {
            let head = self.0.call(None, |rows, _| LogHead {
                epoch: EPOCH.into(),
                seq: rows.signals.len() as i64,
                oldest: 1,
            });
            head.await.map_err(unread)
        })
    }

    fn after(&self, seq: i64, limit: usize) -> LogFuture<'_, Vec<LogRow>> {
        Box::pin(async move {
            let rows = self.0.call(None, move |rows, _| {
                let after = rows.signals.iter().skip(seq as usize);
                after.take(limit).cloned().collect()
            });
            rows.await.map_err(unread)
        })
    }

    fn before_time(&self, _: Time) -> LogFuture<'_, i64> {
        Box::pin(async { Ok(0) })
    }
}

impl Way {
    /// Takes the lease whoever has it.
    fn take(
        database: &Database,
        rows: &mut Rows,
        now: Duration,
        node: NodeId,
        applicant: &Applicant,
    ) -> Application {
        rows.fence += 1;
        let fence = rows.fence;
        let ago = |age: &Duration| now.saturating_sub(*age);
        let before = rows.leases.get(&applicant.key_id);
        let takeovers: Vec<Duration> = match before {
            Some(lease) if lease.node == Some(node) => {
                applicant.takeovers.iter().map(ago).collect()
            }
            Some(lease) => lease.takeovers.clone(),
            None => Vec::new(),
        };
        if let Some(other) = before
            .and_then(|lease| lease.node)
            .filter(|other| *other != node)
        {
            database.trace.count("leases taken from the gone");
            if let Some(on_taken) = &*database.on_taken.lock().unwrap() {
                on_taken(other, &applicant.key_id);
            }
        }
        database.trace.tell(format!(
            "database: {} to {node:?}, fence {fence}, was {:?}",
            applicant.key_id,
            before.and_then(|lease| lease.node)
        ));
        let lease = Lease {
            node: Some(node),
            fence,
            connected_at: applicant.connected_at,
            peer: applicant.peer,
            takeovers: takeovers.clone(),
        };
        rows.leases.insert(applicant.key_id.clone(), lease);
        Application::Granted {
            fence: Fence(fence),
            takeovers: takeovers.iter().map(ago).collect(),
        }
    }

    /// The lease of another node that lives.
    fn held(rows: &Rows, now: Duration, node: NodeId, key_id: &str) -> Option<Held> {
        let lease = rows.leases.get(key_id)?;
        let other = lease.node.filter(|other| *other != node)?;
        let beat = rows.beats.get(&other)?;
        (now.saturating_sub(*beat) <= LIFE).then_some(Held {
            fence: Fence(lease.fence),
            connected_at: lease.connected_at,
            peer: lease.peer,
        })
    }
}

impl LeaseStore for Way {
    fn beat(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async {
            let node = self.0.node;
            let beat = self.0.call(None, move |rows, now| {
                rows.beats.insert(node, now);
            });
            beat.await.map_err(unheld)
        })
    }

    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>> {
        Box::pin(async {
            let node = self.0.node;
            let all = self.0.database.planted == Planted::NoLookAfterSilence;
            let own = self.0.call(None, move |rows, _| {
                let leases = rows.leases.iter();
                let own = leases.filter(|(_, lease)| all || lease.node == Some(node));
                own.map(|(key, lease)| (key.clone(), Fence(lease.fence)))
                    .collect()
            });
            own.await.map_err(unheld)
        })
    }

    fn apply<'a>(&'a self, applicant: &'a Applicant) -> LeaseFuture<'a, Application> {
        Box::pin(async move {
            let (node, database) = (self.0.node, self.0.database.clone());
            let (asked, by) = (applicant.clone(), database.clone());
            if database.planted == Planted::TakenWithoutLock {
                let key = asked.key_id.clone();
                let held = self
                    .0
                    .call(None, move |rows, now| Self::held(rows, now, node, &key));
                if let Some(held) = held.await.map_err(unheld)? {
                    return Ok(Application::Held(held));
                }
                let taken = self.0.call(None, move |rows, now| {
                    Self::take(&by, rows, now, node, &asked)
                });
                return taken.await.map_err(unheld);
            }
            let done = self.0.call(None, move |rows, now| {
                match Self::held(rows, now, node, &asked.key_id) {
                    Some(held) => Application::Held(held),
                    None => Self::take(&by, rows, now, node, &asked),
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn ask<'a>(&'a self, key_id: &'a str, fence: Fence, claim: Claim) -> LeaseFuture<'a, i64> {
        Box::pin(async move {
            let key_id = key_id.to_owned();
            let asked = self.0.call(Some(Topic::Leases), move |rows, now| {
                rows.ask += 1;
                let lease = rows.leases.get(&key_id);
                if let Some(to) = lease.and_then(|lease| lease.node) {
                    let ask = Ask {
                        id: rows.ask,
                        key_id,
                        fence,
                        claim,
                    };
                    let question = Question {
                        ask,
                        to,
                        asked_at: now,
                        answer: None,
                    };
                    rows.questions.insert(rows.ask, question);
                }
                rows.ask
            });
            asked.await.map_err(unheld)
        })
    }

    fn answer(&self, ask: i64) -> LeaseFuture<'_, Option<Answer>> {
        Box::pin(async move {
            let answer = self
                .0
                .call(None, move |rows, _| rows.questions.get(&ask)?.answer);
            answer.await.map_err(unheld)
        })
    }

    fn asked(&self) -> LeaseFuture<'_, Vec<Ask>> {
        Box::pin(async {
            let node = self.0.node;
            let asks = self.0.call(None, move |rows, now| {
                let fresh = rows.questions.values().filter(|question| {
                    question.to == node
                        && question.answer.is_none()
                        && now.saturating_sub(question.asked_at) < Duration::from_secs(3)
                });
                fresh.map(|question| question.ask.clone()).collect()
            });
            asks.await.map_err(unheld)
        })
    }

    fn reply<'a>(
        &'a self,
        ask: &'a Ask,
        answer: Answer,
        takeovers: Vec<Duration>,
    ) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            let (node, ask, trace) = (self.0.node, ask.clone(), self.0.database.trace.clone());
            let done = self.0.call(Some(Topic::Leases), move |rows, now| {
                if let Some(question) = rows.questions.get_mut(&ask.id) {
                    question.answer = Some(answer);
                }
                trace.tell(format!(
                    "database: {node:?} answers {ask:?} with {answer:?}"
                ));
                let lease = rows.leases.get_mut(&ask.key_id);
                if let Some(lease) = lease.filter(|lease| {
                    answer == Answer::Free
                        && lease.node.is_none_or(|own| own == node)
                        && lease.fence == ask.fence.0
                }) {
                    lease.node = None;
                    let ago = |age: &Duration| now.saturating_sub(*age);
                    lease.takeovers = takeovers.iter().map(ago).collect();
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn release<'a>(&'a self, leases: &'a [(String, Fence)]) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            let (node, leases) = (self.0.node, leases.to_vec());
            let done = self.0.call(Some(Topic::Leases), move |rows, _| {
                for (key, fence) in leases {
                    let lease = rows.leases.get_mut(&key);
                    if let Some(lease) =
                        lease.filter(|lease| lease.node == Some(node) && lease.fence == fence.0)
                    {
                        lease.node = None;
                    }
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn leave(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async {
            let node = self.0.node;
            let done = self.0.call(Some(Topic::Leases), move |rows, _| {
                rows.beats.remove(&node);
                for lease in rows.leases.values_mut() {
                    lease.node = lease.node.filter(|own| *own != node);
                }
            });
            done.await.map_err(unheld)
        })
    }
}
