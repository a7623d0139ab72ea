//! `sigcast ingest edgar`: what the SEC publishes, fetched from EDGAR: up to now, or as it appears.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, say},
    progress::Progress,
    settle::{Settled, settle, settle_if_free},
    tally::{Refusal, Tally},
};
use crate::{
    app::{
        following::{Following, Site},
        life::{Hangup, Life},
        node::open_intake,
        ownership::{Duties, Duty},
    },
    ingest::{
        edgar::{
            follow::{Ended, Until},
            keep::{Batch, Keeper, Kept},
            metrics::Metrics,
        },
        insider::intake::When,
    },
    telemetry::logs,
};

/// What `ingest edgar` takes.
#[derive(Debug, Clone, Args)]
pub struct EdgarArgs {
    /// Go on with what appears, until told to end
    #[arg(long)]
    follow: bool,
    /// The first day to fetch [default: where the last one stopped; the first time, today in Washington]
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<Date>,
    /// Who asks: a name and a mail address; the SEC wants it [default: edgar.contact of the settings]
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// Where EDGAR is [default: https://www.sec.gov]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Seconds from one look at the feed to the next [default: 5]
    #[arg(long, value_name = "SECONDS")]
    poll_seconds: Option<u64>,
    /// Requests in any second, at most; the SEC allows 10 [default: 8]
    #[arg(long, value_name = "COUNT")]
    requests_per_second: Option<u32>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs it.
pub async fn run(args: EdgarArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let mut settings = args.data.settings(&[])?.edgar;
    let given = &args;
    settings.contact = given.contact.clone().unwrap_or(settings.contact);
    settings.base_url = given.base_url.clone().unwrap_or(settings.base_url);
    settings.poll_seconds = given.poll_seconds.unwrap_or(settings.poll_seconds);
    let per_second = given.requests_per_second;
    settings.requests_per_second = per_second.unwrap_or(settings.requests_per_second);
    // before a database is made for nothing
    let site = Site::new(&settings)?;
    let opened = args.data.open().await?;
    let duties = opened.duties().await?;
    let done = fetch(&opened, &duties, site, &args).await;
    duties.end().await;
    opened.db.close().await;
    done?.outcome()
}

async fn fetch(opened: &Opened, duties: &Duties, site: Site, args: &EdgarArgs) -> Result<Tally> {
    let Some(_own) = duties.try_take(Duty::Edgar).await? else {
        bail!("EDGAR is followed into this data already, by the server or another command");
    };
    let life = Life::default();
    life.listen_to_signals(Hangup::Ends)?;
    let intake = Arc::new(open_intake(&opened.settings, &opened.db, None, &opened.clock).await?);
    let metrics = Metrics::default();
    let following = Following::new(
        site,
        opened.db.clone(),
        intake.clone(),
        opened.clock.clone(),
        metrics.clone(),
        // where a server runs, it judges, and what is fresh first
        When::Later,
    );
    let until = if args.follow {
        Until::ToldToEnd
    } else {
        Until::CaughtUp
    };
    let mut keeper = following.keeper(args.since).await?;
    let mut at_work = AtWork {
        tally: Tally::default(),
        progress: Progress::counting("filings", 0),
        last_trouble: None,
    };
    let each = async |batch: &Batch, kept: Kept| {
        at_work.tell(batch, kept, &metrics);
        if args.follow
            && kept.accepted > 0
            && let Err(error) = settle_if_free(&intake, duties).await
        {
            at_work.progress.note(&format!(
                "scoring waits for the database: {error:#}; what is in stays in"
            ));
        }
    };
    let end = life.soft.child_token();
    let ended = following.run(&mut keeper, until, end, each).await?;
    let AtWork {
        tally,
        progress,
        last_trouble,
    } = at_work;
    progress.finish();
    let settled = settle(&intake, duties).await?;
    answer(args.json, &tally, &metrics, &keeper, &settled);
    if ended == Ended::Stuck {
        bail!(
            "EDGAR gives nothing any more ({}); run the command again later: what is in stays in, and it goes on from there",
            last_trouble.unwrap_or_default()
        );
    }
    Ok(tally)
}

/// What is told while it works.
struct AtWork {
    tally: Tally,
    progress: Progress,
    last_trouble: Option<String>,
}

impl AtWork {
    fn tell(&mut self, batch: &Batch, kept: Kept, metrics: &Metrics) {
        self.tally.accepted += kept.accepted;
        self.tally.duplicate += kept.duplicate;
        for trouble in &batch.troubles {
            self.progress
                .note(&format!("EDGAR: {trouble}; trying again"));
            self.last_trouble = Some(trouble.clone());
        }
        for (accession, reason) in &batch.rejected {
            let refusal = Refusal {
                file: accession.clone(),
                line: None,
                reason: reason.clone(),
            };
            self.tally.refuse(&self.progress, refusal);
        }
        let done = self.tally.accepted + self.tally.duplicate + self.tally.rejected;
        let waiting = u64::try_from(metrics.waiting.get()).unwrap_or_default();
        self.progress.expect(done + waiting);
        self.progress.at(done, done);
    }
}

fn answer(json: bool, tally: &Tally, metrics: &Metrics, keeper: &Keeper, settled: &Settled) {
    let complete = keeper.state().complete();
    let known = tally.duplicate + metrics.known.get();
    let refused = metrics.refused.get();
    if json {
        say(json!({
            "accepted": tally.accepted, "duplicate": known, "rejected": tally.rejected(), "rejected_total": tally.rejected,
            "refused_requests": refused,
            "complete_from": complete.map(|days| days.0), "complete_through": complete.map(|days| days.1), "assessments": settled.revisions, "signals": settled.signals,
            "companies_waiting": settled.waiting,
        }));
        return;
    }
    let complete = complete.map_or(String::new(), |(from, through)| {
        format!("; complete from {from} through {through}")
    });
    let signals = settled.signals.map_or(String::new(), |signals| {
        format!("; {signals} signals fired")
    });
    say(format!(
        "{} accepted, {known} known already, {} rejected{complete}{signals}",
        tally.accepted, tally.rejected
    ));
}
