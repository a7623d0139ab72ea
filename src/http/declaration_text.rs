//! A declaration as it is answered: the pieces that the store keeps, joined into one text; and its shape for the document.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    error::{ApiError, ApiResult},
    numbers::exact,
    schema::{Band, Direction},
};
use crate::{
    model::time::Time,
    score::insider::{audit::SCORE_VERSION, fire::CompanyBrief},
    store::declaration_list::Listed,
};

/// JSON of a declaration.
pub fn declaration(listed: &Listed) -> ApiResult<String> {
    let company = serde_json::to_string(&CompanyBrief {
        name: &listed.company_name,
        slug: &listed.company_slug,
        yahoo_symbol: listed.company_symbol.as_deref(),
        market_cap: exact(listed.company_market_cap.as_deref())?,
    })
    .map_err(|error| ApiError::internal(&error))?;
    let backtest = match (&listed.backtest, listed.backtest_at) {
        (Some(body), Some(at)) => backtest(body, Time(at)),
        _ => "null".to_owned(),
    };
    let signal = signal(&listed.signal);
    let parts = [
        listed.head.as_str(),
        ",\"company\":",
        &company,
        ",",
        &listed.rest,
        ",\"signal\":",
        &signal,
        ",\"backtest\":",
        &backtest,
        "}",
    ];
    Ok(parts.concat())
}

/// What is kept as the signal of what waits for its first assessment.
pub const UNJUDGED: &str = "null";

/// The signal as it is kept; of what waits for its first assessment, one that says so.
pub fn signal(kept: &str) -> Cow<'_, str> {
    if kept != UNJUDGED {
        return Cow::Borrowed(kept);
    }
    Cow::Owned(format!(
        "{{\"score\":null,\"band\":null,\"scoreVersion\":\"{SCORE_VERSION}\",\"pctOfMarketCap\":null,\"pctOfInsiderFlow\":null,\
         \"insiderCumNet\":null,\"isCluster\":false,\"scoredAt\":null,\"reason\":\"pending\"}}"
    ))
}

fn backtest(body: &str, computed_at: Time) -> String {
    let open = body.strip_suffix('}').unwrap_or(body);
    format!("{open},\"computedAt\":\"{computed_at}\"}}")
}

/// One filing's dealings of one kind.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Its name: the filing's, or the filing's and its code.
    #[schema(example = "SEC:0001127602-25-009876")]
    amf_id: String,
    /// When the public could read it.
    #[schema(format = DateTime)]
    pub_date: String,
    /// First day of the dealings.
    #[schema(format = Date, required)]
    transaction_date: Option<String>,
    /// Where the regulator shows it.
    #[schema(required)]
    pdf_url: Option<String>,
    company: CompanyInDeclaration,
    /// The regulator says only the day: its end is meant.
    published_estimated: bool,
    /// The regulator's form.
    form: String,
    insider: InsiderInDeclaration,
    transaction: Transaction,
    /// `BUY` or `SELL` of what has a score; else null, whatever the codes of its rows: it is neither, cannot be, is told twice, was replaced, or
    /// waits for its first assessment.
    #[schema(value_type = Option<Direction>, required)]
    direction: Option<String>,
    /// Each row as filed.
    transactions: Vec<TransactionRow>,
    /// Everybody who reports.
    owners: Vec<Owner>,
    signal: Signal,
    #[schema(required)]
    backtest: Option<BacktestResult>,
}

/// The company of a declaration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CompanyInDeclaration {
    name: String,
    slug: String,
    #[schema(required)]
    yahoo_symbol: Option<String>,
    #[schema(required)]
    market_cap: Option<f64>,
}

/// The principal insider of a declaration.
#[derive(Serialize, ToSchema)]
struct InsiderInDeclaration {
    name: String,
    slug: String,
    /// What the insider is to the company.
    #[schema(required)]
    function: Option<String>,
}

/// What was dealt, summed up: what counts, where something does; else what was filed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    #[schema(required)]
    nature: Option<String>,
    #[schema(required)]
    instrument: Option<String>,
    #[schema(required)]
    isin: Option<String>,
    #[schema(required)]
    unit_price: Option<f64>,
    #[schema(required)]
    volume: Option<f64>,
    #[schema(required)]
    total_amount: Option<f64>,
    /// The same as `totalAmount`.
    #[schema(required)]
    amount: Option<f64>,
    /// ISO 4217.
    currency: String,
    #[schema(required)]
    venue: Option<String>,
}

/// A row as filed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TransactionRow {
    #[schema(required)]
    code: Option<String>,
    /// `A` or `D`.
    #[schema(required)]
    acquired_disposed: Option<String>,
    #[schema(format = Date, required)]
    date: Option<String>,
    #[schema(required)]
    security: Option<String>,
    #[schema(required)]
    shares: Option<f64>,
    #[schema(required)]
    price: Option<f64>,
    #[schema(required)]
    shares_after: Option<f64>,
    /// `D` direct, `I` indirect.
    #[schema(required)]
    ownership: Option<String>,
    derivative: bool,
    /// It cannot be what it says, and is left out of scores, flows and totals.
    suspect: bool,
    #[schema(required)]
    suspect_reason: Option<String>,
}

/// Somebody who reports.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[schema(required)]
    id: Option<String>,
    name: String,
    director: bool,
    officer: bool,
    ten_percent_owner: bool,
    other: bool,
    #[schema(required)]
    title: Option<String>,
}

/// What the score says of a declaration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeclarationSignal)]
struct Signal {
    /// 0 to 100.
    #[schema(required)]
    score: Option<f64>,
    /// `strong` from 70, `high` from 50, `notable` from 40.
    #[schema(value_type = Option<Band>, required)]
    band: Option<String>,
    score_version: String,
    #[schema(required)]
    pct_of_market_cap: Option<f64>,
    #[schema(required)]
    pct_of_insider_flow: Option<f64>,
    #[schema(required)]
    insider_cum_net: Option<f64>,
    /// At least two insiders dealt the same way within 30 days.
    is_cluster: bool,
    #[schema(format = DateTime, required)]
    scored_at: Option<String>,
    /// Why there is no score; null where there is one.
    #[schema(required)]
    reason: Option<String>,
    /// The declaration that told the same block first.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// The filing that took this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
}

/// What became of the price, as far as it is matured.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BacktestResult {
    #[schema(value_type = Direction)]
    direction: String,
    /// Close of the first session after the day of publication.
    #[schema(required)]
    price_at_trade: Option<f64>,
    /// Close at each horizon.
    price: Horizons,
    /// Return since `priceAtTrade`, a fraction.
    r#return: Horizons,
    /// That return less the benchmark's.
    excess: Horizons,
    #[schema(format = DateTime)]
    computed_at: String,
}

/// A number for each horizon; null where it is not matured or not known.
#[derive(Serialize, ToSchema)]
struct Horizons {
    #[serde(rename = "30d")]
    #[schema(required)]
    d30: Option<f64>,
    #[serde(rename = "60d")]
    #[schema(required)]
    d60: Option<f64>,
    #[serde(rename = "90d")]
    #[schema(required)]
    d90: Option<f64>,
    #[serde(rename = "160d")]
    #[schema(required)]
    d160: Option<f64>,
    #[serde(rename = "180d")]
    #[schema(required)]
    d180: Option<f64>,
    #[serde(rename = "365d")]
    #[schema(required)]
    d365: Option<f64>,
    #[serde(rename = "730d")]
    #[schema(required)]
    d730: Option<f64>,
}
