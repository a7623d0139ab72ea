//! What there is on the whole: the markets with their counters and coverage, and totals.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    csv::{self, Fields, Row},
    data::Overview,
    error::ApiResult,
    numbers::count,
    schema::{Answer, Listed},
};
use crate::{
    gate::insider_query::{MarketsQuery, NoQuery},
    model::time::Time,
    store::overview::{KindCount, MarketOverview},
};

/// A regulator's market.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketEntry {
    /// What `market` may say.
    #[schema(example = "us")]
    code: String,
    /// Who publishes its filings.
    #[schema(example = "SEC")]
    regulator: String,
    name: String,
    /// ISO 4217, of its amounts unless a declaration says otherwise.
    currency: String,
    time_zone: String,
    /// All that it published, what cannot be what it says included: `/api/v1/stats` leaves that out.
    declarations_count: u64,
    companies_count: u64,
    insiders_count: u64,
    coverage: Coverage,
}

/// From the first publication to the latest.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Coverage {
    #[schema(value_type = Option<String>, format = DateTime, required)]
    from: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    to: Option<Time>,
}

impl MarketEntry {
    fn of(market: &MarketOverview) -> Self {
        MarketEntry {
            code: market.code.clone(),
            regulator: market.regulator.clone(),
            name: market.name.clone(),
            currency: market.currency.clone(),
            time_zone: market.time_zone.clone(),
            declarations_count: count(market.declarations),
            companies_count: count(market.companies),
            insiders_count: count(market.insiders),
            coverage: Coverage {
                from: market.first_at.map(Time),
                to: market.last_at.map(Time),
            },
        }
    }
}

impl Row for MarketEntry {
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "regulator",
        "name",
        "currency",
        "timeZone",
        "declarationsCount",
        "companiesCount",
        "insidersCount",
        "coverageFrom",
        "coverageTo",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        for text in [
            &self.code,
            &self.regulator,
            &self.name,
            &self.currency,
            &self.time_zone,
        ] {
            fields.text(Some(text));
        }
        for number in [
            self.declarations_count,
            self.companies_count,
            self.insiders_count,
        ] {
            fields.plain(Some(number));
        }
        fields.plain(self.coverage.from);
        fields.plain(self.coverage.to);
    }
}

/// Counted once for each version of the data.
async fn overview(call: &Call) -> ApiResult<Arc<Overview>> {
    let data = &call.state.data;
    let version = data.version();
    if let Some(known) = data.overview.get(version, &()) {
        return Ok(known);
    }
    let made = Arc::new(Overview {
        markets: call.state.db.market_overviews().await?,
        kinds: call.state.db.kind_counts().await?,
    });
    data.overview.put(version, (), made.clone());
    Ok(made)
}

/// List markets
///
/// Each regulator with live counters and the window that its declarations cover.
#[utoipa::path(
    get, path = "/api/v1/markets", tag = "data", params(Asked<MarketsQuery>),
    responses((status = 200, description = "A page", body = Listed<MarketEntry>)),
)]
pub async fn markets(call: Call, Asked(query): Asked<MarketsQuery>) -> ApiResult {
    let overview = overview(&call).await?;
    let asked = |market: &&MarketOverview| match &query.market {
        Some(code) => market.code == *code,
        None => true,
    };
    let all: Vec<MarketEntry> = (overview.markets.iter().filter(asked))
        .map(MarketEntry::of)
        .collect();
    let part = |limit: i64, offset: i64| -> Vec<MarketEntry> {
        let (limit, offset) = (usize::try_from(limit), usize::try_from(offset));
        let rest = all.iter().skip(offset.unwrap_or(usize::MAX));
        rest.take(limit.unwrap_or(0)).cloned().collect()
    };
    let (limit, offset) = query.page.place();
    if call.wants_csv(&query.page) {
        let most = if query.page.whole { i64::MAX } else { limit };
        let mut rows = Some(part(most, offset));
        return csv::stream("markets", move || std::future::ready(Ok(rows.take()))).await;
    }
    let listed = Call::list(&query.page, all.len() as u64, &part(limit, offset))?;
    Ok(call.object(listed))
}

/// What there is on the whole. What cannot be what it says is left out, and counted apart.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    companies: u64,
    insiders: u64,
    #[serde(flatten)]
    counts: Counts,
    /// Declarations that cannot be what they say: in no other number here.
    suspect: u64,
    /// By code.
    markets: BTreeMap<String, MarketStats>,
}

/// What there is of a market.
#[derive(Default, Serialize, ToSchema)]
struct MarketStats {
    companies: u64,
    insiders: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// How many declarations.
#[derive(Default, Serialize, ToSchema)]
struct Counts {
    declarations: u64,
    /// With a score.
    scored: u64,
    directions: Directions,
}

/// How many purchases and sales that count.
#[derive(Default, Serialize, ToSchema)]
struct Directions {
    #[serde(rename = "BUY")]
    buy: u64,
    #[serde(rename = "SELL")]
    sell: u64,
}

impl Counts {
    fn add(&mut self, kind: &KindCount) {
        let declarations = count(kind.declarations);
        self.declarations += declarations;
        self.scored += count(kind.scored);
        match kind.direction.as_deref() {
            Some("BUY") => self.directions.buy += declarations,
            Some("SELL") => self.directions.sell += declarations,
            _ => {}
        }
    }
}

/// Totals
///
/// Companies, insiders, declarations, scored ones, by market and direction.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "data", params(Asked<NoQuery>),
    responses((status = 200, description = "Totals", body = Answer<Stats>)),
)]
pub async fn stats(call: Call, Asked(NoQuery): Asked<NoQuery>) -> ApiResult {
    let overview = overview(&call).await?;
    let mut stats = Stats {
        companies: 0,
        insiders: 0,
        counts: Counts::default(),
        suspect: 0,
        markets: BTreeMap::new(),
    };
    for market in &overview.markets {
        let (companies, insiders) = (count(market.companies), count(market.insiders));
        stats.companies += companies;
        stats.insiders += insiders;
        let of_market = MarketStats {
            companies,
            insiders,
            counts: Counts::default(),
        };
        stats.markets.insert(market.code.clone(), of_market);
    }
    for kind in &overview.kinds {
        if kind.suspect {
            stats.suspect += count(kind.declarations);
            continue;
        }
        stats.counts.add(kind);
        let of_market = stats.markets.entry(kind.market.clone()).or_default();
        of_market.counts.add(kind);
    }
    call.json(&stats)
}
