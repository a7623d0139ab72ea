//! `/api/v1/webhooks`: an account's endpoints, made, changed, rotated, tested; what became of their messages, and what is sent again.

use axum::{
    body::Body,
    extract::{Path, rejection::PathRejection},
    http::{HeaderValue, StatusCode, Uri, header},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, WebhookPath},
    error::{ApiError, ApiResult},
    lines::whole,
    reply,
    schema::{Answer, ErrorBody, Listed},
};
use crate::{
    gate::{
        endpoint::EndpointBody,
        insider_query::NoQuery,
        path_id::WebhookId,
        resend::Resend,
        webhook_query::{self, AttemptsQuery, WebhooksQuery},
    },
    webhook::shown::{
        FailedMessage, Resent, Webhook, WebhookAttempt, WebhookAttempts, WebhookWithSecret,
    },
};

/// What a filter lets through; what is absent or null lets everything through.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
struct NewFilter {
    /// Any of these signal types.
    #[schema(min_items = 1, max_items = 32, example = json!(["consensus_buy"]))]
    types: Option<Vec<String>>,
    /// At least this rank.
    #[schema(pattern = "^[SABCD]$")]
    min_rank: Option<String>,
    /// At least this score.
    #[schema(minimum = 0, maximum = 1_000_000)]
    min_score: Option<f64>,
    /// Of this market.
    #[schema(min_length = 1, max_length = 64, example = "crypto")]
    market: Option<String>,
}

/// A new endpoint.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
struct NewWebhook {
    /// Where to: https, and no address that is not the public internet's.
    #[schema(max_length = 2048, example = "https://example.com/hook")]
    url: String,
    /// What passes; all where nothing is said.
    filter: Option<NewFilter>,
    /// Words of your own.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Whether it is sent to; true where nothing is said.
    enabled: Option<bool>,
    /// Each signal only once the one before is answered or failed.
    ordered: Option<bool>,
    /// That service's headers as well.
    #[schema(pattern = "^sigmate$")]
    compat: Option<String>,
    /// Behind which signal it begins: a seq, or `<epoch>-<seq>`. Where nothing is said, it begins with the next signal.
    #[schema(value_type = Option<StartAfter>)]
    start_after: Option<String>,
}

/// A place in the log.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
enum StartAfter {
    /// A seq; 0: from the first signal on.
    Seq(u64),
    /// The id of a frame.
    Place(String),
}

/// What changes of an endpoint; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
struct WebhookChange {
    /// Where to.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// What passes, as a whole; null: everything.
    filter: Option<NewFilter>,
    /// Words of your own.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Whether it is sent to. Enabled again, it goes on where it stood.
    enabled: Option<bool>,
    /// Each signal only once the one before is answered or failed.
    ordered: Option<bool>,
    /// That service's headers as well; null: no more.
    #[schema(pattern = "^sigmate$")]
    compat: Option<String>,
    /// Beside `enabled: true`: it goes on with the next signal, and what it missed is left out.
    skip_missed: Option<bool>,
}

/// What is to be sent again: `signal_id` alone; or `after`, `failed_since` or both, and with them `before`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
struct WhatToResend {
    /// This signal, whatever became of it: its UUID, or `<epoch>-<seq>`.
    signal_id: Option<String>,
    /// The signals behind this one that pass the filter.
    after: Option<String>,
    /// Before this one; where nothing is said, up to the head of the log.
    before: Option<String>,
    /// Only messages that failed, and were first sent from then on.
    #[schema(format = DateTime)]
    failed_since: Option<String>,
}

async fn bytes(call: &Call, body: Body) -> ApiResult<axum::body::Bytes> {
    whole(body, call.state.config.max_body_bytes).await
}

fn account(call: &Call) -> ApiResult<Option<&str>> {
    Ok(Some(&call.known()?.holder.account.id))
}

/// List webhooks
///
/// The account's endpoints, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", params(Asked<WebhooksQuery>),
    responses((status = 200, description = "A page", body = Listed<Webhook>)),
)]
pub async fn list(call: Call, Asked(query): Asked<WebhooksQuery>) -> ApiResult {
    let all = call.state.desk.list(account(&call)?).await?;
    let (limit, offset) = query.page.place();
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let items: Vec<&Webhook> = all.iter().skip(count(offset)).take(count(limit)).collect();
    Ok(call.object(Call::list(&query.page, all.len() as u64, &items)?))
}

/// Make a webhook
///
/// Where it begins: with the next signal, or behind `start_after`. The answer shows its secret, this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks", params(Asked<NoQuery>), request_body = NewWebhook,
    responses(
        (status = 201, description = "It is made", body = Answer<WebhookWithSecret>),
        (status = 409, description = "`refused`: the account has as many as its plan allows", body = ErrorBody),
    ),
)]
pub async fn create(call: Call, Asked(NoQuery): Asked<NoQuery>, body: Body) -> ApiResult {
    let body = EndpointBody::of_new(&bytes(&call, body).await?)?;
    let holder = &call.known()?.holder.account;
    let plan = call.state.plans.get(&holder.plan);
    let most = plan.map_or(0, |plan| plan.webhook_endpoints);
    let made = call.state.desk.create(&holder.id, most, body).await?;
    let mut response = call.done(StatusCode::CREATED, &made)?;
    let place = format!("/api/v1/webhooks/{}", made.webhook.id);
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Read one webhook
///
/// Where it stands, what waits, and since when it fails.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>),
    responses(
        (status = 200, description = "The webhook", body = Answer<Webhook>),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
    ),
)]
pub async fn one(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    call.json(&call.state.desk.one(account(&call)?, &id).await?)
}

/// Change a webhook
///
/// What is absent stays. Nothing is lost while it is disabled: enabled again, it goes on where it stood, or with the next signal where
/// `skip_missed` says so.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>), request_body = WebhookChange,
    responses(
        (status = 200, description = "As it is now", body = Answer<Webhook>),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
    ),
)]
pub async fn change(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
    body: Body,
) -> ApiResult {
    let body = EndpointBody::of_change(&bytes(&call, body).await?)?;
    let changed = call.state.desk.change(account(&call)?, &id, body).await?;
    call.done(StatusCode::OK, &changed)
}

/// Delete a webhook
///
/// With all that is known of it: attempts, and messages that wait or failed.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
    ),
)]
pub async fn remove(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    call.state.desk.delete(account(&call)?, &id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Rotate a webhook's secret
///
/// The answer shows the new one, this once. The one before signs beside it for 24 hours; one that was before that, no more.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>),
    responses(
        (status = 200, description = "With its new secret", body = Answer<WebhookWithSecret>),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
    ),
)]
pub async fn rotate(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    let rotated = call.state.desk.rotate(account(&call)?, &id).await?;
    call.done(StatusCode::OK, &rotated)
}

/// Test a webhook
///
/// One attempt now, with a body of `"type":"webhook.test"` and an id of its own, signed as any other. The answer is that attempt: 200 also
/// where it failed.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>),
    responses(
        (status = 200, description = "What came of it", body = Answer<WebhookAttempt>),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
        (status = 409, description = "`refused`: another test of it is under way", body = ErrorBody),
    ),
)]
pub async fn test(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    let tested = call.state.desk.test(account(&call)?, &id).await?;
    call.done(StatusCode::OK, &tested)
}

/// Send signals again
///
/// One signal, a stretch of the log, or what failed since a moment. They are sent as soon as the endpoint has room, beside what is new.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/resend", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<NoQuery>), request_body = WhatToResend,
    responses(
        (status = 202, description = "What is sent again", body = Answer<Resent>),
        (status = 404, description = "`webhook_not_found`, `signal_not_found`", body = ErrorBody),
        (status = 409, description = "`refused`: too much waits already", body = ErrorBody),
    ),
)]
pub async fn resend(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(NoQuery): Asked<NoQuery>,
    body: Body,
) -> ApiResult {
    let what = Resend::parse(&bytes(&call, body).await?)?;
    let resent = call.state.desk.resend(account(&call)?, &id, &what).await?;
    call.done(StatusCode::ACCEPTED, &resent)
}

/// List attempts
///
/// The latest first; the older ones with `before` = `next`. They are listed for as long as the server's settings say.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/attempts", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Items at most; 50 where nothing is said"),
        ("before" = Option<i64>, Query, minimum = 0, description = "Before the attempt with this number"),
        ("signal_id" = Option<String>, Query, description = "At this signal only: its UUID, or `<epoch>-<seq>`"),
    ),
    responses(
        (status = 200, description = "A page", body = Answer<WebhookAttempts>),
        (status = 404, description = "`webhook_not_found`, `signal_not_found`", body = ErrorBody),
    ),
)]
pub async fn attempts(call: Call, WebhookPath(WebhookId(id)): WebhookPath, uri: Uri) -> ApiResult {
    let query = AttemptsQuery::parse(uri.query().unwrap_or_default())?;
    call.json(
        &call
            .state
            .desk
            .attempts(account(&call)?, &id, &query)
            .await?,
    )
}

/// Read one attempt
///
/// When it was made, how long it took, and what was answered.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/attempts/{number}", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("number" = i64, Path, description = "The attempt's number"),
        Asked<NoQuery>,
    ),
    responses(
        (status = 200, description = "The attempt", body = Answer<WebhookAttempt>),
        (status = 404, description = "`webhook_not_found`, `attempt_not_found`", body = ErrorBody),
    ),
)]
pub async fn attempt(
    call: Call,
    path: Result<Path<(String, String)>, PathRejection>,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    let Path((id, number)) = path?;
    let WebhookId(id) = WebhookId::parse(&id).ok_or_else(ApiError::webhook_not_found)?;
    let number = webhook_query::whole(&number).ok_or_else(ApiError::attempt_not_found)?;
    call.json(
        &call
            .state
            .desk
            .attempt(account(&call)?, &id, number)
            .await?,
    )
}

/// List failed messages
///
/// Those that were given up after their last attempt, in the order of the log. They stay until they are sent again and acknowledged.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/failed", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), Asked<WebhooksQuery>),
    responses(
        (status = 200, description = "A page", body = Listed<FailedMessage>),
        (status = 404, description = "`webhook_not_found`", body = ErrorBody),
    ),
)]
pub async fn failed(
    call: Call,
    WebhookPath(WebhookId(id)): WebhookPath,
    Asked(query): Asked<WebhooksQuery>,
) -> ApiResult {
    let (limit, offset) = query.page.place();
    let desk = &call.state.desk;
    let (total, found) = desk.failed(account(&call)?, &id, limit, offset).await?;
    let total = u64::try_from(total).unwrap_or(0);
    Ok(call.object(Call::list(&query.page, total, &found)?))
}
