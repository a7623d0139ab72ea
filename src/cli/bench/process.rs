//! What processes take, as Linux counts it: processor time, split into their own and the kernel's, and resident memory.

use std::{fs, io, time::Duration};

/// What processes have taken so far, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in their own code.
    pub user: Duration,
    /// Processor time in the kernel on their behalf.
    pub system: Duration,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// Of these processes; an error names the first that cannot be looked at.
    pub fn of(pids: &[u32]) -> io::Result<Self> {
        let mut all = Usage::default();
        for pid in pids {
            let read = |file: &str| {
                let path = format!("/proc/{pid}/{file}");
                let named = |e: io::Error| io::Error::new(e.kind(), format!("{path}: {e}"));
                fs::read_to_string(&path).map_err(named)
            };
            let unreadable = || io::Error::other(format!("/proc/{pid} is not as Linux writes it"));
            let times = times(&read("stat")?).ok_or_else(unreadable)?;
            all.user += times.0;
            all.system += times.1;
            all.resident_bytes += resident(&read("status")?).ok_or_else(unreadable)?;
        }
        Ok(all)
    }

    /// Processor time since `earlier`: their own, and the kernel's.
    #[must_use]
    pub fn since(&self, earlier: &Usage) -> (Duration, Duration) {
        (
            self.user.saturating_sub(earlier.user),
            self.system.saturating_sub(earlier.system),
        )
    }
}

/// `utime` and `stime`: the 14th and 15th field, after a name that may hold spaces and brackets.
fn times(stat: &str) -> Option<(Duration, Duration)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((ticks(user), ticks(system)))
}

fn ticks(count: u64) -> Duration {
    // SAFETY: it takes a number and touches nothing of ours.
    let second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let second = u64::try_from(second).unwrap_or(100).max(1);
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / second))
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 0 0 0 250 1000 0 0 20 0 1 0 5 6 7";
        let (user, system) = times(stat).unwrap();
        assert_eq!(system, user * 4);
        assert!(user > Duration::ZERO);
        assert_eq!(times("nothing"), None);
        let status = "Name:\tx\nVmHWM:\t   9 kB\nVmRSS:\t   12 kB\nThreads:\t1\n";
        assert_eq!(resident(status), Some(12 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_something_and_none_that_is_gone() {
        let own = Usage::of(&[std::process::id()]).unwrap();
        assert!(own.resident_bytes > 0);
        let twice = Usage::of(&[std::process::id(); 2]).unwrap();
        assert!(twice.resident_bytes > own.resident_bytes);
        assert!(
            Usage::of(&[u32::MAX])
                .unwrap_err()
                .to_string()
                .contains("/proc/4294967295")
        );
    }
}
