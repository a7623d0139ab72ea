//! Calls without a key: in any 24 hours no client makes more than it may, whoever counts, and however often the database is opened anew.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sigcast::{
    gate::{
        pow::Proof,
        sandbox::{Allowed, Fingerprint, Verdict, WINDOW},
    },
    model::time::Time,
    store::{db::Db, sandbox::SandboxAsk},
};

use crate::backend::{Fresh, at, promises};

promises!(
    a_call_counts_for_24_hours_by_whichever_name_of_its_client,
    nodes_that_race_let_pass_what_is_allowed_and_no_more,
    a_proof_stands_for_one_call_and_is_spared_where_none_is_needed,
    what_was_counted_outlives_the_process,
    what_counts_no_more_is_forgotten,
    all_nodes_have_the_same_secrets,
    as_the_naive_model_has_it,
);

const TEN: Allowed = Allowed { calls: 10, free: 5 };

fn print(n: u8) -> Fingerprint {
    Fingerprint([n; 16])
}

fn ask(whose: &[u8], proof: Option<&str>) -> SandboxAsk {
    SandboxAsk {
        whose: whose.iter().map(|n| print(*n)).collect(),
        allowed: TEN,
        proof: proof.map(|id| Proof {
            id: id.to_owned(),
            until: Time(i64::MAX),
        }),
    }
}

/// Calls of a client that each show a proof of their own.
fn proved(whose: &[u8], proofs: std::ops::Range<u32>) -> Vec<SandboxAsk> {
    proofs
        .map(|n| ask(whose, Some(&format!("{}-{n}", whose[0]))))
        .collect()
}

async fn verdicts(db: &Db, asks: &[SandboxAsk], now: Time) -> Vec<Verdict> {
    let answers = db.count_sandbox_calls(asks, now).await.unwrap();
    answers.into_iter().map(|answer| answer.verdict).collect()
}

fn passed(verdicts: &[Verdict]) -> usize {
    let passed = verdicts.iter().filter(|one| **one == Verdict::Passed);
    passed.count()
}

/// PostgreSQL counts by its own clock: what is to be old there is made so.
async fn age(fresh: &Fresh, micros: i64) {
    let older = format!("update sandbox_calls set at = at - {micros}");
    fresh.sql(&older).await;
}

async fn a_call_counts_for_24_hours_by_whichever_name_of_its_client(fresh: Fresh) {
    let db = fresh.named().await;
    let now = db.shared_time(at(0)).await.unwrap();
    // yesterday, under yesterday's name
    assert_eq!(passed(&verdicts(&db, &proved(&[1], 0..8), now).await), 8);
    let today = proved(&[2, 1], 10..14);
    assert_eq!(passed(&verdicts(&db, &today, now).await), 2);
    let answers = db.count_sandbox_calls(&today[..1], now).await.unwrap();
    let calls = &answers[0].calls;
    assert_eq!((answers[0].verdict, calls.len()), (Verdict::UsedUp, 10));
    assert!(
        calls.is_sorted_by(|a, b| a < b),
        "no two at a moment: {calls:?}"
    );
    assert_eq!(
        verdicts(&db, &[ask(&[3], None)], now).await,
        [Verdict::Passed],
        "another client"
    );
    age(&fresh, WINDOW).await;
    let now = db.shared_time(at(1)).await.unwrap();
    let again = [ask(&[2, 1], None)];
    assert_eq!(verdicts(&db, &again, now).await, [Verdict::Passed]);
}

async fn nodes_that_race_let_pass_what_is_allowed_and_no_more(fresh: Fresh) {
    let now = fresh.named().await.shared_time(at(0)).await.unwrap();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(fresh.open().await);
    }
    let asking = nodes.into_iter().enumerate().map(|(n, node)| {
        let from = 100 * n as u32;
        tokio::spawn(async move {
            let mut passes = [0; 2];
            for turn in 0..6 {
                let from = from + 10 * turn;
                let mut both = proved(&[1, 3], from..from + 3);
                both.extend(proved(&[2], from..from + 3));
                let verdicts = verdicts(&node, &both, now).await;
                passes[0] += passed(&verdicts[..3]);
                passes[1] += passed(&verdicts[3..]);
            }
            passes
        })
    });
    let mut all = [0; 2];
    for node in asking.collect::<Vec<_>>() {
        let passes = node.await.unwrap();
        all = [all[0] + passes[0], all[1] + passes[1]];
    }
    assert_eq!(all, [10, 10], "of 72 each");
}

async fn a_proof_stands_for_one_call_and_is_spared_where_none_is_needed(fresh: Fresh) {
    let db = fresh.named().await;
    let now = db.shared_time(at(0)).await.unwrap();
    let mut calls: Vec<SandboxAsk> = (0..5).map(|_| ask(&[1], Some("p"))).collect();
    calls.extend([None, Some("p"), Some("p"), Some("q")].map(|proof| ask(&[1], proof)));
    let mut expected = vec![Verdict::Passed; 5];
    expected.extend([
        Verdict::Unproved,
        Verdict::Passed,
        Verdict::ProofUsed,
        Verdict::Passed,
    ]);
    assert_eq!(verdicts(&db, &calls, now).await, expected);
    let other = fresh.open().await;
    let again = [ask(&[1], Some("q"))];
    assert_eq!(
        verdicts(&other, &again, now).await,
        [Verdict::ProofUsed],
        "on another node"
    );
    let mut late = ask(&[1], Some("r"));
    if let Some(proof) = &mut late.proof {
        proof.until = now;
    }
    assert_eq!(verdicts(&db, &[late], now).await, [Verdict::Unproved]);
}

async fn what_was_counted_outlives_the_process(fresh: Fresh) {
    let db = fresh.named().await;
    let now = db.shared_time(at(0)).await.unwrap();
    for turn in 0..4 {
        let db = fresh.open().await;
        let calls = proved(&[1], 3 * turn..3 * turn + 3);
        let expected = if turn < 3 { 3 } else { 1 };
        assert_eq!(
            passed(&verdicts(&db, &calls, now).await),
            expected,
            "{turn}"
        );
        db.close().await;
    }
}

async fn what_counts_no_more_is_forgotten(fresh: Fresh) {
    let db = fresh.named().await;
    let now = db.shared_time(at(0)).await.unwrap();
    let mut calls = proved(&[1], 0..10);
    for ask in &mut calls {
        ask.proof.as_mut().unwrap().until = now.plus(3_600 * Time::SECOND);
    }
    verdicts(&db, &calls, now).await;
    let salts = db
        .sandbox_salts(&[(7, [1; 32]), (8, [2; 32])])
        .await
        .unwrap();
    assert_eq!(salts[&7], [1; 32]);
    assert_eq!(db.forget_sandbox(now, 7, 100).await.unwrap(), 0);
    age(&fresh, WINDOW + Time::SECOND).await;
    fresh.sql("update sandbox_proofs set until = 0").await;
    let now = db.shared_time(now).await.unwrap();
    assert_eq!(
        db.forget_sandbox(now, 8, 4).await.unwrap(),
        4,
        "some at a time"
    );
    assert_eq!(db.forget_sandbox(now, 8, 100).await.unwrap(), 6);
    assert_eq!(db.forget_sandbox(now, 8, 100).await.unwrap(), 0);
    let salts = db
        .sandbox_salts(&[(7, [3; 32]), (8, [4; 32])])
        .await
        .unwrap();
    assert_eq!((salts[&7], salts[&8]), ([3; 32], [2; 32]));
    let again = [ask(&[9], Some("1-7"))];
    assert_eq!(verdicts(&db, &again, now).await, [Verdict::Passed]);
}

async fn all_nodes_have_the_same_secrets(fresh: Fresh) {
    let (one, other) = (fresh.named().await, fresh.open().await);
    assert_eq!(one.kept_sandbox_secret().await.unwrap(), None);
    let (a, b) = tokio::join!(one.sandbox_secret(&[1; 32]), other.sandbox_secret(&[2; 32]));
    let kept = a.unwrap();
    assert_eq!(kept, b.unwrap());
    assert_eq!(one.kept_sandbox_secret().await.unwrap(), Some(kept));
    let (ones, others) = ([(1, [1; 32]), (2, [1; 32])], [(2, [2; 32]), (3, [2; 32])]);
    let (a, b) = tokio::join!(one.sandbox_salts(&ones), other.sandbox_salts(&others));
    assert_eq!(a.unwrap()[&2], b.unwrap()[&2]);
}

type Step = (i64, Vec<(u8, bool)>, bool);

/// Steps of time, and who calls with or without a proof after each; a handle that is opened anew now and then.
fn story() -> impl Strategy<Value = Vec<Step>> {
    let calls = prop::collection::vec((0_u8..3, any::<bool>()), 1..8);
    prop::collection::vec((0_i64..6 * 3_600, calls, prop::bool::weighted(0.1)), 1..30)
}

async fn as_the_naive_model_has_it(fresh: Fresh) {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
    );
    for round in 0..4_u8 {
        let story = story().new_tree(&mut runner).unwrap().current();
        let mut db = if round == 0 {
            fresh.named().await
        } else {
            fresh.open().await
        };
        let (mut now, mut proofs) = (db.shared_time(at(0)).await.unwrap(), 0);
        // all calls that passed, and who made them
        let mut made: Vec<(u8, Time)> = Vec::new();
        for (seconds, calls, reopened) in story {
            if reopened {
                db.close().await;
                db = fresh.open().await;
            }
            // SQLite's clock is handed in; PostgreSQL's goes on by itself, and what it knows grows older
            let step = seconds * Time::SECOND;
            if let Fresh::Postgres(_) = fresh {
                age(&fresh, step).await;
                made.iter_mut().for_each(|(_, at)| *at = at.plus(-step));
            } else {
                now = now.plus(step);
            }
            let asks: Vec<SandboxAsk> = calls
                .iter()
                .map(|(who, proof)| {
                    proofs += 1;
                    let id = format!("{round}-{proofs}");
                    // each round has clients of its own, by two names each
                    let name = 100 + 10 * round + who;
                    ask(&[name, name + 5], proof.then_some(id.as_str()))
                })
                .collect();
            let answers = db.count_sandbox_calls(&asks, now).await.unwrap();
            for ((who, proof), answer) in calls.iter().zip(&answers) {
                let counts = |at: &Time| answer.at.0 - at.0 < WINDOW;
                let own = made.iter().filter(|(whose, _)| whose == who);
                let count = own.filter(|(_, at)| counts(at)).count();
                let expected = match count {
                    10.. => Verdict::UsedUp,
                    5.. if !proof => Verdict::Unproved,
                    _ => Verdict::Passed,
                };
                assert_eq!(answer.verdict, expected, "{count} of {who}");
                if expected == Verdict::Passed {
                    made.push((*who, *answer.calls.last().unwrap()));
                }
            }
        }
        db.close().await;
    }
}
