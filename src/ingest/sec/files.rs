//! Files and folders of filings, read on all cores with bounded memory, and handed over in the walk's order.
//!
//! File `n` goes to reader `n` modulo their number, through a short queue each way, and results are taken from the readers in turn: so the
//! order is the walk's however fast each of them is, and nobody runs far ahead.

use std::{
    fs::File,
    io::{self, Read as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use super::{
    parse::parse,
    rejection::{Rejection, excerpt},
    submission::MAX_BYTES,
    walk::{Found, Walk},
};
use crate::model::filing::Filing;

/// Files that may wait before and behind each reader.
const QUEUE: usize = 16;

/// Files to read.
#[derive(Debug, Clone)]
pub struct Files {
    paths: Vec<PathBuf>,
    /// How many there are.
    pub count: u64,
    /// Their sizes' sum.
    pub bytes: u64,
}

/// A file that was read.
#[derive(Debug)]
pub struct ReadFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, as part of [`Files::bytes`].
    pub bytes: u64,
    /// What is in it.
    pub filing: Result<Filing, Rejection>,
}

/// Files being read: an iterator over [`ReadFile`], in the walk's order. Dropped, it ends its threads.
#[derive(Debug)]
pub struct Reading {
    /// One a reader; empty once all is read.
    results: Vec<Receiver<ReadFile>>,
    turn: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Files {
    /// Counts the files that `paths` mean. Nothing is read yet, and no list is kept.
    ///
    /// # Errors
    /// If one of `paths` itself is not there; what cannot be looked into below them has its turn in [`Files::read`].
    pub fn new(paths: Vec<PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        let (mut count, mut bytes) = (0, 0);
        for found in Walk::new(&paths) {
            match found {
                Ok((_, size)) => bytes += size,
                Err((path, error)) if paths.contains(&path) => return Err((path, error)),
                Err(_) => {}
            }
            count += 1;
        }
        Ok(Files {
            paths,
            count,
            bytes,
        })
    }

    /// Reads them all.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn read(&self, readers: NonZeroUsize) -> io::Result<Reading> {
        let (mut jobs, mut results, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..readers.get() {
            let (job, todo) = sync_channel::<Job>(QUEUE);
            let (done, result) = sync_channel(QUEUE);
            let name = thread::Builder::new().name("filings".into());
            threads.push(name.spawn(move || read_all(&todo, &done))?);
            jobs.push(job);
            results.push(result);
        }
        let walk = Walk::new(&self.paths);
        let name = thread::Builder::new().name("walk".into());
        threads.push(name.spawn(move || hand_out(walk, &jobs))?);
        Ok(Reading {
            results,
            turn: 0,
            threads,
        })
    }
}

type Job = Result<Found, (PathBuf, io::Error)>;

/// Gives each reader its files, until one of them is gone.
fn hand_out(walk: Walk, jobs: &[SyncSender<Job>]) {
    for (job, reader) in walk.zip(jobs.iter().cycle()) {
        if reader.send(job).is_err() {
            return;
        }
    }
}

/// Reads one reader's files, until nobody wants them.
fn read_all(jobs: &Receiver<Job>, results: &SyncSender<ReadFile>) {
    while let Ok(job) = jobs.recv() {
        let read = match job {
            Ok((path, bytes)) => ReadFile {
                filing: read_file(&path),
                path,
                bytes,
            },
            Err((path, error)) => ReadFile {
                filing: Err(unreadable(&error)),
                path,
                bytes: 0,
            },
        };
        if results.send(read).is_err() {
            return;
        }
    }
}

/// One file as a filing.
///
/// # Errors
/// [`Rejection`] with the reason.
pub fn read_file(path: &Path) -> Result<Filing, Rejection> {
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let size = file.metadata().map_err(|e| unreadable(&e))?.len();
    if size > MAX_BYTES as u64 {
        return Err(Rejection::TooLarge(size));
    }
    // it may grow while it is read, and one byte too many is enough to know
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    let mut bounded = file.take(MAX_BYTES as u64 + 1);
    bounded
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(&e))?;
    parse(&bytes, Some(&path.to_string_lossy()))
}

fn unreadable(error: &io::Error) -> Rejection {
    Rejection::Unreadable(excerpt(&error.to_string()))
}

impl Iterator for Reading {
    type Item = ReadFile;

    fn next(&mut self) -> Option<ReadFile> {
        let turn = self.turn.checked_rem(self.results.len())?;
        self.turn = turn + 1;
        if let Ok(read) = self.results[turn].recv() {
            return Some(read);
        }
        // this reader had no more, so the others, whose turns come later, have none either
        self.results.clear();
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                // the files behind it would be missing without a word
                std::panic::resume_unwind(panic);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILING: &str = "<ownershipDocument><documentType>4</documentType><issuerName>A</issuerName><reportingOwner>\
        <rptOwnerName>B</rptOwnerName></reportingOwner><signatureDate>2024-01-02</signatureDate></ownershipDocument>";

    fn names(reading: Reading) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        reading
            .map(|read| format!("{} {}", name(&read.path), read.filing.is_ok()))
            .collect()
    }

    #[test]
    fn any_number_of_readers_keeps_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for n in 0..200 {
            let good = n % 7 != 0;
            // files of very different lengths are done at very different times
            let text = if good {
                FILING.to_owned() + &" ".repeat(n * 997 % 50_000)
            } else {
                "no".into()
            };
            fs::write(dir.path().join(format!("{n:03}.xml")), text).unwrap();
            expected.push(format!("{n:03}.xml {good}"));
        }
        let files = Files::new(vec![dir.path().to_owned()]).unwrap();
        assert_eq!(files.count, 200);
        for readers in [1, 2, 3, 16] {
            let reading = files.read(NonZeroUsize::new(readers).unwrap()).unwrap();
            assert_eq!(names(reading), expected, "{readers}");
        }
        let all = files.read(NonZeroUsize::MIN).unwrap();
        assert_eq!(all.map(|read| read.bytes).sum::<u64>(), files.bytes);
    }

    #[test]
    fn whoever_has_seen_enough_may_go() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..500 {
            fs::write(dir.path().join(format!("{n:03}.xml")), FILING).unwrap();
        }
        let files = Files::new(vec![dir.path().to_owned()]).unwrap();
        let mut reading = files.read(NonZeroUsize::new(2).unwrap()).unwrap();
        assert!(reading.next().unwrap().filing.is_ok());
        let threads = std::mem::take(&mut reading.threads);
        drop(reading);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_end_is_the_end() {
        let files = Files::new(Vec::new()).unwrap();
        let mut reading = files.read(NonZeroUsize::MIN).unwrap();
        assert!(reading.next().is_none());
        assert!(reading.next().is_none());
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.txt");
        assert_eq!(Files::new(vec![missing.clone()]).unwrap_err().0, missing);
        assert!(matches!(read_file(&missing), Err(Rejection::Unreadable(_))));
        let sparse = dir.path().join("sparse.txt");
        File::create(&sparse).unwrap().set_len(1 << 32).unwrap();
        assert_eq!(read_file(&sparse), Err(Rejection::TooLarge(1 << 32)));
        let named = dir.path().join("0000320121-23-000040.xml");
        fs::write(&named, FILING).unwrap();
        assert_eq!(read_file(&named).unwrap().id.0, "SEC:0000320121-23-000040");
    }
}
