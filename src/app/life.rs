//! The life of the process: a soft end, a hard end, and who has to be waited for.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Handed to whatever runs in the background.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// No new work; say goodbye.
    pub soft: CancellationToken,
    /// End now.
    pub hard: CancellationToken,
    /// Connections.
    pub connections: TaskTracker,
}

impl Life {
    /// The first SIGTERM or SIGINT begins the soft end; the second ends the process at once.
    pub fn listen_to_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let life = self.clone();
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            next().await;
            tracing::info!("shutting down; a second signal ends at once");
            life.soft.cancel();
            next().await;
            std::process::exit(130);
        });
        Ok(())
    }
}
