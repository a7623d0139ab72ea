//! A request that the guard let through, and the answers that it can be given: with `meta`, tagged, page by page.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension, RequestPartsExt as _,
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::Known,
    data::{Counted, Freshness, PageKey},
    error::{ApiError, ApiResult},
    pages,
    reply::{self, TwoPieces},
    state::State,
};
use crate::{
    gate::{
        insider_query::{Format, InsiderQuery, Page},
        path_id::{AmfId, Slug, WebhookId},
    },
    model::time::Time,
    store::error::StoreResult,
};

/// A request's name in our logs and answers, and when it came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// As the client named it, or as we did: letters, digits, `-`, `_` and `.`.
    pub id: Arc<str>,
    /// By a clock that only goes forward.
    pub at: Instant,
}

impl Arrival {
    /// Of a request that has been given no name; it came now.
    #[must_use]
    pub fn nameless() -> Self {
        Arrival {
            id: "-".into(),
            at: Instant::now(),
        }
    }
}

/// What every answer under `/api/v1` says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Milliseconds that the server took.
    latency_ms: u64,
    /// When each kind of data last changed.
    data_freshness: Freshness,
    /// The request's name, as in `X-Request-Id`.
    request_id: String,
}

/// A request to answer.
pub struct Call {
    /// Shared by all.
    pub state: Arc<State>,
    known: Option<Known>,
    arrival: Arrival,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<State>> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> ApiResult<Self> {
        let unguarded =
            |_| ApiError::internal(&"a path that answers calls stands outside the guard");
        let Extension(arrival) = parts
            .extract::<Extension<Arrival>>()
            .await
            .map_err(unguarded)?;
        Ok(Call {
            state: state.clone(),
            known: parts.extensions.get::<Known>().cloned(),
            arrival,
            headers: parts.headers.clone(),
        })
    }
}

/// The query of a request, read by its table.
pub struct Asked<Q>(pub Q);

impl<Q: InsiderQuery> FromRequestParts<Arc<State>> for Asked<Q> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Asked(Q::parse(query, &state.data.markets())?))
    }
}

/// A company's slug in a path.
pub struct CompanyPath(pub Slug);
/// An insider's slug in a path.
pub struct InsiderPath(pub Slug);
/// A declaration's amfId in a path, raw or percent-encoded.
pub struct DeclarationPath(pub AmfId);

/// A webhook's id in a path.
pub struct WebhookPath(pub WebhookId);

/// The only variable part of a path, decoded; `None` where it cannot be.
async fn part(parts: &mut Parts) -> Option<String> {
    let path = parts.extract::<axum::extract::Path<String>>().await;
    path.ok().map(|axum::extract::Path(text)| text)
}

macro_rules! named_by_path {
    ($path:ident, $name:ident, $missing:ident) => {
        impl<S: Send + Sync> FromRequestParts<S> for $path {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
                let text = part(parts).await;
                let name = text.as_deref().and_then($name::parse);
                name.map($path).ok_or_else(ApiError::$missing)
            }
        }
    };
}

named_by_path!(CompanyPath, Slug, company_not_found);
named_by_path!(InsiderPath, Slug, insider_not_found);
named_by_path!(DeclarationPath, AmfId, declaration_not_found);
named_by_path!(WebhookPath, WebhookId, webhook_not_found);

impl Call {
    /// Who asks; 401 where it is nobody who has a key.
    pub fn known(&self) -> ApiResult<&Known> {
        self.known.as_ref().ok_or_else(ApiError::missing_key)
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Time {
        self.state.clock.now()
    }

    /// How many there are, counted once for each version of the data.
    pub async fn total(
        &self,
        of: Counted,
        count: impl Future<Output = StoreResult<i64>>,
    ) -> ApiResult<u64> {
        let version = self.state.data.version();
        let counts = &self.state.data.counts;
        if let Some(known) = counts.get(version, &of) {
            return Ok(known);
        }
        let counted = u64::try_from(count.await?).unwrap_or(0);
        counts.put(version, of, counted);
        Ok(counted)
    }

    /// 200 with this object and `meta`, or 304.
    pub fn json<T: Serialize>(&self, body: &T) -> ApiResult {
        Ok(self.object(to_json(body)?))
    }

    /// 200 with an object and `meta`, or 304. Made once for each version of the data.
    pub async fn page(
        &self,
        key: PageKey,
        make: impl Future<Output = ApiResult<Vec<u8>>>,
    ) -> ApiResult {
        // before the data is read: what changes meanwhile may be in the page, but the page is never older than its version
        let version = self.state.data.version();
        let pages = &self.state.data.pages;
        let page = match pages.get(version, &key) {
            Some(page) => page,
            None => {
                let page = Arc::new(pages::Page::of(make.await?));
                pages.put(version, key, page.clone());
                page
            }
        };
        Ok(self.answer(&page))
    }

    /// JSON of a page of a list.
    pub fn list<T: Serialize>(page: &Page, total: u64, items: &[T]) -> ApiResult<Vec<u8>> {
        to_json(&List {
            total,
            limit: page.limit,
            offset: page.offset,
            items,
        })
    }

    /// The same with items that are JSON already.
    pub fn list_of_texts<S: AsRef<str>>(page: &Page, total: u64, items: &[S]) -> Vec<u8> {
        let length: usize = items.iter().map(|item| item.as_ref().len() + 1).sum();
        let head = format!(
            "{{\"total\":{total},\"limit\":{},\"offset\":{},\"items\":[",
            page.limit, page.offset
        );
        let mut text = Vec::with_capacity(head.len() + length + 2);
        text.extend_from_slice(head.as_bytes());
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            text.extend_from_slice(item.as_ref().as_bytes());
        }
        text.extend_from_slice(b"]}");
        text
    }

    /// 200 with bytes that are what they are, without `meta`, or 304.
    pub fn bytes(&self, text: String) -> Response {
        reply::tagged(&self.headers, text.as_bytes(), || Body::from(text.clone()))
    }

    /// Whether a list is wanted as a file: by its `format` or, where that says nothing, by `Accept`.
    #[must_use]
    pub fn wants_csv(&self, page: &Page) -> bool {
        match page.format {
            Some(format) => format == Format::Csv,
            None => reply::wants_csv(&self.headers),
        }
    }

    /// This status with an object and `meta`, for nobody to keep: what was done, or what is said only once.
    pub fn done<T: Serialize>(&self, status: StatusCode, body: &T) -> ApiResult {
        let page = pages::Page::of(to_json(body)?);
        let mut text = page.open.to_vec();
        text.extend_from_slice(self.last_member().as_bytes());
        // proof: what was serialised is UTF-8
        let mut response = reply::json_text(String::from_utf8(text).unwrap_or_default());
        *response.status_mut() = status;
        Ok(response)
    }

    /// 200 with a JSON object of one member at least, of which `meta` becomes the last; or 304.
    pub fn object(&self, object: Vec<u8>) -> Response {
        self.answer(&pages::Page::of(object))
    }

    fn answer(&self, page: &pages::Page) -> Response {
        reply::with_tag(&self.headers, page.tag.clone(), || {
            TwoPieces::body(page.open.clone(), self.last_member().into())
        })
    }

    fn last_member(&self) -> String {
        // proof: a number, times and a text always serialise
        let meta = serde_json::to_string(&self.meta()).unwrap_or_default();
        [",\"meta\":", &meta, "}"].concat()
    }

    fn meta(&self) -> Meta {
        let took = self.arrival.at.elapsed().as_millis();
        Meta {
            latency_ms: u64::try_from(took).unwrap_or(u64::MAX),
            data_freshness: self.state.data.freshness(),
            request_id: self.arrival.id.to_string(),
        }
    }
}

/// JSON of any value.
pub fn to_json<T: Serialize>(value: &T) -> ApiResult<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))
}

#[derive(Serialize)]
struct List<'a, T> {
    total: u64,
    limit: u32,
    offset: u64,
    items: &'a [T],
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, http::Request, routing::get};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    async fn ask(path: &str) -> (u16, String) {
        let router: Router = Router::new()
            .route("/d/{id}", get(async |DeclarationPath(id)| id.0))
            .route("/d/{id}/score", get(async |DeclarationPath(id)| id.0))
            .route("/c/{slug}", get(async |CompanyPath(slug)| slug.0))
            .route("/i/{slug}", get(async |InsiderPath(slug)| slug.0));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ids_in_paths_may_be_raw_or_encoded() {
        let id = "SEC:0001127602-25-009876";
        for path in [
            format!("/d/{id}"),
            format!("/d/{}", id.replace(':', "%3A")),
            format!("/d/{}/score", id.replace(':', "%3a").replace('-', "%2D")),
        ] {
            assert_eq!(ask(&path).await, (200, id.to_owned()), "{path}");
        }
        for (path, code) in [
            ("/d/%20", "declaration_not_found"),
            ("/d/%FF", "declaration_not_found"),
            ("/c/L%27Oreal", "company_not_found"),
            ("/i/a%2Fb", "insider_not_found"),
        ] {
            let (status, body) = ask(path).await;
            assert!(status == 404 && body.contains(code), "{path}: {body}");
        }
    }
}
