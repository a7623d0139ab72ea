//! Whether the server lives, whether it is ready, and its metrics.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{error::ApiError, reply, state::State};

/// `/livez`: the process answers.
pub async fn livez() -> Response {
    reply::json(&json!({"status": "ok"}))
}

/// Whether the database can be read and written; why not.
async fn database(state: &State) -> Result<(), String> {
    state.db.ping().await.map_err(|error| error.to_string())?;
    state.db.check_writable().await
}

/// `/readyz` of the main listener: yes or no.
pub async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    if state.is_draining() {
        return ApiError::draining().into_response();
    }
    match database(&state).await {
        Ok(()) => reply::json(&json!({"status": "ok"})),
        Err(reason) => ApiError::unavailable(&reason).into_response(),
    }
}

/// `/readyz` of the admin listener: with the reasons.
pub async fn readyz_reasons(Shared(state): Shared<Arc<State>>) -> Response {
    let database = database(&state).await;
    let ready = database.is_ok() && !state.is_draining();
    let body = json!({
        "status": if ready { "ok" } else { "not_ready" },
        "draining": state.is_draining(),
        // not a reason against: streams and log are served, and facts are stored for the one who applies them
        "engines": if state.engines_elsewhere() {
            "another process (`sigcast ingest`) runs them on this data; this server takes over when it ends"
        } else {
            "ok"
        },
        "database": database.err().unwrap_or_else(|| "ok".to_owned()),
    });
    let mut response = reply::json(&body);
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `/metrics`
pub async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let mut response = Response::new(Body::from((state.encode_metrics)()));
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
