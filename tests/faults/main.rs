//! What goes wrong in the world, done to a real server on purpose: `cargo test --test faults`. With `SIGCAST_FAULTS=long` in full
//! numbers, and with the bounds on times that only a quiet machine keeps (`cargo test --release --test faults -- --nocapture`).
//! `SIGCAST_FAULTS_SEED` chooses other moments.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this crate is tests, its helping files as well"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

// shared with the tests of promises
#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod nodes;
mod publishers;

mod disk;
mod gapless;
mod libraries;
mod moving;
mod network;
mod partitions;
mod races;
mod revoked;
mod slowloris;
mod soak;
mod stalled;
mod storm;
#[cfg(target_os = "linux")]
mod vanished;
mod webhooks;

/// Whether the full numbers are asked for.
fn is_long() -> bool {
    std::env::var("SIGCAST_FAULTS").is_ok_and(|size| size == "long")
}

/// Bounds on times are for quiet machines: with the full numbers.
fn bound(quiet: std::time::Duration) -> std::time::Duration {
    if is_long() { quiet } else { 8 * quiet }
}

/// So many in every test run, or so many where the full numbers are asked for.
fn size(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// One fault at a time: each would be another's noise.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what was seen, past the test runner.
fn tell(what: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "faults: {what}");
}
