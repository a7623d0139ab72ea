//! `sigcast keys`: made, listed, revoked, rotated. A key is shown once, at its making.

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    accounts::read_expiry,
    data::{DataArgs, Opened},
    outcome::{Outcome, answer, quiet_if_nobody_reads},
};
use crate::{
    model::{
        account::{KeyRecord, Plan},
        key::KeyKind,
        time::Time,
    },
    store::{error::StoreError, issue::Issued},
};

/// What `keys` takes.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
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
    /// Make a key
    Create {
        /// Whose
        #[arg(long, value_name = "ID")]
        account: String,
        /// `stream` (sig_live_…) or `data` (sit_live_…); by default what the plan is for
        #[arg(long)]
        kind: Option<String>,
        /// When it ends by itself (ISO 8601)
        #[arg(long, value_name = "ISO")]
        expires: Option<String>,
    },
    /// List keys, revoked ones too
    List {
        /// Only this account's
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// Revoke a key, for good; its live stream ends within a second
    Revoke {
        /// The key's id
        id: String,
    },
    /// Make a key's successor, of the same kind and expiry; the old one works on for a while
    Rotate {
        /// The key's id
        id: String,
        /// For how long: 30m, 24h, 7d; 0 ends it at once
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        overlap: String,
        /// When the successor ends by itself, if not when the key does (ISO 8601, or `never`)
        #[arg(long, value_name = "ISO|never")]
        expires: Option<String>,
    },
}

/// Runs it.
pub async fn run(args: KeysArgs) -> Result<Outcome> {
    let opened = args.data.open_existing().await?;
    match args.command {
        Command::Create {
            account,
            kind,
            expires,
        } => {
            let issued = create(&opened, &account, kind.as_deref(), expires.as_deref()).await?;
            show_new(&issued, args.json)?;
        }
        Command::List { account } => {
            quiet_if_nobody_reads(list(&opened, account.as_deref(), args.json).await)?;
        }
        Command::Revoke { id } => {
            let revoked = opened.db.revoke_key(&id, opened.clock.now()).await?;
            let record = revoked.with_context(|| no_key(&id))?;
            let shown = if args.json {
                answer(as_json(&record, opened.clock.now()))
            } else {
                answer(format!("revoked {} ({})", record.id, record.prefix))
            };
            quiet_if_nobody_reads(shown.map_err(Into::into))?;
        }
        Command::Rotate {
            id,
            overlap,
            expires,
        } => {
            let issued = rotate(&opened, &id, &overlap, expires.as_deref()).await?;
            show_new(&issued, args.json)?;
        }
    }
    opened.db.close().await;
    Ok(Outcome::Good)
}

fn no_account(id: &str) -> String {
    format!("there is no account {id}; `sigcast accounts list` shows them")
}

fn no_key(id: &str) -> String {
    format!("there is no key {id}; `sigcast keys list` shows their ids")
}

/// Makes a key.
pub async fn create(
    opened: &Opened,
    account: &str,
    kind: Option<&str>,
    expires: Option<&str>,
) -> Result<Issued> {
    let holder = opened.db.account(account).await?;
    let holder = holder.with_context(|| no_account(account))?;
    let kind = match kind {
        None => opened
            .settings
            .plans
            .get(&holder.plan)
            .map_or(KeyKind::Data, Plan::usual_kind),
        Some(word) => KeyKind::parse(word)
            .with_context(|| format!("--kind: `{word}` is neither stream nor data"))?,
    };
    let expires_at = expires.map(read_expiry).transpose()?.flatten();
    let now = opened.clock.now();
    let issued = opened
        .db
        .issue_key(&holder.id, kind, expires_at, now, &opened.random)
        .await?;
    Ok(issued)
}

async fn rotate(opened: &Opened, id: &str, overlap: &str, expires: Option<&str>) -> Result<Issued> {
    let now = opened.clock.now();
    let old = opened.db.key(id).await?.with_context(|| no_key(id))?;
    if !old.is_active(now) {
        bail!("key {id} is revoked or has expired; make a new one with `sigcast keys create`");
    }
    let overlap = read_duration(overlap)?;
    let expires_at = match expires {
        Some(text) => read_expiry(text)?,
        None => old.expires_at,
    };
    let issued = opened
        .db
        .issue_successor(&old, overlap, expires_at, now, &opened.random)
        .await;
    issued.map_err(|error| match error {
        StoreError::Refused(why) => anyhow!("{why} (--overlap 0)"),
        error => error.into(),
    })
}

/// `90s`, `30m`, `24h`, `7d`, in microseconds.
pub(super) fn read_duration(text: &str) -> Result<i64> {
    if text == "0" {
        return Ok(0);
    }
    let seconds_per = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let unit = seconds_per(text.chars().last()?)?;
        let count: i64 = text[..text.len() - 1].parse().ok()?;
        (0..=365 * 86_400)
            .contains(&count.checked_mul(unit)?)
            .then_some(count * unit * Time::SECOND)
    };
    read().with_context(|| {
        format!("`{text}` is not a duration such as 30m, 24h or 7d, of a year at most")
    })
}

async fn list(opened: &Opened, account: Option<&str>, json: bool) -> Result<()> {
    if let Some(id) = account {
        let known = opened.db.account(id).await?;
        known.with_context(|| no_account(id))?;
    }
    let keys = opened.db.keys(account).await?;
    let now = opened.clock.now();
    if json {
        let all = keys.iter().map(|key| as_json(key, now)).collect();
        return Ok(answer(Value::Array(all))?);
    }
    answer(format!(
        "{:36}  {:14}  {:7}  {:36}  created",
        "id", "prefix", "state", "account"
    ))?;
    for key in &keys {
        let (id, prefix, account) = (&key.id, &key.prefix, &key.account_id);
        answer(format!(
            "{id:36}  {prefix:14}  {:7}  {account:36}  {}",
            state(key, now),
            key.created_at
        ))?;
    }
    Ok(())
}

fn state(key: &KeyRecord, now: Time) -> &'static str {
    if key.revoked_at.is_some() {
        "revoked"
    } else if key.is_active(now) {
        "active"
    } else {
        "expired"
    }
}

fn as_json(key: &KeyRecord, now: Time) -> Value {
    json!({
        "id": key.id, "account_id": key.account_id, "kind": key.kind.word(), "prefix": key.prefix,
        "state": state(key, now), "created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at,
    })
}

fn show_new(Issued { record, key }: &Issued, json: bool) -> Result<()> {
    let shown = if json {
        answer(json!({
            "id": record.id, "key": key.reveal(), "prefix": record.prefix, "account_id": record.account_id,
            "kind": record.kind.word(), "expires_at": record.expires_at,
        }))
    } else {
        let (key, id) = (key.reveal(), &record.id);
        let expires = record
            .expires_at
            .map_or(String::new(), |end| format!("\nexpires: {end}"));
        answer(format!("key (shown this once): {key}\nid: {id}{expires}"))
    };
    // a key that nobody has seen is of no use, and counts among the active ones
    shown.with_context(|| {
        let id = &record.id;
        format!("the key was made, but could not be shown; end it with `sigcast keys revoke {id}`, and make another")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_a_bound() {
        assert_eq!(read_duration("0").unwrap(), 0);
        assert_eq!(read_duration("24h").unwrap(), Time::DAY);
        assert_eq!(read_duration("90s").unwrap(), 90 * Time::SECOND);
        for bad in ["", "24", "h", "-1h", "9999999999999999d", "1é"] {
            assert!(read_duration(bad).is_err(), "{bad}");
        }
    }
}
