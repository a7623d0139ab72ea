//! Secrets of webhooks: their spelling, how they are sealed for the database, and nothing that prints them.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const PREFIX: &str = "whsec_";
/// Bytes of a new secret. Standard Webhooks asks for 24 to 64.
const BYTES: usize = 32;
/// Bytes of a key that seals.
pub const SEAL_BYTES: usize = 32;

/// A webhook's secret in the clear: shown once at its making, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes one: `whsec_` and 32 random bytes in base64.
    pub fn generate(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = [0; BYTES];
        fill(&mut bytes);
        Secret(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// The text, to show it that one time, and to sign by.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What Standard Webhooks signs by: the bytes behind the prefix.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let encoded = self.0.strip_prefix(PREFIX).unwrap_or_default();
        // proof: it was made or opened here, and is base64
        STANDARD.decode(encoded).unwrap_or_default()
    }

    /// Reads the text of one: `whsec_` and 24 to 64 bytes in base64. `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (24..=64)
            .contains(&bytes.len())
            .then(|| Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is kept of a secret cannot be read: another key sealed it, or it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's secret cannot be opened: it was sealed with another key than this server's, or is damaged"
)]
pub struct Unsealable;

/// The key that seals secrets in the database: who has a copy of that alone can sign nothing.
pub struct Seal(LessSafeKey);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// By a key of 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; SEAL_BYTES]) -> Option<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
        Some(Seal(LessSafeKey::new(key)))
    }

    /// Seals a secret for one endpoint: under another endpoint's id it does not open. ChaCha20-Poly1305 (RFC 8439) with a random nonce, which
    /// stands before it; all in base64. `None` where the cipher refuses, which it does for no secret of ours.
    pub fn seal(
        &self,
        secret: &Secret,
        endpoint: &str,
        fill: impl FnOnce(&mut [u8]),
    ) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce);
        let mut sealed = secret.0.clone().into_bytes();
        let about = Aad::from(endpoint.as_bytes());
        let key = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(key, about, &mut sealed)
            .ok()?;
        Some(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed for an endpoint.
    pub fn open(&self, sealed: &str, endpoint: &str) -> Result<Secret, Unsealable> {
        let bytes = STANDARD.decode(sealed).map_err(|_| Unsealable)?;
        let (nonce, rest) = bytes.split_first_chunk().ok_or(Unsealable)?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let about = Aad::from(endpoint.as_bytes());
        let opened = self.0.open_in_place(nonce, about, &mut rest);
        let opened = opened.map_err(|_| Unsealable)?;
        let text = std::str::from_utf8(opened).map_err(|_| Unsealable)?;
        Secret::parse(text).ok_or(Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(from: u8) -> impl Fn(&mut [u8]) {
        move |bytes| {
            for (byte, n) in bytes.iter_mut().zip(from..) {
                *byte = n;
            }
        }
    }

    #[test]
    fn a_secret_is_what_it_was_sealed_as_and_only_for_its_endpoint() {
        let seal = Seal::new(&[7; SEAL_BYTES]).unwrap();
        let secret = Secret::generate(counting(1));
        assert_eq!(secret.bytes(), (1..=32).collect::<Vec<u8>>());
        let sealed = seal.seal(&secret, "one", counting(9)).unwrap();
        assert!(!sealed.contains(secret.reveal()));
        assert_eq!(seal.open(&sealed, "one"), Ok(secret));
        assert_eq!(seal.open(&sealed, "two"), Err(Unsealable));
        let other = Seal::new(&[8; SEAL_BYTES]).unwrap();
        assert_eq!(other.open(&sealed, "one"), Err(Unsealable));
    }

    #[test]
    fn what_is_damaged_does_not_open() {
        let seal = Seal::new(&[7; SEAL_BYTES]).unwrap();
        let secret = Secret::generate(counting(1));
        let sealed = seal.seal(&secret, "one", counting(9)).unwrap();
        let bytes = STANDARD.decode(&sealed).unwrap();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            let damaged = STANDARD.encode(damaged);
            assert_eq!(seal.open(&damaged, "one"), Err(Unsealable), "{place}");
        }
        for short in ["", "AAAA", "no base64!"] {
            assert_eq!(seal.open(short, "one"), Err(Unsealable));
        }
    }

    #[test]
    fn only_a_secret_s_own_spelling_is_read() {
        let secret = Secret::generate(counting(1));
        assert_eq!(Secret::parse(secret.reveal()), Some(secret.clone()));
        let of = |bytes: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        assert!(Secret::parse(&of(24)).is_some() && Secret::parse(&of(64)).is_some());
        let bare = secret.reveal().trim_start_matches(PREFIX);
        for other in ["", PREFIX, "whsec_no base64!", &of(23), &of(65), bare] {
            assert_eq!(Secret::parse(other), None, "{other}");
        }
    }

    #[test]
    fn neither_is_ever_printed() {
        let seal = Seal::new(&[7; SEAL_BYTES]).unwrap();
        let secret = Secret::generate(counting(1));
        assert_eq!(format!("{secret:?} {seal:?}"), "Secret(…) Seal(…)");
    }
}
