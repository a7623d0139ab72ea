//! The whole program from outside: real processes, real sockets, the contract's bytes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this crate is tests, its helping files as well"
)]

mod server;
mod wire;

mod access;
mod bad_input;
mod clients;
mod crash;
mod cut;
mod disk_full;
mod drain;
mod filings;
mod hostile;
mod ingest;
mod intake;
mod limits;
mod register;
mod resume;
mod seat;
mod slow;
mod stdout;
mod stream;
mod tail;
mod tls;
