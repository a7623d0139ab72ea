//! `/api/v1/sandbox`: the reads of the API without a key, a few a day, each answer with a watermark; and the challenges that some of them need.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Extension,
    body::Bytes,
    extract::{Request, State as Shared},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Arrival, Asked, Call},
    error::{ApiError, ApiResult},
    limits,
    reads::{Question, Reads},
    reply,
    sandbox_entrance::{Admitted, Entrance, Refused},
    schema::{Answer, ErrorBody},
    state::State,
};
use crate::{
    gate::{
        insider_query::NoQuery,
        sandbox_read::{self, NoRead},
    },
    model::{address::ClientAddress, time::Time},
};

/// What is said of a call in the `meta` of its answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    watermark: &'a str,
    remaining: u32,
    reset_at: Time,
}

/// The answer of the read, as it is with a key. Its `meta` has one member more: `sandbox`.
#[derive(Serialize, ToSchema)]
pub struct SandboxRead {
    #[schema(value_type = Object)]
    meta: SandboxMeta,
}

/// `meta`, and where the call's client stands.
#[derive(Serialize, ToSchema)]
struct SandboxMeta {
    sandbox: SandboxTold,
}

/// Of a call without a key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SandboxTold {
    /// Names this call to the operator.
    watermark: String,
    /// Calls that may still be made now.
    remaining: u32,
    /// When one more may be made than now.
    #[schema(value_type = String, format = DateTime)]
    reset_at: Time,
}

/// A challenge to be solved.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewChallenge {
    /// To be sent back as `X-Sandbox-POW-Challenge`, with the nonce as `X-Sandbox-POW-Solution`.
    challenge: String,
    /// `sha256`, of challenge, `:` and nonce.
    #[schema(example = "sha256")]
    algorithm: &'static str,
    /// With so many zero bits the digest must begin: 16 are four hexadecimal zeroes.
    #[schema(example = 16)]
    difficulty: u8,
    /// When it proves nothing any more.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

/// Read without a key
///
/// Any read of `/api/v1` but what is an account's own, by its path behind `/api/v1/`: `declarations`, `companies/{slug}`. A few calls in 24 hours,
/// lists in pages of ten at most, no files. The answer is that of the read; `meta.sandbox` has `watermark`, `remaining` and `resetAt`. From
/// the sixth call on, a solved challenge is needed.
#[utoipa::path(
    get, path = "/api/v1/sandbox/{path}", tag = "sandbox",
    params(
        ("path" = String, Path, description = "The read's path behind `/api/v1/`, slashes as they are"),
        ("X-Sandbox-POW-Challenge" = Option<String>, Header, description = "A challenge of `/api/v1/sandbox/challenge`"),
        ("X-Sandbox-POW-Solution" = Option<String>, Header, description = "A nonce that solves it"),
        ("X-Sandbox-Captcha" = Option<String>, Header, description = "In place of both, where the operator has captchas verified: what the captcha gave"),
    ),
    responses(
        (status = 200, description = "The answer of the read", body = SandboxRead),
        (status = 401, description = "A solved challenge is needed, or a key: `sandbox_challenge_required`, `missing_api_key`", body = ErrorBody),
        (status = 403, description = "`sandbox_network_denied`; `sandbox_no_export` for a file", body = ErrorBody),
        (status = 404, description = "As the read has it, or no such read: `not_found`", body = ErrorBody),
        (status = 429, description = "All calls that need no key are made: `sandbox_quota`", body = ErrorBody),
    ),
)]
pub async fn read(
    Shared(state): Shared<Arc<State>>,
    Extension(reads): Extension<Reads>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Response {
    let client = request.extensions().get::<ClientAddress>().copied();
    // a body that nobody reads is not to be held for as long as the answer takes
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    drop(request);
    let answered = answer(&state, &reads, arrival, client, &uri, &headers).await;
    answered.unwrap_or_else(|Refused { error, standing }| {
        let mut response = error.into_response();
        if let Some(standing) = standing {
            limits::write_standing(response.headers_mut(), &standing, state.clock.now());
        }
        response
    })
}

/// The checks in a straight line; from where it is counted on, whatever the read comes to.
async fn answer(
    state: &State,
    reads: &Reads,
    arrival: Arrival,
    client: Option<ClientAddress>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let entrance = open(state)?;
    let ip = client.map(|client| client.ip);
    let ip = ip.ok_or_else(|| ApiError::internal(&"a request comes from nowhere"))?;
    entrance.check_network(ip)?;
    let path = uri
        .path()
        .strip_prefix(sandbox_read::SANDBOX)
        .unwrap_or_default();
    let query = uri.query().unwrap_or_default();
    let asked = sandbox_read::read(path, query, entrance.page_size()).map_err(refusal)?;
    if reply::wants_csv(headers) {
        return Err(refusal(NoRead::Export).into());
    }
    let asked: Uri = asked.parse().map_err(|_| ApiError::not_found())?;
    let guest = entrance.guest(ip, headers).await.map_err(ApiError::from)?;
    let call = entrance.admit(&guest, headers).await?;
    state.metrics.sandbox_calls.inc();
    let path = asked.path_and_query().map_or("", |path| path.as_str());
    let watermark = entrance.watermark(&call, path);
    let read = reads.answer(Question {
        uri: asked.clone(),
        known: None,
        arrival,
    });
    let portion = |body: Bytes| match sandbox_read::portion(path, &body, entrance.page_size()) {
        Cow::Owned(less) => less.into(),
        Cow::Borrowed(_) => body.clone(),
    };
    let mut response = match marked(read.await, portion, &watermark, &call).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    limits::write_standing(response.headers_mut(), &call.standing, state.clock.now());
    Ok(response)
}

fn open(state: &State) -> ApiResult<&Entrance> {
    state.sandbox.as_deref().ok_or_else(ApiError::not_found)
}

fn refusal(why: NoRead) -> ApiError {
    match why {
        NoRead::Nothing => ApiError::not_found(),
        NoRead::NeedsKey => ApiError::needs_key(
            "This is an account's own, and needs an API key. Without one, there are the reads of data.",
        ),
        NoRead::Export => ApiError::new(
            StatusCode::FORBIDDEN,
            "sandbox_no_export",
            "Files with a whole result need an API key. Without one, ask for a page as JSON.",
        ),
        NoRead::Query(error) => error.into(),
    }
}

/// What the read answered, with its watermark. Nobody is to keep it and show it again in place of another call's, so it has no tag, and there is no 304.
async fn marked(
    response: Response,
    portion: impl FnOnce(Bytes) -> Bytes,
    watermark: &str,
    call: &Admitted,
) -> ApiResult {
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| ApiError::internal(&error))?.to_bytes();
    let told = Told {
        watermark,
        remaining: call.standing.remaining,
        reset_at: call.standing.reset,
    };
    let body = with_told(&portion(body), &told);
    let body =
        body.ok_or_else(|| ApiError::internal(&"a read whose answer does not end in meta"))?;
    Ok(reply::json_text(body))
}

/// The answer with one member more in its `meta`, which stands last in it. All else stays as it is, to the byte: numbers are exact.
fn with_told(body: &Bytes, told: &Told<'_>) -> Option<Vec<u8>> {
    let open = body.strip_suffix(b"}}")?;
    // proof: texts, a number and a time always serialise
    let told = serde_json::to_vec(told).unwrap_or_default();
    Some([open, b",\"sandbox\":", &told, b"}}"].concat())
}

/// Get a challenge
///
/// Find a nonce with which `sha256(challenge + ":" + nonce)` begins with as many zero bits as `difficulty` says (16 are four hexadecimal zeroes),
/// and send both with a call. A challenge is for whoever asked for it: network, user agent and language must be the same. It proves work for one call.
#[utoipa::path(
    post, path = "/api/v1/sandbox/challenge", tag = "sandbox", params(Asked<NoQuery>),
    responses(
        (status = 200, description = "A challenge", body = Answer<NewChallenge>),
        (status = 403, description = "`sandbox_network_denied`", body = ErrorBody),
        (status = 404, description = "The operator answers no calls without a key: `not_found`", body = ErrorBody),
    ),
)]
pub async fn challenge(
    call: Call,
    client: Extension<ClientAddress>,
    headers: HeaderMap,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    let entrance = open(&call.state)?;
    entrance.check_network(client.ip)?;
    let guest = entrance.guest(client.ip, &headers).await?;
    let challenge = entrance.challenge(&guest);
    let challenge = challenge.ok_or_else(|| ApiError::internal(&"there is no salt of today"))?;
    call.done(
        StatusCode::OK,
        &NewChallenge {
            challenge: challenge.text,
            algorithm: "sha256",
            difficulty: challenge.bits,
            expires_at: challenge.until,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stays_as_it_is_to_the_byte() {
        let told = Told {
            watermark: "AQ",
            remaining: 9,
            reset_at: Time(0),
        };
        let body = Bytes::from_static(b"{\"a\":1.10e3,\"meta\":{\"latencyMs\":1}}");
        let text = String::from_utf8(with_told(&body, &told).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"a\":1.10e3,\"meta\":{\"latencyMs\":1,\"sandbox\":\
             {\"watermark\":\"AQ\",\"remaining\":9,\"resetAt\":\"1970-01-01T00:00:00.000Z\"}}}"
        );
        assert!(with_told(&Bytes::from_static(b"[]"), &told).is_none());
    }
}
