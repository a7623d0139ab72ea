//! The latest signals of the log, for pages: of whoever may see them, by the API's own list.

use serde_json::Value;

use super::{problem::Problem, visit::Visit};
use crate::{
    http::{caller::Known, error::ApiError, reads::Question},
    model::{account::Plan, time::Time},
};

/// A part of the log, and where it ends.
pub struct Latest {
    /// In seq order.
    pub items: Vec<Value>,
    /// `<epoch>-<seq>` of the log's head when it was read: a stream that goes on from there misses nothing and repeats nothing.
    pub place: String,
    /// That head's seq.
    pub head: i64,
}

/// Whose plan shows them the log.
#[must_use]
pub fn includes_log(plan: &Plan) -> bool {
    plan.stream || plan.rest
}

/// What the API says to a GET, asked by somebody, or by nobody of what is open to all.
pub async fn read(visit: &Visit, known: Option<&Known>, path: &str) -> Result<Value, Problem> {
    let question = Question {
        uri: path.parse().map_err(|_| ApiError::not_found())?,
        known: known.cloned(),
        arrival: visit.arrival.clone(),
    };
    let told = visit.site.reads.value(question).await?;
    told.map_err(|told| Problem::Answered(Box::new(told)))
}

/// The latest signals that pass. `filter`: a query as the API takes it, or nothing.
pub async fn latest(
    visit: &Visit,
    known: Option<&Known>,
    filter: &str,
    most: u32,
) -> Result<Latest, Problem> {
    let head = read(visit, known, "/api/signals?limit=1").await?;
    let epoch = head["epoch"].as_str().unwrap_or_default();
    let seq = head["head"].as_i64().unwrap_or_default();
    let and = if filter.is_empty() { "" } else { "&" };
    let path = format!(
        "/api/signals?limit={most}&before={epoch}-{}{and}{filter}",
        seq + 1
    );
    let mut part = read(visit, known, &path).await?;
    let items = match part["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    Ok(Latest {
        items,
        place: format!("{epoch}-{seq}"),
        head: seq,
    })
}

/// Up to when who is not signed in sees signals; `None`: none at all.
#[must_use]
pub fn public_until(visit: &Visit) -> Option<Time> {
    let config = &visit.site.state.config;
    let micros = i64::from(config.public_after_minutes) * 60 * Time::SECOND;
    config.public_signals.then(|| visit.now().plus(-micros))
}
