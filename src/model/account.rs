//! Accounts, their plans, and what a key's holder may do now.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::{
    key::{KeyKind, KeyText},
    time::Time,
};

/// A customer of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// UUID; the `user_id` of `hello`.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// Name of a plan in the configuration.
    pub plan: String,
    /// When the subscription lapses; `None` is never.
    pub expires_at: Option<Time>,
    /// Since when it is suspended: its keys then answer as if unknown.
    pub suspended_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
}

/// Whether a text may be an account's name; if not, what may.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let fits = (1..=200).contains(&name.chars().count());
    if fits && !name.trim().is_empty() && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err("1 to 200 characters, none of them a control character")
    }
}

/// A key as it is kept: everything but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// UUID.
    pub id: String,
    /// Whose.
    pub account_id: String,
    /// Its family.
    pub kind: KeyKind,
    /// `sig_live_Ab1C`.
    pub prefix: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// When it was revoked; it stays listed.
    pub revoked_at: Option<Time>,
}

impl KeyRecord {
    /// Of a key that is made now.
    #[must_use]
    pub fn new(
        id: Uuid,
        account_id: &str,
        kind: KeyKind,
        key: &KeyText,
        now: Time,
        expires_at: Option<Time>,
    ) -> Self {
        KeyRecord {
            id: id.hyphenated().to_string(),
            account_id: account_id.to_owned(),
            kind,
            prefix: key.prefix().to_owned(),
            created_at: now,
            expires_at,
            revoked_at: None,
        }
    }

    /// Neither revoked nor expired.
    #[must_use]
    pub fn is_active(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a plan allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// May open `GET /api/signals/stream`.
    pub stream: bool,
    /// May read the REST API.
    pub rest: bool,
    /// May register webhooks.
    pub webhooks: bool,
    /// How many webhook endpoints.
    pub webhook_endpoints: u32,
    /// May use the MCP server.
    pub mcp: bool,
    /// REST requests a UTC day; 0 is no limit by the day.
    pub requests_per_day: u64,
    /// REST requests a UTC month; 0 is no limit by the month.
    pub requests_per_month: u64,
    /// REST requests a second that a key may go on making; 0 is no limit by the second.
    pub requests_per_second: u32,
    /// REST requests that a key may make at once after a rest; 0 is no limit by the second.
    pub burst: u32,
}

/// A plan that says nothing allows nothing, at the usual pace.
impl Default for Plan {
    fn default() -> Self {
        Plan {
            stream: false,
            rest: false,
            webhooks: false,
            webhook_endpoints: 0,
            mcp: false,
            requests_per_day: 0,
            requests_per_month: 0,
            requests_per_second: 10,
            burst: 20,
        }
    }
}

impl Plan {
    /// The family of a key for whose making none was named.
    #[must_use]
    pub fn usual_kind(&self) -> KeyKind {
        if self.stream {
            KeyKind::Stream
        } else {
            KeyKind::Data
        }
    }
}

/// All plans, by name.
pub type Plans = BTreeMap<String, Plan>;

/// Who holds a key, as one read of the store gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key.
    pub key: KeyRecord,
    /// Its account.
    pub account: Account,
}

/// Why a holder may not have the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Revoked, expired or suspended: as good as unknown.
    InvalidKey,
    /// The plan never had it.
    SubscriptionRequired,
    /// The plan had it, and lapsed.
    SubscriptionExpired,
}

impl Holder {
    /// Whether the key itself counts.
    pub fn check_key(&self, now: Time) -> Result<(), Denied> {
        if self.key.is_active(now) && self.account.suspended_at.is_none() {
            Ok(())
        } else {
            Err(Denied::InvalidKey)
        }
    }

    /// Whether the stream may be open at `now`.
    pub fn check_stream(&self, plans: &Plans, now: Time) -> Result<(), Denied> {
        self.check_plan(plans, now, |plan| plan.stream)
    }

    /// Whether the key counts at `now`, and its account has a plan with this in it that has not lapsed.
    pub fn check_plan(
        &self,
        plans: &Plans,
        now: Time,
        includes: impl FnOnce(&Plan) -> bool,
    ) -> Result<(), Denied> {
        self.check_key(now)?;
        if !plans.get(&self.account.plan).is_some_and(includes) {
            return Err(Denied::SubscriptionRequired);
        }
        if self.account.expires_at.is_some_and(|end| end <= now) {
            return Err(Denied::SubscriptionExpired);
        }
        Ok(())
    }

    /// The moment at which the stream ends by itself, if any: the key's expiry or the account's, whichever is first.
    #[must_use]
    pub fn valid_until(&self) -> Option<Time> {
        match (self.key.expires_at, self.account.expires_at) {
            (Some(key), Some(account)) => Some(key.min(account)),
            (one, other) => one.or(other),
        }
    }
}
