//! The API's own description: `/openapi.json`, and a page at `/docs` that shows it. The page's files are in the program:
//! it asks no other host for anything, and its policy forbids it to.

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
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
pub async fn asset(name: Result<Path<String>, PathRejection>) -> ApiResult {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let Path(name) = name?;
    if name == "start.js" {
        return Ok(file(START.as_bytes(), "text/javascript; charset=utf-8"));
    }
    if !ASSETS.contains(&name.as_str()) {
        return Err(ApiError::not_found());
    }
    let config = CONFIG.get_or_init(|| Arc::new(Config::new(["/openapi.json"])));
    let found = utoipa_swagger_ui::serve(&name, config.clone());
    match found.map_err(|error| ApiError::internal(&error))? {
        Some(found) => Ok(file(&found.bytes, &found.content_type)),
        None => Err(ApiError::not_found()),
    }
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
