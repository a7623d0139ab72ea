//! What may be set of webhooks; defaults and reasons stand in `config.default.toml`.

use std::path::PathBuf;

use serde::Deserialize;

use super::target::Allowed;
use crate::model::address::Network;

/// Settings of webhooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `http:` URLs as well.
    pub allow_http: bool,
    /// Networks that webhooks may go to although they are not the public internet's.
    pub allow_subnets: Vec<Network>,
    /// Where the key is that seals secrets; empty: `webhook.key` in the data directory.
    pub key_file: PathBuf,
    /// Certificate authorities trusted beside the public ones, in PEM; empty: none.
    pub ca_file: PathBuf,
    /// How long attempts are listed, in days; 0 keeps all.
    pub attempt_days: u32,
}

impl Config {
    /// Where webhooks may go.
    #[must_use]
    pub fn allowed(&self) -> Allowed {
        Allowed {
            http: self.allow_http,
            networks: self.allow_subnets.clone(),
        }
    }
}
