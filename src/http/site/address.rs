//! This server's own address, as who asks has just reached it: for commands to copy.

use axum::http::{HeaderMap, header};

use super::visit::Visit;

/// `https://signals.example`; of a host that could be anything else, `http://localhost:8080`.
#[must_use]
pub fn of(visit: &Visit) -> String {
    let tls = !visit.site.state.config.tls_cert.as_os_str().is_empty();
    from(&visit.headers, tls)
}

fn from(headers: &HeaderMap, tls: bool) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).filter(|host| is_host(host));
    let Some(host) = host else {
        return "http://localhost:8080".to_owned();
    };
    // a proxy that ends TLS says so; it is shown to who sent it, and to nobody else
    let behind = text("x-forwarded-proto") == Some("https");
    let scheme = if tls || behind { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Nothing that a shell, or a script, reads as anything but a host.
fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn it_is_the_host_that_was_asked_and_nothing_that_a_shell_would_run() {
        let from = |fields: &[(&'static str, &'static str)], tls| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            from(&headers, tls)
        };
        assert_eq!(
            from(&[("host", "sig.example:8443")], true),
            "https://sig.example:8443"
        );
        assert_eq!(from(&[("host", "[::1]:8080")], false), "http://[::1]:8080");
        let behind = [("host", "sig.example"), ("x-forwarded-proto", "https")];
        assert_eq!(from(&behind, false), "https://sig.example");
        for odd in ["$(rm -rf /)", "a b", "a;b", "", "a\"b", "a`b"] {
            assert_eq!(
                from(&[("host", odd)], false),
                "http://localhost:8080",
                "{odd}"
            );
        }
    }
}
