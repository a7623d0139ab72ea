//! Sessions of the pages: each stands for who opened it, until it ends, on every node.

use sigcast::{model::key::KeyHash, store::sessions::Session};

use crate::backend::{Fresh, at, promises};

promises!(
    a_session_stands_for_who_opened_it_until_its_end,
    a_session_that_is_ended_stands_for_nobody,
    what_is_over_is_cleared_out,
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
