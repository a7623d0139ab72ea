//! `sigcast ingest sec-tsv`: the SEC's quarterly data sets held against the filings that are at hand.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use super::{
    data::DataArgs,
    outcome::{Outcome, say},
    progress::{Counted, Progress},
    tally::{Refusal, Tally},
};
use crate::{
    ingest::{
        filings::sec_tsv::{self, CheckList, Entry, SecTsv},
        records::Table,
    },
    store::db::Db,
    telemetry::logs,
};

/// What `ingest sec-tsv` takes.
#[derive(Debug, Clone, Args)]
pub struct CheckListArgs {
    /// The folder with the data set's tables (SUBMISSION.tsv and others)
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Name the submissions that are missing, one a line
    #[arg(long)]
    list: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Submissions looked up together.
const AT_ONCE: usize = 400;

struct Check<'a> {
    db: &'a Db,
    list: CheckList,
    missing: Vec<String>,
    keep_missing: bool,
    /// Submissions not yet looked up.
    waiting: Vec<Entry>,
    read: u64,
}

/// Runs it.
pub async fn run(args: CheckListArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let tables = tables(&args.folder)?;
    let opened = args.data.open().await?;
    let mut check = Check {
        db: &opened.db,
        list: CheckList::default(),
        missing: Vec::new(),
        keep_missing: args.list,
        waiting: Vec::new(),
        read: 0,
    };
    let mut tally = Tally::default();
    for path in &tables {
        if let Err(error) = check.table(path, &mut tally).await {
            tally.fail(path, error);
        }
    }
    check.look_up().await?;
    tally.accepted = check.read;
    let (list, missing) = (check.list, check.missing);
    opened.db.close().await;
    answer(&args, &list, &missing, &tally);
    tally.outcome()
}

fn tables(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut tables = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"))
        {
            tables.push(path);
        }
    }
    if tables.is_empty() {
        bail!("{}: no .tsv in it", folder.display());
    }
    tables.sort_unstable();
    Ok(tables)
}

impl Check<'_> {
    async fn table(&mut self, path: &Path, tally: &mut Tally) -> Result<()> {
        let file = File::open(path)?;
        let length = file.metadata().ok().map(|meta| meta.len());
        let (counted, bytes) = Counted::new(file);
        let mut progress = Progress::new("rows", length);
        let reader = BufReader::with_capacity(1 << 16, counted);
        let mut table = Table::new(reader, sec_tsv::DIALECT, SecTsv::default());
        for row in table.by_ref() {
            match row {
                Ok(entry @ Entry::Submission(_)) => {
                    self.read += 1;
                    self.waiting.push(entry);
                    if self.waiting.len() == AT_ONCE {
                        self.look_up().await?;
                        progress.at(bytes.load(Ordering::Relaxed), self.read);
                    }
                }
                Ok(entry) => {
                    self.read += 1;
                    self.list.count(&entry, |_| false);
                }
                Err(rejected) => {
                    let refusal = Refusal {
                        file: path.display().to_string(),
                        line: Some(rejected.line),
                        reason: rejected.reason,
                    };
                    tally.refuse(&progress, refusal);
                }
            }
        }
        progress.finish();
        match table.error() {
            Some(error) => bail!("reading stopped: {error}"),
            None => Ok(()),
        }
    }

    async fn look_up(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let submissions = || {
            waiting.iter().filter_map(|entry| match entry {
                Entry::Submission(submission) => Some(submission.id.0.as_str()),
                Entry::Row { .. } => None,
            })
        };
        let ids: Vec<&str> = submissions().collect();
        let known: HashSet<String> = self.db.which_filings(&ids).await?;
        for entry in &waiting {
            self.list.count(entry, |id| known.contains(&id.0));
        }
        if self.keep_missing {
            let missing = submissions().filter(|id| !known.contains(*id));
            self.missing.extend(missing.map(str::to_owned));
        }
        Ok(())
    }
}

fn answer(args: &CheckListArgs, list: &CheckList, missing: &[String], tally: &Tally) {
    if args.json {
        let forms = list.forms.iter().map(|(form, listed)| {
            let counts = json!({"listed": listed.listed, "known": listed.known, "missing": listed.missing()});
            (form.clone(), counts)
        });
        let rows = list
            .rows
            .iter()
            .map(|(kind, rows)| (kind.table().to_owned(), json!(rows)));
        let codes = list
            .codes
            .iter()
            .map(|(code, rows)| (code.to_string(), json!(rows)));
        let all = list.all();
        let mut said = json!({
            "listed": all.listed, "known": all.known, "missing": all.missing(),
            "forms": forms.collect::<serde_json::Map<_, _>>(), "rows": rows.collect::<serde_json::Map<_, _>>(),
            "codes": codes.collect::<serde_json::Map<_, _>>(),
            "rejected": tally.rejected(), "rejected_total": tally.rejected,
        });
        if args.list {
            said["missing_ids"] = json!(missing);
        }
        say(said);
        return;
    }
    say(format!(
        "{:<8} {:>9} {:>9} {:>9}",
        "form", "listed", "known", "missing"
    ));
    let all = list.all();
    let forms = list
        .forms
        .iter()
        .map(|(form, listed)| (form.as_str(), listed));
    for (form, listed) in forms.chain([("all", &all)]) {
        say(format!(
            "{form:<8} {:>9} {:>9} {:>9}",
            listed.listed,
            listed.known,
            listed.missing()
        ));
    }
    for (kind, rows) in &list.rows {
        say(format!("{}: {rows} rows", kind.table()));
    }
    for id in missing {
        say(id);
    }
}
