//! The rolling digest of a stretch of the log: by it, whoever holds signals proves that they are the very ones that were sent.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A rolling digest: 32 zero bytes to begin with, and with each signal, in the order of `seq`, SHA-256 of what it was and of the signal's
/// bytes, as every channel sends them. Who holds the digest of a stretch goes on from it. Written as 64 hex digits in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rolling([u8; 32]);

impl Rolling {
    /// With one more signal: its bytes as [`super::signal::wire`] makes them.
    #[must_use]
    pub fn and(self, data: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(data);
        Rolling(hash.finalize().into())
    }
}

impl fmt::Display for Rolling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from(start: Rolling, signals: &[String]) -> Rolling {
        let each = signals.iter();
        each.fold(start, |so_far, one| so_far.and(one.as_bytes()))
    }

    /// By Python: `d = hashlib.sha256(d + data).digest()`, from `bytes(32)` on.
    #[test]
    fn as_others_compute_it() {
        let none = Rolling::default();
        assert_eq!(none.to_string(), "0".repeat(64));
        let one = none.and(br#"{"seq":1}"#);
        assert_eq!(
            one.to_string(),
            "ff44e121014845ba9f060b9dd529b57e3706d9dcbf47ce18d6a7e50bea6c7e46"
        );
        assert_eq!(
            one.and(br#"{"seq":2}"#).to_string(),
            "d989977286f310a93de4be7eb9aa920e4411c5e002607031b10f147c8039c3b1"
        );
    }

    proptest! {
        /// It goes on from any place, and tells another order and a missing signal.
        #[test]
        fn goes_on_from_any_place(signals in prop::collection::vec("\\PC{0,20}", 1..12), at in 0usize..12) {
            let none = Rolling::default();
            let whole = from(none, &signals);
            let at = at % signals.len();
            let (before, after) = signals.split_at(at);
            prop_assert_eq!(from(from(none, before), after), whole);
            let mut turned = signals.clone();
            turned.rotate_left(at);
            prop_assert_eq!(from(none, &turned) == whole, turned == signals);
            turned.remove(0);
            prop_assert!(from(none, &turned) != whole);
        }
    }
}
