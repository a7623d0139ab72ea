//! The proof that a response's head and first frame have left: the last bytes that the socket took are that frame's.
//!
//! hyper hands over a connection's socket at any time, and says nothing of what it has yet to write. What it writes last is known here.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

/// The first frame, on its way.
#[derive(Debug)]
pub struct Greeting {
    last: Bytes,
    /// As many of the bytes written last.
    written: BytesMut,
}

impl Greeting {
    /// A frame that is written as one chunk, after which nothing follows.
    #[must_use]
    pub fn new(hello: &[u8]) -> Self {
        let mut last = BytesMut::with_capacity(hello.len() + 2);
        last.extend_from_slice(hello);
        last.extend_from_slice(b"\r\n");
        Greeting {
            written: BytesMut::with_capacity(2 * last.len()),
            last: last.freeze(),
        }
    }

    /// The socket took so many of these bytes.
    pub fn wrote(&mut self, slices: &[IoSlice<'_>], mut bytes: usize) {
        for slice in slices {
            let taken = &slice[..bytes.min(slice.len())];
            bytes -= taken.len();
            let from = taken.len().saturating_sub(self.last.len());
            self.written.extend_from_slice(&taken[from..]);
        }
        let more = self.written.len().saturating_sub(self.last.len());
        self.written = self.written.split_off(more);
    }

    /// Whether it has left.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.written == self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_has_left_where_what_was_written_ends_with_it(
            head in prop::collection::vec(any::<u8>(), 0..300),
            hello in prop::collection::vec(any::<u8>(), 1..300),
            steps in prop::collection::vec((1..40_usize, 1..60_usize), 1..40),
        ) {
            let mut greeting = Greeting::new(&hello);
            let last = [&hello[..], b"\r\n"].concat();
            let all = [&head[..], &last].concat();
            let mut written = 0;
            for (slice, taken) in steps.into_iter().cycle() {
                if written == all.len() {
                    break;
                }
                // in slices of any size, of which any number of bytes is taken
                let slices: Vec<IoSlice<'_>> = all[written..].chunks(slice).map(IoSlice::new).collect();
                let taken = taken.min(all.len() - written);
                greeting.wrote(&slices, taken);
                written += taken;
                prop_assert_eq!(greeting.has_left(), all[..written].ends_with(&last));
            }
            prop_assert!(greeting.has_left());
        }
    }
}
