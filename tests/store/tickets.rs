//! Tickets: each opens one stream once, and that stream again for five minutes after it closed.

use sigcast::{
    model::{
        account::{Account, KeyRecord},
        key::{KeyHash, KeyKind, KeyText},
    },
    store::{db::Db, sessions::Session, tickets::Ticket},
};

use crate::backend::{Fresh, at, promises};

promises!(
    nodes_have_one_clock_in_common,
    a_ticket_is_spent_once,
    a_ticket_must_be_spent_in_time,
    its_stream_may_be_reopened_for_five_minutes,
    a_restart_closes_what_was_open,
    racing_clients_spend_a_ticket_once,
    a_session_that_ends_has_its_views_looked_at,
);

const FIVE_MINUTES: i64 = 300;

fn hash(n: u8) -> KeyHash {
    KeyHash([n; 32])
}

async fn with_key(fresh: &Fresh) -> Db {
    let db = fresh.open().await;
    let account = Account {
        id: "account".into(),
        name: "somebody".into(),
        plan: "alpha".into(),
        expires_at: None,
        suspended_at: None,
        created_at: at(0),
    };
    db.create_account(&account).await.unwrap();
    let text = KeyText::generate(KeyKind::Stream, || 5);
    let record = KeyRecord {
        id: "key".into(),
        account_id: "account".into(),
        kind: KeyKind::Stream,
        prefix: text.prefix().to_owned(),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    };
    db.create_key(&record, &text).await.unwrap();
    db
}

/// Ticket `n`, made at second 0, to be spent before second 60.
async fn with_ticket(fresh: &Fresh, n: u8) -> Db {
    let db = with_key(fresh).await;
    db.add_ticket(&hash(n), &opens_key(), at(60), at(0))
        .await
        .unwrap();
    db
}

fn opens_key() -> Ticket {
    Ticket {
        key_id: "key".to_owned(),
        session: None,
    }
}

/// Whether the ticket opens a stream at this second.
async fn opens(db: &Db, n: u8, resumes: bool, second: i64) -> bool {
    let spent = db
        .spend_ticket(&hash(n), resumes, at(second))
        .await
        .unwrap();
    assert!(spent.as_ref().is_none_or(|opens| *opens == opens_key()));
    spent.is_some()
}

async fn a_ticket_is_spent_once(fresh: Fresh) {
    let db = with_ticket(&fresh, 1).await;
    assert!(!opens(&db, 2, false, 1).await, "never made");
    assert!(!opens(&db, 2, true, 1).await, "never made");
    assert!(opens(&db, 1, false, 1).await);
    assert!(!opens(&db, 1, false, 2).await, "spent");
    db.close_ticket(&hash(1), at(1), at(3)).await.unwrap();
    assert!(
        !opens(&db, 1, false, 4).await,
        "a fresh stream is another stream"
    );
}

async fn a_ticket_must_be_spent_in_time(fresh: Fresh) {
    let db = with_ticket(&fresh, 1).await;
    assert!(!opens(&db, 1, false, 60).await);
    assert!(
        !opens(&db, 1, true, 60).await,
        "it opened nothing to come back to"
    );
    assert!(opens(&db, 1, false, 59).await);
}

async fn its_stream_may_be_reopened_for_five_minutes(fresh: Fresh) {
    let db = with_ticket(&fresh, 1).await;
    assert!(
        opens(&db, 1, true, 1).await,
        "also by a client that has an id already"
    );
    assert!(
        opens(&db, 1, true, 500).await,
        "while it is open: a takeover"
    );
    // the stream that was taken over ends late: the one that took it over goes on
    db.close_ticket(&hash(1), at(1), at(501)).await.unwrap();
    assert!(opens(&db, 1, true, 900).await);
    db.close_ticket(&hash(1), at(900), at(1_000)).await.unwrap();
    assert!(opens(&db, 1, true, 1_000 + FIVE_MINUTES - 1).await);
    // it is open again: the five minutes begin anew
    assert!(opens(&db, 1, true, 9_000).await);
    db.close_ticket(&hash(1), at(9_000), at(10_000))
        .await
        .unwrap();
    assert!(!opens(&db, 1, true, 10_000 + FIVE_MINUTES).await);
    // clearing out leaves what can still be used
    db.add_ticket(&hash(2), &opens_key(), at(20_000), at(10_100))
        .await
        .unwrap();
    assert!(opens(&db, 1, true, 10_200).await);
    db.close_ticket(&hash(1), at(10_200), at(10_300))
        .await
        .unwrap();
    db.add_ticket(&hash(3), &opens_key(), at(20_000), at(11_000))
        .await
        .unwrap();
    assert!(!opens(&db, 1, true, 10_301).await, "cleared out");
    assert!(opens(&db, 2, false, 11_000).await);
}

async fn a_restart_closes_what_was_open(fresh: Fresh) {
    let db = with_ticket(&fresh, 1).await;
    db.add_ticket(&hash(2), &opens_key(), at(60), at(0))
        .await
        .unwrap();
    assert!(opens(&db, 1, false, 1).await);
    let restarted = fresh.open().await;
    restarted.close_lost_tickets(at(1_000)).await.unwrap();
    restarted.close_lost_tickets(at(5_000)).await.unwrap();
    let end = 1_000 + FIVE_MINUTES;
    assert!(
        !opens(&restarted, 1, true, end).await,
        "closed at the first start"
    );
    assert!(opens(&restarted, 1, true, end - 1).await);
    assert!(
        opens(&restarted, 2, false, 5).await,
        "not yet spent: untouched"
    );
}

async fn racing_clients_spend_a_ticket_once(fresh: Fresh) {
    with_ticket(&fresh, 1).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let db = fresh.open().await;
        tasks.push(tokio::spawn(async move { opens(&db, 1, false, 1).await }));
    }
    let mut opened = 0;
    for task in tasks {
        opened += usize::from(task.await.unwrap());
    }
    assert_eq!(opened, 1);
}

/// Whatever their own clocks say.
async fn nodes_have_one_clock_in_common(fresh: Fresh) {
    let db = fresh.open().await;
    let (one, other) = (
        db.shared_time(at(5)).await.unwrap(),
        db.shared_time(at(95)).await.unwrap(),
    );
    match db.is_shared() {
        true => assert!((0.0..60.0).contains(&other.seconds_since(one))),
        false => assert_eq!((one, other), (at(5), at(95))),
    }
}

async fn a_session_that_ends_has_its_views_looked_at(fresh: Fresh) {
    let db = with_key(&fresh).await;
    let session = |second| Session {
        holder: hash(9),
        expires_at: at(second),
    };
    for n in [1, 2] {
        db.add_session(&hash(n), &session(100), at(0))
            .await
            .unwrap();
    }
    let opens = Ticket {
        session: Some(hash(1)),
        ..opens_key()
    };
    db.add_ticket(&hash(5), &opens, at(60), at(0))
        .await
        .unwrap();
    let spent = db.spend_ticket(&hash(5), false, at(1)).await.unwrap();
    assert_eq!(spent, Some(opens));
    let counting = async |second| {
        let mut found = db
            .sessions_that_count(&[hash(1), hash(2), hash(3)], at(second))
            .await
            .unwrap();
        found.sort_by_key(|hash| hash.0);
        found
    };
    assert_eq!(counting(1).await, [hash(1), hash(2)]);
    // one without views is nobody else's business
    let before = db.access_version().await.unwrap();
    db.end_session(&hash(2)).await.unwrap();
    assert_eq!(db.access_version().await.unwrap(), before);
    assert_eq!(counting(1).await, [hash(1)]);
    assert_eq!(counting(100).await, []);
    db.end_session(&hash(1)).await.unwrap();
    assert!(db.access_version().await.unwrap() > before);
    assert_eq!(counting(1).await, []);
    assert_eq!(db.session(&hash(1), at(1)).await.unwrap(), None);
}
