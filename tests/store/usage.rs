//! Counters of requests: shared by all nodes, never over the limit, put right afterwards.

use sigcast::{
    gate::quota::{Ask, Correction, Counters, Limits},
    model::{
        account::{Account, KeyRecord},
        key::{KeyKind, KeyText},
        time::Time,
    },
    store::{
        db::Db,
        usage::{KeyAsk, UsageSort},
    },
};

use crate::backend::{Fresh, at, promises};

promises!(
    reservations_stay_within_the_limits_whoever_asks,
    corrections_come_first_and_know_no_limit,
    a_new_day_begins_anew,
    each_day_is_kept_by_itself,
    the_top_consumers_come_first,
    nothing_is_kept_of_what_failed,
);

const FIFTY: Limits = Limits {
    per_day: Some(50),
    per_month: None,
};

async fn with_keys(fresh: &Fresh, keys: u8) -> Db {
    let db = fresh.named().await;
    let account = Account {
        id: "a".into(),
        name: "somebody".into(),
        plan: "free".into(),
        expires_at: None,
        suspended_at: None,
        created_at: at(0),
    };
    db.create_account(&account).await.unwrap();
    for n in 0..keys {
        let key = KeyText::generate(KeyKind::Data, || n);
        let record = KeyRecord {
            id: format!("k{n}"),
            account_id: "a".into(),
            kind: KeyKind::Data,
            prefix: key.prefix().to_owned(),
            created_at: at(0),
            expires_at: None,
            revoked_at: None,
        };
        db.create_key(&record, &key).await.unwrap();
    }
    db
}

/// What was counted of a key.
async fn counted(db: &Db, n: u8) -> Option<Counters> {
    let hash = KeyText::generate(KeyKind::Data, || n).hash();
    let mut in_use = db.keys_in_use(&[hash]).await.unwrap();
    in_use.remove(&hash).unwrap().counters
}

fn ask(key: &str, want: u64, corrections: &[(i64, i64)]) -> KeyAsk {
    let corrections = corrections
        .iter()
        .map(|&(day, change)| Correction { day, change });
    KeyAsk {
        key_id: key.to_owned(),
        limits: FIFTY,
        ask: Ask {
            want,
            corrections: corrections.collect(),
        },
    }
}

async fn one(db: &Db, key_ask: KeyAsk, now: Time) -> (Counters, u64) {
    let mut granted = db.reserve_usage(&[key_ask], now).await.unwrap();
    granted.pop().unwrap()
}

async fn reservations_stay_within_the_limits_whoever_asks(fresh: Fresh) {
    let db = with_keys(&fresh, 2).await;
    assert_eq!(counted(&db, 0).await, None);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(fresh.open().await);
    }
    let asking = nodes.into_iter().map(|node| {
        tokio::spawn(async move {
            let mut granted = 0;
            for _ in 0..10 {
                let both = [ask("k0", 3, &[]), ask("k1", 1, &[])];
                let answers = node.reserve_usage(&both, at(1)).await.unwrap();
                granted += answers[0].1;
                assert_eq!(answers[1].1, 1, "each key has counters of its own");
            }
            granted
        })
    });
    let mut granted = 0;
    for node in asking.collect::<Vec<_>>() {
        granted += node.await.unwrap();
    }
    assert_eq!(granted, 50, "of 120 that were asked for");
    let counters = counted(&db, 0).await.unwrap();
    assert_eq!(
        (counters.today, counters.this_month, counters.total),
        (50, 50, 50)
    );
    assert_eq!(counted(&db, 1).await.unwrap().total, 40);
}

async fn corrections_come_first_and_know_no_limit(fresh: Fresh) {
    let db = with_keys(&fresh, 1).await;
    let day = at(0).utc_day();
    assert_eq!(one(&db, ask("k0", 50, &[]), at(0)).await.1, 50);
    let (counters, granted) = one(&db, ask("k0", 50, &[(day, -7)]), at(1)).await;
    assert_eq!(
        (counters.today, granted),
        (50, 7),
        "what came back is there"
    );
    let (counters, granted) = one(&db, ask("k0", 5, &[(day, 4)]), at(2)).await;
    assert_eq!(
        (counters.today, granted),
        (54, 0),
        "what was made without asking is counted"
    );
}

async fn a_new_day_begins_anew(fresh: Fresh) {
    let db = with_keys(&fresh, 1).await;
    one(&db, ask("k0", 50, &[]), at(0)).await;
    let day = at(0).utc_day();
    let tomorrow = at(86_400);
    let (counters, granted) = one(&db, ask("k0", 10, &[(day, -5)]), tomorrow).await;
    assert_eq!(granted, 10);
    assert_eq!((counters.today, counters.total), (10, 55));
    let (counters, _) = one(&db, ask("k0", 1, &[]), at(0)).await;
    assert_eq!(counters.day, day + 1, "no clock leads back");
}

async fn the_top_consumers_come_first(fresh: Fresh) {
    let db = with_keys(&fresh, 3).await;
    one(&db, ask("k0", 30, &[]), at(0)).await;
    let tomorrow = at(86_400);
    one(&db, ask("k1", 20, &[]), tomorrow).await;
    one(&db, ask("k2", 10, &[]), tomorrow).await;
    let ids = async |sort, limit, offset| {
        let top = db.top_consumers(sort, limit, offset, tomorrow).await;
        let ids = top.unwrap().into_iter().map(|one| one.key_id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(UsageSort::Total, 10, 0).await, ["k0", "k1", "k2"]);
    assert_eq!(ids(UsageSort::Today, 10, 0).await, ["k1", "k2", "k0"]);
    assert_eq!(ids(UsageSort::Today, 1, 1).await, ["k2"]);
    assert_eq!(db.count_consumers().await.unwrap(), 3);
    let first = db.top_consumers(UsageSort::Total, 1, 0, tomorrow).await;
    let first = first.unwrap().pop().unwrap();
    assert_eq!(
        (first.counters.today, first.counters.total),
        (0, 30),
        "yesterday's are not today's"
    );
    assert_eq!((&*first.account_name, &*first.plan), ("somebody", "free"));
}

async fn nothing_is_kept_of_what_failed(fresh: Fresh) {
    let db = with_keys(&fresh, 1).await;
    let both = [ask("k0", 5, &[]), ask("nobody", 5, &[])];
    assert!(db.reserve_usage(&both, at(0)).await.is_err());
    assert_eq!(counted(&db, 0).await, None);
}

async fn each_day_is_kept_by_itself(fresh: Fresh) {
    let db = with_keys(&fresh, 2).await;
    let day = at(0).utc_day();
    let by_day = async |from| {
        let found = db.usage_by_day("a", from).await.unwrap();
        let told = found
            .into_iter()
            .map(|one| (one.key_id, one.day - day, one.requests));
        told.collect::<Vec<_>>()
    };
    let told = |all: &[(&str, i64, i64)]| {
        let all = all
            .iter()
            .map(|(key, day, requests)| ((*key).to_owned(), *day, *requests));
        all.collect::<Vec<_>>()
    };
    one(&db, ask("k0", 10, &[]), at(0)).await;
    one(&db, ask("k0", 5, &[]), at(0)).await;
    one(&db, ask("k1", 7, &[]), at(0)).await;
    assert_eq!(by_day(day).await, told(&[("k0", 0, 15), ("k1", 0, 7)]));
    // the next day puts right what was given back of the one before
    let tomorrow = at(0).plus(Time::DAY);
    one(&db, ask("k0", 1, &[(day, -4), (day + 1, 2)]), tomorrow).await;
    let all = told(&[("k0", 0, 11), ("k1", 0, 7), ("k0", 1, 3)]);
    assert_eq!(by_day(day).await, all);
    assert_eq!(by_day(day + 1).await, told(&[("k0", 1, 3)]));
    assert!(db.usage_by_day("another", day).await.unwrap().is_empty());

    let usage = db.usage_of_account("a", tomorrow).await.unwrap();
    let mut usage: Vec<_> = usage
        .into_iter()
        .map(|one| {
            (
                one.key_id,
                one.counters.today,
                one.counters.total,
                one.last_day.map(|last| last - day),
            )
        })
        .collect();
    usage.sort();
    let k = |name: &str, today, total, last| (name.to_owned(), today, total, Some(last));
    assert_eq!(usage, [k("k0", 3, 14, 1), k("k1", 0, 7, 0)]);

    assert_eq!(db.forget_usage_days(day + 1, 1).await.unwrap(), 1);
    assert_eq!(db.forget_usage_days(day + 1, 10).await.unwrap(), 1);
    assert_eq!(by_day(day).await, told(&[("k0", 1, 3)]));
    let left = counted(&db, 0).await.unwrap();
    assert_eq!((left.today, left.total), (3, 14), "sums stay");
}
