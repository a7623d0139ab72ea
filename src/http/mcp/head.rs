//! What is looked at before a message is read: by which name the server was called, which page asks, and what it takes for an answer.

use std::net::IpAddr;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts, uri::Authority,
};
use rmcp::model::ProtocolVersion;
use url::Url;

use crate::http::{
    config::Config,
    error::{ApiError, ApiResult},
    reply,
};

/// Which revision of the protocol a message is of.
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The message's method once more, in revisions from 2026-07-28 on.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// What the method is about once more, likewise.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The revisions that are spoken here, the oldest first. Earlier ones have batches, or another transport.
pub const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// By which names the server may be called, and which pages may ask.
#[derive(Clone, Debug)]
pub struct Names {
    host: Option<String>,
    origins: Vec<String>,
    any_origin: bool,
}

impl Names {
    /// By the settings: the public URL, and the pages that may call the API.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let public = config.public_url.0.as_ref();
        let listed = config.cors_origins.iter().map(|text| origin_of(text));
        let own = public.map(|url| url.origin().ascii_serialization());
        Names {
            host: public.and_then(Url::host_str).map(bare),
            origins: listed.flatten().chain(own).collect(),
            any_origin: config.cors_origins.iter().any(|origin| origin == "*"),
        }
    }

    /// 403 for a name or a page that is not the server's. A page elsewhere can have its own name lead to this server (DNS rebinding), and a
    /// browser would take its requests for its own; it cannot do so by an address, or by `localhost`.
    pub fn check(&self, headers: &HeaderMap) -> ApiResult<()> {
        let called = headers.get(header::HOST).and_then(authority);
        let Some(called) = called.filter(|called| self.is_own(called)) else {
            return Err(forbidden(
                "forbidden_host",
                "The server is not called so. Its operator names it by the setting http.public_url.",
            ));
        };
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let allowed = origins.all(|origin| {
            let origin = origin.to_str().ok().and_then(origin_of);
            origin.is_some_and(|origin| self.may_ask(&origin, &called))
        });
        if allowed {
            Ok(())
        } else {
            Err(forbidden(
                "forbidden_origin",
                "Pages of this origin may not ask here. The operator lists those that may in the setting http.cors_origins.",
            ))
        }
    }

    fn is_own(&self, called: &Authority) -> bool {
        let name = bare(called.host());
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.host.as_ref() == Some(&name)
    }

    /// Pages that are listed, and the server's own.
    fn may_ask(&self, origin: &str, called: &Authority) -> bool {
        let own = || {
            let of = |scheme: &str| origin_of(&format!("{scheme}://{called}"));
            ["http", "https"]
                .iter()
                .any(|scheme| of(scheme).as_deref() == Some(origin))
        };
        self.any_origin || self.origins.iter().any(|one| one == origin) || own()
    }
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    Authority::try_from(value.as_bytes()).ok()
}

/// In lower case, an IPv6 address without its brackets.
fn bare(host: &str) -> String {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).to_ascii_lowercase()
}

/// As browsers write it; `null` and what is no URL is nobody's.
fn origin_of(text: &str) -> Option<String> {
    let origin = Url::parse(text).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

fn forbidden(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

/// 406 where JSON is not wanted: nothing else is answered.
pub fn check_accept(headers: &HeaderMap) -> ApiResult<()> {
    let kinds = ["application/json", "application/*", "*/*"];
    let named = |kind: &&str| reply::weight(headers, &header::ACCEPT, kind);
    let weight = kinds.iter().find_map(named);
    if !headers.contains_key(header::ACCEPT) || weight.is_some_and(|weight| weight > 0) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        "Answers are application/json, which `Accept` does not take.",
    ))
}

/// The revision that the head names, where it is none that is spoken here. Where it names none, the message says which it is of.
pub fn unknown_version(headers: &HeaderMap) -> Option<String> {
    let mut named = headers.get_all(VERSION).iter();
    let is_spoken = |value: &HeaderValue| VERSIONS.iter().any(|one| one.as_str() == value);
    let unknown = named.find(|value| !is_spoken(value))?;
    let shown = String::from_utf8_lossy(unknown.as_bytes());
    Some(shown.chars().take(60).collect())
}

/// Whether the head leaves out, or says otherwise, which method the message has, where its revision has the head say so: whoever goes by the head
/// on the way must not be led past. Greetings come before a revision is agreed upon.
pub fn hides_method(headers: &HeaderMap, method: &str) -> bool {
    let mut versions = headers.get_all(VERSION).iter();
    if method == "initialize" || !versions.any(|one| one == ProtocolVersion::V_2026_07_28.as_str())
    {
        return false;
    }
    let mut named = headers.get_all(METHOD).iter();
    named.next().is_none_or(|one| one != method) || named.next().is_some()
}

/// The head that the library is shown: what was checked here must not be refused there in other words.
pub fn checked(mut parts: Parts) -> Parts {
    let takes = HeaderValue::from_static("application/json, text/event-stream");
    parts.headers.insert(header::ACCEPT, takes);
    let kind = HeaderValue::from_static("application/json");
    parts.headers.insert(header::CONTENT_TYPE, kind);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.uri = Uri::from_static(crate::http::guard::MCP);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(public: &str, origins: &[&str]) -> Names {
        let parsed = Url::parse(public).ok();
        let listed = origins.iter().filter_map(|origin| origin_of(origin));
        let own = parsed
            .as_ref()
            .map(|url| url.origin().ascii_serialization());
        Names {
            host: parsed.as_ref().and_then(Url::host_str).map(bare),
            origins: listed.chain(own).collect(),
            any_origin: origins.contains(&"*"),
        }
    }

    fn head(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = fields.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (name.clone(), value)
        });
        pairs.collect()
    }

    #[test]
    fn the_server_is_called_by_its_own_names() {
        let named = names("https://Signals.example.com:8443", &[]);
        let unnamed = names("", &[]);
        let check = |names: &Names, host: &str| names.check(&head(&[(header::HOST, host)]));
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "192.0.2.7:80"] {
            assert!(
                check(&named, host).is_ok() && check(&unnamed, host).is_ok(),
                "{host}"
            );
        }
        for host in ["signals.example.com", "SIGNALS.example.com:8443"] {
            assert!(
                check(&named, host).is_ok() && check(&unnamed, host).is_err(),
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "signals.example.com.evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.example",
            "",
        ] {
            assert!(
                check(&named, host).is_err() && check(&unnamed, host).is_err(),
                "{host}"
            );
        }
    }

    #[test]
    fn pages_ask_where_they_are_listed_or_at_home() {
        let named = names("https://signals.example.com", &["https://app.example.com"]);
        let check = |names: &Names, host: &str, origin: &str| {
            let fields = [(header::HOST, host), (header::ORIGIN, origin)];
            names.check(&head(&fields)).is_ok()
        };
        for origin in [
            "https://app.example.com",
            "https://app.example.com:443",
            "https://signals.example.com",
        ] {
            assert!(check(&named, "signals.example.com", origin), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "http://app.example.com",
            "null",
            "",
            "x",
        ] {
            assert!(!check(&named, "signals.example.com", origin), "{origin}");
        }
        assert!(check(
            &names("", &[]),
            "127.0.0.1:8080",
            "http://127.0.0.1:8080"
        ));
        assert!(!check(
            &names("", &[]),
            "127.0.0.1:8080",
            "http://127.0.0.1:9090"
        ));
        assert!(check(
            &names("", &["*"]),
            "localhost",
            "https://anybody.example"
        ));
    }

    #[test]
    fn json_has_to_be_wanted() {
        let takes = |accept: &str| check_accept(&head(&[(header::ACCEPT, accept)])).is_ok();
        assert!(check_accept(&HeaderMap::new()).is_ok());
        for accept in [
            "application/json, text/event-stream",
            "*/*",
            "application/*;q=0.1",
        ] {
            assert!(takes(accept), "{accept}");
        }
        for accept in [
            "text/event-stream",
            "text/html",
            "application/json;q=0, */*",
        ] {
            assert!(!takes(accept), "{accept}");
        }
    }

    #[test]
    fn revisions_are_known_or_named() {
        assert_eq!(unknown_version(&HeaderMap::new()), None);
        for known in VERSIONS {
            assert_eq!(unknown_version(&head(&[(VERSION, known.as_str())])), None);
        }
        for unknown in ["2025-03-26", "1999-01-01", ""] {
            let said = unknown_version(&head(&[(VERSION, unknown)]));
            assert_eq!(said.as_deref(), Some(unknown));
        }
    }

    #[test]
    fn the_head_names_the_method_where_the_revision_wants_it() {
        let hides = |version: &str, methods: &[&str]| {
            let methods = methods.iter().map(|method| (METHOD, *method));
            let fields: Vec<_> = methods.chain([(VERSION, version)]).collect();
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            hides_method(&headers, "tools/call")
        };
        for methods in [&[][..], &["tools/list"], &["tools/call", "tools/call"]] {
            assert!(hides("2026-07-28", methods), "{methods:?}");
            assert!(!hides("2025-11-25", methods), "{methods:?}");
        }
        assert!(!hides("2026-07-28", &["tools/call"]));
        let greeting = head(&[(VERSION, "2026-07-28")]);
        assert!(!hides_method(&greeting, "initialize"));
    }
}
