//! What a page says where it cannot be shown: the API's own refusals, in a page.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    frame::{self, Page, Place},
    visit::Visit,
};
use crate::{
    gate::pairs::QueryError, http::error::ApiError, store::error::StoreError,
    webhook::refusal::DeskError,
};

/// Why a page, or a part of one, cannot be shown.
pub enum Problem {
    /// As the API says it.
    Refused(Box<ApiError>),
    /// As an answer of the API said it.
    Answered(Box<Response>),
    /// Nobody is signed in, and somebody has to be.
    SignIn,
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Problem::Refused(Box::new(error))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        ApiError::from(error).into()
    }
}

/// What pages answer.
pub type PageResult = Result<Response, Problem>;

/// A page, or why there is none.
pub async fn or_problem(visit: &Visit, shown: PageResult) -> Response {
    let page = |title: &str, body: Markup| {
        let page = Page {
            title,
            place: Place::Elsewhere,
            scripts: &[],
            body,
        };
        page.show(visit)
    };
    or_problem_in(visit, shown, || sign_in(visit), page).await
}

/// The same among other pages: how one signs in there, and how a title and a body are a page.
pub async fn or_problem_in(
    visit: &Visit,
    shown: PageResult,
    sign_in: impl FnOnce() -> Response,
    page: impl FnOnce(&str, Markup) -> Response,
) -> Response {
    match shown {
        Ok(response) => response,
        Err(Problem::SignIn) => sign_in(),
        Err(Problem::Refused(error)) => tell(visit, error.into_response(), page).await,
        Err(Problem::Answered(response)) => tell(visit, *response, page).await,
    }
}

/// To where one signs in, and from there back to here.
fn sign_in(visit: &Visit) -> Response {
    let start = "/account?".to_owned();
    let behind = start.len();
    let mut path = url::form_urlencoded::Serializer::for_suffix(start, behind);
    let path = path.append_pair("next", &visit.page()).finish();
    if !visit.wants_part() {
        return frame::lead_to(&path);
    }
    // the whole page goes there, not the part alone
    let mut response = frame::redirect(&path);
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

/// The refusal, readable; its status and its fields stay.
async fn tell(
    visit: &Visit,
    refusal: Response,
    page: impl FnOnce(&str, Markup) -> Response,
) -> Response {
    let (parts, body) = refusal.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let told: Value = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok())
        .unwrap_or_default();
    let message = told.pointer("/error/message").and_then(Value::as_str);
    let message = message.unwrap_or("This could not be done.");
    let code = told
        .pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let says = html! {
        p.problem role="alert" { (message) @if !code.is_empty() { " (" code { (code) } ")" } }
    };
    let mut response = match visit.wants_part() {
        true => frame::part(&says),
        false => {
            let title = match parts.status {
                StatusCode::NOT_FOUND => "Not found",
                StatusCode::TOO_MANY_REQUESTS => "Too many requests",
                StatusCode::FORBIDDEN => "Not included",
                status if status.is_client_error() => "Not understood",
                _ => "Not now",
            };
            let body = html! {
                (says)
                p { "Request " code { (visit.arrival.id) } ". " a href="/" { "To the overview" } }
            };
            page(title, body)
        }
    };
    *response.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        // what the page says of itself stays
        if !response.headers().contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.extensions_mut().extend(parts.extensions);
    response
}
