//! Accounts made and changed while the server runs: by the admin listener's API and its pages alike.

use axum::http::StatusCode;

use super::{
    access,
    error::{ApiError, ApiResult},
    state::State,
};
use crate::{
    model::{
        account::{self, Account},
        time::Time,
    },
    store::accounts::AccountChange,
};

/// Makes an account.
pub async fn create(
    state: &State,
    name: &str,
    plan: &str,
    expires_at: Option<Time>,
) -> ApiResult<Account> {
    check_plan(state, plan)?;
    account::check_name(name).map_err(|allowed| ApiError::parameter("name", "", allowed))?;
    let account = Account {
        id: state.random.uuid().hyphenated().to_string(),
        name: name.to_owned(),
        plan: plan.to_owned(),
        expires_at,
        suspended_at: None,
        created_at: state.clock.now(),
    };
    state.db.create_account(&account).await?;
    tracing::info!(account = account.id, plan, "an account was made");
    Ok(account)
}

/// One account.
pub async fn find(state: &State, id: &str) -> ApiResult<Account> {
    state.db.account(id).await?.ok_or_else(not_found)
}

/// Changes an account. Here its streams and requests follow before this returns, on other nodes within a second.
pub async fn change(state: &State, id: &str, change: AccountChange) -> ApiResult<Account> {
    if let AccountChange::Plan(plan) = &change {
        check_plan(state, plan)?;
    }
    let changed = state.db.change_account(id, &change).await?;
    let changed = changed.ok_or_else(not_found)?;
    tracing::info!(account = id, ?change, "an account was changed");
    access::refresh(state).await?;
    Ok(changed)
}

fn check_plan(state: &State, plan: &str) -> ApiResult<()> {
    if state.plans.contains_key(plan) {
        return Ok(());
    }
    let known: Vec<&str> = state.plans.keys().map(String::as_str).collect();
    Err(ApiError::parameter("plan", plan, &known.join(", ")))
}

fn not_found() -> ApiError {
    let message = "There is no account with this id.";
    ApiError::new(StatusCode::NOT_FOUND, "account_not_found", message)
}
