//! What tests of the whole program are made of: a server of one's own, HTTP by hand, and clients and networks that misbehave.

#![expect(dead_code, reason = "each of the programs that share it uses a part")]

#[cfg(target_os = "linux")]
mod vanish;

pub mod wire;

pub mod server;

pub mod proxy;

pub mod clients;
