//! Which kind of signal did well so far: market, direction, band and cluster, each with the record that was known before a filing's
//! publication. What does well by one regulator's filings and one index may not by another's, so no market speaks for another.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::model::{money::Exact, rank::Tenths, time::Time};

use super::{
    audit::Band,
    backtest::{self, wilson, winsorised},
    exact,
    record::Direction,
};

/// A kind of signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Bought or sold.
    pub direction: Direction,
    /// The word for its score.
    pub band: Band,
    /// Whether it was part of a cluster.
    pub is_cluster: bool,
}

impl Kind {
    /// Of a score; `None` where it is no signal.
    #[must_use]
    pub fn of(direction: Direction, score: Tenths, is_cluster: bool) -> Option<Self> {
        let band = Band::of(score)?;
        Some(Kind {
            direction,
            band,
            is_cluster,
        })
    }
}

/// What became of one signal after 90 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Code of its market.
    pub market: String,
    /// Of what kind it was.
    pub kind: Kind,
    /// The first moment at which anyone could know it.
    pub known_at: Time,
    /// Excess over the benchmark, as a fraction.
    pub excess: Decimal,
}

/// What was known of a kind at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// How many outcomes.
    pub n: u64,
    /// How many won.
    pub wins: u64,
    /// wins / n, four decimals.
    pub win_rate: Exact,
    /// Wilson's 95 % interval of the win rate, four decimals.
    pub win_rate_low: Exact,
    /// Its upper end.
    pub win_rate_high: Exact,
    /// Mean of the returns held to ±50 %, six decimals.
    pub winsorised_mean: Exact,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    n: usize,
    wins: usize,
    winsorised: Decimal,
}

/// All that is known of all kinds of each market, by moment.
#[derive(Clone, Debug, Default)]
pub struct Tracks(HashMap<String, HashMap<Kind, Vec<(Time, Sum)>>>);

impl Tracks {
    /// From outcomes in any order.
    #[must_use]
    pub fn new(mut outcomes: Vec<Outcome>) -> Self {
        outcomes.sort_by_key(|outcome| outcome.known_at);
        let mut tracks: HashMap<String, HashMap<Kind, Vec<(Time, Sum)>>> = HashMap::new();
        for outcome in outcomes {
            let kinds = tracks.entry(outcome.market).or_default();
            let track = kinds.entry(outcome.kind).or_default();
            let mut sum = track.last().map(|(_, sum)| *sum).unwrap_or_default();
            let won = backtest::wins(outcome.kind.direction, outcome.excess);
            sum.n += 1;
            sum.wins += usize::from(won);
            // proof: as many halves as fit in memory stay far below what a decimal holds
            sum.winsorised += winsorised(outcome.excess);
            track.push((outcome.known_at, sum));
        }
        Tracks(tracks)
    }

    /// What could be known of a market's kind before a moment; `None` where that was nothing.
    #[must_use]
    pub fn before(&self, market: &str, kind: Kind, at: Time) -> Option<Standing> {
        let track = self.0.get(market)?.get(&kind)?;
        let known = track.partition_point(|(known_at, _)| *known_at < at);
        let (_, sum) = track.get(known.checked_sub(1)?)?;
        let n = Decimal::from(sum.n);
        let [low, high] = wilson(sum.wins, sum.n)?;
        let rate = exact::divide(Decimal::from(sum.wins), n)?;
        let mean = exact::divide(sum.winsorised, n)?;
        Some(Standing {
            n: sum.n as u64,
            wins: sum.wins as u64,
            win_rate: Exact(exact::round(rate, backtest::RATE_DECIMALS)),
            win_rate_low: Exact(low),
            win_rate_high: Exact(high),
            winsorised_mean: Exact(exact::round(mean, exact::RETURN_DECIMALS)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(direction: Direction) -> Kind {
        Kind::of(direction, Tenths(512), false).unwrap()
    }

    fn outcome(direction: Direction, at: i64, excess: i64) -> Outcome {
        Outcome {
            market: "us".into(),
            kind: kind(direction),
            known_at: Time(at),
            excess: Decimal::new(excess, 2),
        }
    }

    #[test]
    fn only_what_was_known_before_counts() {
        let tracks = Tracks::new(vec![
            outcome(Direction::Buy, 30, -10),
            outcome(Direction::Buy, 10, 900),
            outcome(Direction::Buy, 20, 5),
            outcome(Direction::Sell, 10, -5),
        ]);
        let buy = kind(Direction::Buy);
        assert_eq!(
            tracks.before("us", buy, Time(10)),
            None,
            "known at that moment, not before it"
        );
        let first = tracks.before("us", buy, Time(11)).unwrap();
        assert_eq!((first.n, first.wins), (1, 1));
        assert_eq!(
            first.winsorised_mean.0,
            Decimal::new(5, 1),
            "held to a half"
        );
        let all = tracks.before("us", buy, Time(31)).unwrap();
        assert_eq!((all.n, all.wins), (3, 2));
        assert_eq!(all.win_rate.0, Decimal::new(6667, 4));
        assert!(all.win_rate_low < all.win_rate && all.win_rate < all.win_rate_high);
        let sold = tracks
            .before("us", kind(Direction::Sell), Time(99))
            .unwrap();
        assert_eq!(sold.wins, 1, "a sale wins when the share did worse");
        let strong = Kind::of(Direction::Buy, Tenths(700), false).unwrap();
        assert_eq!(tracks.before("us", strong, Time(99)), None);
        assert_eq!(tracks.before("uk", buy, Time(99)), None, "another market");
        assert_eq!(Kind::of(Direction::Buy, Tenths(399), true), None);
    }

    proptest! {
        #[test]
        fn a_standing_is_the_summary_of_what_was_known(
            all in prop::collection::vec((0..50_i64, -200..200_i64), 0..40), at in 0..60_i64,
        ) {
            let outcomes = all.iter().map(|(known, excess)| outcome(Direction::Buy, *known, *excess));
            let standing = Tracks::new(outcomes.collect()).before("us", kind(Direction::Buy), Time(at));
            let known = all.iter().filter(|(known, _)| *known < at);
            let mut millionths: Vec<i64> = known.map(|(_, excess)| excess * 10_000).collect();
            let summary = backtest::summary(Direction::Buy, &mut millionths);
            prop_assert_eq!(standing.map(|one| (one.n, one.wins, one.win_rate, one.win_rate_low, one.winsorised_mean)),
                summary.map(|one| (one.n, one.wins, one.win_rate, one.win_rate_low, one.winsorised_mean)));
        }
    }
}
