//! The API's own description: `/openapi.json`, and a page at `/docs` that shows it. The page's files are in the program:
//! it asks no other host for anything, and its policy forbids it to.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use tokio::sync::OnceCell;
use utoipa_swagger_ui::Config;

use super::{
    assets::{AN_HOUR, Asset, file, public},
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
    public(&mut response, AN_HOUR);
    response
}

/// `/docs`
pub async fn page() -> Response {
    let mut response = file(PAGE.as_bytes(), "text/html; charset=utf-8", AN_HOUR);
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
        let kind = "text/javascript; charset=utf-8";
        return Ok(file(START.as_bytes(), kind, AN_HOUR));
    }
    let place = ASSETS.iter().position(|known| *known == name);
    let made = place.and_then(|place| MADE.get(place));
    let made = made.ok_or_else(ApiError::not_found)?;
    let asset = made.get_or_try_init(|| make(&name)).await?;
    Ok(asset.answer(&headers, AN_HOUR))
}

async fn make(name: &str) -> ApiResult<Asset> {
    let config = Arc::new(Config::new(["/openapi.json"]));
    let found = utoipa_swagger_ui::serve(name, config);
    let found = found.map_err(|error| ApiError::internal(&error))?;
    let found = found.ok_or_else(ApiError::not_found)?;
    Asset::of(Bytes::from(found.bytes.into_owned()), found.content_type).await
}
