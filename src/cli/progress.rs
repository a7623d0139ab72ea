//! Progress of long work: a bar with rate and ETA on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal as _, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::outcome::complain;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts the bytes that are read through it.
pub struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Wraps a reader that counts into a counter which others may share.
    pub fn with(inner: R, bytes: Arc<AtomicU64>) -> Self {
        Counted { inner, bytes }
    }

    /// Wraps a reader; the counter tells how far it is.
    pub fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let bytes = Arc::new(AtomicU64::new(0));
        (
            Counted {
                inner,
                bytes: bytes.clone(),
            },
            bytes,
        )
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Shows how far something is.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    began: Instant,
    last_line: Instant,
    total_bytes: Option<u64>,
}

impl Progress {
    /// `total_bytes`: how long the input is, where that is known. `what`: what is counted, in the plural.
    pub fn new(what: &'static str, total_bytes: Option<u64>) -> Self {
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| match total_bytes {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{bar:32} {bytes}/{total_bytes}  {msg}  ETA {eta}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes}  {msg}")),
        });
        Progress {
            bar,
            what,
            began: now,
            last_line: now,
            total_bytes,
        }
    }

    /// Of work that is counted, and whose end is known.
    pub fn counting(what: &'static str, total: u64) -> Self {
        let mut progress = Progress::new(what, Some(total));
        if let Some(bar) = &mut progress.bar {
            bar.set_style(style("{bar:32} {pos}/{len}  {msg}  ETA {eta}"));
        }
        progress
    }

    /// The end of it moved.
    pub fn expect(&mut self, total: u64) {
        self.total_bytes = Some(total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    /// So far.
    pub fn at(&mut self, bytes: u64, count: u64) {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-6);
        let rate = (count as f64 / seconds) as u64;
        let message = format!(
            "{} {}, {}/s",
            HumanCount(count),
            self.what,
            HumanCount(rate)
        );
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            bar.set_position(bytes);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let eta = self
                .total_bytes
                .filter(|_| bytes > 0)
                .map_or(String::new(), |total| {
                    let left = total.saturating_sub(bytes) as f64 / bytes as f64 * seconds;
                    format!(", {left:.0} s to go")
                });
            complain(format!("{message}{eta}"));
        }
    }

    /// A line above the bar.
    pub fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(line)),
            None => complain(line),
        }
    }

    /// Done.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
