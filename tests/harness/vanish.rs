//! Vanishing from the network without a word, as a machine does whose cable is pulled.

use std::{io, net::TcpStream, os::fd::AsRawFd as _};

/// From here on the kernel drops whatever comes for this socket before it is acknowledged. What it must not do is send: it would
/// be heard.
pub fn vanish(socket: &TcpStream) {
    let mut nothing = [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: nothing.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    assert_eq!(done, 0, "no filter: {}", io::Error::last_os_error());
}
