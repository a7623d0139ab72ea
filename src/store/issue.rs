//! Keys issued: drawn, stored, and handed out this once; by the listeners and on the command line alike.

use super::{db::Db, error::StoreResult};
use crate::model::{
    account::KeyRecord,
    key::{KeyKind, KeyText},
    random::Random,
    time::Time,
};

/// A key that has just been made.
#[derive(Debug)]
pub struct Issued {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The key itself, for who is to have it.
    pub key: KeyText,
}

impl Issued {
    fn draw(
        account: &str,
        kind: KeyKind,
        expires_at: Option<Time>,
        now: Time,
        random: &Random,
    ) -> Self {
        let key = KeyText::generate(kind, || random.byte());
        let record = KeyRecord::new(random.uuid(), account, kind, &key, now, expires_at);
        Issued { record, key }
    }
}

impl Db {
    /// Makes a key of an account; refused like [`Db::create_key`].
    pub async fn issue_key(
        &self,
        account: &str,
        kind: KeyKind,
        expires_at: Option<Time>,
        now: Time,
        random: &Random,
    ) -> StoreResult<Issued> {
        let issued = Issued::draw(account, kind, expires_at, now, random);
        self.create_key(&issued.record, &issued.key).await?;
        Ok(issued)
    }

    /// Makes a key's successor, of the same kind; the old one ends after `overlap`, in microseconds, if not before.
    pub async fn issue_successor(
        &self,
        old: &KeyRecord,
        overlap: i64,
        expires_at: Option<Time>,
        now: Time,
        random: &Random,
    ) -> StoreResult<Issued> {
        let issued = Issued::draw(&old.account_id, old.kind, expires_at, now, random);
        self.rotate_key(&old.id, now.plus(overlap), &issued.record, &issued.key)
            .await?;
        Ok(issued)
    }
}
