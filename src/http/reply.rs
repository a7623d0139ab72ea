//! Answers: JSON of any value, tagged so that it need not be sent twice; and the plain form of a refusal that passes by itself.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::error::Refusal;
use crate::hub::frame;

/// 200 with a JSON body.
pub fn json<T: Serialize>(value: &T) -> Response {
    // proof: values made here are structs and maps with text keys, which always serialise
    json_text(serde_json::to_string(value).unwrap_or_default())
}

/// 200 with a body that is JSON already.
pub fn json_text(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with a JSON body and a weak `ETag` over `content`, or 304 where the client has that already. `content` is what
/// matters of the body: two bodies with the same content are the same to a cache.
pub fn tagged(headers: &HeaderMap, content: &[u8], body: impl FnOnce() -> Body) -> Response {
    with_tag(headers, etag(content), body)
}

/// The same of a content whose tag is known.
pub fn with_tag(headers: &HeaderMap, tag: HeaderValue, body: impl FnOnce() -> Body) -> Response {
    answer(headers, tag, || {
        let mut response = Response::new(body());
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    })
}

/// The same of an answer that is made already, of which `content` is what it follows from.
pub fn tag(headers: &HeaderMap, content: &[u8], response: Response) -> Response {
    answer(headers, etag(content), || response)
}

fn answer(headers: &HeaderMap, tag: HeaderValue, made: impl FnOnce() -> Response) -> Response {
    let known = tag.to_str().is_ok_and(|tag| has(headers, tag));
    let mut response = if known {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        made()
    };
    let fields = response.headers_mut();
    fields.insert(header::ETAG, tag);
    // what one key sees is not for others; and a cache asks each time whether it is still so
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    fields.insert(
        header::VARY,
        HeaderValue::from_static("accept, authorization, x-api-key"),
    );
    response
}

/// Equal for equal bytes, on nodes of one build; 64 bits suffice, as it is compared with one earlier answer alone.
#[must_use]
pub fn etag(content: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    // proof: hexadecimal digits in quotes are visible ASCII
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// A body in two pieces, of which the first is shared with other answers.
pub struct TwoPieces {
    first: Option<Bytes>,
    second: Option<Bytes>,
}

impl TwoPieces {
    /// One after the other.
    pub fn body(first: Bytes, second: Bytes) -> Body {
        let some = |bytes: Bytes| Some(bytes).filter(|bytes| !bytes.is_empty());
        Body::new(TwoPieces {
            first: some(first),
            second: some(second),
        })
    }
}

impl HttpBody for TwoPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.second.take(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.second.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let pieces = self.first.iter().chain(&self.second);
        SizeHint::with_exact(pieces.map(|bytes| bytes.len() as u64).sum())
    }
}

/// Whether `If-None-Match` names the tag, compared weakly as RFC 9110 has it.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut fields = headers.get_all(header::IF_NONE_MATCH).iter();
    fields.any(|field| {
        field.to_str().is_ok_and(|field| {
            field.trim() == "*" || field.split(',').any(|one| opaque(one) == opaque(tag))
        })
    })
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
    weight(headers, &header::ACCEPT, "text/event-stream").is_some()
}

/// Set by a load balancer that asks another node where one answers 503.
pub const OTHER_NODES: HeaderName = HeaderName::from_static("x-other-nodes");

/// Whether a client of the stream is to be told to come back rather than be refused: a 503 would stop most of them for good. Not where a load
/// balancer stands between that goes on to another node by the 503.
#[must_use]
pub fn comes_back(headers: &HeaderMap) -> bool {
    wants_stream(headers) && !headers.contains_key(OTHER_NODES)
}

/// Whether the request would rather have a file of comma-separated values than JSON.
#[must_use]
pub fn wants_csv(headers: &HeaderMap) -> bool {
    let of = |kind| weight(headers, &header::ACCEPT, kind).unwrap_or(0);
    of("text/csv") > of("application/json")
}

/// The weight, in thousandths, that a field such as `Accept` gives to what it names; `None` where it does not name it.
pub fn weight(headers: &HeaderMap, field: &HeaderName, name: &str) -> Option<u32> {
    let lines = headers.get_all(field).iter();
    let named = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|first| first.eq_ignore_ascii_case(name))
                .then(|| {
                    let weight = parts.find_map(|part| {
                        let (key, value) = part.split_once('=')?;
                        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
                    });
                    let weight = weight.and_then(|weight| weight.parse::<f32>().ok());
                    (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32
                })
        });
    named.max()
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
pub fn come_back(reason: &'static str, retry_ms: u32) -> Response {
    let mut response = stream_head(Body::from(frame::bye(reason, retry_ms)));
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response.extensions_mut().insert(Refusal {
        code: reason,
        limit: None,
    });
    response
}

/// What HEAD is answered where GET would be answered this.
pub fn head_of(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut head = response.map(|_| Body::empty());
    if let Some(length) = length {
        head.headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_file_is_for_those_who_would_rather_have_one() {
        let wants = |accept| wants_csv(&with(header::ACCEPT, &[accept]));
        for yes in [
            "text/csv",
            "Text/CSV; header=present",
            "text/csv, */*;q=0.1",
            "application/json;q=0.5, text/csv;q=0.6",
            "*/*, text/csv",
        ] {
            assert!(wants(yes), "{yes}");
        }
        for no in [
            "*/*",
            "",
            "text/*",
            "text/csv;q=0",
            "application/json, text/csv",
            "text/csv;q=0.5, application/json",
            "text/csvx",
        ] {
            assert!(!wants(no), "{no}");
        }
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let ask = |headers: &HeaderMap| tagged(headers, b"{}", || "{}".into());
        let first = ask(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let mut same = HeaderMap::new();
        let value = format!("\"other\", {}", tag.trim_start_matches("W/"));
        same.insert(header::IF_NONE_MATCH, value.parse().unwrap());
        let second = ask(&same);
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(second.headers()[header::ETAG].to_str().unwrap(), tag);
        assert!(second.headers().get(header::CONTENT_TYPE).is_none());
        assert!(has(&with(header::IF_NONE_MATCH, &["*"]), &tag));
        assert!(!has(&with(header::IF_NONE_MATCH, &["\"other\""]), &tag));
        assert_ne!(etag(b"{}"), etag(b"{ }"));
    }
}
