//! A visit: one request for a page, and who is signed in, if anybody is.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts},
};
use sha2::{Digest as _, Sha256};

use super::kept::Kept;
use crate::{
    http::{
        call::Arrival,
        caller::Known,
        error::{ApiError, ApiResult},
        reads::Reads,
        state::State,
        tries::Tries,
    },
    model::{address::ClientAddress, key::KeyHash, time::Time},
};

/// What all pages of a listener share.
pub struct Site {
    /// What all handlers share.
    pub state: Arc<State>,
    /// What the API answers.
    pub reads: Reads,
    /// The signals that everybody may see.
    pub public_feed: Kept,
    /// How the server does, for everybody.
    pub standing: Kept,
    /// Wrong keys of late: each listener's are its own, so that nobody keeps the operator out.
    pub tries: Tries,
}

impl Site {
    /// Of a listener.
    #[must_use]
    pub fn new(state: Arc<State>, reads: Reads) -> Arc<Self> {
        Arc::new(Site {
            state,
            reads,
            public_feed: Kept::default(),
            standing: Kept::default(),
            tries: Tries::default(),
        })
    }
}

/// The cookie of who is signed in by a key; browsers take it from this very host alone, and only over what they trust.
pub const COOKIE: &str = "__Host-sigcast";
/// The same of who is signed in by the admin token: cookies know no ports.
pub const ADMIN_COOKIE: &str = "__Host-sigcast-admin";

const HTMX: HeaderName = HeaderName::from_static("hx-request");
const CURRENT_URL: HeaderName = HeaderName::from_static("hx-current-url");
/// It goes back to a page that was there before, and wants all of it.
const RESTORES: HeaderName = HeaderName::from_static("hx-history-restore-request");

/// Who is signed in.
#[derive(Clone)]
pub struct Session {
    /// By which key.
    pub known: Known,
    /// The digest of the cookie.
    pub hash: KeyHash,
    /// When it ends by itself.
    pub expires_at: Time,
}

impl Session {
    /// The same browser, signed in by another key.
    pub async fn by(state: &State, holder: KeyHash, before: &Session) -> ApiResult<Self> {
        let known = state.callers.find_by(holder).await?;
        Ok(Session {
            known: known.ok_or_else(ApiError::invalid_key)?,
            hash: before.hash,
            expires_at: before.expires_at,
        })
    }
}

/// A request for a page.
pub struct Visit {
    /// What all pages share.
    pub site: Arc<Site>,
    /// What is asked for.
    pub uri: Uri,
    /// The request's fields.
    pub headers: HeaderMap,
    /// Its name, and when it came.
    pub arrival: Arrival,
    /// From where.
    pub client: Option<ClientAddress>,
    session: ApiResult<Option<Session>>,
}

impl Visit {
    /// Who is signed in; nobody where the database does not say.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref().ok().and_then(Option::as_ref)
    }

    /// Who is signed in, or why that is not known.
    pub fn known_session(&self) -> Result<Option<&Session>, &ApiError> {
        self.session.as_ref().map(Option::as_ref)
    }

    /// Whether a part of a page is asked for, by htmx, rather than a page.
    #[must_use]
    pub fn wants_part(&self) -> bool {
        self.headers.contains_key(HTMX) && !self.headers.contains_key(RESTORES)
    }

    /// The page that is seen: where a part of it is asked for, that is not what is asked for.
    #[must_use]
    pub fn page(&self) -> String {
        let current = self.headers.get(CURRENT_URL);
        let current = current.and_then(|url| url.to_str().ok()?.parse::<Uri>().ok());
        match current.as_ref().and_then(Uri::path_and_query) {
            Some(path) if self.wants_part() => path.to_string(),
            _ => self.here().to_owned(),
        }
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Time {
        self.site.state.clock.now()
    }

    /// Where to go back to: path and query.
    #[must_use]
    pub fn here(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        let arrival = parts.extensions.get::<Arrival>().cloned();
        let session = match cookie(&parts.headers, COOKIE) {
            Some(hash) => session(&site.state, hash).await,
            None => Ok(None),
        };
        Ok(Visit {
            site: site.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            // every request has been given one
            arrival: arrival.unwrap_or_else(Arrival::nameless),
            client: parts.extensions.get::<ClientAddress>().copied(),
            session,
        })
    }
}

/// Who is signed in by a cookie. The key counts as it does over REST: what is revoked signs nobody in.
async fn session(state: &State, hash: KeyHash) -> ApiResult<Option<Session>> {
    let now = state.clock.now();
    let Some(session) = state.db.session(&hash, now).await? else {
        return Ok(None);
    };
    let Some(known) = state.callers.find_by(session.holder).await? else {
        return Ok(None);
    };
    let counts = known.holder.check_key(now).is_ok();
    Ok(counts.then_some(Session {
        known,
        hash,
        expires_at: session.expires_at,
    }))
}

/// The digest of a cookie, where there is one of this name alone.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<KeyHash> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    let mut found = pairs.filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let value = found.next()?;
    // two of one name: one of them is not ours
    found.next().is_none().then(|| digest(value))
}

/// What is kept of a cookie.
#[must_use]
pub fn digest(value: &str) -> KeyHash {
    KeyHash(Sha256::digest(value.as_bytes()).into())
}

/// `Set-Cookie`: this value for so many seconds; 0 seconds: no cookie any more.
#[must_use]
pub fn set_cookie(name: &str, value: &str, seconds: i64) -> HeaderValue {
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    // proof: hexadecimal digits and the words above are visible ASCII
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// 403 unless a request that changes something comes from a page of this very host, and of one that a browser keeps a session for: whoever stands
/// on the way can write into any other.
pub fn check_origin(headers: &HeaderMap) -> ApiResult<()> {
    check_host(headers)?;
    match keeps_sessions(headers) {
        true => Ok(()),
        false => Err(ApiError::foreign_origin()),
    }
}

/// Whether a browser keeps a session for the page that it sends a form from: over https, and on the machine itself.
#[must_use]
pub fn keeps_sessions(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|at| at.to_str().ok());
    match origin.and_then(|origin| origin.split_once("://")) {
        Some(("https", _)) => true,
        Some(("http", host)) => is_here(host),
        _ => false,
    }
}

/// Whether a host, with or without its port, is the machine itself.
fn is_here(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    };
    let is_loopback = name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    name == "localhost" || name.ends_with(".localhost") || name == "[::1]" || is_loopback
}

/// 403 unless a form comes from a page of this very host, by whatever scheme.
pub fn check_host(headers: &HeaderMap) -> ApiResult<()> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().and_then(|origin| origin.to_str().ok());
    let same = match (origin.and_then(|origin| origin.split_once("://")), host) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    };
    match same && origins.next().is_none() {
        true => Ok(()),
        false => Err(ApiError::foreign_origin()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others_and_never_twice() {
        let one = headers(&[(header::COOKIE, "a=b; __Host-sigcast=x; c=d")]);
        assert_eq!(cookie(&one, COOKIE), Some(digest("x")));
        assert_eq!(cookie(&one, ADMIN_COOKIE), None);
        let twice = headers(&[
            (header::COOKIE, "__Host-sigcast=x"),
            (header::COOKIE, "__Host-sigcast=y"),
        ]);
        assert_eq!(cookie(&twice, COOKIE), None);
        let other = headers(&[(
            header::COOKIE,
            "x__Host-sigcast=x; __Host-sigcast-admin=y; =; ;",
        )]);
        assert_eq!(cookie(&other, COOKIE), None);
        assert_eq!(cookie(&other, ADMIN_COOKIE), Some(digest("y")));
    }

    #[test]
    fn what_changes_something_comes_from_the_same_host() {
        let from = |host, origin| {
            check_origin(&headers(&[(header::HOST, host), (header::ORIGIN, origin)])).is_ok()
        };
        assert!(from("sig.example", "https://sig.example"));
        assert!(from("127.0.0.1:8080", "http://127.0.0.1:8080"));
        assert!(!from("sig.example", "https://sig.example.evil.example"));
        assert!(!from("sig.example", "https://evil.example"));
        assert!(!from("127.0.0.1:8080", "http://127.0.0.1:8081"));
        assert!(!from("sig.example", "null"));
        // nobody on the way speaks for a page that came by https
        assert!(!from("sig.example", "http://sig.example"));
        assert!(!from("127.example", "http://127.example"));
        assert!(!from("sig.example", "ftp://sig.example"));
        assert!(from("[::1]:8080", "http://[::1]:8080"));
        assert!(from("demo.localhost", "http://demo.localhost"));
        assert!(check_origin(&headers(&[(header::HOST, "sig.example")])).is_err());
        let two = [
            (header::HOST, "a"),
            (header::ORIGIN, "http://a"),
            (header::ORIGIN, "http://a"),
        ];
        assert!(check_origin(&headers(&two)).is_err());
    }
}
