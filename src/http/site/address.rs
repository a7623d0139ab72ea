//! This server's own address, as who asks has just reached it: for commands to copy.

use axum::http::{HeaderMap, header};

use super::visit::Visit;

/// `https://signals.example`: what the operator says, else as the browser names it.
#[must_use]
pub fn of(visit: &Visit) -> String {
    let config = &visit.site.state.config;
    match &config.public_url.0 {
        Some(url) => url.origin().ascii_serialization(),
        None => named(&visit.headers, !config.tls_cert.as_os_str().is_empty()),
    }
}

fn named(headers: &HeaderMap, speaks_tls: bool) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    // a name that no browser sends must not be run in a shell
    let host = match !host.is_empty() && host.bytes().all(plain) {
        true => host,
        false => "localhost",
    };
    let scheme = match speaks_tls || is_forwarded(headers) {
        true => "https",
        false => "http",
    };
    format!("{scheme}://{host}")
}

/// Whether a proxy says that it was asked by https, or is there and says nothing of that: those that one puts before a server end TLS.
fn is_forwarded(headers: &HeaderMap) -> bool {
    match headers.get("x-forwarded-proto") {
        Some(scheme) => scheme.as_bytes().eq_ignore_ascii_case(b"https"),
        None => ["x-forwarded-for", "forwarded", "via"]
            .iter()
            .any(|name| headers.contains_key(*name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_server_is_named_as_its_browsers_name_it() {
        let of = |host: &'static str, tls| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            named(&headers, tls)
        };
        assert_eq!(of("127.0.0.1:8080", false), "http://127.0.0.1:8080");
        assert_eq!(of("[::1]:8080", true), "https://[::1]:8080");
        assert_eq!(of("sig.example", true), "https://sig.example");
        assert_eq!(of("sig.example:8080", false), "http://sig.example:8080");
        assert_eq!(of("[::1]", false), "http://[::1]");
        assert_eq!(of("a';reboot;'", false), "http://localhost");
        assert_eq!(of("a$(id)", false), "http://localhost");
    }

    #[test]
    fn who_stands_behind_a_proxy_is_named_as_the_proxy_was_asked() {
        let of = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("sig.example"));
            headers.insert(name, HeaderValue::from_static(value));
            named(&headers, false)
        };
        assert_eq!(of("x-forwarded-proto", "https"), "https://sig.example");
        assert_eq!(of("x-forwarded-proto", "http"), "http://sig.example");
        assert_eq!(of("x-forwarded-for", "192.0.2.1"), "https://sig.example");
        assert_eq!(of("via", "1.1 a"), "https://sig.example");
        assert_eq!(of("accept", "*/*"), "http://sig.example");
    }
}
