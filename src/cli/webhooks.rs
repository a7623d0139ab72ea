//! `sigcast webhooks`: endpoints made, listed, changed, tested, and signals sent to them again. A secret is shown once.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Number, Value, json};

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, answer, quiet_if_nobody_reads},
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

/// Which signals pass.
#[derive(Debug, Clone, Default, Args)]
struct FilterArgs {
    /// Only signals of this type; may be said several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only signals of at least this rank: S, A, B, C, D
    #[arg(long, value_name = "RANK")]
    min_rank: Option<String>,
    /// Only signals of at least this score
    #[arg(long, value_name = "SCORE")]
    min_score: Option<f64>,
    /// Only signals of this market, such as crypto
    #[arg(long, value_name = "MARKET")]
    market: Option<String>,
}

/// A new webhook.
#[derive(Debug, Clone, Args)]
struct AddArgs {
    /// Whose
    #[arg(long, value_name = "ID")]
    account: String,
    /// Where to: https, and no address that is not the public internet's, but for what webhook.allow_http and webhook.allow_subnets say
    #[arg(long)]
    url: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Words of your own
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send another service's headers as well: sigmate
    #[arg(long, value_name = "SERVICE")]
    compat: Option<String>,
    /// Send each signal only once the one before is answered or failed
    #[arg(long)]
    ordered: bool,
    /// Do not send yet; `set ID --enable` begins, and nothing is lost until then
    #[arg(long)]
    disabled: bool,
    /// Begin behind this signal: a seq (0: with the first there is), or `<epoch>-<seq>`
    #[arg(long, value_name = "SEQ|ID")]
    start_after: Option<String>,
}

/// What changes of a webhook.
#[derive(Debug, Clone, Args)]
struct SetArgs {
    /// The webhook's id
    id: String,
    /// Where to
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Let all signals pass
    #[arg(long, conflicts_with_all = ["types", "min_rank", "min_score", "market"])]
    no_filter: bool,
    /// Words of your own
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send another service's headers as well: sigmate, or `none`
    #[arg(long, value_name = "SERVICE|none")]
    compat: Option<String>,
    /// Send each signal only once the one before is answered or failed
    #[arg(long, value_name = "true|false")]
    ordered: Option<bool>,
    /// Send to it, from where it stood
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// With --enable: go on with the next signal, and leave out what it missed
    #[arg(long, requires = "enable")]
    skip_missed: bool,
    /// Do not send to it; its place in the log is kept
    #[arg(long)]
    disable: bool,
}

/// What is sent again.
#[derive(Debug, Clone, Args)]
struct ResendArgs {
    /// The webhook's id
    id: String,
    /// This signal: its UUID, or `<epoch>-<seq>`
    #[arg(long, value_name = "ID", conflicts_with_all = ["after", "before", "failed_since"])]
    signal: Option<String>,
    /// The signals behind this one that pass the filter
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Those before this one; without it, up to the head of the log
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Only what failed, and was first sent from this moment on (ISO 8601)
    #[arg(long, value_name = "ISO")]
    failed_since: Option<String>,
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

/// A body as it would come over HTTP: read by the same rules.
fn body(fields: Map<String, Value>) -> Vec<u8> {
    Value::Object(fields).to_string().into_bytes()
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn filter_of(args: FilterArgs) -> Option<Value> {
    let mut filter = Map::new();
    let types = Some(args.types).filter(|types| !types.is_empty());
    put(&mut filter, "types", types);
    put(&mut filter, "min_rank", args.min_rank);
    // what is no number is refused as over HTTP, by its name
    let score = |score: f64| {
        Number::from_f64(score).map_or_else(|| Value::from(score.to_string()), Value::from)
    };
    put(&mut filter, "min_score", args.min_score.map(score));
    put(&mut filter, "market", args.market);
    (!filter.is_empty()).then_some(Value::Object(filter))
}

async fn add(opened: &Opened, desk: &Desk, args: AddArgs, json: bool) -> Result<Outcome> {
    let AddArgs {
        account,
        url,
        filter,
        description,
        compat,
        ordered,
        disabled,
        start_after,
    } = args;
    let holder = opened.db.account(&account).await?;
    let holder = holder.with_context(|| no_account(&account))?;
    let plan = opened.settings.plans.get(&holder.plan);
    let plan = plan.filter(|plan| plan.webhooks);
    let plan =
        plan.with_context(|| format!("the account's plan, {}, includes no webhooks", holder.plan))?;
    let mut fields = Map::new();
    put(&mut fields, "url", Some(url));
    put(&mut fields, "filter", filter_of(filter));
    put(&mut fields, "description", description);
    put(&mut fields, "compat", compat);
    put(&mut fields, "ordered", ordered.then_some(true));
    put(&mut fields, "enabled", disabled.then_some(false));
    let start = start_after.map(|text| match text.parse::<u64>() {
        Ok(seq) => Value::from(seq),
        Err(_) => Value::from(text),
    });
    put(&mut fields, "start_after", start);
    let body = EndpointBody::of_new(&body(fields))?;
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

async fn set(desk: &Desk, args: SetArgs, json: bool) -> Result<()> {
    let SetArgs {
        id,
        url,
        filter,
        no_filter,
        description,
        compat,
        ordered,
        enable,
        skip_missed,
        disable,
    } = args;
    let id = read_id(&id)?;
    let mut fields = Map::new();
    put(&mut fields, "url", url);
    put(&mut fields, "filter", filter_of(filter));
    put(&mut fields, "filter", no_filter.then_some(Value::Null));
    put(&mut fields, "description", description);
    let compat = compat.map(|word| match word.as_str() {
        "none" => Value::Null,
        _ => Value::from(word),
    });
    put(&mut fields, "compat", compat);
    put(&mut fields, "ordered", ordered);
    put(&mut fields, "enabled", enable.then_some(true));
    put(&mut fields, "enabled", disable.then_some(false));
    put(&mut fields, "skip_missed", skip_missed.then_some(true));
    if fields.is_empty() {
        bail!("nothing is to be changed; `sigcast webhooks set --help` says what can be");
    }
    let body = EndpointBody::of_change(&body(fields))?;
    let changed = desk.change(None, &id, body).await;
    show(&changed.map_err(|e| say(e, &id))?, json)
}

async fn resend(desk: &Desk, args: ResendArgs, json: bool) -> Result<()> {
    let ResendArgs {
        id,
        signal,
        after,
        before,
        failed_since,
    } = args;
    let id = read_id(&id)?;
    let mut fields = Map::new();
    put(&mut fields, "signal_id", signal);
    put(&mut fields, "after", after);
    put(&mut fields, "before", before);
    put(&mut fields, "failed_since", failed_since);
    if fields.is_empty() {
        bail!("say what: --signal, --after or --failed-since");
    }
    let what = Resend::parse(&body(fields))?;
    let resent = desk.resend(None, &id, &what).await;
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
    Ok(match json {
        true => answer(serde_json::to_string(value)?)?,
        false => answer(line())?,
    })
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
