//! Webhook endpoints: who may have how many, what changes, which node sends to each, and what is written down of their messages.

use sigcast::{
    gate::{
        endpoint::Compat,
        filter::{Filter, MinScore},
    },
    model::{
        account::Account,
        log::{LogRead as _, Lost, Position},
        rank::Rank,
    },
    store::{
        db::Db,
        error::StoreError,
        hook_messages::{Attempt, Message, Progress},
        hook_takings::Eligible,
        hooks::{Disabled, Hook, HookChange},
    },
};

use crate::backend::{Fresh, at, promises, signals};

promises!(
    an_endpoint_is_kept_as_it_is,
    an_account_has_as_many_as_its_plan_allows_however_many_ask_at_once,
    what_is_changed_is_changed_and_nothing_else,
    enabled_again_it_has_failed_nothing,
    a_rotated_secret_is_kept_beside_the_new_one,
    what_is_deleted_is_gone_with_all_that_is_known_of_it,
    every_change_is_seen,
    progress_is_written_for_whom_it_is_taken_and_nobody_else,
    messages_wait_until_they_are_answered_or_fail,
    attempts_are_listed_the_latest_first_and_forgotten_when_old,
    ranges_are_noted,
    where_the_log_goes_back_they_go_on_by_its_new_name,
);

fn place(seq: i64) -> Position {
    Position {
        epoch: "0123abcd".into(),
        seq,
    }
}

fn hook(n: u32) -> Hook {
    Hook {
        id: format!("hook-{n}"),
        account_id: "account".into(),
        url: format!("https://example.com/{n}"),
        description: "mine".into(),
        filter: Filter {
            types: None,
            min_rank: Some(Rank::A),
            min_score: MinScore::new(60.5),
            token: None,
            market: Some("crypto".into()),
        },
        compat: Some(Compat::Sigmate),
        ordered: true,
        disabled: None,
        secret: "sealed".into(),
        old_secret: None,
        created_at: at(i64::from(n)),
        sent_to: place(7),
        failing: None,
        answered_at: None,
    }
}

async fn with_account(fresh: &Fresh) -> Db {
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
    db
}

async fn with_hook(fresh: &Fresh) -> Db {
    let db = with_account(fresh).await;
    db.add_hook(&hook(1), 10).await.unwrap();
    db
}

async fn read(db: &Db) -> Hook {
    db.hook("hook-1", None).await.unwrap().unwrap()
}

/// Those of all accounts here.
fn whose() -> Eligible {
    Eligible {
        plans: vec!["alpha".to_owned()],
        now: at(2),
    }
}

/// This node's, with its fence.
async fn take(db: &Db) -> i64 {
    if db.hook_marks(&whose()).await.unwrap().is_empty() {
        let joined = db.join("node", std::time::Duration::from_secs(60)).await;
        joined.unwrap();
        db.take_hooks(&whose(), 10).await.unwrap();
    }
    let taken = db.hook_marks(&whose()).await.unwrap();
    assert_eq!(taken.len(), 1);
    taken[0].fence
}

async fn an_endpoint_is_kept_as_it_is(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    assert_eq!(read(&db).await, hook(1));
    let other = Hook {
        disabled: Some((Disabled::Asked, at(5))),
        compat: None,
        filter: Filter::default(),
        ordered: false,
        ..hook(2)
    };
    db.add_hook(&other, 10).await.unwrap();
    let both = vec![hook(1), other];
    assert_eq!(db.hooks(None).await.unwrap(), both);
    assert_eq!(db.hooks(Some("account")).await.unwrap(), both);
    assert_eq!(db.hooks(Some("other")).await.unwrap(), []);
    assert_eq!(db.hook("hook-1", Some("other")).await.unwrap(), None);
}

async fn an_account_has_as_many_as_its_plan_allows_however_many_ask_at_once(fresh: Fresh) {
    let db = with_account(&fresh).await;
    let mut asking = Vec::new();
    for n in 0..8 {
        let db = fresh.open().await;
        asking.push(tokio::spawn(async move { db.add_hook(&hook(n), 3).await }));
    }
    let mut refused = 0;
    for asked in asking {
        match asked.await.unwrap() {
            Ok(()) => {}
            Err(StoreError::Refused(why)) => {
                assert!(why.contains("3 webhooks"), "{why}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((refused, db.hooks(None).await.unwrap().len()), (5, 3));
}

async fn what_is_changed_is_changed_and_nothing_else(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let change = HookChange {
        url: Some("https://example.com/other".into()),
        compat: Some(None),
        ..HookChange::default()
    };
    let changed = db.change_hook("hook-1", &change, at(9)).await.unwrap();
    let expected = Hook {
        url: "https://example.com/other".into(),
        compat: None,
        ..hook(1)
    };
    assert_eq!(changed, Some(expected));
    let none = db.change_hook("hook-2", &change, at(9)).await.unwrap();
    assert_eq!(none, None);
}

async fn enabled_again_it_has_failed_nothing(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let enabled = |enabled, go_on_at| HookChange {
        enabled: Some(enabled),
        go_on_at,
        ..HookChange::default()
    };
    let fence = take(&db).await;
    let failed = Progress {
        hook_id: "hook-1".into(),
        fence,
        failing: Some(Some((at(1), 20))),
        disabled: Some((Disabled::Failing, at(8))),
        ..Progress::default()
    };
    let lost: Vec<usize> = db.write_progress(&[failed]).await.unwrap();
    assert!(lost.is_empty());
    let now = read(&db).await;
    assert_eq!(now.disabled, Some((Disabled::Failing, at(8))));
    assert_eq!(now.failing, Some((at(1), 20)));
    let taken = db.hook_marks(&whose()).await.unwrap();
    assert_eq!(taken, [], "nobody sends to it");
    let again = enabled(false, None);
    let again = db.change_hook("hook-1", &again, at(9)).await;
    let again = again.unwrap().unwrap();
    assert_eq!(again.disabled, now.disabled, "the first reason stands");
    let back = enabled(true, Some(place(70)));
    let back = db.change_hook("hook-1", &back, at(9)).await;
    let expected = Hook {
        sent_to: place(70),
        ..hook(1)
    };
    assert_eq!(back.unwrap(), Some(expected));
}

async fn a_rotated_secret_is_kept_beside_the_new_one(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    assert!(
        db.rotate_hook("hook-1", "newer", Some(at(99)))
            .await
            .unwrap()
    );
    let hook = read(&db).await;
    assert_eq!(hook.secret, "newer");
    assert_eq!(hook.old_secret, Some(("sealed".into(), at(99))));
    assert!(!db.rotate_hook("hook-2", "newer", None).await.unwrap());
}

fn attempt(seq: i64, second: i64) -> Attempt {
    Attempt {
        seq: Some(seq),
        signal_id: format!("signal-{seq}"),
        attempt: 1,
        at: at(second),
        took: 1_500,
        status: Some(503),
        error: Some("status".into()),
        answer: Some("no".into()),
    }
}

fn message(seq: i64, next: Option<i64>) -> Message {
    Message {
        seq,
        signal_id: format!("signal-{seq}"),
        attempts: 2,
        first_at: at(1),
        next_at: next.map(at),
    }
}

fn progress(fence: i64) -> Progress {
    Progress {
        hook_id: "hook-1".into(),
        fence,
        sent_to: Some(place(12)),
        attempts: vec![attempt(8, 10), attempt(9, 11)],
        waiting: vec![
            message(8, Some(60)),
            message(9, Some(50)),
            message(10, None),
        ],
        ..Progress::default()
    }
}

async fn what_is_deleted_is_gone_with_all_that_is_known_of_it(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let fence = take(&db).await;
    db.write_progress(&[progress(fence)]).await.unwrap();
    db.resend_range("hook-1", 0, 5, None, at(20)).await.unwrap();
    assert!(db.delete_hook("hook-1").await.unwrap());
    assert!(!db.delete_hook("hook-1").await.unwrap());
    assert_eq!(db.hooks(None).await.unwrap(), []);
    assert_eq!(db.waiting_messages("hook-1").await.unwrap(), []);
    assert_eq!(db.attempts("hook-1", None, None, 10).await.unwrap(), []);
    let late = db.write_progress(&[progress(fence)]).await.unwrap();
    assert_eq!(late, [0], "what comes late is nobody's");
}

async fn every_change_is_seen(fresh: Fresh) {
    let db = with_account(&fresh).await;
    let mut last = db.hook_version().await.unwrap();
    let mut grown = async |what: &str| {
        let now = db.hook_version().await.unwrap();
        assert!(now > last, "{what}");
        last = now;
    };
    db.add_hook(&hook(1), 10).await.unwrap();
    grown("made").await;
    let change = HookChange::default();
    db.change_hook("hook-1", &change, at(1)).await.unwrap();
    grown("changed").await;
    db.rotate_hook("hook-1", "newer", None).await.unwrap();
    grown("rotated").await;
    db.resend("hook-1", 3, "signal-3", at(1)).await.unwrap();
    grown("to be sent again").await;
    db.delete_hook("hook-1").await.unwrap();
    grown("deleted").await;
}

async fn progress_is_written_for_whom_it_is_taken_and_nobody_else(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let fence = take(&db).await;
    let lost = db
        .write_progress(&[progress(fence - 1), progress(fence)])
        .await;
    assert_eq!(lost.unwrap(), [0]);
    assert_eq!(read(&db).await.sent_to, place(12));
    assert_eq!(
        db.attempts("hook-1", None, None, 10).await.unwrap().len(),
        2
    );
    let answered = Progress {
        hook_id: "hook-1".into(),
        fence,
        failing: Some(None),
        answered_at: Some(at(30)),
        ..Progress::default()
    };
    db.write_progress(&[answered]).await.unwrap();
    let hook = read(&db).await;
    assert_eq!((hook.answered_at, hook.failing), (Some(at(30)), None));
    assert_eq!(hook.sent_to, place(12), "what is not said stays");
}

async fn messages_wait_until_they_are_answered_or_fail(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let fence = take(&db).await;
    db.write_progress(&[progress(fence)]).await.unwrap();
    let waiting = db.waiting_messages("hook-1").await.unwrap();
    assert_eq!(waiting, [message(9, Some(50)), message(8, Some(60))]);
    let failed = db.failed_messages("hook-1", 10, 0).await.unwrap();
    assert_eq!(failed, [message(10, None)]);
    assert_eq!(db.failed_messages("hook-1", 10, 1).await.unwrap(), []);
    let answered = Progress {
        hook_id: "hook-1".into(),
        fence,
        answered: vec![9],
        ..Progress::default()
    };
    db.write_progress(&[answered]).await.unwrap();
    db.resend("hook-1", 10, "signal-10", at(40)).await.unwrap();
    let again = Message {
        attempts: 0,
        first_at: at(40),
        ..message(10, Some(40))
    };
    let waiting = db.waiting_messages("hook-1").await.unwrap();
    assert_eq!(waiting, [again, message(8, Some(60))]);
    assert_eq!(db.failed_messages("hook-1", 10, 0).await.unwrap(), []);
}

async fn attempts_are_listed_the_latest_first_and_forgotten_when_old(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let fence = take(&db).await;
    db.write_progress(&[progress(fence)]).await.unwrap();
    let test = Attempt {
        seq: None,
        status: None,
        ..attempt(0, 12)
    };
    db.add_attempt("hook-1", &test).await.unwrap();
    let all = db.attempts("hook-1", None, None, 10).await.unwrap();
    let made: Vec<_> = all.iter().map(|listed| listed.attempt.clone()).collect();
    assert_eq!(made, [test, attempt(9, 11), attempt(8, 10)]);
    let older = db
        .attempts("hook-1", None, Some(all[0].id), 1)
        .await
        .unwrap();
    assert_eq!(older, [all[1].clone()]);
    assert_eq!(db.forget_attempts(at(12), 1).await.unwrap(), 1);
    assert_eq!(db.forget_attempts(at(12), 9).await.unwrap(), 1);
    let left = db.attempts("hook-1", None, None, 10).await.unwrap();
    assert_eq!(left, [all[0].clone()]);
}

async fn ranges_are_noted(fresh: Fresh) {
    let db = with_hook(&fresh).await;
    let first = db.resend_range("hook-1", 0, 5, None, at(20)).await.unwrap();
    let second = db.resend_range("hook-1", 7, 9, None, at(21)).await.unwrap();
    assert!(second > first);
}

async fn where_the_log_goes_back_they_go_on_by_its_new_name(fresh: Fresh) {
    let db = with_account(&fresh).await;
    db.name_log("0123abcd", at(0)).await.unwrap();
    let rows = signals([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    db.publish(&rows, at(1)).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|one| one.id.clone()).collect();
    db.add_hook(&hook(1), 10).await.unwrap();
    let fence = take(&db).await;
    let waits = |seq: i64| Message {
        signal_id: ids[seq as usize - 1].clone(),
        ..message(seq, Some(seq))
    };
    let noted = Progress {
        sent_to: Some(place(9)),
        waiting: vec![waits(2), waits(4), waits(8)],
        ..progress(fence)
    };
    db.write_progress(std::slice::from_ref(&noted))
        .await
        .unwrap();
    let behind = Hook {
        sent_to: place(1),
        ..hook(2)
    };
    db.add_hook(&behind, 10).await.unwrap();
    db.resend_range("hook-2", 0, 9, None, at(3)).await.unwrap();
    let back = "delete from signals where seq > 3; update log_head set seq = 3";
    fresh.sql(back).await;
    db.publish(&signals([21, 22]), at(4)).await.unwrap();
    let stands = async |id: &str, at: &str| {
        let hook = db.hook(id, None).await.unwrap().unwrap();
        assert_eq!(hook.sent_to.to_string(), at, "{id}");
    };
    if let Fresh::Postgres(_) = fresh {
        // by hand, with no node running, it is the same
        let kept = "create table kept as select * from hooks; create table kept_messages as select * from hook_messages;
            create table kept_ranges as select * from hook_ranges; select rename_log()";
        fresh.sql(kept).await;
        let name = db.head().await.unwrap().epoch;
        stands("hook-1", &format!("{name}-5")).await;
        stands("hook-2", &format!("{name}-1")).await;
        assert_eq!(db.waiting_messages("hook-1").await.unwrap(), [waits(2)]);
        let again = "update log_head set epoch = '0123abcd'; update hooks set (epoch, sent_to, fence, node)
            = (select epoch, sent_to, fence, node from kept where kept.id = hooks.id);
            insert into hook_messages select * from kept_messages on conflict do nothing; update hook_ranges set until = 9";
        fresh.sql(again).await;
    }
    let lost = Lost {
        epoch: "0123abcd".into(),
        seq: 9,
        row: None,
    };
    db.begin_anew(&lost, "89abcdef").await.unwrap();
    stands("hook-1", "89abcdef-5").await;
    stands("hook-2", "89abcdef-1").await;
    assert_eq!(db.waiting_messages("hook-1").await.unwrap(), [waits(2)]);
    assert_eq!(db.hook_ranges("hook-2").await.unwrap()[0].until, 5);
    let late = db.write_progress(&[noted]).await.unwrap();
    assert_eq!(late, [0], "who stood in the lost log writes nothing more");
}
