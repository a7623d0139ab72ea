//! What a subscriber wants to see of the log, and what its stream calls it.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

use crate::model::{
    rank::Rank,
    signal::{EventName, Facets},
};

/// A lower bound on `rank_score`: finite and not below zero, so that equal bounds hash alike.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct MinScore(f64);

impl MinScore {
    /// Beyond what any engine gives; a bound above it is a slip.
    pub const MAX: f64 = 1_000_000.0;

    /// Takes 0 to [`MinScore::MAX`]; `None` for anything else, not-a-number included.
    #[must_use]
    pub fn new(points: f64) -> Option<Self> {
        // the sum turns -0 into 0: one number, one hash
        (0.0..=Self::MAX)
            .contains(&points)
            .then_some(MinScore(points + 0.0))
    }

    /// In points.
    #[must_use]
    pub fn points(self) -> f64 {
        self.0
    }
}

// sound: `new` lets no NaN in
impl Eq for MinScore {}

impl Hash for MinScore {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A stream's filter; the default lets everything pass. Equal filters hash alike, so that streams can share one verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Any of these `signal_type`s.
    pub types: Option<BTreeSet<String>>,
    /// At least this rank.
    pub min_rank: Option<Rank>,
    /// At least this `rank_score`.
    pub min_score: Option<MinScore>,
    /// This `token.address`.
    pub token: Option<String>,
    /// This `market`.
    pub market: Option<String>,
}

impl Filter {
    /// Whether nothing is held back: the common case, for which a row's facets need not be read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether a row passes. A field that is absent does not pass what asks for it.
    ///
    /// Type, token and market are the row's own. Rank and score of an exit are those that its episode had reached:
    /// any one of `before` that satisfies both lets it pass.
    #[must_use]
    pub fn passes(&self, facets: &Facets) -> bool {
        self.concerns(facets)
            && if facets.is_exit() {
                !self.has_floor() || self.passed_before(facets)
            } else {
                self.reaches(facets.rank, facets.score)
            }
    }

    /// What a stream with this filter calls a row; `None` where it does not get it.
    ///
    /// The first row of an episode that passes is a `signal`, later ones are updates. The row alone decides it, from
    /// what its episode had reached before, so the answer is the same on every node and after every reconnect.
    #[must_use]
    pub fn event_name(&self, facets: &Facets) -> Option<EventName> {
        if !self.passes(facets) {
            None
        } else if facets.is_exit() {
            Some(EventName::SignalExit)
        } else if self.passed_before(facets) {
            Some(EventName::SignalUpdate)
        } else {
            Some(EventName::Signal)
        }
    }

    fn concerns(&self, facets: &Facets) -> bool {
        let among = |types: &BTreeSet<String>| {
            facets
                .signal_type
                .as_ref()
                .is_some_and(|own| types.contains(own))
        };
        self.types.as_ref().is_none_or(among)
            && (self.token.is_none() || self.token == facets.token)
            && (self.market.is_none() || self.market == facets.market)
    }

    fn has_floor(&self) -> bool {
        self.min_rank.is_some() || self.min_score.is_some()
    }

    fn reaches(&self, rank: Option<Rank>, score: Option<f64>) -> bool {
        self.min_rank
            .is_none_or(|floor| rank.is_some_and(|rank| rank >= floor))
            && self
                .min_score
                .is_none_or(|floor| score.is_some_and(|score| score >= floor.0))
    }

    fn passed_before(&self, facets: &Facets) -> bool {
        facets
            .before
            .iter()
            .any(|&(rank, score)| self.reaches(Some(rank), Some(score)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn filter(min_rank: Option<Rank>, min_score: Option<f64>) -> Filter {
        Filter {
            min_rank,
            min_score: min_score.map(|points| MinScore::new(points).unwrap()),
            ..Filter::default()
        }
    }

    fn buy(rank: Rank, score: f64, before: &[(Rank, f64)]) -> Facets {
        Facets {
            signal_type: Some("consensus_buy".into()),
            rank: Some(rank),
            score: Some(score),
            token: Some("M".into()),
            market: Some("crypto".into()),
            before: before.to_vec(),
        }
    }

    fn exit(before: &[(Rank, f64)]) -> Facets {
        Facets {
            signal_type: Some("consensus_exit".into()),
            rank: None,
            score: None,
            ..buy(Rank::D, 0.0, before)
        }
    }

    #[test]
    fn what_a_stream_calls_a_row() {
        use EventName::{Signal, SignalExit, SignalUpdate};
        use Rank::{A, B, C, S};
        let open = || filter(None, None);
        let cases = [
            ("open, first row", open(), buy(B, 61.0, &[]), Some(Signal)),
            (
                "open, later row",
                open(),
                buy(A, 76.0, &[(B, 61.0)]),
                Some(SignalUpdate),
            ),
            ("open, exit", open(), exit(&[(B, 61.0)]), Some(SignalExit)),
            (
                "open, an exit that tells nothing of before",
                open(),
                exit(&[]),
                Some(SignalExit),
            ),
            (
                "min_rank=S, the episode is not there yet",
                filter(Some(S), None),
                buy(A, 80.0, &[(B, 61.0)]),
                None,
            ),
            (
                "min_rank=S, the episode gets there: this stream's first",
                filter(Some(S), None),
                buy(S, 91.0, &[(A, 80.0)]),
                Some(Signal),
            ),
            (
                "min_rank=S, once more",
                filter(Some(S), None),
                buy(S, 93.0, &[(S, 91.0)]),
                Some(SignalUpdate),
            ),
            (
                "min_score=80, rank A at 76 was below it",
                filter(None, Some(80.0)),
                buy(A, 82.0, &[(A, 76.0)]),
                Some(Signal),
            ),
            (
                "min_score=80, a lower rank had more points (rug risk caps ranks)",
                filter(None, Some(80.0)),
                buy(A, 82.0, &[(A, 76.0), (B, 88.0)]),
                Some(SignalUpdate),
            ),
            (
                "both floors: no single earlier row met both",
                filter(Some(A), Some(80.0)),
                buy(A, 82.0, &[(A, 76.0), (B, 88.0)]),
                Some(Signal),
            ),
            (
                "both floors: one did",
                filter(Some(A), Some(80.0)),
                buy(S, 92.0, &[(A, 81.0), (B, 88.0)]),
                Some(SignalUpdate),
            ),
            (
                "the episode passed once, this row does not",
                filter(Some(A), None),
                buy(B, 88.0, &[(A, 76.0)]),
                None,
            ),
            (
                "exit of an episode that never passed",
                filter(Some(A), Some(80.0)),
                exit(&[(A, 76.0), (B, 88.0)]),
                None,
            ),
            (
                "exit of one that did",
                filter(Some(A), Some(70.0)),
                exit(&[(A, 76.0), (B, 88.0)]),
                Some(SignalExit),
            ),
            (
                "an exit's own rank counts for nothing",
                filter(Some(C), None),
                Facets {
                    rank: Some(S),
                    score: Some(99.0),
                    ..exit(&[])
                },
                None,
            ),
        ];
        for (what, filter, facets, expected) in cases {
            assert_eq!(filter.event_name(&facets), expected, "{what}");
            assert_eq!(filter.passes(&facets), expected.is_some(), "{what}");
        }
    }

    #[test]
    fn what_is_absent_does_not_pass() {
        let none = Facets::default();
        assert!(Filter::default().passes(&none) && Filter::default().is_open());
        let asking = [
            Filter {
                types: Some(["consensus_buy".to_owned()].into()),
                ..Filter::default()
            },
            filter(Some(Rank::D), None),
            filter(None, Some(0.0)),
            Filter {
                token: Some("M".into()),
                ..Filter::default()
            },
            Filter {
                market: Some("crypto".into()),
                ..Filter::default()
            },
        ];
        for filter in asking {
            assert!(!filter.passes(&none), "{filter:?}");
            assert!(filter.passes(&buy(Rank::D, 0.0, &[])), "{filter:?}");
            assert!(!filter.is_open());
        }
    }

    #[test]
    fn type_token_and_market_are_the_rows_own() {
        let buys_only = Filter {
            types: Some(["consensus_buy".to_owned(), "insider_buy".to_owned()].into()),
            ..Filter::default()
        };
        assert!(buys_only.passes(&buy(Rank::B, 61.0, &[])));
        assert!(!buys_only.passes(&exit(&[(Rank::S, 95.0)])));
        let other = Filter {
            token: Some("N".into()),
            ..Filter::default()
        };
        assert!(!other.passes(&exit(&[(Rank::S, 95.0)])));
    }

    #[test]
    fn equal_filters_are_shared() {
        let zero = filter(None, Some(0.0));
        let minus_zero = filter(None, Some(-0.0));
        assert_eq!(HashSet::from([zero, minus_zero]).len(), 1);
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1e7] {
            assert_eq!(MinScore::new(bad), None, "{bad}");
        }
    }

    fn rank() -> impl Strategy<Value = Rank> {
        prop::sample::select(vec![Rank::S, Rank::A, Rank::B, Rank::C, Rank::D])
    }

    proptest! {
        /// Walks an episode as an engine writes it: whatever the filter, a stream gets one `signal`, and gets it first.
        #[test]
        fn one_signal_an_episode(
            rows in prop::collection::vec((rank(), 0.0..100.0f64), 1..12),
            min_rank in prop::option::of(rank()),
            min_score in prop::option::of(0.0..100.0f64),
        ) {
            let filter = filter(min_rank, min_score);
            let names: Vec<_> = (0..rows.len())
                .filter_map(|n| filter.event_name(&buy(rows[n].0, rows[n].1, &rows[..n])))
                .collect();
            for (n, name) in names.iter().enumerate() {
                let expected = if n == 0 { EventName::Signal } else { EventName::SignalUpdate };
                prop_assert_eq!(*name, expected);
            }
            let exit = filter.event_name(&exit(&rows));
            prop_assert_eq!(exit.is_some(), !names.is_empty());
        }
    }
}
