//! What only the operating system gives: randomness, memory, time, how many connections there may be, and who may read what is made.

use std::{cell::RefCell, time::Duration};

use crate::{hub::tenure::Stopwatch, model::random::Random};

/// Randomness for names is fetched so much at once, for each thread: an opening takes 40 bytes in four pieces, each of which would be a call.
const FETCHED: usize = 1_024;

struct Fetched {
    bytes: [u8; FETCHED],
    used: usize,
}

thread_local! {
    static NAMES: RefCell<Fetched> = const {
        RefCell::new(Fetched { bytes: [0; FETCHED], used: FETCHED })
    };
}

/// Randomness from the operating system. Without it no key may be made: the process ends. What secrets are made of never lies in wait here: a
/// machine that is copied while it sleeps would make them twice.
#[must_use]
pub fn random() -> Random {
    Random::from_fn(fetch).with_names(|bytes| {
        NAMES.with_borrow_mut(|fetched| {
            if bytes.len() > FETCHED {
                return fetch(bytes);
            }
            if bytes.len() > FETCHED - fetched.used {
                fetch(&mut fetched.bytes);
                fetched.used = 0;
            }
            let from = fetched.used;
            fetched.used += bytes.len();
            bytes.copy_from_slice(&fetched.bytes[from..fetched.used]);
        });
    })
}

fn fetch(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::error!(%error, "the operating system gives no randomness");
        std::process::abort();
    }
}

/// How many cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Time since the machine was started, with what passed while it was suspended. Timers do not count that on Linux.
#[must_use]
pub fn time_since_boot() -> Stopwatch {
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let timers = Stopwatch::of_timers();
    let read = || {
        let mut now = std::mem::MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: `now` is read only where the call has filled it.
        let now = unsafe {
            if libc::clock_gettime(CLOCK, now.as_mut_ptr()) != 0 {
                return None;
            }
            now.assume_init()
        };
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        Some(Duration::new(seconds.ok()?, nanos.ok()?))
    };
    // a system that knows the clock at one time knows it always
    match read() {
        Some(_) => Stopwatch::from_fn(move || read().unwrap_or(Duration::MAX)),
        None => timers,
    }
}

/// Keeps the memory that threads free for all of them, where the system's allocator can: by default each thread keeps its own, and
/// bulk work, which hands facts from one to the next, would hold a fifth more than it uses. Before any other thread is there.
pub fn share_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: a setting of the allocator; it touches no memory of ours. A refusal changes nothing.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

/// Raises the limit of files that this process may have open at once to what it may raise it to; what it is then, where the system says.
#[must_use]
pub fn raise_descriptors() -> Option<u64> {
    let limit = descriptors()?;
    let wanted = libc::rlimit {
        rlim_cur: limit.rlim_max,
        rlim_max: limit.rlim_max,
    };
    // SAFETY: the struct is ours and outlives the call. Raising the soft limit to the hard one is every process's right.
    let raised = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } == 0;
    Some(if raised {
        limit.rlim_max
    } else {
        limit.rlim_cur
    })
}

/// Connections that this process may hold: its descriptor limit less what files and the database need.
#[must_use]
pub fn connection_cap(configured: usize) -> usize {
    const KEPT: u64 = 256;
    const UNKNOWN: u64 = 1_024;
    let most = raise_descriptors().unwrap_or(UNKNOWN).saturating_sub(KEPT);
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(16);
    match configured {
        0 => most,
        some => some.min(most),
    }
}

/// From here on, files and folders that this process makes are its user's alone: the database holds who may listen.
pub fn keep_to_oneself() {
    // SAFETY: it takes a number and cannot fail.
    unsafe { libc::umask(0o077) };
}

/// Whether the process was started with SIGHUP ignored.
#[must_use]
pub fn ignores_hangup() -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is set; the present action is written to `now`, which is read only where that was done.
    unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// A count as a gauge takes it.
#[must_use]
pub fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Room on the disk that holds a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For this user.
    pub free: u64,
    /// In all.
    pub all: u64,
}

/// How much room there is where a path lies.
#[expect(
    clippy::useless_conversion,
    reason = "the fields' types differ between systems"
)]
pub fn room(path: &std::path::Path) -> std::io::Result<Room> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut disk = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and `disk` is read only where the call has filled it.
    let disk = unsafe {
        if libc::statvfs(path.as_ptr(), disk.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        disk.assume_init()
    };
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize.into());
    Ok(Room {
        free: bytes(disk.f_bavail.into()),
        all: bytes(disk.f_blocks.into()),
    })
}

/// Whether a time service keeps the machine's clock; `None` where the system does not say.
#[must_use]
pub fn is_clock_kept() -> Option<bool> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: all fields are numbers, for which zero is a value; with no mode set, nothing is changed.
        let mut clock: libc::timex = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is ours and outlives the call.
        match unsafe { libc::adjtimex(&raw mut clock) } {
            -1 => None,
            state => Some(state != libc::TIME_ERROR),
        }
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// How many descriptors this process may raise itself to.
#[must_use]
pub fn descriptor_limit() -> Option<u64> {
    descriptors().map(|limit| limit.rlim_max)
}

fn descriptors() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is ours and outlives the call.
    (unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0).then_some(limit)
}
