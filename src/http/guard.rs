//! The checks before a handler, in a straight line: an unambiguous head, a server that takes requests, a key that counts, a
//! plan that includes what is asked, a bucket that is not empty, a quota that is not used up.

use std::{sync::Arc, time::Instant};

use axum::{
    body::HttpBody as _,
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::SemaphorePermit;
use tracing::Instrument as _;

use super::{
    call::Arrival,
    caller::{Allowance, Known, Stopped},
    csv,
    error::{ApiError, ApiResult, Refusal},
    limits,
    metrics::{AnswerLabel, ErrorLabel, LimitLabel},
    reply,
    state::State,
};
use crate::{
    gate::sandbox_read,
    model::{account::Plan, address::ClientAddress, key::KeyText, time::Time},
};

/// Set on requests of connections above the cap: they are answered, and that is all.
#[derive(Clone, Copy, Debug)]
pub struct AboveCap;

/// The alternative to `Authorization`.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Whether the process lives.
pub const LIVEZ: &str = "/livez";
/// Where models ask.
pub const MCP: &str = "/mcp";
/// Names a request in our logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_REQUEST_ID: usize = 128;

/// Around every request of the main listener, and all that answers it: what a browser asks before a page may call, too.
pub async fn every_name(
    state: &State,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    named(state, "main", request, answer).await
}

/// Around every request of the main listener that is for it.
pub async fn every_request(
    state: &State,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    // clients of MCP name the stream's type as well, and have to be told that nothing was answered
    let as_stream = reply::comes_back(request.headers()) && request.uri().path() != MCP;
    let above_cap = request.extensions().get::<AboveCap>().is_some();
    let key = only_key(request.headers());
    let is_head = request.method() == Method::HEAD;
    let mut response = match may_begin(state, &request) {
        Ok(()) => answer(request).await,
        Err(error) => {
            let refused = match error.status().as_u16() == 503 && as_stream {
                true => reply::come_back(error.code(), state.retry_ms()),
                false => error.into_response(),
            };
            // the routes see to that themselves
            match is_head {
                true => reply::head_of(refused),
                false => refused,
            }
        }
    };
    if above_cap {
        // kept, it would be refused for good
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    } else if let Some(key) = key {
        tell_standing(state, &key, &mut response).await;
    }
    response
}

/// The key that a request carries, where it carries one that can be meant.
fn only_key(headers: &HeaderMap) -> Option<KeyText> {
    let once = |name: &HeaderName| headers.get_all(name).iter().count() <= 1;
    let clear = once(&header::AUTHORIZATION) && once(&API_KEY);
    clear.then(|| offered_key(headers).ok()).flatten()
}

/// Tells a known key where it stands, whatever it was answered, and by whom: a refusal before all other checks, a stream, a path that there
/// is not. What was told already stays.
async fn tell_standing(state: &State, key: &KeyText, response: &mut Response) {
    let told = response.headers().contains_key(limits::LIMIT);
    if told || response.status() == StatusCode::UNAUTHORIZED {
        return;
    }
    // that the database cannot be read is told by what needs it, and must not be waited for once more
    let refusal = response.extensions().get::<Refusal>();
    let unavailable = refusal.is_some_and(|refusal| refusal.code == ApiError::UNAVAILABLE);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE
        || unavailable
        || state.hub.tenure.is_cut_off()
    {
        return;
    }
    let known = match response.extensions_mut().remove::<Known>() {
        Some(known) => Ok(Some(known)),
        None => state.callers.find(key).await,
    };
    let Ok(Some(Known { caller, holder })) = known else {
        return;
    };
    let now = state.clock.now();
    if holder.check_key(now).is_ok() {
        let allowed = limits::allowance(state.plans.get(&holder.account.plan));
        limits::write(response.headers_mut(), &caller, allowed, now);
    }
}

/// Gives a request its name, for its handler, its answer and whatever is logged meanwhile; and counts what became of it.
async fn named(
    state: &State,
    listener: &'static str,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let id: Arc<str> = match sane_id(request.headers()) {
        Some(id) => id.into(),
        None => state.random.name().hyphenated().to_string().into(),
    };
    let at = Instant::now();
    request
        .extensions_mut()
        .insert(Arrival { id: id.clone(), at });
    // nothing is kept of who asks without a key, in a log neither
    let is_told = !request.uri().path().starts_with(sandbox_read::SANDBOX);
    let client = request.extensions().get::<ClientAddress>();
    let client = client.filter(|_| is_told).map(tracing::field::display);
    let span = tracing::info_span!("request", %id, client);
    let mut response = answer(request).instrument(span).await;
    note(state, listener, &response);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn note(state: &State, listener: &'static str, response: &Response) {
    let metrics = &state.metrics;
    let status = response.status().as_u16();
    let answer = AnswerLabel { listener, status };
    metrics.answers.get_or_create(&answer).inc();
    if let Some(Refusal { code, limit }) = response.extensions().get() {
        metrics.errors.get_or_create(&ErrorLabel { code }).inc();
        if let Some(limit) = limit {
            metrics.limited.get_or_create(&LimitLabel { limit }).inc();
        }
    }
}

/// The name that the client gave, if it is one that can stand in a log. A key put there by mistake cannot.
fn sane_id(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(REQUEST_ID).iter();
    let id = given.next()?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let sane = (1..=MAX_REQUEST_ID).contains(&id.len())
        && id.bytes().all(plain)
        && !id.contains("_live_")
        && given.next().is_none();
    sane.then_some(id)
}

/// 503 at once where the database has not been reached for so long that this node is silent.
pub fn check_reach(state: &State) -> ApiResult<()> {
    match state.hub.tenure.is_cut_off() {
        true => Err(ApiError::cut_off()),
        false => Ok(()),
    }
}

/// Waits until few others ask the database for their openings: of thousands that come back at once, each waits, and none is refused for
/// want of a connection. A seat that is waited for is no part of it.
pub async fn take_turn(state: &State) -> Result<SemaphorePermit<'_>, ApiError> {
    let turn = state.openings.acquire().await;
    check_reach(state)?;
    // proof: it is never closed
    turn.map_err(|error| ApiError::internal(&error))
}

fn may_begin(state: &State, request: &Request) -> ApiResult<()> {
    check_head(request.headers())?;
    // a server that is full, or goes down, lives: who asks must not have it killed
    if request.uri().path() != LIVEZ {
        if request.extensions().get::<AboveCap>().is_some() {
            return Err(ApiError::overloaded());
        }
        if state.is_draining() {
            return Err(ApiError::draining());
        }
    }
    // it is known already: nobody needs to wait until the database has not answered once more
    let path = request.uri().path();
    if path.starts_with("/api/") || path == MCP {
        check_reach(state)?;
    }
    // also where the handler reads no body: nobody is to send one for nothing
    let limit = state.config.max_body_bytes;
    if request.body().size_hint().lower() > limit as u64 {
        return Err(ApiError::too_large(limit));
    }
    // pages send forms
    let takes_json = request.uri().path().starts_with("/api/");
    let has_body = !request.body().is_end_stream();
    if has_body && takes_json && matches!(*request.method(), Method::POST | Method::PATCH) {
        check_is_json(request.headers())?;
    }
    Ok(())
}

/// 415 for a body that says it is something else than JSON.
pub fn check_is_json(headers: &HeaderMap) -> ApiResult<()> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ApiError::unsupported_media_type())
    }
}

/// Around the endpoints of insider data.
pub async fn insiders(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    known_request(&state, request, next, |plan| plan.rest).await
}

/// Lists of a last stretch of time, from a whole minute on: what is in them changes by itself.
const MOVING: [&str; 2] = ["/api/v1/signals", "/api/v1/strategy/winning"];

/// Inside of [`insiders`]: what is said of the data, and which markets there are, is as it is now. Files, whose bytes nobody knows when
/// they begin, get a tag that is made of what they follow from.
pub async fn fresh_data(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(error) = state.data.refresh(&state.db).await {
        return ApiError::from(error).into_response();
    }
    // before anything is read: what changes meanwhile may be in the file, but no file is older than its tag
    let seen = (state.data.version(), state.data.freshness());
    let now = state.clock.now();
    let uri = request.uri().clone();
    let mut held = HeaderMap::new();
    for tag in request.headers().get_all(header::IF_NONE_MATCH) {
        held.append(header::IF_NONE_MATCH, tag.clone());
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !csv::is_file(&response) {
        return response;
    }
    let minute = now.0.div_euclid(60 * Time::SECOND);
    let minute = MOVING.contains(&uri.path()).then_some(minute);
    let program = env!("CARGO_PKG_VERSION");
    let follows_from = format!("{program} {seen:?} {minute:?} {uri}");
    reply::tag(&held, follows_from.as_bytes(), response)
}

/// Around the endpoints of the signal log: any plan with the stream or REST.
pub async fn signals(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    known_request(&state, request, next, |plan| plan.stream || plan.rest).await
}

/// Around the endpoints of webhooks.
pub async fn webhooks(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    known_request(&state, request, next, |plan| plan.webhooks).await
}

/// Around what is said of both channels: any plan with one of them, or REST.
pub async fn channels(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let includes = |plan: &Plan| plan.stream || plan.rest || plan.webhooks;
    known_request(&state, request, next, includes).await
}

/// Key, plan, burst, quota; then the handler. Whatever becomes of it, a known key is told where it stands.
async fn known_request(
    state: &Arc<State>,
    mut request: Request,
    next: Next,
    includes: fn(&Plan) -> bool,
) -> Response {
    let known = known_key(state, request.headers()).await;
    of_plan(state, known, includes, async |known| {
        match count(state, &known).await {
            Ok(()) => {
                request.extensions_mut().insert(known);
                next.run(request).await
            }
            Err(error) => error.into_response(),
        }
    })
    .await
}

/// The plan of a key; then `answer`, which counts what it is asked. Whatever becomes of it, a known key is told where it stands.
async fn of_plan(
    state: &State,
    known: ApiResult<Known>,
    includes: fn(&Plan) -> bool,
    answer: impl AsyncFnOnce(Known) -> Response,
) -> Response {
    let known = match known {
        Ok(known) => known,
        Err(error) => return error.into_response(),
    };
    let now = state.clock.now();
    let in_plan = known.holder.check_plan(&state.plans, now, includes);
    let mut response = match in_plan {
        Ok(()) => answer(known.clone()).await,
        Err(denied) => ApiError::from(denied).into_response(),
    };
    let allowed = allowance(state, &known);
    let now = state.clock.now();
    limits::write(response.headers_mut(), &known.caller, allowed, now);
    response
}

/// Around the messages of MCP: key and plan. What a message costs is known when it was read, and is then for [`count`] or [`pace`] to take.
pub async fn messages(
    state: &State,
    headers: &HeaderMap,
    answer: impl AsyncFnOnce(Known) -> Response,
) -> Response {
    let known = known_key(state, headers).await;
    of_plan(state, known, |plan| plan.mcp, answer).await
}

fn allowance(state: &State, known: &Known) -> Allowance {
    limits::allowance(state.plans.get(&known.holder.account.plan))
}

async fn known_key(state: &State, headers: &HeaderMap) -> ApiResult<Known> {
    let key = offered_key(headers)?;
    let found = state.callers.find(&key).await?;
    let known = found.ok_or_else(ApiError::invalid_key)?;
    known.holder.check_key(state.clock.now())?;
    Ok(known)
}

/// Lets in who is known already, for a request that carries no key: plan, burst and quota, as for any other.
pub async fn let_in(state: &State, known: &Known, includes: fn(&Plan) -> bool) -> ApiResult<()> {
    let now = state.clock.now();
    known.holder.check_key(now)?;
    known.holder.check_plan(&state.plans, now, includes)?;
    count(state, known).await
}

/// Counts a request: burst, then quota.
pub async fn count(state: &State, known: &Known) -> ApiResult<()> {
    let allowed = allowance(state, known);
    let admitted = state.callers.admit(&known.caller, allowed).await;
    admitted.map_err(|stopped| refusal(state, known, stopped))
}

/// Holds a request that costs nothing against the burst alone.
pub fn pace(state: &State, known: &Known) -> ApiResult<()> {
    let paced = (state.callers).pace(&known.caller, allowance(state, known).rate);
    paced.map_err(|stopped| refusal(state, known, stopped))
}

fn refusal(state: &State, known: &Known, stopped: Stopped) -> ApiError {
    match stopped {
        Stopped::Burst(wait) => {
            let seconds = u32::try_from(limits::seconds(wait)).unwrap_or(u32::MAX);
            let message = "Too many requests at once: slow down.".to_owned();
            ApiError::rate_limited("burst", message, seconds)
        }
        Stopped::Quota => used_up(state, known, allowance(state, known)),
        Stopped::Closing => ApiError::draining(),
    }
}

fn used_up(state: &State, known: &Known, allowed: Allowance) -> ApiError {
    let now = state.clock.now();
    let Some(standing) = known.caller.standing(allowed.limits, now) else {
        return ApiError::internal(&"a quota without limits is used up");
    };
    let window = limits::window_name(standing.window);
    let message = format!(
        "The plan's {} requests a {window} are used up. Counting begins anew at {}.",
        standing.limit, standing.reset
    );
    ApiError::rate_limited(window, message, limits::wait(&standing, now))
}

/// Around every request of the admin listener.
pub async fn every_admin_request(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    named(
        &state,
        "admin",
        request,
        async |request| match may_administer(&state, &request) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        },
    )
    .await
}

fn may_administer(state: &State, request: &Request) -> ApiResult<()> {
    check_head(request.headers())?;
    let path = request.uri().path();
    if matches!(path, "/metrics" | "/livez" | "/readyz") || is_page(state, path) {
        return Ok(());
    }
    match bearer(request.headers())? {
        Some(token) if state.admin_token.is(token) => Ok(()),
        Some(_) => Err(ApiError::invalid_key()),
        None => Err(ApiError::missing_key()),
    }
}

/// Whether it is a page of the admin listener, or a file of one: they see to it themselves who is signed in.
fn is_page(state: &State, path: &str) -> bool {
    let under = |folder| path.starts_with(folder);
    state.config.pages && (path == "/" || path == "/admin" || under("/admin/") || under("/assets/"))
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

/// Who holds the key that an opening carries, if the key counts now; and the version of accounts and keys which that is of.
pub async fn opens(state: &State, headers: &HeaderMap) -> ApiResult<(Known, i64)> {
    let key = offered_key(headers)?;
    let found = state.callers.look_at(&key).await;
    check_reach(state)?;
    let (known, access) = found?.ok_or_else(ApiError::invalid_key)?;
    known.holder.check_key(state.clock.now())?;
    Ok((known, access))
}
