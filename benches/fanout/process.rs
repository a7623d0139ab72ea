//! Processes of the comparison: held to cores, measured from outside, and ended with the bench.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
};

use sigcast::app::system::descriptor_limit;

/// A running server. It ends when this is dropped, and when the bench dies.
pub struct Process {
    child: Child,
    /// What ends it: nginx must hear of its end, to tell its workers.
    end: libc::c_int,
}

/// What a process may use.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Cores that it runs on.
    pub cores: Vec<usize>,
    /// Open files, where they are to be fewer than this system allows.
    pub descriptors: Option<u64>,
}

fn core_set(cores: &[usize]) -> libc::cpu_set_t {
    // SAFETY: a set of bits, for which all zeros is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in cores {
        // SAFETY: the set is ours; a core beyond its end is refused by a panic.
        unsafe { libc::CPU_SET(*core, &mut set) };
    }
    set
}

fn result(code: libc::c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Holds this thread, and those that it starts from now on, to some cores.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    let set = core_set(cores);
    // SAFETY: the set outlives the call; 0 is the calling thread.
    result(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
}

/// The cores that this process may use.
pub fn cores() -> io::Result<Vec<usize>> {
    let mut set = core_set(&[]);
    // SAFETY: the set is ours and outlives the call.
    result(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    let most = libc::CPU_SETSIZE as usize;
    // SAFETY: no core beyond the set's end is asked for.
    Ok((0..most)
        .filter(|core| unsafe { libc::CPU_ISSET(*core, &set) })
        .collect())
}

impl Process {
    /// Starts it. `end` is the signal that ends it.
    pub fn start(mut command: Command, bounds: &Bounds, end: libc::c_int) -> io::Result<Self> {
        let set = core_set(&bounds.cores);
        let descriptors = match bounds.descriptors {
            Some(count) => count,
            None => descriptor_limit().ok_or(io::ErrorKind::Unsupported)?,
        };
        let limits = libc::rlimit {
            rlim_cur: descriptors,
            rlim_max: descriptors,
        };
        // SAFETY: between fork and exec there are system calls on values made before, and nothing else.
        unsafe {
            command.pre_exec(move || {
                let size = size_of::<libc::cpu_set_t>();
                result(libc::sched_setaffinity(0, size, &raw const set))?;
                result(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits))?;
                result(libc::prctl(libc::PR_SET_PDEATHSIG, end))
            });
        }
        let child = command.spawn()?;
        Ok(Process { child, end })
    }

    /// Its child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, and waits for its end.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if self.runs() {
            let pid = self.child.id() as libc::pid_t;
            // SAFETY: the process is our child and was not waited for, so that the number is its own.
            unsafe { libc::kill(pid, self.end) };
        }
        self.child.wait()
    }

    /// It, and the processes that it started.
    pub fn family(&self) -> Vec<u32> {
        let own = self.child.id();
        let mut all = vec![own];
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.extend(numbers.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (stat_field(pid, 1)? == u64::from(own)).then_some(pid)
        }));
        all
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// A field of `/proc/PID/stat` that is a number, counted from the one after the name (which may hold anything).
fn stat_field(pid: u32, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.rsplit(')').next()?;
    after.split_whitespace().nth(field)?.parse().ok()
}

/// Processor time that processes have used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// In all, in nanoseconds.
    pub all_ns: u64,
    /// Ticks in user space: the system counts them finely enough for a share.
    user_ticks: u64,
    /// Ticks in the kernel.
    system_ticks: u64,
}

impl Used {
    /// Of these processes, up to now.
    pub fn by(pids: &[u32]) -> Self {
        let mut used = Used::default();
        for pid in pids {
            used.all_ns += processor_ns(*pid).unwrap_or(0);
            used.user_ticks += stat_field(*pid, 11).unwrap_or(0);
            used.system_ticks += stat_field(*pid, 12).unwrap_or(0);
        }
        used
    }

    /// What was used since.
    pub fn since(self, before: Self) -> Self {
        Used {
            all_ns: self.all_ns.saturating_sub(before.all_ns),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }

    /// In user space, in nanoseconds: the share of the ticks.
    pub fn user_ns(self) -> f64 {
        let ticks = (self.user_ticks + self.system_ticks).max(1);
        self.all_ns as f64 * self.user_ticks as f64 / ticks as f64
    }
}

/// To the nanosecond, threads that have ended included.
fn processor_ns(pid: u32) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: the number of the clock is ours and outlives the call.
    if unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is ours and outlives the call.
    result(unsafe { libc::clock_gettime(clock, &raw mut time) }).ok()?;
    Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Resident memory of processes in bytes; of what they share, each counts its part.
pub fn resident_bytes(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Pss:"));
        let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kb.unwrap_or(0) * 1024
    };
    pids.iter().map(of).sum()
}
