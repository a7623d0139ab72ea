//! Accounts and keys: who holds what, and that every change of it is noticed.

use sigcast::{
    model::{
        account::{Account, KeyRecord},
        key::{KeyKind, KeyText},
        time::Time,
    },
    store::{
        accounts::{AccountChange, MAX_ACTIVE_KEYS},
        db::Db,
        error::StoreError,
    },
};

use crate::backend::{Fresh, at, promises};

promises!(
    accounts_are_kept_and_changed,
    a_key_is_found_by_its_digest_alone,
    ten_keys_are_active_at_most,
    rotation_overlaps,
    revocation_is_for_good_and_listed,
    nothing_is_made_for_an_unknown_account,
    every_change_of_access_is_counted,
);

fn account(name: &str, created: i64) -> Account {
    Account {
        id: format!("account-{name}"),
        name: name.to_owned(),
        plan: "alpha".into(),
        expires_at: None,
        suspended_at: None,
        created_at: at(created),
    }
}

/// The `n`th key of an account, made at second `n`.
fn key(of: &str, n: u8) -> (KeyRecord, KeyText) {
    let mut count = n.wrapping_mul(7);
    let text = KeyText::generate(KeyKind::Data, || {
        count = count.wrapping_add(31);
        count
    });
    let record = KeyRecord {
        id: format!("key-{n:03}"),
        account_id: format!("account-{of}"),
        kind: KeyKind::Data,
        prefix: text.prefix().to_owned(),
        created_at: at(i64::from(n)),
        expires_at: None,
        revoked_at: None,
    };
    (record, text)
}

async fn with_account(fresh: &Fresh) -> Db {
    let db = fresh.open().await;
    db.create_account(&account("a", 0)).await.unwrap();
    db
}

async fn make(db: &Db, n: u8) -> Result<KeyText, StoreError> {
    let (record, text) = key("a", n);
    db.create_key(&record, &text).await.map(|()| text)
}

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Refused(_))), "{result:?}");
}

async fn accounts_are_kept_and_changed(fresh: Fresh) {
    let db = fresh.open().await;
    let mut second = account("'; drop table accounts; --", 2);
    second.expires_at = Some(at(100));
    let first = account("\u{1F680}", 1);
    db.create_account(&second).await.unwrap();
    db.create_account(&first).await.unwrap();
    let all = fresh.open().await.accounts().await.unwrap();
    assert_eq!(all, [first.clone(), second.clone()], "oldest first");
    assert!(
        db.create_account(&first).await.is_err(),
        "an id stands once"
    );

    let change = async |change| {
        db.change_account(&second.id, &change)
            .await
            .unwrap()
            .unwrap()
    };
    second.plan = "free".into();
    assert_eq!(change(AccountChange::Plan("free".into())).await, second);
    second.expires_at = None;
    assert_eq!(change(AccountChange::Expiry(None)).await, second);
    second.suspended_at = Some(at(7));
    assert_eq!(change(AccountChange::Suspend(at(7))).await, second);
    second.suspended_at = None;
    assert_eq!(change(AccountChange::Resume).await, second);
    assert_eq!(db.account(&first.id).await.unwrap(), Some(first));
    let nobody = db.change_account("nobody", &AccountChange::Resume).await;
    assert_eq!(nobody.unwrap(), None);
}

async fn a_key_is_found_by_its_digest_alone(fresh: Fresh) {
    let db = with_account(&fresh).await;
    let text = make(&db, 1).await.unwrap();
    let unknown = key("a", 2).1.hash();
    let asked = [text.hash(), unknown, text.hash()];
    let mut in_use = db.keys_in_use(&asked).await.unwrap();
    assert_eq!(in_use.len(), 1, "of two keys, one of them twice");
    let holder = in_use.remove(&text.hash()).unwrap().holder;
    assert_eq!(holder.key, key("a", 1).0);
    assert_eq!(holder.account, account("a", 0));
    let many: Vec<String> = (0..1_100).map(|n| format!("key-{n:03}")).collect();
    let found = db.holders(&many).await.unwrap();
    assert_eq!(found, [("key-001".to_owned(), holder.clone())].into());
    let by_id = db.holder_by_key_id("key-001").await.unwrap();
    assert_eq!(by_id, Some(holder));
    // no name breaks what is read of it and of those beside it
    let named = |name: &str| Account {
        name: name.to_owned(),
        ..account("c", 0)
    };
    let (record, odd) = key("c", 3);
    db.create_account(&named("odd\u{1f}ly\u{1e}named'\n"))
        .await
        .unwrap();
    db.create_key(&record, &odd).await.unwrap();
    let both = db.keys_in_use(&[odd.hash(), text.hash()]).await.unwrap();
    assert_eq!(both.len(), 2);
    let odd = &both[&odd.hash()].holder;
    assert_eq!(odd.account, named("odd\u{1f}ly named'\n"));
    assert_eq!(odd.key, record);
    assert!(db.keys_in_use(&[unknown]).await.unwrap().is_empty());
    assert!(db.keys_in_use(&[]).await.unwrap().is_empty());
    assert_eq!(db.holder_by_key_id("key-002").await.unwrap(), None);
}

async fn ten_keys_are_active_at_most(fresh: Fresh) {
    let db = with_account(&fresh).await;
    db.create_account(&account("b", 0)).await.unwrap();
    for n in 1..=MAX_ACTIVE_KEYS as u8 {
        make(&db, n).await.unwrap();
    }
    refused(make(&db, 20).await);
    assert_eq!(db.keys(None).await.unwrap().len(), MAX_ACTIVE_KEYS);
    let (record, text) = key("b", 30);
    db.create_key(&record, &text).await.unwrap();
    db.revoke_key("key-003", at(11)).await.unwrap().unwrap();
    make(&db, 21).await.unwrap();
    refused(make(&db, 22).await);
    // a key that has run out makes room as well
    db.revoke_key("key-004", at(22)).await.unwrap().unwrap();
    let (mut brief, text) = key("a", 23);
    brief.expires_at = Some(at(25));
    db.create_key(&brief, &text).await.unwrap();
    refused(make(&db, 24).await);
    make(&db, 25).await.unwrap();
    // many at once, in several processes: still ten
    db.create_account(&account("c", 0)).await.unwrap();
    let mut tasks = Vec::new();
    for n in 40..56 {
        let rival = fresh.open().await;
        tasks.push(tokio::spawn(async move {
            let (record, text) = key("c", n);
            rival.create_key(&record, &text).await
        }));
    }
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => made += 1,
            Err(StoreError::Refused(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(made, MAX_ACTIVE_KEYS);
}

async fn rotation_overlaps(fresh: Fresh) {
    let db = with_account(&fresh).await;
    for n in 1..MAX_ACTIVE_KEYS as u8 {
        make(&db, n).await.unwrap();
    }
    let rotate = async |old: &str, ends: Time, n| {
        let (record, text) = key("a", n);
        db.rotate_key(old, ends, &record, &text).await
    };
    rotate("key-001", at(1_000), 50).await.unwrap();
    let old = db.key("key-001").await.unwrap().unwrap();
    assert_eq!(old.expires_at, Some(at(1_000)));
    assert!(old.is_active(at(999)) && !old.is_active(at(1_000)));
    let new = db.key("key-050").await.unwrap().unwrap();
    assert!(new.is_active(at(999)) && new.is_active(at(5_000)));
    // ten are active, in an overlap as well
    refused(rotate("key-002", at(1_000), 51).await);
    assert_eq!(db.key("key-002").await.unwrap().unwrap().expires_at, None);
    assert_eq!(db.key("key-051").await.unwrap(), None);
    refused(make(&db, 52).await);
    // one that ends at once makes room for its successor
    let now = key("a", 54).0.created_at;
    rotate("key-002", now, 54).await.unwrap();
    refused(make(&db, 55).await);
    // an end that is nearer stays
    db.revoke_key("key-003", at(60)).await.unwrap();
    rotate("key-001", at(2_000), 56).await.unwrap();
    let old = db.key("key-001").await.unwrap().unwrap();
    assert_eq!(old.expires_at, Some(at(1_000)));
}

async fn revocation_is_for_good_and_listed(fresh: Fresh) {
    let db = with_account(&fresh).await;
    db.create_account(&account("b", 0)).await.unwrap();
    let text = make(&db, 1).await.unwrap();
    make(&db, 2).await.unwrap();
    let (record, other) = key("b", 3);
    db.create_key(&record, &other).await.unwrap();
    for later in [10, 20] {
        let revoked = db.revoke_key("key-001", at(later)).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(at(10)), "the first time stays");
    }
    assert_eq!(db.revoke_key("key-009", at(10)).await.unwrap(), None);
    let listed = async |of| {
        let keys = db.keys(of).await.unwrap();
        let shown = keys
            .into_iter()
            .map(|key| (key.id, key.revoked_at.is_some()));
        shown.collect::<Vec<_>>()
    };
    let (one, two) = (("key-001".into(), true), ("key-002".into(), false));
    let three = ("key-003".into(), false);
    assert_eq!(listed(Some("account-a")).await, [one.clone(), two.clone()]);
    assert_eq!(listed(None).await, [one, two, three]);
    assert_eq!(listed(Some("account-x")).await, []);
    let mut in_use = db.keys_in_use(&[text.hash()]).await.unwrap();
    let holder = in_use.remove(&text.hash()).unwrap().holder;
    assert!(holder.check_key(at(11)).is_err());
}

async fn nothing_is_made_for_an_unknown_account(fresh: Fresh) {
    let db = with_account(&fresh).await;
    let (record, text) = key("nobody", 1);
    refused(db.create_key(&record, &text).await);
    make(&db, 2).await.unwrap();
    refused(db.rotate_key("key-002", at(9), &record, &text).await);
    let kept = db.key("key-002").await.unwrap().unwrap();
    assert_eq!(
        kept.expires_at, None,
        "nothing of a refused rotation is kept"
    );
    assert_eq!(db.keys(None).await.unwrap().len(), 1);
}

async fn every_change_of_access_is_counted(fresh: Fresh) {
    let db = with_account(&fresh).await;
    make(&db, 1).await.unwrap();
    make(&db, 2).await.unwrap();
    let server = fresh.open().await;
    let mut last = server.access_version().await.unwrap();
    let mut grown = async |what: &str| {
        let version = server.access_version().await.unwrap();
        assert!(version > last, "{what}");
        last = version;
    };
    for change in [
        AccountChange::Plan("free".into()),
        AccountChange::Expiry(Some(at(9))),
        AccountChange::Suspend(at(1)),
        AccountChange::Resume,
    ] {
        db.change_account("account-a", &change).await.unwrap();
        grown(&format!("{change:?}")).await;
    }
    let (record, text) = key("a", 3);
    db.rotate_key("key-001", at(90), &record, &text)
        .await
        .unwrap();
    grown("rotation").await;
    db.revoke_key("key-002", at(5)).await.unwrap();
    grown("revocation").await;
}
