//! The admin listener: accounts and keys made, connections seen and closed.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State as Shared, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::IntoResponse as _,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    access,
    error::{ApiError, ApiResult},
    guard,
    lines::whole,
    reply,
    state::State,
};
use crate::{
    hub::seat::End,
    model::{
        account::{self, Account, KeyRecord, Plan},
        key::{KeyKind, KeyText},
        time::Time,
    },
};

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
    if !state.plans.contains_key(&asked.plan) {
        let known: Vec<&str> = state.plans.keys().map(String::as_str).collect();
        return Err(ApiError::parameter("plan", &asked.plan, &known.join(", ")));
    }
    account::check_name(&asked.name).map_err(|allowed| ApiError::parameter("name", "", allowed))?;
    let account = Account {
        id: state.random.uuid().hyphenated().to_string(),
        name: asked.name,
        plan: asked.plan,
        expires_at: read_time("expires", asked.expires.as_deref())?,
        suspended_at: None,
        created_at: state.clock.now(),
    };
    state.db.create_account(&account).await?;
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
    let account = state.db.account(&asked.account_id).await?;
    let account = account.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "account_not_found",
            "There is no account with this id.",
        )
    })?;
    let kind = match asked.kind.as_deref() {
        None => state
            .plans
            .get(&account.plan)
            .map_or(KeyKind::Data, Plan::usual_kind),
        Some(word) => {
            KeyKind::parse(word).ok_or_else(|| ApiError::parameter("kind", word, "stream, data"))?
        }
    };
    let expires_at = read_time("expires", asked.expires.as_deref())?;
    let key = KeyText::generate(kind, || state.random.byte());
    let (id, now) = (state.random.uuid(), state.clock.now());
    let record = KeyRecord::new(id, &account.id, kind, &key, now, expires_at);
    state.db.create_key(&record, &key).await?;
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
    let revoked = state.db.revoke_key(&id, state.clock.now()).await?;
    let record = revoked.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "key_not_found",
            "There is no key with this id.",
        )
    })?;
    access::refresh_key(&state, &record.id).await?;
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
    match state
        .hub
        .seats
        .all()
        .into_iter()
        .find(|seat| seat.connection == number)
    {
        Some(seat) => {
            seat.end(End::Closed);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        None => Ok(ApiError::not_found().into_response()),
    }
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
