//! Housekeeping: what is closed and removed each minute.

use std::{future::Future, sync::Arc, time::Duration};

use super::life::Life;
use crate::{gate::sandbox, http::state::State, model::time::Time, store::error::StoreResult};

/// Each minute: closes tickets of nodes that are gone, and removes what is older than it is to be kept.
pub async fn run(state: Arc<State>, retention_days: i64, attempt_days: i64, life: Life) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = life.hard.cancelled() => return,
            _ = tick.tick() => {}
        }
        let now = state.clock.now();
        // alone on its database, it is never gone while it is here
        let close = async {
            let now = state.db.shared_time(now).await?;
            state.db.close_lost_tickets(now).await
        };
        if state.db.is_shared()
            && let Err(error) = close.await
        {
            tracing::warn!(%error, "tickets of nodes that are gone could not be closed; trying again in a minute");
        }
        let ago = |days: i64| now.plus(-days.saturating_mul(Time::DAY));
        if retention_days > 0 {
            let before = ago(retention_days);
            prune("the log", || state.db.prune_log(before, BATCH)).await;
        }
        let before = ago(USAGE_DAYS).utc_day();
        let forget = || state.db.forget_usage_days(before, BATCH as i64);
        prune("keys' requests by the day", forget).await;
        let oldest_salt = sandbox::oldest_salt(now);
        let forget = || state.db.forget_sandbox(now, oldest_salt, BATCH as i64);
        prune("calls without a key", forget).await;
        if let Some(entrance) = &state.sandbox
            && let Err(error) = entrance.count_all().await
        {
            tracing::warn!(%error, "calls without a key could not be counted; trying again in a minute");
        }
        if attempt_days > 0 {
            let before = ago(attempt_days);
            let forget = || state.db.forget_attempts(before, BATCH as i64);
            prune("webhooks' attempts", forget).await;
        }
    }
}

/// For so long requests are kept by the day; their sums stay.
const USAGE_DAYS: i64 = 400;
/// Rows removed in one transaction.
const BATCH: usize = 500;

/// Removes what is old, in small transactions that publishing does not wait for.
async fn prune<F: Future<Output = StoreResult<u64>>>(what: &str, some: impl Fn() -> F) {
    loop {
        match some().await {
            Ok(removed) if removed == BATCH as u64 => tokio::task::yield_now().await,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "{what} could not be pruned; trying again in a minute");
                return;
            }
        }
    }
}
