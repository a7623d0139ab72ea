//! Whether the server lives, whether it is ready, and its metrics.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    error::{ApiError, ApiResult},
    reply,
    schema::Answer,
    state::State,
};
use crate::gate::insider_query::NoQuery;

/// Whether the service works.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`: otherwise this is a 503.
    #[schema(example = "ok")]
    status: &'static str,
    /// `ok`: it can be read.
    #[schema(example = "ok")]
    database: &'static str,
    /// The server's version.
    version: &'static str,
}

/// Whether the service works
///
/// Asks the database, too. For probes without a key there are `/livez` and `/readyz`.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "operation", params(Asked<NoQuery>),
    responses((status = 200, description = "It works", body = Answer<Health>)),
)]
pub async fn health(call: Call, Asked(NoQuery): Asked<NoQuery>) -> ApiResult {
    let read = call.state.db.ping().await;
    read.map_err(|error| ApiError::unavailable(&error))?;
    call.json(&Health {
        status: "ok",
        database: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// `/livez`: the process answers.
pub async fn livez() -> Response {
    reply::json(&json!({"status": "ok"}))
}

/// Whether the database can be read and written; why not.
async fn database(state: &State) -> Result<(), String> {
    state.db.ping().await.map_err(|error| error.to_string())?;
    state.db.check_writable().await
}

/// Whether signals reach the streams; why not.
fn streams(state: &State) -> Result<(), String> {
    match state.hub.tenure.is_muted() {
        false => Ok(()),
        true => Err("silent: the database was not reached for so long that other nodes may have taken these streams over".to_owned()),
    }
}

/// `/readyz` of the main listener: yes or no.
pub async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    if state.is_draining() {
        return ApiError::draining().into_response();
    }
    // first what is known already: who asks waits for no answer of a database that gives none
    let ready = match streams(&state) {
        Ok(()) => database(&state).await,
        silent => silent,
    };
    match ready {
        Ok(()) => reply::json(&json!({"status": "ok"})),
        Err(reason) => ApiError::unavailable(&reason).into_response(),
    }
}

/// Whether the server is ready, and each of the reasons for and against.
pub async fn readiness(state: &State) -> (bool, Value) {
    let database = database(state).await;
    let streams = streams(state);
    let ready = database.is_ok() && streams.is_ok() && !state.is_draining();
    let body = json!({
        "status": if ready { "ok" } else { "not_ready" },
        "draining": state.is_draining(),
        // not a reason against: streams and log are served, and facts are stored for the one who applies them
        "engines": if state.engines_elsewhere() {
            "another process runs them on this data, a `sigcast ingest` or another node; this server takes over when it ends"
        } else {
            "ok"
        },
        // nor this: what is not heard of is found by looking, somewhat later
        "notifications": state.db.check_notifications().err().unwrap_or_else(|| "ok".to_owned()),
        "streams": streams.err().unwrap_or_else(|| "ok".to_owned()),
        "database": database.err().unwrap_or_else(|| "ok".to_owned()),
    });
    (ready, body)
}

/// `/readyz` of the admin listener: with the reasons.
pub async fn readyz_reasons(Shared(state): Shared<Arc<State>>) -> Response {
    let (ready, body) = readiness(&state).await;
    let mut response = reply::json(&body);
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `/metrics`
pub async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let count = |of: usize| i64::try_from(of).unwrap_or(i64::MAX);
    state.metrics.seats.set(count(state.hub.seats.len()));
    state.metrics.keys_in_use.set(count(state.callers.len()));
    let remembered = state
        .sandbox
        .as_ref()
        .map_or(0, |entrance| entrance.remembered());
    state.metrics.sandbox_clients.set(count(remembered));
    let mut response = Response::new(Body::from((state.encode_metrics)()));
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
