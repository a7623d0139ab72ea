//! All routes, on one screen.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::Request,
    http::{HeaderValue, Method, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, delete, get, post},
};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate as _, SizeAbove},
    },
    cors::{AllowOrigin, Any, CorsLayer},
};

use super::{
    account, admin, audits, backtests, closes, companies, declarations, deliveries, digest, docs,
    error::ApiError,
    guard, insiders, intake, limits,
    mcp::{endpoint::Endpoint, head},
    net_flow, ops, overview,
    reads::Reads,
    sandbox, sandbox_entrance, search, signals,
    site::{
        account as site_account, admin as site_admin, admin_accounts, admin_streams, admin_visit,
        company, declaration, files, home, hook, hook_acts, hooks, insider, key_acts, live,
        nowhere, screener, search as site_search, session, signal, visit::Site,
    },
    state::State,
    stream, stream_start, tickets, usage, webhooks, winning,
};

/// Smaller answers are sent as they are.
const COMPRESS_ABOVE_BYTES: u64 = 512;

/// The main listener, within [`super::door`].
pub fn main(state: Arc<State>) -> Router {
    let guarded = middleware::from_fn_with_state(state.clone(), guard::signals);
    let log = log().layer(guarded);
    let guarded = middleware::from_fn_with_state(state.clone(), guard::insiders);
    let fresh = middleware::from_fn_with_state(state.clone(), guard::fresh_data);
    let data = data().layer(fresh.clone()).layer(guarded);
    let guarded = middleware::from_fn_with_state(state.clone(), guard::webhooks);
    let hooks = Router::new()
        .route(
            "/api/v1/webhooks",
            get(webhooks::list).post(webhooks::create),
        )
        .route(
            "/api/v1/webhooks/{id}",
            get(webhooks::one)
                .patch(webhooks::change)
                .delete(webhooks::remove),
        )
        .route("/api/v1/webhooks/{id}/rotate", post(webhooks::rotate))
        .route("/api/v1/webhooks/{id}/test", post(webhooks::test))
        .route("/api/v1/webhooks/{id}/resend", post(webhooks::resend))
        .route("/api/v1/webhooks/{id}/attempts", get(webhooks::attempts))
        .route(
            "/api/v1/webhooks/{id}/attempts/{number}",
            get(webhooks::attempt),
        )
        .route("/api/v1/webhooks/{id}/failed", get(webhooks::failed))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(fresh)
        .layer(guarded);
    let guarded = middleware::from_fn_with_state(state.clone(), guard::channels);
    let fresh = middleware::from_fn_with_state(state.clone(), guard::fresh_data);
    let channels = channels().layer(fresh).layer(guarded);
    let reads = reads(state.clone());
    let sandbox = Router::new()
        .route("/api/v1/sandbox/challenge", post(sandbox::challenge))
        .route("/api/v1/sandbox/{*path}", get(sandbox::read))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(reads.clone()));
    let description = Router::new()
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::page))
        .route("/docs/", get(docs::page));
    let pages = pages(state.clone(), reads.clone());
    let models = Arc::new(Endpoint::new(state.clone(), reads));
    let ask = async move |request: Request| models.answer(request).await;
    let models = Router::new()
        .route(guard::MCP, post(ask))
        .method_not_allowed_fallback(method_not_allowed);
    let compressed = log
        .merge(data)
        .merge(hooks)
        .merge(channels)
        .merge(sandbox)
        .merge(description)
        .merge(models)
        .layer(compression());
    Router::new()
        .route("/api/signals/stream", get(stream::open))
        .route("/api/signals/stream/tickets", post(tickets::make_ticket))
        .merge(compressed)
        .route("/docs/{file}", get(docs::asset))
        .route(guard::LIVEZ, get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
        .merge(pages)
}

/// Pages for people.
///
/// They say what there is not, too.
fn pages(state: Arc<State>, reads: Reads) -> Router {
    if !state.config.pages {
        return Router::new().fallback(not_found);
    }
    Router::new()
        .route("/", get(home::home))
        .route("/live", get(live::live))
        .route("/live/ticket", post(live::ticket))
        .route("/signals/{id}", get(signal::signal))
        .route("/screener", get(screener::all))
        .route("/screener/all.csv", get(screener::all_file))
        .route("/screener/top", get(screener::top))
        .route("/screener/top.csv", get(screener::top_file))
        .route("/screener/winning", get(screener::winning))
        .route("/screener/winning.csv", get(screener::winning_file))
        .route("/screener/search", get(site_search::page))
        .route("/companies/{slug}", get(company::page))
        .route("/insiders/{slug}", get(insider::page))
        .route("/declarations/{amfId}", get(declaration::page))
        .route("/account", get(site_account::page))
        .route("/account/sign-in", post(session::sign_in))
        .route("/account/signed-in", get(session::signed_in))
        .route("/account/sign-out", post(session::sign_out))
        .route(
            "/account/sign-out-everywhere",
            post(site_account::sign_out_everywhere),
        )
        .route("/account/keys", post(key_acts::create))
        .route("/account/keys/{id}/rotate", post(key_acts::rotate))
        .route("/account/keys/{id}/revoke", post(key_acts::revoke))
        .route("/account/webhooks", get(hooks::list).post(hooks::create))
        .route("/account/webhooks/{id}", get(hook::one))
        .route("/account/webhooks/{id}/test", post(hook_acts::test))
        .route("/account/webhooks/{id}/rotate", post(hook_acts::rotate))
        .route("/account/webhooks/{id}/enable", post(hook_acts::enable))
        .route("/account/webhooks/{id}/skip", post(hook_acts::skip))
        .route("/account/webhooks/{id}/disable", post(hook_acts::disable))
        .route("/account/webhooks/{id}/resend", post(hook_acts::resend))
        .route(
            "/account/webhooks/{id}/resend-failed",
            post(hook_acts::resend_failed),
        )
        .route("/account/webhooks/{id}/delete", post(hook_acts::delete))
        .route("/account/streams", get(site_account::connected))
        .route(
            "/account/streams/{connection}/close",
            post(site_account::close),
        )
        .route("/favicon.ico", get(nowhere::no_icon))
        .fallback(nowhere::not_found)
        .layer(compression())
        .route("/assets/{file}", get(files::file))
        .method_not_allowed_fallback(nowhere::wrong_method)
        .with_state(Site::new(state, reads))
}

/// The signal log.
fn log() -> Router<Arc<State>> {
    Router::new()
        .route("/api/signals", get(signals::list))
        .route("/api/signals/digest", get(digest::digest))
        .route("/api/signals/{id}", get(signals::one))
        .method_not_allowed_fallback(method_not_allowed)
}

/// Insider data.
fn data() -> Router<Arc<State>> {
    Router::new()
        .route("/api/v1/me", get(account::me))
        .route("/api/v1/health", get(ops::health))
        .route("/api/v1/stats", get(overview::stats))
        .route("/api/v1/markets", get(overview::markets))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/companies", get(companies::list))
        .route("/api/v1/companies/{slug}", get(companies::one))
        .route(
            "/api/v1/companies/{slug}/declarations",
            get(declarations::of_company),
        )
        .route("/api/v1/companies/{slug}/net-flow", get(net_flow::flow))
        .route("/api/v1/companies/{slug}/closes", get(closes::list))
        .route("/api/v1/insiders", get(insiders::list))
        .route("/api/v1/insiders/{slug}", get(insiders::one))
        .route(
            "/api/v1/insiders/{slug}/declarations",
            get(declarations::of_insider),
        )
        .route("/api/v1/declarations", get(declarations::all))
        .route("/api/v1/declarations/{amfId}", get(declarations::one))
        .route("/api/v1/declarations/{amfId}/score", get(audits::score))
        .route("/api/v1/signals", get(declarations::signals))
        .route("/api/v1/backtest", get(backtests::backtest))
        .route("/api/v1/strategy/winning", get(winning::winning))
        .route("/api/v1/{*nothing}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
}

/// What is said of both channels.
fn channels() -> Router<Arc<State>> {
    Router::new()
        .route("/api/v1/deliveries", get(deliveries::list))
        .method_not_allowed_fallback(method_not_allowed)
}

/// Every read of the API, for who has been let in already.
pub fn reads(state: Arc<State>) -> Reads {
    let fresh = middleware::from_fn_with_state(state.clone(), guard::fresh_data);
    let routes = data().merge(channels()).layer(fresh).merge(log());
    Reads::of(routes.with_state(state))
}

/// The admin listener.
pub fn admin(state: Arc<State>) -> Router {
    let pages = admin_pages(state.clone());
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
        .route("/v1/usage", get(usage::top))
        .route("/metrics", get(ops::metrics))
        .route(guard::LIVEZ, get(ops::livez))
        .route("/readyz", get(ops::readyz_reasons))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state.clone())
        .merge(pages)
        .layer(middleware::from_fn_with_state(
            state,
            guard::every_admin_request,
        ))
}

/// Pages for operators.
fn admin_pages(state: Arc<State>) -> Router {
    if !state.config.pages {
        return Router::new().fallback(not_found);
    }
    let reads = reads(state.clone());
    Router::new()
        .route("/", get(admin_visit::home))
        .route("/admin", get(site_admin::overview))
        .route("/admin/overview", get(site_admin::refresh))
        .route("/admin/sign-in", post(admin_visit::sign_in))
        .route("/admin/sign-out", post(admin_visit::sign_out))
        .route(
            "/admin/accounts",
            get(admin_accounts::list).post(admin_accounts::create),
        )
        .route("/admin/accounts/{id}", get(admin_accounts::one))
        .route("/admin/accounts/{id}/change", post(admin_accounts::change))
        .route(
            "/admin/accounts/{id}/suspend",
            post(admin_accounts::suspend),
        )
        .route("/admin/accounts/{id}/resume", post(admin_accounts::resume))
        .route(
            "/admin/accounts/{id}/keys",
            post(admin_accounts::create_key),
        )
        .route(
            "/admin/accounts/{id}/keys/{key}/rotate",
            post(admin_accounts::rotate_key),
        )
        .route(
            "/admin/accounts/{id}/keys/{key}/revoke",
            post(admin_accounts::revoke_key),
        )
        .route("/admin/connections", get(admin_streams::connections))
        .route("/admin/connections/list", get(admin_streams::listed))
        .route(
            "/admin/connections/{connection}/close",
            post(admin_streams::close),
        )
        .route("/admin/consumers", get(admin_streams::consumers))
        .fallback(admin_visit::not_found)
        .layer(compression())
        .route("/assets/{file}", get(files::file))
        .method_not_allowed_fallback(nowhere::wrong_method)
        .with_state(Site::new(state, reads))
}

async fn not_found() -> Response {
    ApiError::not_found().into_response()
}

/// The router adds `Allow`.
async fn method_not_allowed() -> Response {
    ApiError::wrong_method().into_response()
}

/// For whole answers. A stream has no part in it: what is compressed is held back until there is enough of it.
fn compression() -> CompressionLayer<impl tower_http::compression::Predicate> {
    let worth_it = SizeAbove::new(COMPRESS_ABOVE_BYTES)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::IMAGES);
    CompressionLayer::new()
        // of each kind the level that costs little more than the fastest and gives most of the best
        .quality(CompressionLevel::Precise(4))
        .compress_when(worth_it)
}

/// Which pages may call.
pub fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CACHE_CONTROL,
            header::IF_NONE_MATCH,
            guard::API_KEY,
            guard::REQUEST_ID,
            // what stream clients written on fetch send
            stream_start::LAST_EVENT_ID,
            stream::TAKEOVER,
            // what clients of MCP say of each message
            head::VERSION,
            head::METHOD,
            head::NAME,
            sandbox_entrance::POW_CHALLENGE,
            sandbox_entrance::POW_SOLUTION,
            sandbox_entrance::CAPTCHA,
        ])
        .expose_headers([
            header::ETAG,
            header::RETRY_AFTER,
            guard::REQUEST_ID,
            limits::LIMIT,
            limits::REMAINING,
            limits::RESET,
            limits::RATE_LIMIT,
            limits::RATE_LIMIT_POLICY,
        ]);
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
