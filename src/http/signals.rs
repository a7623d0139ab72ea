//! `GET /api/signals` and `GET /api/signals/{id}`: the log, in the very bytes of the stream.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::Uri,
};
use utoipa::ToSchema;

use super::{
    call::Call,
    error::{ApiError, ApiResult},
    state::State,
};
use crate::{
    gate::{
        filter::Filter,
        list_query::{Edge, ListQuery, Place},
    },
    model::{
        log::{LogHead, LogRow, Position},
        publish::lower_uuid,
        signal::{Facets, wire},
    },
    store::log::Narrow,
};

/// Rows read at a time while a filter is applied.
const BATCH: usize = 256;

/// A page of the log.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written as text")]
pub struct LogPage {
    /// Signals, in seq order, in the bytes of the stream's `data`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<String>,
    /// Where a poller goes on: the last item's place, or where it stood.
    next: String,
    /// Names this log; places of another mean nothing in it.
    epoch: String,
    /// The seq of the log's last row.
    head: i64,
}

/// List the log
///
/// Signals in seq order, in the very bytes of the stream. A poller goes on with `after` = `next`.
#[utoipa::path(
    get, path = "/api/signals", tag = "signals",
    params(super::schema::FilterParams, super::schema::LogPartParams),
    responses((status = 200, description = "A page", body = LogPage)),
)]
pub async fn list(call: Call, uri: Uri) -> ApiResult {
    let state = &*call.state;
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let Part { rows, next, head } = part(state, &query).await?;
    let items: Vec<String> = rows.iter().map(wire).collect();
    Ok(call.bytes(format!(
        "{{\"items\":[{}],\"next\":\"{}-{next}\",\"epoch\":\"{}\",\"head\":{}}}",
        items.join(","),
        head.epoch,
        head.epoch,
        head.seq
    )))
}

/// A part of the log as it was asked for.
pub(super) struct Part {
    /// In seq order.
    pub rows: Vec<LogRow>,
    /// Behind which seq a poller goes on.
    pub next: i64,
    /// The log's head, before the rows were read.
    pub head: LogHead,
}

/// Reads what was asked for.
pub(super) async fn part(state: &State, query: &ListQuery) -> ApiResult<Part> {
    let head = state
        .hub
        .log
        .head()
        .await
        .map_err(|e| ApiError::unavailable(&e))?;
    let (after, before, backwards) = match &query.edge {
        None => (0, i64::MAX, false),
        Some(Edge::After(place)) => (seq_of(state, &head, "after", place).await?, i64::MAX, false),
        Some(Edge::Before(place)) => (0, seq_of(state, &head, "before", place).await?, true),
    };
    let rows = collect(state, query, after, before, backwards).await?;
    // a poller just goes on from `next`, whether there was something or not
    let next = rows.last().map_or(
        if backwards {
            (before - 1).max(0)
        } else {
            after
        },
        |row| row.seq,
    );
    Ok(Part { rows, next, head })
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
        since: query.since,
        until: query.until,
        ..narrow(filter)
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

/// By what the store leaves out most of what a filter does.
pub(super) fn narrow(filter: &Filter) -> Narrow {
    Narrow {
        types: filter.types.iter().flatten().cloned().collect(),
        min_rank: filter.min_rank.map(|rank| rank as i64),
        min_score: filter.min_score.map(|score| score.points()),
        token: filter.token.clone(),
        market: filter.market.clone(),
        since: None,
        until: None,
    }
}

async fn seq_of(state: &State, head: &LogHead, parameter: &str, place: &Place) -> ApiResult<i64> {
    match place {
        // a log that was restored from a backup may end before its readers stand: they would wait for rows that are other ones then
        Place::Position(position)
            if position.epoch == head.epoch && parameter == "after" && position.seq > head.seq =>
        {
            let allowed = format!(
                "a place in this log, which ends at {}-{}",
                head.epoch, head.seq
            );
            Err(ApiError::parameter(
                parameter,
                &position.to_string(),
                &allowed,
            ))
        }
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

/// Read one signal
///
/// Its bytes, nothing around them.
#[utoipa::path(
    get, path = "/api/signals/{id}", tag = "signals",
    params(("id" = String, Path, description = "Its UUID, or `<epoch>-<seq>`")),
    responses(
        (status = 200, description = "The signal", body = Object),
        (status = 404, description = "`signal_not_found`", body = super::schema::ErrorBody),
    ),
)]
pub async fn one(call: Call, id: Result<Path<String>, PathRejection>) -> ApiResult {
    let Path(id) = id?;
    let state = &*call.state;
    let row = if let Some(id) = lower_uuid(&id) {
        state.db.signal_by_id(&id).await?
    } else {
        match Position::parse(&id) {
            Some(position) if position.epoch == state.hub.epoch() => {
                state.db.signal_by_seq(position.seq).await?
            }
            _ => None,
        }
    };
    let row = row.ok_or_else(ApiError::signal_not_found)?;
    Ok(call.bytes(wire(&row)))
}
