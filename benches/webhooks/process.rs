//! What a process has taken of processor and memory.

use std::{fs, time::Duration};

/// What was taken.
pub struct Taken {
    pub processor: Duration,
    pub resident_kb: u64,
}

impl Taken {
    /// So far, by this process.
    pub fn of(pid: i32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let field = |n: usize| {
            fields
                .split_whitespace()
                .nth(n)
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        // SAFETY: it takes a number and gives one.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        Taken {
            processor: Duration::from_secs_f64((field(11) + field(12)) / ticks),
            resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        }
    }

    /// Processor since then, memory now.
    pub fn since(self, before: &Self) -> Self {
        Taken {
            processor: self.processor - before.processor,
            ..self
        }
    }
}
