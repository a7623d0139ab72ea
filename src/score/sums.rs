//! Finding an address in a short list by a sum of its bytes: hundreds are looked through in the time of one look into a hash map,
//! and in a fraction of its memory.

/// Sums that are compared at a time.
const LANES: usize = 16;

/// The sums of a list of addresses, at the same places. Addresses with the same sum cost time, never a wrong result.
#[derive(Clone, Debug, Default)]
pub struct Sums(Vec<u32>);

impl Sums {
    /// The first place with this sum that `is_it` says is the one.
    pub fn find(&self, wanted: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        for (some, from) in self.0.chunks(LANES).zip((0..).step_by(LANES)) {
            // no early end within: so that the processor compares them side by side
            if some.iter().fold(false, |any, sum| any | (*sum == wanted)) {
                let mut places = (from..).zip(some).filter(|(_, sum)| **sum == wanted);
                if let Some((place, _)) = places.find(|(place, _)| is_it(*place)) {
                    return Some(place);
                }
            }
        }
        None
    }

    /// Adds a sum at the end.
    pub fn push(&mut self, sum: u32) {
        self.0.push(sum);
    }

    /// Puts another sum at a place that there is.
    pub fn set(&mut self, place: usize, sum: u32) {
        if let Some(known) = self.0.get_mut(place) {
            *known = sum;
        }
    }

    /// Removes the sum at a place; the last one takes it.
    pub fn swap_remove(&mut self, place: usize) {
        if place < self.0.len() {
            self.0.swap_remove(place);
        }
    }

    /// Makes room for exactly so many more.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }
}

/// The sum of an address.
#[must_use]
pub fn sum(address: &str) -> u32 {
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = address.as_bytes().as_chunks::<8>();
    let sum = (words.iter()).fold(0, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = (rest.iter()).fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    (sum >> 32) as u32 // the upper half has seen all bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_and_the_same_sum_is_no_match() {
        let names: Vec<String> = (0..100).map(|n| format!("{n:0>44}")).collect();
        let mut sums = Sums::default();
        for name in &names {
            sums.push(sum(name));
        }
        sums.push(sum(&names[3]));
        for (place, name) in names.iter().enumerate() {
            assert_eq!(
                sums.find(sum(name), |found| names[found] == *name),
                Some(place)
            );
        }
        assert_eq!(sums.find(sum(&names[3]), |found| found > 3), Some(100));
        sums.swap_remove(3);
        assert_eq!(
            sums.find(sum(&names[3]), |_| true),
            Some(3),
            "the last one came here"
        );
        sums.set(3, sum(&names[7]));
        assert_eq!(sums.find(sum(&names[3]), |_| true), None);
    }
}
