//! The checks before a handler, in a straight line: an unambiguous head, a server that takes requests, a key that counts.

use std::sync::Arc;

use axum::{
    body::HttpBody as _,
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    error::{ApiError, ApiResult},
    reply,
    state::State,
};
use crate::model::{account::Holder, key::KeyText};

/// Set on requests of connections above the cap: they are answered, and that is all.
#[derive(Clone, Copy, Debug)]
pub struct AboveCap;

/// The alternative to `Authorization`.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Whether the process lives.
pub const LIVEZ: &str = "/livez";
/// Names a request in our logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Around every request of the main listener.
pub async fn every_request(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let id = state.random.uuid().hyphenated().to_string();
    let as_stream = reply::wants_stream(request.headers());
    let above_cap = request.extensions().get::<AboveCap>().is_some();
    let verdict = check_head(request.headers()).and_then(|()| {
        // a server that is full, or goes down, lives: who asks must not have it killed
        if request.uri().path() != LIVEZ {
            if above_cap {
                return Err(ApiError::overloaded());
            }
            if state.is_draining() {
                return Err(ApiError::draining());
            }
        }
        // also where the handler reads no body: nobody is to send one for nothing
        let limit = state.config.max_body_bytes;
        if request.body().size_hint().lower() > limit as u64 {
            return Err(ApiError::too_large(limit));
        }
        Ok(())
    });
    let mut response = match verdict {
        Ok(()) => next.run(request).await,
        Err(error) if error.status().as_u16() == 503 && as_stream => {
            reply::come_back(error.code(), state.retry_ms())
        }
        Err(error) => error.into_response(),
    };
    if above_cap {
        // kept, it would be refused for good
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Around every request of the admin listener.
pub async fn every_admin_request(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(error) = check_head(request.headers()) {
        return error.into_response();
    }
    let open = matches!(request.uri().path(), "/metrics" | "/livez" | "/readyz");
    if !open {
        let offered = bearer(request.headers());
        let verdict = match offered {
            Ok(Some(token)) if state.admin_token.is(token) => Ok(()),
            Ok(None) => Err(ApiError::missing_key()),
            _ => Err(ApiError::invalid_key()),
        };
        if let Err(error) = verdict {
            return error.into_response();
        }
    }
    next.run(request).await
}

/// Refuses what a proxy and we could read differently.
fn check_head(headers: &HeaderMap) -> ApiResult<()> {
    let count = |name: &HeaderName| headers.get_all(name).iter().count();
    match count(&header::HOST) {
        1 => {}
        0 => return Err(ApiError::ambiguous("no Host field")),
        _ => return Err(ApiError::ambiguous("more than one Host field")),
    }
    if count(&header::AUTHORIZATION) > 1 {
        return Err(ApiError::ambiguous("more than one Authorization field"));
    }
    if count(&API_KEY) > 1 {
        return Err(ApiError::ambiguous("more than one X-Api-Key field"));
    }
    Ok(())
}

/// The Bearer token, if the field is there; an error for any other scheme or an empty token.
fn bearer(headers: &HeaderMap) -> ApiResult<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| ApiError::invalid_key())?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(Some(token))
    } else {
        Err(ApiError::invalid_key())
    }
}

/// The key that the request carries: from either field, or from both if they agree.
pub fn offered_key(headers: &HeaderMap) -> ApiResult<KeyText> {
    let plain = match headers.get(API_KEY) {
        Some(value) => Some(value.to_str().map_err(|_| ApiError::invalid_key())?.trim()),
        None => None,
    };
    let text = match (bearer(headers)?, plain) {
        (None, None) => return Err(ApiError::missing_key()),
        (Some(one), Some(other)) if one != other => return Err(ApiError::invalid_key()),
        (Some(key), _) | (None, Some(key)) => key,
    };
    KeyText::parse(text).ok_or_else(ApiError::invalid_key)
}

/// Who holds the key that the request carries, if the key counts now.
pub async fn holder(state: &State, headers: &HeaderMap) -> ApiResult<Holder> {
    let key = offered_key(headers)?;
    let holder = state
        .db
        .holder(&key.hash())
        .await?
        .ok_or_else(ApiError::invalid_key)?;
    holder.check_key(state.clock.now())?;
    Ok(holder)
}

/// Whether the holder may read the signal log: any plan with the stream or REST, not lapsed.
pub fn may_read_signals(state: &State, holder: &Holder) -> ApiResult<()> {
    use crate::model::account::Denied;
    let plan = state.plans.get(&holder.account.plan);
    if !plan.is_some_and(|plan| plan.stream || plan.rest) {
        return Err(Denied::SubscriptionRequired.into());
    }
    if holder
        .account
        .expires_at
        .is_some_and(|end| end <= state.clock.now())
    {
        return Err(Denied::SubscriptionExpired.into());
    }
    Ok(())
}
