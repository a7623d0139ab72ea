//! A page's data as the very request of the API that gives it: to copy, and to run.

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, header};
use maud::{Markup, html};

use super::visit::Visit;

/// Where this server is asked, as the browser of who is signed in names it. Browsers keep a session over https, and on the machine itself.
fn origin(headers: &HeaderMap, speaks_tls: bool) -> String {
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

/// The command for a path and query of the API, percent-encoded. The key stays where the reader keeps it.
#[must_use]
pub fn command(visit: &Visit, path: &str) -> String {
    let speaks_tls = !visit.site.state.config.tls_cert.as_os_str().is_empty();
    let origin = origin(&visit.headers, speaks_tls);
    // the query is encoded; a path may hold a quote
    let path = path.replace('\'', "%27");
    format!("curl '{origin}{path}' \\\n  -H \"Authorization: Bearer $SIGCAST_KEY\"")
}

/// The same to read and to copy; `id` is its own on the page.
#[must_use]
pub fn shown(visit: &Visit, id: &str, path: &str) -> Markup {
    html! {
        details.curl {
            summary { "The same from the API" }
            pre #(id) { (command(visit, path)) }
            button.plain type="button" data-copy=(id) { "Copy as curl" }
        }
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
            origin(&headers, tls)
        };
        assert_eq!(of("127.0.0.1:8080", false), "http://127.0.0.1:8080");
        assert_eq!(of("[::1]:8080", true), "https://[::1]:8080");
        assert_eq!(of("sig.example", false), "https://sig.example");
        assert_eq!(of("[::1]", false), "http://[::1]");
        assert_eq!(of("127.example", false), "https://127.example");
        assert_eq!(of("a';reboot;'", false), "http://localhost");
    }
}
