//! Hearing of what others commit to a PostgreSQL database: one connection that listens, and is replaced whenever it is in doubt.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time::{Instant, timeout};

use super::{
    db::{CHANNEL, Db, LEASES, Pools},
    error::{StoreError, StoreResult},
    patience::{Patience, no_answer},
};

/// Notifications are lost with their connection, and a connection may be lost without a word: every so often, all look again.
const TICK: Duration = Duration::from_millis(500);
/// How often the connection is asked whether it is still there.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl Db {
    /// Wakes whoever waits for [`Db::commits`] when another process has committed, for as long as it is run. With SQLite there is
    /// nobody to hear of: the tick of each who waits finds other processes' commits.
    pub async fn listen(self) {
        let Pools::Postgres {
            options,
            connect,
            patience,
            ..
        } = &self.0.pools
        else {
            return std::future::pending().await;
        };
        let (mut told, mut again) = (false, false);
        loop {
            match timeout(*connect, begin(options)).await {
                Ok(Ok(listener)) => {
                    if std::mem::take(&mut told) {
                        tracing::info!("the database is listened to again");
                    }
                    if std::mem::replace(&mut again, true) {
                        doubt_others(patience);
                    }
                    if self.hear(listener).await == Ended::Silent {
                        // nor will it answer those who wait on other connections
                        patience.doubt();
                    }
                    tracing::debug!("the connection that listened is gone; making another");
                }
                Ok(Err(error)) => tell_once(&mut told, &error),
                Err(_) => {
                    patience.doubt();
                    tell_once(&mut told, &no_answer("no connection in time"));
                }
            }
            self.wake();
            tokio::time::sleep(TICK).await;
        }
    }

    /// Until the connection is in doubt.
    async fn hear(&self, mut listener: PgListener) -> Ended {
        // what came before it listened
        self.wake();
        self.wake_for_leases();
        let mut checked = Instant::now();
        loop {
            match timeout(TICK, listener.try_recv()).await {
                Ok(Ok(Some(heard))) if heard.channel() == LEASES => self.wake_for_leases(),
                Ok(Ok(Some(_))) | Err(_) => self.wake(),
                Ok(Ok(None) | Err(_)) => return Ended::Lost,
            }
            if checked.elapsed() >= CHECK_EVERY {
                let check = sqlx::query("select 1").execute(&mut listener);
                match timeout(ANSWER_WITHIN, check).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) => return Ended::Lost,
                    Err(_) => return Ended::Silent,
                }
                checked = Instant::now();
            }
        }
    }
}

/// What broke the connection before this one may have taken others without a word, until now: who waits on one gets an answer soon, or
/// never.
fn doubt_others(patience: &Arc<Patience>) {
    let (patience, then) = (patience.clone(), patience.give_up());
    tokio::spawn(async move {
        tokio::time::sleep(ANSWER_WITHIN).await;
        patience.doubt_since(then);
    });
}

/// How a connection ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// It broke.
    Lost,
    /// It did not answer.
    Silent,
}

async fn begin(options: &PgConnectOptions) -> StoreResult<PgListener> {
    // a pool of its own, as a listener wants one: what it holds is not taken from requests, and where its connection hangs, nothing
    // else waits for it
    let pool: PgPool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(options.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    // a lost one is replaced here, where it cannot be forgotten half-way
    listener.eager_reconnect(false);
    listener.listen_all([CHANNEL, LEASES]).await?;
    Ok(listener)
}

fn tell_once(told: &mut bool, error: &StoreError) {
    if !std::mem::replace(told, true) {
        tracing::warn!(%error, "the database cannot be listened to; looking for news every half a second");
    }
}
