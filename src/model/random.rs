//! Where randomness comes from. Handed down from the roof, so that tests own it.

use std::{fmt, sync::Arc};

use uuid::{Builder, Uuid};

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes.
#[derive(Clone)]
pub struct Random {
    /// For what others must not guess.
    secrets: Arc<Fill>,
    /// For what only has to differ, thousands of times a second.
    names: Arc<Fill>,
}

impl Random {
    /// A source that fills what it is given.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        let secrets: Arc<Fill> = Arc::new(fill);
        Random {
            names: secrets.clone(),
            secrets,
        }
    }

    /// The same, with a quicker source for what is no secret: names of requests, moments, phases.
    #[must_use]
    pub fn with_names(self, fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Random {
            names: Arc::new(fill),
            ..self
        }
    }

    /// One byte.
    #[must_use]
    pub fn byte(&self) -> u8 {
        let mut one = [0];
        (self.secrets)(&mut one);
        one[0]
    }

    /// Eight bytes as a number; no secret.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut eight = [0; 8];
        (self.names)(&mut eight);
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
        (self.secrets)(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The same for what passes by and is no secret.
    #[must_use]
    pub fn name(&self) -> Uuid {
        let mut bytes = [0; 16];
        (self.names)(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
