//! Deliveries: what was written to streams is saved while it grows, found by what it holds, and forgotten; and what became of signals at webhooks.

use sigcast::{
    gate::filter::Filter,
    model::{
        account::{Account, KeyRecord},
        delivery::Written,
        key::{KeyKind, KeyText},
        log::Position,
    },
    store::{
        db::Db,
        hook_messages::{Attempt, Message, Progress},
        hook_outcomes::Outcome,
        hooks::Hook,
        stream_writes::SavedWrite,
    },
};

use crate::backend::{Fresh, at, promises};

promises!(
    a_range_is_kept_as_it_is_and_grows,
    ranges_are_found_by_what_they_hold_and_by_nobody_else,
    processes_do_not_meet,
    what_was_saved_long_ago_is_forgotten,
    accounts_with_webhooks_are_known,
    what_became_of_signals_is_known_by_their_own_ids,
);

const EPOCH: &str = "0123abcd";

fn key_text(n: u8) -> KeyText {
    let mut count = n;
    KeyText::generate(KeyKind::Stream, || {
        count = count.wrapping_add(31);
        count
    })
}

/// Two accounts, each with a key.
async fn with_accounts(fresh: &Fresh) -> Db {
    let db = fresh.named().await;
    for (n, name) in [(1_u8, "one"), (2, "other")] {
        let account = Account {
            id: name.into(),
            name: name.into(),
            plan: "alpha".into(),
            expires_at: None,
            suspended_at: None,
            created_at: at(0),
        };
        db.create_account(&account).await.unwrap();
        let text = key_text(n);
        let record = KeyRecord {
            id: format!("key of {name}"),
            account_id: name.into(),
            kind: KeyKind::Stream,
            prefix: text.prefix().to_owned(),
            created_at: at(0),
            expires_at: None,
            revoked_at: None,
        };
        db.create_key(&record, &text).await.unwrap();
    }
    db
}

fn written(number: u64, after: i64, until: i64) -> Written {
    Written {
        number,
        connection: 40 + number,
        account_id: "one".into(),
        key_id: "key of one".into(),
        epoch: EPOCH.into(),
        after,
        until,
        filter: Some(r#"{"min_rank":"A"}"#.into()),
        opened_at: at(5),
        closed_at: None,
    }
}

fn of_other(range: Written) -> Written {
    Written {
        account_id: "other".into(),
        key_id: "key of other".into(),
        ..range
    }
}

async fn read(db: &Db, first: i64, last: i64) -> Vec<SavedWrite> {
    let read = db.stream_writes("one", EPOCH, first, last, 100).await;
    read.unwrap()
}

fn numbers(saved: &[SavedWrite]) -> Vec<u64> {
    saved.iter().map(|one| one.written.number).collect()
}

async fn a_range_is_kept_as_it_is_and_grows(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    db.save_writes("node", &[], at(9)).await.unwrap();
    let range = written(0, 10, 12);
    let save = db.save_writes("node", std::slice::from_ref(&range), at(10));
    save.await.unwrap();
    let mut expected = SavedWrite {
        node: "node".into(),
        key_prefix: key_text(1).prefix().to_owned(),
        saved_at: at(10),
        written: range,
    };
    assert_eq!(read(&db, 1, 99).await, [expected.clone()]);
    let grown = Written {
        until: 20,
        closed_at: Some(at(19)),
        ..written(0, 10, 12)
    };
    let open = Written {
        filter: None,
        ..written(1, 0, 1)
    };
    let both = [grown.clone(), open.clone()];
    db.save_writes("node", &both, at(20)).await.unwrap();
    (expected.written, expected.saved_at) = (grown, at(20));
    let other = SavedWrite {
        written: open,
        ..expected.clone()
    };
    assert_eq!(read(&db, 1, 99).await, [other, expected]);
}

async fn ranges_are_found_by_what_they_hold_and_by_nobody_else(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    let another_log = Written {
        epoch: "ffffffff".into(),
        ..written(9, 0, 100)
    };
    let all = [
        written(0, 0, 10),
        written(1, 10, 20),
        written(2, 25, 30),
        of_other(written(3, 0, 100)),
        another_log,
    ];
    db.save_writes("node", &all, at(10)).await.unwrap();
    for (first, last, expected) in [
        (1, 100, vec![2, 1, 0]),
        (10, 10, vec![0]),
        (11, 11, vec![1]),
        (10, 11, vec![1, 0]),
        (21, 25, vec![]),
        (21, 26, vec![2]),
        (30, 99, vec![2]),
        (31, 99, vec![]),
    ] {
        let found = numbers(&read(&db, first, last).await);
        assert_eq!(found, expected, "{first} to {last}");
    }
    db.save_writes("node", &[written(0, 0, 11)], at(11))
        .await
        .unwrap();
    let latest = db.stream_writes("one", EPOCH, 1, 100, 2).await.unwrap();
    assert_eq!(numbers(&latest), [0, 2], "those that were saved last");
    let theirs = db.stream_writes("other", EPOCH, 1, 9, 100).await.unwrap();
    assert_eq!(numbers(&theirs), [3]);
}

async fn processes_do_not_meet(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    db.save_writes("first", &[written(0, 0, 10)], at(10))
        .await
        .unwrap();
    db.save_writes("second", &[written(0, 50, 60)], at(11))
        .await
        .unwrap();
    let all = read(&db, 1, 99).await;
    let short: Vec<_> = all
        .iter()
        .map(|one| (one.node.as_str(), one.written.after, one.written.until))
        .collect();
    assert_eq!(short, [("second", 50, 60), ("first", 0, 10)]);
}

async fn what_was_saved_long_ago_is_forgotten(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    let old = [written(0, 0, 1), written(1, 1, 2), written(2, 2, 3)];
    db.save_writes("node", &old, at(10)).await.unwrap();
    db.save_writes("node", &[written(2, 2, 4)], at(20))
        .await
        .unwrap();
    assert_eq!(db.forget_writes(at(10), 9).await.unwrap(), 0);
    assert_eq!(db.forget_writes(at(11), 1).await.unwrap(), 1);
    assert_eq!(db.forget_writes(at(11), 9).await.unwrap(), 1);
    assert_eq!(numbers(&read(&db, 1, 99).await), [2], "it has grown since");
}

fn hook(id: &str, account: &str) -> Hook {
    Hook {
        id: id.into(),
        account_id: account.into(),
        url: "https://example.com/".into(),
        description: String::new(),
        filter: Filter::default(),
        compat: None,
        ordered: false,
        disabled: None,
        secret: "sealed".into(),
        old_secret: None,
        created_at: at(1),
        sent_to: Position {
            epoch: EPOCH.into(),
            seq: 0,
        },
        failing: None,
        answered_at: None,
    }
}

async fn accounts_with_webhooks_are_known(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    assert!(db.hook_accounts().await.unwrap().is_empty());
    for id in ["a", "b"] {
        db.add_hook(&hook(id, "one"), 10).await.unwrap();
    }
    assert_eq!(db.hook_accounts().await.unwrap(), ["one"]);
    db.add_hook(&hook("c", "other"), 10).await.unwrap();
    let mut both = db.hook_accounts().await.unwrap();
    both.sort();
    assert_eq!(both, ["one", "other"]);
    db.delete_hook("a").await.unwrap();
    db.delete_hook("b").await.unwrap();
    assert_eq!(db.hook_accounts().await.unwrap(), ["other"]);
}

fn attempt(seq: i64, signal: &str, second: i64, error: Option<&str>) -> Attempt {
    Attempt {
        seq: Some(seq),
        signal_id: signal.into(),
        attempt: 1,
        at: at(second),
        took: 1_500,
        status: Some(200),
        error: error.map(str::to_owned),
        answer: None,
    }
}

async fn what_became_of_signals_is_known_by_their_own_ids(fresh: Fresh) {
    let db = with_accounts(&fresh).await;
    for (id, account) in [("a", "one"), ("b", "one"), ("c", "other")] {
        db.add_hook(&hook(id, account), 10).await.unwrap();
    }
    let message = |seq: i64, signal: &str, next: Option<i64>| Message {
        seq,
        signal_id: signal.into(),
        attempts: 3,
        first_at: at(1),
        next_at: next.map(at),
    };
    // endpoints that nobody has taken have this fence
    let progress = |id: &str, attempts, waiting| Progress {
        hook_id: id.into(),
        fence: 0,
        attempts,
        waiting,
        ..Progress::default()
    };
    let of_a = progress(
        "a",
        vec![
            attempt(1, "s1", 10, Some("status")),
            attempt(1, "s1", 30, None),
            attempt(1, "s1", 20, None),
            attempt(2, "s2", 11, Some("status")),
            attempt(3, "s3", 12, Some("status")),
            // before the log went back, another signal had this place
            attempt(4, "gone", 5, None),
        ],
        vec![message(2, "s2", Some(60)), message(3, "s3", None)],
    );
    let of_b = progress("b", vec![attempt(1, "s1", 40, None)], Vec::new());
    let of_c = progress("c", vec![attempt(2, "s2", 40, None)], Vec::new());
    let lost = db.write_progress(&[of_a, of_b, of_c]).await.unwrap();
    assert!(lost.is_empty());
    let mut outcomes = db.hook_outcomes(&["a", "b"], &[1, 2, 3, 4]).await.unwrap();
    let mut take = |hook: &str, signal: &str| outcomes.remove(&(hook.into(), signal.into()));
    let acknowledged = |attempts, second| {
        Some(Outcome {
            attempts,
            acknowledged_at: Some(at(second).plus(1_500)),
            message: None,
        })
    };
    let waits = |next: Option<i64>| {
        Some(Outcome {
            attempts: 3,
            acknowledged_at: None,
            message: Some(next.map(at)),
        })
    };
    assert_eq!(take("a", "s1"), acknowledged(3, 20));
    assert_eq!(take("a", "s2"), waits(Some(60)));
    assert_eq!(take("a", "s3"), waits(None));
    assert_eq!(take("a", "s4"), None);
    assert_eq!(take("a", "gone"), acknowledged(1, 5));
    assert_eq!(take("b", "s1"), acknowledged(1, 40));
    assert!(outcomes.is_empty(), "{outcomes:?}");
    assert!(db.hook_outcomes(&[], &[1]).await.unwrap().is_empty());
    assert!(db.hook_outcomes(&["a"], &[]).await.unwrap().is_empty());
}
