//! Chunks of HTTP/1.1 (RFC 9112, 7.1): how a frame leaves on a connection that is not hyper's any more.

use bytes::Bytes;

/// The chunk that ends a body.
pub const END: &[u8] = b"0\r\n\r\n";

/// Bytes with the framing of a chunk around them, made once.
#[derive(Clone, Debug)]
pub struct Chunk {
    whole: Bytes,
    /// Where the content begins: after the size and its line's end.
    begins: u32,
}

impl Chunk {
    /// One chunk of these bytes. Of none at all there is no chunk: that would be the end.
    #[must_use]
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let head = format!("{:x}\r\n", content.len());
        let mut whole = Vec::with_capacity(head.len() + content.len() + 2);
        whole.extend_from_slice(head.as_bytes());
        whole.extend_from_slice(content);
        whole.extend_from_slice(b"\r\n");
        Chunk {
            whole: whole.into(),
            // at most 16 digits
            begins: head.len() as u32,
        }
    }

    /// With its framing.
    #[must_use]
    pub fn whole(&self) -> &Bytes {
        &self.whole
    }

    /// Without.
    #[must_use]
    pub fn content(&self) -> Bytes {
        self.whole.slice(self.begins as usize..self.whole.len() - 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(content in prop::collection::vec(any::<u8>(), 1..5_000)) {
            let chunk = Chunk::of(&content);
            prop_assert_eq!(&chunk.content()[..], &content[..]);
            let head = format!("{:x}\r\n", content.len());
            prop_assert!(chunk.whole().starts_with(head.as_bytes()));
            prop_assert!(chunk.whole().ends_with(b"\r\n"));
            prop_assert_eq!(chunk.whole().len(), head.len() + content.len() + 2);
        }
    }
}
