//! Shards and their threads: how streams come to them, sleep with them, and leave them.

use std::{
    io,
    os::fd::{AsRawFd as _, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    task::Wake,
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use tokio::{runtime::Handle, time::Instant};

use super::{
    bare,
    node::Hub,
    seat::{Place, Watcher},
    shard::Shard,
    socket::Socket,
    stream::note_end,
    wire::{Bare, Left, Wire},
};

impl Wire for Socket {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Socket::write(self, bytes)
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        Socket::read(self, into)
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.as_raw_fd())
    }

    fn wrote(&self, bytes: usize) {
        Socket::wrote(self, bytes);
    }
}

/// What a thread is told.
enum Message {
    Join(Box<Bare<Socket>>),
    LookAt(Place),
}

/// What comes to a thread from others.
struct Inbox {
    messages: Mutex<Vec<Message>>,
    /// The thread sleeps, or is about to.
    sleeps: AtomicBool,
    /// A task is about to rouse it.
    roused_soon: AtomicBool,
    stopped: AtomicBool,
    streams: AtomicUsize,
    waker: Waker,
}

impl Inbox {
    fn push(&self, message: Message) {
        self.put(message);
        self.rouse();
    }

    /// Of thousands who come at once, those of one turn of the runtime's tasks come together: each would wake the thread. Within a runtime.
    fn push_soon(self: &Arc<Self>, message: Message) {
        self.put(message);
        if !self.roused_soon.swap(true, Ordering::SeqCst) {
            let inbox = self.clone();
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                inbox.roused_soon.store(false, Ordering::SeqCst);
                inbox.rouse();
            });
        }
    }

    fn put(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(message);
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.is_empty()
    }

    fn rouse(&self) {
        fence(Ordering::SeqCst);
        // it is woken by any of its sockets, or at the latest by its next ping, should this ever fail
        if self.sleeps.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a thread of streams could not be woken");
        }
    }
}

impl Watcher for Inbox {
    fn look_at(&self, place: Place) {
        self.push(Message::LookAt(place));
    }
}

/// By a new head of the log.
impl Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.rouse();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rouse();
    }
}

/// All shards of a node.
pub struct Shards {
    hub: Arc<Hub>,
    inboxes: Vec<Arc<Inbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

const WAKE: Token = Token(usize::MAX);
/// Events taken at once.
const EVENTS: usize = 1_024;
/// While there is much to write, sockets and messages are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Shards {
    /// Starts so many threads. Within a runtime: streams that have to catch up do so there.
    pub fn start(hub: &Arc<Hub>, threads: usize) -> io::Result<Arc<Self>> {
        let mut polls = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..threads.max(1) {
            let poll = Poll::new()?;
            inboxes.push(Arc::new(Inbox {
                waker: Waker::new(poll.registry(), WAKE)?,
                messages: Mutex::default(),
                sleeps: AtomicBool::new(false),
                roused_soon: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
                streams: AtomicUsize::new(0),
            }));
            polls.push(poll);
        }
        let shards = Arc::new(Shards {
            hub: hub.clone(),
            inboxes,
            threads: Mutex::default(),
        });
        let runtime = Handle::current();
        for (number, (poll, inbox)) in polls.into_iter().zip(&shards.inboxes).enumerate() {
            hub.ring.wake(inbox.clone().into());
            let mut thread = Thread {
                shard: Shard::new(hub.clone(), inbox.clone()),
                poll,
                inbox: inbox.clone(),
                shards: shards.clone(),
                runtime: runtime.clone(),
            };
            let named = std::thread::Builder::new().name(format!("streams-{number}"));
            let running = named.spawn(move || thread.run_on())?;
            shards.threads().push(running);
        }
        Ok(shards)
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a stream over from hyper.
    pub fn take(self: &Arc<Self>, stream: Bare<Socket>) {
        self.hub.metrics.streams.inc();
        let opening = &stream.opening;
        if opening.gap.is_some() || opening.replay.is_some() {
            tokio::spawn(self.clone().catch_up(stream, Bytes::new()));
        } else {
            self.join(stream);
        }
    }

    async fn catch_up(self: Arc<Self>, stream: Bare<Socket>, rest: Bytes) {
        let live = |stream| self.join(stream);
        bare::catch_up(self.hub.clone(), stream, rest, live).await;
    }

    /// Gives a stream that has caught up to the thread with the fewest.
    fn join(&self, stream: Bare<Socket>) {
        let fewest = self
            .inboxes
            .iter()
            .min_by_key(|inbox| inbox.streams.load(Ordering::Relaxed));
        if let Some(inbox) = fewest {
            inbox.streams.fetch_add(1, Ordering::Relaxed);
            inbox.push_soon(Message::Join(Box::new(stream)));
        }
    }

    /// Ends the threads, and with them what streams are left.
    pub fn stop(&self) {
        for inbox in &self.inboxes {
            inbox.stopped.store(true, Ordering::SeqCst);
            inbox.rouse();
        }
        for thread in self.threads().drain(..) {
            // it has ended, or has panicked and said so
            let _ = thread.join();
        }
    }
}

struct Thread {
    shard: Shard<Socket>,
    poll: Poll,
    inbox: Arc<Inbox>,
    shards: Arc<Shards>,
    runtime: Handle,
}

/// Lowers this thread's priority by so much: what stores a signal or answers a request takes little, and need not wait for a round.
fn give_way(by: u8) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a system call without pointers. On Linux it is about the thread that calls it.
        let _ = unsafe { libc::nice(by.into()) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = by;
}

impl Thread {
    /// Runs until it is stopped. A fault in one stream must not end those of all others for ever: they are closed, and come back.
    fn run_on(&mut self) {
        // what goes with a stream may have something to do there
        let runtime = self.runtime.clone();
        let _within = runtime.enter();
        give_way(self.shards.hub.config.nice);
        loop {
            self.choose_writing();
            let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run()));
            if run.is_ok() {
                return;
            }
            let streams = self.shard.len();
            tracing::error!(streams, "a fault in a thread of streams: these are closed");
            let metrics = &self.shards.hub.metrics;
            metrics.streams.dec_by(streams as i64);
            self.shard = Shard::new(self.shards.hub.clone(), self.inbox.clone());
        }
    }

    fn choose_writing(&mut self) {
        if !self.shards.hub.config.io_uring {
            return tracing::info!("streams are written to one by one");
        }
        match self.shard.write_together() {
            Ok(()) => tracing::info!("streams are written to by io_uring"),
            Err(error) => {
                tracing::info!(%error, "no io_uring here: streams are written to one by one")
            }
        }
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut looked = Instant::now();
        while !self.inbox.stopped.load(Ordering::Acquire) {
            self.read_messages();
            self.shard.read_on();
            let now = Instant::now();
            self.shard.tick(now);
            let busy = self.shard.sweep();
            self.let_go();
            if busy && now.duration_since(looked) < LOOK_EVERY {
                continue;
            }
            let rest = if busy { Duration::ZERO } else { self.rest(now) };
            self.look(&mut events, rest);
            looked = Instant::now();
        }
        for message in self.inbox.take() {
            if let Message::Join(stream) = message {
                note_end(&self.shards.hub, &stream.seat, "drain");
            }
        }
        self.shard.end();
        self.let_go();
    }

    /// How long to sleep. Says that it sleeps before it looks whether it may.
    fn rest(&self, now: Instant) -> Duration {
        self.inbox.sleeps.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let stopped = self.inbox.stopped.load(Ordering::SeqCst);
        if stopped || !self.inbox.is_empty() || self.shard.is_behind() {
            return Duration::ZERO;
        }
        self.shard.rest(now)
    }

    fn look(&mut self, events: &mut Events, rest: Duration) {
        let polled = self.poll.poll(events, Some(rest));
        self.inbox.sleeps.store(false, Ordering::SeqCst);
        if let Err(error) = polled {
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::error!(%error, "the sockets of streams could not be looked at; trying again");
                std::thread::sleep(LOOK_EVERY);
            }
            return;
        }
        for event in &*events {
            if event.token() == WAKE {
                continue;
            }
            let key = event.token().0 as u32;
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.shard.readable(key);
            }
            if event.is_writable() {
                self.shard.writable(key);
            }
        }
        self.let_go();
    }

    fn read_messages(&mut self) {
        for message in self.inbox.take() {
            match message {
                Message::LookAt(place) => self.shard.look_at(place),
                Message::Join(stream) => {
                    let joined = self.shard.join(*stream);
                    if let Some(key) = joined
                        && let Err(error) = self.register(key)
                    {
                        tracing::warn!(%error, "a stream's socket cannot be looked at");
                        self.shard.lose(key, "client_gone");
                    }
                }
            }
        }
        self.let_go();
    }

    fn register(&self, key: u32) -> io::Result<()> {
        let Some(socket) = self.shard.wire(key) else {
            return Ok(());
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(key as usize),
            both,
        )
    }

    /// Sends those on who left.
    fn let_go(&mut self) {
        for left in self.shard.take_left() {
            let socket = match &left {
                Left::Behind { bare, .. } => &bare.socket,
                Left::Over { socket, .. } => socket,
            };
            // one that never was registered is none the worse for it
            let _ = self
                .poll
                .registry()
                .deregister(&mut SourceFd(&socket.as_raw_fd()));
            match left {
                Left::Behind { bare, rest } => {
                    self.runtime
                        .spawn(self.shards.clone().catch_up(*bare, rest));
                }
                Left::Over { socket, rest, keep } => {
                    let metrics = self.shards.hub.metrics.clone();
                    self.runtime
                        .spawn(bare::see_off(socket, rest, keep, metrics));
                }
            }
        }
        let streams = self.shard.len();
        self.inbox.streams.store(streams, Ordering::Relaxed);
    }
}
