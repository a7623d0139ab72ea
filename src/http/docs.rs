//! The API's own description: `/openapi.json`, and a page at `/docs` that shows it. The page's files are in the program:
//! it asks no other host for anything, and its policy forbids it to.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use axum::{
    body::{Body, Bytes},
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use tokio::sync::OnceCell;
use tower::{ServiceExt as _, service_fn};
use tower_http::compression::Compression;
use utoipa_swagger_ui::Config;

use super::{
    error::{ApiError, ApiResult},
    openapi, reply,
};

/// Scripts and styles of this host's files alone. Swagger UI draws its icons from `data:` URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sigcast API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<main id="api"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"#;

/// `validatorUrl: null`: no badge, which would send the document to another host.
const START: &str = r##"SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
"##;

/// What of Swagger UI the page uses.
const ASSETS: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// `/openapi.json`
pub async fn document(headers: HeaderMap) -> Response {
    let text = openapi::document();
    let mut response = reply::tagged(&headers, text.as_bytes(), || {
        axum::body::Body::from(text.to_owned())
    });
    public(&mut response);
    response
}

/// `/docs`
pub async fn page() -> Response {
    let mut response = file(PAGE.as_bytes(), "text/html; charset=utf-8");
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `/docs/{file}`
pub async fn asset(headers: HeaderMap, name: Result<Path<String>, PathRejection>) -> ApiResult {
    static MADE: [OnceCell<Asset>; ASSETS.len()] = [const { OnceCell::const_new() }; ASSETS.len()];
    let Path(name) = name?;
    if name == "start.js" {
        return Ok(file(START.as_bytes(), "text/javascript; charset=utf-8"));
    }
    let place = ASSETS.iter().position(|known| *known == name);
    let made = place.and_then(|place| MADE.get(place));
    let made = made.ok_or_else(ApiError::not_found)?;
    let asset = made.get_or_try_init(|| Asset::make(&name)).await?;
    Ok(asset.answer(&headers))
}

/// A large file, compressed once: nobody needs a key for it, and compressing it takes a processor a tenth of a second.
struct Asset {
    kind: String,
    /// By its `Content-Encoding`, the best first; as it is last.
    forms: Vec<(&'static str, Bytes)>,
    digest: u64,
}

impl Asset {
    async fn make(name: &str) -> Result<Self, ApiError> {
        let config = Arc::new(Config::new(["/openapi.json"]));
        let found = utoipa_swagger_ui::serve(name, config);
        let found = found.map_err(|error| ApiError::internal(&error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let plain = Bytes::from(found.bytes.into_owned());
        let mut forms = Vec::new();
        for encoding in ["br", "zstd", "gzip"] {
            forms.push((encoding, compressed(plain.clone(), encoding).await?));
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&plain);
        forms.push(("identity", plain));
        Ok(Asset {
            kind: found.content_type,
            forms,
            digest: hasher.finish(),
        })
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let taken = |encoding: &str| {
            reply::weight(headers, &header::ACCEPT_ENCODING, encoding)
                .is_some_and(|weight| weight > 0)
        };
        let best = self.forms.iter().find(|(encoding, _)| taken(encoding));
        let Some((encoding, bytes)) = best.or(self.forms.last()) else {
            return reply::empty(StatusCode::NOT_FOUND);
        };
        let mut response = file(bytes, &self.kind);
        if *encoding != "identity" {
            let encoding = HeaderValue::from_static(encoding);
            let fields = response.headers_mut();
            fields.insert(header::CONTENT_ENCODING, encoding);
        }
        let mut response = reply::tag(headers, &self.digest.to_be_bytes(), response);
        public(&mut response);
        let by_encoding = HeaderValue::from_static("accept-encoding");
        response.headers_mut().insert(header::VARY, by_encoding);
        response
    }
}

/// By the very layer that compresses all other answers.
async fn compressed(plain: Bytes, encoding: &'static str) -> Result<Bytes, ApiError> {
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

fn file(bytes: &[u8], kind: &str) -> Response {
    let mut response = Response::new(Body::from(bytes.to_vec()));
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    let sniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
    public(&mut response);
    response
}

/// The same for everybody, for an hour.
fn public(response: &mut Response) {
    let hour = HeaderValue::from_static("public, max-age=3600");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, hour);
    headers.remove(header::VARY);
}
