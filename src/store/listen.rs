//! Hearing of what others commit to a PostgreSQL database: one connection that listens, and is replaced whenever it is in doubt.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time::{Instant, timeout};

use super::{
    db::{CHANNEL, Db, LEASES, Pools},
    echo::Echo,
    error::{StoreError, StoreResult},
    patience::{Patience, no_answer},
};

/// Notifications are lost with their connection, and a connection may be lost without a word: every so often, all look again.
const TICK: Duration = Duration::from_millis(500);
/// How often the connection is asked whether it is still there, and a notification is sent to it.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long either may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How full the server's queue of notifications may be. Once it is full, nobody publishes any more: this leaves the time to find out why.
pub const QUEUE_WARNING: f64 = 0.1;

/// What a trial of notifications came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// How long one took to arrive; `None` where it did not within seconds.
    pub lag: Option<Duration>,
    /// How full their queue is: 0 to 1.
    pub queue_usage: f64,
}

/// A connection that listens, and the channel on which it hears its own process.
struct Ear {
    listener: PgListener,
    own: String,
}

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
                Ok(Ok(ear)) => {
                    if std::mem::take(&mut told) {
                        tracing::info!("the database is listened to again");
                    }
                    if std::mem::replace(&mut again, true) {
                        doubt_others(patience);
                    }
                    if self.hear(ear).await == Ended::Silent {
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
    async fn hear(&self, mut ear: Ear) -> Ended {
        // what came before it listened
        self.wake();
        self.wake_for_leases();
        let mut checked = Instant::now();
        let (mut echo, mut echoes) = (None, 0);
        loop {
            match timeout(TICK, ear.listener.try_recv()).await {
                Ok(Ok(Some(heard))) if heard.channel() == LEASES => self.wake_for_leases(),
                Ok(Ok(Some(heard))) if heard.channel() == ear.own => {
                    // one that was given up says that they arrive, and no more
                    self.note_echo(echo.take_if(|echo: &mut Echo| echo.says(heard.payload())));
                }
                Ok(Ok(Some(_))) | Err(_) => self.wake(),
                Ok(Ok(None) | Err(_)) => return Ended::Lost,
            }
            if checked.elapsed() >= CHECK_EVERY {
                match timeout(ANSWER_WITHIN, queue_usage(&mut ear.listener)).await {
                    Ok(Ok(usage)) => self.note_queue(usage),
                    // it answered, if only that it does not say
                    Ok(Err(sqlx::Error::Database(_))) => {}
                    Ok(Err(_)) => return Ended::Lost,
                    Err(_) => return Ended::Silent,
                }
                if echo.as_ref().is_none_or(|echo| self.is_over(echo)) {
                    echoes += 1;
                    echo = Some(Echo::send(self, &ear.own, echoes));
                }
                checked = Instant::now();
            }
        }
    }

    /// Whether a notification that has not arrived is waited for no longer.
    fn is_over(&self, echo: &Echo) -> bool {
        if echo.has_failed() {
            return true;
        }
        let is_lost = echo.age().is_some_and(|age| age >= ANSWER_WITHIN);
        if is_lost {
            self.0.metrics.notify_lost.inc();
            if !self.0.deaf.swap(true, Ordering::Relaxed) {
                tracing::warn!("{}", deaf());
            }
        }
        is_lost
    }

    fn note_echo(&self, echo: Option<Echo>) {
        if let Some(lag) = echo.and_then(|echo| echo.age()) {
            self.0.metrics.notify_lag.observe(lag.as_secs_f64());
        }
        if self.0.deaf.swap(false, Ordering::Relaxed) {
            tracing::info!("notifications arrive again");
        }
    }

    fn note_queue(&self, usage: f64) {
        let before = self.0.metrics.notify_queue.set(usage);
        let (before, now) = (before > QUEUE_WARNING, usage > QUEUE_WARNING);
        if now && !before {
            tracing::warn!("{}", filling(usage));
        } else if before && !now {
            tracing::info!("the queue of notifications has emptied again");
        }
    }

    /// Whether this process hears of others' commits as it should, by what was seen lately; why not. It serves all the same.
    pub fn check_notifications(&self) -> Result<(), String> {
        let usage = self.0.metrics.notify_queue.get();
        if self.0.deaf.load(Ordering::Relaxed) {
            return Err(deaf());
        }
        if usage > QUEUE_WARNING {
            return Err(filling(usage));
        }
        Ok(())
    }

    /// Tries whether a notification arrives, and looks how full their queue is. `None` where the database has none.
    pub async fn try_notification(&self) -> StoreResult<Option<Trial>> {
        let Pools::Postgres {
            options, connect, ..
        } = &self.0.pools
        else {
            return Ok(None);
        };
        let begun = timeout(*connect, begin(options)).await;
        let mut ear = begun.map_err(|_| no_answer("no connection in time"))??;
        let usage = timeout(ANSWER_WITHIN, queue_usage(&mut ear.listener)).await;
        let queue_usage = usage.map_err(|_| no_answer("no answer in time"))??;
        let echo = Echo::send(self, &ear.own, 1);
        let arrives = async {
            while ear.listener.recv().await?.channel() != ear.own {}
            Ok::<_, sqlx::Error>(echo.age())
        };
        let lag = match timeout(ANSWER_WITHIN, arrives).await {
            Ok(arrived) => arrived?,
            Err(_) => None,
        };
        Ok(Some(Trial { lag, queue_usage }))
    }
}

fn deaf() -> String {
    let seconds = ANSWER_WITHIN.as_secs();
    format!(
        "no notification arrives within {seconds} s, so that news of other processes is found by looking, late; is a pooler in transaction mode between?"
    )
}

fn filling(usage: f64) -> String {
    let percent = usage * 100.0;
    format!(
        "the queue of notifications is {percent:.0} % full, and nothing can be published once it is: some session that listens sits in a transaction"
    )
}

async fn queue_usage(listener: &mut PgListener) -> sqlx::Result<f64> {
    let usage = sqlx::query_scalar("select pg_notification_queue_usage()");
    usage.fetch_one(listener).await
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

async fn begin(options: &PgConnectOptions) -> StoreResult<Ear> {
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
    // no two that live have the same
    let pid = sqlx::query_scalar::<_, i32>("select pg_backend_pid()");
    let own = format!("{CHANNEL}_echo_{}", pid.fetch_one(&mut listener).await?);
    listener.listen_all([CHANNEL, LEASES, &own]).await?;
    Ok(Ear { listener, own })
}

fn tell_once(told: &mut bool, error: &StoreError) {
    if !std::mem::replace(told, true) {
        tracing::warn!(%error, "the database cannot be listened to; looking for news every half a second");
    }
}
