//! Accounts and keys: made, listed, changed; and the one that says who holds a key.

use std::collections::HashMap;

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_scalar},
};
use crate::model::{
    account::{Account, Holder, KeyRecord},
    key::{KeyHash, KeyKind, KeyText},
    time::Time,
};

/// Active keys an account may hold.
pub const MAX_ACTIVE_KEYS: usize = 10;

#[derive(sqlx::FromRow)]
struct AccountRow {
    id: String,
    name: String,
    plan: String,
    expires_at: Option<i64>,
    suspended_at: Option<i64>,
    created_at: i64,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Account {
            id: row.id,
            name: row.name,
            plan: row.plan,
            expires_at: row.expires_at.map(Time),
            suspended_at: row.suspended_at.map(Time),
            created_at: Time(row.created_at),
        }
    }
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    account_id: String,
    kind: String,
    prefix: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<KeyRow> for KeyRecord {
    fn from(row: KeyRow) -> Self {
        KeyRecord {
            id: row.id,
            account_id: row.account_id,
            kind: KeyKind::parse(&row.kind).unwrap_or(KeyKind::Stream),
            prefix: row.prefix,
            created_at: Time(row.created_at),
            expires_at: row.expires_at.map(Time),
            revoked_at: row.revoked_at.map(Time),
        }
    }
}

/// A key beside its account; the account's columns are named after it.
#[derive(sqlx::FromRow)]
pub(super) struct HolderRow {
    pub(super) id: String,
    pub(super) account_id: String,
    pub(super) kind: String,
    pub(super) prefix: String,
    pub(super) created_at: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) revoked_at: Option<i64>,
    pub(super) account_name: String,
    pub(super) account_plan: String,
    pub(super) account_expires_at: Option<i64>,
    pub(super) account_suspended_at: Option<i64>,
    pub(super) account_created_at: i64,
}

impl From<HolderRow> for Holder {
    fn from(row: HolderRow) -> Self {
        let account = AccountRow {
            id: row.account_id.clone(),
            name: row.account_name,
            plan: row.account_plan,
            expires_at: row.account_expires_at,
            suspended_at: row.account_suspended_at,
            created_at: row.account_created_at,
        };
        let key = KeyRow {
            id: row.id,
            account_id: row.account_id,
            kind: row.kind,
            prefix: row.prefix,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        };
        Holder {
            key: key.into(),
            account: account.into(),
        }
    }
}

/// One change of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Another plan.
    Plan(String),
    /// Another end; `None` is never.
    Expiry(Option<Time>),
    /// Its keys answer as if unknown.
    Suspend(Time),
    /// They work again.
    Resume,
}

const ACCOUNT: &str = "select id, name, plan, expires_at, suspended_at, created_at from accounts";
const KEY: &str =
    "select id, account_id, kind, prefix, created_at, expires_at, revoked_at from api_keys";
const HOLDER: &str =
    "select k.id, k.account_id, k.kind, k.prefix, k.created_at, k.expires_at, k.revoked_at,
    a.name as account_name, a.plan as account_plan, a.expires_at as account_expires_at,
    a.suspended_at as account_suspended_at, a.created_at as account_created_at
    from api_keys k join accounts a on a.id = k.account_id";

impl Db {
    /// Stores a new account.
    pub async fn create_account(&self, account: &Account) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("insert into accounts (id, name, plan, expires_at, created_at) values ($1, $2, $3, $4, $5)")
            .bind(&account.id)
            .bind(&account.name)
            .bind(&account.plan)
            .bind(account.expires_at.map(|t| t.0))
            .bind(account.created_at.0)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await
    }

    /// All accounts, oldest first.
    pub async fn accounts(&self) -> StoreResult<Vec<Account>> {
        let mut query = QueryBuilder::new(ACCOUNT);
        query.push(" order by created_at, id");
        let rows: Vec<AccountRow> = query.build_query_as().fetch_all(self).await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }

    /// One account.
    pub async fn account(&self, id: &str) -> StoreResult<Option<Account>> {
        let mut query = QueryBuilder::new(ACCOUNT);
        query.push(" where id = ").push_bind(id);
        let row: Option<AccountRow> = query.build_query_as().fetch_optional(self).await?;
        Ok(row.map(Account::from))
    }

    /// Changes an account; `None` if there is no such one. Servers notice within their tick.
    pub async fn change_account(
        &self,
        id: &str,
        change: &AccountChange,
    ) -> StoreResult<Option<Account>> {
        let mut tx = self.begin().await?;
        let query = match change {
            AccountChange::Plan(plan) => query("update accounts set plan = $2 where id = $1")
                .bind(id)
                .bind(plan),
            AccountChange::Expiry(end) => {
                query("update accounts set expires_at = $2 where id = $1")
                    .bind(id)
                    .bind(end.map(|t| t.0))
            }
            AccountChange::Suspend(now) => {
                query("update accounts set suspended_at = $2 where id = $1")
                    .bind(id)
                    .bind(now.0)
            }
            AccountChange::Resume => {
                query("update accounts set suspended_at = null where id = $1").bind(id)
            }
        };
        let done = query.execute(&mut tx).await?;
        if done == 0 {
            return Ok(None);
        }
        tx.bump_access().await?;
        self.commit(tx).await?;
        self.account(id).await
    }

    /// Stores a new key; refused where the account is unknown or holds [`MAX_ACTIVE_KEYS`] active ones.
    pub async fn create_key(&self, record: &KeyRecord, key: &KeyText) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        tx.insert_key(record, key, "revoke one first").await?;
        self.commit(tx).await
    }

    /// Gives `old` an end and stores its successor, in one transaction; refused like [`Db::create_key`].
    pub async fn rotate_key(
        &self,
        old: &str,
        ends_at: Time,
        record: &KeyRecord,
        key: &KeyText,
    ) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("update api_keys set expires_at = $2 where id = $1 and (expires_at is null or expires_at > $2)")
            .bind(old)
            .bind(ends_at.0)
            .execute(&mut tx)
            .await?;
        // during the overlap both count: one that ends at once makes room for its successor
        tx.insert_key(
            record,
            key,
            "revoke one first, or rotate without an overlap",
        )
        .await?;
        tx.bump_access().await?;
        self.commit(tx).await
    }

    /// Revokes a key, for good; `None` if there is no such one. Revoking twice keeps the first time.
    pub async fn revoke_key(&self, id: &str, now: Time) -> StoreResult<Option<KeyRecord>> {
        let mut tx = self.begin().await?;
        let done = query("update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1")
            .bind(id)
            .bind(now.0)
            .execute(&mut tx)
            .await?;
        if done == 0 {
            return Ok(None);
        }
        tx.bump_access().await?;
        self.commit(tx).await?;
        self.key(id).await
    }

    /// One key.
    pub async fn key(&self, id: &str) -> StoreResult<Option<KeyRecord>> {
        let mut query = QueryBuilder::new(KEY);
        query.push(" where id = ").push_bind(id);
        let row: Option<KeyRow> = query.build_query_as().fetch_optional(self).await?;
        Ok(row.map(KeyRecord::from))
    }

    /// All keys, or one account's, revoked ones too; oldest first.
    pub async fn keys(&self, account: Option<&str>) -> StoreResult<Vec<KeyRecord>> {
        let mut query = QueryBuilder::new(KEY);
        if let Some(account) = account {
            query.push(" where account_id = ").push_bind(account);
        }
        query.push(" order by created_at, id");
        let rows: Vec<KeyRow> = query.build_query_as().fetch_all(self).await?;
        Ok(rows.into_iter().map(KeyRecord::from).collect())
    }

    /// Who holds the key with this id.
    pub async fn holder_by_key_id(&self, id: &str) -> StoreResult<Option<Holder>> {
        let mut query = QueryBuilder::new(HOLDER);
        query.push(" where k.id = ").push_bind(id);
        let row: Option<HolderRow> = query.build_query_as().fetch_optional(self).await?;
        Ok(row.map(Holder::from))
    }

    /// Who holds the keys with these ids, by key id: one read for many, as a server with ten thousand streams asks.
    pub async fn holders(&self, key_ids: &[String]) -> StoreResult<HashMap<String, Holder>> {
        const KEYS_PER_STATEMENT: usize = 500;
        let mut found = HashMap::with_capacity(key_ids.len());
        for some in key_ids.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(HOLDER);
            query.push(" where k.id in (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id);
            }
            query.push(")");
            let rows: Vec<HolderRow> = query.build_query_as().fetch_all(self).await?;
            found.extend(
                rows.into_iter()
                    .map(|row| (row.id.clone(), Holder::from(row))),
            );
        }
        Ok(found)
    }

    /// Grows with every change of accounts and keys, by whatever process.
    pub async fn access_version(&self) -> StoreResult<i64> {
        query_scalar("select version from access_version")
            .fetch_one(self)
            .await
    }
}

impl Tx {
    async fn insert_key(
        &mut self,
        record: &KeyRecord,
        key: &KeyText,
        remedy: &str,
    ) -> StoreResult<()> {
        // holds the account to the commit: who makes a key beside waits here, and counts this one
        let known = query("update accounts set name = name where id = $1")
            .bind(&record.account_id)
            .execute(&mut *self)
            .await?;
        if known == 0 {
            return Err(StoreError::Refused(format!(
                "there is no account {}; `sigcast accounts list` shows them",
                record.account_id
            )));
        }
        let active: i64 = query_scalar(
            "select count(*) from api_keys where account_id = $1 and revoked_at is null
             and (expires_at is null or expires_at > $2)",
        )
        .bind(&record.account_id)
        .bind(record.created_at.0)
        .fetch_one(&mut *self)
        .await?;
        if active >= MAX_ACTIVE_KEYS as i64 {
            return Err(StoreError::Refused(format!(
                "the account holds {active} active keys, the most there may be; {remedy}"
            )));
        }
        query(
            "insert into api_keys (id, account_id, kind, hash, prefix, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&record.id)
        .bind(&record.account_id)
        .bind(record.kind.word())
        .bind(hex(&key.hash().0))
        .bind(key.prefix())
        .bind(record.created_at.0)
        .bind(record.expires_at.map(|t| t.0))
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// Has every process look at its streams again.
    pub(super) async fn bump_access(&mut self) -> StoreResult<()> {
        query("update access_version set version = version + 1")
            .execute(&mut *self)
            .await?;
        self.tell_all();
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// What [`hex`] wrote of a digest.
pub(crate) fn unhex(text: &str) -> Option<KeyHash> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(KeyHash(bytes))
}
