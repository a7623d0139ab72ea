//! Sessions of the pages: each stands for who opened it, until it ends, on every node.

use sigcast::{
    model::{
        account::{Account, KeyRecord},
        key::{KeyHash, KeyKind, KeyText},
    },
    store::sessions::Session,
};
use uuid::Uuid;

use crate::backend::{Fresh, at, promises};

promises!(
    a_session_stands_for_who_opened_it_until_its_end,
    a_session_that_is_ended_stands_for_nobody,
    what_is_over_is_cleared_out,
    a_holder_has_so_many_and_the_oldest_gives_way,
    an_account_ends_all_of_its_own,
);

fn hash(n: u8) -> KeyHash {
    KeyHash([n; 32])
}

/// Opened by holder `n`, until this second.
fn until(n: u8, second: i64) -> Session {
    Session {
        holder: hash(n),
        expires_at: at(second),
    }
}

async fn a_session_stands_for_who_opened_it_until_its_end(fresh: Fresh) {
    let (db, other) = (fresh.open().await, fresh.open().await);
    db.add_session(&hash(1), &until(9, 60), at(0))
        .await
        .unwrap();
    db.add_session(&hash(2), &until(8, 90), at(0))
        .await
        .unwrap();
    for db in [&db, &other] {
        assert_eq!(
            db.session(&hash(1), at(59)).await.unwrap(),
            Some(until(9, 60))
        );
        assert_eq!(
            db.session(&hash(2), at(59)).await.unwrap(),
            Some(until(8, 90))
        );
        assert_eq!(db.session(&hash(1), at(60)).await.unwrap(), None);
        assert_eq!(db.session(&hash(3), at(0)).await.unwrap(), None);
    }
}

async fn a_session_that_is_ended_stands_for_nobody(fresh: Fresh) {
    let db = fresh.open().await;
    db.add_session(&hash(1), &until(9, 60), at(0))
        .await
        .unwrap();
    db.add_session(&hash(2), &until(9, 60), at(0))
        .await
        .unwrap();
    db.end_session(&hash(1)).await.unwrap();
    db.end_session(&hash(1)).await.unwrap();
    assert_eq!(db.session(&hash(1), at(1)).await.unwrap(), None);
    assert_eq!(
        db.session(&hash(2), at(1)).await.unwrap(),
        Some(until(9, 60))
    );
}

async fn what_is_over_is_cleared_out(fresh: Fresh) {
    let db = fresh.open().await;
    db.add_session(&hash(1), &until(9, 60), at(0))
        .await
        .unwrap();
    db.add_session(&hash(2), &until(9, 200), at(100))
        .await
        .unwrap();
    // it is gone, rather than over: its digest may be used anew
    db.add_session(&hash(1), &until(7, 300), at(100))
        .await
        .unwrap();
    assert_eq!(
        db.session(&hash(1), at(150)).await.unwrap(),
        Some(until(7, 300))
    );
    assert_eq!(
        db.session(&hash(2), at(150)).await.unwrap(),
        Some(until(9, 200))
    );
}

async fn a_holder_has_so_many_and_the_oldest_gives_way(fresh: Fresh) {
    let db = fresh.open().await;
    db.add_session(&hash(200), &until(8, 500), at(0))
        .await
        .unwrap();
    for n in 0..=50 {
        db.add_session(&hash(n), &until(9, 500), at(i64::from(n)))
            .await
            .unwrap();
    }
    let counts = async |n: u8| db.session(&hash(n), at(60)).await.unwrap().is_some();
    assert!(!counts(0).await);
    for n in (1..=50).chain([200]) {
        assert!(counts(n).await, "{n}");
    }
}

async fn an_account_ends_all_of_its_own(fresh: Fresh) {
    let db = fresh.open().await;
    let mut holders = Vec::new();
    for (n, account) in [(0, "a"), (1, "b")] {
        let account = Account {
            id: account.into(),
            name: "somebody".into(),
            plan: "free".into(),
            expires_at: None,
            suspended_at: None,
            created_at: at(0),
        };
        db.create_account(&account).await.unwrap();
        for n in [2 * n, 2 * n + 1] {
            let key = KeyText::generate(KeyKind::Data, || n);
            let id = Uuid::from_u128(u128::from(n));
            let record = KeyRecord::new(id, &account.id, KeyKind::Data, &key, at(0), None);
            db.create_key(&record, &key).await.unwrap();
            holders.push(key.hash());
        }
    }
    for (n, holder) in (0..).zip(&holders) {
        let session = Session {
            holder: *holder,
            expires_at: at(60),
        };
        db.add_session(&hash(n), &session, at(0)).await.unwrap();
    }
    assert_eq!(db.count_sessions("a", at(1)).await.unwrap(), 2);
    assert_eq!(db.count_sessions("a", at(60)).await.unwrap(), 0);
    assert_eq!(db.end_sessions_of_account("a").await.unwrap(), 2);
    assert_eq!(db.count_sessions("a", at(1)).await.unwrap(), 0);
    assert_eq!(db.session(&hash(0), at(1)).await.unwrap(), None);
    assert_eq!(db.count_sessions("b", at(1)).await.unwrap(), 2);
}
