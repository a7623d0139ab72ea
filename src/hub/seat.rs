//! A seat: one key's one live connection, or a view that a page shows beside it; and what may happen to it from outside.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
    },
};

use tokio::sync::Notify;

use super::{frame::Ending, transport::Transport};
use crate::model::{address::ClientAddress, lease::Fence, time::Time};

/// Why a stream has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an `error` frame.
    Error(Ending),
    /// With a `bye`: the server goes down.
    Drain,
    /// With a `bye`: the operator closed this one connection.
    Closed,
    /// With a `bye`: of a view, whose session is over.
    SignedOut,
    /// At once and without a word: another wanted the seat, and the peer is gone.
    Gone,
    /// At once and without a word: the peer answers nothing.
    Unreachable,
}

/// When a stream lapses by itself, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// When.
    pub at: Time,
    /// As what.
    pub ending: Ending,
}

/// Who runs streams without a task for each, and has to be told when one is to be looked at.
pub trait Watcher: Send + Sync {
    /// Something has happened to the seat of the stream at a place.
    fn look_at(&self, place: Place);
}

/// Where a watcher has a stream; never another one's, once that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Among its streams now.
    pub slot: u32,
    /// The connection that it was given to.
    pub connection: u64,
}

/// One live stream, as its rivals, the operator and the access watcher see it.
pub struct Seat {
    /// By which it is found: the key's id; of a view, that and its place among the key's views.
    pub(super) name: Box<str>,
    /// The account's id.
    pub account_id: Box<str>,
    /// This connection, unlike any other of this process.
    pub connection: u64,
    /// Since when.
    pub connected_at: Time,
    /// From where.
    pub peer: ClientAddress,
    socket: Weak<dyn Transport>,
    /// What it is by now: see the constants.
    state: AtomicU8,
    settled: Notify,
    fence: OnceLock<Fence>,
    lapse: Mutex<Option<Lapse>>,
    /// The lapse's moment, `NEVER` without one: to be read before every signal.
    lapses_at: AtomicI64,
    end: OnceLock<End>,
    /// Of its end, or that its lapse was moved.
    changed: Notify,
    probe_wanted: AtomicBool,
    probe: Notify,
    watcher: Mutex<Option<(Arc<dyn Watcher>, Place)>>,
}

const NEVER: i64 = i64::MAX;
/// Between a key's id, which are letters, digits and hyphens, and the place of a view.
const VIEW: char = '~';

/// What the seat of a key's view is found by.
#[must_use]
pub fn view_name(key: &str, place: u8) -> Box<str> {
    format!("{key}{VIEW}{place}").into()
}

/// Its lease is not known yet: it is nobody's holder, and nobody's rival takes it.
const OPENING: u8 = 1;
/// What is written to it is noted.
const NOTES_WRITES: u8 = 2;

fn moment(lapse: Option<Lapse>) -> i64 {
    lapse.map_or(NEVER, |lapse| lapse.at.0)
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("name", &self.name)
            .field("connection", &self.connection)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Seat {
    /// A seat for a connection, by a key's id or as [`view_name`] says.
    #[must_use]
    pub fn new(
        name: Box<str>,
        account_id: Box<str>,
        connection: u64,
        connected_at: Time,
        peer: ClientAddress,
        socket: Weak<dyn Transport>,
        lapse: Option<Lapse>,
    ) -> Self {
        Seat {
            name,
            account_id,
            connection,
            connected_at,
            peer,
            socket,
            state: AtomicU8::new(0),
            settled: Notify::new(),
            fence: OnceLock::new(),
            lapses_at: AtomicI64::new(moment(lapse)),
            lapse: Mutex::new(lapse),
            end: OnceLock::new(),
            changed: Notify::new(),
            probe_wanted: AtomicBool::new(false),
            probe: Notify::new(),
            watcher: Mutex::new(None),
        }
    }

    /// The key's id.
    #[must_use]
    pub fn key(&self) -> &str {
        let view = self.name.split_once(VIEW);
        view.map_or(&self.name, |(key, _)| key)
    }

    /// Whether it is a view.
    #[must_use]
    pub fn is_view(&self) -> bool {
        self.name.contains(VIEW)
    }

    fn set(&self, what: u8, is: bool) {
        match is {
            true => self.state.fetch_or(what, Ordering::AcqRel),
            false => self.state.fetch_and(!what, Ordering::AcqRel),
        };
    }

    fn is(&self, what: u8) -> bool {
        self.state.load(Ordering::Acquire) & what != 0
    }

    /// From here on, whatever happens is told to a watcher. What has happened already is for it to see.
    pub fn watch(&self, watcher: Arc<dyn Watcher>, place: Place) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some((watcher, place));
    }

    /// From here on, a task waits for it.
    pub fn unwatch(&self) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Has whoever runs the stream without a task look at it.
    pub(super) fn tell(&self) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((watcher, place)) = &*watcher {
            watcher.look_at(*place);
        }
    }

    /// Ends the stream. The first reason stands.
    pub fn end(&self, end: End) {
        if self.end.set(end).is_ok() {
            // one permit is kept for a stream that is not waiting just now
            self.changed.notify_one();
            self.tell();
        }
    }

    /// Why it has to end, if it has to.
    #[must_use]
    pub fn ending(&self) -> Option<End> {
        self.end.get().copied()
    }

    /// Resolves when it was ended, or its lapse moved, since this was last awaited; at times for no reason. For the one task that runs the stream.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The socket, while it lives.
    #[must_use]
    pub fn socket(&self) -> Option<Arc<dyn Transport>> {
        self.socket.upgrade().filter(|socket| !socket.is_closed())
    }

    /// What carries it, or has carried it, as long as that is there.
    pub(super) fn transport(&self) -> Option<Arc<dyn Transport>> {
        self.socket.upgrade()
    }

    /// It waits for its lease.
    pub(super) fn wait_for_lease(&self) {
        self.set(OPENING, true);
    }

    /// It has its lease.
    pub(super) fn grant(&self, fence: Fence) {
        // a seat is granted once
        let _ = self.fence.set(fence);
        self.leave_opening();
    }

    /// It waits no more, whether it has got its lease or not.
    pub(super) fn leave_opening(&self) {
        self.set(OPENING, false);
        self.settled.notify_waiters();
    }

    /// Whether it waits for its lease.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.is(OPENING)
    }

    /// Resolves when it does not.
    pub async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if !self.is_opening() {
                return;
            }
            settled.await;
        }
    }

    /// Its lease, where it needs one.
    #[must_use]
    pub fn fence(&self) -> Option<Fence> {
        self.fence.get().copied()
    }

    /// Asks the stream to write a probe.
    pub fn ask_probe(&self) {
        self.probe_wanted.store(true, Ordering::Release);
        self.probe.notify_one();
        self.tell();
    }

    /// Whether a probe was asked for since this was last asked.
    pub fn take_probe(&self) -> bool {
        self.probe_wanted.swap(false, Ordering::AcqRel)
    }

    /// Resolves when a probe was asked for.
    pub async fn probe_asked(&self) {
        while !self.take_probe() {
            self.probe.notified().await;
        }
    }

    /// What is written to it is noted from here on, or not any more.
    pub(super) fn note_writes(&self, note: bool) {
        self.set(NOTES_WRITES, note);
    }

    /// Whether what is written to it is noted.
    #[must_use]
    pub fn notes_writes(&self) -> bool {
        self.is(NOTES_WRITES)
    }

    /// When it lapses by itself.
    #[must_use]
    pub fn lapse(&self) -> Option<Lapse> {
        *self.lapse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the lapse, as after a renewal.
    pub fn set_lapse(&self, lapse: Option<Lapse>) {
        {
            let mut held = self.lapse.lock().unwrap_or_else(PoisonError::into_inner);
            if *held == lapse {
                return;
            }
            *held = lapse;
            self.lapses_at.store(moment(lapse), Ordering::Release);
        }
        self.changed.notify_one();
        self.tell();
    }

    /// Whether it may lapse by itself.
    #[must_use]
    pub fn may_lapse(&self) -> bool {
        self.lapses_at.load(Ordering::Acquire) != NEVER
    }

    /// What it has lapsed as at `now`, if it has.
    #[must_use]
    pub fn lapsed(&self, now: Time) -> Option<Ending> {
        if now.0 < self.lapses_at.load(Ordering::Acquire) {
            return None;
        }
        self.lapse()
            .filter(|lapse| lapse.at <= now)
            .map(|lapse| lapse.ending)
    }
}
