//! An EDGAR of one's own: feed, daily indexes and submissions over HTTP on loopback, which fails as it is told and keeps a record.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sigcast::model::time::Time;

use super::server::now;

/// Who asks.
pub const CONTACT: &str = "Example Ltd feeds@example.com";
/// Entries of other forms before the last ones of the feed, so that it has a second page.
const OTHERS: usize = 120;

/// A filing that is there.
#[derive(Clone)]
pub struct Filed {
    pub number: String,
    pub body: Vec<u8>,
    /// When EDGAR took it in.
    pub at: Time,
    /// Whether the feed names it.
    pub in_feed: bool,
    /// `20260821`: the index that names it.
    pub index: String,
}

/// An answer in place of the true one.
#[derive(Clone, Copy)]
pub enum Fault {
    /// A status, and a `Retry-After`.
    Status(u16, Option<u32>),
    /// The head of a whole body, and half of it.
    Cut,
}

#[derive(Default)]
struct World {
    filed: Vec<Filed>,
    /// By the end of a path.
    faults: BTreeMap<String, VecDeque<Fault>>,
    asked: Vec<(Instant, String)>,
    strangers: usize,
}

/// The site; its threads end with the process.
#[derive(Clone)]
pub struct Site {
    world: Arc<Mutex<World>>,
    pub url: String,
}

impl Site {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::default()));
        let shared = world.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let world = shared.clone();
                // a client that goes away is no fault of the site's
                thread::spawn(move || one(&world, stream));
            }
        });
        Site { world, url }
    }

    pub fn file(&self, filed: Filed) {
        self.world.lock().unwrap().filed.push(filed);
    }

    /// `path`: how it ends.
    pub fn fault(&self, path: &str, fault: Fault) {
        let mut world = self.world.lock().unwrap();
        world
            .faults
            .entry(path.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// Every request so far: when it came, and its path.
    pub fn asked(&self) -> Vec<(Instant, String)> {
        let world = self.world.lock().unwrap();
        assert_eq!(world.strangers, 0, "whoever asks says who they are");
        world.asked.clone()
    }

    /// How often a filing was asked for.
    pub fn times(&self, number: &str) -> usize {
        let end = format!("/{number}.txt");
        let asked = self.asked();
        asked
            .iter()
            .filter(|(_, path)| path.ends_with(&end))
            .count()
    }
}

fn one(world: &Mutex<World>, mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, more, body, sent) = {
        let mut world = world.lock().unwrap();
        let named = format!("user-agent: {}", CONTACT.to_lowercase());
        if !head.to_lowercase().contains(&named) {
            world.strangers += 1;
        }
        world.asked.push((Instant::now(), path.clone()));
        world.answer(&path)
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body[..sent]);
}

impl World {
    /// Status, further heads, body, and how much of it is sent.
    fn answer(&mut self, path: &str) -> (u16, String, Vec<u8>, usize) {
        let fault = (self.faults.iter_mut())
            .find(|(end, faults)| path.ends_with(end.as_str()) && !faults.is_empty())
            .and_then(|(_, faults)| faults.pop_front());
        if let Some(Fault::Status(status, wait)) = fault {
            let wait = wait.map_or(String::new(), |wait| format!("retry-after: {wait}\r\n"));
            return (status, wait, b"later".to_vec(), 5);
        }
        let body = if let Some((_, rest)) = path.split_once("&start=") {
            let start = rest.split('&').next().and_then(|start| start.parse().ok());
            Some(self.feed(start.expect("a start")).into_bytes())
        } else if path.contains("/daily-index/") {
            self.index(path).map(String::into_bytes)
        } else {
            let found =
                (self.filed.iter()).find(|filed| path.ends_with(&format!("/{}.txt", filed.number)));
            found.map(|filed| filed.body.clone())
        };
        let Some(body) = body else {
            // as the storage behind EDGAR says that there is no such file
            let body = b"<Error><Code>AccessDenied</Code></Error>".to_vec();
            let length = body.len();
            return (403, String::new(), body, length);
        };
        let sent = match fault {
            Some(Fault::Cut) => body.len() / 2,
            _ => body.len(),
        };
        (200, String::new(), body, sent)
    }

    /// An entry for each of two parties, the newest first, and other forms behind the first ten of them.
    fn feed(&self, start: usize) -> String {
        let mut told: Vec<&Filed> = self.filed.iter().filter(|filed| filed.in_feed).collect();
        told.sort_by_key(|filed| std::cmp::Reverse((filed.at, &filed.number)));
        let mut entries = Vec::new();
        for (n, filed) in told.iter().enumerate() {
            let folder = filed.number.replace('-', "");
            for (cik, role) in [("7", "Reporting"), ("8", "Issuer")] {
                entries.push(entry("4", cik, role, &folder, &filed.number, filed.at));
            }
            if n == 9 {
                for other in 0..OTHERS {
                    let number = format!("0009999999-26-{other:06}");
                    entries.push(entry("424B2", "9", "Filer", "000", &number, filed.at));
                }
            }
        }
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n",
        );
        text.extend(entries.into_iter().skip(start).take(100));
        text + "</feed>\n"
    }

    /// A day's index, where it names anything.
    fn index(&self, path: &str) -> Option<String> {
        let mut text = String::from("CIK|Company Name|Form Type|Date Filed|File Name\n--------\n");
        let day = path.rsplit("master.").next()?.strip_suffix(".idx")?;
        let mut rows = 0;
        for filed in self.filed.iter().filter(|filed| filed.index == day) {
            rows += 1;
            let _ = writeln!(text, "9|A|4|{day}|edgar/data/9/{}.txt", filed.number);
        }
        (rows > 0).then_some(text)
    }
}

fn entry(form: &str, cik: &str, role: &str, folder: &str, number: &str, at: Time) -> String {
    format!(
        "<entry><title>{form} - A &amp; B (000000000{cik}) ({role})</title>\
         <link rel=\"alternate\" href=\"https://www.sec.gov/Archives/edgar/data/{cik}/{folder}/{number}-index.htm\"/>\
         <updated>{at}</updated><category scheme=\"https://www.sec.gov/\" label=\"form type\" term=\"{form}\"/>\
         <id>urn:tag:sec.gov,2008:accession-number={number}</id></entry>"
    )
}

/// What the clock in Washington says.
pub fn washington(at: Time) -> DateTime {
    let zone = TimeZone::get("America/New_York").expect("a zone");
    zone.to_datetime(Timestamp::from_microsecond(at.0).expect("a moment"))
}

/// Yesterday in Washington, whose index is there: as an index and as a flag spell it.
pub fn yesterday() -> (String, String) {
    let day = washington(now()).date().yesterday().expect("a day");
    (day.strftime("%Y%m%d").to_string(), day.to_string())
}

/// Real submissions where they are at hand, by accession number, else none: a line says so.
pub fn real_submissions(count: usize) -> Vec<(String, Vec<u8>)> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folders = fs::read_dir(data.join("us_form4/submissions"));
    let mut paths: Vec<_> = (folders.into_iter().flatten().flatten())
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten())
        .flatten()
        .map(|file| file.path())
        .collect();
    paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    // over all years and companies rather than the first
    let step = (paths.len() / count.max(1)).max(1);
    let found: Vec<_> = (paths.iter().step_by(step).take(count))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            (name.into_owned(), fs::read(path).expect("a readable file"))
        })
        .collect();
    if found.is_empty() {
        eprintln!(
            "skipped: no real submissions in {}; invented ones are served",
            data.display()
        );
    }
    found
}
