//! Excesses of all backtests in memory, for one version of the data: summaries by other and other filters without a look at the database.

use std::sync::Arc;

use crate::{
    score::insider::record::Direction,
    store::returns::{BacktestFilter, Excesses, read_direction},
};

/// One declaration's.
#[derive(Clone, Copy, Debug)]
struct Row {
    published_at: i64,
    /// By horizon, in millionths.
    excess: [Option<i64>; 7],
    score: Option<i64>,
    market: u16,
    direction: Direction,
}

/// All of them.
#[derive(Debug)]
pub struct Kept {
    rows: Vec<Row>,
    markets: Vec<String>,
}

/// What is known of how often summaries are asked for while the data stays as it is. To read all costs more than to read what one filter passes:
/// it is worth it from the second question on.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// One was made.
    Once,
    /// All are at hand.
    Again(Arc<Kept>),
}

/// Excesses in millionths, by direction and horizon.
pub type Lists = [[Vec<i64>; 7]; 2];

/// The place of a direction in [`Lists`].
#[must_use]
pub fn place(direction: Direction) -> usize {
    usize::from(direction == Direction::Sell)
}

/// Gathers by direction and horizon.
#[must_use]
pub fn gathered(all: impl Iterator<Item = (Direction, [Option<i64>; 7])>) -> Lists {
    let mut lists = Lists::default();
    for (direction, excesses) in all {
        for (list, excess) in lists[place(direction)].iter_mut().zip(excesses) {
            list.extend(excess);
        }
    }
    lists
}

impl Kept {
    /// Of all backtests.
    #[must_use]
    pub fn new(all: &[Excesses]) -> Self {
        let mut markets: Vec<String> = Vec::new();
        let mut rows = Vec::with_capacity(all.len());
        for one in all {
            let Some(direction) = read_direction(&one.direction) else {
                continue;
            };
            let known = markets.iter().position(|market| *market == one.market);
            let market = known.unwrap_or_else(|| {
                markets.push(one.market.clone());
                markets.len() - 1
            });
            rows.push(Row {
                published_at: one.published_at,
                excess: one.by_horizon(),
                score: one.score,
                // proof: markets are rows of a table that an operator writes
                market: u16::try_from(market).unwrap_or(u16::MAX),
                direction,
            });
        }
        Kept { rows, markets }
    }

    /// What a filter passes.
    #[must_use]
    pub fn gathered(&self, filter: &BacktestFilter) -> Lists {
        let direction = filter.direction.as_deref().map(read_direction);
        let market = filter.market.as_ref().map(|code| {
            let place = self.markets.iter().position(|market| market == code);
            place.and_then(|place| u16::try_from(place).ok())
        });
        let passes = |row: &&Row| {
            direction.is_none_or(|direction| direction == Some(row.direction))
                && market.is_none_or(|market| market == Some(row.market))
                && (filter.min_score)
                    .is_none_or(|least| row.score.is_some_and(|score| score >= least))
                && filter.from.is_none_or(|from| row.published_at >= from.0)
                && filter
                    .before
                    .is_none_or(|before| row.published_at < before.0)
        };
        let passed = self.rows.iter().filter(passes);
        gathered(passed.map(|row| (row.direction, row.excess)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    fn one(direction: &str, market: &str, published_at: i64, score: Option<i64>) -> Excesses {
        Excesses {
            direction: direction.into(),
            market: market.into(),
            published_at,
            score,
            excess_30: Some(published_at),
            excess_60: None,
            excess_90: None,
            excess_160: None,
            excess_180: None,
            excess_365: None,
            excess_730: Some(-published_at),
        }
    }

    #[test]
    fn filters_pass_what_the_database_would() {
        let kept = Kept::new(&[
            one("BUY", "us", 10, Some(400)),
            one("SELL", "us", 20, Some(500)),
            one("BUY", "fr", 30, None),
        ]);
        let found = |filter: BacktestFilter| {
            let lists = kept.gathered(&filter);
            assert!(lists[0][1].is_empty());
            [lists[0][0].clone(), lists[1][0].clone()]
        };
        let all = BacktestFilter::default;
        assert_eq!(found(all()), [vec![10, 30], vec![20]]);
        assert_eq!(kept.gathered(&all())[0][6], [-10, -30]);
        let of = |direction: &str| Some(direction.to_owned());
        assert_eq!(
            found(BacktestFilter {
                direction: of("SELL"),
                ..all()
            }),
            [vec![], vec![20]]
        );
        assert_eq!(
            found(BacktestFilter {
                market: of("fr"),
                ..all()
            }),
            [vec![30], vec![]]
        );
        assert_eq!(
            found(BacktestFilter {
                market: of("de"),
                ..all()
            }),
            [vec![], vec![]]
        );
        assert_eq!(
            found(BacktestFilter {
                min_score: Some(400),
                ..all()
            }),
            [vec![10], vec![20]]
        );
        let period = |from, before| BacktestFilter {
            from: Some(Time(from)),
            before: Some(Time(before)),
            ..all()
        };
        assert_eq!(found(period(10, 30)), [vec![10], vec![20]]);
    }
}
