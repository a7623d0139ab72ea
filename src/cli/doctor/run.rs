//! The command: everything looked at in order, told, and summed up in an exit status.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::{
    certificate, database,
    finding::{Finding, Level, worst},
    machine, public, settings,
};
use crate::{
    cli::{
        data::{DataArgs, Opened},
        dial::Target,
        outcome::{Outcome, answer, quiet_if_nobody_reads},
    },
    model::{
        account::{Account, KeyRecord},
        key::{KeyKind, KeyText},
        time::{Clock, Time},
    },
    store::{accounts::AccountChange, sqlite::FILE},
};

/// What `doctor` takes.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The address that you give to clients: a stream is opened through it, with the key in SIGCAST_KEY, or one made for the moment
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Trust the certificate authorities in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Whose keys are made for a moment. It stays, lapsed, so that there is one however often this is run.
const ACCOUNT: &str = "sigcast doctor";
/// How long such a key could be used if nobody were left to revoke it.
const MOMENT: i64 = 5 * 60 * Time::SECOND;

/// Looks at everything. 0: all is well; 2: something may surprise you; 1: something must be mended.
pub async fn run(args: DoctorArgs) -> Result<Outcome> {
    let settings = args.data.settings(&[])?;
    let mut found = machine::check(&settings.server.data_dir);
    found.extend(settings::check(&settings));
    found.extend(certificate::own(&settings.http, Clock::system().now()));
    let given = std::env::var("SIGCAST_KEY")
        .ok()
        .filter(|key| !key.is_empty());
    let is_here = settings.database.url.is_set() || settings.server.data_dir.join(FILE).exists();
    let opened = if !is_here && args.url.is_some() && given.is_some() {
        found.push(database::elsewhere(&settings.server.data_dir));
        None
    } else {
        match args.data.open_existing().await {
            Ok(opened) => {
                found.push(database::check(&opened).await);
                found.extend(database::notifications(&opened).await);
                found.extend(database::clock(&opened, &opened.clock).await);
                Some(opened)
            }
            Err(error) => {
                found.push(database::closed(&settings, &error));
                None
            }
        }
    };
    match &args.url {
        Some(url) => found.extend(from_outside(&args, url, given, opened.as_ref()).await?),
        None => found.push(Finding::ok(
            "public address",
            "not looked at: name it with --url, and a stream is opened through it",
        )),
    }
    if let Some(opened) = &opened {
        opened.db.close().await;
    }
    quiet_if_nobody_reads(tell(&found, args.json))?;
    Ok(match worst(&found) {
        Level::Ok => Outcome::Good,
        Level::Warn => Outcome::SomeBad,
        Level::Fail => Outcome::Bad,
    })
}

fn tell(found: &[Finding], as_json: bool) -> Result<()> {
    if as_json {
        return Ok(answer(json!({"level": worst(found), "checks": found}))?);
    }
    for finding in found {
        answer(finding.text())?;
    }
    let count = |level| {
        found
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    Ok(answer(format!(
        "{} checks: {} to mend, {} to think of",
        found.len(),
        count(Level::Fail),
        count(Level::Warn)
    ))?)
}

async fn from_outside(
    args: &DoctorArgs,
    url: &str,
    given: Option<String>,
    opened: Option<&Opened>,
) -> Result<Vec<Finding>> {
    let target = |key: &str| -> Result<Target> {
        let target = Target::new(url, key)?;
        match &args.ca_file {
            Some(file) => target.trusting(file),
            None => Ok(target),
        }
    };
    if let Some(key) = given {
        return Ok(public::check(&target(&key)?, &Clock::system()).await);
    }
    let Some(opened) = opened else {
        return Ok(vec![Finding::fail(
            "public address",
            "not looked at: there is no key, and no database to make one in",
            "give one in SIGCAST_KEY",
        )]);
    };
    let (record, key) = make_key(opened).await.context("no key could be made")?;
    let target = target(key.reveal());
    let found = match &target {
        Ok(target) => public::check(target, &opened.clock).await,
        Err(_) => Vec::new(),
    };
    // whatever was found, the key must not stay
    opened.db.revoke_key(&record.id, opened.clock.now()).await?;
    target.map(|_| found)
}

/// A key for the stream, of an account of our own that lapses soon.
async fn make_key(opened: &Opened) -> Result<(KeyRecord, KeyText)> {
    let (db, now) = (&opened.db, opened.clock.now());
    let plan = opened.settings.plans.iter().find(|(_, plan)| plan.stream);
    let (plan, _) = plan.context("no plan of the settings has the stream")?;
    let end = Some(now.plus(MOMENT));
    let known = db
        .accounts()
        .await?
        .into_iter()
        .find(|account| account.name == ACCOUNT);
    let account = match known {
        Some(account) => {
            for change in [
                AccountChange::Plan(plan.clone()),
                AccountChange::Expiry(end),
                AccountChange::Resume,
            ] {
                db.change_account(&account.id, &change).await?;
            }
            account.id
        }
        None => {
            let account = Account {
                id: opened.random.uuid().hyphenated().to_string(),
                name: ACCOUNT.to_owned(),
                plan: plan.clone(),
                expires_at: end,
                suspended_at: None,
                created_at: now,
            };
            db.create_account(&account).await?;
            account.id
        }
    };
    let key = KeyText::generate(KeyKind::Stream, || opened.random.byte());
    let record = KeyRecord::new(
        opened.random.uuid(),
        &account,
        KeyKind::Stream,
        &key,
        now,
        end,
    );
    db.create_key(&record, &key).await?;
    Ok((record, key))
}
