//! `sigcast ingest companies` and `prices`: tables of what is known of companies beside their filings.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{
    data::{DataArgs, Opened},
    outcome::{Outcome, say},
    progress::{Counted, Progress},
    settle::{Settled, settle},
    tally::{Refusal, Tally},
};
use crate::{
    app::node::open_intake,
    ingest::{
        companies::{self, Companies},
        insider::intake::Intake,
        prices::{self, Closes, Quote, file_symbol},
        records::{Dialect, Rows, Table},
    },
    model::{
        company::{Close, CompanyFact, SymbolSplit},
        market::Market,
        time::Time,
    },
    score::insider::days,
    telemetry::logs,
};

/// What `ingest companies` takes.
#[derive(Debug, Clone, Args)]
pub struct CompaniesArgs {
    #[command(flatten)]
    table: TableArgs,
    /// The day of a column that is called `market_cap` and no more
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
}

/// What `ingest prices` takes.
#[derive(Debug, Clone, Args)]
pub struct PricesArgs {
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Debug, Clone, Args)]
struct TableArgs {
    /// CSV files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Code of the market that they are about: us, uk, se, …
    #[arg(long, value_name = "CODE")]
    market: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Companies in one transaction.
const COMPANIES_AT_ONCE: usize = 500;
/// Closes that wait to be stored, a symbol a transaction.
const MOST_CLOSES: usize = 200_000;

/// A table's work: the market's rows, and where they go.
struct Work {
    opened: Opened,
    intake: Intake,
    market: Market,
    tally: Tally,
}

impl Work {
    async fn begin(args: &TableArgs) -> Result<Self> {
        logs::start(false, "warn");
        let opened = args.data.open().await?;
        let intake = open_intake(&opened.settings, &opened.db, None, &opened.clock).await?;
        let markets = intake.markets();
        let market = markets.iter().find(|market| market.code == args.market);
        let Some(market) = market.cloned() else {
            let known: Vec<&str> = markets.iter().map(|market| market.code.as_str()).collect();
            bail!(
                "--market: `{}` is not one of {}",
                args.market,
                known.join(", ")
            );
        };
        Ok(Work {
            opened,
            intake,
            market,
            tally: Tally::default(),
        })
    }

    /// The last day that a file may speak of: tomorrow, for clocks differ.
    fn latest(&self) -> Date {
        let tomorrow = self.opened.clock.now().plus(Time::DAY);
        days::local_day(tomorrow, &days::zone(&self.market))
    }

    async fn settle(&self) -> Result<Settled> {
        let duties = self.opened.duties().await?;
        let settled = settle(&self.intake, &duties).await;
        duties.end().await;
        settled
    }

    async fn end(self) -> Result<Outcome> {
        self.opened.db.close().await;
        self.tally.outcome()
    }
}

/// `, 12 assessments made anew`
fn scored(settled: &Settled) -> String {
    let revisions = settled.revisions.unwrap_or_default();
    match revisions {
        0 => String::new(),
        some => format!("; {some} assessments made anew"),
    }
}

/// A table being read.
struct Open<T: Rows> {
    file: String,
    table: Table<BufReader<Counted<File>>, T>,
    bytes: Arc<AtomicU64>,
    progress: Progress,
}

impl<T: Rows> Open<T> {
    fn new(path: &Path, dialect: Dialect, rows: T, what: &'static str) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata().ok().map(|meta| meta.len());
        let (counted, bytes) = Counted::new(file);
        let reader = BufReader::with_capacity(1 << 16, counted);
        Ok(Open {
            file: path.display().to_string(),
            table: Table::new(reader, dialect, rows),
            bytes,
            progress: Progress::new(what, length),
        })
    }

    /// The next good row.
    fn next(&mut self, tally: &mut Tally) -> Option<T::Item> {
        loop {
            match self.table.next()? {
                Ok(item) => return Some(item),
                Err(rejected) => {
                    let refusal = Refusal {
                        file: self.file.clone(),
                        line: Some(rejected.line),
                        reason: rejected.reason,
                    };
                    tally.refuse(&self.progress, refusal);
                }
            }
        }
    }

    fn at(&mut self, count: u64) {
        let bytes = self.bytes.load(std::sync::atomic::Ordering::Relaxed);
        self.progress.at(bytes, count);
    }

    fn finish(self) -> Result<()> {
        self.progress.finish();
        match self.table.error() {
            Some(error) => bail!("reading stopped: {error}; what is in stays in"),
            None => Ok(()),
        }
    }
}

/// Why nothing more was stored.
const MENDED: &str =
    "nothing more was stored; run the command again when this is mended: what is in stays in";

/// `sigcast ingest companies`.
pub async fn companies(args: CompaniesArgs) -> Result<Outcome> {
    let mut work = Work::begin(&args.table).await?;
    for file in &args.table.files {
        let rows = Companies::new(&work.market, args.date, work.latest());
        let open = Open::new(file, companies::DIALECT, rows, "companies");
        let read = match open {
            Ok(open) => put_companies(&mut work, open).await?,
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            work.tally.fail(file, error);
        }
    }
    let settled = work.settle().await?;
    let tally = &work.tally;
    if args.table.json {
        say(json!({
            "accepted": tally.accepted, "rejected": tally.rejected(), "rejected_total": tally.rejected,
            "assessments": settled.revisions, "signals": settled.signals,
        }));
    } else {
        say(format!(
            "{} companies described, {} rows rejected{}",
            tally.accepted,
            tally.rejected,
            scored(&settled)
        ));
    }
    work.end().await
}

/// The outer failure is the store's, the inner one the file's.
async fn put_companies(work: &mut Work, mut open: Open<Companies>) -> Result<Result<()>> {
    let mut facts: Vec<CompanyFact> = Vec::new();
    loop {
        let next = open.next(&mut work.tally);
        let ended = next.is_none();
        facts.extend(next);
        if facts.len() == COMPANIES_AT_ONCE || (ended && !facts.is_empty()) {
            work.tally.accepted += work.intake.companies(&facts).await.context(MENDED)?;
            facts.clear();
            open.at(work.tally.accepted);
        }
        if ended {
            return Ok(open.finish());
        }
    }
}

#[derive(Default)]
struct Closing {
    waiting: BTreeMap<String, Vec<Close>>,
    splits: BTreeMap<String, Vec<SymbolSplit>>,
    count: usize,
    /// Splits read.
    told: u64,
    changed: std::collections::BTreeSet<String>,
    warnings: Vec<String>,
    symbols: std::collections::BTreeSet<String>,
}

/// `sigcast ingest prices`.
pub async fn prices(args: PricesArgs) -> Result<Outcome> {
    let mut work = Work::begin(&args.table).await?;
    let mut closing = Closing::default();
    for file in &args.table.files {
        let rows = Closes::new(file_symbol(file), work.latest());
        let read = match Open::new(file, prices::DIALECT, rows, "closes") {
            Ok(open) => put_closes(&mut work, open, &mut closing).await?,
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            work.tally.fail(file, error);
        }
    }
    let settled = work.settle().await?;
    let tally = &work.tally;
    let (symbols, changed) = (closing.symbols.len(), closing.changed.len());
    if args.table.json {
        say(json!({
            "accepted": tally.accepted, "rejected": tally.rejected(), "rejected_total": tally.rejected,
            "splits": closing.told, "symbols": symbols, "symbols_changed": changed, "warnings": closing.warnings,
            "assessments": settled.revisions, "signals": settled.signals,
        }));
    } else {
        say(format!(
            "{} closes and {} splits of {symbols} symbols read, {changed} symbols changed, {} rejected{}",
            tally.accepted,
            closing.told,
            tally.rejected,
            scored(&settled)
        ));
    }
    work.end().await
}

/// The outer failure is the store's, the inner one the file's.
async fn put_closes(
    work: &mut Work,
    mut open: Open<Closes>,
    closing: &mut Closing,
) -> Result<Result<()>> {
    loop {
        let next = open.next(&mut work.tally);
        let ended = next.is_none();
        match next {
            Some(Quote::Close(close)) => {
                let symbol = close.symbol.clone();
                closing.waiting.entry(symbol).or_default().push(close);
                closing.count += 1;
            }
            Some(Quote::Split(split)) => {
                let symbol = split.symbol.clone();
                closing.splits.entry(symbol).or_default().push(split);
                closing.count += 1;
            }
            None => {}
        }
        if closing.count == MOST_CLOSES || ended {
            let market = &work.market.code;
            for (symbol, splits) in std::mem::take(&mut closing.splits) {
                let changed = work.intake.splits(market, &symbol, &splits).await;
                if changed.context(MENDED)? {
                    closing.changed.insert(symbol.clone());
                }
                closing.symbols.insert(symbol);
                closing.told += splits.len() as u64;
            }
            for (symbol, closes) in std::mem::take(&mut closing.waiting) {
                let taken = work.intake.closes(market, &symbol, &closes).await;
                let taken = taken.context(MENDED)?;
                for warning in taken.warnings {
                    let warning = format!("{symbol}: {warning}");
                    open.progress.note(&warning);
                    closing.warnings.push(warning);
                }
                if taken.changed {
                    closing.changed.insert(symbol.clone());
                }
                closing.symbols.insert(symbol);
                work.tally.accepted += closes.len() as u64;
                open.at(work.tally.accepted);
            }
            closing.count = 0;
        }
        if ended {
            return Ok(open.finish());
        }
    }
}
