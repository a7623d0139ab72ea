//! Every error that leaves the house: one body, whatever went wrong.

use axum::{
    body::Body,
    extract::rejection::PathRejection,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    gate::pairs::QueryError, ingest::pipeline::PipelineError, model::account::Denied,
    store::error::StoreError, webhook::refusal::DeskError,
};

/// `{"error":{"code":…,"message":…,"status":…,"details":…}}`
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Option<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    limit: Option<&'static str>,
}

/// On the response of an error, for those who count.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The code in its body.
    pub code: &'static str,
    /// The limit that stopped it, if one did.
    pub limit: Option<&'static str>,
}

/// What a handler comes to.
pub type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    /// The code of a database that cannot be used, or a disk that is full.
    pub const UNAVAILABLE: &'static str = "unavailable";

    /// An error of this status, code and message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            code,
            message: message.into(),
            details: None,
            headers: Vec::new(),
            limit: None,
        }
    }

    /// With `details`.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// With `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.headers
            .push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// 400 for a head that two readers could read differently.
    pub fn ambiguous(what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            format!("The request has {what}."),
        )
    }

    /// 403 for a change that no page of this host asks for.
    pub fn foreign_origin() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "This can be asked by a page of this server alone.",
        )
    }

    /// 400 for a parameter.
    pub fn parameter(name: &str, value: &str, allowed: &str) -> Self {
        let shown: String = value.chars().take(60).collect();
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            format!("Parameter `{name}`: `{shown}` will not do. Allowed: {allowed}."),
        )
        .details(json!({"parameter": name, "value": shown, "allowed": allowed}))
    }

    /// 401 without a key.
    pub fn missing_key() -> Self {
        Self::unauthorized(
            "missing_api_key",
            "No API key was sent. Send `Authorization: Bearer <key>`.",
        )
    }

    /// 401 for every key that does not count, whatever the reason.
    pub fn invalid_key() -> Self {
        Self::unauthorized(
            "invalid_api_key",
            "Invalid, unknown or revoked API key. Generate a new key from your account.",
        )
    }

    /// 401 for what is an account's own.
    pub fn needs_key(message: &str) -> Self {
        Self::unauthorized("missing_api_key", message)
    }

    /// 401 for a call without a key that needs proof of work.
    pub fn challenge_required(message: String) -> Self {
        let code = "sandbox_challenge_required";
        let mut error = Self::new(StatusCode::UNAUTHORIZED, code, message);
        // RFC 9110 wants a scheme named; a key in the usual place would be another way
        error.headers.push((
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Sandbox-POW"),
        ));
        error
    }

    fn unauthorized(code: &'static str, message: &str) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, code, message);
        error
            .headers
            .push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        error
    }

    /// 405 `method_not_allowed`; the router adds `Allow`.
    #[must_use]
    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This path does not take this method; `Allow` names those it takes.",
        )
    }

    /// 404 for a path.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this path.",
        )
    }

    /// 404 for a slug.
    pub fn company_not_found() -> Self {
        Self::missing("company_not_found", "There is no company with this slug.")
    }

    /// 404 for a slug.
    pub fn insider_not_found() -> Self {
        Self::missing("insider_not_found", "There is no insider with this slug.")
    }

    /// 404 for an amfId.
    pub fn declaration_not_found() -> Self {
        let message = "There is no declaration with this amfId.";
        Self::missing("declaration_not_found", message)
    }

    /// 404 for a signal.
    pub fn signal_not_found() -> Self {
        Self::missing("signal_not_found", "There is no signal with this id.")
    }

    /// 404 for a webhook.
    pub fn webhook_not_found() -> Self {
        Self::missing("webhook_not_found", "There is no webhook with this id.")
    }

    /// 404 for an attempt of a webhook.
    pub fn attempt_not_found() -> Self {
        let message = "There is no attempt with this number; older ones are forgotten.";
        Self::missing("attempt_not_found", message)
    }

    fn missing(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 415 for a body that is no JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body's Content-Type will not do. Allowed: application/json.",
        )
    }

    /// 429 for a key that asks too fast, or has asked for all that its plan allows. `which`: burst, day, month or connects.
    pub fn rate_limited(which: &'static str, message: String, retry_after: u32) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
            .details(json!({"limit": which}))
            .retry_after(retry_after);
        error.limit = Some(which);
        error
    }

    /// 503 while the server goes down.
    pub fn draining() -> Self {
        let message = "The server is shutting down.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message)
            .retry_after(2)
            .closing()
    }

    /// 503 above the connection cap. A connection kept beyond it would be refused for as long as it is kept.
    pub fn overloaded() -> Self {
        let message = "Too many connections.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
            .retry_after(5)
            .closing()
    }

    /// 400 for plain HTTP where TLS is spoken.
    pub fn plain_on_tls() -> Self {
        let message = "This is plain HTTP, and the port speaks TLS: use https://.";
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message).closing()
    }

    /// The last answer on its connection.
    fn closing(mut self) -> Self {
        self.headers
            .push((header::CONNECTION, HeaderValue::from_static("close")));
        self
    }

    /// 503 while the database is away.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request met an unusable database");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Self::UNAVAILABLE,
            "The database cannot be used now. Send the same again later: what is stored already is known by its id.",
        )
        .retry_after(2)
    }

    /// 503 for something of which there is too much now, where a connection is none of it.
    pub fn overloaded_with(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).retry_after(60)
    }

    /// 503 for what the operator or another service stands in the way of.
    pub fn closed(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Self::UNAVAILABLE, message).retry_after(5)
    }

    /// 503 while a node is cut off from the database that it shares with others.
    pub fn cut_off() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Self::UNAVAILABLE,
            "This server cannot reach its database now. Send the same again later.",
        )
        .retry_after(2)
    }

    /// 408 for a body that does not come to its end.
    pub fn body_too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The body took longer than a minute.",
        )
    }

    /// 503 while there is no room for what was sent.
    pub fn disk_full(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request met a full disk");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Self::UNAVAILABLE,
            "The server's disk is full; it works again when there is room. Send the same again then: what is stored already is known by its id.",
        )
        .retry_after(5)
    }

    /// 413 for a body over its limit.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("The body is larger than {limit} bytes."),
        )
    }

    /// 500. The cause goes to the log, not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something failed here, not with you.",
        )
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The uniform body, for answers that hold several.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({"error": {"code": self.code, "message": self.message, "status": self.status.as_u16()}});
        if let Some(details) = &self.details {
            body["error"]["details"] = details.clone();
        }
        body
    }

    /// The code, for those who answer in another form.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(Refusal {
            code: self.code,
            limit: self.limit,
        });
        response
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let forbidden = |code, message: &str| ApiError::new(StatusCode::FORBIDDEN, code, message);
        match denied {
            Denied::InvalidKey => ApiError::invalid_key(),
            Denied::SubscriptionRequired => forbidden(
                "subscription_required",
                "The account's plan does not include this.",
            ),
            Denied::SubscriptionExpired => forbidden(
                "subscription_expired",
                "The account's subscription has lapsed.",
            ),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        ApiError::parameter(&error.parameter, &error.value, &error.allowed)
    }
}

/// A path whose variable part cannot be read names nothing.
impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        ApiError::not_found()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) => ApiError::new(StatusCode::CONFLICT, "refused", why),
            StoreError::Full(_) => ApiError::disk_full(&error),
            StoreError::Unavailable(_) | StoreError::ReadOnly(_) => ApiError::unavailable(&error),
            StoreError::Corrupt { .. } | StoreError::Other(_) => ApiError::internal(&error),
        }
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        let refused = |why: &str| ApiError::new(StatusCode::CONFLICT, "refused", why);
        match error {
            DeskError::Field(error) => error.into(),
            DeskError::NoWebhook => ApiError::webhook_not_found(),
            DeskError::NoSignal => ApiError::signal_not_found(),
            DeskError::NoAttempt => ApiError::attempt_not_found(),
            DeskError::NotInPlan => ApiError::new(
                StatusCode::FORBIDDEN,
                "subscription_required",
                "The account's plan allows no webhooks.",
            ),
            DeskError::UnderTest => {
                refused("A test of this webhook is under way: wait for its end.")
            }
            DeskError::OtherKey | DeskError::Unsealable(_) => ApiError::internal(&error),
            DeskError::Store(error) => error.into(),
        }
    }
}

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Full(message) => ApiError::disk_full(&message),
            PipelineError::Store(message) => ApiError::unavailable(&message),
            PipelineError::Stopped => ApiError::draining(),
        }
    }
}
