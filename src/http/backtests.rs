//! `GET /api/v1/backtest`: what became of the price after many declarations, by direction and horizon, and never a bare mean.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    data::PageKey,
    error::{ApiError, ApiResult},
    excesses::{self, Kept, Lists, Wanted, gathered},
    schema::Answer,
    state::State,
};
use crate::{
    gate::{insider_query::at_least, insider_view::BacktestQuery},
    model::money::Exact,
    score::insider::{
        backtest::{HORIZONS, Summary, summary},
        record::Direction,
    },
    store::returns::{BacktestFilter, Excesses, read_direction},
};

/// Summaries of excess returns.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backtest {
    /// Purchases, then sales; one of them where `direction` says so.
    directions: Vec<OfDirection>,
}

/// Of one direction.
#[derive(Debug, Serialize, ToSchema)]
struct OfDirection {
    /// `BUY` or `SELL`.
    direction: &'static str,
    horizons: Vec<OfHorizon>,
}

/// After so many days: excess over the benchmark as fractions. A purchase wins above the benchmark, a sale below it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OfHorizon {
    days: i32,
    /// Matured outcomes; the rest is null where there is none.
    n: u64,
    #[schema(value_type = Option<f64>, required)]
    median: Option<Exact>,
    /// Mean of the returns held to ±50 %.
    #[schema(value_type = Option<f64>, required)]
    winsorised_mean: Option<Exact>,
    wins: u64,
    #[schema(value_type = Option<f64>, required)]
    win_rate: Option<Exact>,
    /// Wilson's 95 % interval of the win rate.
    #[schema(value_type = Option<f64>, required)]
    win_rate_low: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    win_rate_high: Option<Exact>,
}

impl OfHorizon {
    fn of(days: i32, summary: Option<Summary>) -> Self {
        let of = |part: fn(&Summary) -> Exact| summary.as_ref().map(part);
        OfHorizon {
            days,
            n: summary.as_ref().map_or(0, |summary| summary.n),
            median: of(|summary| summary.median),
            winsorised_mean: of(|summary| summary.winsorised_mean),
            wins: summary.as_ref().map_or(0, |summary| summary.wins),
            win_rate: of(|summary| summary.win_rate),
            win_rate_low: of(|summary| summary.win_rate_low),
            win_rate_high: of(|summary| summary.win_rate_high),
        }
    }
}

/// Backtest
///
/// Of all declarations with a score that pass: entry at the close of the first session after publication, exits after 30 to 730 days. Each
/// summary has its n, its median, a winsorised mean, and the win rate with its interval.
#[utoipa::path(
    get, path = "/api/v1/backtest", tag = "declarations", params(Asked<BacktestQuery>),
    responses((status = 200, description = "The summaries", body = Answer<Backtest>)),
)]
pub async fn backtest(call: Call, Asked(query): Asked<BacktestQuery>) -> ApiResult {
    let filter = BacktestFilter {
        direction: query.direction.map(|one| one.word().to_owned()),
        min_score: query.min_score.map(|score| at_least(score, 1)),
        market: query.market,
        from: query.period.from,
        before: query.period.before,
    };
    let made = async {
        let found = found(&call.state, &filter).await?;
        let asked = filter.direction.as_deref().and_then(read_direction);
        let passed = filter.clone();
        // many returns take a while: not on a thread that serves others
        let text = tokio::task::spawn_blocking(move || {
            let lists = match found {
                Found::Rows(all) => gathered(all.iter().filter_map(|one| {
                    let direction = read_direction(&one.direction)?;
                    Some((direction, one.by_horizon()))
                })),
                Found::Kept(kept) => kept.gathered(&passed),
            };
            serde_json::to_vec(&summed(lists, asked))
        });
        text.await
            .map_err(|error| ApiError::internal(&error))?
            .map_err(|error| ApiError::internal(&error))
    };
    call.page(PageKey::Backtest(filter.clone()), made).await
}

/// Where the excesses of a question are.
enum Found {
    /// Those that pass.
    Rows(Vec<Excesses>),
    /// All of them.
    Kept(Arc<Kept>),
}

async fn found(state: &State, filter: &BacktestFilter) -> ApiResult<Found> {
    let known = &state.data.excesses;
    // before anything is read: what changes meanwhile may be in what is kept, but it is never older than its version
    let version = state.data.version();
    match known.get(version, &()) {
        Some(Wanted::Again(kept)) => Ok(Found::Kept(kept)),
        Some(Wanted::Once) => {
            let all = state.db.excesses(&BacktestFilter::default()).await?;
            let kept = tokio::task::spawn_blocking(move || Arc::new(Kept::new(&all))).await;
            let kept = kept.map_err(|error| ApiError::internal(&error))?;
            known.put(version, (), Wanted::Again(kept.clone()));
            Ok(Found::Kept(kept))
        }
        None => {
            known.put(version, (), Wanted::Once);
            Ok(Found::Rows(state.db.excesses(filter).await?))
        }
    }
}

fn summed(mut lists: Lists, asked: Option<Direction>) -> Backtest {
    let wanted = |direction: &Direction| asked.is_none_or(|asked| asked == *direction);
    let directions = Direction::BOTH.into_iter().filter(wanted);
    Backtest {
        directions: directions
            .map(|direction| OfDirection {
                direction: direction.word(),
                horizons: (HORIZONS.into_iter().enumerate())
                    .map(|(place, days)| {
                        let list = &mut lists[excesses::place(direction)][place];
                        OfHorizon::of(days, summary(direction, list))
                    })
                    .collect(),
            })
            .collect(),
    }
}
