//! Keys as requests ask for them: who holds each, and its counters; many in one read.

use std::collections::HashMap;

use super::{
    accounts::{HolderRow, hex},
    db::{Brief, Db},
    error::{StoreError, StoreResult},
    sql::QueryBuilder,
    usage::CountersRow,
};
use crate::{
    gate::quota::Counters,
    model::{account::Holder, key::KeyHash},
};

/// A key, and what was counted of it.
#[derive(Clone, Debug)]
pub struct InUse {
    /// Who holds it.
    pub holder: Holder,
    /// Its requests, if it ever made one.
    pub counters: Option<Counters>,
    /// The version of accounts and keys that this is of.
    pub access: i64,
}

/// Between the fields of a record, and between records: no name has them.
const FIELD: &str = "\u{1f}";
const RECORD: &str = "\u{1e}";
/// The name comes last: it may have anything else in it.
const FIELDS: usize = 18;

const COLUMNS: &str = ", k.hash, access_version.version,
    coalesce(cast(u.day as text), ''), coalesce(cast(u.today as text), ''),
    coalesce(cast(u.this_month as text), ''), coalesce(cast(u.total as text), ''),
    k.id, k.account_id, k.kind, k.prefix, k.created_at,
    coalesce(cast(k.expires_at as text), ''), coalesce(cast(k.revoked_at as text), ''),
    a.plan, coalesce(cast(a.expires_at as text), ''), coalesce(cast(a.suspended_at as text), ''), a.created_at,
    replace(a.name, ";
const TABLES: &str =
    " from api_keys k join accounts a on a.id = k.account_id cross join access_version
    left join usage_counters u on u.key_id = k.id where k.hash in (";

impl Db {
    /// The keys with these digests, as far as there are any.
    ///
    /// All in one row: the driver hands rows from its thread to ours one by one, which at thousands of openings a second costs several
    /// times what it takes to find them.
    pub async fn keys_in_use(&self, hashes: &[KeyHash]) -> StoreResult<HashMap<KeyHash, InUse>> {
        let by_text: HashMap<String, KeyHash> =
            hashes.iter().map(|hash| (hex(&hash.0), *hash)).collect();
        let Some(any) = by_text.keys().next() else {
            return Ok(HashMap::new());
        };
        let mut query = QueryBuilder::new("select string_agg(concat_ws(");
        query.push_bind(FIELD).push(COLUMNS).push_bind(RECORD);
        query
            .push(", ' ')), ")
            .push_bind(RECORD)
            .push(")")
            .push(TABLES);
        let mut list = query.separated(", ");
        // a few lengths alone, so that there are few statements: the rest asks for one of them again
        let again = by_text.len().next_power_of_two() - by_text.len();
        for text in by_text.keys().chain(std::iter::repeat_n(any, again)) {
            list.push_bind(text);
        }
        query.push(")");
        let (records,): (Option<String>,) = query.build_query_as().fetch_one(Brief(self)).await?;
        let records = records.unwrap_or_default();
        let records = records.split(RECORD).filter(|record| !record.is_empty());
        records
            .map(|record| {
                let (text, in_use) = read(record).ok_or_else(|| {
                    StoreError::corrupt("keys in use", "a record has other fields")
                })?;
                let hash = by_text.get(text).copied();
                let hash = hash
                    .ok_or_else(|| StoreError::corrupt("keys in use", "none has asked for it"))?;
                Ok((hash, in_use))
            })
            .collect()
    }
}

/// A key's digest, and the key.
fn read(record: &str) -> Option<(&str, InUse)> {
    let mut fields = record.splitn(FIELDS, FIELD);
    let hash = fields.next()?;
    let mut text = || fields.next();
    let access = whole(text()?)?;
    let [day, today, this_month, total] = [
        maybe(text()?)?,
        maybe(text()?)?,
        maybe(text()?)?,
        maybe(text()?)?,
    ];
    let counters = match (day, today, this_month, total) {
        (Some(day), Some(today), Some(this_month), Some(total)) => Some(CountersRow {
            day,
            today,
            this_month,
            total,
        }),
        _ => None,
    };
    let holder = HolderRow {
        id: text()?.to_owned(),
        account_id: text()?.to_owned(),
        kind: text()?.to_owned(),
        prefix: text()?.to_owned(),
        created_at: whole(text()?)?,
        expires_at: maybe(text()?)?,
        revoked_at: maybe(text()?)?,
        account_plan: text()?.to_owned(),
        account_expires_at: maybe(text()?)?,
        account_suspended_at: maybe(text()?)?,
        account_created_at: whole(text()?)?,
        account_name: text()?.to_owned(),
    };
    let in_use = InUse {
        holder: holder.into(),
        counters: counters.map(Counters::from),
        access,
    };
    Some((hash, in_use))
}

fn whole(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Nothing, where there is no text.
fn maybe(text: &str) -> Option<Option<i64>> {
    match text {
        "" => Some(None),
        text => whole(text).map(Some),
    }
}
