//! The admin listener: accounts and keys made, connections seen and closed.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State as Shared, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    accounts,
    error::{ApiError, ApiResult},
    guard, keys,
    lines::whole,
    reply, seats,
    state::State,
};
use crate::model::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    name: String,
    plan: String,
    #[serde(default)]
    expires: Option<String>,
}

/// `POST /v1/accounts`
pub async fn create_account(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult {
    let asked: NewAccount = read_json(&state, &headers, body).await?;
    let expires_at = read_time("expires", asked.expires.as_deref())?;
    let account = accounts::create(&state, &asked.name, &asked.plan, expires_at).await?;
    Ok(reply::json(&json!({
        "id": account.id, "name": account.name, "plan": account.plan,
        "expires_at": account.expires_at, "created_at": account.created_at,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    account_id: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

/// `POST /v1/keys`
pub async fn create_key(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult {
    let asked: NewKey = read_json(&state, &headers, body).await?;
    let account = accounts::find(&state, &asked.account_id).await?;
    let expires_at = read_time("expires", asked.expires.as_deref())?;
    let issued = keys::issue(&state, &account, asked.kind.as_deref(), expires_at).await?;
    let (record, key) = (issued.record, issued.key);
    Ok(reply::json(
        &json!({"id": record.id, "key": key.reveal(), "prefix": record.prefix}),
    ))
}

/// `DELETE /v1/keys/{id}`: revoked, and its stream ended, before the answer.
pub async fn revoke_key(
    Shared(state): Shared<Arc<State>>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult {
    let Path(id) = id?;
    let key = keys::find(&state, None, &id).await?;
    let record = keys::revoke(&state, &key).await?;
    Ok(reply::json(
        &json!({"id": record.id, "prefix": record.prefix, "revoked_at": record.revoked_at}),
    ))
}

/// `GET /v1/connections`
pub async fn connections(Shared(state): Shared<Arc<State>>) -> ApiResult {
    let seats = state.hub.seats.all();
    let items: Vec<_> = seats
        .iter()
        .map(|seat| {
            json!({
                "connection": seat.connection, "key_id": seat.key(), "account_id": seat.account_id, "view": seat.is_view(),
                "address": seat.peer.to_string(), "connected_at": seat.connected_at,
            })
        })
        .collect();
    Ok(reply::json(&json!({"total": items.len(), "items": items})))
}

/// `DELETE /v1/connections/{number}`: closed; its client may come back.
pub async fn close_connection(
    Shared(state): Shared<Arc<State>>,
    number: Result<Path<u64>, PathRejection>,
) -> ApiResult {
    let Path(number) = number?;
    seats::close(&state, None, number)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn read_json<T: serde::de::DeserializeOwned>(
    state: &State,
    headers: &HeaderMap,
    body: Body,
) -> ApiResult<T> {
    guard::check_is_json(headers)?;
    let bytes = whole(body, state.config.max_body_bytes).await?;
    serde_json::from_slice(&bytes).map_err(|e| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            format!("The body does not fit: {e}."),
        )
    })
}

fn read_time(name: &str, text: Option<&str>) -> ApiResult<Option<Time>> {
    let Some(text) = text else { return Ok(None) };
    let time = Time::parse_iso(text);
    time.map(Some).map_err(|_| {
        ApiError::parameter(name, text, "an ISO 8601 time such as 2026-04-24T09:32:14Z")
    })
}
