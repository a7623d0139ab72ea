//! Connections to other servers, over http or https.

use std::{sync::Arc, time::Duration};

use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier, client::WantsClientCert};

/// Opens connections.
pub type Connector = HttpsConnector<HttpConnector>;

/// A TLS configuration of its own: no process-wide provider has to be installed.
#[must_use]
pub fn tls() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring's suites serve TLS 1.2 and 1.3, the only versions there are")
}

/// To any server that the public authorities vouch for.
#[must_use]
pub fn connector() -> Connector {
    connector_with(tls().with_webpki_roots())
}

/// To servers that are trusted as this says.
#[must_use]
pub fn connector_with(trusting: ConfigBuilder<ClientConfig, WantsClientCert>) -> Connector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(30)));
    HttpsConnector::from((http, trusting.with_no_client_auth()))
}
