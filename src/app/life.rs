//! The life of the process: a soft end, a hard end, and who has to be waited for.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    error::{StartError, StartResult},
    system,
};

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
    /// The first SIGTERM or SIGINT begins the soft end, and so does a terminal that is gone (SIGHUP), unless the process was started
    /// to outlive it; the second ends the process at once.
    pub fn listen_to_signals(&self) -> StartResult<()> {
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
        // `nohup` says so by having it ignored, which listening would undo
        let mut hangup = if system::ignores_hangup() {
            None
        } else {
            Some(signal(SignalKind::hangup()).map_err(StartError::Signals)?)
        };
        let life = self.clone();
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    Some(()) = async { hangup.as_mut()?.recv().await } => {}
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
