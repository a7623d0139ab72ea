//! One thread of clients: opens its share of the streams, reads all that comes, counts it, and comes back where that is asked.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver as Orders, Sender},
    },
    time::Duration,
};

use mio::{Events, Poll, Token, event::Event};

use super::{
    arrivals::{Cursor, Sent},
    clock::monotonic_ns,
    findings::{Findings, Shared},
    frames::{Kind, Parser, Seen, Stamp},
    options::Options,
    target::Target,
    wire::Wire,
};

/// The token of the bell that says that an order is there.
pub const BELL: Token = Token(usize::MAX);
/// Events fetched at once.
const EVENTS: usize = 1024;
/// Read at once, and shared by all streams of a thread.
const BUFFER_BYTES: usize = 256 * 1024;
/// How soon something that waits for a time is looked at.
const TICK: Duration = Duration::from_millis(2);
/// Before a reconnect, where the server has named no time.
const RETRY_MS: u32 = 1_000;
/// Doubled with each failure, up to so many times.
const MOST_DOUBLINGS: u16 = 5;
/// Reasons after which a stream does not come back.
const FINAL: [&str; 5] = [
    "key_revoked",
    "subscription_expired",
    "superseded",
    "401",
    "403",
];

/// What a thread is told to do.
pub enum Order {
    /// Open these.
    Connect(Vec<Target>),
    /// When signals were sent.
    Told(Vec<Sent>),
    /// Say what was counted, and begin anew; the signals from the first to the last number were sent.
    Collect(Option<(u64, u64)>, Sender<Findings>),
    /// End.
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be opened.
    Queued,
    /// Between connect and first frame.
    Opening,
    Open,
    Over,
}

struct Stream {
    target: Target,
    wire: Option<Wire>,
    parser: Parser,
    cursor: Cursor,
    /// The request, until it is sent.
    unsent: Vec<u8>,
    began_ns: u64,
    state: State,
    /// It was open once.
    known: bool,
    failures: u16,
}

/// Why a stream is over.
struct End(String);

/// One thread's state.
pub struct Receiver {
    options: Options,
    poll: Poll,
    orders: Orders<Order>,
    shared: Arc<Shared>,
    streams: Vec<Stream>,
    queue: VecDeque<usize>,
    /// Streams that are being opened, oldest first, with the time at which that began.
    opening: VecDeque<(u64, usize)>,
    in_flight: usize,
    retries: BinaryHeap<Reverse<(u64, usize)>>,
    next_connect_ns: u64,
    sources: usize,
    found: Findings,
    buffer: Box<[u8]>,
}

impl Receiver {
    /// With this thread's share of what is bounded.
    pub fn new(options: Options, poll: Poll, orders: Orders<Order>, shared: Arc<Shared>) -> Self {
        Receiver {
            options,
            poll,
            orders,
            shared,
            streams: Vec::new(),
            queue: VecDeque::new(),
            opening: VecDeque::new(),
            in_flight: 0,
            retries: BinaryHeap::new(),
            next_connect_ns: 0,
            sources: 0,
            found: Findings::default(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// Works until it is told to stop.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            while let Ok(order) = self.orders.try_recv() {
                match order {
                    Order::Connect(targets) => self.add(targets),
                    Order::Told(sent) => {
                        let arrivals = &mut self.found.arrivals;
                        sent.into_iter().for_each(|one| arrivals.told(one));
                    }
                    Order::Collect(sent, to) => {
                        // who asked may be gone
                        let _ = to.send(self.collect(sent));
                    }
                    Order::Stop => return,
                }
            }
            self.open_some();
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
            let before = self.found.arrivals.deliveries;
            for event in &events {
                if event.token() == BELL {
                    continue;
                }
                let index = event.token().0;
                if let Err(end) = self.drive(index, event) {
                    self.close(index, &end);
                }
            }
            let came = self.found.arrivals.deliveries - before;
            if came > 0 {
                self.shared.deliveries.fetch_add(came, Ordering::Relaxed);
            }
        }
    }

    fn add(&mut self, targets: Vec<Target>) {
        for target in targets {
            self.queue.push_back(self.streams.len());
            self.streams.push(Stream {
                target,
                wire: None,
                parser: Parser::default(),
                cursor: Cursor::default(),
                unsent: Vec::new(),
                began_ns: 0,
                state: State::Queued,
                known: false,
                failures: 0,
            });
        }
    }

    fn collect(&mut self, sent: Option<(u64, u64)>) -> Findings {
        let mut found = std::mem::take(&mut self.found);
        for stream in &mut self.streams {
            found.open += u64::from(stream.state == State::Open);
            if let Some((first, last)) = sent
                && stream.known
            {
                stream.cursor.settle(first, last, &mut found.arrivals);
            }
        }
        found
    }

    fn patience(&self) -> Duration {
        let waiting = !self.queue.is_empty() || self.in_flight > 0 || !self.retries.is_empty();
        match (self.options.spin, waiting) {
            (true, _) => Duration::ZERO,
            (false, true) => TICK,
            (false, false) => Duration::from_secs(1),
        }
    }

    /// Opens what is due, as far as the bounds allow, and gives up on what took too long.
    fn open_some(&mut self) {
        if self.queue.is_empty() && self.opening.is_empty() && self.retries.is_empty() {
            return;
        }
        let now = monotonic_ns();
        let within = u64::try_from(self.options.within.as_nanos()).unwrap_or(u64::MAX);
        while let Some(&(began, index)) = self.opening.front() {
            let stream = &self.streams[index];
            let waits = stream.state == State::Opening && stream.began_ns == began;
            if waits && now - began < within {
                break;
            }
            self.opening.pop_front();
            if waits {
                self.close(index, &End("no answer in time".to_owned()));
            }
        }
        while let Some(&Reverse((due, index))) = self.retries.peek()
            && due <= now
        {
            self.retries.pop();
            self.queue.push_back(index);
        }
        while self.in_flight < self.options.in_flight && now >= self.next_connect_ns {
            let Some(index) = self.queue.pop_front() else {
                return;
            };
            if let Some(rate) = self.options.connect_rate {
                let gap = (1e9 / rate) as u64;
                // what was late is made up for, but no more than a moment's worth
                self.next_connect_ns = self.next_connect_ns.max(now.saturating_sub(10 * gap)) + gap;
            }
            if let Err(end) = self.connect(index) {
                self.close(index, &end);
            }
        }
    }

    fn connect(&mut self, index: usize) -> Result<(), End> {
        let sources = &self.options.sources;
        let source = (!sources.is_empty()).then(|| sources[self.sources % sources.len()]);
        self.sources += 1;
        let now = monotonic_ns();
        if self.found.first_connect_ns == 0 {
            self.found.first_connect_ns = now;
        }
        let stream = &mut self.streams[index];
        (stream.state, stream.began_ns) = (State::Opening, now);
        self.in_flight += 1;
        self.opening.push_back((now, index));
        stream.parser = Parser::default();
        let id = stream.cursor.last_event_id();
        stream.unsent = stream.target.request(id.as_deref());
        let mut wire = Wire::connect(&stream.target, source).map_err(|e| broken(&e))?;
        wire.register(self.poll.registry(), Token(index))
            .map_err(|e| broken(&e))?;
        stream.wire = Some(wire);
        Ok(())
    }

    /// Sends and reads what can be sent and read.
    fn drive(&mut self, index: usize, event: &Event) -> Result<(), End> {
        let stream = &mut self.streams[index];
        let Some(wire) = &mut stream.wire else {
            return Ok(());
        };
        // whatever the event: in TLS, what can be written follows from what was read
        if !stream.unsent.is_empty() || wire.has_unsent() {
            wire.check().map_err(|e| broken(&e))?;
            match wire.write(&stream.unsent) {
                Ok(count) => drop(stream.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken(&error)),
            }
            if stream.unsent.is_empty() && !wire.has_unsent() {
                stream.unsent = Vec::new();
                let registry = self.poll.registry();
                let only = wire.only_read(registry, Token(index));
                only.map_err(|e| broken(&e))?;
            }
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let more = event.is_read_closed() || event.is_error();
            return self.read(index, more);
        }
        Ok(())
    }

    /// `all`: to the end, as the other side has closed. Otherwise a read that does not fill the buffer has emptied the socket.
    fn read(&mut self, index: usize, all: bool) -> Result<(), End> {
        loop {
            let stream = &mut self.streams[index];
            let Some(wire) = &mut stream.wire else {
                return Ok(());
            };
            let count = match wire.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(&error)),
            };
            let at = monotonic_ns();
            self.found.bytes += count as u64;
            self.take(index, count, at)?;
            if count < self.buffer.len() && !all {
                return Ok(());
            }
        }
    }

    /// Takes what was read; nothing is the end.
    fn take(&mut self, index: usize, count: usize, at: u64) -> Result<(), End> {
        let stamp = self.options.stamp;
        let Stream { parser, cursor, .. } = &mut self.streams[index];
        let arrivals = &mut self.found.arrivals;
        let (mut opened, mut end) = (false, None);
        let mut see = |seen: Seen<'_>| match seen {
            Seen::Accepted => opened |= stamp == Stamp::InData,
            Seen::Frame(frame) => {
                match frame.kind {
                    Kind::Hello => opened = true,
                    Kind::Error => end = Some(format!("error {}", frame.code)),
                    Kind::Bye => end = Some(format!("bye {}", frame.code)),
                    _ => {}
                }
                cursor.see(&frame, at, arrivals);
            }
            Seen::Refused(status, code) => end = Some(format!("{status} {code}").trim().to_owned()),
            Seen::Ended => drop(end.get_or_insert_with(|| "the answer ended".to_owned())),
        };
        if count == 0 {
            parser.end(&mut see);
            end.get_or_insert_with(|| "the connection ended".to_owned());
        } else {
            let fed = parser.feed(&self.buffer[..count], stamp, &mut see);
            if let Err(malformed) = fed {
                end = Some(malformed.to_string());
            }
        }
        if opened {
            self.opened(index, at);
        }
        end.map_or(Ok(()), |reason| Err(End(reason)))
    }

    fn opened(&mut self, index: usize, at: u64) {
        let stream = &mut self.streams[index];
        if stream.state != State::Opening {
            return;
        }
        stream.state = State::Open;
        stream.failures = 0;
        self.in_flight -= 1;
        self.found.opening.record(at - stream.began_ns);
        self.found.last_open_ns = at;
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut stream.known, true) {
            self.found.reconnected += 1;
        } else {
            self.found.opened += 1;
            self.shared.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&mut self, index: usize, end: &End) {
        let stream = &mut self.streams[index];
        stream.wire = None;
        stream.unsent = Vec::new();
        let reasons = match stream.state {
            State::Open => {
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
                &mut self.found.ended
            }
            State::Opening => {
                self.in_flight -= 1;
                &mut self.found.refused
            }
            State::Queued | State::Over => return,
        };
        *reasons.entry(end.0.clone()).or_default() += 1;
        stream.state = State::Over;
        let returns = self.options.reconnect
            && stream.known
            && !end.0.split(' ').any(|word| FINAL.contains(&word));
        if returns {
            let wait = u64::from(stream.parser.retry_ms().unwrap_or(RETRY_MS));
            let wait = wait << stream.failures.min(MOST_DOUBLINGS);
            stream.failures = stream.failures.saturating_add(1);
            stream.state = State::Queued;
            let due = monotonic_ns() + wait * 1_000_000;
            self.retries.push(Reverse((due, index)));
        } else if !stream.known {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// In words that are the same for all streams that it happens to.
fn broken(error: &io::Error) -> End {
    End(match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => "no free port at this address".to_owned(),
        Some(libc::EMFILE | libc::ENFILE) => "no free descriptor".to_owned(),
        // a certificate that is not trusted, above all
        _ => match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            Some(tls) => tls.to_string(),
            None => error.kind().to_string(),
        },
    })
}
