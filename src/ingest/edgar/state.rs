//! What a follower must remember to go on where it stopped.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::model::time::Time;

/// Numbers that are remembered; EDGAR takes in some 3,000 of these forms on a busy day.
const MAX_DONE: usize = 200_000;
/// Days before the first open one whose numbers are kept: on Monday the feed still shows Friday.
const KEPT_DAYS: i64 = 5;

/// Where a follower stands. Kept as JSON, a few hundred kilobytes at most on usual days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The feed has been read up to this moment of acceptance.
    #[serde(default)]
    pub mark: Option<Time>,
    /// The first day whose index has not been gone through. All before it are complete.
    pub open_day: Date,
    /// Filings that are done with, and the day on which they were seen.
    #[serde(default)]
    pub done: BTreeMap<String, Date>,
}

impl State {
    /// Nothing is known yet; `first_day` is the first that is of interest.
    #[must_use]
    pub fn new(first_day: Date) -> Self {
        State {
            mark: None,
            open_day: first_day,
            done: BTreeMap::new(),
        }
    }

    /// A filing is done with.
    pub fn finish(&mut self, accession: String, day: Date) {
        self.done.insert(accession, day);
        if self.done.len() > MAX_DONE {
            self.forget(1);
        }
    }

    /// The index of `day` has been gone through.
    pub fn close(&mut self, day: Date) {
        if day >= self.open_day {
            self.open_day = day.tomorrow().unwrap_or(day);
            self.forget(KEPT_DAYS);
        }
    }

    /// Lets go of numbers from more than `days` before the open day; of the oldest, if there are still too many.
    fn forget(&mut self, days: i64) {
        let from = self.open_day.saturating_sub(jiff::Span::new().days(days));
        self.done.retain(|_, day| *day >= from);
        while self.done.len() > MAX_DONE {
            let Some(oldest) = self.done.values().min().copied() else {
                return;
            };
            self.done.retain(|_, day| *day > oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn it_goes_through_json() {
        let mut state = State::new(date(2026, 8, 21));
        state.mark = Some(Time(1_787_000_000_000_000));
        state.finish("0001193125-26-361476".into(), date(2026, 8, 21));
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        let bare: State = serde_json::from_str(r#"{"open_day":"2026-08-21"}"#).unwrap();
        assert_eq!(bare, State::new(date(2026, 8, 21)));
    }

    #[test]
    fn old_numbers_are_let_go() {
        let mut state = State::new(date(2026, 8, 21));
        for day in 10..=21 {
            state.finish(format!("{day}"), date(2026, 8, day));
        }
        state.close(date(2026, 8, 21));
        assert_eq!(state.open_day, date(2026, 8, 22));
        let kept: Vec<_> = state.done.keys().cloned().collect();
        assert_eq!(kept, ["17", "18", "19", "20", "21"]);
        state.close(date(2026, 8, 1));
        assert_eq!(state.open_day, date(2026, 8, 22), "never backwards");
    }

    #[test]
    fn memory_is_bounded() {
        let mut state = State::new(date(2026, 8, 21));
        for n in 0..MAX_DONE + 10 {
            state
                .done
                .insert(format!("{n}"), date(2026, 8, 21 + i8::from(n % 2 == 0)));
        }
        state.finish("last".into(), date(2026, 8, 22));
        assert!(state.done.len() <= MAX_DONE);
        assert!(state.done.contains_key("last"));
    }
}
