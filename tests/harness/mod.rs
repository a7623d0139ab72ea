//! What tests of the whole program are made of: a server of one's own, HTTP by hand, and clients and networks that misbehave.

#![expect(dead_code, reason = "each of the programs that share it uses a part")]

/// Whether servers keep their data in PostgreSQL, where nothing else is said.
pub const ON_POSTGRES: bool = false;
/// What clients speak in TLS, where nothing else is said: they connect without it.
pub const IN_TLS: Option<secure::Protocol> = None;
/// Settings of all servers.
pub const OF_ALL: [(&str, &str); 0] = [];

#[path = "../cluster/mod.rs"]
pub mod cluster;

#[cfg(target_os = "linux")]
pub mod vanish;

pub mod certificate;

pub mod bridge;

pub mod secure;

pub mod frames;

pub mod wire;

pub mod place;

pub mod pipes;

pub mod server;

pub mod proxy;

pub mod clients;

pub mod installs;

pub mod libraries;

#[path = "../receiver/mod.rs"]
pub mod receiver;
