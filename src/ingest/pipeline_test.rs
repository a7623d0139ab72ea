//! The pipeline in bulk: when the engine's state is stored, and that neither that nor a failure shows in what fires.

use std::time::Instant;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{
    metrics::Metrics,
    pipeline::{self, Arrivals, Config, Engine, Pace, Pipeline},
    simulate::{live::Live, past::history},
};
use crate::{
    model::{
        log::LogRead as _,
        publish::prepare,
        swap::Fact,
        time::{Clock, Time},
    },
    score::{config::Config as EngineConfig, consensus},
    store::{db::Db, member::Proof, sqlite},
};

struct Setup {
    folder: TempDir,
    db: Db,
}

async fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    db.name_log("0123abcd", Time(0)).await.unwrap();
    Setup { folder, db }
}

async fn open(folder: &TempDir) -> Db {
    let config = sqlite::Config {
        readers: 1,
        writer_cache_kb: 2_000,
        checkpoint_pages: 1_000,
        busy_seconds: 0,
    };
    Db::open_sqlite(folder.path(), &config).await.unwrap()
}

fn begin(db: &Db, pace: Pace, wallets_mb: usize) -> (Pipeline, JoinHandle<()>) {
    let config = Config {
        max_future_seconds: 60,
        batch_facts: 2_000,
        bulk_state_facts: 500,
        wallets_mb,
        mints_mb: 20,
        // never: nothing is done that the test does not ask for
        tick_ms: u64::MAX / 4_000_000,
    };
    let (pipeline, worker) = pipeline::new(
        db.clone(),
        None,
        Clock::system(),
        config,
        Some(Engine {
            config: EngineConfig::default(),
            proof: Proof::default(),
        }),
        Metrics::default(),
        pace,
    );
    (pipeline, tokio::spawn(worker.run()))
}

async fn send(pipeline: &Pipeline, facts: &[Fact], backfill: bool) -> bool {
    let arrivals = Arrivals {
        facts: (1..).zip(facts.iter().cloned()).collect(),
        backfill,
        seen: Instant::now(),
        sol_usd: None,
    };
    pipeline.facts(arrivals).await.is_ok()
}

async fn is_behind(db: &Db) -> bool {
    db.has_unapplied_facts(consensus::NAME, None).await.unwrap()
}

fn market() -> (Vec<Fact>, Vec<Fact>) {
    let start = Time::parse_iso("2026-03-01T00:00:00Z").unwrap();
    let live = Live::new(5, start, 1.0).map(|(_, fact)| fact).take(5_000);
    (history(5, start), live.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_is_stored_when_it_is_due_and_at_the_end() {
    let Setup {
        db,
        folder: _folder,
    } = setup().await;
    let (_, live) = market();
    let (pipeline, worker) = begin(&db, Pace::Bulk, 40);
    assert!(send(&pipeline, &live[..300], false).await);
    assert!(is_behind(&db).await);
    assert!(send(&pipeline, &live[300..600], false).await);
    assert!(!is_behind(&db).await, "500 facts are due");
    assert!(send(&pipeline, &live[600..700], false).await);
    assert!(is_behind(&db).await);
    drop(pipeline);
    worker.await.unwrap();
    assert!(!is_behind(&db).await, "the end leaves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_that_takes_too_much_memory_is_stored_early() {
    let Setup {
        db,
        folder: _folder,
    } = setup().await;
    let (_, live) = market();
    let (pipeline, _worker) = begin(&db, Pace::Bulk, 0);
    assert!(send(&pipeline, &live[..50], false).await);
    assert!(is_behind(&db).await, "too much, as is known only now");
    assert!(send(&pipeline, &live[50..51], false).await);
    assert!(!is_behind(&db).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_state_is_never_behind() {
    let Setup {
        db,
        folder: _folder,
    } = setup().await;
    let (_, live) = market();
    let (pipeline, _worker) = begin(&db, Pace::Live, 40);
    for some in live[..200].chunks(40) {
        assert!(send(&pipeline, some, false).await);
        assert!(!is_behind(&db).await);
    }
}

/// What of each signal says what the engine knew.
async fn fired(db: &Db) -> Vec<serde_json::Value> {
    let rows = db.after(0, 10_000).await.unwrap().rows;
    let bodies = rows.iter().map(|row| {
        let mut body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
        let fields = body.as_object_mut().unwrap();
        // how long it took
        fields.remove("latency_ms");
        fields.remove("timing");
        body
    });
    bodies.collect()
}

/// A batch that fails takes the engine back to the stored state: it goes on from there as if nothing had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_in_between_change_no_signal() {
    let (past, live) = market();
    let mut logs = Vec::new();
    for failing in [false, true] {
        let Setup { db, folder } = setup().await;
        let rival = open(&folder).await;
        let (pipeline, _worker) = begin(&db, Pace::Bulk, 40);
        for some in past.chunks(2_000) {
            assert!(send(&pipeline, some, true).await);
        }
        let mut lost = 0;
        for (number, some) in live.chunks(90).enumerate() {
            if failing && number % 3 == 2 {
                let lock = rival.begin().await.unwrap();
                lost += usize::from(is_behind(&db).await);
                assert!(
                    !send(&pipeline, some, false).await,
                    "the database is locked"
                );
                drop(lock);
                // the lock is let go on a thread of its own
                while rival.begin().await.is_err() {}
            }
            while !send(&pipeline, some, false).await {}
        }
        assert_eq!(
            lost > 2,
            failing,
            "failures must meet a state that is behind"
        );
        logs.push(fired(&db).await);
    }
    assert!(
        logs[0].len() > 10,
        "the market must fire: {}",
        logs[0].len()
    );
    assert_eq!(logs[0], logs[1]);
}

/// Signals go with the first of several commits: that a later one fails is no news to whoever sent them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_that_are_in_are_answered_so_whatever_fails_after_them() {
    let start = Time::parse_iso("2026-03-01T00:00:00Z").unwrap();
    let facts: Vec<Fact> = (Live::new(5, start, 1.0).map(|(_, fact)| fact))
        .take(10_000)
        .collect();
    // a lock that comes when all is applied proves nothing: on a busy machine it may
    for _ in 0..20 {
        let Setup { db, folder } = setup().await;
        let mut tx = db.begin().await.unwrap();
        for some in facts.chunks(2_000) {
            tx.append_facts(some, true, Time(0)).await.unwrap();
        }
        db.commit(tx).await.unwrap();
        let rival = open(&folder).await;
        let (pipeline, _worker) = begin(&db, Pace::Live, 40);
        let signal = prepare(r#"{"signal_type":"mine"}"#, || uuid::Uuid::from_u128(1)).unwrap();
        let sent = tokio::spawn({
            let pipeline = pipeline.clone();
            async move { pipeline.signals(vec![signal]).await }
        });
        while db.head().await.unwrap().seq == 0 {}
        // between two commits
        let lock = loop {
            if let Ok(lock) = rival.begin().await {
                break lock;
            }
        };
        let is_between = is_behind(&db).await;
        let answer = sent.await.unwrap().expect("it is in");
        assert_eq!((answer[0].seq, answer[0].duplicate), (1, false));
        drop(lock);
        if is_between {
            return;
        }
    }
    panic!("strangers' facts were never left to be applied");
}
