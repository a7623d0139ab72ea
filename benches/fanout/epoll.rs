//! The few system calls that the limit is made of.

use std::{
    io,
    net::TcpStream,
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
};

/// Readiness, level-triggered.
pub struct Epoll {
    own: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

/// What is ready: a descriptor, and of what.
#[derive(Clone, Copy)]
pub struct Ready {
    /// Whose.
    pub fd: RawFd,
    /// There is something to read, or the peer is gone.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

impl Epoll {
    /// A new one.
    pub fn new() -> io::Result<Self> {
        // SAFETY: it takes a number.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Epoll {
            // SAFETY: the descriptor was just made, and is nobody else's.
            own: unsafe { OwnedFd::from_raw_fd(fd) },
            ready: vec![libc::epoll_event { events: 0, u64: 0 }; 1024],
        })
    }

    /// Watches for what can be read.
    pub fn add(&self, of: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, of.as_raw_fd(), false)
    }

    /// Watches for room to write as well, or no longer.
    pub fn want_room(&self, of: &impl AsRawFd, wanted: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, of.as_raw_fd(), wanted)
    }

    fn control(&self, what: libc::c_int, fd: RawFd, room: bool) -> io::Result<()> {
        let write = if room { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLRDHUP | write) as u32,
            u64: fd as u64,
        };
        // SAFETY: the struct is ours and outlives the call.
        match unsafe { libc::epoll_ctl(self.own.as_raw_fd(), what, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits, or only looks; hands out what is ready.
    pub fn wait(&mut self, only_look: bool, into: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = if only_look { 0 } else { -1 };
        let (room, most) = (self.ready.as_mut_ptr(), self.ready.len() as libc::c_int);
        // SAFETY: the kernel writes as many as there is room for.
        let count = unsafe { libc::epoll_wait(self.own.as_raw_fd(), room, most, timeout) };
        into.clear();
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            };
        }
        into.extend(self.ready[..count as usize].iter().map(|event| Ready {
            fd: event.u64 as RawFd,
            readable: event.events & !(libc::EPOLLOUT as u32) != 0,
            writable: event.events & libc::EPOLLOUT as u32 != 0,
        }));
        Ok(())
    }
}

/// The next connection, already non-blocking; `None` where none waits.
pub fn accept(listener: &impl AsRawFd) -> io::Result<Option<TcpStream>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let no_address = std::ptr::null_mut();
    // SAFETY: the peer's address is not asked for.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), no_address, no_address.cast(), flags) };
    if fd >= 0 {
        // SAFETY: the descriptor was just made, and is nobody else's.
        return Ok(Some(unsafe { TcpStream::from_raw_fd(fd) }));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted => Ok(None),
        _ => Err(error),
    }
}
