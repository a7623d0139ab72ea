//! `sigcast ingest`: files of facts into the store, in chain order, with every bad line named.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use rust_decimal::Decimal;
use serde_json::json;

use super::{
    check_list::{self, CheckListArgs},
    data::DataArgs,
    edgar::{self, EdgarArgs},
    filings::{self, FilingsArgs, RegisterArgs},
    outcome::{Outcome, complain, say},
    progress::{Counted, Progress},
    reading::{Batch, Reading},
    tables::{self, CompaniesArgs, PricesArgs},
};
use crate::{
    app::ownership::Duty,
    ingest::{
        facts::Facts,
        filings::open::FilingFormat,
        metrics::Metrics,
        pipeline::{self, Arrivals, Engine, Pace, Pipeline, Receipt, Rejection},
        resolve::latest_time,
        source::Format,
    },
    model::{money::parse_amount, swap::Fact, time::Time},
    telemetry::logs,
};

/// What `ingest` takes.
#[derive(Debug, Clone, Args)]
pub struct IngestArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Swaps and what belongs to them: tokens, wallets, transfers, prices of SOL
    ///
    /// Lines are put in chain order behind a 5 second watermark. Bad lines are named with a reason and left out; the
    /// rest goes in. Facts that are known are counted, not stored twice. Exit status: 0 all good, 2 some lines were
    /// bad, 1 nothing could be done. Works beside a running server, which then applies the facts.
    Swaps(SwapsArgs),
    /// Insider filings: SEC Forms 3, 4 and 5, or one declaration a line from any other regulator
    ///
    /// EDGAR submissions as they are published, or the XML alone; folders are read with all that is in them (.txt, .xml, .nc, .sgml), on
    /// all cores. A filing is known by its accession number: the one that comes twice counts once. Files that are no filings are named
    /// with a reason and left out; the rest goes in. When all is stored, it is scored; stopped at any moment, the same command, or
    /// the server, goes on. A filing published less than a day ago may be a signal, an older one is history. Exit status: 0
    /// all good, 2 some input was bad, 1 nothing could be done.
    Filings(FilingsArgs),
    /// Insider filings: what the SEC publishes, from EDGAR itself: up to now, or on and on with --follow
    ///
    /// Forms 3, 4 and 5 as they appear in EDGAR's feed of current filings; what the feed skipped, the daily indexes bring. Each is fetched
    /// once, within the SEC's limits. Stopped at any moment, it goes on where it was, and fetches nothing again that is in. Beside a
    /// running server, the server judges what is new at once. A server can do all of this itself: `edgar.follow` in its settings.
    /// Exit status: 0 all good, 2 some filings were bad, 1 nothing could be done, or EDGAR gives nothing any more.
    Edgar(EdgarArgs),
    /// Insider filings: UK dealings of managers (PDMR), as JSON
    UkPdmr(RegisterArgs),
    /// Insider filings: the export of the Swedish register; a later one brings its revisions and withdrawals
    SeFi(RegisterArgs),
    /// Insider filings: the table of the Belgian site
    BeFsma(RegisterArgs),
    /// Hold a quarterly data set of the SEC against the filings that are at hand
    ///
    /// Counts by document type how many submissions are listed, known and missing. Nothing is stored: its tables name no owners.
    SecTsv(CheckListArgs),
    /// Names, tickers, ISINs and market capitalisations of companies, from CSV
    ///
    /// Any table with a `ticker`, a `name` or a `cik`. What depends on a market capitalisation is scored anew.
    Companies(CompaniesArgs),
    /// Daily closes and splits, from CSV: for returns, track records, backtests, and to tell prices that cannot be
    ///
    /// Closes are adjusted for splits and dividends. `date,close` in a file called as its ticker, a `date` and a column for each ticker, or
    /// `date,ticker,close`; a column `split` beside them, or by itself, holds new shares for one old. What depends on them is scored anew.
    Prices(PricesArgs),
}

#[derive(Debug, Clone, Args)]
struct SwapsArgs {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What they hold: ndjson, pumpfun-csv, jupiter-tokens, rugcheck, helius
    #[arg(long, default_value = "ndjson")]
    format: Format,
    /// Build books and scores, fire no signals: for history
    #[arg(long)]
    backfill: bool,
    /// Dollars per SOL where no sol_price fact says it
    #[arg(long, value_name = "PRICE")]
    sol_usd: Option<String>,
    /// The time of Helius transactions that carry none (ISO 8601)
    #[arg(long, value_name = "ISO")]
    time: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Facts handed to the pipeline at a time.
const BATCH: usize = 10_000;
/// In bulk, a page is written once for many facts: the cache and the write-ahead log may be larger than a server's.
const BULK_CACHE_KB: u32 = 24 * 1024;
const BULK_CHECKPOINT_PAGES: u32 = 16_000;
/// What a month of 20,000 wallets and 2.5 million closed positions takes.
const BULK_WALLETS_MB: usize = 110;
/// A batch is stored after this long, full or not.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bad lines printed; further ones are counted.
const MOST_PRINTED: u64 = 1_000;

/// Runs it.
pub async fn run(args: IngestArgs) -> Result<Outcome> {
    match args.command {
        Command::Swaps(args) => swaps(args).await,
        Command::Filings(args) => filings::filings(args).await,
        Command::Edgar(args) => edgar::run(args).await,
        Command::UkPdmr(args) => filings::register(FilingFormat::UkPdmr, args).await,
        Command::SeFi(args) => filings::register(FilingFormat::SeFi, args).await,
        Command::BeFsma(args) => filings::register(FilingFormat::BeFsma, args).await,
        Command::SecTsv(args) => check_list::run(args).await,
        Command::Companies(args) => tables::companies(args).await,
        Command::Prices(args) => tables::prices(args).await,
    }
}

struct Totals {
    accepted: u64,
    duplicate: u64,
    rejected: u64,
    /// Facts that came after the watermark had passed them.
    late: u64,
    listed: Vec<(String, Rejection)>,
}

async fn swaps(args: SwapsArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let sol_usd = args
        .sol_usd
        .as_deref()
        .map(parse_amount)
        .transpose()
        .context("--sol-usd")?;
    let received_at = args
        .time
        .as_deref()
        .map(Time::parse_iso)
        .transpose()
        .context("--time")?;
    let opened = args
        .data
        .open_with(|settings| {
            settings.store.writer_cache_kb = settings.store.writer_cache_kb.max(BULK_CACHE_KB);
            settings.store.checkpoint_pages =
                settings.store.checkpoint_pages.max(BULK_CHECKPOINT_PAGES);
            settings.ingest.wallets_mb = settings.ingest.wallets_mb.max(BULK_WALLETS_MB);
        })
        .await?;
    let duties = opened.duties().await?;
    let lock = duties.try_take(Duty::Engines).await?;
    if lock.is_none() {
        complain("a server runs on this data; it applies the facts as they are stored");
    }
    let metrics = Metrics::default();
    let engine = lock.as_ref().map(|held| Engine {
        config: opened.settings.consensus.clone(),
        proof: held.proof(),
    });
    let (pipeline, worker) = pipeline::new(
        opened.db.clone(),
        None,
        opened.clock.clone(),
        opened.settings.ingest.clone(),
        engine,
        metrics.clone(),
        Pace::Bulk,
    );
    let worker = tokio::spawn(worker.run());
    let mut totals = Totals {
        accepted: 0,
        duplicate: 0,
        rejected: 0,
        late: 0,
        listed: Vec::new(),
    };
    let mut failed: Vec<anyhow::Error> = Vec::new();
    for file in &args.files {
        let job = FileJob {
            file,
            format: args.format,
            received_at,
            backfill: args.backfill,
            sol_usd,
            latest: latest_time(
                opened.clock.now(),
                opened.settings.ingest.max_future_seconds,
            ),
        };
        if let Err(error) = job.run(&pipeline, &mut totals).await {
            // the other files may be good; what went in of this one stays in, and is known when it comes again
            failed.push(error.context(file.display().to_string()));
        }
    }
    drop(pipeline);
    worker.await.context("the pipeline ended early")?;
    let with_engines = lock.is_some();
    if let Some(lock) = lock {
        lock.leave().await;
    }
    duties.end().await;
    finish(&args, &totals, metrics.fired.get(), with_engines);
    opened.db.close().await;
    if totals.accepted + totals.duplicate + totals.rejected == 0
        && let Some(first) = failed.pop()
    {
        return Err(first);
    }
    for error in &failed {
        complain(format!("{error:#}"));
    }
    if failed.is_empty() && totals.rejected == 0 {
        Ok(Outcome::Good)
    } else {
        Ok(Outcome::SomeBad)
    }
}

fn finish(args: &SwapsArgs, totals: &Totals, fired: u64, applied: bool) {
    if args.json {
        let rejected: Vec<_> = totals
            .listed
            .iter()
            .map(|(file, one)| json!({"file": file, "line": one.line, "reason": one.reason}))
            .collect();
        let signals = applied.then_some(fired);
        say(json!({
            "accepted": totals.accepted, "duplicate": totals.duplicate, "rejected": rejected,
            "rejected_total": totals.rejected, "late": totals.late, "signals": signals,
        }));
        return;
    }
    let signals = if applied {
        format!(", {fired} signals fired")
    } else {
        String::new()
    };
    let late = if totals.late > 0 {
        format!(", {} too late for their window", totals.late)
    } else {
        String::new()
    };
    say(format!(
        "{} accepted, {} known already, {} rejected{late}{signals}",
        totals.accepted, totals.duplicate, totals.rejected
    ));
}

struct FileJob<'a> {
    file: &'a Path,
    format: Format,
    received_at: Option<Time>,
    backfill: bool,
    sol_usd: Option<Decimal>,
    /// Facts beyond this are in the future.
    latest: Time,
}

impl FileJob<'_> {
    async fn run(&self, pipeline: &Pipeline, totals: &mut Totals) -> Result<()> {
        let (reader, length): (Box<dyn Read + Send>, Option<u64>) = if self.file == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(self.file).context("cannot be opened")?;
            let length = file
                .metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|meta| meta.len());
            (Box::new(file), length)
        };
        let (counted, bytes) = Counted::new(reader);
        let mut progress = Progress::new("facts", length);
        let source = Facts::new(
            self.format,
            BufReader::with_capacity(1 << 16, counted),
            self.received_at,
        );
        let reading = Reading::start(source, self.latest, BATCH)?;
        let mut batch = Batch::default();
        while batch.end.is_none() || !batch.facts.is_empty() {
            let facts = std::mem::take(&mut batch.facts);
            // the next batch is read while this one is stored
            let next = async {
                match batch.end.take() {
                    None => reading.next(PATIENCE).await,
                    end => Ok(Batch {
                        end,
                        ..Batch::default()
                    }),
                }
            };
            let (next, stored) = tokio::join!(next, self.store(pipeline, facts));
            let receipt = stored?;
            totals.accepted += receipt.accepted;
            totals.duplicate += receipt.duplicate;
            batch = next?;
            for rejection in receipt.rejected.into_iter().chain(batch.rejected.drain(..)) {
                self.reject(totals, &progress, rejection);
            }
            progress.at(
                bytes.load(Ordering::Relaxed),
                totals.accepted + totals.duplicate,
            );
        }
        progress.finish();
        let end = batch.end.map_or((0, None), |end| (end.late, end.error));
        totals.late += end.0;
        match end.1 {
            Some(error) => Err(anyhow!(
                "reading stopped: {error}; run the command again when it can be read: what is in stays in"
            )),
            None => Ok(()),
        }
    }

    async fn store(&self, pipeline: &Pipeline, facts: Vec<(u64, Fact)>) -> Result<Receipt> {
        if facts.is_empty() {
            return Ok(Receipt::default());
        }
        let arrivals = Arrivals {
            facts,
            backfill: self.backfill,
            seen: Instant::now(),
            sol_usd: self.sol_usd,
        };
        let stored = pipeline.facts(arrivals).await;
        stored.context("nothing more was stored; run the command again when this is mended: what is in stays in")
    }

    fn reject(&self, totals: &mut Totals, progress: &Progress, rejection: Rejection) {
        totals.rejected += 1;
        let file = self.file.display().to_string();
        if totals.rejected <= MOST_PRINTED {
            progress.note(&format!("{file}:{}: {}", rejection.line, rejection.reason));
            totals.listed.push((file, rejection));
        } else if totals.rejected == MOST_PRINTED + 1 {
            progress.note("further bad lines are only counted");
        }
    }
}
