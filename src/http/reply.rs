//! Answers: JSON of any value, and the plain form of a refusal that passes by itself.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use crate::hub::frame;

/// 200 with a JSON body.
pub fn json<T: Serialize>(value: &T) -> Response {
    // proof: values made here are structs and maps with text keys, which always serialise
    json_text(serde_json::to_string(value).unwrap_or_default())
}

/// 200 with a body that is JSON already.
pub fn json_text(body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Only a status.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Whether the request names text/event-stream in its `Accept`.
#[must_use]
pub fn wants_stream(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| {
            accept.split(',').any(|kind| {
                kind.split(';')
                    .next()
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
            })
        })
    })
}

/// The head of every stream.
pub fn stream_head(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// What a stream client gets instead of a 503, which would stop most of them for good: 200, `retry:`, `bye`, the end.
pub fn come_back(reason: &str, retry_ms: u32) -> Response {
    let mut response = stream_head(Body::from(frame::bye(reason, retry_ms)));
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
