//! What a person is told at an address that no page has: programs are told the same in JSON.

use axum::{
    http::{HeaderMap, Method, Uri, header},
    response::{IntoResponse as _, Response},
};

use super::{frame, problem::or_problem, visit::Visit};
use crate::http::error::ApiError;

/// Where the API is: who asks there is a program, whatever it says that it takes.
const OF_PROGRAMS: [&str; 4] = ["/api/", "/v1/", "/mcp", "/openapi.json"];

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

/// Whether it is a browser that shows what it is answered.
fn is_person(uri: &Uri, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts.filter_map(|field| field.to_str().ok());
    let of_programs = OF_PROGRAMS
        .iter()
        .any(|start| uri.path().starts_with(start));
    !of_programs && accepts.any(|field| field.contains("text/html"))
}
