//! Excesses of all backtests in memory: summaries by other and other filters without a look at the database for more than what changed.

use std::{collections::HashMap, sync::Arc};

use super::error::{ApiError, ApiResult};
use crate::{
    model::time::Time,
    score::insider::record::Direction,
    store::{
        db::Db,
        returns::{Excesses, read_direction},
    },
};

/// Where more companies than this changed, all are read again: at once costs less than one by one.
const MOST_ONE_BY_ONE: usize = 200;

/// Which backtests are summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BacktestFilter {
    /// Bought or sold.
    pub direction: Option<Direction>,
    /// Least score, in tenths.
    pub min_score: Option<i64>,
    /// Code of a market.
    pub market: Option<String>,
    /// Published at or after.
    pub from: Option<Time>,
    /// Published before.
    pub before: Option<Time>,
}

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

/// All of them, as of a version of the backtests or later.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    version: i64,
    of_company: HashMap<i64, Arc<[Row]>>,
    markets: Vec<String>,
}

/// All of them, from the first question on.
#[derive(Debug, Default)]
pub struct Known {
    kept: tokio::sync::Mutex<Option<Arc<Kept>>>,
}

/// Excesses in millionths, by direction and horizon.
pub type Lists = [[Vec<i64>; 7]; 2];

/// The place of a direction in [`Lists`].
#[must_use]
pub fn place(direction: Direction) -> usize {
    usize::from(direction == Direction::Sell)
}

impl Known {
    /// As they are now. One reads at a time, and who waited for it has it as well.
    pub async fn now(&self, db: &Db) -> ApiResult<Arc<Kept>> {
        let mut known = self.kept.lock().await;
        // before anything is read: what changes meanwhile may be in what is kept, but it is never older than its version
        let version = db.backtests_version().await?;
        let changed = match &*known {
            Some(kept) if kept.version == version => return Ok(kept.clone()),
            Some(kept) => Some(db.backtests_changed_since(kept.version).await?),
            None => None,
        };
        let (before, changed, rows) = match (&*known, changed) {
            (Some(kept), Some(changed)) if changed.len() <= MOST_ONE_BY_ONE => {
                let mut rows = Vec::new();
                for company in &changed {
                    rows.extend(db.excesses_of(*company).await?);
                }
                (kept.clone(), changed, rows)
            }
            _ => (Arc::default(), Vec::new(), db.excesses().await?),
        };
        // many take a while: not on a thread that serves others
        let made = tokio::task::spawn_blocking(move || before.with(version, &changed, &rows));
        let made = Arc::new(made.await.map_err(|error| ApiError::internal(&error))?);
        *known = Some(made.clone());
        Ok(made)
    }
}

impl Kept {
    /// With these companies' as they are in these rows.
    fn with(&self, version: i64, changed: &[i64], rows: &[Excesses]) -> Self {
        let mut made = self.clone();
        made.version = version;
        for company in changed {
            made.of_company.remove(company);
        }
        let mut of_company: HashMap<i64, Vec<Row>> = HashMap::new();
        for one in rows {
            let Some(direction) = read_direction(&one.direction) else {
                continue;
            };
            let known = made.markets.iter().position(|market| *market == one.market);
            let market = known.unwrap_or_else(|| {
                made.markets.push(one.market.clone());
                made.markets.len() - 1
            });
            of_company.entry(one.company).or_default().push(Row {
                published_at: one.published_at,
                excess: one.by_horizon(),
                score: one.score,
                // proof: markets are rows of a table that an operator writes
                market: u16::try_from(market).unwrap_or(u16::MAX),
                direction,
            });
        }
        let of_company = of_company.into_iter();
        made.of_company
            .extend(of_company.map(|(company, rows)| (company, rows.into())));
        made
    }

    /// What a filter passes.
    #[must_use]
    pub fn gathered(&self, filter: &BacktestFilter) -> Lists {
        let market = filter.market.as_ref().map(|code| {
            let place = self.markets.iter().position(|market| market == code);
            place.and_then(|place| u16::try_from(place).ok())
        });
        let passes = |row: &&Row| {
            filter
                .direction
                .is_none_or(|direction| direction == row.direction)
                && market.is_none_or(|market| market == Some(row.market))
                && (filter.min_score)
                    .is_none_or(|least| row.score.is_some_and(|score| score >= least))
                && filter.from.is_none_or(|from| row.published_at >= from.0)
                && filter
                    .before
                    .is_none_or(|before| row.published_at < before.0)
        };
        let mut lists = Lists::default();
        let rows = self.of_company.values().flat_map(|rows| rows.iter());
        for row in rows.filter(passes) {
            for (list, excess) in lists[place(row.direction)].iter_mut().zip(row.excess) {
                list.extend(excess);
            }
        }
        lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    fn one(direction: &str, market: &str, published_at: i64, score: Option<i64>) -> Excesses {
        Excesses {
            company: published_at / 10,
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

    fn all_three() -> Kept {
        let rows = [
            one("BUY", "us", 10, Some(400)),
            one("SELL", "us", 20, Some(500)),
            one("BUY", "fr", 30, None),
        ];
        Kept::default().with(1, &[], &rows)
    }

    fn after_30_days(kept: &Kept, filter: &BacktestFilter) -> [Vec<i64>; 2] {
        let mut lists = kept.gathered(filter);
        lists[0][0].sort_unstable();
        [lists[0][0].clone(), lists[1][0].clone()]
    }

    #[test]
    fn of_what_changed_the_rows_of_now_count_and_of_the_rest_those_of_before() {
        let kept = all_three();
        let all = BacktestFilter::default();
        // the first has another one, the second none any more, and one is new
        let rows = [one("BUY", "us", 11, None), one("SELL", "fr", 40, None)];
        let later = kept.with(2, &[1, 2, 4], &rows);
        assert_eq!(after_30_days(&later, &all), [vec![11, 30], vec![40]]);
        assert_eq!(after_30_days(&kept, &all), [vec![10, 30], vec![20]]);
    }

    #[test]
    fn filters_pass_what_the_database_would() {
        let kept = all_three();
        let found = |filter: BacktestFilter| after_30_days(&kept, &filter);
        let all = BacktestFilter::default;
        assert_eq!(found(all()), [vec![10, 30], vec![20]]);
        let lists = kept.gathered(&all());
        assert!(lists[0][1].is_empty());
        assert_eq!(lists[1][6], [-20]);
        let of = |code: &str| Some(code.to_owned());
        assert_eq!(
            found(BacktestFilter {
                direction: Some(Direction::Sell),
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
            [Vec::<i64>::new(), Vec::new()]
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
