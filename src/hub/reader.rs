//! The node's one log reader: reads on from its last seq at every wake-up and tick, and fills the ring.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{frame::Frame, node::Hub};

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
pub async fn read_on(hub: &Hub) {
    loop {
        let rows = match hub.log.after(hub.ring.head(), BATCH).await {
            Ok(rows) => rows,
            Err(error) => {
                hub.metrics.log_failures.inc();
                tracing::warn!(%error, "the log reader waits for the database");
                return;
            }
        };
        let more = rows.len() == BATCH;
        let (now, time) = (Instant::now(), hub.clock.now());
        let frames = rows.iter().map(|row| {
            let mut frame = Frame::new(&hub.epoch, row, hub.take_accepted(row.seq), now);
            // another node's clock may be ahead of ours
            let age = u64::try_from(time.0.saturating_sub(row.published_at.0)).unwrap_or(0);
            frame.age = Some(Duration::from_micros(age));
            frame
        });
        hub.ring.push(frames.collect());
        hub.metrics.ring_frames.set(hub.ring.len() as i64);
        if !more {
            return;
        }
    }
}
