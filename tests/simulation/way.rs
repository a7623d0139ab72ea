//! One node's way to the simulated database: the log and the leases as the hub takes them, one transaction a call.

use std::{sync::Arc, time::Duration};

use sigcast::model::{
    lease::{
        Answer, Applicant, Application, Ask, Asked, Ended, Era, Fence, Held, LeaseFuture,
        LeaseStore, LeasesUnavailable,
    },
    log::{LogFuture, LogHead, LogPart, LogRead, LogUnavailable, Lost},
    time::Time,
};

use super::{
    database::{Database, LIFE, Lease, Line, NodeId, Question, Rows, Topic},
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
                epoch: rows.epoch.clone(),
                seq: rows.signals.len() as i64,
                oldest: 1,
            });
            head.await.map_err(unread)
        })
    }

    fn after(&self, seq: i64, limit: usize) -> LogFuture<'_, LogPart> {
        Box::pin(async move {
            let whole = self.0.database.planted == Planted::LogSeemsWhole;
            let part = self.0.call(None, move |rows, _| {
                let after = rows.signals.iter().skip(seq.max(0) as usize);
                let mut part = LogPart {
                    epoch: rows.epoch.clone(),
                    head: rows.signals.len() as i64,
                    rows: after.take(limit).cloned().collect(),
                };
                if whole && let Some(lost) = rows.lost.get(&(seq + 1)) {
                    part.head = part.head.max(seq + 1);
                    part.rows.truncate(limit - 1);
                    part.rows.retain(|row| row.seq != seq + 1);
                    part.rows.insert(0, lost.clone());
                }
                part
            });
            part.await.map_err(unread)
        })
    }

    fn settled_before(&self, time: Time) -> LogFuture<'_, i64> {
        self.before_time(time)
    }

    fn begin_anew<'a>(&'a self, lost: &'a Lost, epoch: &'a str) -> LogFuture<'a, ()> {
        Box::pin(async move {
            let (lost, epoch) = (lost.clone(), epoch.to_owned());
            let trace = self.0.database.trace.clone();
            let named = self.0.call(Some(Topic::Signals), move |rows, _| {
                let head = rows.signals.len() as i64;
                let now = rows.signals.get((lost.seq - 1).max(0) as usize);
                let other = lost.row.as_ref().zip(now).is_some_and(|(a, b)| a != b);
                if rows.epoch == lost.epoch && (head < lost.seq || other) {
                    trace.tell(format!("database: the log is {epoch} from here on"));
                    rows.epoch = epoch.into();
                    for era in rows.eras.values_mut() {
                        rows.fence += 1;
                        *era = rows.fence;
                    }
                }
            });
            named.await.map_err(unread)
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
        let ago = |age: &Duration| now.saturating_sub(*age);
        let lease = rows.leases.get(&applicant.key_id);
        let takeovers: Vec<Duration> = match lease {
            Some(lease) if lease.node == Some(node) => {
                applicant.takeovers.iter().map(ago).collect()
            }
            Some(lease) => lease.takeovers.clone(),
            None => Vec::new(),
        };
        let before = lease.and_then(|lease| lease.node);
        if let Some(other) = before.filter(|other| *other != node) {
            database.trace.count("leases taken from the gone");
            rows.begin_era(other);
            if let Some(on_taken) = &*database.on_taken.lock().unwrap() {
                on_taken(other, &applicant.key_id);
            }
        }
        rows.fence += 1;
        let fence = rows.fence;
        database.trace.tell(format!(
            "database: {} to {node:?}, fence {fence}, was {before:?}",
            applicant.key_id
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

impl Way {
    /// Asks for a lease that is held, unless it was asked for.
    fn ask(rows: &mut Rows, now: Duration, one: &Applicant, held: Held) -> Application {
        if let Some(asked) = one.asked {
            let answer = (rows.questions.get(&asked.id)).and_then(|question| question.answer);
            match answer {
                Some(Answer::Free) => {}
                Some(answer) => return Application::Refused(held, answer),
                None if asked.fence == held.fence => return Application::Held(held, asked),
                None => {}
            }
        }
        rows.ask += 1;
        let asked = Asked {
            id: rows.ask,
            fence: held.fence,
        };
        if let Some(to) = (rows.leases.get(&one.key_id)).and_then(|lease| lease.node) {
            let ask = Ask {
                id: asked.id,
                key_id: one.key_id.clone(),
                fence: held.fence,
                claim: one.claim,
            };
            let question = Question {
                ask,
                to,
                asked_at: now,
                answer: None,
            };
            rows.questions.insert(asked.id, question);
        }
        Application::Held(held, asked)
    }
}

impl LeaseStore for Way {
    fn beat(&self) -> LeaseFuture<'_, Era> {
        Box::pin(async {
            let node = self.0.node;
            let unaware = self.0.database.planted == Planted::NoEras;
            let beat = self.0.call(None, move |rows, now| {
                rows.beats.insert(node, now);
                if !rows.eras.contains_key(&node) {
                    rows.begin_era(node);
                }
                let number = if unaware { 0 } else { rows.eras[&node] };
                Era {
                    number,
                    connection: 0,
                }
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

    fn apply<'a>(&'a self, applicants: &'a [Applicant]) -> LeaseFuture<'a, Vec<Application>> {
        Box::pin(async move {
            let (node, database) = (self.0.node, self.0.database.clone());
            let (all, by) = (applicants.to_vec(), database.clone());
            let mut live: Vec<Option<Held>> = vec![None; all.len()];
            if database.planted == Planted::TakenWithoutLock {
                let keys: Vec<String> = all.iter().map(|one| one.key_id.clone()).collect();
                let held = self.0.call(None, move |rows, now| {
                    let held = keys.iter().map(|key| Self::held(rows, now, node, key));
                    held.collect()
                });
                live = held.await.map_err(unheld)?;
            }
            let unlocked = database.planted == Planted::TakenWithoutLock;
            let done = self.0.call(None, move |rows, now| {
                let asks = rows.ask;
                let each = all.iter().zip(live).map(|(one, seen)| {
                    let held = match unlocked {
                        true => seen,
                        false => Self::held(rows, now, node, &one.key_id),
                    };
                    match held {
                        Some(held) => Self::ask(rows, now, one, held),
                        None => Self::take(&by, rows, now, node, one),
                    }
                });
                let each: Vec<Application> = each.collect();
                if rows.ask > asks {
                    by.notify(Topic::Leases);
                }
                each
            });
            done.await.map_err(unheld)
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
                rows.eras.remove(&node);
                for lease in rows.leases.values_mut() {
                    lease.node = lease.node.filter(|own| *own != node);
                }
            });
            done.await.map_err(unheld)
        })
    }
}
