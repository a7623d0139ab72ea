//! What every database behind the store must keep: one body for each promise, run on all of them, each on a fresh one.

#![expect(
    clippy::unwrap_used,
    reason = "all of this crate is tests, its helping files as well"
)]

#[path = "../cluster/mod.rs"]
mod cluster;

mod backend;

mod access;
mod books;
mod deliveries;
mod facts;
mod hook_reports;
mod hooks;
mod leases;
mod log;
mod moving;
mod postgres;
mod prune;
mod publish_sql;
mod sandbox;
mod sessions;
mod tickets;
mod usage;
