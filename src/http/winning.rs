//! `GET /api/v1/strategy/winning`: the recent filings whose kind of signal did best, by what was known before each of them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    csv::{self, Fields, Row},
    declaration_row::DeclarationRow,
    declaration_text::{Declaration, declaration},
    declarations::days_ago,
    error::{ApiError, ApiResult},
    schema::Listed,
};
use crate::{
    gate::insider_view::WinningQuery,
    model::money::Exact,
    score::insider::{
        backtest::TRACK_HORIZON,
        winning::{Kind, Standing, Tracks},
    },
    store::{declaration_list, track::Candidate},
};

/// A declaration, and how its kind of signal had done before it was published.
#[derive(Serialize, ToSchema)]
pub struct Winning {
    #[serde(flatten)]
    declaration: Declaration,
    strategy: Strategy,
}

/// The kind of signal and its record, out of sample: only outcomes that were matured before the filing's publication.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    /// `BUY` or `SELL`.
    direction: &'static str,
    /// `strong`, `high` or `notable`.
    band: &'static str,
    is_cluster: bool,
    /// Days from entry to exit.
    horizon_days: i32,
    #[serde(flatten)]
    #[schema(inline)]
    record: Record,
}

/// What was known: excess over the benchmark, as fractions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// Matured outcomes.
    n: u64,
    wins: u64,
    #[schema(value_type = f64)]
    win_rate: Exact,
    /// Wilson's 95 % interval of the win rate; the list is ranked by this lower end.
    #[schema(value_type = f64)]
    win_rate_low: Exact,
    #[schema(value_type = f64)]
    win_rate_high: Exact,
    /// Mean of the returns held to ±50 %.
    #[schema(value_type = f64)]
    winsorised_mean: Exact,
}

impl Strategy {
    fn of(kind: Kind, standing: &Standing) -> Self {
        Strategy {
            direction: kind.direction.word(),
            band: kind.band.word(),
            is_cluster: kind.is_cluster,
            horizon_days: TRACK_HORIZON,
            record: Record {
                n: standing.n,
                wins: standing.wins,
                win_rate: standing.win_rate,
                win_rate_low: standing.win_rate_low,
                win_rate_high: standing.win_rate_high,
                winsorised_mean: standing.winsorised_mean,
            },
        }
    }
}

/// The same as a row of a file.
struct WinningRow {
    declaration: DeclarationRow,
    strategy: Strategy,
}

/// What a file says of the kind and its record, behind the declaration.
const STRATEGY: [&str; 7] = [
    "horizonDays",
    "n",
    "wins",
    "winRate",
    "winRateLow",
    "winRateHigh",
    "winsorisedMean",
];

impl Row for WinningRow {
    const COLUMNS: &'static [&'static str] = &{
        let mut all = [""; DeclarationRow::COLUMNS.len() + STRATEGY.len()];
        let mut n = 0;
        while n < all.len() {
            all[n] = if n < DeclarationRow::COLUMNS.len() {
                DeclarationRow::COLUMNS[n]
            } else {
                STRATEGY[n - DeclarationRow::COLUMNS.len()]
            };
            n += 1;
        }
        all
    };

    fn fields(&self, fields: &mut Fields<'_>) {
        self.declaration.fields(fields);
        let record = &self.strategy.record;
        fields.plain(Some(self.strategy.horizon_days));
        fields.plain(Some(record.n));
        fields.plain(Some(record.wins));
        for Exact(number) in [
            record.win_rate,
            record.win_rate_low,
            record.win_rate_high,
            record.winsorised_mean,
        ] {
            fields.plain(Some(number.normalize()));
        }
    }
}

/// Filings of the kinds that won
///
/// A kind is a direction, a band and whether it was a cluster. Each filing is measured by the record that its kind had before it was
/// published; kinds without a record are left out. Ranked by the lower end of the win rate's interval, then by score.
#[utoipa::path(
    get, path = "/api/v1/strategy/winning", tag = "declarations", params(Asked<WinningQuery>),
    responses((status = 200, description = "A page", body = Listed<Winning>)),
)]
pub async fn winning(call: Call, Asked(query): Asked<WinningQuery>) -> ApiResult {
    let since = days_ago(call.now(), query.lookback_days);
    let db = call.state.db.clone();
    let candidates = db.candidates(since, query.market.as_deref()).await?;
    let ranked = ranked(&*tracks(&call).await?, candidates);
    let total = ranked.len() as u64;
    let (limit, offset) = query.page.place();
    let file = call.wants_csv(&query.page);
    let limit = if file && query.page.whole {
        i64::MAX
    } else {
        limit
    };
    let page: Vec<(Candidate, Standing)> = (ranked.into_iter())
        .skip(usize::try_from(offset).unwrap_or(usize::MAX))
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect();
    if file {
        let mut left = page.into_iter();
        return csv::stream("winning", move || {
            let some: Vec<_> = left.by_ref().take(100).collect();
            let db = db.clone();
            async move {
                let mut rows = Vec::new();
                for (candidate, standing) in &some {
                    let found = db.declaration(&candidate.amf_id, false).await?;
                    let row = found.map(DeclarationRow::read).transpose()?;
                    rows.extend(row.map(|declaration| WinningRow {
                        declaration,
                        strategy: Strategy::of(candidate.kind, standing),
                    }));
                }
                Ok(Some(rows).filter(|_| !some.is_empty()))
            }
        })
        .await;
    }
    let mut items = Vec::with_capacity(page.len());
    for (candidate, standing) in &page {
        let found = db.declaration(&candidate.amf_id, false).await?;
        items.extend(
            found
                .map(|found| item(&found, candidate.kind, standing))
                .transpose()?,
        );
    }
    Ok(call.list_of_texts(&query.page, total, &items))
}

fn item(found: &declaration_list::Listed, kind: Kind, standing: &Standing) -> ApiResult<String> {
    let strategy = serde_json::to_string(&Strategy::of(kind, standing))
        .map_err(|error| ApiError::internal(&error))?;
    let mut text = declaration(found)?;
    text.pop();
    text.push_str(&format!(",\"strategy\":{strategy}}}"));
    Ok(text)
}

/// The best first.
fn ranked(tracks: &Tracks, candidates: Vec<Candidate>) -> Vec<(Candidate, Standing)> {
    let mut ranked: Vec<(Candidate, Standing)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let standing = tracks.before(candidate.kind, candidate.published_at)?;
            Some((candidate, standing))
        })
        .collect();
    ranked.sort_by(|(a, a_standing), (b, b_standing)| {
        let low = b_standing.win_rate_low.cmp(&a_standing.win_rate_low);
        low.then(b.score.cmp(&a.score))
            .then(a.amf_id.cmp(&b.amf_id))
    });
    ranked
}

/// Read once for each version of the data.
async fn tracks(call: &Call) -> ApiResult<Arc<Tracks>> {
    let data = &call.state.data;
    let version = data.version();
    if let Some(known) = data.tracks.get(version, &()) {
        return Ok(known);
    }
    let outcomes = call.state.db.outcomes().await?;
    let made = tokio::task::spawn_blocking(move || Arc::new(Tracks::new(outcomes)));
    let made = made.await.map_err(|error| ApiError::internal(&error))?;
    data.tracks.put(version, (), made.clone());
    Ok(made)
}
