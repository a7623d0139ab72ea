//! Logs: one line an event, on standard error, as text or JSON.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging. `json`: for machines. `RUST_LOG` chooses what is said.
pub fn start(json: bool, default_level: &str) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // colours are for eyes: in a file they are noise
        .with_ansi(stderr().is_terminal());
    // a second start in one process keeps the first
    let _ = if json {
        logs.json().flatten_event(true).try_init()
    } else {
        logs.with_target(false).try_init()
    };
}
