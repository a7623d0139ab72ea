//! `sigcast ingest filings` and its like: files, folders and pipes of filings into the store, then scored.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, say},
    progress::{Counted, Progress},
    settle::settle,
    tally::{Refusal, Tally},
};
use crate::{
    app::node::open_intake,
    ingest::{
        filings::open::{FilingFormat, Filings},
        insider::intake::{Intake, When},
        sec::files::Files,
    },
    model::{filing::Filing, market::Market},
    telemetry::logs,
};

/// What `ingest filings` takes.
#[derive(Debug, Clone, Args)]
pub struct FilingsArgs {
    /// Files, and folders with all that is in them; `-` is standard input, for ndjson
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What they hold: sec (EDGAR submissions, or the XML alone) or ndjson (one declaration a line) [default: sec; of `-` ndjson]
    #[arg(long, value_name = "FORMAT", value_parser = ["sec", "ndjson"])]
    format: Option<String>,
    #[command(flatten)]
    more: MoreArgs,
}

/// What a regulator's importer takes.
#[derive(Debug, Clone, Args)]
pub struct RegisterArgs {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    more: MoreArgs,
}

#[derive(Debug, Clone, Args)]
struct MoreArgs {
    /// Build scores and histories, fire no signals: for history
    #[arg(long)]
    backfill: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Filings in one transaction, at most.
const BATCH: usize = 500;
/// In bulk, a page is written once for many filings: the cache and the write-ahead log may be larger than a server's.
const BULK_CACHE_KB: u32 = 64 * 1024;
const BULK_CHECKPOINT_PAGES: u32 = 16_000;

/// Where filings come from.
#[derive(Debug)]
enum Source {
    /// Submissions, one a file.
    Sec,
    /// Files of many.
    File(FilingFormat),
}

/// What a reader hands over.
enum Item {
    Filing(Box<Filing>, Place),
    Refused(Refusal),
    /// The file could not be read to its end.
    Failed(PathBuf, anyhow::Error),
}

/// Where a filing stood.
struct Place {
    file: Arc<str>,
    line: Option<u64>,
}

/// `sigcast ingest filings`.
pub async fn filings(args: FilingsArgs) -> Result<Outcome> {
    let piped = args.paths.iter().any(|path| path == Path::new("-"));
    let source = match args.format.as_deref() {
        Some("sec") if piped => bail!("`-` is for --format ndjson: a submission is a file"),
        None if piped && args.paths.len() > 1 => {
            bail!("with `-` among several, say --format ndjson")
        }
        Some("ndjson") => Source::File(FilingFormat::Ndjson),
        None if piped => Source::File(FilingFormat::Ndjson),
        _ => Source::Sec,
    };
    ingest(source, args.paths, args.more).await
}

/// `sigcast ingest uk-pdmr` and others.
pub async fn register(format: FilingFormat, args: RegisterArgs) -> Result<Outcome> {
    ingest(Source::File(format), args.files, args.more).await
}

async fn ingest(source: Source, paths: Vec<PathBuf>, args: MoreArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let opened = args
        .data
        .open_with(|settings| {
            settings.store.writer_cache_kb = settings.store.writer_cache_kb.max(BULK_CACHE_KB);
            settings.store.checkpoint_pages =
                settings.store.checkpoint_pages.max(BULK_CHECKPOINT_PAGES);
        })
        .await?;
    let done = store_and_score(&opened, source, paths, &args).await;
    opened.db.close().await;
    done?.outcome()
}

async fn store_and_score(
    opened: &Opened,
    source: Source,
    paths: Vec<PathBuf>,
    args: &MoreArgs,
) -> Result<Tally> {
    let intake = open_intake(&opened.settings, &opened.db, None, &opened.clock).await?;
    let mut tally = Tally::default();
    let reading = start(source, paths, intake.markets(), &mut tally)?;
    let restated = store(&intake, reading, args.backfill, &mut tally).await?;
    let duties = opened.duties().await?;
    let settled = settle(&intake, &duties).await;
    duties.end().await;
    let settled = settled?;
    if args.json {
        say(json!({
            "accepted": tally.accepted, "duplicate": tally.duplicate, "rejected": tally.rejected(),
            "rejected_total": tally.rejected, "restated": restated, "assessments": settled.revisions,
            "signals": settled.signals, "companies_waiting": settled.waiting,
        }));
        return Ok(tally);
    }
    let restated = match restated {
        0 => String::new(),
        some => format!(" ({some} of them revised or withdrawn since)"),
    };
    let scored = match (settled.revisions, settled.signals) {
        (Some(revisions), Some(signals)) => {
            format!("; {revisions} assessments made, {signals} signals fired")
        }
        _ => String::new(),
    };
    say(format!(
        "{} accepted{restated}, {} known already, {} rejected{scored}",
        tally.accepted, tally.duplicate, tally.rejected
    ));
    Ok(tally)
}

/// Files being read on threads of their own.
struct Reading {
    items: mpsc::Receiver<Item>,
    /// Bytes read.
    read: Arc<AtomicU64>,
    /// Bytes there are, where that is known.
    total: Option<u64>,
}

fn start(
    source: Source,
    paths: Vec<PathBuf>,
    markets: &[Market],
    tally: &mut Tally,
) -> Result<Reading> {
    let mut there = Vec::new();
    let mut total = Some(0);
    for path in paths {
        if path == Path::new("-") {
            total = None;
            there.push(path);
            continue;
        }
        match path.metadata() {
            Ok(meta) => {
                total = total.map(|total| total + if meta.is_file() { meta.len() } else { 0 });
                there.push(path);
            }
            Err(error) => tally.fail(&path, error),
        }
    }
    let (to, items) = mpsc::channel(BATCH);
    let read = Arc::new(AtomicU64::new(0));
    let bytes = read.clone();
    let name = thread::Builder::new().name("reading".into());
    // no task of the runtime: a read that never returns must not keep the process from ending
    match source {
        Source::Sec => {
            let files = Files::new(there)
                .map_err(|(path, error)| anyhow!(error).context(path.display().to_string()))?;
            total = Some(files.bytes);
            name.spawn(move || read_submissions(&files, &to, &bytes))
        }
        Source::File(format) => {
            let markets = markets.to_vec();
            name.spawn(move || {
                for path in there {
                    if let Err(error) = read_file(format, &path, &markets, &to, &bytes) {
                        let _ = to.blocking_send(Item::Failed(path, error));
                    }
                }
            })
        }
    }
    .context("no thread to read in")?;
    Ok(Reading { items, read, total })
}

/// Until nobody wants more.
fn read_submissions(files: &Files, to: &mpsc::Sender<Item>, bytes: &AtomicU64) {
    let readers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let reading = match files.read(readers) {
        Ok(reading) => reading,
        Err(error) => {
            let _ = to.blocking_send(Item::Failed(PathBuf::new(), error.into()));
            return;
        }
    };
    for file in reading {
        bytes.fetch_add(file.bytes, Ordering::Relaxed);
        let name = file.path.display().to_string();
        let item = match file.filing {
            Ok(filing) => Item::Filing(
                Box::new(filing),
                Place {
                    file: name.into(),
                    line: None,
                },
            ),
            Err(rejection) => Item::Refused(Refusal {
                file: name,
                line: None,
                reason: rejection.to_string(),
            }),
        };
        if to.blocking_send(item).is_err() {
            return;
        }
    }
}

fn read_file(
    format: FilingFormat,
    path: &Path,
    markets: &[Market],
    to: &mpsc::Sender<Item>,
    bytes: &Arc<AtomicU64>,
) -> Result<()> {
    let reader: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let counted = Counted::with(reader, bytes.clone());
    let mut source = Filings::new(format, BufReader::with_capacity(1 << 16, counted), markets)?;
    let file: Arc<str> = path.display().to_string().into();
    while let Some(read) = source.next() {
        let item = match read {
            Ok(filing) => Item::Filing(
                Box::new(filing),
                Place {
                    file: file.clone(),
                    line: Some(source.line()),
                },
            ),
            Err(rejected) => Item::Refused(Refusal {
                file: file.to_string(),
                line: Some(rejected.line),
                reason: rejected.reason,
            }),
        };
        if to.blocking_send(item).is_err() {
            return Ok(());
        }
    }
    match source.error() {
        Some(error) => Err(anyhow!(
            "reading stopped: {error}; run the command again when it can be read: what is in stays in"
        )),
        None => Ok(()),
    }
}

/// Stores what is read, as much at a time as has come, so that a slow pipe does not keep what it brought. How many of those that were
/// known are revised or withdrawn now.
async fn store(
    intake: &Intake,
    mut reading: Reading,
    backfill: bool,
    tally: &mut Tally,
) -> Result<u64> {
    let mut progress = Progress::new("filings", reading.total);
    let mut items = Vec::with_capacity(BATCH);
    let mut restated = 0;
    while reading.items.recv_many(&mut items, BATCH).await > 0 {
        let (mut filings, mut places) = (Vec::new(), Vec::new());
        for item in items.drain(..) {
            match item {
                Item::Filing(filing, place) => {
                    filings.push(*filing);
                    places.push(place);
                }
                Item::Refused(refusal) => tally.refuse(&progress, refusal),
                Item::Failed(path, error) => tally.fail(&path, error),
            }
        }
        let taken = intake
            .filings(&filings, When::Later, backfill, Instant::now())
            .await;
        let taken = taken.context(
            "nothing more was stored; run the command again when this is mended: what is in stays in",
        )?;
        tally.accepted += taken.accepted;
        tally.duplicate += taken.duplicate;
        restated += taken.restated;
        for refused in taken.refused {
            if let Some(at) = places.get(refused.place) {
                let refusal = Refusal {
                    file: at.file.to_string(),
                    line: at.line,
                    reason: refused.reason,
                };
                tally.refuse(&progress, refusal);
            }
        }
        progress.at(
            reading.read.load(Ordering::Relaxed),
            tally.accepted + tally.duplicate,
        );
    }
    progress.finish();
    Ok(restated)
}
