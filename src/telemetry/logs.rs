//! Logs: one line an event, on standard error, as text or JSON.

use std::io::{self, IsTerminal as _, Stderr, Write, stderr};

use tracing_subscriber::EnvFilter;

/// Standard error, whether somebody reads it or not. A line that cannot be written is lost, and that is all: whoever logs must never
/// come to harm by it, neither a stream nor the one that waits for the signal to end.
struct Forgiving(Stderr);

impl Write for Forgiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // as a whole or not at all, so that no line is cut by another thread's
        let _ = self.0.lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The library of MCP tells of every message, and what clients say of themselves; that is for whoever asks for it by name.
fn with_quiet(filter: &str) -> String {
    match filter.contains("rmcp") {
        true => filter.to_owned(),
        false => format!("{filter},rmcp=error"),
    }
}

/// Starts logging. `json`: for machines. `RUST_LOG` chooses what is said.
pub fn start(json: bool, default_level: &str) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_new(with_quiet(&wanted))
        .ok()
        .filter(|_| !wanted.is_empty())
        .unwrap_or_else(|| EnvFilter::new(with_quiet(default_level)));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Forgiving(stderr()))
        // what goes wrong in writing would be told by a macro that panics where standard error is gone
        .log_internal_errors(false)
        // colours are for eyes: in a file they are noise
        .with_ansi(stderr().is_terminal());
    // a second start in one process keeps the first
    let _ = if json {
        logs.json().flatten_event(true).try_init()
    } else {
        logs.with_target(false).try_init()
    };
}
