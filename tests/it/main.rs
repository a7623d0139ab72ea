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
mod disk_full;
mod drain;
mod hostile;
mod ingest;
mod resume;
mod seat;
mod stream;
mod tail;
