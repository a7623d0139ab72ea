//! How fast `sigcast ingest filings` takes declarations into SQLite and scores them, and what memory that takes:
//! `cargo bench --bench filings_ingest -- 20000`. A second number sets how many companies have closes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sigcast::{
    ingest::simulate::filings::{Filings, Shape, closes, symbol},
    model::{filing_line, time::Time},
};

fn main() {
    // `cargo bench` passes --bench
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let count = numbers.first().copied().unwrap_or(20_000);
    let priced = numbers.get(1).copied().unwrap_or(200);
    let start = Time::parse_iso("2020-01-02T15:00:00Z").expect("a time");
    let shape = Shape {
        companies: (count / 30).clamp(50, 5_000),
        ..Shape::years(start)
    };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = dir.path().join("filings.ndjson");
    let mut out = BufWriter::new(File::create(&file).expect("a file"));
    for filing in Filings::new(1, count, shape) {
        writeln!(out, "{}", filing_line::write(&filing)).expect("a line");
    }
    out.into_inner().expect("written");
    let bytes = file.metadata().map_or(0, |meta| meta.len());
    eprintln!(
        "{count} filings of {} companies, {} MB of NDJSON",
        shape.companies,
        bytes / 1_000_000
    );
    let prices = dir.path().join("closes.csv");
    let mut out = BufWriter::new(File::create(&prices).expect("a file"));
    writeln!(out, "date,ticker,close").expect("a line");
    let day = "2019-06-03".parse().expect("a day");
    let benchmark = closes(0, "SPY", day, 1_700);
    let all = (0..priced.min(shape.companies))
        .flat_map(|company| closes(company, &symbol(company), day, 1_700));
    for close in benchmark.into_iter().chain(all) {
        writeln!(out, "{},{},{}", close.date, close.symbol, close.close).expect("a line");
    }
    out.into_inner().expect("written");

    let data = dir.path().join("data");
    let prices = [
        Path::new("prices"),
        &prices,
        Path::new("--market"),
        Path::new("us"),
    ];
    let filings = [
        Path::new("filings"),
        Path::new("--format"),
        Path::new("ndjson"),
        &file,
    ];
    let (first, _) = run(&data, &prices);
    let (seconds, peak_kb) = run(&data, &filings);
    let database = data
        .join("sigcast.db")
        .metadata()
        .map_or(0, |meta| meta.len());
    let (again, _) = run(&data, &filings);
    println!(
        "| filings | seconds | filings/s, scored | peak resident MB | database MB | closes before, s | again, s |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!(
        "| {count} | {seconds:.1} | {:.0} | {} | {} | {first:.1} | {again:.1} |",
        count as f64 / seconds,
        peak_kb / 1024,
        database / 1_000_000
    );
}

/// Seconds, and the most memory in kB.
fn run(data: &Path, args: &[&Path]) -> (f64, u64) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sigcast"))
        .arg("ingest")
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .stdout(Stdio::inherit())
        .spawn()
        .expect("the binary");
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        peak = peak.max(memory_kb(child.id()));
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    (began.elapsed().as_secs_f64(), peak)
}

/// `VmHWM` of `/proc/<pid>/status`; 0 where there is none.
fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kb| kb.parse().ok())
        .unwrap_or(0)
}
