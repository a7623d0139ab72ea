//! `sigcast rescore`: every filing read and judged once more, by the rules of this program.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::{
    data::DataArgs,
    outcome::{Outcome, say},
    progress::Progress,
    settle::settle,
};
use crate::{app::node::open_intake, score::insider::audit::SCORE_VERSION, telemetry::logs};

/// What `rescore` takes.
#[derive(Debug, Clone, Args)]
pub struct RescoreArgs {
    /// The version of the score; a new one stands beside the one before
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Filings read in one transaction.
const AT_ONCE: i64 = 500;

/// Runs it.
pub async fn run(args: RescoreArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    if args.version != SCORE_VERSION {
        bail!(
            "--version: `{}` is not a version that this program computes; it computes {SCORE_VERSION}",
            args.version
        );
    }
    let opened = args.data.open().await?;
    let db = &opened.db;
    let intake = open_intake(&opened.settings, db, None, &opened.clock).await?;
    let before = db.count_assessments(SCORE_VERSION).await?;
    let filings = u64::try_from(db.count_filings().await?).unwrap_or_default();
    let mut progress = Progress::counting("filings read again", filings);
    let (mut at, mut read, mut reread) = (0, 0, 0);
    while let Some((last, changed)) = intake.read_again(at, AT_ONCE).await? {
        read += AT_ONCE as u64;
        (at, reread) = (last, reread + changed);
        progress.at(read.min(filings), read.min(filings));
    }
    progress.finish();
    intake.mark_all().await?;
    let companies = intake.waiting().await?.companies;
    let duties = opened.duties().await?;
    let settled = settle(&intake, &duties).await;
    duties.end().await;
    let settled = settled?;
    let revisions = db.count_assessments(SCORE_VERSION).await? - before;
    opened.db.close().await;
    if args.json {
        say(json!({
            "version": SCORE_VERSION, "filings": filings, "filings_changed": reread, "companies": companies,
            "assessments": revisions, "signals": settled.signals, "companies_waiting": settled.waiting,
        }));
    } else if revisions == 0 && reread == 0 {
        say(format!(
            "{filings} filings of {companies} companies judged anew by {SCORE_VERSION}: nothing changed"
        ));
    } else {
        say(format!(
            "{filings} filings of {companies} companies judged anew by {SCORE_VERSION}: {reread} filings read otherwise, {revisions} \
             assessments say something new"
        ));
    }
    Ok(Outcome::Good)
}
