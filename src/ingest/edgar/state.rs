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
    /// The first day that is of interest.
    pub since: Date,
    /// The feed has been read up to this moment of acceptance.
    #[serde(default)]
    pub mark: Option<Time>,
    /// The first day whose index has not been gone through. All from `since` on and before it are complete.
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
            since: first_day,
            mark: None,
            open_day: first_day,
            done: BTreeMap::new(),
        }
    }

    /// Goes back to a day, if it is an earlier one.
    pub fn go_back(&mut self, day: Date) {
        self.since = day.min(self.since);
        self.open_day = day.min(self.open_day);
    }

    /// The days of which nothing is missing: the first and the last of them.
    #[must_use]
    pub fn complete(&self) -> Option<(Date, Date)> {
        let last = self.open_day.yesterday().ok()?;
        (last >= self.since).then_some((self.since, last))
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
        let bare = r#"{"since":"2026-08-21","open_day":"2026-08-21"}"#;
        let bare: State = serde_json::from_str(bare).unwrap();
        assert_eq!(bare, State::new(date(2026, 8, 21)));
    }

    #[test]
    fn days_are_complete_from_the_first_that_is_of_interest() {
        let mut state = State::new(date(2026, 8, 20));
        assert_eq!(
            state.complete(),
            None,
            "of what was before, nothing is known"
        );
        state.close(date(2026, 8, 20));
        state.close(date(2026, 8, 21));
        let complete = Some((date(2026, 8, 20), date(2026, 8, 21)));
        assert_eq!(state.complete(), complete);
        state.go_back(date(2026, 8, 22));
        assert_eq!(state.complete(), complete, "no further than it is");
        state.go_back(date(2026, 8, 17));
        assert_eq!(
            (state.complete(), state.open_day),
            (None, date(2026, 8, 17))
        );
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
