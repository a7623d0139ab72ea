//! The watermark in every answer to a call without a key: which call of which client it was, proved, so that a copy can be traced.
//!
//! It says all of itself, and nothing has to be kept: version, fingerprint, the how many-th call, when, what was asked, and their HMAC;
//! all in base64url.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    prover::{PROOF_BYTES, Prover},
    sandbox::Fingerprint,
};
use crate::model::time::Time;

/// What its key is for.
pub const PURPOSE: &str = "sigcast sandbox watermark";
/// So much of what was asked stands in it, in bytes.
pub const MOST_PATH: usize = 512;

const VERSION: u8 = 1;
/// Version, fingerprint, number, time, whether the path was cut.
const HEAD_BYTES: usize = 1 + PROOF_BYTES + 4 + 8 + 1;
/// A longer text is none.
const MOST_LETTERS: usize = (HEAD_BYTES + MOST_PATH + PROOF_BYTES).div_ceil(3) * 4;

/// What a watermark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who called, on that day.
    pub fingerprint: Fingerprint,
    /// The how many-th of its calls within 24 hours it was.
    pub number: u32,
    /// When.
    pub at: Time,
    /// Path and query that were asked.
    pub path: String,
    /// There was more of it.
    pub is_cut: bool,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traced {
    /// A watermark of this server's.
    Genuine(Mark),
    /// It is spelled as one, and says this, but this server did not make it.
    Forged(Mark),
    /// No watermark.
    Unreadable,
}

impl Mark {
    /// Of a call; of a long path the beginning.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, number: u32, at: Time, path: &str) -> Self {
        let kept = &path[..path.floor_char_boundary(MOST_PATH)];
        Mark {
            fingerprint,
            number,
            at,
            path: kept.to_owned(),
            is_cut: kept.len() < path.len(),
        }
    }

    /// The watermark.
    #[must_use]
    pub fn sign(&self, prover: &Prover) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.path.len() + PROOF_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.push(self.is_cut.into());
        bytes.extend_from_slice(self.path.as_bytes());
        let proof = prover.prove(&[&bytes]);
        bytes.extend_from_slice(&proof);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Reads a watermark, whoever made it; white space around it is passed over, as it was copied from somewhere.
#[must_use]
pub fn trace(prover: &Prover, text: &str) -> Traced {
    let Some((mark, said, proof)) = read(text.trim()) else {
        return Traced::Unreadable;
    };
    match prover.proves(&[&said], &proof) {
        true => Traced::Genuine(mark),
        false => Traced::Forged(mark),
    }
}

fn read(text: &str) -> Option<(Mark, Vec<u8>, [u8; PROOF_BYTES])> {
    if text.len() > MOST_LETTERS {
        return None;
    }
    let mut said = URL_SAFE_NO_PAD.decode(text).ok()?;
    let proof = *said.last_chunk::<PROOF_BYTES>()?;
    said.truncate(said.len() - PROOF_BYTES);
    let (version, rest) = said.split_first()?;
    let (fingerprint, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (cut, path) = rest.split_first()?;
    let mark = Mark {
        fingerprint: Fingerprint(*fingerprint),
        number: u32::from_be_bytes(*number),
        at: Time(i64::from_be_bytes(*at)),
        path: std::str::from_utf8(path).ok()?.to_owned(),
        is_cut: *cut == 1,
    };
    (*version == VERSION && *cut <= 1).then_some((mark, said, proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prover() -> Prover {
        Prover::new(&[7; 32], PURPOSE)
    }

    fn mark() -> Mark {
        let path = "/api/v1/declarations?direction=BUY&limit=10";
        Mark::new(
            Fingerprint([3; PROOF_BYTES]),
            7,
            Time(1_760_000_000_000_000),
            path,
        )
    }

    #[test]
    fn a_copy_is_traced() {
        let text = mark().sign(&prover());
        assert_eq!(
            trace(&prover(), &format!(" {text}\n")),
            Traced::Genuine(mark())
        );
        let other = Prover::new(&[8; 32], PURPOSE);
        assert_eq!(trace(&other, &text), Traced::Forged(mark()));
    }

    #[test]
    fn of_a_long_path_the_beginning_is_kept() {
        let long = format!("/{}", "é".repeat(400));
        let mark = Mark::new(Fingerprint([3; PROOF_BYTES]), 1, Time(5), &long);
        assert!(mark.is_cut && mark.path.len() < MOST_PATH && long.starts_with(&mark.path));
        let text = mark.sign(&prover());
        assert!(text.len() <= MOST_LETTERS);
        assert_eq!(trace(&prover(), &text), Traced::Genuine(mark));
    }

    #[test]
    fn what_is_changed_is_not_genuine() {
        let bytes = URL_SAFE_NO_PAD.decode(mark().sign(&prover())).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let traced = trace(&prover(), &URL_SAFE_NO_PAD.encode(changed));
            assert!(!matches!(traced, Traced::Genuine(_)), "{place}");
        }
        for end in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..end]);
            assert!(
                !matches!(trace(&prover(), &cut), Traced::Genuine(_)),
                "{end}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_comes_back(fingerprint: [u8; PROOF_BYTES], number: u32, at: i64, path in "\\PC{0,700}") {
            let mark = Mark::new(Fingerprint(fingerprint), number, Time(at), &path);
            let text = mark.sign(&prover());
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(trace(&prover(), &text), Traced::Genuine(mark));
        }

        #[test]
        fn nothing_that_is_shown_brings_it_down(text in ".{0,80}", letters in "[A-Za-z0-9_-]{0,200}") {
            prop_assert!(!matches!(trace(&prover(), &text), Traced::Genuine(_)));
            prop_assert!(!matches!(trace(&prover(), &letters), Traced::Genuine(_)));
        }
    }
}
