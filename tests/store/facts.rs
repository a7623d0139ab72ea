//! Facts: each once, in order of arrival, and read back as they were.

use rust_decimal::Decimal;
use sigcast::{
    ingest::simulate::{live::Live, past::history},
    model::{
        fact_line,
        swap::{Fact, SolPrice},
    },
    score::consensus,
    store::{db::Db, fact_keys::Placing},
};

use crate::backend::{Fresh, at, promises};

promises!(
    a_fact_is_stored_once,
    in_bulk_a_fact_is_stored_once,
    arrivals_grow_over_calls_and_processes,
    facts_come_back_as_they_were,
    the_price_of_sol_is_the_latest_at_or_before,
    an_engine_knows_what_waits_for_it,
    an_uncommitted_batch_leaves_nothing,
);

fn price(second: i64, usd: i64) -> Fact {
    Fact::SolPrice(SolPrice {
        time: at(second),
        usd: Decimal::from(usd),
    })
}

fn swap(n: usize) -> Fact {
    let line = format!(
        r#"{{"v":1,"type":"swap","signature":"s{n}","time":1760000000000,"wallet":"w","mint":"m","side":"buy","token_amount":"170141183460469231731687303715884105","amount_usd":"0.000001"}}"#
    );
    fact_line::parse(line.as_bytes()).unwrap()
}

async fn append(db: &Db, facts: &[Fact], backfill: bool) -> Vec<Option<i64>> {
    let mut tx = db.begin().await.unwrap();
    let arrivals = tx.append_facts(facts, backfill, at(500)).await.unwrap();
    db.commit(tx).await.unwrap();
    arrivals
}

fn is_new(arrivals: &[Option<i64>]) -> Vec<bool> {
    arrivals.iter().map(Option::is_some).collect()
}

async fn a_fact_is_stored_once(fresh: Fresh) {
    let db = fresh.open().await;
    let first = append(&db, &[swap(1), swap(2), swap(1)], false).await;
    assert_eq!(is_new(&first), [true, true, false]);
    let second = append(&db, &[swap(3), swap(2), price(1, 90)], true).await;
    assert_eq!(is_new(&second), [true, false, true]);
    // known by its time alone: another price for that moment is no news
    assert_eq!(is_new(&append(&db, &[price(1, 91)], false).await), [false]);
    assert_eq!(db.count_facts().await.unwrap(), 4);
    // over the bounds of a statement, and with the same fact on both sides of one
    let many: Vec<Fact> = (0..1_200).chain([0, 499, 501]).map(swap).collect();
    let arrivals = append(&db, &many, false).await;
    let new = arrivals.iter().flatten().count();
    assert_eq!((new, arrivals.len()), (1_200 - 3, 1_203));
    assert_eq!(is_new(&arrivals[1_200..]), [false; 3]);
    assert!(append(&db, &[], false).await.is_empty());
}

/// Wherever a key is: among all others, waiting, or just being put in its place.
async fn in_bulk_a_fact_is_stored_once(fresh: Fresh) {
    let (db, rival) = (fresh.open().await, fresh.open().await);
    append(&db, &[swap(1), swap(2)], false).await;
    let mut placing = Placing::default();
    let mut stored = 2;
    for round in 0..40 {
        // 60 new ones and 60 of the round before, which may have moved meanwhile; one twice, and one of the live ones
        let facts: Vec<Fact> = (round * 60..round * 60 + 120)
            .chain([round * 60, 1])
            .map(swap)
            .collect();
        let mut tx = db.begin().await.unwrap();
        let places = tx.append_facts_in_bulk(&facts, false, at(1)).await.unwrap();
        tx.place_keys(&mut placing, 7).await.unwrap();
        db.commit(tx).await.unwrap();
        stored += places.iter().flatten().count() as i64;
        assert_eq!(is_new(&places[120..]), [false; 2]);
        assert_eq!(db.count_facts().await.unwrap(), stored);
        assert_eq!(
            is_new(&append(&rival, &[swap(round * 60 + 7), swap(2)], false).await),
            [false; 2]
        );
        // live ones beside it
        let live = append(&rival, &[swap(10_000 + round)], false).await;
        assert_eq!(is_new(&live), [true]);
        stored += 1;
    }
    assert_eq!(stored, 40 * 60 + 60 + 40, "0 to 2,459 and the live ones");
    let again: Vec<Fact> = (0..2_460).chain(10_000..10_040).map(swap).collect();
    let mut tx = db.begin().await.unwrap();
    let places = tx.append_facts_in_bulk(&again, false, at(1)).await.unwrap();
    assert_eq!(places.iter().flatten().count(), 0);
}

async fn arrivals_grow_over_calls_and_processes(fresh: Fresh) {
    let db = fresh.open().await;
    let mut tasks = Vec::new();
    for process in 0..4 {
        let db = fresh.open().await;
        tasks.push(tokio::spawn(async move {
            let mut own = Vec::new();
            for call in 0..10 {
                let first = process * 1_000 + call * 3;
                // the middle one is everybody's
                own.extend(append(&db, &[swap(first), swap(9_999), swap(first + 1)], false).await);
            }
            own.into_iter().flatten().collect::<Vec<i64>>()
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        let own = task.await.unwrap();
        assert!(own.is_sorted(), "a process's own facts stay in order");
        all.extend(own);
    }
    all.sort_unstable();
    let mut tx = db.begin().await.unwrap();
    let stored = tx.facts_after(0, 1_000).await.unwrap();
    let arrivals: Vec<i64> = stored.iter().map(|fact| fact.arrival).collect();
    assert_eq!(arrivals, all, "each has one place");
    assert_eq!(all.len(), 4 * 10 * 2 + 1);
    assert_eq!(tx.last_arrival().await.unwrap(), *all.last().unwrap());
}

async fn facts_come_back_as_they_were(fresh: Fresh) {
    let db = fresh.open().await;
    // all kinds of facts, as the simulator tells them
    let mut facts = history(3, at(0));
    facts.truncate(700);
    facts.extend(Live::new(3, at(0), 1.0).map(|(_, fact)| fact).take(700));
    facts.push(price(3, 150));
    facts.push(swap(1));
    let live = facts.split_off(700);
    let mut expected = Vec::new();
    for (batch, backfill) in [(&facts, true), (&live, false)] {
        let arrivals = append(&db, batch, backfill).await;
        let stored = batch.iter().zip(arrivals);
        expected.extend(stored.filter_map(|(fact, place)| Some((place?, backfill, fact.clone()))));
    }
    let mut read = Vec::new();
    let mut tx = db.begin().await.unwrap();
    loop {
        let after = read.last().map_or(0, |(arrival, _, _)| *arrival);
        let page = tx.facts_after(after, 97).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(
            page.into_iter()
                .map(|one| (one.arrival, one.backfill, one.fact)),
        );
    }
    assert!(read.len() > 1_000, "{}", read.len());
    assert_eq!(read, expected);
}

async fn the_price_of_sol_is_the_latest_at_or_before(fresh: Fresh) {
    let db = fresh.open().await;
    append(&db, &[price(300, 30), price(100, 10), price(200, 20)], true).await;
    append(&db, &[swap(1)], false).await;
    let mut tx = db.begin().await.unwrap();
    for (from, to) in [
        (50, 60),
        (50, 400),
        (100, 100),
        (150, 250),
        (200, 299),
        (350, 400),
    ] {
        let prices = tx.sol_prices(at(from), at(to)).await.unwrap();
        for second in from..=to {
            let expected = match second {
                ..100 => None,
                100..200 => Some(10),
                200..300 => Some(20),
                _ => Some(30),
            };
            assert_eq!(
                prices.at(at(second)),
                expected.map(Decimal::from),
                "at {second}, asked from {from} to {to}"
            );
        }
    }
}

async fn an_engine_knows_what_waits_for_it(fresh: Fresh) {
    let (db, rival) = (fresh.open().await, fresh.open().await);
    let waits = async || {
        let waits = db.has_unapplied_facts(consensus::NAME, None).await;
        waits.unwrap()
    };
    assert!(!waits().await);
    let last = append(&rival, &[swap(1), swap(2)], false).await[1].unwrap();
    assert!(waits().await);
    for (applied, waiting) in [(last - 1, true), (last, false)] {
        let found = db.has_unapplied_facts(consensus::NAME, Some(applied)).await;
        assert_eq!(
            found.unwrap(),
            waiting,
            "applied, but its state is not stored"
        );
    }
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.engine_cursor(consensus::NAME).await.unwrap(), 0);
    tx.set_engine_cursor(consensus::NAME, last).await.unwrap();
    db.commit(tx).await.unwrap();
    assert!(!waits().await);
    let mut tx = rival.begin().await.unwrap();
    assert_eq!(tx.engine_cursor(consensus::NAME).await.unwrap(), last);
    assert!(tx.engine_cursor("nobody's").await.is_err());
    drop(tx);
    append(&rival, &[swap(1)], false).await;
    assert!(!waits().await, "a known fact is no news");
}

async fn an_uncommitted_batch_leaves_nothing(fresh: Fresh) {
    let db = fresh.open().await;
    let mut tx = db.begin().await.unwrap();
    let inside = tx.append_facts(&[swap(1), swap(2)], false, at(1)).await;
    assert_eq!(inside.unwrap().iter().flatten().count(), 2);
    drop(tx);
    assert_eq!(db.count_facts().await.unwrap(), 0);
    assert_eq!(is_new(&append(&db, &[swap(2)], false).await), [true]);
}
