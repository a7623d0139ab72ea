//! The pulse of the streams' sockets: who takes no byte of what waits for it is ended, as slow where it answers, as gone where it does not.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

use super::{
    frame::Ending,
    node::Hub,
    seat::{End, Seat},
    transport::{Condition, Transport},
};

/// How often within the time that a client may take no byte its socket is looked at.
const LOOKS: u32 = 5;
/// One look at ten thousand sockets is cheap; many a second are not.
const MOST_BETWEEN: Duration = Duration::from_secs(2);
/// Those for which nothing waited are looked at in turns: at ten thousand streams with two signals a second, looking at all of them each time
/// was a thirtieth of the server's work.
const TURNS: u32 = 2;

/// One socket as it was seen from time to time.
#[derive(Debug, Default)]
struct Watch {
    socket: Option<Weak<dyn Transport>>,
    /// Bytes written before the last look.
    written: u64,
    acknowledged: u64,
    /// Since when bytes wait of which none was taken.
    waiting_since: Option<Instant>,
    /// Since when the stream is over, and only its last bytes are on their way.
    over_since: Option<Instant>,
}

/// How a socket is, by two limits: how long it may take no byte, and how long it may not answer at all.
fn verdict(
    waited: Duration,
    heard: Option<Duration>,
    stall: Duration,
    mute: Duration,
) -> Option<End> {
    // an answer that took no byte: the peer lives, and its window is shut
    let answers = heard.is_none_or(|ago| ago < waited);
    if answers && waited >= stall {
        Some(End::Error(Ending::SlowConsumer))
    } else if waited >= mute.max(stall) {
        Some(End::Unreachable)
    } else {
        None
    }
}

impl Watch {
    fn alive(&self) -> Option<Arc<dyn Transport>> {
        self.socket.as_ref()?.upgrade()
    }

    /// Tells connections apart.
    fn place(&self) -> Option<*const ()> {
        Some(self.socket.as_ref()?.as_ptr().cast())
    }

    /// Looks at the socket; the end that it has earned.
    fn look(&mut self, socket: &Arc<dyn Transport>, stall: Duration, now: Instant) -> Option<End> {
        let written = socket.written();
        if self.alive().is_none() {
            self.socket = Some(Arc::downgrade(socket));
        }
        if self.waiting_since.is_none() && written == self.written {
            // all was taken, and nothing was written since: nothing to ask the kernel for
            return None;
        }
        self.written = written;
        let condition = socket.condition()?;
        let was_waiting = self.waiting_since.is_some();
        let waited = self.take(condition, now);
        if was_waiting != self.waiting_since.is_some() {
            // while bytes wait, this is the place that decides; a socket that takes no options is gone anyway
            let _ = socket.let_system_give_up(was_waiting);
        }
        verdict(waited?, condition.heard, stall, socket.unanswered_for())
    }

    fn waits(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Notes the condition; for how long bytes have been waiting of which none was taken.
    fn take(&mut self, condition: Condition, now: Instant) -> Option<Duration> {
        let taken = condition.acknowledged != self.acknowledged;
        self.acknowledged = condition.acknowledged;
        if condition.waiting == 0 {
            self.waiting_since = None;
        } else if taken || self.waiting_since.is_none() {
            self.waiting_since = Some(now);
        }
        self.waiting_since.map(|since| now.duration_since(since))
    }
}

/// How long the last bytes of a stream that is over may be on their way.
const LAST_BYTES: Duration = Duration::from_secs(60);

/// Goes on looking at a connection whose stream is over while bytes wait; whether there is still something to look at. The kernel
/// must not be left to it: it has counted all the time since the window was last open, and would cut off the last word.
fn see_off(watch: &mut Watch, stall: Duration, now: Instant) -> bool {
    let Some(socket) = watch.alive().filter(|socket| !socket.is_closed()) else {
        return false;
    };
    let over_since = *watch.over_since.get_or_insert(now);
    let end = watch.look(&socket, stall, now);
    if end.is_some() || now.duration_since(over_since) > LAST_BYTES {
        socket.kill();
        return false;
    }
    watch.waiting_since.is_some()
}

/// Looks at all streams now and then until `stop` resolves.
pub async fn run(hub: Arc<Hub>, stop: impl Future<Output = ()>) {
    let stall = Duration::from_secs(hub.config.write_stall_seconds.max(1));
    // the kernel gives up on what is not acknowledged, unless it is told before that it waits for a client that lives
    let unanswered = Duration::from_secs(hub.config.unanswered_seconds.max(1));
    let between = (stall / LOOKS).min(MOST_BETWEEN);
    let mut tick = tokio::time::interval(between.min(unanswered / (2 * TURNS)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watches: HashMap<u64, Watch> = HashMap::new();
    let mut turn = 0;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            _ = tick.tick() => {}
        }
        let now = Instant::now();
        // of ten thousand, few have something on its way
        turn = (turn + 1) % u64::from(TURNS);
        let seats = hub.seats.restless(
            |seat| seat.connection % u64::from(TURNS) == turn,
            |seat| watches.contains_key(&seat.connection),
        );
        let mut next = HashMap::with_capacity(seats.len());
        for seat in &seats {
            let watch = watches.remove(&seat.connection).unwrap_or_default();
            if let Some(watch) = look(watch, seat, stall, now).filter(Watch::waits) {
                next.insert(seat.connection, watch);
            }
        }
        // seats that are gone; but a connection that was kept may have another one by now
        let kept: HashSet<_> = if watches.is_empty() {
            HashSet::new()
        } else {
            next.values().map(Watch::place).collect()
        };
        for (connection, mut watch) in watches.drain() {
            if !kept.contains(&watch.place()) && see_off(&mut watch, stall, now) {
                next.insert(connection, watch);
            }
        }
        watches = next;
    }
}

fn look(mut watch: Watch, seat: &Seat, stall: Duration, now: Instant) -> Option<Watch> {
    let socket = seat.socket()?;
    if let Some(end) = watch.look(&socket, stall, now) {
        seat.end(end);
    }
    Some(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(10);
    const MUTE: Duration = Duration::from_secs(20);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn who_answers_is_slow_and_who_does_not_is_gone() {
        let after = |waited, heard| verdict(seconds(waited), Some(seconds(heard)), STALL, MUTE);
        let slow = Some(End::Error(Ending::SlowConsumer));
        assert_eq!(after(9, 1), None);
        assert_eq!(after(10, 1), slow);
        assert_eq!(after(10, 10), None, "the last word was about taken bytes");
        assert_eq!(after(19, 25), None);
        assert_eq!(after(20, 25), Some(End::Unreachable));
        assert_eq!(verdict(STALL, None, STALL, MUTE), slow, "who can tell?");
    }

    #[test]
    fn any_byte_taken_starts_the_time_anew() {
        let begun = Instant::now();
        let mut watch = Watch::default();
        let mut waited = |second, acknowledged, waiting| {
            let condition = Condition {
                acknowledged,
                waiting,
                open: true,
                heard: None,
            };
            watch.take(condition, begun + seconds(second))
        };
        assert_eq!(waited(0, 1, 0), None);
        assert_eq!(waited(1, 1, 5), Some(seconds(0)));
        assert_eq!(waited(9, 1, 50), Some(seconds(8)), "more was written");
        assert_eq!(waited(10, 2, 49), Some(seconds(0)));
        assert_eq!(waited(12, 2, 49), Some(seconds(2)));
        assert_eq!(waited(13, 51, 0), None);
        assert_eq!(waited(99, 51, 1), Some(seconds(0)));
    }
}
