//! This server's own address, as who asks has just reached it: for commands to copy.

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, header};

use super::visit::Visit;

/// `https://signals.example`: what the operator says, else as the browser names it. Browsers keep a session over https, and on the machine itself.
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
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    };
    let is_loopback = name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    let here = name == "localhost" || name == "[::1]" || is_loopback;
    let scheme = if here && !speaks_tls { "http" } else { "https" };
    format!("{scheme}://{host}")
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
        assert_eq!(of("sig.example", false), "https://sig.example");
        assert_eq!(of("[::1]", false), "http://[::1]");
        assert_eq!(of("127.example", false), "https://127.example");
        assert_eq!(of("a';reboot;'", false), "http://localhost");
        assert_eq!(of("a$(id)", false), "http://localhost");
    }
}
