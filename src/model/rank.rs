//! Ranks S to D, and scores in tenths, as every engine writes them.

use std::fmt;

/// How good: S is best. Ordered so that a better rank is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Worst.
    D,
    /// Admits a wallet to the pool.
    C,
    /// Fair.
    B,
    /// Good.
    A,
    /// Best.
    S,
}

impl Rank {
    /// Reads one capital letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "S" => Rank::S,
            "A" => Rank::A,
            "B" => Rank::B,
            "C" => Rank::C,
            "D" => Rank::D,
            _ => return None,
        })
    }

    /// The letter.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Rank::S => "S",
            Rank::A => "A",
            Rank::B => "B",
            Rank::C => "C",
            Rank::D => "D",
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

impl serde::Serialize for Rank {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.letter())
    }
}

/// A score in tenths of a point: `Tenths(941)` is 94.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenths(pub i64);

impl Tenths {
    /// Rounds half-up to a tenth. The sliver makes decimal halves that binary cannot hold (2.25) round as on paper.
    #[must_use]
    pub fn round(points: f64) -> Self {
        Tenths((points * 10.0 + 0.5 + 1e-9).floor() as i64)
    }

    /// As points.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 10.0
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.as_f64())
    }
}

impl serde::Serialize for Tenths {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.as_f64())
    }
}
