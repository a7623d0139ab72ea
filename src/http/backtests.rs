//! `GET /api/v1/backtest`: what became of the price after many declarations, by direction and horizon, and never a bare mean.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    data::PageKey,
    error::{ApiError, ApiResult},
    excesses::{self, BacktestFilter, Lists},
    schema::{self, Answer},
};
use crate::{
    gate::{insider_query::at_least, insider_view::BacktestQuery},
    model::money::Exact,
    score::insider::{
        backtest::{HORIZONS, Summary, summary},
        record::Direction,
    },
    store::returns::read_direction,
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
    #[schema(value_type = schema::Direction)]
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
        direction: query.direction.and_then(|one| read_direction(one.word())),
        min_score: query.min_score.map(|score| at_least(score, 1)),
        market: query.market,
        from: query.period.from,
        before: query.period.before,
    };
    let made = async {
        let kept = call.state.data.excesses.now(&call.state.db).await?;
        let filter = filter.clone();
        // many returns take a while: not on a thread that serves others
        let text = tokio::task::spawn_blocking(move || {
            serde_json::to_vec(&summed(kept.gathered(&filter), filter.direction))
        });
        text.await
            .map_err(|error| ApiError::internal(&error))?
            .map_err(|error| ApiError::internal(&error))
    };
    call.page(PageKey::Backtest(filter.clone()), made).await
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
