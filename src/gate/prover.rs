//! Proof that the server itself said something: keys made of one secret, one for each purpose.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;
/// Bytes of a proof, of the 32 that HMAC-SHA-256 gives: nobody guesses so many.
pub const PROOF_BYTES: usize = 16;

/// A key of HMAC-SHA-256 for one purpose. It is set up once: what is left for each text is its own blocks.
#[derive(Clone)]
pub struct Prover(Hmac<Sha256>);

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prover(…)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // proof: HMAC takes keys of any length
    #[expect(clippy::expect_used, reason = "see above")]
    Hmac::new_from_slice(key).expect("any length will do")
}

impl Prover {
    /// What is proved for one purpose proves nothing for another: each has a key of its own, which is the purpose's HMAC by the secret.
    #[must_use]
    pub fn new(secret: &[u8; SECRET_BYTES], purpose: &str) -> Self {
        let mut derived = keyed(secret);
        derived.update(purpose.as_bytes());
        Prover(keyed(&derived.finalize().into_bytes()))
    }

    fn of(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// The proof of these bytes. Where they are parted does not show: at most one of the parts may have a length of its own.
    #[must_use]
    pub fn prove(&self, parts: &[&[u8]]) -> [u8; PROOF_BYTES] {
        let whole = self.of(parts).finalize().into_bytes();
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(&whole[..PROOF_BYTES]); // of 32
        proof
    }

    /// Whether this is the proof of these bytes; how long that takes tells nothing of it.
    #[must_use]
    pub fn proves(&self, parts: &[&[u8]], proof: &[u8; PROOF_BYTES]) -> bool {
        self.of(parts).verify_truncated_left(proof).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_and_each_purpose_proves_for_itself() {
        let one = Prover::new(&[1; SECRET_BYTES], "a");
        let proof = one.prove(&[b"what", b" was said"]);
        assert!(one.proves(&[b"what was said"], &proof));
        assert!(!one.proves(&[b"what was sai"], &proof));
        for other in [
            Prover::new(&[1; SECRET_BYTES], "b"),
            Prover::new(&[2; SECRET_BYTES], "a"),
        ] {
            assert!(!other.proves(&[b"what was said"], &proof));
        }
        assert_eq!(format!("{one:?}"), "Prover(…)");
    }
}
