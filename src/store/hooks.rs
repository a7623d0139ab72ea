//! Webhook endpoints: made, listed, changed by their owners.

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_scalar},
};
use crate::{
    gate::{
        endpoint::{Compat, filter_json, read_filter},
        filter::Filter,
    },
    model::{log::Position, time::Time},
};

/// Why an endpoint is not sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Its owner wants it so.
    Asked,
    /// It answered 410.
    Gone,
    /// It failed for days.
    Failing,
}

impl Disabled {
    const ALL: [Disabled; 3] = [Disabled::Asked, Disabled::Gone, Disabled::Failing];

    /// The word in answers and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Disabled::Asked => "asked",
            Disabled::Gone => "gone",
            Disabled::Failing => "failing",
        }
    }
}

/// A webhook endpoint as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// UUID.
    pub id: String,
    /// Whose.
    pub account_id: String,
    /// Where to.
    pub url: String,
    /// Its owner's words.
    pub description: String,
    /// What passes.
    pub filter: Filter,
    /// Other headers beside the standard's.
    pub compat: Option<Compat>,
    /// One after the other.
    pub ordered: bool,
    /// Since when it is not sent to, and why; `None`: it is.
    pub disabled: Option<(Disabled, Time)>,
    /// What it is signed with, sealed.
    pub secret: String,
    /// The secret before, sealed, and until when it counts.
    pub old_secret: Option<(String, Time)>,
    /// When it was made.
    pub created_at: Time,
    /// Where it stands: up to there all was answered, waits as a message of its own, or did not pass.
    pub sent_to: Position,
    /// Since when nothing was answered, and how many messages failed since.
    pub failing: Option<(Time, i64)>,
    /// When something was answered last.
    pub answered_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
pub(super) struct HookRow {
    pub(super) id: String,
    account_id: String,
    url: String,
    description: String,
    filter: String,
    compat: Option<String>,
    ordered: bool,
    disabled_why: Option<String>,
    disabled_at: Option<i64>,
    secret: String,
    old_secret: Option<String>,
    old_secret_until: Option<i64>,
    created_at: i64,
    epoch: String,
    sent_to: i64,
    failing_since: Option<i64>,
    failing_messages: i64,
    answered_at: Option<i64>,
}

impl TryFrom<HookRow> for Hook {
    type Error = StoreError;

    fn try_from(row: HookRow) -> StoreResult<Self> {
        let filter = serde_json::from_str(&row.filter).ok();
        let filter = read_filter(filter)
            .map_err(|error| StoreError::corrupt(format!("webhook {}", row.id), error))?;
        let why = |word: String| Disabled::ALL.into_iter().find(|why| why.word() == word);
        Ok(Hook {
            filter,
            compat: row.compat.as_deref().and_then(Compat::parse),
            ordered: row.ordered,
            // a reason that is not known here was written by a newer version
            disabled: row.disabled_at.map(|at| {
                let why = row.disabled_why.and_then(why);
                (why.unwrap_or(Disabled::Asked), Time(at))
            }),
            secret: row.secret,
            old_secret: row.old_secret.zip(row.old_secret_until.map(Time)),
            created_at: Time(row.created_at),
            sent_to: Position {
                epoch: row.epoch.into(),
                seq: row.sent_to,
            },
            failing: row
                .failing_since
                .map(|since| (Time(since), row.failing_messages)),
            answered_at: row.answered_at.map(Time),
            id: row.id,
            account_id: row.account_id,
            url: row.url,
            description: row.description,
        })
    }
}

/// One change of an endpoint, by its owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HookChange {
    /// Another place.
    pub url: Option<String>,
    /// Other words.
    pub description: Option<String>,
    /// Another filter.
    pub filter: Option<Filter>,
    /// Other headers, or none.
    pub compat: Option<Option<Compat>>,
    /// One after the other, or not.
    pub ordered: Option<bool>,
    /// Whether it is sent to.
    pub enabled: Option<bool>,
    /// It goes on here, and what it missed is left out.
    pub go_on_at: Option<Position>,
}

const HOOK: &str = "select id, account_id, url, description, filter, compat, ordered, disabled_why, disabled_at, secret, old_secret,
    old_secret_until, created_at, epoch, sent_to, failing_since, failing_messages, answered_at from hooks";

impl Db {
    /// Stores a new endpoint; refused where its account has as many as `most`.
    pub async fn add_hook(&self, hook: &Hook, most: u32) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        // holds the account to the commit: who makes one beside waits here, and counts this one
        let known = query("update accounts set name = name where id = $1")
            .bind(&hook.account_id)
            .execute(&mut tx)
            .await?;
        if known == 0 {
            return Err(StoreError::Refused(format!(
                "there is no account {}",
                hook.account_id
            )));
        }
        let there: i64 = query_scalar("select count(*) from hooks where account_id = $1")
            .bind(&hook.account_id)
            .fetch_one(&mut tx)
            .await?;
        if there >= i64::from(most) {
            return Err(StoreError::Refused(format!(
                "the account has {there} webhooks, the most that its plan allows; delete one first"
            )));
        }
        let version = tx.bump_hooks().await?;
        let (why, at) = disabled_columns(hook.disabled);
        query(
            "insert into hooks (id, account_id, url, description, filter, compat, ordered, enabled, disabled_why, disabled_at, secret,
             created_at, version, epoch, sent_to) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&hook.id)
        .bind(&hook.account_id)
        .bind(&hook.url)
        .bind(&hook.description)
        .bind(filter_json(&hook.filter).to_string())
        .bind(hook.compat.map(Compat::word))
        .bind(hook.ordered)
        .bind(hook.disabled.is_none())
        .bind(why)
        .bind(at)
        .bind(&hook.secret)
        .bind(hook.created_at.0)
        .bind(version)
        .bind(&*hook.sent_to.epoch)
        .bind(hook.sent_to.seq)
        .execute(&mut tx)
        .await?;
        self.commit(tx).await
    }

    /// All endpoints, or one account's, the oldest first.
    pub async fn hooks(&self, account: Option<&str>) -> StoreResult<Vec<Hook>> {
        let mut query = QueryBuilder::new(HOOK);
        if let Some(account) = account {
            query.push(" where account_id = ").push_bind(account);
        }
        query.push(" order by created_at, id");
        let rows: Vec<HookRow> = query.build_query_as().fetch_all(self).await?;
        rows.into_iter().map(Hook::try_from).collect()
    }

    /// Accounts that have endpoints.
    pub async fn hook_accounts(&self) -> StoreResult<Vec<String>> {
        query_scalar("select distinct account_id from hooks")
            .fetch_all(self)
            .await
    }

    /// One endpoint; an account's own, where one is named.
    pub async fn hook(&self, id: &str, account: Option<&str>) -> StoreResult<Option<Hook>> {
        let mut query = QueryBuilder::new(HOOK);
        query.push(" where id = ").push_bind(id);
        if let Some(account) = account {
            query.push(" and account_id = ").push_bind(account);
        }
        let row: Option<HookRow> = query.build_query_as().fetch_optional(self).await?;
        row.map(Hook::try_from).transpose()
    }

    /// Changes an endpoint; `None` if there is no such one. Enabled again, it has failed nothing yet, and what waits comes at once.
    pub async fn change_hook(
        &self,
        id: &str,
        change: &HookChange,
        now: Time,
    ) -> StoreResult<Option<Hook>> {
        let mut tx = self.begin().await?;
        let version = tx.bump_hooks().await?;
        let mut update = QueryBuilder::new("update hooks set version = ");
        update.push_bind(version);
        if let Some(url) = &change.url {
            update.push(", url = ").push_bind(url);
        }
        if let Some(description) = &change.description {
            update.push(", description = ").push_bind(description);
        }
        if let Some(filter) = &change.filter {
            let filter = filter_json(filter).to_string();
            update.push(", filter = ").push_bind(filter);
        }
        if let Some(compat) = change.compat {
            update
                .push(", compat = ")
                .push_bind(compat.map(Compat::word));
        }
        if let Some(ordered) = change.ordered {
            update.push(", ordered = ").push_bind(ordered);
        }
        match change.enabled {
            None => {}
            Some(true) => {
                update.push(
                    ", enabled = true, disabled_why = null, disabled_at = null, failing_since = null, failing_messages = 0",
                );
            }
            Some(false) => {
                // why it was disabled first stands
                update
                    .push(", enabled = false, disabled_why = coalesce(disabled_why, ")
                    .push_bind(Disabled::Asked.word())
                    .push("), disabled_at = coalesce(disabled_at, ")
                    .push_bind(now.0)
                    .push(")");
            }
        }
        if let Some(place) = &change.go_on_at {
            // who sends to it now stands elsewhere: nothing of that counts any more
            update
                .push(", node = null, fence = fence + 1, epoch = ")
                .push_bind(&*place.epoch)
                .push(", sent_to = ")
                .push_bind(place.seq);
        }
        update.push(" where id = ").push_bind(id);
        if update.build().execute(&mut tx).await? == 0 {
            return Ok(None);
        }
        if change.go_on_at.is_some() {
            // left out is not forgotten: what waited is listed as failed, and can be sent again
            query("update hook_messages set next_at = null where hook_id = $1 and next_at is not null")
                .bind(id)
                .execute(&mut tx)
                .await?;
            query("delete from hook_ranges where hook_id = $1")
                .bind(id)
                .execute(&mut tx)
                .await?;
        }
        if change.enabled == Some(true) {
            // its owner says that it is well: what waits need not wait for the end of a day
            query("update hook_messages set next_at = $2 where hook_id = $1 and next_at > $2")
                .bind(id)
                .bind(now.0)
                .execute(&mut tx)
                .await?;
        }
        self.commit(tx).await?;
        self.hook(id, None).await
    }

    /// Gives an endpoint a new secret; the one that it has signs beside it until `until`, or no more (`None`). Whether there is such an endpoint.
    pub async fn rotate_hook(
        &self,
        id: &str,
        secret: &str,
        until: Option<Time>,
    ) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        let version = tx.bump_hooks().await?;
        let done = query(
            "update hooks set old_secret = case when $3 is null then null else secret end, old_secret_until = $3, secret = $2,
             version = $4 where id = $1",
        )
        .bind(id)
        .bind(secret)
        .bind(until.map(|until| until.0))
        .bind(version)
        .execute(&mut tx)
        .await?;
        self.commit(tx).await?;
        Ok(done > 0)
    }

    /// Deletes an endpoint with all that is known of it; whether there was one.
    pub async fn delete_hook(&self, id: &str) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        tx.bump_hooks().await?;
        let done = query("delete from hooks where id = $1")
            .bind(id)
            .execute(&mut tx)
            .await?;
        self.commit(tx).await?;
        Ok(done > 0)
    }

    /// Grows with every change of endpoints, by whatever process.
    pub async fn hook_version(&self) -> StoreResult<i64> {
        query_scalar("select version from hook_version")
            .fetch_one(self)
            .await
    }

    /// The text that the key of webhooks' secrets must open; `None`: none was sealed yet.
    pub async fn kept_hook_seal(&self) -> StoreResult<Option<String>> {
        query_scalar("select sealed from hook_seal")
            .fetch_optional(self)
            .await
    }

    /// Forgets that text: what was sealed by its key opens no more.
    pub async fn forget_hook_seal(&self) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        query("delete from hook_seal").execute(&mut tx).await?;
        self.commit(tx).await
    }

    /// A text that the key of webhooks' secrets must open: the one that is kept, or `own`, which is kept from now on.
    pub async fn hook_seal(&self, own: &str) -> StoreResult<String> {
        let mut tx = self.begin().await?;
        query("insert into hook_seal (only_row, sealed) values (1, $1) on conflict do nothing")
            .bind(own)
            .execute(&mut tx)
            .await?;
        let kept = query_scalar("select sealed from hook_seal")
            .fetch_one(&mut tx)
            .await?;
        self.commit(tx).await?;
        Ok(kept)
    }
}

fn disabled_columns(disabled: Option<(Disabled, Time)>) -> (Option<&'static str>, Option<i64>) {
    match disabled {
        Some((why, at)) => (Some(why.word()), Some(at.0)),
        None => (None, None),
    }
}

impl Tx {
    /// Has all nodes look at the endpoints again; the version of what this transaction changes.
    pub(super) async fn bump_hooks(&mut self) -> StoreResult<i64> {
        self.tell_all();
        query_scalar(
            "update hook_version set version = version + 1 where only_row = 1 returning version",
        )
        .fetch_one(self)
        .await
    }

    /// Has whoever sends to an endpoint look for what is to be sent again; whether there is such an endpoint.
    pub(super) async fn ask_hook(&mut self, id: &str) -> StoreResult<bool> {
        self.bump_hooks().await?;
        let known = query("update hooks set asked = asked + 1 where id = $1")
            .bind(id)
            .execute(self)
            .await?;
        Ok(known > 0)
    }
}
