//! Clients of the simulated world: they read, close, vanish, read slowly, come back, and quarrel; and count what they get.

use std::{sync::Arc, time::Duration};

use sigcast::model::lease::Claim;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    draw::Draw,
    node::Refused,
    wire::{Seen, Wire, place_of, seq_of_signal},
    world::World,
};

pub struct Client {
    pub name: String,
    pub key: String,
    pub world: Arc<World>,
    pub draw: Draw,
    /// After which seq it stands; `None` before its first `hello`.
    pub last: Option<(Arc<str>, i64)>,
    /// What it got since it was last told of a gap.
    pub got: Vec<(i64, String)>,
    /// It leaves for good then.
    pub until_ms: u64,
}

/// What a client holds in the end.
pub struct Left {
    pub key: String,
    pub last: Option<(Arc<str>, i64)>,
    pub got: Vec<(i64, String)>,
}

/// How a connection ended.
enum Ended {
    /// By itself, or by the server.
    Left,
    /// By the network: the server has not been told.
    Vanished,
}

/// What a client does with a connection at some time.
enum Plan {
    Stay,
    Close,
    Vanish,
    /// Takes so long for each frame.
    Slow(u64),
    /// Reads nothing for so long.
    Stall(Duration),
}

impl Client {
    pub async fn run(mut self) -> Left {
        let mut vanished: Option<Instant> = None;
        while self.world.trace.ms() < self.until_ms {
            let Some(node) = self.world.some_node(&mut self.draw) else {
                sleep(self.draw.ms(50, 400)).await;
                continue;
            };
            let claim = match &self.last {
                Some(_) if self.draw.percent(50) => Claim::Takeover,
                _ => Claim::Fresh,
            };
            let wire = self.world.wire(&self.key);
            let asked = self.world.trace.ms();
            // some hang up before they are answered
            let patience = if self.draw.percent(5) {
                self.draw.ms(0, 60)
            } else {
                Duration::from_secs(12)
            };
            let opened = tokio::select! {
                biased;
                () = wire.stopped() => Err(Refused::Later),
                opened = timeout(patience, node.open(&self.key, claim, self.last.clone(), &wire)) => opened.unwrap_or(Err(Refused::Later)),
            };
            let pause = match opened {
                Ok(from) => {
                    if let Some(at) = vanished.take() {
                        self.world.note_return(&self.key, at.elapsed());
                    }
                    match self.read(from, &wire).await {
                        Ended::Vanished => {
                            vanished = Some(Instant::now());
                            self.draw.ms(0, 100)
                        }
                        // many come back at once
                        Ended::Left if self.draw.percent(70) => Duration::ZERO,
                        Ended::Left => self.draw.ms(100, 3_000),
                    }
                }
                Err(refused) => {
                    wire.leave();
                    match refused {
                        Refused::Revoked => {
                            if self.world.database.revoked_ago(&self.key).is_none() {
                                self.fault("refused as revoked");
                            }
                            break;
                        }
                        Refused::Later => self.draw.ms(100, 1_000),
                        Refused::Taken(taken) => {
                            self.world.trace.count("refusals");
                            if !self.world.was_held(&self.key, &wire, asked) {
                                self.fault(&format!("refused for a ghost: {taken:?}"));
                            }
                            self.draw.ms(200, 2_000)
                        }
                    }
                }
            };
            sleep(pause).await;
        }
        Left {
            key: self.key,
            last: self.last,
            got: self.got,
        }
    }

    fn fault(&self, what: &str) {
        self.world.trace.fault(format!("{}: {what}", self.name));
    }

    async fn read(&mut self, mut from: mpsc::Receiver<Seen>, wire: &Arc<Wire>) -> Ended {
        let end = self.until_ms.saturating_sub(self.world.trace.ms());
        let mut leave = Box::pin(sleep(Duration::from_millis(end)));
        let mut act = Box::pin(sleep(self.draw.ms(0, 7_000)));
        loop {
            let seen = tokio::select! {
                biased;
                () = &mut leave => {
                    wire.leave();
                    return Ended::Left;
                }
                () = &mut act, if !self.world.is_healing() => {
                    match self.plan() {
                        Plan::Stay => {}
                        Plan::Close => {
                            self.world.trace.count("closes");
                            wire.leave();
                            return Ended::Left;
                        }
                        Plan::Vanish => {
                            self.world.trace.count("vanished");
                            wire.vanish();
                            return Ended::Vanished;
                        }
                        Plan::Slow(ms) => wire.slow.store(ms, std::sync::atomic::Ordering::Relaxed),
                        Plan::Stall(pause) => sleep(pause).await,
                    }
                    act.set(sleep(self.draw.ms(0, 7_000)));
                    continue;
                }
                seen = from.recv() => seen,
            };
            if self.world.is_healing() {
                wire.slow.store(0, std::sync::atomic::Ordering::Relaxed);
            }
            match seen {
                Some(Seen::Frame(frame)) => self.take(&frame),
                Some(Seen::End) | None => {
                    wire.leave();
                    return Ended::Left;
                }
            }
        }
    }

    fn plan(&mut self) -> Plan {
        match self.draw.below(20) {
            0..=8 => Plan::Stay,
            9..=12 => Plan::Close,
            13..=15 => Plan::Vanish,
            16..=17 => Plan::Slow(self.draw.between(1, 700)),
            _ => Plan::Stall(self.draw.ms(500, 9_000)),
        }
    }

    fn take(&mut self, frame: &str) {
        if seq_of_signal(frame).is_some() {
            self.world.trace.count("signals");
            let at = place_of(frame);
            let next = (self.last.clone()).map(|(epoch, last)| (epoch, last + 1));
            if next.is_some() && at != next {
                self.fault(&format!("got {at:?} after {:?}", self.last));
            }
            let body = frame.rsplit("\"n\":").next().unwrap_or_default();
            let body = body.split('}').next().unwrap_or_default();
            let seq = at.as_ref().map_or(0, |at| at.1);
            self.got.push((seq, format!("{{\"n\":{body}}}")));
            self.last = at;
        } else if frame.starts_with("event: gap") {
            self.world.trace.count("gaps");
            self.world
                .trace
                .tell(format!("{}: {}", self.name, frame.trim_end()));
            self.got.clear();
            self.last = place_of(frame);
        } else if frame.starts_with("event: hello") || frame.starts_with("event: heartbeat") {
            let at = place_of(frame);
            // with an id, unless a gap follows
            if self.last.is_some() && at.is_some() && at != self.last {
                self.fault(&format!("stands at {:?}, and is told {at:?}", self.last));
            }
            self.last = at.or(self.last.take());
        } else if frame.starts_with("event: error") {
            let why = frame.split('"').nth(3).unwrap_or_default();
            self.world.trace.tell(format!("{}: error {why}", self.name));
            match why {
                "superseded" => self.world.trace.count("superseded"),
                "key_revoked" => self.world.trace.count("revoked"),
                _ => self.world.trace.count("slow"),
            }
        }
    }
}
