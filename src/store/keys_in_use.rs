//! Keys as requests ask for them: who holds each, and its counters; many in one read.

use std::collections::HashMap;

use super::{
    accounts::{HolderRow, hex},
    db::Db,
    error::StoreResult,
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

#[derive(sqlx::FromRow)]
struct Row {
    hash: String,
    #[sqlx(flatten)]
    holder: HolderRow,
    day: Option<i64>,
    today: Option<i64>,
    this_month: Option<i64>,
    total: Option<i64>,
    access: i64,
}

const IN_USE: &str = "select k.hash, (select version from access_version) as access, u.day, u.today, u.this_month, u.total,
    k.id, k.account_id, k.kind, k.prefix, k.created_at, k.expires_at, k.revoked_at,
    a.name as account_name, a.plan as account_plan, a.expires_at as account_expires_at,
    a.suspended_at as account_suspended_at, a.created_at as account_created_at
    from api_keys k join accounts a on a.id = k.account_id left join usage_counters u on u.key_id = k.id
    where k.hash in (";

impl Db {
    /// The keys with these digests, as far as there are any.
    pub async fn keys_in_use(&self, hashes: &[KeyHash]) -> StoreResult<HashMap<KeyHash, InUse>> {
        let by_text: HashMap<String, KeyHash> =
            hashes.iter().map(|hash| (hex(&hash.0), *hash)).collect();
        let Some(any) = by_text.keys().next() else {
            return Ok(HashMap::new());
        };
        let mut query = QueryBuilder::new(IN_USE);
        let mut list = query.separated(", ");
        // a few lengths alone, so that there are few statements: the rest asks for one of them again
        let again = by_text.len().next_power_of_two() - by_text.len();
        for text in by_text.keys().chain(std::iter::repeat_n(any, again)) {
            list.push_bind(text);
        }
        query.push(")");
        let rows: Vec<Row> = query.build_query_as().fetch_all(self).await?;
        let in_use = rows.into_iter().filter_map(|row| {
            let counters = match (row.day, row.today, row.this_month, row.total) {
                (Some(day), Some(today), Some(this_month), Some(total)) => {
                    Some(Counters::from(CountersRow {
                        day,
                        today,
                        this_month,
                        total,
                    }))
                }
                _ => None,
            };
            let in_use = InUse {
                holder: Holder::from(row.holder),
                counters,
                access: row.access,
            };
            Some((*by_text.get(&row.hash)?, in_use))
        });
        Ok(in_use.collect())
    }
}
