//! What became of given signals at webhook endpoints: acknowledged, waiting, or failed; many in two reads.

use std::collections::HashMap;

use super::{db::Db, error::StoreResult, sql::QueryBuilder};
use crate::model::time::Time;

/// What is known of one signal at one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Attempts that were made, as far as they are still listed.
    pub attempts: u32,
    /// When the first was acknowledged that was.
    pub acknowledged_at: Option<Time>,
    /// It has a message of its own: when that is sent next; the inner `None`: it has failed.
    pub message: Option<Option<Time>>,
}

/// By endpoint and the signal's own id: its seq may have been another signal's, before the log went back.
pub type Outcomes = HashMap<(String, String), Outcome>;

#[derive(sqlx::FromRow)]
struct AttemptsRow {
    hook_id: String,
    signal_id: String,
    attempts: i64,
    acknowledged_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    hook_id: String,
    signal_id: String,
    attempts: i64,
    next_at: Option<i64>,
}

fn select(text: &str, hooks: &[&str], seqs: &[i64]) -> QueryBuilder {
    let mut query = QueryBuilder::new(text);
    query.push(" where hook_id in (");
    let mut list = query.separated(", ");
    for hook in hooks {
        list.push_bind(*hook);
    }
    query.push(") and seq in (");
    let mut list = query.separated(", ");
    for seq in seqs {
        list.push_bind(*seq);
    }
    query.push(")");
    query
}

impl Db {
    /// What became of the signals with these seqs at these endpoints; nothing is said of those of which nothing is known.
    pub async fn hook_outcomes(&self, hooks: &[&str], seqs: &[i64]) -> StoreResult<Outcomes> {
        let mut outcomes = Outcomes::new();
        if hooks.is_empty() || seqs.is_empty() {
            return Ok(outcomes);
        }
        let count = |kept: i64| u32::try_from(kept).unwrap_or(u32::MAX);
        // before the attempts: of a message that is answered in between, its attempt is known
        let messages = "select hook_id, signal_id, attempts, next_at from hook_messages";
        let messages = select(messages, hooks, seqs).build_query_as();
        let messages: Vec<MessageRow> = messages.fetch_all(self).await?;
        for row in messages {
            let outcome = outcomes.entry((row.hook_id, row.signal_id)).or_default();
            outcome.attempts = count(row.attempts);
            outcome.message = Some(row.next_at.map(Time));
        }
        let mut attempts = select(
            "select hook_id, signal_id, count(*) as attempts, min(case when error is null then at + took end) as acknowledged_at
             from hook_attempts",
            hooks,
            seqs,
        );
        attempts.push(" group by hook_id, signal_id");
        let attempts: Vec<AttemptsRow> = attempts.build_query_as().fetch_all(self).await?;
        for row in attempts {
            let outcome = outcomes.entry((row.hook_id, row.signal_id)).or_default();
            // a message's own count outlives attempts that are not listed any more, and begins anew where it is sent again
            outcome.attempts = outcome.attempts.max(count(row.attempts));
            outcome.acknowledged_at = row.acknowledged_at.map(Time);
        }
        Ok(outcomes)
    }
}
