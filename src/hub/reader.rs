//! The node's one log reader: reads on from its last seq at every wake-up and tick, and fills the ring.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{frame::Frame, node::Hub};
use crate::model::log::{LogUnavailable, Lost};

/// Rows in one reading.
const BATCH: usize = 512;

/// Runs until `stop` resolves. `commits` changes with every commit of this process; commits of others are found by the tick.
pub async fn run(hub: Arc<Hub>, mut commits: watch::Receiver<u64>, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(Duration::from_millis(hub.config.tick_ms.max(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            Ok(()) = commits.changed() => {}
            _ = tick.tick() => {}
        }
        read_on(&hub).await;
    }
}

/// Reads until nothing is left. A failure keeps the place; the next tick tries again.
///
/// Each reading begins with the last row that was read before: if that is not there any more, or is another, then the database was put
/// back to an earlier state. Its log is given another name, so that no place in the old one is taken for one in the new.
pub async fn read_on(hub: &Hub) {
    loop {
        match read_once(hub).await {
            Ok(Left::Nothing) => return,
            Ok(Left::More) => {}
            Err(error) => {
                hub.metrics.log_failures.inc();
                tracing::warn!(%error, "the log reader waits for the database");
                return;
            }
        }
    }
}

/// Whether there may be more to be read.
enum Left {
    Nothing,
    More,
}

async fn read_once(hub: &Hub) -> Result<Left, LogUnavailable> {
    let (log, head) = hub.ring.standing();
    let part = hub.log.after(head - 1, BATCH + 1).await?;
    if part.epoch != log.epoch {
        tracing::warn!(before = %log.epoch, now = %part.epoch, "the log has another name: its streams are told that there is a gap");
        hub.forget_log();
        hub.ring.restart(part.epoch, part.head);
        return Ok(Left::More);
    }
    let seen = hub.last_row();
    let mut rows = part.rows;
    let again = (rows.first().is_some_and(|row| row.seq <= head)).then(|| rows.remove(0));
    let other = (again.as_ref().zip(seen.as_ref())).is_some_and(|(now, then)| now != then);
    if part.head < head || other {
        tracing::error!(
            seen = head,
            now = part.head,
            "the log has lost rows that were sent: the database was put back to an earlier state"
        );
        let lost = Lost {
            epoch: log.epoch,
            seq: head,
            row: seen,
        };
        hub.log.begin_anew(&lost, &hub.random_epoch()).await?;
        let after = hub.log.after(head, 1).await?;
        // unchanged, it lies with what is read from, not with the log: a database that lags behind, say
        return Ok(match after.epoch == lost.epoch {
            true => Left::Nothing,
            false => Left::More,
        });
    }
    let more = rows.len() >= BATCH;
    if let Some(last) = rows.last().or(again.as_ref()) {
        hub.note_last_row(last.clone());
    }
    let (now, time) = (Instant::now(), hub.clock.now());
    let frames = rows.iter().map(|row| {
        let mut frame = Frame::new(&log.epoch, row, hub.take_accepted(row.seq), now);
        // another node's clock may be ahead of ours
        let age = u64::try_from(time.0.saturating_sub(row.published_at.0)).unwrap_or(0);
        frame.age = Some(Duration::from_micros(age));
        frame
    });
    let count = |held| {
        hub.metrics.ring_frames.set(held as i64);
    };
    hub.ring.push(frames.collect(), count);
    Ok(match more {
        true => Left::More,
        false => Left::Nothing,
    })
}
