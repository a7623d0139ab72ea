//! API keys: their spelling with a checksum, their digest, and nothing that prints them.

use std::fmt;

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 26;
const CHECK: usize = 6;
const PREFIX: usize = "sig_live_".len();
const SHOWN: usize = PREFIX + 4;

/// Which family a key belongs to. Either opens whatever its account's plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `sig_live_…`
    Stream,
    /// `sit_live_…`
    Data,
}

impl KeyKind {
    /// The word used on the command line and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            KeyKind::Stream => "stream",
            KeyKind::Data => "data",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "stream" => Some(KeyKind::Stream),
            "data" => Some(KeyKind::Data),
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            KeyKind::Stream => "sig_live_",
            KeyKind::Data => "sit_live_",
        }
    }
}

/// A key in the clear. Shown once at its making; never logged (its `Debug` shows the prefix alone).
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

/// SHA-256 of a key: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyText {
    /// Makes a key from 26 random values; bytes of 248 and above are skipped, so that all 62 letters are equally likely.
    pub fn generate(kind: KeyKind, mut random: impl FnMut() -> u8) -> Self {
        let mut text = String::with_capacity(PREFIX + RANDOM + CHECK);
        text.push_str(kind.prefix());
        while text.len() < PREFIX + RANDOM {
            let byte = random();
            if byte < 248 {
                text.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
        let check = checksum(&text);
        text.push_str(&check);
        KeyText(text)
    }

    /// Accepts a well-formed key whose checksum holds: a mistyped one is refused without a look at the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let family = text.starts_with("sig_live_") || text.starts_with("sit_live_");
        if !family || text.len() != PREFIX + RANDOM + CHECK {
            return None;
        }
        if !text[PREFIX..].bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let (body, check) = text.split_at(PREFIX + RANDOM);
        (checksum(body) == check).then(|| KeyText(text.to_owned()))
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// `sig_live_Ab1C`: safe to show and to log.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0[..SHOWN]
    }

    /// The whole key, for the one moment at which it is handed out.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}…)", self.prefix())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// CRC-32 (IEEE) in base62, left-padded with zeroes to six letters (62^6 > 2^32).
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'0'; CHECK];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    letters.iter().map(|&b| char::from(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(seed: u8) -> KeyText {
        let mut next = seed;
        KeyText::generate(KeyKind::Stream, move || {
            next = next.wrapping_mul(31).wrapping_add(17);
            next
        })
    }

    #[test]
    fn every_single_typo_is_caught() {
        let key = made(3);
        assert_eq!(KeyText::parse(key.reveal()).as_ref(), Some(&key));
        for at in 9..key.reveal().len() {
            let mut wrong = key.reveal().as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(
                KeyText::parse(std::str::from_utf8(&wrong).unwrap()),
                None,
                "at {at}"
            );
        }
    }

    #[test]
    fn debug_never_shows_the_key() {
        let key = made(9);
        let shown = format!("{key:?} {:?}", key.hash());
        assert!(!shown.contains(&key.reveal()[13..]), "{shown}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = KeyText::parse(&text);
        }

        #[test]
        fn made_keys_parse(seed in any::<u8>()) {
            let key = made(seed);
            prop_assert_eq!(KeyText::parse(key.reveal()), Some(key));
        }
    }
}
