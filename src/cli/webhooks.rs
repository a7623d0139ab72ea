//! `sigcast webhooks`: endpoints made, listed, changed, tested, and signals sent to them again. A secret is shown once.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, answer, quiet_if_nobody_reads},
    webhook_args::{AddArgs, ResendArgs, SetArgs},
    webhook_lines::{
        as_json, attempt_line, failed_line, list_head, list_line, resent_line, show, show_new,
    },
};
use crate::{
    app::webhooks::{self, KEY_VARIABLE},
    gate::{
        endpoint::EndpointBody, path_id::WebhookId, resend::Resend, webhook_query::AttemptsQuery,
    },
    webhook::{desk::Desk, refusal::DeskError},
};

/// What `webhooks` takes.
#[derive(Debug, Clone, Args)]
pub struct WebhooksArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// List webhooks, with how they fare
    List {
        /// Only this account's
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// Make a webhook; its secret is shown this once
    ///
    /// Each signal that passes is sent to the URL by POST, signed as the Standard Webhooks have it, until it is answered by a 2xx
    /// or has failed for days. Where nothing else is said, it begins with the next signal.
    Add(AddArgs),
    /// Show a webhook: where it stands in the log, what waits, since when it fails
    Show {
        /// The webhook's id
        id: String,
    },
    /// Change a webhook; what is not said stays
    ///
    /// Of what passes, --type, --min-rank, --min-score and --market say all: any of them takes the place of the whole filter.
    Set(SetArgs),
    /// Delete a webhook, with all that is known of it
    Remove {
        /// The webhook's id
        id: String,
    },
    /// Give a webhook a new secret, shown this once; the old one signs beside it for 24 hours
    Rotate {
        /// The webhook's id
        id: String,
    },
    /// Go on with a new key where the one that sealed the secrets is lost
    ///
    /// The secrets in the database are lost with it. Nothing else is: each webhook stays where it is in the log, and goes on once it has a
    /// new secret, by `rotate`. The new key is webhook.key in the data directory, or what the settings name.
    Rekey {
        /// The old key is lost for good
        #[arg(long, required = true)]
        lost: bool,
    },
    /// Send a webhook a message that is no signal, once, and say what came of it; ends with 1 where it was not acknowledged
    Test {
        /// The webhook's id
        id: String,
    },
    /// Have signals sent to a webhook again: one, a stretch of the log, or what failed since a moment
    Resend(ResendArgs),
    /// List attempts, the latest first
    Attempts {
        /// The webhook's id
        id: String,
        /// At most so many, up to 200
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// Older than the attempt with this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// Only at this signal: its UUID, or `<epoch>-<seq>`
        #[arg(long, value_name = "ID")]
        signal: Option<String>,
    },
    /// List messages that were given up after their last attempt
    Failed {
        /// The webhook's id
        id: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
}

impl Command {
    /// Whether it needs the key of the secrets.
    fn seals(&self) -> bool {
        matches!(
            self,
            Command::Add(_) | Command::Rotate { .. } | Command::Test { .. }
        )
    }
}

/// Runs it.
pub async fn run(args: WebhooksArgs) -> Result<Outcome> {
    let opened = args.data.open_existing().await?;
    let seal = if args.command.seals() {
        let key = std::env::var(KEY_VARIABLE).ok();
        Some(webhooks::open_seal(&opened.settings, key, &opened.db, &opened.random).await?)
    } else {
        None
    };
    let desk = webhooks::desk(
        &opened.settings,
        &opened.db,
        seal,
        &opened.clock,
        &opened.random,
    )?;
    let done = Box::pin(serve(&opened, &desk, args.command, args.json)).await;
    opened.db.close().await;
    done
}

async fn serve(opened: &Opened, desk: &Arc<Desk>, command: Command, json: bool) -> Result<Outcome> {
    let shown = match command {
        Command::List { account } => list(opened, desk, account.as_deref(), json).await,
        Command::Add(args) => return add(opened, desk, args, json).await,
        Command::Show { id } => {
            let id = read_id(&id)?;
            let webhook = desk.one(None, &id).await;
            show(&webhook.map_err(|e| say(e, &id))?, json)
        }
        Command::Set(args) => set(desk, args, json).await,
        Command::Remove { id } => {
            let id = read_id(&id)?;
            desk.delete(None, &id).await.map_err(|e| say(e, &id))?;
            one(json, &json!({"id": id, "removed": true}), || {
                format!("removed {id}")
            })
        }
        Command::Rotate { id } => {
            let id = read_id(&id)?;
            let rotated = desk.rotate(None, &id).await.map_err(|e| say(e, &id))?;
            show_new(&rotated, json).with_context(|| {
                format!("the secret was rotated, but could not be shown; rotate it again with `sigcast webhooks rotate {id}`")
            })?;
            return Ok(Outcome::Good);
        }
        Command::Rekey { .. } => rekey(opened, desk, json).await,
        Command::Test { id } => {
            let id = read_id(&id)?;
            let made = desk.test(None, &id).await.map_err(|e| say(e, &id))?;
            let good = made.error.is_none();
            quiet_if_nobody_reads(one(json, &made, || attempt_line(&made)))?;
            return Ok(if good { Outcome::Good } else { Outcome::Bad });
        }
        Command::Resend(args) => resend(desk, args, json).await,
        Command::Attempts {
            id,
            limit,
            before,
            signal,
        } => {
            let id = read_id(&id)?;
            let query = attempts_query(limit, before, signal.as_deref());
            let query = AttemptsQuery::parse(&query)?;
            let found = desk.attempts(None, &id, &query).await;
            let found = found.map_err(|e| say(e, &id))?;
            let lines = found.items.iter().map(attempt_line);
            many(json, &found, lines)
        }
        Command::Failed { id, limit } => {
            let id = read_id(&id)?;
            let found = desk.failed(None, &id, i64::from(limit), 0).await;
            let (total, items) = found.map_err(|e| say(e, &id))?;
            let lines = items.iter().map(failed_line);
            many(json, &json!({"total": total, "items": items}), lines)
        }
    };
    quiet_if_nobody_reads(shown)?;
    Ok(Outcome::Good)
}

fn read_id(id: &str) -> Result<String> {
    let read = WebhookId::parse(id).map(|WebhookId(id)| id);
    read.with_context(|| no_webhook(id))
}

fn no_webhook(id: &str) -> String {
    format!("there is no webhook {id}; `sigcast webhooks list` shows them")
}

fn say(error: DeskError, id: &str) -> anyhow::Error {
    match error {
        DeskError::NoWebhook => anyhow::anyhow!(no_webhook(id)),
        other => other.into(),
    }
}

async fn add(opened: &Opened, desk: &Desk, args: AddArgs, json: bool) -> Result<Outcome> {
    let account = &args.account;
    let holder = opened.db.account(account).await?;
    let holder = holder.with_context(|| no_account(account))?;
    let plan = opened.settings.plans.get(&holder.plan);
    let plan = plan.filter(|plan| plan.webhooks);
    let plan =
        plan.with_context(|| format!("the account's plan, {}, includes no webhooks", holder.plan))?;
    let body = EndpointBody::of_new(&args.body())?;
    let made = desk
        .create(&holder.id, plan.webhook_endpoints, body)
        .await?;
    // a webhook whose secret nobody has seen is of no use
    show_new(&made, json).with_context(|| {
        let id = &made.webhook.id;
        format!("the webhook was made, but could not be shown; show another secret with `sigcast webhooks rotate {id}`")
    })?;
    Ok(Outcome::Good)
}

fn no_account(id: &str) -> String {
    format!("there is no account {id}; `sigcast accounts list` shows them")
}

async fn rekey(opened: &Opened, desk: &Desk, json: bool) -> Result<()> {
    opened.db.forget_hook_seal().await?;
    let all = desk.list(None).await?;
    let ids: Vec<&str> = all.iter().map(|webhook| webhook.id.as_str()).collect();
    one(json, &json!({"to_rotate": ids}), || {
        let mut lines = vec!["the next secret is sealed by the key that there is now".to_owned()];
        lines.extend(
            ids.iter()
                .map(|id| format!("to do: sigcast webhooks rotate {id}")),
        );
        lines.join("\n")
    })
}

async fn set(desk: &Desk, args: SetArgs, json: bool) -> Result<()> {
    let id = read_id(&args.id)?;
    let body = args.body();
    let body =
        body.context("nothing is to be changed; `sigcast webhooks set --help` says what can be")?;
    let changed = desk
        .change(None, &id, EndpointBody::of_change(&body)?)
        .await;
    show(&changed.map_err(|e| say(e, &id))?, json)
}

async fn resend(desk: &Desk, args: ResendArgs, json: bool) -> Result<()> {
    let id = read_id(&args.id)?;
    let body = args.body();
    let body = body.context("say what: --signal, --after or --failed-since")?;
    let resent = desk.resend(None, &id, &Resend::parse(&body)?).await;
    let resent = resent.map_err(|e| say(e, &id))?;
    one(json, &resent, || resent_line(&resent))
}

fn attempts_query(limit: u32, before: Option<u64>, signal: Option<&str>) -> String {
    let mut query = format!("limit={limit}");
    if let Some(before) = before {
        query += &format!("&before={before}");
    }
    if let Some(signal) = signal {
        // what is no id must not read as another parameter
        let encoded: String = signal.bytes().map(|b| format!("%{b:02x}")).collect();
        query += &format!("&signal_id={encoded}");
    }
    query
}

async fn list(opened: &Opened, desk: &Desk, account: Option<&str>, json: bool) -> Result<()> {
    if let Some(id) = account {
        let known = opened.db.account(id).await?;
        known.with_context(|| no_account(id))?;
    }
    let all = desk.list(account).await?;
    if json {
        let all = all.iter().map(as_json).collect::<Result<_>>()?;
        return Ok(answer(Value::Array(all))?);
    }
    answer(list_head())?;
    for webhook in &all {
        answer(list_line(webhook))?;
    }
    Ok(())
}

fn one(json: bool, value: &impl Serialize, line: impl FnOnce() -> String) -> Result<()> {
    let shown = match json {
        true => serde_json::to_string(value)?,
        false => line(),
    };
    Ok(answer(shown)?)
}

fn many(json: bool, value: &impl Serialize, lines: impl Iterator<Item = String>) -> Result<()> {
    if json {
        return Ok(answer(serde_json::to_string(value)?)?);
    }
    for line in lines {
        answer(line)?;
    }
    Ok(())
}
