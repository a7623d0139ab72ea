//! The desk: what owners do with their endpoints. Made, changed, rotated, tested, sent again; over HTTP and on the command line alike.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::json;

use super::{
    attempt::{Line, Message},
    dial::Dialer,
    headers::{self, Label, Secrets},
    places, proof,
    refusal::{DeskError, DeskResult},
    secret::{Seal, Secret, Unsealable},
    shown::{FailedMessage, Resent, Webhook, WebhookAttempt, WebhookAttempts, WebhookWithSecret},
    target::{BadTarget, Target},
};
use crate::{
    gate::{
        endpoint::EndpointBody, pairs::QueryError, resend::Resend, webhook_query::AttemptsQuery,
    },
    model::{
        log::LogHead,
        random::Random,
        signal,
        time::{Clock, Time},
    },
    store::{
        db::Db,
        error::StoreResult,
        hook_messages::Attempt,
        hooks::{Disabled, Hook, HookChange},
    },
};

/// For so long a secret that was rotated out signs beside the new one.
const OVERLAP_HOURS: i64 = 24;
const HOUR: i64 = 3_600 * Time::SECOND;
/// What happened, where nothing did.
const TEST: &str = "webhook.test";

/// The desk.
pub struct Desk {
    db: Db,
    dialer: Dialer,
    /// Absent where nothing is sealed or signed.
    seal: Option<Arc<Seal>>,
    clock: Clock,
    random: Random,
    /// Endpoints that are being tested.
    testing: Mutex<HashSet<String>>,
}

/// An endpoint that is being tested, until it is dropped.
struct UnderTest<'a>(&'a Desk, &'a str);

impl Drop for UnderTest<'_> {
    fn drop(&mut self) {
        self.0.testing().remove(self.1);
    }
}

impl Desk {
    /// What reaches endpoints, for whoever else sends to them.
    #[must_use]
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// One that works on a database. Without a seal nothing can be made, rotated or tested there.
    #[must_use]
    pub fn new(
        db: Db,
        dialer: Dialer,
        seal: Option<Arc<Seal>>,
        clock: Clock,
        random: Random,
    ) -> Self {
        Desk {
            db,
            dialer,
            seal,
            clock,
            random,
            testing: Mutex::default(),
        }
    }

    fn testing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.testing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn head(&self) -> StoreResult<LogHead> {
        Ok(self.db.head_and_access().await?.0)
    }

    fn seal(&self) -> DeskResult<&Seal> {
        self.seal.as_deref().ok_or(DeskError::OtherKey)
    }

    async fn hook(&self, account: Option<&str>, id: &str) -> DeskResult<Hook> {
        let hook = self.db.hook(id, account).await?;
        hook.ok_or(DeskError::NoWebhook)
    }

    async fn show(&self, hooks: Vec<Hook>) -> DeskResult<Vec<Webhook>> {
        let ids: Vec<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
        let unanswered = self.db.unanswered(&ids).await?;
        // after the endpoints were read: none stands before it
        let (head, now) = (self.head().await?, self.clock.now());
        let shown = hooks.into_iter().map(|hook| {
            let unanswered = unanswered.get(&hook.id).copied().unwrap_or_default();
            Webhook::of(hook, &head, unanswered, now)
        });
        Ok(shown.collect())
    }

    async fn show_one(&self, hook: Hook) -> DeskResult<Webhook> {
        let mut shown = self.show(vec![hook]).await?;
        shown.pop().ok_or(DeskError::NoWebhook)
    }

    fn target(&self, url: &str) -> DeskResult<Target> {
        Target::parse(url, self.dialer.allowed()).map_err(|error| {
            // it would be said back, and to the log of whoever asks
            let said = match error {
                BadTarget::Credentials => "(not shown)",
                _ => url,
            };
            let scheme = match self.dialer.allowed().http {
                true => "an http: or https: URL",
                false => "an https: URL",
            };
            let allowed =
                format!("{scheme} of a host that webhooks may go to; this is refused: {error}");
            QueryError::new("url", said, allowed).into()
        })
    }

    /// A new secret, in the clear and sealed for an endpoint.
    async fn secret(&self, id: &str) -> DeskResult<(Secret, String)> {
        let seal = self.seal()?;
        if !proof::keep(&self.db, seal, &self.random).await? {
            return Err(DeskError::OtherKey);
        }
        let secret = Secret::generate(|bytes| proof::fill(&self.random, bytes));
        let sealed = seal.seal(&secret, id, |nonce| proof::fill(&self.random, nonce));
        Ok((secret, sealed.ok_or(Unsealable)?))
    }

    /// Makes an endpoint of an account that may have so many at most; its secret is shown this once.
    pub async fn create(
        &self,
        account: &str,
        most: u32,
        body: EndpointBody,
    ) -> DeskResult<WebhookWithSecret> {
        if most == 0 {
            return Err(DeskError::NotInPlan);
        }
        let target = self.target(body.url.as_deref().unwrap_or_default())?;
        let sent_to = places::start(body.start_after, &self.head().await?)?;
        let id = self.random.uuid().hyphenated().to_string();
        let (secret, sealed) = self.secret(&id).await?;
        let now = self.clock.now();
        let hook = Hook {
            id,
            account_id: account.to_owned(),
            url: target.url().as_str().to_owned(),
            description: body.description.unwrap_or_default(),
            filter: body.filter.unwrap_or_default(),
            compat: body.compat.flatten(),
            ordered: body.ordered.unwrap_or(false),
            disabled: (body.enabled == Some(false)).then_some((Disabled::Asked, now)),
            secret: sealed,
            old_secret: None,
            created_at: now,
            sent_to,
            failing: None,
            answered_at: None,
        };
        self.db.add_hook(&hook, most).await?;
        let webhook = self.show_one(hook).await?;
        Ok(WebhookWithSecret { webhook, secret })
    }

    /// All endpoints, or an account's, the oldest first.
    pub async fn list(&self, account: Option<&str>) -> DeskResult<Vec<Webhook>> {
        self.show(self.db.hooks(account).await?).await
    }

    /// One endpoint; an account's own, where one is named.
    pub async fn one(&self, account: Option<&str>, id: &str) -> DeskResult<Webhook> {
        self.show_one(self.hook(account, id).await?).await
    }

    /// Changes an endpoint.
    pub async fn change(
        &self,
        account: Option<&str>,
        id: &str,
        body: EndpointBody,
    ) -> DeskResult<Webhook> {
        self.hook(account, id).await?;
        let skips = body.skip_missed == Some(true);
        if skips && body.enabled != Some(true) {
            let allowed = "true only beside `enabled`: true";
            return Err(QueryError::new("skip_missed", "true", allowed).into());
        }
        let target = body.url.as_deref().map(|url| self.target(url));
        let go_on_at = match skips {
            true => Some(places::head(&self.head().await?)),
            false => None,
        };
        let change = HookChange {
            url: target
                .transpose()?
                .map(|target| target.url().as_str().to_owned()),
            description: body.description,
            filter: body.filter,
            compat: body.compat,
            ordered: body.ordered,
            enabled: body.enabled,
            go_on_at,
        };
        let now = self.clock.now();
        let changed = self.db.change_hook(id, &change, now).await?;
        self.show_one(changed.ok_or(DeskError::NoWebhook)?).await
    }

    /// Deletes an endpoint with all that is known of it.
    pub async fn delete(&self, account: Option<&str>, id: &str) -> DeskResult<()> {
        self.hook(account, id).await?;
        match self.db.delete_hook(id).await? {
            true => Ok(()),
            false => Err(DeskError::NoWebhook),
        }
    }

    /// Gives an endpoint a new secret, shown this once. The one before signs beside it for a day; one that was before that, no more. Nor does
    /// one whose key is lost.
    pub async fn rotate(&self, account: Option<&str>, id: &str) -> DeskResult<WebhookWithSecret> {
        let hook = self.hook(account, id).await?;
        let (secret, sealed) = self.secret(id).await?;
        let until = self.clock.now().plus(OVERLAP_HOURS * HOUR);
        let opens = self.seal()?.open(&hook.secret, id).is_ok();
        let until = opens.then_some(until);
        if !self.db.rotate_hook(id, &sealed, until).await? {
            return Err(DeskError::NoWebhook);
        }
        let webhook = self.one(account, id).await?;
        Ok(WebhookWithSecret { webhook, secret })
    }

    /// Sends an endpoint a message that is no signal, once, and tells what came of it. Whoever asks may leave meanwhile: it is noted all the same.
    pub async fn test(
        self: &Arc<Self>,
        account: Option<&str>,
        id: &str,
    ) -> DeskResult<WebhookAttempt> {
        let hook = self.hook(account, id).await?;
        let desk = self.clone();
        let tested = tokio::spawn(async move { desk.attempt_test(hook).await });
        // it has no other way to end than a panic, and who asked is gone with the runtime
        tested.await.unwrap_or(Err(DeskError::NoAttempt))
    }

    async fn attempt_test(&self, hook: Hook) -> DeskResult<WebhookAttempt> {
        if !self.testing().insert(hook.id.clone()) {
            return Err(DeskError::UnderTest);
        }
        let _under_test = UnderTest(self, &hook.id);
        let secrets = Secrets::open(self.seal()?, &hook)?;
        let target = self.target(&hook.url)?;
        let id = self.random.uuid().hyphenated().to_string();
        let at = self.clock.now();
        let body = json!({
            "type": TEST, "id": id, "webhook_id": hook.id, "sent_at": at,
            "message": "A test: no signal fired.",
        })
        .to_string();
        let label = Label {
            id: &id,
            seq: None,
            event: TEST,
            at,
        };
        let message = Message {
            headers: headers::headers(&secrets, hook.compat, label, body.as_bytes()),
            body: body.into(),
            at,
        };
        let started = Instant::now();
        let outcome = Line::new(self.dialer.clone(), target)
            .attempt(&message)
            .await;
        let took = started.elapsed().as_micros();
        let made = Attempt {
            seq: None,
            signal_id: id,
            attempt: 1,
            at,
            took: i64::try_from(took).unwrap_or(i64::MAX),
            status: outcome.status.map(|status| status.as_u16()),
            error: outcome.failure.map(|failure| failure.word().to_owned()),
            answer: Some(outcome.said).filter(|said| !said.is_empty()),
        };
        let noted = self.db.add_attempt(&hook.id, &made).await?;
        let number = noted.ok_or(DeskError::NoWebhook)?;
        self.attempt(None, &hook.id, number).await
    }

    /// Has signals sent again.
    pub async fn resend(
        &self,
        account: Option<&str>,
        id: &str,
        what: &Resend,
    ) -> DeskResult<Resent> {
        self.hook(account, id).await?;
        let (head, now) = (self.head().await?, self.clock.now());
        match what {
            Resend::One(place) => {
                let row = places::signal(&self.db, place, &head).await?;
                let signal_id = signal::id_of(row.body.as_bytes()).ok_or(DeskError::NoSignal)?;
                self.db.resend(id, row.seq, &signal_id, now).await?;
                Ok(Resent {
                    signal_id: Some(signal_id),
                    ..Resent::new(&head, row.seq - 1, row.seq)
                })
            }
            Resend::Range {
                after,
                before,
                failed_since,
            } => {
                let after = match after {
                    Some(place) => places::seq_of(&self.db, "after", place, &head).await?,
                    None => 0,
                };
                let until = match before {
                    Some(place) => {
                        let before = places::seq_of(&self.db, "before", place, &head).await?;
                        if before <= after {
                            let (said, allowed) = (before.to_string(), "a place behind `after`");
                            return Err(QueryError::new("before", &said, allowed).into());
                        }
                        before - 1
                    }
                    None => head.seq,
                };
                // of nothing there is nothing to be done
                if after < until {
                    self.db
                        .resend_range(id, after, until, *failed_since, now)
                        .await?;
                }
                Ok(Resent {
                    failed_since: *failed_since,
                    ..Resent::new(&head, after, until)
                })
            }
        }
    }

    /// Attempts at an endpoint, the latest first.
    pub async fn attempts(
        &self,
        account: Option<&str>,
        id: &str,
        query: &AttemptsQuery,
    ) -> DeskResult<WebhookAttempts> {
        self.hook(account, id).await?;
        let seq = match &query.signal {
            Some(place) => Some(
                places::signal(&self.db, place, &self.head().await?)
                    .await?
                    .seq,
            ),
            None => None,
        };
        // one more tells whether there are more
        let most = query.limit.saturating_add(1);
        let mut found = self.db.attempts(id, seq, query.before, most).await?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|last| last.id);
        let items = found.into_iter().map(WebhookAttempt::from).collect();
        Ok(WebhookAttempts { items, next })
    }

    /// One attempt.
    pub async fn attempt(
        &self,
        account: Option<&str>,
        id: &str,
        number: i64,
    ) -> DeskResult<WebhookAttempt> {
        self.hook(account, id).await?;
        let found = self.db.attempt(id, number).await?;
        found.map(WebhookAttempt::from).ok_or(DeskError::NoAttempt)
    }

    /// Messages that failed, in order, and how many there are.
    pub async fn failed(
        &self,
        account: Option<&str>,
        id: &str,
        most: i64,
        offset: i64,
    ) -> DeskResult<(i64, Vec<FailedMessage>)> {
        self.hook(account, id).await?;
        let counted = self.db.unanswered(&[id]).await?;
        let total = counted.get(id).map_or(0, |counted| counted.failed);
        let found = self.db.failed_messages(id, most, offset).await?;
        Ok((total, found.into_iter().map(FailedMessage::from).collect()))
    }
}
