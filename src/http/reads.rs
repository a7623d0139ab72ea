//! Every read of the API as a service inside the program: whoever else answers from it says the very same as REST.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, Uri},
    response::Response,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{
    call::Arrival,
    caller::Known,
    error::{ApiError, ApiResult},
};

/// The routes that only read, behind key, plan, burst and quota: who asks here has been let in.
#[derive(Clone)]
pub struct Reads(Router);

/// A read that is not a request of its own.
#[derive(Clone, Debug)]
pub struct Question {
    /// Path and query, percent-encoded.
    pub uri: Uri,
    /// Who asks; nobody: what needs a caller answers 401 `missing_api_key`.
    pub known: Option<Known>,
    /// Of the request that it is asked for.
    pub arrival: Arrival,
}

impl Reads {
    /// Of these routes.
    #[must_use]
    pub fn of(routes: Router) -> Self {
        Reads(routes)
    }

    /// The answer that REST gives, JSON unless the query asks for something else: a status, its fields, its body; a refusal by the uniform body.
    pub async fn answer(&self, question: Question) -> Response {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = question.uri;
        request.extensions_mut().insert(question.arrival);
        if let Some(known) = question.known {
            request.extensions_mut().insert(known);
        }
        // a request as it comes over HTTP: the routes ask for nothing else of it
        let Ok(response) = self.0.clone().oneshot(request).await;
        response
    }

    /// The same, read: what a 200 says, or the refusal as it was said.
    pub async fn value(&self, question: Question) -> ApiResult<Result<Value, Response>> {
        let response = self.answer(question).await;
        if !response.status().is_success() {
            return Ok(Err(response));
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| ApiError::internal(&error))?.to_bytes();
        let value = serde_json::from_slice(&body);
        Ok(Ok(value.map_err(|error| ApiError::internal(&error))?))
    }
}
