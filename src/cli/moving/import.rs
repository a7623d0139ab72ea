//! `sigcast import`: a store's file into an empty database, all or nothing, and held against it before it counts.

use std::{
    io::{self, BufReader, IsTerminal as _, Read},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    super::{
        data::{DataArgs, Opened},
        outcome::{Outcome, complain, say},
        progress::{Counted, Progress},
        stops::Stops,
    },
    export::{self, BUFFER},
    file::{Contents, Header, Tally},
    reader::{FileError, Piece, Reader},
};
use crate::{
    app::{
        data_dir::{self, DirLock},
        webhooks::{self, KEY_VARIABLE},
    },
    config::settings::Settings,
    model::log::{LogHead, Position},
    store::moving::Filling,
    telemetry::logs,
};

/// What `import` takes.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The file that `sigcast export` wrote; `-` is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Give the log another epoch: where the server that was exported went on afterwards, its clients have more than this, and are told so by a
    /// `gap`; webhooks go on where they stood
    #[arg(long)]
    new_epoch: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Pieces of a file that wait to be stored: of a megabyte each.
const AHEAD: usize = 4;
/// What was broken off has so long to be put away.
const CLOSING: Duration = Duration::from_secs(10);
/// In bulk, a page is written once for many rows.
const BULK_CACHE_KB: u32 = 64 * 1024;

/// What it came to.
struct Imported {
    contents: Contents,
    /// Where the log stands.
    log: Position,
}

/// Runs it.
pub async fn run(args: ImportArgs) -> Result<Outcome> {
    // its statements are long by nature, and so is the wait for another import: no warning with their text is wanted
    logs::start(false, "warn,sqlx::query=error");
    if args.input == Path::new("-") && io::stdin().is_terminal() {
        bail!("name the file with --in, or send it into a pipe");
    }
    let name = args.input.display().to_string();
    let (input, size) = export::open(&args.input)?;
    let (input, bytes) = Counted::new(input);
    // before anything is made: the wrong file changes nothing
    let input: Box<dyn Read + Send> = Box::new(input);
    let opened = Reader::open(BufReader::with_capacity(BUFFER, input));
    let (reader, header) = opened.with_context(|| name.clone())?;
    // whatever was begun is put away, from here on
    let mut stops = Stops::listen()?;
    let _alone = alone(&args.data.settings(&[])?)?;
    let cached = |settings: &mut Settings| settings.store.writer_cache_kb = BULK_CACHE_KB;
    let opened = args.data.open_with(cached).await?;
    let progress = Progress::new("rows", size);
    let far = || bytes.load(Ordering::Relaxed);
    let work = fill(&opened, reader, &header, args.new_epoch, progress, far);
    let filled = match stops.unless(work).await {
        Ok(filled) => filled,
        Err(stop) => {
            complain(format!("{stop}: nothing was imported"));
            // what SQLite wrote beside its file goes with the last connection; a database that does not answer is not waited for
            let _ = tokio::time::timeout(CLOSING, opened.db.close()).await;
            return Ok(stop.outcome());
        }
    };
    // a signal comes too late from here on: what is stored must not be told as if it were not
    let imported = match filled {
        Ok((filling, imported)) => {
            let committed = filling.commit(&opened.db).await;
            committed.map(|()| imported).map_err(anyhow::Error::from)
        }
        Err(error) => Err(error),
    };
    let imported = imported.context("nothing was imported");
    let place = opened.place();
    let key = match &imported {
        Ok(imported) => key_trouble(&opened, &imported.contents).await,
        Err(_) => None,
    };
    opened.db.close().await;
    let Imported { contents, log } = imported.with_context(|| name)?;
    let (rows, epoch, seq) = (contents.rows(), &log.epoch, log.seq);
    let digest = &contents.log.digest;
    if args.json {
        say(json!({
            "database": place, "rows": rows, "epoch": &**epoch, "head": seq, "signals": contents.log.count, "digest": digest,
            "webhook_key": key,
        }));
    } else {
        say(format!(
            "imported into {place}: {rows} rows, each read back; signals up to {log}: {}, digest {digest}",
            contents.log.count
        ));
        if let Some(trouble) = key {
            say(format!("before a server starts: {trouble}"));
        }
    }
    Ok(Outcome::Good)
}

/// No server, and no other command, works on the data directory meanwhile. (Where the database is elsewhere, it is asked itself.)
fn alone(settings: &Settings) -> Result<Vec<DirLock>> {
    let dir = &settings.server.data_dir;
    data_dir::create(dir)?;
    let locks = [
        data_dir::SERVER,
        data_dir::ENGINES,
        data_dir::INSIDERS,
        data_dir::EDGAR,
    ];
    let locks = locks.map(|lock| DirLock::try_take(dir, lock));
    let locks: Option<Vec<_>> = locks.into_iter().collect::<Result<_, _>>()?;
    locks.with_context(|| {
        let dir = dir.display();
        format!("a server or a command works on {dir}; stop it first")
    })
}

type Pieces = mpsc::Receiver<Result<Piece, FileError>>;

/// Reads on a thread of its own, beside what is stored.
fn read_ahead(mut reader: Reader<BufReader<Box<dyn Read + Send>>>) -> Pieces {
    let (tell, pieces) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        loop {
            let piece = reader.next();
            let last = !matches!(piece, Ok(Piece::Rows { .. }));
            // nobody wants more where it went wrong
            if tell.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    pieces
}

/// All that can still be broken off: the whole file, read back, and not committed yet.
async fn fill(
    opened: &Opened,
    reader: Reader<BufReader<Box<dyn Read + Send>>>,
    header: &Header,
    new_epoch: bool,
    mut progress: Progress,
    far: impl Fn() -> u64,
) -> Result<(Filling, Imported)> {
    let mut filling = opened.db.begin_filling().await?;
    let mut pieces = read_ahead(reader);
    let mut done = 0;
    let told = loop {
        let piece = pieces.recv().await;
        match piece.ok_or_else(|| anyhow!("the reader stopped"))?? {
            Piece::End(contents) => break contents,
            Piece::Rows { table, line, rows } => {
                let last = line + rows.len() as u64 - 1;
                done += rows.len() as u64;
                let put = filling.put(table, rows).await;
                put.with_context(|| format!("lines {line} to {last}, rows of {}", table.name))?;
                progress.at(far(), done);
            }
        }
    };
    progress.finish();
    filling.settle().await?;
    let found = sum_up(&mut filling, header.log(), done).await?;
    if let Some(what) = told.difference(&found) {
        bail!("{what}, read back from the database, is not what the file says");
    }
    let LogHead { epoch, seq, .. } = header.log();
    let mut log = Position { epoch, seq };
    if new_epoch {
        let epoch = format!("{:08x}", opened.random.number() as u32);
        log = filling.rename_log(&epoch).await?;
    }
    let contents = found;
    Ok((filling, Imported { contents, log }))
}

/// What the database says that it holds now.
async fn sum_up(filling: &mut Filling, log: LogHead, rows: u64) -> Result<Contents> {
    let mut progress = Progress::counting("rows read back", rows);
    let mut tally = Tally::new(log);
    let (mut walk, mut done) = (filling.walk(), 0);
    while let Some(page) = walk.next().await? {
        if page.is_first {
            tally.begin(page.table);
        }
        for row in &page.rows {
            tally.row(row, &row.line(page.table)?);
        }
        done += page.rows.len() as u64;
        progress.at(done, done);
    }
    progress.finish();
    Ok(tally.contents())
}

/// What is wrong with the key of webhooks that the server would use, where there are webhooks.
async fn key_trouble(opened: &Opened, contents: &Contents) -> Option<String> {
    let hooks = contents.tables.get("hooks").map_or(0, |sum| sum.rows);
    if hooks == 0 {
        return None;
    }
    let given = std::env::var(KEY_VARIABLE).ok();
    let seal = webhooks::open_seal(&opened.settings, given, &opened.db, &opened.random).await;
    seal.err().map(|error| error.to_string())
}
