//! What sends one message of an endpoint: its bytes, signed now, by one attempt.

use std::{sync::Arc, time::Duration};

use super::{
    attempt::{Line, Message, Outcome},
    headers::{Label, Secrets, headers},
    ledger::Ledger,
    metrics::Metrics,
    sign,
};
use crate::{
    gate::endpoint::Compat,
    hub::node::Hub,
    model::{
        log::LogRow,
        random::Random,
        signal,
        time::{Clock, Time},
    },
    store::db::Db,
};

/// Where the log cannot be read now, this long is waited.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What all endpoints of a node share.
pub struct Shared {
    /// The database.
    pub db: Db,
    /// The node's log.
    pub hub: Arc<Hub>,
    /// Where progress is noted.
    pub ledger: Ledger,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// Counters.
    pub metrics: Metrics,
}

/// An attempt that is over.
pub struct Done {
    /// Of which signal, by its seq ...
    pub seq: i64,
    /// ... and its id.
    pub signal_id: String,
    /// The how many-th at this message.
    pub number: u32,
    /// When.
    pub began: Time,
    /// For how long.
    pub took: Duration,
    /// What it came to.
    pub outcome: Outcome,
}

/// What one attempt needs.
#[derive(Clone)]
pub struct Sender {
    /// What all share.
    pub shared: Arc<Shared>,
    /// Its connections.
    pub line: Arc<Line>,
    /// What signs.
    pub secrets: Arc<Secrets>,
    /// Other headers beside.
    pub compat: Option<Compat>,
}

impl Sender {
    /// A message that waits: its row is read again. In a log that was begun anew, its seq may be another signal's.
    pub async fn send_again(&self, seq: i64, signal_id: String, number: u32) -> Done {
        let row = self.read(seq).await.map(|row| signal::wire(&row));
        let is_same =
            |data: &String| signal::id_of(data.as_bytes()).is_some_and(|id| id == signal_id);
        match row.filter(is_same) {
            Some(data) => self.send(seq, data.into(), number).await,
            None => Done {
                seq,
                signal_id,
                number,
                began: self.shared.clock.now(),
                took: Duration::ZERO,
                outcome: Outcome::pruned(),
            },
        }
    }

    async fn read(&self, seq: i64) -> Option<LogRow> {
        loop {
            match self.shared.hub.log.after(seq - 1, 1).await {
                Ok(part) => return part.rows.into_iter().find(|row| row.seq == seq),
                Err(error) => {
                    tracing::warn!(%error, "a webhook waits for the database");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        }
    }

    /// A message, by its bytes.
    pub async fn send(&self, seq: i64, data: bytes::Bytes, number: u32) -> Done {
        let began = self.shared.clock.now();
        let signal_id = signal::id_of(&data).unwrap_or_default();
        let label = Label {
            id: &signal_id,
            seq: Some(seq),
            event: sign::SIGNAL_FIRED,
            at: began,
        };
        let headers = headers(&self.secrets, self.compat, label, &data);
        let started = std::time::Instant::now();
        let message = Message {
            body: data,
            headers,
            at: began,
        };
        let outcome = self.line.attempt(&message).await;
        Done {
            seq,
            signal_id,
            number,
            began,
            took: started.elapsed(),
            outcome,
        }
    }
}
