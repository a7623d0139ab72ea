//! A scored declaration as a signal of the log: `insider_buy`, `insider_sell`, and the same of a cluster.

use crate::model::{money::Exact, time::Time};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    audit::{Audit, rank_of},
    signal::{signal_id, signal_type},
};

/// The company, as the API writes it inside a declaration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompanyBrief<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its slug.
    pub slug: &'a str,
    /// Its ticker.
    pub yahoo_symbol: Option<&'a str>,
    /// Its latest market capitalisation.
    pub market_cap: Option<Exact>,
}

/// What a signal's body is made of.
#[derive(Clone, Debug)]
pub struct Fire<'a> {
    /// Code of the market.
    pub market: &'a str,
    /// When the filing was published.
    pub published_at: Time,
    /// The score, and why.
    pub audit: &'a Audit,
    /// Whether it is part of a cluster.
    pub is_cluster: bool,
    /// See [`super::entity::head`].
    pub head: &'a str,
    /// The company.
    pub company: &'a CompanyBrief<'a>,
    /// See [`super::entity::rest`].
    pub rest: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    detected_at: Time,
    signal_type: &'static str,
    rank: String,
    rank_score: Exact,
    market: &'a str,
}

/// The body but for its last brace, as [`crate::score::record::Draft`] holds it: the pipeline adds the latencies.
pub fn open_body(fire: &Fire<'_>) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(&Envelope {
        id: signal_id(&fire.audit.amf_id).hyphenated().to_string(),
        detected_at: fire.published_at,
        signal_type: signal_type(fire.audit.direction, fire.is_cluster),
        rank: rank_of(fire.audit.score).to_string(),
        rank_score: Exact(Decimal::new(fire.audit.score.0, 1)),
        market: fire.market,
    })?;
    text.pop();
    for member in [
        fire.head.strip_prefix('{').unwrap_or(fire.head),
        &format!("\"company\":{}", serde_json::to_string(fire.company)?),
        fire.rest,
        &format!("\"score\":{}", serde_json::to_string(fire.audit)?),
    ] {
        text.push(',');
        text.push_str(member);
    }
    Ok(text)
}
