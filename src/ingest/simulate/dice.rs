//! The simulator's randomness: SplitMix64, and addresses and signatures that look like Solana's.

use std::sync::Arc;

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same on every platform.
#[derive(Clone, Debug)]
pub struct Dice(u64);

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

impl Dice {
    /// A stream of its own for each seed and purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Dice(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.bits();
        dice
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list; `None` only where it is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len() as u64) as usize)
    }

    /// Puts a list in random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            let other = self.below(at as u64 + 1) as usize;
            list.swap(at, other);
        }
    }

    /// An address: 44 letters of base 58.
    pub fn address(&mut self) -> Arc<str> {
        self.letters::<44>()
    }

    /// A signature: 88 letters of base 58.
    pub fn signature(&mut self) -> Arc<str> {
        self.letters::<88>()
    }

    fn letters<const N: usize>(&mut self) -> Arc<str> {
        let mut letters = [0_u8; N];
        for chunk in letters.chunks_mut(10) {
            // ten letters take 58.6 of the 64 bits
            let mut bits = self.bits();
            for letter in chunk {
                *letter = BASE58[(bits % 58) as usize];
                bits /= 58;
            }
        }
        // base 58 is ASCII, so this never takes the second way
        Arc::from(std::str::from_utf8(&letters).unwrap_or_default())
    }
}
