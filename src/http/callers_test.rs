//! What counting promises over a real database: exact at the boundary, over an end and over a crash.

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use tokio::task::{JoinHandle, JoinSet};

use super::{
    caller::{Allowance, Caller, Known, Stopped},
    callers::{self, Callers},
};
use crate::{
    gate::{
        quota::{Counters, Limits},
        rate::Rate,
    },
    model::{
        account::{Account, Denied, KeyRecord},
        key::{KeyKind, KeyText},
        time::{Clock, Time},
    },
    store::{accounts::AccountChange, db::Db, sqlite::Config},
};

const BEGIN: Time = Time(1_776_936_000_000_000);

struct World {
    db: Db,
    key: KeyText,
    now: Arc<AtomicI64>,
}

impl World {
    async fn new(dir: &Path) -> Self {
        let config = Config {
            readers: 2,
            writer_cache_kb: 1_000,
            busy_seconds: 5,
            checkpoint_pages: 1_000,
        };
        let db = Db::open_sqlite(dir, &config).await.unwrap();
        let account = Account {
            id: "a".into(),
            name: "a".into(),
            plan: "any".into(),
            expires_at: None,
            suspended_at: None,
            created_at: BEGIN,
        };
        db.create_account(&account).await.unwrap();
        let key = KeyText::generate(KeyKind::Data, || 7);
        let record = KeyRecord {
            id: "k".into(),
            account_id: "a".into(),
            kind: KeyKind::Data,
            prefix: key.prefix().to_owned(),
            created_at: BEGIN,
            expires_at: None,
            revoked_at: None,
        };
        db.create_key(&record, &key).await.unwrap();
        World {
            db,
            key,
            now: Arc::new(AtomicI64::new(BEGIN.0)),
        }
    }

    /// What the database knows of its requests.
    async fn counted(&self) -> Counters {
        let hash = self.key.hash();
        let mut in_use = self.db.keys_in_use(&[hash]).await.unwrap();
        in_use.remove(&hash).unwrap().counters.unwrap()
    }

    fn clock(&self) -> Clock {
        let now = self.now.clone();
        Clock::from_fn(move || Time(now.load(Ordering::Relaxed)))
    }

    fn advance(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::Relaxed);
    }

    fn start(&self) -> (Arc<Callers>, JoinHandle<()>) {
        self.start_by(self.clock())
    }

    fn start_by(&self, clock: Clock) -> (Arc<Callers>, JoinHandle<()>) {
        let (callers, keeper) = callers::new(self.db.clone(), clock);
        (Arc::new(callers), tokio::spawn(keeper.run()))
    }

    async fn ask(&self, callers: &Callers, allowed: Allowance) -> Result<(), Stopped> {
        let Known { caller, .. } = callers.find(&self.key).await.unwrap().unwrap();
        callers.admit(&caller, allowed).await
    }

    async fn passed(&self, callers: &Callers, allowed: Allowance, times: usize) -> u64 {
        let mut passed = 0;
        for _ in 0..times {
            passed += u64::from(self.ask(callers, allowed).await.is_ok());
        }
        passed
    }
}

fn per_day(limit: u64) -> Allowance {
    Allowance {
        rate: None,
        limits: Limits {
            per_day: Some(limit),
            per_month: None,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_the_boundary_get_what_is_left_and_no_more() {
    for limit in [40, 3_000] {
        let dir = tempfile::tempdir().unwrap();
        let world = Arc::new(World::new(dir.path()).await);
        let (callers, _keeper) = world.start();
        let before = limit as usize - 40;
        let first = world.passed(&callers, per_day(limit), before).await;
        assert_eq!(first, before as u64);
        let mut all = JoinSet::new();
        for _ in 0..64 {
            let (world, callers) = (world.clone(), callers.clone());
            all.spawn(async move { world.ask(&callers, per_day(limit)).await.is_ok() });
        }
        let passed = all.join_all().await.into_iter().filter(|ok| *ok).count();
        assert_eq!(passed, 40, "of {limit}");
        let refused = world.ask(&callers, per_day(limit)).await;
        assert!(matches!(refused, Err(Stopped::Quota)), "{refused:?}");
        assert_eq!(world.counted().await.today, limit);
    }
}

/// A clock that does something each time it is read, before it says when it is.
fn at_each_look(look: impl FnMut(usize) -> Time + Send + 'static) -> Clock {
    let looks = AtomicUsize::new(0);
    let look = Mutex::new(look);
    Clock::from_fn(move || {
        let n = looks.fetch_add(1, Ordering::Relaxed);
        // whoever looks while it is looked at sees the beginning
        look.try_lock().map_or(BEGIN, |mut look| look(n))
    })
}

#[tokio::test]
async fn a_midnight_between_the_reservation_and_the_answer_refuses_nobody() {
    for first_of_may in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let world = World::new(dir.path()).await;
        let clock = at_each_look(move |n| {
            let after = n >= first_of_may;
            if after { BEGIN.plus(Time::DAY) } else { BEGIN }
        });
        let (callers, _keeper) = world.start_by(clock);
        let passed = world.passed(&callers, per_day(2), 2).await;
        assert_eq!(passed, 2, "the day begins at look {first_of_may}");
    }
}

#[tokio::test]
async fn what_is_reserved_for_who_waits_is_not_taken_by_who_comes_in_between() {
    for moment in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let world = World::new(dir.path()).await;
        let place: Arc<OnceLock<(Arc<Callers>, Arc<Caller>)>> = Arc::new(OnceLock::new());
        let rival = place.clone();
        let clock = at_each_look(move |n| {
            if let (true, Some((callers, caller))) = (n == moment, rival.get()) {
                // what it finds reserved it takes at once; it does not wait where it finds nothing
                let _ = pin!(callers.admit(caller, per_day(40)))
                    .poll(&mut Context::from_waker(Waker::noop()));
            }
            BEGIN
        });
        let (callers, _keeper) = world.start_by(clock);
        let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
        assert!(place.set((callers.clone(), caller)).is_ok());
        let first = world.ask(&callers, per_day(40)).await;
        assert!(first.is_ok(), "a rival at look {moment}: {first:?}");
    }
}

#[tokio::test]
async fn a_good_end_loses_nothing_and_a_crash_less_than_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let pro = per_day(10_000);
    for n in 1..=3 {
        let (callers, keeper) = world.start();
        assert_eq!(world.passed(&callers, pro, 4).await, 4);
        drop(callers);
        keeper.await.unwrap();
        assert_eq!(world.counted().await.total, n * 4);
    }
    let (callers, keeper) = world.start();
    assert_eq!(world.passed(&callers, pro, 4).await, 4);
    keeper.abort();
    let _ = keeper.await;
    drop(callers);
    let counted = world.counted().await.total;
    assert!((16..16 + 10).contains(&counted), "{counted}");
    let (callers, _keeper) = world.start();
    let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
    assert_eq!(caller.usage(BEGIN).total, counted);
}

#[tokio::test]
async fn what_is_reserved_before_it_is_needed_counts_as_unused() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (callers, keeper) = world.start();
    let free = Allowance {
        rate: None,
        limits: Limits::default(),
    };
    assert_eq!(world.passed(&callers, free, 2_500).await, 2_500);
    let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
    assert_eq!(caller.usage(BEGIN).total, 2_500);
    drop((callers, caller));
    keeper.await.unwrap();
    assert_eq!(world.counted().await.total, 2_500);
}

#[tokio::test]
async fn too_fast_is_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (callers, _keeper) = world.start();
    let allowed = Allowance {
        rate: Rate::new(10, 20),
        ..per_day(25)
    };
    assert_eq!(world.passed(&callers, allowed, 30).await, 20);
    let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
    assert_eq!(caller.usage(BEGIN).today, 20);
    world.advance(10 * Time::SECOND);
    assert_eq!(world.passed(&callers, allowed, 10).await, 5);
    let refused = world.ask(&callers, allowed).await;
    assert!(matches!(refused, Err(Stopped::Quota)), "{refused:?}");
    world.advance(Time::DAY);
    assert_eq!(world.passed(&callers, allowed, 30).await, 20);
}

#[tokio::test]
async fn a_holder_is_known_until_something_changes() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (callers, _keeper) = world.start();
    let counts = async || {
        let Known { holder, .. } = callers.find(&world.key).await.unwrap().unwrap();
        holder.check_key(BEGIN)
    };
    assert_eq!(counts().await, Ok(()));
    let change = AccountChange::Suspend(BEGIN);
    world.db.change_account("a", &change).await.unwrap();
    assert_eq!(counts().await, Ok(()), "from memory");
    callers.forget_holders();
    assert_eq!(counts().await, Err(Denied::InvalidKey));
    let unknown = KeyText::generate(KeyKind::Data, || 8);
    assert!(callers.find(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn resting_keys_give_back_and_are_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (callers, keeper) = callers::new(world.db.clone(), world.clock());
    let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
    keeper.let_rest(BEGIN.plus(Time::SECOND)).await;
    assert_eq!(callers.len(), 1);
    keeper.let_rest(BEGIN.plus(61 * Time::SECOND)).await;
    assert_eq!(callers.len(), 1, "somebody still has it");
    drop(caller);
    keeper.let_rest(BEGIN.plus(61 * Time::SECOND)).await;
    assert!(callers.is_empty());
    let running = tokio::spawn(keeper.run());
    assert_eq!(world.passed(&callers, per_day(10_000), 4).await, 4);
    drop(callers);
    running.await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_stops_no_known_key_and_opens_no_limit() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (callers, _keeper) = world.start();
    assert_eq!(world.passed(&callers, per_day(40), 10).await, 10);
    world.db.close().await;
    assert_eq!(world.passed(&callers, per_day(40), 64).await, 30);
    let Known { caller, .. } = callers.find(&world.key).await.unwrap().unwrap();
    assert_eq!(caller.usage(BEGIN).today, 40);
}
