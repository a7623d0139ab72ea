//! `sigcast export`: the whole store into a file, as it is at one moment; and a file looked over.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, IsTerminal as _, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use super::{
    super::{
        data::{DataArgs, Opened},
        outcome::{Outcome, complain, say},
        progress::{Counted, Progress},
        stops::Stops,
    },
    file::{Contents, Header, Heading, Lines, Tally},
    reader::{Piece, Reader},
};
use crate::{model::random::Random, telemetry::logs};

/// What `export` takes.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The file, which must not be there yet; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Read an export instead, and say whether it is whole: every row, and every digest of its last line; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    verify: Option<PathBuf>,
    /// Answer in JSON: on standard error where the export itself goes to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Bytes that are written or read at once.
pub const BUFFER: usize = 1 << 20;

/// Runs it.
pub async fn run(args: ExportArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    if let Some(path) = &args.verify {
        let (contents, place) = (verify(path)?, place(path));
        let said = told(&contents, &place, args.json, "whole");
        say(said);
        return Ok(Outcome::Good);
    }
    let to_stdout = args.out == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        bail!(
            "an export is long, and holds what is nobody's business: name a file with --out, or send it into a pipe"
        );
    }
    let opened = args.data.open_existing().await?;
    let written = match to_stdout {
        // nothing is to be put away, and a signal must not wait for a pipe that nobody reads
        true => write(&opened, Output::Stdout(io::stdout())).await,
        false => {
            let mut stops = Stops::listen()?;
            let out = Output::make(&args.out, &opened.random)?;
            match stops.unless(write(&opened, out)).await {
                Ok(written) => written,
                Err(stop) => {
                    complain(format!("{stop}: nothing was exported, and nothing is left"));
                    // a database that does not answer is not waited for
                    return Ok(stop.outcome());
                }
            }
        }
    };
    opened.db.close().await;
    let (contents, bytes) = written?;
    let said = match args.json {
        true => told(&contents, &place(&args.out), true, "exported"),
        false => format!(
            "{}, {bytes} bytes",
            told(&contents, &place(&args.out), false, "exported")
        ),
    };
    match to_stdout {
        true => complain(said),
        false => say(said),
    }
    Ok(Outcome::Good)
}

/// A file by its name, or what `-` stands for.
fn place(path: &Path) -> String {
    match path == Path::new("-") {
        true => "a pipe".to_owned(),
        false => path.display().to_string(),
    }
}

fn told(contents: &Contents, place: &str, as_json: bool, what: &str) -> String {
    let (rows, log) = (contents.rows(), &contents.log);
    if as_json {
        return json!({"file": place, "rows": rows, "tables": contents.tables, "log": log})
            .to_string();
    }
    format!(
        "{what}: {place}: {rows} rows; signals from {} to {}: {}, digest {}",
        log.from, log.to, log.count, log.digest
    )
}

async fn write(opened: &Opened, out: Output) -> Result<(Contents, u64)> {
    let mut snapshot = opened.db.snapshot().await?;
    let log = snapshot.head().await?;
    let mut progress = Progress::counting("rows", snapshot.count().await?);
    let mut lines = Lines::new(BufWriter::with_capacity(BUFFER, out));
    lines.json(&Header::new(&log, opened.clock.now()))?;
    let mut tally = Tally::new(log);
    let (mut walk, mut done) = (snapshot.walk(), 0);
    while let Some(page) = walk.next().await? {
        if page.is_first {
            lines.json(&Heading::of(page.table))?;
            tally.begin(page.table);
        }
        for row in &page.rows {
            let line = row.line(page.table)?;
            tally.row(row, &line);
            lines.line(&line)?;
        }
        done += page.rows.len() as u64;
        progress.at(done, done);
    }
    let contents = tally.contents();
    let (out, bytes) = lines.end(contents.clone())?;
    let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.keep()?;
    progress.finish();
    Ok((contents, bytes))
}

/// Reads a file to its end, in whatever state it is.
fn verify(path: &Path) -> Result<Contents> {
    let (input, size) = open(path)?;
    let (input, bytes) = Counted::new(input);
    let name = place(path);
    let mut progress = Progress::new("rows", size);
    let read = || -> Result<Contents> {
        let (mut reader, _) = Reader::open(BufReader::with_capacity(BUFFER, input))?;
        let mut done = 0;
        loop {
            match reader.next()? {
                Piece::Rows { rows, .. } => done += rows.len() as u64,
                Piece::End(contents) => return Ok(contents),
            }
            progress.at(bytes.load(std::sync::atomic::Ordering::Relaxed), done);
        }
    };
    let read = read();
    progress.finish();
    read.with_context(|| name)
}

/// A file to read, and its size where it is one.
pub fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = || -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let (file, size) = opened().with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((Box::new(file), Some(size)))
}

/// Where an export goes: under another name until it is whole.
enum Output {
    Stdout(io::Stdout),
    File {
        file: File,
        draft: PathBuf,
        path: PathBuf,
    },
}

impl Output {
    fn make(path: &Path, random: &Random) -> Result<Self> {
        // a link that leads nowhere is there as well
        if path.symlink_metadata().is_ok() {
            bail!(there_already(path));
        }
        let mut name = path.file_name().context("--out names no file")?.to_owned();
        name.push(format!(".{:016x}.part", random.number()));
        let draft = path.with_file_name(name);
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&draft);
        let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
        let path = path.to_owned();
        Ok(Output::File { file, draft, path })
    }

    /// It is whole: it gets its name, unless something else has got that meanwhile.
    fn keep(&self) -> Result<()> {
        let Output::File { file, draft, path } = self else {
            return Ok(());
        };
        file.sync_all()?;
        match fs::hard_link(draft, path) {
            Ok(()) => fs::remove_file(draft)?,
            Err(_) if path.symlink_metadata().is_ok() => bail!(there_already(path)),
            // there are file systems on which a file has one name
            Err(_) => fs::rename(draft, path)?,
        }
        // by a failure of power it could lose its name again
        let folder = path.parent().filter(|one| !one.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

fn there_already(path: &Path) -> String {
    format!(
        "{} is there already; an export replaces nothing",
        path.display()
    )
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Output::File { draft, .. } = self {
            // where it was kept, it has this name no more
            let _ = fs::remove_file(draft);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(out) => out.write(bytes),
            Output::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(out) => out.flush(),
            Output::File { file, .. } => file.flush(),
        }
    }
}
