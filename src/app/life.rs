//! The life of the process: a soft end, a hard end, and who has to be waited for.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
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
    /// Asks for certificates to be read again.
    pub renew: Arc<Notify>,
}

/// What SIGHUP is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// A terminal that is gone: it begins the soft end, unless the process was started to outlive it.
    Ends,
    /// Files that have changed.
    Renews,
}

impl Life {
    /// The first SIGTERM or SIGINT begins the soft end; the second ends the process at once.
    pub fn listen_to_signals(&self, on_hangup: Hangup) -> StartResult<()> {
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
        // `nohup` says so by having it ignored, which listening would undo
        let mut hangup = if on_hangup == Hangup::Ends && system::ignores_hangup() {
            None
        } else {
            Some(signal(SignalKind::hangup()).map_err(StartError::Signals)?)
        };
        let life = self.clone();
        tokio::spawn(async move {
            let mut next = async || {
                loop {
                    tokio::select! {
                        _ = terminate.recv() => return,
                        _ = interrupt.recv() => return,
                        Some(()) = async { hangup.as_mut()?.recv().await } => match on_hangup {
                            Hangup::Ends => return,
                            Hangup::Renews => life.renew.notify_one(),
                        },
                    }
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
