//! All settings. Each room owns its own part; their defaults and reasons stand in `config.default.toml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    http, hub,
    ingest::{edgar, insider, pipeline},
    model::account::Plans,
    score,
    store::{postgres, sqlite},
    webhook,
};

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the server listens and lives.
    pub server: Server,
    /// The listeners.
    pub http: http::config::Config,
    /// Calls without a key.
    pub sandbox: http::config::Sandbox,
    /// The streams.
    pub stream: hub::config::Config,
    /// The signal log.
    pub log: Log,
    /// What is known of deliveries.
    pub deliveries: Deliveries,
    /// The pipeline.
    pub ingest: pipeline::Config,
    /// The consensus engine.
    pub consensus: score::config::Config,
    /// The insider engine.
    pub insider: insider::config::Config,
    /// The second channel.
    pub webhook: webhook::config::Config,
    /// Following EDGAR.
    pub edgar: edgar::config::Config,
    /// The database, where it is SQLite.
    pub store: sqlite::Config,
    /// The database, where it is PostgreSQL.
    pub database: postgres::Config,
    /// What accounts may do.
    pub plans: Plans,
}

/// Where the server listens and lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Main listener.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Admin listener.
    #[serde(deserialize_with = "address")]
    pub admin_listen: SocketAddr,
    /// Admin token and lock; the database, where it is SQLite.
    pub data_dir: PathBuf,
}

/// The signal log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// 0 keeps all.
    pub retention_days: u32,
}

/// What is known of deliveries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliveries {
    /// How long what was written to streams is known; 0: as long as the log is kept.
    pub days: u32,
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        D::Error::custom(format_args!(
            "`{text}` is no address and port such as 127.0.0.1:8080 or [::1]:8080"
        ))
    })
}
