//! What a person is told at an address that no page has: programs are told the same in JSON.

use axum::{
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};

use super::{frame, problem::or_problem, visit::Visit};
use crate::http::{error::ApiError, reply};

/// Where the API is: who asks there is a program, whatever it says that it takes.
const OF_PROGRAMS: [&str; 4] = ["/api", "/v1", "/mcp", "/openapi.json"];

/// 404, for any address.
pub async fn not_found(visit: Visit) -> Response {
    match is_person(&visit.uri, &visit.headers) {
        true => or_problem(&visit, Err(ApiError::not_found().into())).await,
        false => ApiError::not_found().into_response(),
    }
}

/// 405; but who opens the address of a form, by going back or by hand, is led to the page that it is on.
pub async fn wrong_method(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let page = [
        "/account/webhooks",
        "/account",
        "/live",
        "/admin/accounts",
        "/admin",
    ]
    .into_iter()
    .find(|page| {
        uri.path()
            .strip_prefix(page)
            .is_some_and(|rest| rest.starts_with('/'))
    });
    match page {
        Some(page) if method == Method::GET && is_person(&uri, &headers) => frame::lead_to(page),
        _ => ApiError::wrong_method().into_response(),
    }
}

/// `/favicon.ico`, which browsers ask for beside whatever is no page: there is none, and nothing to complain of.
pub async fn no_icon() -> Response {
    reply::empty(StatusCode::NO_CONTENT)
}

/// Whether it is a browser that shows what it is answered: it would rather have a page than JSON.
#[must_use]
pub fn is_person(uri: &Uri, headers: &HeaderMap) -> bool {
    let path = uri.path();
    let is_under = |start: &&str| {
        path.strip_prefix(*start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let weight = |kind| reply::weight(headers, &header::ACCEPT, kind).unwrap_or(0);
    !OF_PROGRAMS.iter().any(is_under) && weight("text/html") > weight("application/json")
}
