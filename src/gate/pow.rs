//! Proof of work: a challenge, and whether it was solved. Nothing is kept of a challenge: it says all of itself, and proves it.
//!
//! A challenge is 48 letters of base64url: version, difficulty, until when it holds, its id, and their HMAC together with the fingerprint
//! of who asked for it, which does not stand in it. Solved is it by a nonce with which `SHA-256(challenge ":" nonce)` begins with as many
//! zero bits as its difficulty is.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    prover::{PROOF_BYTES, Prover},
    sandbox::Fingerprint,
};
use crate::model::time::Time;

/// What its key is for.
pub const PURPOSE: &str = "sigcast sandbox challenge";
/// Bytes that name a challenge.
pub const ID_BYTES: usize = 12;
/// A nonce has so many characters at most: any machine counts to where it is solved in fewer.
pub const MOST_NONCE: usize = 64;

const VERSION: u8 = 1;
const SAID_BYTES: usize = 1 + 1 + 6 + ID_BYTES;
const LETTERS: usize = (SAID_BYTES + PROOF_BYTES) / 3 * 4;

/// How hard it is: leading zero bits, 32 at most. Each makes it twice as hard as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Difficulty(u8);

impl Difficulty {
    /// So many bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether a digest begins with so many zero bits.
    fn is_met_by(self, digest: &[u8]) -> bool {
        let mut head = [0; 4];
        head.copy_from_slice(&digest[..4]); // of 32
        u32::from_be_bytes(head).leading_zeros() >= u32::from(self.0)
    }
}

impl TryFrom<i64> for Difficulty {
    type Error = &'static str;

    fn try_from(bits: i64) -> Result<Self, Self::Error> {
        let bits = u8::try_from(bits).ok().filter(|bits| *bits <= 32);
        bits.map(Difficulty).ok_or("a difficulty is 0 to 32 bits")
    }
}

/// What stands for a call that needed proof, and is used up by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Names it.
    pub id: String,
    /// From here on it proves nothing, and needs not be remembered.
    pub until: Time,
}

/// Why something proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// It is not spelled as a challenge and a nonce are.
    #[error("the challenge or the solution is not spelled as one")]
    Malformed,
    /// It came too late.
    #[error("the challenge has expired")]
    Expired,
    /// The digest begins otherwise.
    #[error("the solution does not solve the challenge")]
    Unsolved,
    /// It was given to somebody else, or by somebody else.
    #[error("the challenge is not one that this client was given")]
    Foreign,
}

/// A challenge for one client.
#[must_use]
pub fn issue(
    prover: &Prover,
    whose: &Fingerprint,
    difficulty: Difficulty,
    until: Time,
    id: [u8; ID_BYTES],
) -> String {
    let mut said = [0; SAID_BYTES];
    said[0] = VERSION;
    said[1] = difficulty.0;
    // proof: 48 bits of milliseconds last for 8,900 years
    said[2..8].copy_from_slice(&until.unix_ms().to_be_bytes()[2..]);
    said[8..].copy_from_slice(&id);
    let proof = prover.prove(&[&said, &whose.0]);
    URL_SAFE_NO_PAD.encode([&said[..], &proof].concat())
}

/// Until when a challenge holds that is to hold until about then: times in it are whole milliseconds.
#[must_use]
pub fn until(about: Time) -> Time {
    about.to_whole_ms()
}

struct Read {
    said: [u8; SAID_BYTES],
    proof: [u8; PROOF_BYTES],
}

fn read(challenge: &str) -> Option<Read> {
    if challenge.len() != LETTERS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(challenge).ok()?;
    let (said, proof) = bytes.split_first_chunk()?;
    (said[0] == VERSION).then_some(Read {
        said: *said,
        proof: proof.try_into().ok()?,
    })
}

impl Read {
    fn until(&self) -> Time {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(&self.said[2..8]);
        Time(i64::from_be_bytes(ms).saturating_mul(1_000))
    }

    fn difficulty(&self) -> Difficulty {
        Difficulty(self.said[1])
    }
}

/// What a solved challenge proves for a client, of whom these are the fingerprints that count. What costs least is looked at first.
///
/// # Errors
/// [`NoProof`]. That it was used before is for others to find.
pub fn check(
    prover: &Prover,
    whose: &[Fingerprint],
    challenge: &str,
    nonce: &str,
    now: Time,
) -> Result<Proof, NoProof> {
    let plain =
        (1..=MOST_NONCE).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_graphic());
    let read = read(challenge)
        .filter(|_| plain)
        .ok_or(NoProof::Malformed)?;
    if now >= read.until() {
        return Err(NoProof::Expired);
    }
    let mut digest = Sha256::new_with_prefix(challenge);
    digest.update(b":");
    digest.update(nonce);
    if !read.difficulty().is_met_by(&digest.finalize()) {
        return Err(NoProof::Unsolved);
    }
    let given = |one: &Fingerprint| prover.proves(&[&read.said, &one.0], &read.proof);
    if !whose.iter().any(given) {
        return Err(NoProof::Foreign);
    }
    Ok(Proof {
        id: URL_SAFE_NO_PAD.encode(&read.said[8..]),
        until: read.until(),
    })
}

/// Tries numbers until one solves it: for tests and measurements, which are clients as well.
#[must_use]
pub fn solve(challenge: &str, difficulty: Difficulty) -> String {
    let solved = (0_u64..)
        .map(|n| n.to_string())
        .find(|nonce| difficulty.is_met_by(&Sha256::digest(format!("{challenge}:{nonce}"))));
    // proof: of 2^64 numbers one solves it
    solved.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time(1_760_000_000 * Time::SECOND);
    const ONE: Fingerprint = Fingerprint([1; PROOF_BYTES]);
    const OTHER: Fingerprint = Fingerprint([2; PROOF_BYTES]);

    fn prover() -> Prover {
        Prover::new(&[7; 32], PURPOSE)
    }

    fn given(bits: i64) -> (String, String) {
        let difficulty = Difficulty::try_from(bits).unwrap();
        let until = until(NOW.plus(600 * Time::SECOND));
        let challenge = issue(&prover(), &ONE, difficulty, until, [9; ID_BYTES]);
        let nonce = solve(&challenge, difficulty);
        (challenge, nonce)
    }

    fn checked(challenge: &str, nonce: &str, now: Time) -> Result<Proof, NoProof> {
        check(&prover(), &[OTHER, ONE], challenge, nonce, now)
    }

    #[test]
    fn sixteen_bits_are_four_hexadecimal_zeros() {
        let (challenge, nonce) = given(16);
        let digest = Sha256::digest(format!("{challenge}:{nonce}"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.starts_with("0000"), "{hex}");
        let proof = checked(&challenge, &nonce, NOW).unwrap();
        assert_eq!(proof.id.len(), 16);
        assert_eq!(proof.until, NOW.plus(600 * Time::SECOND));
    }

    #[test]
    fn any_number_of_bits_will_do() {
        for bits in [0, 1, 5, 11] {
            let (challenge, nonce) = given(bits);
            assert!(checked(&challenge, &nonce, NOW).is_ok(), "{bits}");
        }
        for bits in [-1, 33, 1 << 40] {
            assert!(Difficulty::try_from(bits).is_err());
        }
    }

    #[test]
    fn whatever_proves_nothing_is_told_why() {
        let (challenge, nonce) = given(8);
        let late = NOW.plus(600 * Time::SECOND);
        assert_eq!(checked(&challenge, &nonce, late), Err(NoProof::Expired));
        assert!(checked(&challenge, &nonce, late.plus(-1)).is_ok());
        let mut wrong = (0..).map(|n: u32| n.to_string());
        let wrong = wrong.find(|nonce| Sha256::digest(format!("{challenge}:{nonce}"))[0] != 0);
        let wrong = wrong.unwrap();
        assert_eq!(checked(&challenge, &wrong, NOW), Err(NoProof::Unsolved));
        let foreign = check(&prover(), &[OTHER], &challenge, &nonce, NOW);
        assert_eq!(foreign, Err(NoProof::Foreign));
        let another = Prover::new(&[8; 32], PURPOSE);
        let foreign = check(&another, &[ONE], &challenge, &nonce, NOW);
        assert_eq!(foreign, Err(NoProof::Foreign));
        let long = "1".repeat(MOST_NONCE + 1);
        for (challenge, nonce) in [
            ("", "1"),
            (&*challenge, ""),
            (&*challenge, "1 2"),
            (&*challenge, "é"),
            (&*challenge, &*long),
            (&challenge[1..], "1"),
            (
                &*challenge.replace(|c: char| c.is_ascii_alphanumeric(), "~"),
                "1",
            ),
        ] {
            assert_eq!(checked(challenge, nonce, NOW), Err(NoProof::Malformed));
        }
    }

    #[test]
    fn what_is_changed_proves_nothing() {
        let (challenge, _) = given(0);
        let bytes = URL_SAFE_NO_PAD.decode(&challenge).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(checked(&changed, "1", NOW).is_err(), "{place}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_brings_it_down(challenge in ".{0,60}", letters in "[A-Za-z0-9_-]{48}", nonce in ".{0,80}", now: i64) {
            prop_assert!(checked(&challenge, &nonce, Time(now)).is_err());
            prop_assert!(checked(&letters, &nonce, Time(now)).is_err());
        }

        #[test]
        fn a_solution_is_for_one_client_until_its_time(bits in 0_i64..9, id: [u8; ID_BYTES], ahead in 1_i64..1_000_000_000, whose: [u8; PROOF_BYTES]) {
            let (difficulty, whose) = (Difficulty::try_from(bits).unwrap(), Fingerprint(whose));
            let until = until(NOW.plus(ahead * 1_000));
            let challenge = issue(&prover(), &whose, difficulty, until, id);
            let nonce = solve(&challenge, difficulty);
            let proof = check(&prover(), &[whose], &challenge, &nonce, NOW).unwrap();
            prop_assert_eq!(proof.until, until);
            let mut other = whose;
            other.0[3] ^= 4;
            prop_assert_eq!(check(&prover(), &[other], &challenge, &nonce, NOW), Err(NoProof::Foreign));
        }
    }
}
