//! What is known here of who calls without a key: when each of them called. So whoever may call no more is refused without the database.
//!
//! Calls are only ever added, and go by time alone: what is known too little of is asked for, and what is known stays true.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{gate::sandbox::Fingerprint, model::time::Time};

/// Parts with a lock each, so that requests on different cores seldom meet.
const PARTS: usize = 16;

/// Calls by fingerprint; what was looked at lately stays, in a bounded number.
#[derive(Debug)]
pub struct Seen {
    parts: Vec<Mutex<Part>>,
    /// Of either half of a part.
    most: usize,
}

/// Two halves: where the young one is full it takes the place of the old one, which is let go.
#[derive(Debug, Default)]
struct Part {
    young: HashMap<Fingerprint, Arc<[Time]>>,
    old: HashMap<Fingerprint, Arc<[Time]>>,
}

impl Part {
    fn put(&mut self, whose: Fingerprint, calls: Arc<[Time]>, most: usize) {
        if self.young.len() >= most && !self.young.contains_key(&whose) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(whose, calls);
    }
}

impl Seen {
    /// Nobody yet; so many at most.
    #[must_use]
    pub fn holding(most: usize) -> Self {
        Seen {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            most: (most / PARTS / 2).max(1),
        }
    }

    fn part(&self, whose: &Fingerprint) -> MutexGuard<'_, Part> {
        // proof: a remainder is within; any byte will do, as all of them are a digest's
        let part = &self.parts[usize::from(whose.0[0]) % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that are known of a fingerprint, in order.
    #[must_use]
    pub fn get(&self, whose: &Fingerprint) -> Option<Arc<[Time]>> {
        let mut part = self.part(whose);
        if let Some(calls) = part.young.get(whose) {
            return Some(calls.clone());
        }
        let calls = part.old.remove(whose)?;
        part.put(*whose, calls.clone(), self.most);
        Some(calls)
    }

    /// Notes the calls of a fingerprint.
    pub fn put(&self, whose: Fingerprint, calls: Arc<[Time]>) {
        self.part(&whose).put(whose, calls, self.most);
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts
            .map(|part| {
                let part = part.lock().unwrap_or_else(PoisonError::into_inner);
                part.young.len() + part.old.len()
            })
            .sum()
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(n: u32) -> Fingerprint {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        Fingerprint(bytes)
    }

    #[test]
    fn who_asked_lately_is_known_and_their_number_is_bounded() {
        let seen = Seen::holding(3_200);
        let calls: Arc<[Time]> = Arc::from([Time(7)]);
        assert!(seen.is_empty());
        for n in 0..100_000 {
            seen.put(print(n), calls.clone());
            assert_eq!(seen.get(&print(n)).as_deref(), Some(&[Time(7)][..]));
            assert!(seen.get(&print(0)).is_some(), "{n}: it asks all the time");
        }
        assert!((1_600..=3_200).contains(&seen.len()), "{}", seen.len());
        assert!(seen.get(&print(50_000)).is_none());
    }
}
