//! A notification that a process sends to itself, by which it knows whether they arrive and how long one takes.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use super::db::{Db, Pools};

/// One on its way.
pub(crate) struct Echo {
    /// What it says, by which it is known from one that comes too late.
    word: String,
    sent: watch::Receiver<Sent>,
}

/// What became of its sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    NotYet,
    At(Instant),
    Failed,
}

impl Echo {
    /// Sends one on a channel of PostgreSQL: by a connection of the pool, as others' words come by other connections, too; and in a
    /// transaction of its own.
    pub(crate) fn send(db: &Db, channel: &str, number: u64) -> Self {
        let (tell, sent) = watch::channel(Sent::NotYet);
        let word = number.to_string();
        let said = (channel.to_owned(), word.clone());
        let db = db.clone();
        tokio::spawn(async move {
            let Pools::Postgres { pool, patience, .. } = &db.0.pools else {
                return;
            };
            let notify = async {
                // the time that it takes to get a connection is none of the notification's
                let mut connection = patience.of(pool.acquire()).await?;
                tell.send_replace(Sent::At(Instant::now()));
                let notify = sqlx::query("select pg_notify($1, $2)")
                    .bind(said.0)
                    .bind(said.1);
                patience.of(notify.execute(&mut *connection)).await
            };
            if notify.await.is_err() {
                tell.send_replace(Sent::Failed);
            }
        });
        Echo { word, sent }
    }

    /// Whether it is the one that says this.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.word == word
    }

    /// How long ago it was sent; `None` where it was not.
    pub(crate) fn age(&self) -> Option<Duration> {
        match *self.sent.borrow() {
            Sent::At(sent) => Some(sent.elapsed()),
            Sent::NotYet | Sent::Failed => None,
        }
    }

    /// Whether it will never be sent.
    pub(crate) fn has_failed(&self) -> bool {
        *self.sent.borrow() == Sent::Failed
    }
}
