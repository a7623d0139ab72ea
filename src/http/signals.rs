//! `GET /api/signals` and `GET /api/signals/{id}`: the log, in the very bytes of the stream.

use std::sync::Arc;

use axum::{
    extract::{Path, State as Shared, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
};

use super::{
    error::{ApiError, ApiResult},
    guard, reply,
    state::State,
};
use crate::{
    gate::list_query::{Edge, ListQuery, Place},
    model::{
        log::{LogHead, LogRow, Position},
        publish::lower_uuid,
        signal::{Facets, wire},
    },
    store::log::Narrow,
};

/// Rows read at a time while a filter is applied.
const BATCH: usize = 256;

/// The listing.
pub async fn list(Shared(state): Shared<Arc<State>>, headers: HeaderMap, uri: Uri) -> ApiResult {
    let holder = guard::holder(&state, &headers).await?;
    guard::may_read_signals(&state, &holder)?;
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let head = state
        .hub
        .log
        .head()
        .await
        .map_err(|e| ApiError::unavailable(&e))?;
    let (after, before, backwards) = match &query.edge {
        None => (0, i64::MAX, false),
        Some(Edge::After(place)) => (
            seq_of(&state, &head, "after", place).await?,
            i64::MAX,
            false,
        ),
        Some(Edge::Before(place)) => (0, seq_of(&state, &head, "before", place).await?, true),
    };
    let rows = collect(&state, &query, after, before, backwards).await?;
    // a poller just goes on from `next`, whether there was something or not
    let next = rows.last().map_or(
        if backwards {
            (before - 1).max(0)
        } else {
            after
        },
        |row| row.seq,
    );
    let items: Vec<String> = rows.iter().map(wire).collect();
    Ok(reply::json_text(format!(
        "{{\"items\":[{}],\"next\":\"{}-{next}\",\"epoch\":\"{}\",\"head\":{}}}",
        items.join(","),
        head.epoch,
        head.epoch,
        head.seq
    )))
}

/// Up to the limit of rows that pass, ascending.
async fn collect(
    state: &State,
    query: &ListQuery,
    after: i64,
    before: i64,
    backwards: bool,
) -> ApiResult<Vec<LogRow>> {
    let filter = &query.filter;
    let narrow = Narrow {
        types: filter.types.iter().flatten().cloned().collect(),
        min_rank: filter.min_rank.map(|rank| rank as i64),
        min_score: filter.min_score.map(|score| score.points()),
        token: filter.token.clone(),
        market: filter.market.clone(),
        since: query.since,
        until: query.until,
    };
    let limit = query.limit as usize;
    let (mut after, mut before) = (after, before);
    let mut found: Vec<LogRow> = Vec::new();
    loop {
        let batch = if filter.is_open() { limit } else { BATCH };
        let rows = state
            .db
            .list_signals(after, before, backwards, &narrow, batch)
            .await?;
        let more = rows.len() == batch;
        match rows.last() {
            Some(last) if backwards => before = last.seq,
            Some(last) => after = last.seq,
            None => {}
        }
        let room = limit - found.len();
        found.extend(
            rows.into_iter()
                .filter(|row| filter.is_open() || filter.passes(&Facets::of(&row.body)))
                .take(room),
        );
        if !more || found.len() == limit {
            break;
        }
    }
    if backwards {
        found.reverse();
    }
    Ok(found)
}

async fn seq_of(state: &State, head: &LogHead, parameter: &str, place: &Place) -> ApiResult<i64> {
    match place {
        Place::Position(position) if position.epoch == head.epoch => Ok(position.seq),
        Place::Position(position) => Err(ApiError::parameter(
            parameter,
            &position.to_string(),
            &format!(
                "a place in this log, whose epoch is {}; begin again at {}-0",
                head.epoch, head.epoch
            ),
        )),
        Place::Id(id) => match state.db.signal_by_id(id).await? {
            Some(row) => Ok(row.seq),
            None => Err(ApiError::parameter(
                parameter,
                id,
                "the id of a signal in the log, or <epoch>-<seq>",
            )),
        },
    }
}

/// One signal: its bytes, nothing around them.
pub async fn one(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult {
    let Path(id) = id?;
    let holder = guard::holder(&state, &headers).await?;
    guard::may_read_signals(&state, &holder)?;
    let row = if let Some(id) = lower_uuid(&id) {
        state.db.signal_by_id(&id).await?
    } else {
        match Position::parse(&id) {
            Some(position) if position.epoch == state.hub.epoch => {
                state.db.signal_by_seq(position.seq).await?
            }
            _ => None,
        }
    };
    let unknown = || {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "signal_not_found",
            "There is no signal with this id.",
        )
    };
    Ok(reply::json_text(wire(&row.ok_or_else(unknown)?)))
}
