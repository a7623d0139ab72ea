//! `GET /api/v1/strategy/winning`: the recent filings whose kind of signal did best, by what was known before each of them.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    csv::{self, Fields, Row},
    data::PageKey,
    declaration_row::DeclarationRow,
    declaration_text::{Declaration, declaration},
    declarations::days_ago,
    error::{ApiError, ApiResult},
    schema::{Band, Direction, Listed},
};
use crate::{
    gate::insider_view::WinningQuery,
    model::{money::Exact, time::Time},
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

/// The kind of signal and its record in the filing's own market, out of sample: only outcomes that were matured before its publication.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    /// Code of the market whose filings the record is of: the filing's own.
    market: String,
    #[schema(value_type = Direction)]
    direction: &'static str,
    #[schema(value_type = Band)]
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
    fn of(market: &str, kind: Kind, standing: &Standing) -> Self {
        Strategy {
            market: market.to_owned(),
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
/// A kind is a direction, a band and whether it was a cluster, of one market: no market's record speaks for another's filings. Each filing
/// is measured by the record that its kind had in its own market before it was published; kinds without a record are left out. Ranked by the lower end of the win rate's interval, then by score.
#[utoipa::path(
    get, path = "/api/v1/strategy/winning", tag = "declarations", params(Asked<WinningQuery>),
    responses((status = 200, description = "A page", body = Listed<Winning>)),
)]
pub async fn winning(call: Call, Asked(query): Asked<WinningQuery>) -> ApiResult {
    let since = days_ago(call.now(), query.lookback_days);
    if call.wants_csv(&query.page) {
        return file(&call, since, &query).await;
    }
    let key = PageKey::Winning(since, query.market.clone(), query.page.place());
    let made = async {
        let (total, page) = ranked_part(&call, since, &query, query.page.place()).await?;
        let numbers: Vec<i64> = page.iter().map(|(one, _)| one.number).collect();
        let rows = (call.state.db)
            .declarations_numbered(&numbers, false)
            .await?;
        let items = rows
            .iter()
            .zip(&page)
            .map(|(row, (candidate, standing))| item(row, candidate, standing))
            .collect::<ApiResult<Vec<_>>>()?;
        Ok(Call::list_of_texts(&query.page, total, &items))
    };
    call.page(key, made).await
}

async fn file(call: &Call, since: Time, query: &WinningQuery) -> ApiResult {
    let (_, all) = ranked_part(call, since, query, csv::stretch(&query.page)).await?;
    let numbers = all.iter().map(|(one, _)| one.number).collect();
    let ranked: HashMap<i64, (Candidate, Standing)> = (all.into_iter())
        .map(|(one, standing)| (one.number, (one, standing)))
        .collect();
    let (db, ranked) = (call.state.db.clone(), Arc::new(ranked));
    let read = move |numbers: Vec<i64>| {
        let (db, ranked) = (db.clone(), ranked.clone());
        async move {
            let mut rows = Vec::new();
            for row in db.declarations_numbered(&numbers, false).await? {
                if let Some((one, standing)) = ranked.get(&row.number) {
                    let strategy = Strategy::of(&one.market, one.kind, standing);
                    let declaration = DeclarationRow::read(row)?;
                    rows.push(WinningRow {
                        declaration,
                        strategy,
                    });
                }
            }
            Ok(rows)
        }
    };
    csv::numbered("winning", csv::at_once(numbers), read).await
}

/// How many there are, and some of them.
async fn ranked_part(
    call: &Call,
    since: Time,
    query: &WinningQuery,
    (limit, offset): (i64, i64),
) -> ApiResult<(u64, Vec<(Candidate, Standing)>)> {
    let db = &call.state.db;
    let candidates = db.candidates(since, query.market.as_deref()).await?;
    let tracks = tracks(call).await?;
    // ranking many takes a while: not on a thread that serves others
    let ranked = tokio::task::spawn_blocking(move || ranked(&tracks, candidates));
    let ranked = ranked.await.map_err(|error| ApiError::internal(&error))?;
    let total = ranked.len() as u64;
    let part = (ranked.into_iter())
        .skip(usize::try_from(offset).unwrap_or(usize::MAX))
        .take(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((total, part.collect()))
}

fn item(
    found: &declaration_list::Listed,
    one: &Candidate,
    standing: &Standing,
) -> ApiResult<String> {
    let strategy = serde_json::to_string(&Strategy::of(&one.market, one.kind, standing))
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
            let standing =
                tracks.before(&candidate.market, candidate.kind, candidate.published_at)?;
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
