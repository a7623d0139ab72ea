//! What only the operating system gives: randomness, memory, and how many connections there may be.

use crate::model::random::Random;

/// Randomness from the operating system. Without it no key may be made: the process ends.
#[must_use]
pub fn random() -> Random {
    Random::from_fn(|bytes| {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gives no randomness");
            std::process::abort();
        }
    })
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

/// Connections that this process may hold: its descriptor limit less what files and the database need.
#[must_use]
pub fn connection_cap(configured: usize) -> usize {
    const KEPT: u64 = 256;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is ours and outlives the calls.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    if known && limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit {
            rlim_cur: limit.rlim_max,
            rlim_max: limit.rlim_max,
        };
        // SAFETY: as above. Raising the soft limit to the hard one is every process's right.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } == 0 {
            limit = wanted;
        }
    }
    let most = if known {
        usize::try_from(limit.rlim_cur.saturating_sub(KEPT)).unwrap_or(usize::MAX)
    } else {
        768
    };
    if configured == 0 {
        most.max(16)
    } else {
        configured.min(most.max(16))
    }
}
