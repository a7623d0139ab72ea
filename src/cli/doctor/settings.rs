//! Settings with consequences: what is allowed, and may still surprise somebody.

use super::finding::Finding;
use crate::config::settings::Settings;

/// Load balancers close what is silent for a minute, some of them sooner.
const SILENT_SECONDS: u64 = 55;

/// Looks at them.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    let http = &settings.http;
    let admin = settings.server.admin_listen;
    if !admin.ip().is_loopback() {
        found.push(Finding::warn(
            "settings",
            format!("server.admin_listen is {admin}: whoever reaches it and has the token may do everything, and the token goes over it in the clear"),
            "keep it on loopback or on a network of your own, behind a firewall",
        ));
    }
    if http
        .trusted_proxies
        .iter()
        .any(|network| network.is_everything())
    {
        found.push(Finding::fail(
            "settings",
            "http.trusted_proxies names every address there is: any client may call itself whatever it likes",
            "name your own proxies alone",
        ));
    }
    if http.max_connections_per_address > 0 && http.trusted_proxies.is_empty() {
        found.push(Finding::warn(
            "settings",
            format!(
                "http.max_connections_per_address is {}, and no proxy is trusted: behind one, all clients count as one address",
                http.max_connections_per_address
            ),
            "where there is a proxy, name it in http.trusted_proxies",
        ));
    }
    if http.connects_per_minute > 0 {
        found.push(Finding::warn(
            "settings",
            format!(
                "http.connects_per_minute is {}: beyond it clients get a 429, after which most of them stop for good",
                http.connects_per_minute
            ),
            "set it well above what a client on a bad network needs, or to 0",
        ));
    }
    if http.cors_origins.iter().any(|origin| origin == "*") {
        found.push(Finding::warn(
            "settings",
            "http.cors_origins is `*`: any page may call the API, with a key or a ticket that it has",
            "name the origins of your own pages",
        ));
    }
    if settings.stream.ping_seconds > SILENT_SECONDS {
        found.push(Finding::warn(
            "settings",
            format!(
                "stream.ping_seconds is {}: proxies on the way close streams that are silent for a minute, and dead peers are found late",
                settings.stream.ping_seconds
            ),
            "25 is the field's custom",
        ));
    }
    if settings.log.retention_days > 0 {
        found.push(Finding::ok(
            "settings",
            format!(
                "log.retention_days is {}: a client away for longer gets a `gap`",
                settings.log.retention_days
            ),
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "settings",
            "none of them has surprising consequences",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, super::finding::worst, *};
    use crate::config::load;

    fn with(key: &str, value: &str) -> Vec<Finding> {
        let settings = load::load(None, std::iter::empty(), &[(key, value.to_owned())]).unwrap();
        check(&settings)
    }

    #[test]
    fn what_may_surprise_is_said_with_its_name() {
        for (key, value, level) in [
            ("server.admin_listen", "\"0.0.0.0:1\"", Level::Warn),
            ("http.trusted_proxies", "[\"0.0.0.0/0\"]", Level::Fail),
            ("http.max_connections_per_address", "5", Level::Warn),
            ("http.connects_per_minute", "5", Level::Warn),
            ("http.cors_origins", "[\"*\"]", Level::Warn),
            ("stream.ping_seconds", "60", Level::Warn),
            ("log.retention_days", "7", Level::Ok),
        ] {
            let found = with(key, value);
            assert_eq!(worst(&found), level, "{key}");
            assert!(found.iter().any(|one| one.found.contains(key)), "{found:?}");
        }
        assert_eq!(worst(&with("stream.ping_seconds", "25")), Level::Ok);
    }
}
