//! Files that are in the program: compressed once, and sent in the best form that a client takes.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use tower::{ServiceExt as _, service_fn};
use tower_http::compression::Compression;

use super::{
    error::{ApiError, ApiResult},
    reply,
};

/// For an hour: what may change with the next version under the same name.
pub const AN_HOUR: &str = "public, max-age=3600";
/// For good: what changes gets another name.
pub const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// A file that anybody may have, compressed once: doing so takes a processor a tenth of a second.
pub struct Asset {
    kind: String,
    /// By its `Content-Encoding`, the best first; as it is last.
    forms: Vec<(&'static str, Bytes)>,
    digest: u64,
}

impl Asset {
    /// Of a file's bytes and their media type.
    pub async fn of(plain: Bytes, kind: String) -> ApiResult<Self> {
        let mut forms = Vec::new();
        for encoding in ["br", "zstd", "gzip"] {
            forms.push((encoding, compressed(plain.clone(), encoding).await?));
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&plain);
        forms.push(("identity", plain));
        Ok(Asset {
            kind,
            forms,
            digest: hasher.finish(),
        })
    }

    /// 200 with the smallest form that these headers take, to be kept as `cache` says; or 304.
    pub fn answer(&self, headers: &HeaderMap, cache: &'static str) -> Response {
        let taken = |encoding: &str| {
            reply::weight(headers, &header::ACCEPT_ENCODING, encoding)
                .is_some_and(|weight| weight > 0)
        };
        let best = self.forms.iter().find(|(encoding, _)| taken(encoding));
        let Some((encoding, bytes)) = best.or(self.forms.last()) else {
            return reply::empty(StatusCode::NOT_FOUND);
        };
        let mut response = file(bytes, &self.kind, cache);
        if *encoding != "identity" {
            let encoding = HeaderValue::from_static(encoding);
            let fields = response.headers_mut();
            fields.insert(header::CONTENT_ENCODING, encoding);
        }
        let mut response = reply::tag(headers, &self.digest.to_be_bytes(), response);
        public(&mut response, cache);
        let by_encoding = HeaderValue::from_static("accept-encoding");
        response.headers_mut().insert(header::VARY, by_encoding);
        response
    }
}

/// By the very layer that compresses all other answers.
async fn compressed(plain: Bytes, encoding: &'static str) -> ApiResult<Bytes> {
    let answer = service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(plain.clone())))
    });
    let mut request = Request::new(Body::empty());
    let field = HeaderValue::from_static(encoding);
    request.headers_mut().insert(header::ACCEPT_ENCODING, field);
    let Ok(response) = Compression::new(answer).oneshot(request).await;
    let body = response.into_body().collect().await;
    Ok(body.map_err(|error| ApiError::internal(&error))?.to_bytes())
}

/// A file as it is.
pub fn file(bytes: &[u8], kind: &str, cache: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes.to_vec()));
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    let sniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
    public(&mut response, cache);
    response
}

/// The same for everybody.
pub fn public(response: &mut Response, cache: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.remove(header::VARY);
}
