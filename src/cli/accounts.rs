//! `sigcast accounts`: made, listed, changed; a running server follows within a second.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, answer, quiet_if_nobody_reads},
};
use crate::{
    model::{
        account::{self, Account},
        time::Time,
    },
    store::accounts::AccountChange,
};

/// What `accounts` takes.
#[derive(Debug, Clone, Args)]
pub struct AccountsArgs {
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
    /// Make an account
    Create {
        /// Your name for it
        #[arg(long)]
        name: String,
        /// A plan of the settings: free, pro, quant, alpha, or your own
        #[arg(long)]
        plan: String,
        /// When the subscription lapses (ISO 8601); never without it
        #[arg(long, value_name = "ISO")]
        expires: Option<String>,
    },
    /// List all accounts
    List,
    /// Move an account to another plan; a plan without the stream ends a live one
    SetPlan {
        /// The account
        id: String,
        /// The plan
        plan: String,
    },
    /// Set when the subscription lapses
    SetExpiry {
        /// The account
        id: String,
        /// ISO 8601, or `never`
        #[arg(value_name = "ISO|never")]
        expires: String,
    },
    /// Make the account's keys answer as if unknown
    Suspend {
        /// The account
        id: String,
    },
    /// Make them work again
    Resume {
        /// The account
        id: String,
    },
}

/// Runs it.
pub async fn run(args: AccountsArgs) -> Result<Outcome> {
    let opened = match args.command {
        Command::Create { .. } => args.data.open().await?,
        _ => args.data.open_existing().await?,
    };
    let account = match args.command {
        Command::Create {
            name,
            plan,
            expires,
        } => create(&opened, name, plan, expires.as_deref()).await?,
        Command::List => {
            let accounts = opened.db.accounts().await?;
            opened.db.close().await;
            quiet_if_nobody_reads(list(&accounts, args.json, opened.clock.now()))?;
            return Ok(Outcome::Good);
        }
        Command::SetPlan { id, plan } => {
            check_plan(&opened, &plan)?;
            change(&opened, &id, AccountChange::Plan(plan)).await?
        }
        Command::SetExpiry { id, expires } => {
            let end = read_expiry(&expires)?;
            change(&opened, &id, AccountChange::Expiry(end)).await?
        }
        Command::Suspend { id } => {
            let now = opened.clock.now();
            change(&opened, &id, AccountChange::Suspend(now)).await?
        }
        Command::Resume { id } => change(&opened, &id, AccountChange::Resume).await?,
    };
    opened.db.close().await;
    quiet_if_nobody_reads(show(&account, args.json, opened.clock.now()))?;
    Ok(Outcome::Good)
}

/// Makes an account.
pub async fn create(
    opened: &Opened,
    name: String,
    plan: String,
    expires: Option<&str>,
) -> Result<Account> {
    check_plan(opened, &plan)?;
    if let Err(allowed) = account::check_name(&name) {
        bail!("--name: {allowed}");
    }
    let account = Account {
        id: opened.random.uuid().hyphenated().to_string(),
        name,
        plan,
        expires_at: expires.map(read_expiry).transpose()?.flatten(),
        suspended_at: None,
        created_at: opened.clock.now(),
    };
    opened.db.create_account(&account).await?;
    Ok(account)
}

/// A time, or `never`.
pub fn read_expiry(text: &str) -> Result<Option<Time>> {
    if text == "never" {
        return Ok(None);
    }
    Time::parse_iso(text)
        .map(Some)
        .context("the expiry must be an ISO 8601 time, or `never`")
}

fn check_plan(opened: &Opened, plan: &str) -> Result<()> {
    if opened.settings.plans.contains_key(plan) {
        return Ok(());
    }
    let known: Vec<&str> = opened.settings.plans.keys().map(String::as_str).collect();
    bail!("there is no plan `{plan}`; there are {}", known.join(", "))
}

async fn change(opened: &Opened, id: &str, change: AccountChange) -> Result<Account> {
    let changed = opened.db.change_account(id, &change).await?;
    changed.with_context(|| format!("there is no account {id}; `sigcast accounts list` shows them"))
}

fn state(account: &Account, now: Time) -> &'static str {
    if account.suspended_at.is_some() {
        "suspended"
    } else if account.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "active"
    }
}

fn as_json(account: &Account, now: Time) -> Value {
    json!({
        "id": account.id, "name": account.name, "plan": account.plan, "expires_at": account.expires_at,
        "suspended_at": account.suspended_at, "created_at": account.created_at,
        "state": state(account, now),
    })
}

fn show(account: &Account, json: bool, now: Time) -> Result<()> {
    if json {
        return Ok(answer(as_json(account, now))?);
    }
    list(std::slice::from_ref(account), false, now)
}

fn list(accounts: &[Account], json: bool, now: Time) -> Result<()> {
    if json {
        let all = accounts.iter().map(|one| as_json(one, now)).collect();
        return Ok(answer(Value::Array(all))?);
    }
    answer(format!(
        "{:36}  {:8}  {:24}  {:9}  name",
        "id", "plan", "expires", "state"
    ))?;
    for account in accounts {
        let expires = account
            .expires_at
            .map_or_else(|| "never".to_owned(), |end| end.to_string());
        let state = state(account, now);
        answer(format!(
            "{:36}  {:8}  {expires:24}  {state:9}  {}",
            account.id, account.plan, account.name
        ))?;
    }
    Ok(())
}
