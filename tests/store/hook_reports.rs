//! Webhooks as their owners see them: attempts page by page, messages that failed, how many wait, and the proof of the key.

use sigcast::{
    gate::filter::Filter,
    model::{account::Account, log::Position},
    store::{
        db::Db,
        hook_messages::{Attempt, Message, Progress},
        hook_reports::Unanswered,
        hook_takings::Eligible,
        hooks::Hook,
    },
};

use crate::backend::{Fresh, at, promises};

promises!(
    attempts_are_listed_the_latest_first_and_one_by_one,
    an_attempt_at_nothing_is_not_noted,
    failed_messages_are_listed_in_order,
    what_waits_and_failed_is_counted,
    nothing_is_resent_to_what_is_gone,
    the_first_proof_of_the_key_stays_until_it_is_forgotten,
    a_secret_that_is_lost_signs_no_more,
);

async fn with_hooks(fresh: &Fresh) -> Db {
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
    for id in ["one", "two", "three"] {
        let hook = Hook {
            id: id.into(),
            account_id: "account".into(),
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
                epoch: "0123abcd".into(),
                seq: 0,
            },
            failing: None,
            answered_at: None,
        };
        db.add_hook(&hook, 10).await.unwrap();
    }
    db
}

fn attempt(seq: Option<i64>, second: i64) -> Attempt {
    Attempt {
        seq,
        signal_id: format!("signal-{seq:?}"),
        attempt: 1,
        at: at(second),
        took: 1_500,
        status: Some(503),
        error: Some("status".into()),
        answer: Some("no".into()),
    }
}

async fn attempts_are_listed_the_latest_first_and_one_by_one(fresh: Fresh) {
    let db = with_hooks(&fresh).await;
    let made = [
        attempt(Some(8), 10),
        attempt(Some(9), 11),
        attempt(Some(8), 12),
        attempt(None, 13),
    ];
    let mut ids = Vec::new();
    for one in &made {
        ids.push(db.add_attempt("one", one).await.unwrap().unwrap());
    }
    let other = db.add_attempt("two", &made[0]).await.unwrap().unwrap();
    assert!(ids.is_sorted() && other > ids[3], "{ids:?}");
    let numbers = async |seq, before, most| -> Vec<i64> {
        let listed = db.attempts("one", seq, before, most).await.unwrap();
        listed.iter().map(|one| one.id).collect()
    };
    assert_eq!(
        numbers(None, None, 10).await,
        [ids[3], ids[2], ids[1], ids[0]]
    );
    assert_eq!(numbers(None, Some(ids[3]), 2).await, [ids[2], ids[1]]);
    assert_eq!(numbers(Some(8), None, 10).await, [ids[2], ids[0]]);
    assert_eq!(numbers(Some(8), Some(ids[2]), 10).await, [ids[0]]);
    let one = db.attempt("one", ids[1]).await.unwrap().unwrap();
    assert_eq!((one.id, &one.attempt), (ids[1], &made[1]));
    assert_eq!(db.attempt("two", ids[1]).await.unwrap(), None);
    assert_eq!(db.attempt("one", other + 1).await.unwrap(), None);
}

async fn an_attempt_at_nothing_is_not_noted(fresh: Fresh) {
    let db = with_hooks(&fresh).await;
    db.delete_hook("one").await.unwrap();
    let noted = db.add_attempt("one", &attempt(None, 1)).await.unwrap();
    assert_eq!(noted, None);
}

fn message(seq: i64, next: Option<i64>) -> Message {
    Message {
        seq,
        signal_id: format!("signal-{seq}"),
        attempts: 12,
        first_at: at(1),
        next_at: next.map(at),
    }
}

/// Two messages of `one` wait and three have failed; one of `two` has.
async fn with_messages(fresh: &Fresh) -> Db {
    let db = with_hooks(fresh).await;
    let joined = db.join("node", std::time::Duration::from_secs(60)).await;
    joined.unwrap();
    let whose = Eligible {
        plans: vec!["alpha".to_owned()],
        now: at(2),
    };
    db.take_hooks(&whose, 10).await.unwrap();
    let taken = db.hook_marks(&whose).await.unwrap();
    let progress: Vec<Progress> = taken
        .into_iter()
        .map(|taken| Progress {
            waiting: match &*taken.id {
                "one" => vec![
                    message(9, None),
                    message(3, None),
                    message(4, Some(60)),
                    message(5, Some(61)),
                    message(7, None),
                ],
                "two" => vec![message(6, None)],
                _ => Vec::new(),
            },
            hook_id: taken.id,
            fence: taken.fence,
            ..Progress::default()
        })
        .collect();
    assert_eq!(progress.len(), 3);
    let lost = db.write_progress(&progress).await.unwrap();
    assert!(lost.is_empty());
    db
}

async fn failed_messages_are_listed_in_order(fresh: Fresh) {
    let db = with_messages(&fresh).await;
    let failed = async |most, offset| db.failed_messages("one", most, offset).await.unwrap();
    let all = [message(3, None), message(7, None), message(9, None)];
    assert_eq!(failed(10, 0).await, all);
    assert_eq!(failed(1, 1).await, all[1..2]);
    assert_eq!(failed(10, 3).await, []);
}

async fn what_waits_and_failed_is_counted(fresh: Fresh) {
    let db = with_messages(&fresh).await;
    let counted = db.unanswered(&["one", "two", "three"]).await.unwrap();
    let of = |waiting, failed| Some(&Unanswered { waiting, failed }).copied();
    assert_eq!(counted.get("one").copied(), of(2, 3));
    assert_eq!(counted.get("two").copied(), of(0, 1));
    assert_eq!(counted.get("three"), None);
    let one = db.unanswered(&["two"]).await.unwrap();
    assert_eq!(one.len(), 1);
    assert!(db.unanswered(&[]).await.unwrap().is_empty());
}

async fn nothing_is_resent_to_what_is_gone(fresh: Fresh) {
    let db = with_hooks(&fresh).await;
    db.delete_hook("one").await.unwrap();
    let one = db.resend("one", 3, "signal-3", at(1)).await;
    assert!(one.is_err_and(|error| error.to_string().contains("gone")));
    let range = db.resend_range("one", 0, 3, None, at(1)).await;
    assert!(range.is_err_and(|error| error.to_string().contains("gone")));
}

async fn the_first_proof_of_the_key_stays_until_it_is_forgotten(fresh: Fresh) {
    let db = fresh.open().await;
    assert_eq!(db.kept_hook_seal().await.unwrap(), None);
    assert_eq!(db.hook_seal("first").await.unwrap(), "first");
    assert_eq!(db.hook_seal("second").await.unwrap(), "first");
    let kept = db.kept_hook_seal().await.unwrap();
    assert_eq!(kept.as_deref(), Some("first"));
    db.forget_hook_seal().await.unwrap();
    assert_eq!(db.kept_hook_seal().await.unwrap(), None);
    assert_eq!(db.hook_seal("second").await.unwrap(), "second");
}

async fn a_secret_that_is_lost_signs_no_more(fresh: Fresh) {
    let db = with_hooks(&fresh).await;
    db.rotate_hook("one", "second", Some(at(9))).await.unwrap();
    db.rotate_hook("one", "third", None).await.unwrap();
    let hook = db.hook("one", None).await.unwrap().unwrap();
    assert_eq!((&*hook.secret, hook.old_secret), ("third", None));
}
