//! `POST /mcp`: one message a request, answered by one object. No sessions, no streams: any node answers any message.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, Full};
use rmcp::{
    model::ErrorCode,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::{Value, json};

use super::{
    exact::Exact,
    handler::Handler,
    head::{self, Names, VERSIONS},
    message::{Malformed, Message, limited, refusal},
};
use crate::http::{
    caller::Known,
    error::{ApiError, ApiResult},
    guard,
    lines::whole,
    reads::Reads,
    state::State,
};

/// A message is no larger, whatever other bodies may be.
const MOST_BYTES: usize = 64 * 1024;

/// Where models ask.
pub struct Endpoint {
    state: Arc<State>,
    names: Names,
    service: StreamableHttpService<Handler, NeverSessionManager>,
}

impl Endpoint {
    /// Answers by these reads.
    #[must_use]
    pub fn new(state: Arc<State>, reads: Reads) -> Self {
        let handler = Handler::new(state.clone(), reads);
        handler.count_from_nothing();
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_sse_retry(None)
            .with_max_request_body_bytes(MOST_BYTES)
            // looked at before, by rules that know plain addresses, and refused in the house's words
            .disable_allowed_hosts()
            .disable_allowed_origins();
        Endpoint {
            names: Names::of(&state.config),
            service: StreamableHttpService::new(
                move || Ok(handler.clone()),
                Arc::default(),
                config,
            ),
            state,
        }
    }

    /// Answers a request: names, key and plan, the message, burst and quota, in this order.
    pub async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if let Err(error) = self.names.check(&parts.headers) {
            return error.into_response();
        }
        let headers = parts.headers.clone();
        let state = &self.state;
        Box::pin(guard::messages(state, &headers, async |known| {
            match self.message(parts, body, known).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            }
        }))
        .await
    }

    async fn message(&self, mut parts: Parts, body: Body, known: Known) -> ApiResult {
        let state = &self.state;
        guard::check_is_json(&parts.headers)?;
        head::check_accept(&parts.headers)?;
        let most = state.config.max_body_bytes.min(MOST_BYTES);
        let text = whole(body, most).await?;
        let message = match Message::read(&text) {
            Ok(message) => message,
            Err(malformed) => {
                // what is no message is no reason to be asked without end
                guard::pace(state, &known)?;
                return Ok(malformed.answer());
            }
        };
        // by its head alone: nothing is read for it, so nothing of the plan is taken
        let refused = by_head(&parts.headers, &message);
        let may_ask = match message.counts() && refused.is_none() {
            true => guard::count(state, &known).await,
            false => guard::pace(state, &known),
        };
        if let Err(error) = may_ask {
            return Ok(limited(message.id.as_ref(), error));
        }
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let exact = Exact::new(&state.random);
        parts.extensions.insert(known);
        parts.extensions.insert(exact.clone());
        let answer = self.ask(head::checked(parts), &message).await?;
        Ok(answer.map(|bytes| Body::from(exact.fill(bytes))))
    }

    /// The library's answer, whole. What it says beside JSON-RPC is said in JSON-RPC.
    async fn ask(&self, parts: Parts, message: &Message) -> ApiResult<Response<Bytes>> {
        let request = Request::from_parts(parts, Full::new(message.bytes.clone()));
        let response = Box::pin(self.service.handle(request)).await;
        let (mut head, body) = response.into_parts();
        // proof: the library's bodies do not fail
        let bytes = body.collect().await.unwrap_or_default().to_bytes();
        let kind = head.headers.get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind == "application/json");
        if is_json || (head.status.is_success() && bytes.is_empty()) {
            let store = HeaderValue::from_static("no-store");
            head.headers.insert(header::CACHE_CONTROL, store);
            return Ok(Response::from_parts(head, bytes));
        }
        if head.status.is_server_error() || head.status.is_success() {
            let said = String::from_utf8_lossy(&bytes);
            return Err(ApiError::internal(&format!("MCP: {} {said}", head.status)));
        }
        // it could not read the message, though it is one of JSON-RPC
        let id = message.id.clone().unwrap_or_default();
        let malformed =
            Malformed::invalid(id, "The message cannot be read as one of the protocol's.");
        let (head, body) = malformed.answer().into_parts();
        let bytes = body
            .collect()
            .await
            .map_err(|error| ApiError::internal(&error))?;
        Ok(Response::from_parts(head, bytes.to_bytes()))
    }
}

/// What a message is refused with for its head, if it is.
fn by_head(headers: &HeaderMap, message: &Message) -> Option<Response> {
    let id = message.id.as_ref();
    if let Some(unknown) = head::unknown_version(headers) {
        return Some(unsupported(id, &unknown));
    }
    head::hides_method(headers, &message.method).then(|| {
        let id = id.cloned().unwrap_or_default();
        let why = "From 2026-07-28 on, the field Mcp-Method names the message's method, once.";
        let code = ErrorCode::HEADER_MISMATCH;
        refusal(StatusCode::BAD_REQUEST, &id, code, why, None)
    })
}

/// 400 for a revision that is not spoken here, with those that are: a client may ask again by one of them.
fn unsupported(id: Option<&Value>, requested: &str) -> Response {
    let spoken: Vec<&str> = VERSIONS.iter().map(|version| version.as_str()).collect();
    let message = format!(
        "Unsupported protocol version. MCP-Protocol-Version is one of {}.",
        spoken.join(", ")
    );
    let data = json!({"requested": requested, "supported": spoken});
    let id = id.cloned().unwrap_or_default();
    let code = ErrorCode::UNSUPPORTED_PROTOCOL_VERSION;
    refusal(StatusCode::BAD_REQUEST, &id, code, &message, Some(data))
}
