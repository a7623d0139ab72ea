//! Keys made, rotated and revoked while the server runs: by the admin listener's API, and in pages by operators and owners.

use axum::http::StatusCode;

use super::{
    access,
    error::{ApiError, ApiResult},
    state::State,
};
use crate::{
    model::{
        account::{Account, KeyRecord, Plan},
        key::KeyKind,
        time::Time,
    },
    store::issue::Issued,
};

/// Keys that an owner may make within a day, rotations among them: revoked ones are kept, and must not fill the database.
const MOST_A_DAY: usize = 50;

/// Makes a key. Without a kind, the one that the account's plan is for.
pub async fn issue(
    state: &State,
    account: &Account,
    kind: Option<&str>,
    expires_at: Option<Time>,
) -> ApiResult<Issued> {
    let plan = state.plans.get(&account.plan);
    let kind = match kind {
        None => plan.map_or(KeyKind::Data, Plan::usual_kind),
        Some(word) => {
            KeyKind::parse(word).ok_or_else(|| ApiError::parameter("kind", word, "stream, data"))?
        }
    };
    let (now, random) = (state.clock.now(), &state.random);
    let made = state
        .db
        .issue_key(&account.id, kind, expires_at, now, random);
    let issued = made.await?;
    let (key, prefix) = (&issued.record.id, &issued.record.prefix);
    tracing::info!(account = account.id, key, prefix, "a key was made");
    Ok(issued)
}

/// Makes a key's successor, of the same kind; the old one ends after `overlap`, in microseconds.
pub async fn rotate(
    state: &State,
    old: &KeyRecord,
    overlap: i64,
    expires_at: Option<Time>,
) -> ApiResult<Issued> {
    let now = state.clock.now();
    if !old.is_active(now) {
        let why = "This key is revoked or has expired: make a new one.";
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", why));
    }
    let (db, random) = (&state.db, &state.random);
    let made = db.issue_successor(old, overlap, expires_at, now, random);
    let issued = made.await?;
    let (successor, prefix) = (&issued.record.id, &issued.record.prefix);
    tracing::info!(
        account = old.account_id,
        key = old.id,
        successor,
        prefix,
        "a key was rotated"
    );
    access::refresh_key(state, &old.id).await?;
    Ok(issued)
}

/// Revokes a key, for good: its stream ends before this returns, on other nodes within a second.
pub async fn revoke(state: &State, key: &KeyRecord) -> ApiResult<KeyRecord> {
    let id = &key.id;
    let revoked = state.db.revoke_key(id, state.clock.now()).await?;
    let record = revoked.ok_or_else(not_found)?;
    let (account, prefix) = (&record.account_id, &record.prefix);
    tracing::info!(account, key = id, prefix, "a key was revoked");
    access::refresh_key(state, id).await?;
    Ok(record)
}

/// Whether the owner of an account may make one more key today.
pub async fn check_pace(state: &State, account: &str) -> ApiResult<()> {
    let since = state.clock.now().plus(-Time::DAY);
    let keys = state.db.keys(Some(account)).await?;
    let of_late = keys.iter().filter(|key| key.created_at > since).count();
    if of_late < MOST_A_DAY {
        return Ok(());
    }
    let message = format!("{MOST_A_DAY} keys were made within a day: make the next one tomorrow.");
    Err(ApiError::new(StatusCode::CONFLICT, "refused", message))
}

/// A key; an account's own, where one is named.
pub async fn find(state: &State, account: Option<&str>, id: &str) -> ApiResult<KeyRecord> {
    let key = state.db.key(id).await?;
    let own = key.filter(|key| account.is_none_or(|account| key.account_id == account));
    own.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    let message = "There is no key with this id.";
    ApiError::new(StatusCode::NOT_FOUND, "key_not_found", message)
}
