//! The machine's monotonic clock in nanoseconds: one for all its processes, so that a time of sending can travel within a frame.

/// Now. It says nothing of the date, and never goes back.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut now = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `now` is read only where the call has filled it.
    let now = unsafe {
        if libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr()) != 0 {
            return 0;
        }
        now.assume_init()
    };
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_never_back() {
        let began = monotonic_ns();
        assert!(began > 0);
        let moved = (0..1_000_000).map(|_| monotonic_ns()).find(|&now| {
            assert!(now >= began);
            now > began
        });
        assert!(moved.is_some());
    }
}
