//! Settings of the listeners.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::address::Network;

/// What the door lets in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Of the main listener: the file with the server's certificate and those in between, in PEM; empty: it speaks plain HTTP.
    pub tls_cert: PathBuf,
    /// The file with the certificate's key, in PEM.
    pub tls_key: PathBuf,
    /// Seconds within which a request's head must have come.
    pub header_seconds: u64,
    /// Connections at once; 0: the descriptor limit less 256.
    pub max_connections: usize,
    /// Connections at once from one address, an IPv6 /64 counting as one; 0: no limit.
    pub max_connections_per_address: usize,
    /// Streams that one key may open within a minute; 0: no limit.
    pub connects_per_minute: usize,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Bytes of a request's body, but for admin ingest.
    pub max_body_bytes: usize,
    /// Origins that browsers may call from; `*` is any.
    pub cors_origins: Vec<String>,
    /// Seconds over which a shutdown spreads its farewells.
    pub drain_seconds: u64,
    /// Seconds for which a stream ticket may be spent.
    pub ticket_seconds: u64,
    /// Whether there are pages for people beside the API.
    pub pages: bool,
    /// Hours after which who is signed in to the pages has to sign in again.
    pub session_hours: u32,
    /// Whether who is not signed in sees signals in the pages.
    pub public_signals: bool,
    /// Minutes that these signals are old at least.
    pub public_after_minutes: u32,
    /// Streams that pages show at once to who is signed in by one key, beside the key's own.
    pub views_per_key: u8,
}

/// Bytes of a request's head.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Fields of a request's head.
pub const MAX_HEAD_FIELDS: usize = 64;
