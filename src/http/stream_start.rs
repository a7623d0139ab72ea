//! Where a stream begins, and where a replay ends: from an id, from a time, or fresh, and what is said where rows are missing.

use axum::http::{HeaderMap, HeaderName};

use super::{
    error::{ApiError, ApiResult},
    guard,
    state::State,
};
use crate::{
    gate::query::StreamQuery,
    hub::{
        frame::{Gap, GapReason},
        opening::Replay,
    },
    model::{
        log::{LogHead, LogUnavailable, Position},
        time::Time,
    },
};

/// Where a client goes on.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where a stream begins.
#[derive(Debug)]
pub struct Start {
    /// After which seq.
    pub at: i64,
    /// The same, where it was asked for.
    pub resumed_from: Option<i64>,
    /// A hole that is known already.
    pub gap: Option<Gap>,
}

fn unavailable(error: LogUnavailable) -> ApiError {
    ApiError::unavailable(&error)
}

/// Where the stream begins that was asked for; `None` where it is a replay and its client has all of it.
pub async fn start(
    state: &State,
    headers: &HeaderMap,
    query: &StreamQuery,
    head: &LogHead,
    replay: Option<Replay>,
) -> ApiResult<Option<Start>> {
    // the header wins: a URL's parameters repeat on every reconnect
    let asked = match headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
        Some(id) => Some(id.to_str().ok().and_then(Position::parse)),
        None => query.last_event_id.clone().map(Some),
    };
    let Some(asked) = asked else {
        return match query.since {
            Some(since) => since_time(state, since).await.map(Some),
            None => Ok(Some(fresh(head.seq, None))),
        };
    };
    let reason = match asked {
        Some(asked) if asked.epoch == head.epoch => {
            let last = replay.and_then(|replay| replay.last);
            if last.is_some_and(|last| asked.seq >= last) {
                return Ok(None);
            }
            if asked.seq <= head.seq {
                return Ok(Some(Start {
                    at: asked.seq,
                    resumed_from: Some(asked.seq),
                    gap: None,
                }));
            }
            GapReason::AheadOfLog
        }
        Some(_) => GapReason::EpochChanged,
        None => GapReason::UnknownId,
    };
    // nothing of a replay is lost with the id: it begins where its URL says, or is over
    let at = match (replay, query.since) {
        (Some(_), Some(since)) => state
            .hub
            .log
            .before_time(since)
            .await
            .map_err(unavailable)?,
        _ => head.seq,
    };
    Ok(Some(fresh(at, Some((None, None, reason)))))
}

type Hole = (Option<i64>, Option<i64>, GapReason);

fn fresh(at: i64, hole: Option<Hole>) -> Start {
    let gap = hole.map(|(from, to, reason)| Gap {
        from,
        to,
        reason,
        resume_at: at,
    });
    Start {
        at,
        resumed_from: None,
        gap,
    }
}

/// From a time on. Where it lies before the oldest row that is left, those before that one may have been asked for: how many of
/// them, nobody knows any more.
async fn since_time(state: &State, since: Time) -> ApiResult<Start> {
    let _turn = guard::take_turn(state).await?;
    let log = &state.hub.log;
    let at = log.before_time(since).await.map_err(unavailable)?;
    // read after the place: what is pruned in between is found by the cursor itself
    let oldest = log.head().await.map_err(unavailable)?.oldest;
    let pruned = oldest > 1 && at + 1 == oldest;
    let hole = pruned.then_some((None, Some(at), GapReason::Pruned));
    Ok(Start {
        resumed_from: Some(at),
        ..fresh(at, hole)
    })
}

/// The replay that was asked for. Its last row is known once its end has passed.
pub async fn replay(state: &State, query: &StreamQuery) -> ApiResult<Option<Replay>> {
    let Some(asked) = query.replay else {
        return Ok(None);
    };
    let mut replay = Replay {
        until: asked.until,
        last: None,
        speed: asked.speed,
    };
    if replay.is_over(state.clock.now()) {
        let log = &state.hub.log;
        let last = log.settled_before(asked.until.plus(1)).await;
        replay.last = Some(last.map_err(unavailable)?);
    }
    Ok(Some(replay))
}
