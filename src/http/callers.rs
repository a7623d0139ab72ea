//! The keys that are in use: who holds each, its bucket and its quota, in memory.
//!
//! A request of a known key touches no database: its holder is kept until accounts or keys change, its bucket is a number,
//! and its quota is served from a block that was reserved ahead (`gate::quota`). The keeper, one task, reserves for all
//! keys together, gives back what resting keys hold, and lets them go.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot};

use super::{
    batch::Batch,
    caller::{Allowance, Caller, Held, Known, Meter, Stopped},
};
use crate::{
    gate::{
        quota::{Ask, Counters, Limits, Quota, Taken},
        rate::Rate,
    },
    model::{
        key::{KeyHash, KeyText},
        time::{Clock, Time},
    },
    store::{
        db::Db,
        error::{StoreError, StoreResult},
        keys_in_use::InUse,
        usage::KeyAsk,
    },
};

/// Keys looked after at most, but for those that are asking this very moment.
const MOST_KEYS: usize = 65_536;
/// A key that rests so long gives back what it holds, and is let go.
const REST: i64 = 60 * Time::SECOND;
/// The same where there are too many: by then any bucket of the usual size is full again.
const SHORT_REST: i64 = 3 * Time::SECOND;
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Requests that may wait for a reservation; more wait for their turn to wait.
const MOST_WAITING: usize = 4_096;
/// Keys reserved for in one transaction.
const BATCH: usize = 256;
/// Keys looked up in one statement.
const LOOKED_UP: usize = 1_024;

/// What the keeper is asked for.
enum Task {
    /// Reserve for this key.
    Reserve(Wanted),
    /// Give back what is not used, of all keys, and say when it is done.
    Settle(oneshot::Sender<()>),
}

struct Wanted {
    caller: Arc<Caller>,
    limits: Limits,
    /// Where a request waits for it.
    passed: Option<oneshot::Sender<Taken>>,
}

/// All keys in use.
pub struct Callers {
    by_hash: Arc<DashMap<KeyHash, Arc<Caller>>>,
    /// Grows when accounts or keys change: what is known of holders is then read again.
    generation: AtomicU64,
    tasks: mpsc::Sender<Task>,
    /// Keys that are not known here, or are to be as the database has them now; looked up together.
    asked: Batch<KeyHash, StoreResult<Option<InUse>>>,
    clock: Clock,
}

/// Reserves for all keys, and gives back.
pub struct Keeper {
    by_hash: Arc<DashMap<KeyHash, Arc<Caller>>>,
    tasks: mpsc::Receiver<Task>,
    db: Db,
    clock: Clock,
    /// The database could not be written the last time: it is said once, not with every request.
    away: AtomicBool,
}

/// No key in use, and who will keep them. The keeper ends when the callers are dropped.
#[must_use]
pub fn new(db: Db, clock: Clock) -> (Callers, Keeper) {
    let by_hash = Arc::new(DashMap::new());
    let (tasks, receiver) = mpsc::channel(MOST_WAITING);
    let keeper = Keeper {
        by_hash: by_hash.clone(),
        tasks: receiver,
        away: AtomicBool::new(false),
        db: db.clone(),
        clock: clock.clone(),
    };
    let callers = Callers {
        by_hash,
        generation: AtomicU64::new(0),
        tasks,
        asked: Batch::new(LOOKED_UP, move |hashes| look_up(db.clone(), hashes)),
        clock,
    };
    (callers, keeper)
}

/// Who holds each key, if anybody does. What goes wrong is for all to hear: none asks once more for itself.
async fn look_up(db: Db, hashes: Vec<KeyHash>) -> Vec<StoreResult<Option<InUse>>> {
    match db.keys_in_use(&hashes).await {
        // more than one may ask for the same key
        Ok(found) => hashes
            .iter()
            .map(|hash| Ok(found.get(hash).cloned()))
            .collect(),
        Err(error) => hashes.iter().map(|_| Err(error.again())).collect(),
    }
}

impl Callers {
    /// Who holds a key, if anybody does; whether the key counts now is for the holder to say. From here on, the key is in use.
    pub async fn find(&self, key: &KeyText) -> StoreResult<Option<Known>> {
        self.find_by(key.hash()).await
    }

    /// The same by the key's digest: of who has shown the key before.
    pub async fn find_by(&self, hash: KeyHash) -> StoreResult<Option<Known>> {
        // before the read: what changes after it makes the generation another one
        let generation = self.generation.load(Ordering::Acquire);
        let known = self.by_hash.get(&hash).map(|entry| entry.value().clone());
        if let Some(caller) = &known
            && let Some(holder) = caller.known(generation)
        {
            let caller = caller.clone();
            return Ok(Some(Known { caller, holder }));
        }
        let Some(found) = self.look_up(hash).await? else {
            return Ok(None);
        };
        let (held, fresh) = self.caller(generation, found);
        let in_map = || self.by_hash.entry(hash).or_insert_with(|| Arc::new(fresh));
        let caller = known.unwrap_or_else(|| in_map().clone());
        let holder = held.holder.clone();
        caller.now_held_by(held);
        Ok(Some(Known { caller, holder }))
    }

    /// The same for an opening of a stream, as the database says now; and the version of accounts and keys which that is of. An opening is not
    /// counted: a key that is not in use stays so, and a stream that rests costs no memory here.
    pub async fn look_at(&self, key: &KeyText) -> StoreResult<Option<(Known, i64)>> {
        let hash = key.hash();
        let generation = self.generation.load(Ordering::Acquire);
        let Some(found) = self.look_up(hash).await? else {
            return Ok(None);
        };
        let access = found.access;
        let (held, fresh) = self.caller(generation, found);
        let in_use = self.by_hash.get(&hash).map(|entry| entry.value().clone());
        let caller = in_use.unwrap_or_else(|| Arc::new(fresh));
        let holder = held.holder;
        Ok(Some((Known { caller, holder }, access)))
    }

    async fn look_up(&self, hash: KeyHash) -> StoreResult<Option<InUse>> {
        let found = self.asked.ask(hash).await;
        found.ok_or_else(|| StoreError::told("the server goes down"))?
    }

    /// As if it was not in use yet.
    fn caller(&self, generation: u64, found: InUse) -> (Held, Caller) {
        let held = Held {
            generation,
            holder: Arc::new(found.holder),
        };
        let now = self.clock.now();
        let counters = found.counters.unwrap_or_else(|| Counters::new(now));
        let caller = Caller::new(held.clone(), Quota::new(counters, now), now);
        (held, caller)
    }

    /// Accounts or keys have changed: from here on no request sees what was known before.
    pub fn forget_holders(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Holds a request that costs nothing against its key's bucket alone.
    pub fn pace(&self, caller: &Caller, rate: Option<Rate>) -> Result<(), Stopped> {
        let now = self.clock.now();
        caller.meter(|meter| {
            meter.seen = now;
            let room = rate.map_or(Ok(()), |rate| meter.bucket.take(rate, now));
            room.map_err(Stopped::Burst)
        })
    }

    /// Counts one request of a key, first against its bucket, then against its quota.
    pub async fn admit(&self, caller: &Arc<Caller>, allowed: Allowance) -> Result<(), Stopped> {
        let now = self.clock.now();
        let limits = allowed.limits;
        let (taken, fill_up) = caller.meter(|meter| {
            meter.seen = now;
            if let Some(rate) = allowed.rate {
                meter.bucket.take(rate, now).map_err(Stopped::Burst)?;
            }
            let taken = meter.quota.take(limits, now);
            let fill_up = !meter.asked && meter.quota.runs_low(limits);
            meter.asked |= fill_up && taken == Taken::Passed;
            Ok((taken, fill_up))
        })?;
        match taken {
            Taken::Refused => Err(Stopped::Quota),
            Taken::Passed => {
                if fill_up && self.tasks.try_send(reserve(caller, limits, None)).is_err() {
                    // the keeper is busy: the next request asks again
                    caller.meter(|meter| meter.asked = false);
                }
                Ok(())
            }
            Taken::Unknown => self.wait(caller, limits).await,
        }
    }

    async fn wait(&self, caller: &Arc<Caller>, limits: Limits) -> Result<(), Stopped> {
        loop {
            let (to, passed) = oneshot::channel();
            let sent = self.tasks.send(reserve(caller, limits, Some(to))).await;
            sent.map_err(|_| Stopped::Closing)?;
            match passed.await {
                Ok(Taken::Passed) => return Ok(()),
                Ok(Taken::Refused) => return Err(Stopped::Quota),
                // the plan has room that nothing is reserved of: no reason to refuse
                Ok(Taken::Unknown) => {}
                Err(_) => return Err(Stopped::Closing),
            }
        }
    }

    /// Keys in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether no key is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Gives back what this node holds of all keys' reserved requests: the store's counters are then what was used, but for
    /// what is reserved meanwhile.
    pub async fn settle(&self) {
        let (to, done) = oneshot::channel();
        if self.tasks.send(Task::Settle(to)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// What this node holds of one key's reserved requests, without having used it; and of which day that is.
    #[must_use]
    pub fn held(&self, hash: &KeyHash) -> (i64, u64) {
        let caller = self.by_hash.get(hash).map(|entry| entry.value().clone());
        caller.map_or((0, 0), |caller| caller.meter(|meter| meter.quota.held()))
    }

    /// What this node holds of each key's reserved requests, without having used it.
    #[must_use]
    pub fn unused(&self) -> HashMap<String, u64> {
        let all = self.by_hash.iter().map(|entry| {
            let caller = entry.value();
            (
                caller.key_id.clone(),
                caller.meter(|meter| meter.quota.left()),
            )
        });
        all.collect()
    }
}

fn reserve(caller: &Arc<Caller>, limits: Limits, passed: Option<oneshot::Sender<Taken>>) -> Task {
    Task::Reserve(Wanted {
        caller: caller.clone(),
        limits,
        passed,
    })
}

/// All that is wanted for one key.
struct Share {
    caller: Arc<Caller>,
    limits: Limits,
    waiting: Vec<oneshot::Sender<Taken>>,
}

impl Share {
    /// Puts what was reserved into the quota, and tells those who wait, in the order in which they came: at once, and of the moment that it
    /// was reserved for. In between, another request would take what was reserved for them, and a midnight let it go.
    fn hand_out(self, now: Time, reserved: impl FnOnce(&mut Quota)) {
        self.caller.meter(|meter| {
            reserved(&mut meter.quota);
            meter.asked = false;
            for passed in self.waiting {
                if passed.is_closed() {
                    continue;
                }
                let taken = meter.quota.take(self.limits, now);
                if passed.send(taken).is_err() && taken == Taken::Passed {
                    meter.quota.put_back();
                }
            }
        });
    }
}

impl Keeper {
    /// Runs until the callers are dropped; then everything unused is given back.
    pub async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                task = self.tasks.recv() => match task {
                    Some(Task::Reserve(first)) => self.reserve(first).await,
                    Some(Task::Settle(done)) => self.settle_all(done).await,
                    None => break,
                },
                _ = sweep.tick() => self.let_rest(self.clock.now()).await,
            }
        }
        let (done, _) = oneshot::channel();
        self.settle_all(done).await;
    }

    /// Reserves for the first who wants, and for all who came meanwhile.
    async fn reserve(&mut self, first: Wanted) {
        let mut shares = vec![share(first)];
        let mut settle = None;
        while shares.len() < BATCH {
            let next = match self.tasks.try_recv() {
                Ok(Task::Reserve(next)) => next,
                Ok(Task::Settle(done)) => {
                    settle = Some(done);
                    break;
                }
                Err(_) => break,
            };
            let known = shares
                .iter_mut()
                .find(|share| Arc::ptr_eq(&share.caller, &next.caller));
            match known {
                Some(share) => share.waiting.extend(next.passed),
                None => shares.push(share(next)),
            }
        }
        self.reserve_for(shares).await;
        if let Some(done) = settle {
            self.settle_all(done).await;
        }
    }

    async fn reserve_for(&self, shares: Vec<Share>) {
        let now = self.clock.now();
        let asks: Vec<KeyAsk> = shares
            .iter()
            .map(|share| {
                let waiting = share.waiting.len() as u64;
                let ask = |meter: &mut Meter| meter.quota.ask(share.limits, waiting, now);
                key_ask(&share.caller, share.limits, share.caller.meter(ask))
            })
            .collect();
        match self.write(&asks, now).await {
            Ok(granted) => {
                for (share, (counters, granted)) in shares.into_iter().zip(granted) {
                    let quota = |quota: &mut Quota| quota.granted(counters, granted, now);
                    share.hand_out(now, quota);
                }
            }
            Err(_) => {
                for (share, asked) in shares.into_iter().zip(asks) {
                    let (waiting, limits) = (share.waiting.len() as u64, share.limits);
                    share.hand_out(now, |quota| {
                        quota.not_told(asked.ask);
                        quota.lend(waiting, limits, now);
                    });
                }
            }
        }
    }

    /// Lets keys go that rest, with everything of theirs given back.
    pub(super) async fn let_rest(&self, now: Time) {
        let crowded = self.by_hash.len() > MOST_KEYS;
        let rest = if crowded { SHORT_REST } else { REST };
        let resting = |caller: &Caller| caller.meter(|meter| now.0 - meter.seen.0 >= rest);
        let (hashes, callers): (Vec<KeyHash>, Vec<Arc<Caller>>) = self
            .by_hash
            .iter()
            .filter(|entry| resting(entry.value()))
            .map(|entry| (*entry.key(), entry.value().clone()))
            .unzip();
        for some in callers.chunks(BATCH) {
            self.settle(some).await;
        }
        drop(callers);
        for hash in hashes {
            // nobody else has it, and nobody can get it while its place in the map is held
            self.by_hash.remove_if(&hash, |_, caller| {
                Arc::strong_count(caller) == 1
                    && resting(caller)
                    && caller.meter(|meter| meter.quota.is_settled())
            });
        }
    }

    async fn settle_all(&self, done: oneshot::Sender<()>) {
        let all: Vec<_> = self.by_hash.iter().map(|e| e.value().clone()).collect();
        for some in all.chunks(BATCH) {
            self.settle(some).await;
        }
        // who asked may have left
        let _ = done.send(());
    }

    async fn settle(&self, callers: &[Arc<Caller>]) {
        let now = self.clock.now();
        let asks: Vec<KeyAsk> = callers
            .iter()
            .map(|caller| {
                let ask = caller.meter(|meter| meter.quota.settle());
                key_ask(caller, Limits::default(), ask)
            })
            .filter(|ask| !ask.ask.corrections.is_empty())
            .collect();
        if asks.is_empty() {
            return;
        }
        if self.write(&asks, now).await.is_err() {
            let by_id: HashMap<&str, &Arc<Caller>> =
                callers.iter().map(|c| (c.key_id.as_str(), c)).collect();
            for ask in asks {
                if let Some(caller) = by_id.get(ask.key_id.as_str()) {
                    caller.meter(|meter| meter.quota.not_told(ask.ask));
                }
            }
        }
    }

    /// Writes, and says when that begins to fail and when it works again.
    async fn write(&self, asks: &[KeyAsk], now: Time) -> StoreResult<Vec<(Counters, u64)>> {
        let written = self.db.reserve_usage(asks, now).await;
        let was_away = self.away.swap(written.is_err(), Ordering::Relaxed);
        match &written {
            Err(error) if !was_away => {
                tracing::warn!(%error, "requests are counted in memory until the database can be written again");
            }
            Ok(_) if was_away => tracing::info!("requests are counted in the database again"),
            _ => {}
        }
        written
    }
}

fn share(wanted: Wanted) -> Share {
    Share {
        caller: wanted.caller,
        limits: wanted.limits,
        waiting: wanted.passed.into_iter().collect(),
    }
}

fn key_ask(caller: &Caller, limits: Limits, ask: Ask) -> KeyAsk {
    KeyAsk {
        key_id: caller.key_id.clone(),
        limits,
        ask,
    }
}
