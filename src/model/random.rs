//! Where randomness comes from. Handed down from the roof, so that tests own it.

use std::{fmt, sync::Arc};

use uuid::{Builder, Uuid};

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

impl Random {
    /// A source that fills what it is given.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Random(Arc::new(fill))
    }

    /// One byte.
    #[must_use]
    pub fn byte(&self) -> u8 {
        let mut one = [0];
        (self.0)(&mut one);
        one[0]
    }

    /// Eight bytes as a number.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut eight = [0; 8];
        (self.0)(&mut eight);
        u64::from_le_bytes(eight)
    }

    /// A number in `from..=to`.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> u32 {
        let span = u64::from(to.saturating_sub(from)) + 1;
        from.saturating_add((self.number() % span) as u32)
    }

    /// A number in −1..1.
    #[must_use]
    pub fn balanced(&self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A random (version 4) UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        (self.0)(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
