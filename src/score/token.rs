//! What was known of a token, and when: its facts by time, the old ones folded into one.

use std::borrow::Cow;

use crate::model::{
    swap::{Address, TokenFact, TokenInfo, token_fields},
    time::Time,
};

/// Facts later than the horizon are kept one by one, up to so many; a file of facts loaded before its swaps is the longest case.
const MAX_LATER: usize = 4096;

/// Names, pictures and the like of one fact; measured from above.
const TEXTS: usize = 384;

/// Folded facts: each field as the latest fact that named it said, with the time of that fact, so that a late one still sorts in.
#[derive(Clone, Debug, Default, PartialEq)]
struct Base {
    info: TokenInfo,
    times: [Option<Time>; TokenInfo::FIELDS],
}

impl Base {
    fn fold(&mut self, info: &TokenInfo, time: Time) {
        let mut times = self.times.iter_mut();
        macro_rules! fold { ($($field:ident),* $(,)?) => { $(
            if let Some(known) = times.next()
                && info.$field.is_some()
                && known.is_none_or(|known| known <= time)
            {
                self.info.$field = info.$field.clone();
                *known = Some(time);
            }
        )* } }
        token_fields!(fold);
    }
}

/// The facts of one token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    base: Option<Box<Base>>,
    /// By time, each once.
    later: Vec<(Time, Box<TokenInfo>)>,
}

/// A price of a token fact: when, and micro-dollars per base unit.
pub type Observation = (Time, f64);

impl Timeline {
    /// Bytes outside of itself, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let base = self.base.as_ref().map_or(0, |_| size_of::<Base>() + TEXTS);
        base + self.later.capacity() * 24 + self.later.len() * (size_of::<TokenInfo>() + TEXTS)
    }

    /// Sorts a fact in. Gives its price if the fact is at or before the horizon, so that it is observed at once.
    pub fn insert(&mut self, fact: &TokenFact, horizon: Time) -> Option<Observation> {
        if fact.time <= horizon {
            self.fold(&fact.info, fact.time);
            return self.price(&fact.info, fact.time);
        }
        let info = Box::new(fact.info.clone());
        match self
            .later
            .binary_search_by_key(&fact.time, |(time, _)| *time)
        {
            Ok(place) => {
                if let Some(known) = self.later.get_mut(place) {
                    known.1 = info;
                }
            }
            Err(place) => self.later.insert(place, (fact.time, info)),
        }
        if self.later.len() > MAX_LATER {
            let (time, info) = self.later.remove(0); // longer than MAX_LATER: there is a first
            self.fold(&info, time);
        }
        None
    }

    /// Folds what the horizon has passed, and gives the prices in it, oldest first.
    pub fn advance(&mut self, horizon: Time) -> Vec<Observation> {
        let passed = self.later.partition_point(|(time, _)| *time <= horizon);
        let passed: Vec<_> = self.later.drain(..passed).collect();
        let mut prices = Vec::new();
        for (time, info) in passed {
            self.fold(&info, time);
            prices.extend(self.price(&info, time));
        }
        prices
    }

    /// All that was known at `time`.
    #[must_use]
    pub fn at(&self, time: Time) -> Cow<'_, TokenInfo> {
        let base = match &self.base {
            Some(base) => Cow::Borrowed(&base.info),
            None => Cow::Owned(TokenInfo::default()),
        };
        (self.later.iter())
            .take_while(|(known, _)| *known <= time)
            .fold(base, |earlier, (_, info)| Cow::Owned(info.or(&earlier)))
    }

    /// Who made the token, as known at `time`.
    #[must_use]
    pub fn deployer(&self, time: Time) -> Option<&Address> {
        let later = (self.later.iter())
            .take_while(|(known, _)| *known <= time)
            .filter_map(|(_, info)| info.deployer.as_ref());
        let base = self
            .base
            .as_ref()
            .and_then(|base| base.info.deployer.as_ref());
        later.last().or(base)
    }

    /// Prices that the horizon has not passed, up to `time`.
    pub fn pending(&self, time: Time) -> impl Iterator<Item = Observation> + '_ {
        (self.later.iter())
            .take_while(move |(known, _)| *known <= time)
            .filter_map(|(known, info)| self.price(info, *known))
    }

    fn fold(&mut self, info: &TokenInfo, time: Time) {
        self.base.get_or_insert_default().fold(info, time);
    }

    fn price(&self, info: &TokenInfo, time: Time) -> Option<Observation> {
        let price = info.price_usd?.as_f64() * 1e6;
        let decimals = match info.decimals {
            Some(decimals) => decimals,
            None => self.at(time).decimals?,
        };
        Some((time, price / 10_f64.powi(i32::from(decimals))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact(time: i64, symbol: Option<&str>, deployer: Option<&str>) -> TokenFact {
        TokenFact {
            mint: "M".into(),
            time: Time(time),
            info: TokenInfo {
                symbol: symbol.map(Into::into),
                deployer: deployer.map(Into::into),
                ..TokenInfo::default()
            },
        }
    }

    #[test]
    fn the_latest_at_or_before_counts_and_gaps_keep_the_earlier() {
        let mut timeline = Timeline::default();
        timeline.insert(&fact(30, Some("C"), None), Time(0));
        timeline.insert(&fact(10, Some("A"), Some("dev")), Time(0));
        timeline.insert(&fact(20, Some("B"), None), Time(0));
        let symbol =
            |timeline: &Timeline, time| timeline.at(Time(time)).symbol.as_deref().map(String::from);
        assert_eq!(symbol(&timeline, 9), None);
        assert_eq!(symbol(&timeline, 10).as_deref(), Some("A"));
        assert_eq!(symbol(&timeline, 29).as_deref(), Some("B"));
        assert_eq!(timeline.deployer(Time(99)).map(|a| &**a), Some("dev"));
        timeline.advance(Time(20));
        timeline.insert(&fact(15, Some("late"), Some("maker")), Time(20));
        assert_eq!(
            symbol(&timeline, 25).as_deref(),
            Some("B"),
            "a late fact does not displace a later one"
        );
        assert_eq!(timeline.deployer(Time(25)).map(|a| &**a), Some("maker"));
        assert_eq!(symbol(&timeline, 30).as_deref(), Some("C"));
    }

    proptest! {
        #[test]
        fn folding_never_shows(facts in proptest::collection::vec((0..40_i64, 0..3_u8), 1..20), horizons in proptest::collection::vec(0..40_i64, 20)) {
            let (mut folded, mut whole) = (Timeline::default(), Timeline::default());
            let mut horizon = -1;
            let mut seen = std::collections::BTreeSet::new();
            for ((time, what), next) in facts.into_iter().zip(horizons) {
                if !seen.insert(time) {
                    continue; // one fact a moment: that is its key
                }
                let name = format!("{time}");
                let fact = fact(time, (what != 1).then_some(&*name), (what != 2).then_some(&*name));
                folded.insert(&fact, Time(horizon));
                whole.insert(&fact, Time(-1));
                horizon = horizon.max(next);
                folded.advance(Time(horizon));
                for now in horizon..42 {
                    prop_assert_eq!(folded.at(Time(now)), whole.at(Time(now)));
                    prop_assert_eq!(folded.deployer(Time(now)), whole.deployer(Time(now)));
                }
            }
        }
    }
}
