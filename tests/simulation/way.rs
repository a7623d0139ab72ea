//! One node's way to the simulated database: the log and the leases as the hub takes them, one transaction a call.

use std::{sync::Arc, time::Duration};

use sigcast::model::{
    lease::{
        Answer, Applicant, Application, Ask, Claim, Ended, Fence, Held, LeaseFuture, LeaseStore,
        LeasesUnavailable,
    },
    log::{LogFuture, LogHead, LogRead, LogRow, LogUnavailable},
    time::Time,
};

use super::{
    database::{Database, EPOCH, LIFE, Lease, Line, NodeId, Question, Rows, Topic},
    planted::Planted,
};

/// One node's line, as the hub takes it.
#[derive(Clone)]
pub struct Way(pub Arc<Line>);

fn unread(error: &'static str) -> LogUnavailable {
    LogUnavailable(error.to_owned())
}

fn unheld(error: &'static str) -> LeasesUnavailable {
    LeasesUnavailable(error.to_owned())
}

impl LogRead for Way {
    fn head(&self) -> LogFuture<'_, LogHead> {
        Box::pin(async {
            let head = self.0.call(None, |rows, _| LogHead {
                epoch: EPOCH.into(),
                seq: rows.signals.len() as i64,
                oldest: 1,
            });
            head.await.map_err(unread)
        })
    }

    fn after(&self, seq: i64, limit: usize) -> LogFuture<'_, Vec<LogRow>> {
        Box::pin(async move {
            let rows = self.0.call(None, move |rows, _| {
                let after = rows.signals.iter().skip(seq as usize);
                after.take(limit).cloned().collect()
            });
            rows.await.map_err(unread)
        })
    }

    fn before_time(&self, _: Time) -> LogFuture<'_, i64> {
        Box::pin(async { Ok(0) })
    }
}

impl Way {
    /// Takes the lease whoever has it.
    fn take(
        database: &Database,
        rows: &mut Rows,
        now: Duration,
        node: NodeId,
        applicant: &Applicant,
    ) -> Application {
        rows.fence += 1;
        let fence = rows.fence;
        let ago = |age: &Duration| now.saturating_sub(*age);
        let before = rows.leases.get(&applicant.key_id);
        let takeovers: Vec<Duration> = match before {
            Some(lease) if lease.node == Some(node) => {
                applicant.takeovers.iter().map(ago).collect()
            }
            Some(lease) => lease.takeovers.clone(),
            None => Vec::new(),
        };
        if let Some(other) = before
            .and_then(|lease| lease.node)
            .filter(|other| *other != node)
        {
            database.trace.count("leases taken from the gone");
            if let Some(on_taken) = &*database.on_taken.lock().unwrap() {
                on_taken(other, &applicant.key_id);
            }
        }
        database.trace.tell(format!(
            "database: {} to {node:?}, fence {fence}, was {:?}",
            applicant.key_id,
            before.and_then(|lease| lease.node)
        ));
        let lease = Lease {
            node: Some(node),
            fence,
            connected_at: applicant.connected_at,
            peer: applicant.peer.clone(),
            takeovers: takeovers.clone(),
        };
        rows.leases.insert(applicant.key_id.clone(), lease);
        Application::Granted {
            fence: Fence(fence),
            takeovers: takeovers.iter().map(ago).collect(),
        }
    }

    /// The lease of another node that lives.
    fn held(rows: &Rows, now: Duration, node: NodeId, key_id: &str) -> Option<Held> {
        let lease = rows.leases.get(key_id)?;
        let other = lease.node.filter(|other| *other != node)?;
        let beat = rows.beats.get(&other)?;
        (now.saturating_sub(*beat) <= LIFE).then_some(Held {
            fence: Fence(lease.fence),
            connected_at: lease.connected_at,
            peer: lease.peer.clone(),
        })
    }
}

impl LeaseStore for Way {
    fn beat(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async {
            let node = self.0.node;
            let beat = self.0.call(None, move |rows, now| {
                rows.beats.insert(node, now);
            });
            beat.await.map_err(unheld)
        })
    }

    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>> {
        Box::pin(async {
            let node = self.0.node;
            let all = self.0.database.planted == Planted::NoLookAfterSilence;
            let own = self.0.call(None, move |rows, _| {
                let leases = rows.leases.iter();
                let own = leases.filter(|(_, lease)| all || lease.node == Some(node));
                own.map(|(key, lease)| (key.clone(), Fence(lease.fence)))
                    .collect()
            });
            own.await.map_err(unheld)
        })
    }

    fn apply<'a>(&'a self, applicant: &'a Applicant) -> LeaseFuture<'a, Application> {
        Box::pin(async move {
            let (node, database) = (self.0.node, self.0.database.clone());
            let (asked, by) = (applicant.clone(), database.clone());
            if database.planted == Planted::TakenWithoutLock {
                let key = asked.key_id.clone();
                let held = self
                    .0
                    .call(None, move |rows, now| Self::held(rows, now, node, &key));
                if let Some(held) = held.await.map_err(unheld)? {
                    return Ok(Application::Held(held));
                }
                let taken = self.0.call(None, move |rows, now| {
                    Self::take(&by, rows, now, node, &asked)
                });
                return taken.await.map_err(unheld);
            }
            let done = self.0.call(None, move |rows, now| {
                match Self::held(rows, now, node, &asked.key_id) {
                    Some(held) => Application::Held(held),
                    None => Self::take(&by, rows, now, node, &asked),
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn ask<'a>(&'a self, key_id: &'a str, fence: Fence, claim: Claim) -> LeaseFuture<'a, i64> {
        Box::pin(async move {
            let key_id = key_id.to_owned();
            let asked = self.0.call(Some(Topic::Leases), move |rows, now| {
                rows.ask += 1;
                let lease = rows.leases.get(&key_id);
                if let Some(to) = lease.and_then(|lease| lease.node) {
                    let ask = Ask {
                        id: rows.ask,
                        key_id,
                        fence,
                        claim,
                    };
                    let question = Question {
                        ask,
                        to,
                        asked_at: now,
                        answer: None,
                    };
                    rows.questions.insert(rows.ask, question);
                }
                rows.ask
            });
            asked.await.map_err(unheld)
        })
    }

    fn answer(&self, ask: i64) -> LeaseFuture<'_, Option<Answer>> {
        Box::pin(async move {
            let answer = self
                .0
                .call(None, move |rows, _| rows.questions.get(&ask)?.answer);
            answer.await.map_err(unheld)
        })
    }

    fn asked(&self) -> LeaseFuture<'_, Vec<Ask>> {
        Box::pin(async {
            let node = self.0.node;
            let asks = self.0.call(None, move |rows, now| {
                let fresh = rows.questions.values().filter(|question| {
                    question.to == node
                        && question.answer.is_none()
                        && now.saturating_sub(question.asked_at) < Duration::from_secs(3)
                });
                fresh.map(|question| question.ask.clone()).collect()
            });
            asks.await.map_err(unheld)
        })
    }

    fn reply<'a>(
        &'a self,
        ask: &'a Ask,
        answer: Answer,
        takeovers: Vec<Duration>,
    ) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            let (node, ask, trace) = (self.0.node, ask.clone(), self.0.database.trace.clone());
            let done = self.0.call(Some(Topic::Leases), move |rows, now| {
                if let Some(question) = rows.questions.get_mut(&ask.id) {
                    question.answer = Some(answer);
                }
                trace.tell(format!(
                    "database: {node:?} answers {ask:?} with {answer:?}"
                ));
                let lease = rows.leases.get_mut(&ask.key_id);
                if let Some(lease) = lease.filter(|lease| {
                    answer == Answer::Free
                        && lease.node.is_none_or(|own| own == node)
                        && lease.fence == ask.fence.0
                }) {
                    lease.node = None;
                    let ago = |age: &Duration| now.saturating_sub(*age);
                    lease.takeovers = takeovers.iter().map(ago).collect();
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn release<'a>(&'a self, leases: &'a [Ended]) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            let (node, leases) = (self.0.node, leases.to_vec());
            let done = self.0.call(Some(Topic::Leases), move |rows, now| {
                for ended in leases {
                    let lease = rows.leases.get_mut(&ended.key_id);
                    if let Some(lease) = lease
                        .filter(|lease| lease.node == Some(node) && lease.fence == ended.fence.0)
                    {
                        lease.node = None;
                        let ago = |age: &Duration| now.saturating_sub(*age);
                        lease.takeovers = ended.takeovers.iter().map(ago).collect();
                    }
                }
            });
            done.await.map_err(unheld)
        })
    }

    fn leave(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async {
            let node = self.0.node;
            let done = self.0.call(Some(Topic::Leases), move |rows, _| {
                rows.beats.remove(&node);
                for lease in rows.leases.values_mut() {
                    lease.node = lease.node.filter(|own| *own != node);
                }
            });
            done.await.map_err(unheld)
        })
    }
}
