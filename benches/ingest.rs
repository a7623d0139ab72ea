//! How fast `sigcast ingest swaps` takes NDJSON into SQLite, what processor time and writing that costs, and how much memory it
//! holds: `cargo bench --bench ingest -- 5000000`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sigcast::{
    ingest::simulate::bulk::{Bulk, Shape},
    model::{fact_line, time::Time},
};

fn main() {
    // `cargo bench` passes --bench
    let count = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse::<u64>().ok())
        .unwrap_or(200_000);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = dir.path().join("swaps.ndjson");
    let start = Time::parse_iso("2026-01-01T00:00:00Z").expect("a time");
    let mut out = BufWriter::new(File::create(&file).expect("a file"));
    for fact in Bulk::new(1, count, Shape::month(start)) {
        writeln!(out, "{}", fact_line::write(&fact)).expect("a line");
    }
    drop(out);
    let bytes = file.metadata().map_or(0, |meta| meta.len());
    eprintln!("{count} swaps, {} MB of NDJSON", bytes / 1_000_000);

    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sigcast"))
        .args(["ingest", "swaps", "--json", "--data-dir"])
        .arg(dir.path().join("data"))
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut samples = Vec::new();
    let mut peak_kb = 0;
    let mut next = Duration::from_secs(10);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        peak_kb = peak_kb.max(memory_kb(child.id(), "VmHWM"));
        if began.elapsed() >= next {
            next += Duration::from_secs(10);
            samples.push(memory_kb(child.id(), "VmRSS") / 1024);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    let database = dir
        .path()
        .join("data/sigcast.db")
        .metadata()
        .map_or(0, |meta| meta.len());
    let spent = Spent::of_children();
    println!(
        "| swaps | seconds | swaps/s | CPU s per million | MB written | peak resident MB | resident MB each 10 s | database MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    println!(
        "| {count} | {seconds:.1} | {:.0} | {:.1} user, {:.1} system | {} | {} | {samples:?} | {} |",
        count as f64 / seconds,
        spent.user * 1e6 / count as f64,
        spent.system * 1e6 / count as f64,
        spent.written / 1_000_000,
        peak_kb / 1024,
        database / 1_000_000
    );
}

/// What the children that have ended took: on a busy machine, this says more than the time on the wall.
struct Spent {
    /// Seconds.
    user: f64,
    /// Seconds.
    system: f64,
    /// Bytes sent to storage.
    written: i64,
}

impl Spent {
    fn of_children() -> Self {
        // SAFETY: a struct of numbers may be all zeros; it is ours and outlives the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
            usage
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Spent {
            user: seconds(usage.ru_utime),
            system: seconds(usage.ru_stime),
            written: usage.ru_oublock * 512, // the kernel counts in these, whatever the disk has
        }
    }
}

/// A field of `/proc/<pid>/status`, in kB; 0 where there is none.
fn memory_kb(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kb| kb.parse().ok())
        .unwrap_or(0)
}
