//! All routes, on one screen.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{admin, error::ApiError, guard, intake, ops, signals, state::State, stream};

/// The main listener.
pub fn main(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/signals/stream", get(stream::open))
        .route("/api/signals/stream/tickets", post(stream::make_ticket))
        .route("/api/signals", get(signals::list))
        .route("/api/signals/{id}", get(signals::one))
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            guard::every_request,
        ))
        .layer(cors(&state.config.cors_origins))
        .with_state(state)
}

/// The admin listener.
pub fn admin(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/signals", post(intake::signals))
        .route("/v1/swaps", post(intake::swaps))
        .route("/v1/filings", post(intake::filings))
        .route("/v1/helius", post(intake::helius))
        .route("/v1/accounts", post(admin::create_account))
        .route("/v1/keys", post(admin::create_key))
        .route("/v1/keys/{id}", delete(admin::revoke_key))
        .route("/v1/connections", get(admin::connections))
        .route("/v1/connections/{number}", delete(admin::close_connection))
        .route("/metrics", get(ops::metrics))
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz_reasons))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            guard::every_admin_request,
        ))
        .with_state(state)
}

async fn not_found() -> Response {
    ApiError::not_found().into_response()
}

/// The router adds `Allow`.
async fn method_not_allowed() -> Response {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path does not take this method; `Allow` names those it takes.",
    )
    .into_response()
}

fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CACHE_CONTROL,
            guard::API_KEY,
            // what stream clients written on fetch send
            stream::LAST_EVENT_ID,
            stream::TAKEOVER,
        ])
        .expose_headers([header::RETRY_AFTER, guard::REQUEST_ID]);
    if origins.iter().any(|origin| origin == "*") {
        layer.allow_origin(Any)
    } else {
        let known: Vec<HeaderValue> = origins
            .iter()
            .filter_map(|origin| origin.parse().ok())
            .collect();
        layer.allow_origin(AllowOrigin::list(known))
    }
}
