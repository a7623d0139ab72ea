//! A volley: what many sockets lack, handed to the system in one call by io_uring. Where that is not allowed, each is written to by itself.
//!
//! Each send is told not to wait, so that it is done, or refused, by the time the call returns: nothing is on its way afterwards, and the
//! bytes are free again.

use std::io;

use super::wire::Wire;

/// Sends in one call at most. Who is ended in between gets what was about to leave: some tenths of a millisecond's worth, if the thread is not
/// interrupted.
pub(super) const MOST: usize = 64;

/// What became of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many bytes were taken; none where the socket is full, or at fault: the next plain write finds out.
    Taken(usize),
    /// Nobody knows: nothing more may be written to it.
    Unknown,
}

/// How many are written to at once.
#[derive(Default)]
enum By {
    /// They are not.
    #[default]
    Nothing,
    Ring(Box<ring::Ring>),
    /// One after the other by plain writes, which is what sockets of tests have.
    #[cfg(test)]
    Turns,
}

/// What one thread sends with.
#[derive(Default)]
pub(super) struct Volley {
    by: By,
    sent: Vec<Sent>,
}

impl Volley {
    /// For the thread that will use it. Refused by older systems, and where an operator or a container forbids it.
    pub fn new() -> io::Result<Self> {
        Ok(Volley {
            by: By::Ring(Box::new(ring::open()?)),
            sent: Vec::with_capacity(MOST),
        })
    }

    /// For sockets of tests.
    #[cfg(test)]
    pub fn by_turns() -> Self {
        Volley {
            by: By::Turns,
            sent: Vec::new(),
        }
    }

    /// Whether it can send.
    pub fn is_ready(&self) -> bool {
        !matches!(self.by, By::Nothing)
    }

    /// Sends to each of up to [`MOST`] sockets; what became of the first ones, in their order. The others were not sent to.
    pub fn send<'a, W: Wire>(&mut self, all: impl Iterator<Item = (&'a W, &'a [u8])>) -> &[Sent] {
        self.sent.clear();
        match std::mem::take(&mut self.by) {
            By::Nothing => {}
            By::Ring(mut ring) => match ring::send(&mut ring, all, &mut self.sent) {
                Ok(()) => self.by = By::Ring(ring),
                // the ring goes, and what was not submitted with it
                Err(error) => {
                    tracing::warn!(%error, "io_uring failed: streams are written to one by one");
                }
            },
            #[cfg(test)]
            By::Turns => {
                self.by = By::Turns;
                let taken = all.map(|(wire, bytes)| wire.write(bytes).unwrap_or(0));
                self.sent.extend(taken.map(Sent::Taken));
            }
        }
        &self.sent
    }
}

/// Where the crate knows the system's calls.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod ring {
    use io_uring::{IoUring, Probe, opcode::Send, types};

    use super::{MOST, Sent, Wire, io};

    pub type Ring = IoUring;

    /// Linux has rings since 5.1, and sends by them since 5.6.
    pub fn open() -> io::Result<Ring> {
        let entries = u32::try_from(MOST).unwrap_or(u32::MAX);
        let ring = IoUring::builder().dontfork().build(entries)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        match probe.is_supported(Send::CODE) {
            true => Ok(ring),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub fn send<'a, W: Wire>(
        ring: &mut Ring,
        all: impl Iterator<Item = (&'a W, &'a [u8])>,
        sent: &mut Vec<Sent>,
    ) -> io::Result<()> {
        let mut queue = ring.submission();
        for (wire, bytes) in all.take(MOST) {
            // none is refused
            let socket = types::Fd(wire.descriptor().unwrap_or(-1));
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let send = Send::new(socket, bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data(sent.len() as u64);
            // SAFETY: the bytes and the socket outlive this function, which returns with nothing on its way, or with an error, after which the
            // ring is given up.
            if unsafe { queue.push(&send) }.is_err() {
                break;
            }
            sent.push(Sent::Unknown);
        }
        drop(queue);
        let done = submit(ring, sent);
        if done.is_err() {
            // what the system has not taken was not sent: the queue keeps its order
            let untaken = ring.submission().len();
            let taken = sent.len().saturating_sub(untaken);
            sent[taken..].fill(Sent::Taken(0));
        }
        done
    }

    fn submit(ring: &mut Ring, sent: &mut [Sent]) -> io::Result<()> {
        let mut left = sent.len();
        while left > 0 {
            let submitted = ring.submit_and_wait(left);
            for done in ring.completion() {
                let place = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                if let Some(sent) = sent.get_mut(place) {
                    *sent = Sent::Taken(usize::try_from(done.result()).unwrap_or(0));
                    left -= 1;
                }
            }
            match submitted {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                submitted => _ = submitted?,
            }
        }
        Ok(())
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod ring {
    use super::{Sent, Wire, io};

    /// There is none here.
    pub enum Ring {}

    pub fn open() -> io::Result<Ring> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn send<'a, W: Wire>(
        ring: &mut Ring,
        _: impl Iterator<Item = (&'a W, &'a [u8])>,
        _: &mut Vec<Sent>,
    ) -> io::Result<()> {
        match *ring {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        os::{
            fd::{AsRawFd as _, RawFd},
            unix::net::UnixStream,
        },
    };

    use super::*;

    impl Wire for UnixStream {
        fn write(&self, _: &[u8]) -> io::Result<usize> {
            panic!("a plain write")
        }

        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a read")
        }

        fn descriptor(&self) -> Option<RawFd> {
            Some(self.as_raw_fd())
        }
    }

    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn volley() -> Option<Volley> {
        match Volley::new() {
            Ok(volley) => Some(volley),
            Err(error) => {
                println!("not tested, as this system allows no io_uring: {error}");
                None
            }
        }
    }

    #[test]
    fn each_gets_its_own_bytes_and_who_is_full_or_gone_holds_nobody_up() {
        let Some(mut volley) = volley() else { return };
        let pairs: Vec<_> = (0..MOST + 1).map(|_| UnixStream::pair().unwrap()).collect();
        let (mut ours, mut theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        // the first is full, though it would wait for room; the second's peer is gone
        let fill = vec![b'x'; 1 << 20];
        let full = volley.send([(&ours[0], &fill[..])].into_iter());
        assert!(matches!(full, [Sent::Taken(1..=0xF_FFFF)]), "{full:?}");
        drop(theirs.remove(1));
        let gone = ours.remove(1);
        for round in 0_u8..3 {
            let words: Vec<Vec<u8>> = (0..ours.len())
                .map(|place| vec![round; place + 1])
                .collect();
            let all = ours
                .iter()
                .zip(&words)
                .map(|(wire, word)| (wire, &word[..]));
            let all = all.take(MOST - 1).chain([(&gone, &b"late"[..])]);
            let sent = volley.send(all);
            let mut expected: Vec<_> = (1..MOST).map(Sent::Taken).collect();
            expected[0] = Sent::Taken(0);
            expected.push(Sent::Taken(0));
            assert_eq!(sent, expected);
            for (their, word) in theirs.iter_mut().zip(&words).take(MOST - 1).skip(1) {
                let mut got = vec![0; word.len()];
                their.read_exact(&mut got).unwrap();
                assert_eq!(&got, word);
            }
        }
        assert!(volley.is_ready());
    }

    #[test]
    fn no_more_are_sent_to_than_there_is_room_for() {
        let Some(mut volley) = volley() else { return };
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let many = std::iter::repeat_n((&ours, &b"ab"[..]), MOST + 9);
        assert_eq!(volley.send(many), [Sent::Taken(2); MOST]);
        drop(ours);
        let mut got = String::new();
        theirs.read_to_string(&mut got).unwrap();
        assert_eq!(got, "ab".repeat(MOST));
    }

    #[test]
    fn without_a_ring_nobody_is_sent_to() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut volley = Volley::default();
        assert!(!volley.is_ready());
        assert_eq!(volley.send([(&ours, &b"ab"[..])].into_iter()), []);
    }
}
