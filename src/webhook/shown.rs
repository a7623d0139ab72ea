//! What owners are shown of their webhooks: endpoints, attempts, messages that failed. The same over HTTP and on the command line.

use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::secret::Secret;
use crate::{
    gate::endpoint::{Compat, filter_json},
    model::{
        log::{LogHead, Position},
        time::Time,
    },
    store::{
        hook_messages::Message,
        hook_reports::{Listed, Unanswered},
        hooks::Hook,
    },
};

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Webhook {
    /// UUID.
    pub id: String,
    /// Whose it is.
    #[serde(skip)]
    pub account_id: String,
    /// Where messages go.
    pub url: String,
    /// What passes.
    #[schema(value_type = WebhookFilter)]
    pub filter: Value,
    /// Its owner's words.
    pub description: String,
    /// Whether it is sent to.
    pub enabled: bool,
    /// Why it is not sent to, and since when; null while it is.
    #[schema(required)]
    pub disabled: Option<DisabledWebhook>,
    /// Each signal only once the one before is answered or failed.
    pub ordered: bool,
    /// `sigmate`: that service's headers beside the standard's; null: none.
    #[schema(required)]
    pub compat: Option<&'static str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Until when the secret before signs beside the new one; null: there is none that counts.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub old_secret_until: Option<Time>,
    /// How its messages fare.
    pub state: WebhookState,
}

/// What passes a webhook's filter; null is everything.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the filter itself writes")]
struct WebhookFilter {
    /// Any of these signal types.
    #[schema(required)]
    types: Option<Vec<String>>,
    /// At least this rank.
    #[schema(required, pattern = "^[SABCD]$")]
    min_rank: Option<String>,
    /// At least this score.
    #[schema(required)]
    min_score: Option<f64>,
    /// Of this market.
    #[schema(required)]
    market: Option<String>,
}

/// Why a webhook is not sent to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DisabledWebhook {
    /// `asked`: its owner wants it so. `gone`: it answered 410. `failing`: for days it acknowledged nothing.
    pub why: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

/// How a webhook's messages fare.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WebhookState {
    /// Its place in the log, `<epoch>-<seq>`: all up to there was acknowledged, waits, failed, or did not pass.
    #[schema(example = "1f3c9a2e-183")]
    pub sent_to: String,
    /// Signals of the log behind that place, whether or not they pass; null where it stands in a log that is no more.
    #[schema(required)]
    pub behind: Option<i64>,
    /// Messages that are sent again later.
    pub waiting: i64,
    /// Messages that were given up after their last attempt.
    pub failed: i64,
    /// The first attempt that failed since the last that did not; null: none has.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub failing_since: Option<Time>,
    /// The last attempt that was acknowledged; null: none was.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub answered_at: Option<Time>,
}

impl Webhook {
    /// Of an endpoint as it is kept, where the log's head is this.
    #[must_use]
    pub fn of(hook: Hook, head: &LogHead, unanswered: Unanswered, now: Time) -> Self {
        let behind = (hook.sent_to.epoch == head.epoch)
            .then(|| head.seq.saturating_sub(hook.sent_to.seq).max(0));
        let until = hook.old_secret.map(|(_, until)| until);
        Webhook {
            filter: filter_json(&hook.filter),
            enabled: hook.disabled.is_none(),
            disabled: hook.disabled.map(|(why, at)| DisabledWebhook {
                why: why.word(),
                at,
            }),
            compat: hook.compat.map(Compat::word),
            old_secret_until: until.filter(|until| now < *until),
            state: WebhookState {
                sent_to: hook.sent_to.to_string(),
                behind,
                waiting: unanswered.waiting,
                failed: unanswered.failed,
                failing_since: hook.failing.map(|(since, _)| since),
                answered_at: hook.answered_at,
            },
            id: hook.id,
            account_id: hook.account_id,
            url: hook.url,
            description: hook.description,
            ordered: hook.ordered,
            created_at: hook.created_at,
        }
    }
}

/// An endpoint and its secret, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// What its messages are signed with. It cannot be read again.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "whsec_…")]
    pub secret: Secret,
}

fn reveal<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.reveal())
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WebhookAttempt {
    /// Its number: it grows with time.
    pub id: i64,
    /// The signal's id, or the test's own.
    pub signal_id: String,
    /// The signal's seq; null: it was a test.
    #[schema(required)]
    pub seq: Option<i64>,
    /// The how many-th at this message.
    pub attempt: u32,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Milliseconds from there to the answer, or to the failure.
    pub latency_ms: f64,
    /// The answer's status; null: there was none.
    #[schema(required)]
    pub status: Option<u16>,
    /// What kind of failure; null: it was acknowledged.
    #[schema(required, example = "timeout")]
    pub error: Option<String>,
    /// The first kB of the answer, or why there was none.
    #[schema(required)]
    pub answer: Option<String>,
}

impl From<Listed> for WebhookAttempt {
    fn from(listed: Listed) -> Self {
        let made = listed.attempt;
        WebhookAttempt {
            id: listed.id,
            signal_id: made.signal_id,
            seq: made.seq,
            attempt: made.attempt,
            at: made.at,
            latency_ms: made.took as f64 / 1_000.0,
            status: made.status,
            error: made.error,
            answer: made.answer,
        }
    }
}

/// Attempts, the latest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WebhookAttempts {
    /// These.
    pub items: Vec<WebhookAttempt>,
    /// For `before`: the older ones; null: there are none.
    #[schema(required)]
    pub next: Option<i64>,
}

/// A message that was given up after its last attempt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FailedMessage {
    /// The signal's id.
    pub signal_id: String,
    /// Its seq.
    pub seq: i64,
    /// Attempts that were made.
    pub attempts: u32,
    /// When the first was made.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Time,
}

impl From<Message> for FailedMessage {
    fn from(message: Message) -> Self {
        FailedMessage {
            signal_id: message.signal_id,
            seq: message.seq,
            attempts: message.attempts,
            first_at: message.first_at,
        }
    }
}

/// What is sent again: the signals behind `after`, up to `until`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Resent {
    /// The id of the one signal; null: it is a stretch of the log.
    #[schema(required)]
    pub signal_id: Option<String>,
    /// Behind this place, ...
    #[schema(example = "1f3c9a2e-183")]
    pub after: String,
    /// ... up to this one.
    #[schema(example = "1f3c9a2e-190")]
    pub until: String,
    /// Only what failed, and was first sent from then on; null: all that passes.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub failed_since: Option<Time>,
}

impl Resent {
    /// Behind one seq of a log, up to another.
    #[must_use]
    pub fn new(head: &LogHead, after: i64, until: i64) -> Self {
        let place = |seq| {
            let epoch = head.epoch.clone();
            Position { epoch, seq }.to_string()
        };
        Resent {
            signal_id: None,
            after: place(after),
            until: place(until),
            failed_since: None,
        }
    }
}
