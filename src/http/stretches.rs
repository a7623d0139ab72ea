//! What was computed of stretches of the log: their digests so far, in bounded memory, and whose turn it is to compute more.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use crate::{gate::filter::Filter, model::digest::Rolling};

/// Who computes at the same time; all others wait in line.
const AT_ONCE: usize = 2;
/// A state is kept behind each row whose seq this divides: a million rows are sixty of them.
pub const GRID: i64 = 16_384;
/// Beginnings of stretches that are known.
const MOST_LINES: usize = 256;
/// States that are kept for all of them, of less than a hundred bytes each.
const MOST_STATES: usize = 8_192;

/// How far a digest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct So {
    /// The last row that was looked at.
    pub to: i64,
    /// Of how many signals it is.
    pub count: u64,
    /// The digest.
    pub digest: Rolling,
}

/// What stretches have in common that one can go on from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Beginning {
    /// Which log.
    pub epoch: Arc<str>,
    /// The first row.
    pub from: i64,
    /// What passes.
    pub filter: Filter,
}

/// States of stretches that begin alike.
#[derive(Debug, Default)]
struct Line {
    grid: BTreeMap<i64, So>,
    /// The end of the latest one: who asks again asks for a little more.
    last: Option<So>,
    /// Greater than of those that were asked for before it.
    used: u64,
}

impl Line {
    fn weight(&self) -> usize {
        self.grid.len() + usize::from(self.last.is_some())
    }
}

#[derive(Debug, Default)]
struct Lines {
    by_beginning: HashMap<Beginning, Line>,
    states: usize,
    uses: u64,
}

/// What is known, and whose turn it is.
#[derive(Debug)]
pub struct Stretches {
    /// Taken for a while and given back, so that a long stretch holds up no short one.
    pub turns: Semaphore,
    lines: Mutex<Lines>,
}

impl Default for Stretches {
    fn default() -> Self {
        Stretches {
            turns: Semaphore::new(AT_ONCE),
            lines: Mutex::default(),
        }
    }
}

impl Stretches {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest stretch with this beginning that is known and ends at `to` or before.
    #[must_use]
    pub fn known(&self, beginning: &Beginning, to: i64) -> Option<So> {
        let lines = &mut *self.lock();
        let line = lines.by_beginning.get_mut(beginning)?;
        lines.uses += 1;
        line.used = lines.uses;
        let on_grid = line.grid.range(..=to).next_back().map(|(_, so)| *so);
        let last = line.last.filter(|so| so.to <= to);
        on_grid.into_iter().chain(last).max_by_key(|so| so.to)
    }

    /// Keeps how far one is. What was asked for least lately is let go for it.
    pub fn keep(&self, beginning: &Beginning, so: So) {
        let lines = &mut *self.lock();
        lines.uses += 1;
        let line = match lines.by_beginning.get_mut(beginning) {
            Some(line) => line,
            None => lines.by_beginning.entry(beginning.clone()).or_default(),
        };
        line.used = lines.uses;
        let before = line.weight();
        if so.to % GRID == 0 {
            line.grid.insert(so.to, so);
        } else if line.last.is_none_or(|last| last.to <= so.to) {
            line.last = Some(so);
        }
        lines.states += line.weight() - before;
        while lines.by_beginning.len() > MOST_LINES || lines.states > MOST_STATES {
            let least = lines.by_beginning.iter().min_by_key(|(_, line)| line.used);
            let Some(beginning) = least.map(|(beginning, _)| beginning.clone()) else {
                break;
            };
            let gone = lines.by_beginning.remove(&beginning);
            lines.states -= gone.map_or(0, |line| line.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(from: i64) -> Beginning {
        Beginning {
            epoch: "1f3c9a2e".into(),
            from,
            filter: Filter::default(),
        }
    }

    fn so(to: i64) -> So {
        So {
            to,
            count: to as u64,
            digest: Rolling::default().and(&to.to_le_bytes()),
        }
    }

    #[test]
    fn goes_on_from_the_longest_that_fits() {
        let known = Stretches::default();
        let one = beginning(1);
        assert_eq!(known.known(&one, i64::MAX), None);
        for to in [GRID, 2 * GRID, 2 * GRID + 5, 2 * GRID + 3] {
            known.keep(&one, so(to));
        }
        for (to, found) in [
            (GRID - 1, None),
            (GRID, Some(GRID)),
            (2 * GRID + 4, Some(2 * GRID)),
            (2 * GRID + 5, Some(2 * GRID + 5)),
            (9 * GRID, Some(2 * GRID + 5)),
        ] {
            assert_eq!(known.known(&one, to), found.map(so), "{to}");
        }
        assert_eq!(known.known(&beginning(2), 9 * GRID), None);
        let elsewhere = Beginning {
            epoch: "0000aaaa".into(),
            ..beginning(1)
        };
        assert_eq!(known.known(&elsewhere, 9 * GRID), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let known = Stretches::default();
        known.keep(&beginning(0), so(7));
        for from in 1..=3 * MOST_LINES as i64 {
            known.keep(&beginning(from), so(from));
            // asked for all the time: it stays
            assert_eq!(known.known(&beginning(0), 7), Some(so(7)));
        }
        assert_eq!(known.lock().by_beginning.len(), MOST_LINES);
        for to in 1..=3 * MOST_STATES as i64 {
            known.keep(&beginning(to % 3), so(to * GRID));
        }
        let lines = known.lock();
        let counted: usize = lines.by_beginning.values().map(Line::weight).sum();
        assert!(counted == lines.states && counted <= MOST_STATES);
    }
}
