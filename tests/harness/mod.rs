//! What tests of the whole program are made of: a server of one's own, HTTP by hand, and clients and networks that misbehave.

#![expect(dead_code, reason = "each of the programs that share it uses a part")]

/// Whether servers keep their data in PostgreSQL, where nothing else is said.
pub const ON_POSTGRES: bool = false;
/// Whether clients connect by TLS, where nothing else is said.
pub const ON_TLS: bool = false;

#[path = "../cluster/mod.rs"]
pub mod cluster;

#[cfg(target_os = "linux")]
pub mod vanish;

pub mod certificate;

pub mod secure;

pub mod wire;

pub mod place;

pub mod pipes;

pub mod server;

pub mod proxy;

pub mod clients;
