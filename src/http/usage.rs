//! `GET /v1/usage` on the admin listener: who asks the most.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::State as Shared,
    http::{HeaderMap, Uri},
};
use serde_json::{Value, json};

use super::{
    csv::{self, Fields, Row},
    error::ApiResult,
    reply,
    state::State,
};
use crate::{
    gate::{
        insider_query::{Format, InsiderQuery as _},
        usage_query::UsageQuery,
    },
    model::time::Time,
    store::usage::{Consumer, UsageSort},
};

/// Keys read at a time for a file.
const BATCH: u32 = 500;

/// A key and the requests made with it.
pub struct Counted {
    /// Whose it is, and what is reserved for it.
    pub consumer: Consumer,
    /// Reserved by this node and not used: no request.
    unused: u64,
}

impl Counted {
    /// Since 00:00 UTC.
    #[must_use]
    pub fn today(&self) -> u64 {
        self.consumer.counters.today.saturating_sub(self.unused)
    }

    /// Since the first of the UTC month.
    #[must_use]
    pub fn this_month(&self) -> u64 {
        self.consumer
            .counters
            .this_month
            .saturating_sub(self.unused)
    }

    /// Ever.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.consumer.counters.total.saturating_sub(self.unused)
    }

    fn json(&self) -> Value {
        json!({
            "key_id": self.consumer.key_id, "prefix": self.consumer.prefix, "account_id": self.consumer.account_id,
            "account": self.consumer.account_name, "plan": self.consumer.plan, "today": self.today(),
            "this_month": self.this_month(), "total": self.total(),
        })
    }
}

impl Row for Counted {
    const COLUMNS: &'static [&'static str] = &[
        "key_id",
        "prefix",
        "account_id",
        "account",
        "plan",
        "today",
        "this_month",
        "total",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        for text in [
            &self.consumer.key_id,
            &self.consumer.prefix,
            &self.consumer.account_id,
            &self.consumer.account_name,
            &self.consumer.plan,
        ] {
            fields.text(Some(text));
        }
        for count in [self.today(), self.this_month(), self.total()] {
            fields.plain(Some(count));
        }
    }
}

/// The keys with the most requests: a page, or all of them as a file.
pub async fn top(Shared(state): Shared<Arc<State>>, headers: HeaderMap, uri: Uri) -> ApiResult {
    let query = UsageQuery::parse(uri.query().unwrap_or_default(), &[])?;
    let page = query.page;
    let now = state.clock.now();
    settle(&state).await;
    let as_file = match page.format {
        Some(format) => format == Format::Csv,
        None => reply::wants_csv(&headers),
    };
    if !as_file {
        let total = state.db.count_consumers().await?;
        let found = read(&state, query, page.limit, page.offset, now).await?;
        let items: Vec<Value> = found.iter().map(Counted::json).collect();
        return Ok(reply::json(&json!({
            "total": total, "limit": page.limit, "offset": page.offset, "items": items,
        })));
    }
    let mut left = if page.whole {
        u64::MAX
    } else {
        u64::from(page.limit)
    };
    let mut offset = page.offset;
    csv::stream("usage", move || {
        let state = state.clone();
        let (from, most) = (offset, left.min(u64::from(BATCH)) as u32);
        offset = offset.saturating_add(u64::from(most));
        left -= u64::from(most);
        async move {
            if most == 0 {
                return Ok(None);
            }
            let rows = read(&state, query, most, from, now).await?;
            Ok((!rows.is_empty()).then_some(rows))
        }
    })
    .await
}

/// What is reserved and not used would put a key before others: it is given back first.
pub async fn settle(state: &State) {
    state.callers.settle().await;
}

/// A part of the keys, those with the most requests first.
pub async fn read(
    state: &State,
    query: UsageQuery,
    limit: u32,
    offset: u64,
    now: Time,
) -> ApiResult<Vec<Counted>> {
    let sort = if query.by_total {
        UsageSort::Total
    } else {
        UsageSort::Today
    };
    let found = state.db.top_consumers(sort, limit, offset, now).await?;
    let unused: HashMap<String, u64> = state.callers.unused();
    let counted = found.into_iter().map(|consumer| Counted {
        unused: unused.get(&consumer.key_id).copied().unwrap_or(0),
        consumer,
    });
    Ok(counted.collect())
}
