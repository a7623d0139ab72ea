//! Leases and duties of several nodes on one database: one owner at any instant, and none that its heartbeat could still save.

use std::time::Duration;

use sigcast::{
    model::lease::{
        Answer, Applicant, Application, Asked, Claim, Ended, Fence, Held, LeaseStore as _,
    },
    store::{db::Db, error::StoreError, member::Member},
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    backend::{at, run, signals},
    cluster::Database,
};

const LIFE: Duration = Duration::from_secs(4);
/// Of nodes that are to be gone soon.
const SHORT: Duration = Duration::from_millis(300);
const WITHIN: Duration = Duration::from_secs(20);

async fn open(database: &Database) -> Db {
    let db = Db::open_postgres(&database.config()).await.unwrap();
    db.name_log("0123abcd", at(0)).await.unwrap();
    db
}

async fn join(db: &Db, id: &str, life: Duration) -> Member {
    db.join(id, life).await.unwrap().expect("it is shared")
}

fn applicant(key: &str, port: u16) -> Applicant {
    Applicant {
        key_id: key.to_owned(),
        connection: 1,
        connected_at: at(i64::from(port)),
        peer: format!("127.0.0.1:{port}"),
        takeovers: Vec::new(),
        claim: Claim::Fresh,
        asked: None,
    }
}

async fn apply(node: &Member, applicant: Applicant) -> Application {
    let applied = node.apply(&[applicant]).await.unwrap();
    applied.into_iter().next().expect("one for each")
}

/// What comes of asking a lease's holder.
async fn ask(node: &Member, claim: Claim, asked: Option<Asked>) -> (Application, Option<Asked>) {
    let applicant = Applicant {
        claim,
        asked,
        ..applicant("k", 2)
    };
    let applied = apply(node, applicant).await;
    let asked = match &applied {
        Application::Held(_, asked) => Some(*asked),
        _ => None,
    };
    (applied, asked)
}

fn ended(fence: Fence, seconds: &[u64]) -> Ended {
    Ended {
        key_id: "k".to_owned(),
        fence,
        takeovers: seconds
            .iter()
            .map(|ago| Duration::from_secs(*ago))
            .collect(),
    }
}

async fn granted(node: &Member, applicant: &Applicant) -> Fence {
    match apply(node, applicant.clone()).await {
        Application::Granted { fence, .. } => fence,
        held => panic!("{held:?}"),
    }
}

async fn held(node: &Member, key: &str) -> Held {
    match apply(node, applicant(key, 9)).await {
        Application::Held(held, _) => held,
        granted => panic!("{granted:?}"),
    }
}

/// Waits until a node that sends no heartbeats is gone, as another sees it.
async fn take_from_the_gone(node: &Member, key: &str) -> Fence {
    let take = async {
        loop {
            if let Application::Granted { fence, .. } = apply(node, applicant(key, 2)).await {
                return fence;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, take).await.unwrap()
}

#[test]
fn a_lease_has_one_node_and_its_fences_grow() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", LIFE).await, join(&db, "2", LIFE).await);
        let first = granted(&one, &applicant("k", 1)).await;
        let seen = held(&other, "k").await;
        assert_eq!(
            (seen.fence, seen.peer.as_str(), seen.connected_at),
            (first, "127.0.0.1:1", at(1))
        );
        // another connection of the same node
        let second = granted(&one, &applicant("k", 3)).await;
        assert!(second > first);
        assert_eq!(one.own().await.unwrap(), [("k".to_owned(), second)]);
        one.release(&[ended(first, &[])]).await.unwrap();
        assert_eq!(
            held(&other, "k").await.fence,
            second,
            "it is not the old one's"
        );
        one.release(&[ended(second, &[])]).await.unwrap();
        assert!(granted(&other, &applicant("k", 4)).await > second);
        assert!(one.own().await.unwrap().is_empty());
        // whoever ends leaves everything
        other.leave().await.unwrap();
        granted(&one, &applicant("k", 5)).await;
    });
}

#[test]
fn of_many_that_run_for_a_lease_one_gets_it() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let mut nodes = Vec::new();
        for id in ["1", "2", "3", "4"] {
            nodes.push(join(&db, id, LIFE).await);
        }
        for round in 0..60 {
            let key = format!("k{round}");
            let racers: Vec<_> = (0..16)
                .map(|n: usize| {
                    let (node, applicant) = (nodes[n % 4].clone(), applicant(&key, n as u16 + 1));
                    tokio::spawn(async move { (n % 4, apply(&node, applicant).await) })
                })
                .collect();
            let mut owners = Vec::new();
            for racer in racers {
                if let (node, Application::Granted { .. }) = racer.await.unwrap() {
                    owners.push(node);
                }
            }
            owners.dedup();
            assert_eq!(owners.len(), 1, "{key}: nodes {owners:?}");
        }
    });
}

#[test]
fn a_node_that_is_silent_loses_its_leases_and_sees_it_with_its_next_heartbeat() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", SHORT).await, join(&db, "2", SHORT).await);
        let first = granted(&one, &applicant("k", 1)).await;
        let era = one.beat().await.unwrap();
        assert_eq!(one.beat().await.unwrap(), era, "nothing was taken");
        assert!(take_from_the_gone(&other, "k").await > first);
        let next = one.beat().await.unwrap();
        assert_ne!(next, era, "whatever it thinks of its own clock");
        assert!(one.own().await.unwrap().is_empty());

        // held for gone by nobody, and forgotten
        let era = one.beat().await.unwrap();
        assert_eq!(era, next);
        let mut operator = PgConnection::connect(&database.url).await.unwrap();
        let forget = sqlx::query("delete from nodes where id = '1'");
        forget.execute(&mut operator).await.unwrap();
        assert_ne!(one.beat().await.unwrap(), era);

        // a connection that is lost may have been to a database that has lost what came last
        let era = one.beat().await.unwrap();
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and query like '%insert into nodes%' and pid <> pg_backend_pid()",
        )
        .execute(&mut operator)
        .await
        .unwrap();
        let again = async {
            loop {
                if let Ok(era) = one.beat().await {
                    return era;
                }
            }
        };
        let again = tokio::time::timeout(WITHIN, again).await.unwrap();
        assert_eq!(again.number, era.number);
        assert_ne!(again.connection, era.connection);
    });
}

#[test]
fn a_heartbeat_and_a_taking_never_pass_each_other() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", SHORT).await, join(&db, "2", SHORT).await);
        granted(&one, &applicant("k", 1)).await;
        tokio::time::sleep(SHORT * 2).await;

        // the taking is under way: the heartbeat waits for its end, and finds what was taken
        let mut taker = PgConnection::connect(&database.url).await.unwrap();
        let mut taking = taker.begin().await.unwrap();
        let sql = "select granted from apply_for_leases('2', '{k}', '{0}', '{127.0.0.1:1}', '{\"\"}', '{f}', '{null}', '{null}')";
        let taken: bool = sqlx::query_scalar(sql)
            .fetch_one(&mut *taking)
            .await
            .unwrap();
        assert!(taken);
        let late = one.clone();
        let mut beat = tokio::spawn(async move { late.beat().await });
        let early = tokio::time::timeout(Duration::from_millis(100), &mut beat).await;
        assert!(early.is_err(), "it waits");
        taking.commit().await.unwrap();
        // where it waits for too long it has failed, and is sent again
        if beat.await.unwrap().is_err() {
            one.beat().await.unwrap();
        }
        assert!(one.own().await.unwrap().is_empty());

        // the heartbeat is under way: the taking waits for its end, and takes nothing
        let other_first = granted(&other, &applicant("k", 2)).await;
        tokio::time::sleep(SHORT * 2).await;
        let mut beater = PgConnection::connect(&database.url).await.unwrap();
        let mut beating = beater.begin().await.unwrap();
        sqlx::query(
            "update nodes set beat_at = clock_timestamp() + interval '1 minute' where id = '2'",
        )
        .execute(&mut *beating)
        .await
        .unwrap();
        let rival = join(&db, "3", LIFE).await;
        let mut taking = tokio::spawn(async move { apply(&rival, applicant("k", 3)).await });
        let early = tokio::time::timeout(Duration::from_millis(100), &mut taking).await;
        assert!(early.is_err(), "it waits");
        beating.commit().await.unwrap();
        match taking.await.unwrap() {
            Application::Held(held, _) => assert_eq!(held.fence, other_first),
            granted => panic!("{granted:?}"),
        }
    });
}

#[test]
fn questions_are_answered_by_the_node_that_has_the_lease() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", LIFE).await, join(&db, "2", LIFE).await);
        let ear = tokio::spawn(db.clone().listen());
        let fence = granted(&one, &applicant("k", 1)).await;
        let mut changes = db.lease_changes();
        let (_, question) = ask(&other, Claim::Fresh, None).await;
        let question = question.expect("it is held, and asked for");
        let heard = tokio::time::timeout(WITHIN, changes.changed()).await;
        heard.expect("the question is heard").unwrap();
        assert!(other.asked().await.unwrap().is_empty());
        let asked = one.asked().await.unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(
            (asked[0].id, asked[0].fence, asked[0].claim),
            (question.id, fence, Claim::Fresh)
        );
        // it is asked once
        let (_, still) = ask(&other, Claim::Fresh, Some(question)).await;
        assert_eq!(still, Some(question));
        assert_eq!(one.asked().await.unwrap().len(), 1);
        one.reply(&asked[0], Answer::Living, Vec::new())
            .await
            .unwrap();
        let (refused, _) = ask(&other, Claim::Fresh, Some(question)).await;
        assert!(
            matches!(&refused, Application::Refused(held, Answer::Living) if held.fence == fence),
            "{refused:?}"
        );
        assert!(one.asked().await.unwrap().is_empty());

        let (_, question) = ask(&other, Claim::Takeover, None).await;
        let asked = one.asked().await.unwrap();
        assert_eq!(asked[0].claim, Claim::Takeover);
        // the stream's end may be written before the answer; what was counted goes with the key
        one.release(&[ended(fence, &[])]).await.unwrap();
        let lately = vec![Duration::from_secs(30), Duration::from_secs(2)];
        one.reply(&asked[0], Answer::Free, lately).await.unwrap();
        let (granted, _) = ask(&other, Claim::Takeover, question).await;
        let Application::Granted {
            fence: now,
            takeovers,
        } = granted
        else {
            panic!("it is free");
        };
        let ages: Vec<u64> = takeovers.iter().map(Duration::as_secs).collect();
        assert_eq!(ages, [30, 2]);

        // with a lease that is let go as well
        other.release(&[ended(now, &[20, 3, 1])]).await.unwrap();
        let Application::Granted {
            fence: now,
            takeovers,
        } = apply(&other, applicant("k", 2)).await
        else {
            panic!("it is free");
        };
        let ages: Vec<u64> = takeovers.iter().map(Duration::as_secs).collect();
        assert_eq!(ages, [20, 3, 1]);

        // letting a lease go that is none any more takes nothing from its successor; who asked for that one asks for this one
        one.reply(&asked[0], Answer::Free, Vec::new())
            .await
            .unwrap();
        let (_, renewed) = ask(&one, Claim::Fresh, question).await;
        assert_eq!(renewed.expect("it is held").fence, now);
        ear.abort();
    });
}

#[test]
fn many_applications_are_one_statement_and_each_gets_its_own_answer() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", LIFE).await, join(&db, "2", LIFE).await);
        let taken = granted(&one, &applicant("k1", 1)).await;
        let all: Vec<_> = ["k3", "k1", "k2", "k3"].map(|key| applicant(key, 7)).into();
        let applied = other.apply(&all).await.unwrap();
        assert!(matches!(&applied[1], Application::Held(held, _) if held.fence == taken));
        let mut fences = Vec::new();
        for at in [0, 2, 3] {
            let Application::Granted { fence, .. } = &applied[at] else {
                panic!("{:?}", applied[at]);
            };
            fences.push(fence.0);
        }
        assert!(fences.is_sorted(), "in their order: {fences:?}");
        let own = other.own().await.unwrap();
        assert_eq!(own.len(), 2);
        assert!(own.contains(&("k3".to_owned(), Fence(fences[2]))));
    });
}

#[test]
fn whoever_takes_and_whoever_buries_never_wait_for_each_other() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", LIFE).await, join(&db, "2", LIFE).await);
        for round in 0..20 {
            let id = format!("gone {round}");
            let gone = join(&db, &id, Duration::from_millis(1)).await;
            let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
            let all: Vec<_> = keys.iter().map(|key| applicant(key, 1)).collect();
            gone.apply(&all).await.unwrap();
            gone.take_duty("engines").await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            let turned: Vec<_> = all.iter().rev().cloned().collect();
            let (first, second, third, buried) = tokio::join!(
                one.apply(&all),
                other.apply(&turned),
                one.take_duty("engines"),
                db.bury(&id),
            );
            first.unwrap();
            second.unwrap();
            third.unwrap();
            buried.unwrap();
            one.leave().await.unwrap();
            other.leave().await.unwrap();
            one.beat().await.unwrap();
            other.beat().await.unwrap();
        }
    });
}

#[test]
fn a_duty_has_one_node_and_what_another_does_by_right_of_it_is_refused() {
    run(async {
        let database = Database::fresh();
        let db = open(&database).await;
        let (one, other) = (join(&db, "1", SHORT).await, join(&db, "2", SHORT).await);
        let proof = one.take_duty("engines").await.unwrap().expect("it is free");
        assert!(other.take_duty("engines").await.unwrap().is_none());
        assert!(other.take_duty("insiders").await.unwrap().is_some());
        let mut tx = db.begin().await.unwrap();
        tx.prove(&proof).await.unwrap();
        drop(tx);
        assert!(one.has(&proof).await.unwrap());

        let taken = async {
            loop {
                if let Some(proof) = other.take_duty("engines").await.unwrap() {
                    return proof;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let new = tokio::time::timeout(WITHIN, taken).await.unwrap();
        one.beat().await.unwrap();
        assert!(!one.has(&proof).await.unwrap());
        let mut tx = db.begin().await.unwrap();
        tx.publish(&signals(0..1), at(0)).await.unwrap();
        let refused = tx.prove(&proof).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        tx.prove(&new).await.unwrap();
        drop(tx);
        // left, it is free at once; the old one's leaving changes nothing
        other.beat().await.unwrap();
        one.leave_duty(&proof).await.unwrap();
        assert!(other.has(&new).await.unwrap());
        other.leave_duty(&new).await.unwrap();
        assert!(one.take_duty("engines").await.unwrap().is_some());
    });
}
