//! A client as a bot is: it comes back by itself with the last id it had, and counts what it lost, got twice, or out of order.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    server::until,
    wire::{Next, Stream, Wire, try_dial},
};

/// What a client has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The places in the log of all signals, each once, in the order in which they came.
    pub seqs: Vec<u64>,
    /// Signals that came again after their id was seen.
    pub repeated: u64,
    /// Frames that say that there is a hole.
    pub gaps: u64,
    /// Connections that were granted.
    pub hellos: u64,
    /// Answers that were no stream, by status.
    pub refusals: Vec<u16>,
    /// From the end of each connection to the next `hello`, the client's own waiting taken off.
    pub away: Vec<Duration>,
}

impl Seen {
    /// Holds it to: each of so many signals once, in order, and nothing said to be missing.
    pub fn expect_all(&self, signals: u64, who: &str) {
        let out_of_order = self
            .seqs
            .windows(2)
            .filter(|pair| pair[1] <= pair[0])
            .count();
        let had: HashSet<u64> = self.seqs.iter().copied().collect();
        let lost: Vec<u64> = (1..=signals).filter(|seq| !had.contains(seq)).collect();
        assert_eq!(
            (lost.len(), out_of_order, self.gaps),
            (0, 0, 0),
            "{who}: lost, out of order, gaps; lost {:?} …",
            &lost[..lost.len().min(10)]
        );
        assert_eq!(self.seqs.len() as u64, signals, "{who}: each once");
    }
}

/// A client on a thread of its own.
pub struct Client {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How long it waits before it comes back. Real clients wait for a second or more: that is theirs, not the server's.
const PAUSE: Duration = Duration::from_millis(20);
/// A connection on which nothing comes for so long, neither frame nor ping, is given up.
pub const SILENCE: Duration = Duration::from_secs(3);

impl Client {
    /// Begins at the beginning of the log; the server must ping more often than [`SILENCE`]. Whenever a connection ends, or cannot be
    /// made, it goes on to the next of these addresses, as behind a balancer.
    pub fn start(to: &[SocketAddr], key: &str, epoch: &str) -> Self {
        let to = to.to_vec();
        let (seen, stop) = <(Arc<Mutex<Seen>>, Arc<AtomicBool>)>::default();
        let bearer = format!("Bearer {key}");
        let mut last = format!("{epoch}-0");
        let (shared, ending) = (seen.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let mut known = HashSet::new();
            let mut gone: Option<Instant> = None;
            for to in to.iter().cycle() {
                if ending.load(Ordering::Relaxed) {
                    break;
                }
                listen(*to, &bearer, &mut last, &mut known, gone, &shared, &ending);
                gone = Some(Instant::now());
                thread::sleep(PAUSE);
            }
        });
        Client {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// The place of the last signal that it has; 0 before the first.
    pub fn at(&self) -> u64 {
        self.seen.lock().unwrap().seqs.last().copied().unwrap_or(0)
    }

    /// Waits until it has so many signals; false where the time is over first.
    pub fn has(&self, signals: u64, within: Duration) -> bool {
        let there = || (self.seen.lock().unwrap().seqs.len() as u64 >= signals).then_some(());
        until(within, there).is_some()
    }

    /// Ends it.
    pub fn end(mut self) -> Seen {
        self.finish();
        self.seen()
    }

    fn finish(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.finish();
    }
}

/// One connection, from its opening to its end.
fn listen(
    to: SocketAddr,
    bearer: &str,
    last: &mut String,
    known: &mut HashSet<Uuid>,
    gone: Option<Instant>,
    seen: &Mutex<Seen>,
    stop: &AtomicBool,
) {
    let Some(socket) = try_dial(to, SILENCE) else {
        return;
    };
    let mut wire = Wire::over(socket);
    let fields = [("authorization", bearer), ("last-event-id", last.as_str())];
    let request = super::wire::head("GET", "/api/signals/stream", &fields);
    if wire.try_send(request.as_bytes()).is_err() {
        return;
    }
    let Some(mut stream) = Stream::try_on(wire, SILENCE) else {
        return;
    };
    if stream.head.status != 200 {
        seen.lock().unwrap().refusals.push(stream.head.status);
        return;
    }
    let mut quiet_since = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let frame = match stream.next(Duration::from_millis(100)) {
            Next::Frame(frame) => frame,
            Next::Silence if quiet_since.elapsed() < SILENCE => continue,
            Next::Silence | Next::End => return,
        };
        stream.chunks.clear();
        quiet_since = Instant::now();
        let mut seen = seen.lock().unwrap();
        match &*frame.event {
            "hello" => {
                seen.hellos += 1;
                if let Some(gone) = gone {
                    seen.away.push(gone.elapsed().saturating_sub(PAUSE));
                }
            }
            "gap" => seen.gaps += 1,
            "signal" | "signal_update" | "signal_exit" => {
                let data = frame.json();
                let id = data["id"].as_str().expect("an id");
                if known.insert(Uuid::parse_str(id).expect("a UUID")) {
                    seen.seqs.push(data["seq"].as_u64().expect("a seq"));
                } else {
                    seen.repeated += 1;
                }
            }
            "error" | "bye" => return,
            _ => {}
        }
        if !frame.id.is_empty() {
            *last = frame.id;
        }
    }
}
