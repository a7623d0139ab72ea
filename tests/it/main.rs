//! The whole program from outside: real processes, real sockets, the contract's bytes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this crate is tests, its helping files as well"
)]

/// Whether the servers of tests in this module keep their data in PostgreSQL.
const ON_POSTGRES: bool = false;

#[path = "../cluster/mod.rs"]
mod cluster;
mod place;
mod server;
mod wire;

mod insider_data;
mod insider_lists;

mod access;
mod bad_input;
mod clients;
mod crash;
mod cut;
mod disk_full;
mod drain;
mod edgar;
mod edgar_site;
mod engines;
mod filings;
mod hostile;
mod ingest;
mod insider_api;
mod insider_pages;
mod insider_samples;
mod insider_view;
mod intake;
mod limits;
mod on_postgres;
mod openapi;
mod proxy;
mod quota;
mod register;
mod rest;
mod resume;
mod seat;
mod slow;
mod splits;
mod start;
mod stdout;
mod stream;
mod tail;
mod tls;
