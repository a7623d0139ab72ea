//! Following a server that speaks as EDGAR does: paging, a filing that appears twice, a 503, a body that breaks off, a feed that skips.
//! It serves the real submissions where they are at hand, else invented ones.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{Timestamp, civil::date, tz::TimeZone};
use sigcast::{
    cli::edgar::Edgar,
    ingest::{
        edgar::{
            follow::{Told, follow},
            follower::Follower,
            pace::Limits,
            protocol::{Event, Manner},
            state::State,
        },
        sec::parse::parse,
    },
    model::time::{Clock, Time},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Submissions by accession number.
fn submissions(count: usize) -> BTreeMap<String, Vec<u8>> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut found = BTreeMap::new();
    let folders = fs::read_dir(data.join("us_form4/submissions"))
        .into_iter()
        .flatten();
    let files = folders
        .flatten()
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    for path in paths.into_iter().take(count) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        found.insert(name.into_owned(), fs::read(&path).expect("a readable file"));
    }
    if found.is_empty() {
        println!(
            "skipped: no real submissions in {}; invented ones are served",
            data.display()
        );
        found.extend((0..count).map(invented));
    }
    found
}

fn invented(n: usize) -> (String, Vec<u8>) {
    let number = format!("0001193125-26-{n:06}");
    let text = format!(
        "<ACCEPTANCE-DATETIME>20260821{:02}0000\nACCESSION NUMBER:\t{number}\n<XML>\n<ownershipDocument><documentType>4</documentType>\
         <issuerName>A</issuerName><reportingOwner><rptOwnerName>B</rptOwnerName></reportingOwner></ownershipDocument>\n</XML>\n",
        n % 12 + 6
    );
    (number, text.into_bytes())
}

/// What the server knows, and how often it was asked for what.
struct World {
    submissions: BTreeMap<String, Vec<u8>>,
    /// Newest first, with the moments of acceptance; those in `skipped` are left out.
    order: Vec<(String, Time)>,
    skipped: BTreeSet<String>,
    asked: Mutex<BTreeMap<String, usize>>,
}

impl World {
    fn new(submissions: BTreeMap<String, Vec<u8>>) -> Self {
        let accepted = |(number, bytes): (&String, &Vec<u8>)| {
            let filing = parse(bytes, None).expect("a filing");
            (number.clone(), filing.published_at)
        };
        let mut order: Vec<_> = submissions.iter().map(accepted).collect();
        order.sort_by_key(|(number, at)| std::cmp::Reverse((*at, number.clone())));
        let skipped = order
            .iter()
            .step_by(7)
            .map(|(number, _)| number.clone())
            .collect();
        World {
            submissions,
            order,
            skipped,
            asked: Mutex::default(),
        }
    }

    /// Status, further heads, body, and how much of it is sent.
    fn answer(&self, path: &str) -> (u16, &'static str, Vec<u8>, usize) {
        let whole = |body: Vec<u8>| {
            let length = body.len();
            (200, "", body, length)
        };
        let times = {
            let mut asked = self.asked.lock().expect("one at a time");
            let times = asked.entry(path.to_owned()).or_default();
            *times += 1;
            *times
        };
        if let Some((_, rest)) = path.split_once("&start=") {
            let start = rest.split('&').next().and_then(|start| start.parse().ok());
            return whole(self.feed(start.expect("a start")).into_bytes());
        }
        if path.contains("/daily-index/") {
            return whole(self.index(path).into_bytes());
        }
        let number = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .replace(".txt", "");
        let Some(body) = self.submissions.get(&number) else {
            return (404, "", Vec::new(), 0);
        };
        let place = self
            .order
            .iter()
            .position(|(known, _)| *known == number)
            .unwrap_or(0);
        match (place % 11, times) {
            (3, 1) => (503, "retry-after: 1\r\n", b"later".to_vec(), 5),
            (5, 1) => (200, "", body.clone(), body.len() / 2),
            _ => whole(body.clone()),
        }
    }

    fn feed(&self, start: usize) -> String {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n",
        );
        let told = self
            .order
            .iter()
            .filter(|(number, _)| !self.skipped.contains(number));
        let entries = told.flat_map(|entry| [("7", "Reporting", entry), ("8", "Issuer", entry)]);
        for (cik, role, (number, at)) in entries.skip(start).take(100) {
            let folder = number.replace('-', "");
            let _ = write!(
                text,
                "<entry><title>4 - A &amp; B (000000000{cik}) ({role})</title>\
                 <link rel=\"alternate\" href=\"https://www.sec.gov/Archives/edgar/data/{cik}/{folder}/{number}-index.htm\"/>\
                 <updated>{at}</updated><category scheme=\"https://www.sec.gov/\" label=\"form type\" term=\"4\"/>\
                 <id>urn:tag:sec.gov,2008:accession-number={number}</id></entry>"
            );
        }
        text + "</feed>\n"
    }

    /// Of any day: those filings that were accepted on it.
    fn index(&self, path: &str) -> String {
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let mut text = String::from("CIK|Company Name|Form Type|Date Filed|File Name\n--------\n");
        for (number, at) in &self.order {
            let stamp = Timestamp::from_microsecond(at.0).expect("a moment");
            let day = zone.to_datetime(stamp).strftime("%Y%m%d").to_string();
            if path.ends_with(&format!("master.{day}.idx")) {
                let _ = writeln!(text, "9|A|4|{day}|edgar/data/9/{number}.txt");
            }
        }
        text
    }
}

async fn serve(world: Arc<World>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = world.clone();
        tokio::spawn(async move {
            // a client that goes away is no fault of the server's
            let _ = one(&world, stream).await;
        });
    }
}

/// One request a connection.
async fn one(world: &World, mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(
        head.contains("user-agent: example feeds@example.com"),
        "{head}"
    );
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, heads, body, sent) = world.answer(path);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{heads}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body[..sent]).await?;
    stream.shutdown().await
}

fn manner() -> Manner {
    Manner {
        poll: Duration::from_millis(50),
        index_retry: Duration::from_millis(50),
        attempt_pause: Duration::from_millis(20),
        limits: Limits {
            per_second: 2_000,
            burst: 50,
            refused: Duration::from_millis(10),
            failed: Duration::from_millis(5),
            longest: Duration::from_millis(50),
        },
        ..Manner::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filing_arrives_once() {
    let world = Arc::new(World::new(submissions(120)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(world.clone(), listener));
    let edgar = Edgar::new(&base, "Example feeds@example.com", Duration::from_secs(10)).unwrap();
    // a day after the last filing: all indexes are there
    let newest = world.order.iter().map(|(_, at)| *at).max().unwrap();
    let start = std::time::Instant::now();
    let clock =
        Clock::from_fn(move || newest.plus(2 * Time::DAY + start.elapsed().as_micros() as i64));
    // the days of the data lie years apart, and each has an index of its own
    let oldest = world.order.iter().map(|(_, at)| *at).min().unwrap();
    let first = Timestamp::from_microsecond(oldest.0).unwrap();
    let first = TimeZone::get("America/New_York")
        .unwrap()
        .to_datetime(first)
        .date();
    assert!(first > date(2020, 1, 1));
    let (tell, mut told) = mpsc::channel(16);
    let end = CancellationToken::new();
    let follower = Follower::new(manner(), State::new(first));
    let task = tokio::spawn(follow(follower, Arc::new(edgar), clock, tell, end.clone()));

    let (mut seen, mut from_index, mut last) = (BTreeSet::new(), BTreeSet::new(), None);
    let all = async {
        while let Some(said) = told.recv().await {
            match said {
                Told::Event(Event::Filing { filing, seen_at }) => {
                    let number = filing.id.0.replace("SEC:", "");
                    assert!(seen.insert(number.clone()), "{number} twice");
                    if seen_at.is_none() {
                        from_index.insert(number);
                    }
                }
                Told::Event(Event::Rejected { accession, reason }) => {
                    panic!("{accession}: {reason}")
                }
                Told::Event(Event::Trouble(_)) => {}
                Told::State(state) => last = Some(state),
            }
            let done = last.as_ref().map_or(0, |state: &State| state.done.len());
            let complete = last
                .as_ref()
                .is_some_and(|state| values_after(state, newest));
            if seen.len() == world.order.len() && done > 0 && complete {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all)
        .await
        .expect("all of them, in time");
    end.cancel();
    let state = task.await.unwrap();
    server.abort();
    assert_eq!(seen, world.submissions.keys().cloned().collect());
    assert!(
        world.skipped.is_subset(&from_index),
        "what the feed skips the index brings"
    );
    assert_eq!(state.mark.map(|mark| mark <= newest), Some(true));
    let asked = world.asked.lock().unwrap();
    assert!(
        asked.keys().any(|path| path.contains("&start=100&")),
        "a second page"
    );
    for (place, (number, _)) in world.order.iter().enumerate() {
        let paths = asked
            .iter()
            .filter(|(path, _)| path.ends_with(&format!("{number}.txt")));
        let times: usize = paths.map(|(_, times)| times).sum();
        let troubled = matches!(place % 11, 3 | 5);
        assert_eq!(times, if troubled { 2 } else { 1 }, "{number}");
    }
}

/// Whether the state lies behind the last filing's day.
fn values_after(state: &State, newest: Time) -> bool {
    let zone = TimeZone::get("America/New_York").expect("a zone");
    let stamp = Timestamp::from_microsecond(newest.0).expect("a moment");
    state.open_day > zone.to_datetime(stamp).date()
}
