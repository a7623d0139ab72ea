//! Text as UTF-8 bytes, whether it was written as UTF-8 or as UTF-16: told by its first two bytes, converted as it is read.

use std::io::{self, BufRead, Read};

/// Room for what is converted ahead, in bytes.
const AHEAD: usize = 8_192;

/// UTF-8 out of UTF-8 or UTF-16. Little-endian UTF-16 needs no mark in front of it: a first letter of Latin script has a zero in its
/// second byte, which no UTF-8 text has there. Half a pair becomes U+FFFD; a last odd byte is dropped.
#[derive(Debug)]
pub struct Utf8<R> {
    inner: R,
    kind: Option<Kind>,
    ready: Vec<u8>,
    at: usize,
    odd: Option<u8>,
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Utf8,
    Little,
    Big,
}

impl<R: BufRead> Utf8<R> {
    /// From the beginning of a stream.
    pub fn new(inner: R) -> Self {
        Utf8 {
            inner,
            kind: None,
            ready: Vec::new(),
            at: 0,
            odd: None,
            high: None,
        }
    }

    fn kind(&mut self) -> io::Result<Kind> {
        if let Some(kind) = self.kind {
            return Ok(kind);
        }
        let mut head = Vec::with_capacity(2);
        (&mut self.inner).take(2).read_to_end(&mut head)?;
        let kind = match *head.as_slice() {
            [0xff, 0xfe] => Kind::Little,
            [0xfe, 0xff] => Kind::Big,
            [first, 0] if first != 0 => Kind::Little,
            [0, second] if second != 0 => Kind::Big,
            _ => Kind::Utf8,
        };
        match kind {
            Kind::Utf8 => self.ready = head,
            // the mark itself becomes that of UTF-8, which readers of rows know
            _ => self.convert(kind, &head),
        }
        self.kind = Some(kind);
        Ok(kind)
    }

    fn convert(&mut self, kind: Kind, bytes: &[u8]) {
        for byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let unit = match kind {
                Kind::Big => u16::from_be_bytes([first, *byte]),
                _ => u16::from_le_bytes([first, *byte]),
            };
            self.unit(unit);
        }
    }

    fn unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if (0xdc00..0xe000).contains(&unit) {
                let letter = char::decode_utf16([high, unit]).next();
                self.letter(letter.and_then(Result::ok));
                return;
            }
            self.letter(None);
        }
        match unit {
            0xd800..0xdc00 => self.high = Some(unit),
            _ => self.letter(char::from_u32(u32::from(unit))),
        }
    }

    fn letter(&mut self, letter: Option<char>) {
        let letter = letter.unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut room = [0; 4];
        self.ready
            .extend_from_slice(letter.encode_utf8(&mut room).as_bytes());
    }
}

impl<R: BufRead> BufRead for Utf8<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let kind = self.kind()?;
        if self.at == self.ready.len() && kind != Kind::Utf8 {
            self.ready.clear();
            self.at = 0;
            // a chunk may hold half a unit only: read on until there is a letter
            while self.ready.is_empty() {
                let chunk = self.inner.fill_buf()?;
                let chunk: Vec<u8> = chunk.iter().copied().take(AHEAD).collect();
                if chunk.is_empty() {
                    if self.high.take().is_some() {
                        self.letter(None);
                    }
                    break;
                }
                self.inner.consume(chunk.len());
                self.convert(kind, &chunk);
            }
        }
        if self.at < self.ready.len() {
            return Ok(&self.ready[self.at..]);
        }
        match kind {
            Kind::Utf8 => self.inner.fill_buf(),
            _ => Ok(&[]),
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.at < self.ready.len() {
            self.at = self.ready.len().min(self.at + amount);
        } else {
            self.inner.consume(amount);
        }
    }
}

impl<R: BufRead> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let held = self.fill_buf()?;
        let amount = held.len().min(into.len());
        into[..amount].copy_from_slice(&held[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], chunk: usize) -> String {
        let mut text = Vec::new();
        let reader = io::BufReader::with_capacity(chunk, bytes);
        Utf8::new(reader).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn a_mark_is_passed_on_as_utf8_has_it() {
        assert_eq!(read(&little("\u{feff}å;ö"), 3), "\u{feff}å;ö");
        assert_eq!(read(&big("\u{feff}å;ö"), 3), "\u{feff}å;ö");
        assert_eq!(read("\u{feff}å;ö".as_bytes(), 1), "\u{feff}å;ö");
    }

    #[test]
    fn broken_text_is_replaced_not_refused() {
        let mut bytes = little("a");
        bytes.extend(0xd83d_u16.to_le_bytes());
        bytes.extend(little("b"));
        bytes.extend(0xd83d_u16.to_le_bytes());
        bytes.push(b'x');
        assert_eq!(read(&bytes, 2), "a\u{fffd}b\u{fffd}");
        assert_eq!(read(b"", 4), "");
        assert_eq!(read(b"x", 4), "x");
    }

    proptest! {
        #[test]
        fn all_spellings_of_a_text_read_as_it(text in "[a-zA-Z]{1,3}[^\\x00]{0,40}", chunk in 1_usize..9) {
            prop_assert_eq!(&read(text.as_bytes(), chunk), &text);
            prop_assert_eq!(&read(&little(&text), chunk), &text);
            prop_assert_eq!(&read(&big(&text), chunk), &text);
        }

        #[test]
        fn no_bytes_make_it_panic_or_depend_on_chunks(bytes in prop::collection::vec(any::<u8>(), 0..60), chunk in 1_usize..9) {
            prop_assert_eq!(read(&bytes, chunk), read(&bytes, 64));
        }
    }
}
