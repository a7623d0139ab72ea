//! `GET /api/signals/digest`: a rolling digest of a stretch of the log, by which clients prove that they hold exactly what was sent.

use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::Call,
    error::{ApiError, ApiResult},
    signals,
    state::State,
    stretches::{Beginning, GRID, So},
};
use crate::{
    gate::digest_query::DigestQuery,
    model::{
        log::{LogHead, Position},
        signal::{Facets, wire},
    },
    store::log::Narrow,
};

/// Rows that one statement looks at.
const PAGE: i64 = 256;

/// What a stretch of the log comes to.
#[derive(Serialize, ToSchema)]
pub struct StretchDigest {
    /// Its first row, whether or not that passes the filter; one behind `to` where there is none.
    from: String,
    /// Its last row.
    to: String,
    /// Signals in it that pass the filter.
    count: u64,
    /// 64 hex digits. 32 zero bytes to begin with; with each signal, in the order of `seq`, SHA-256 of these 32 bytes and the very bytes
    /// of the stream's `data`.
    digest: String,
    /// Names this log; places of another mean nothing in it.
    epoch: String,
    /// The seq of the log's last row.
    head: i64,
}

/// Digest of a stretch of the log
///
/// `d` = 32 zero bytes; for each signal, in the order of `seq`, `d` = SHA-256(`d` followed by `data`), with the very bytes of the stream's
/// `data`. Whoever has received the same signals computes the same. With a filter, only what passes counts, as on a stream.
#[utoipa::path(
    get, path = "/api/signals/digest", tag = "signals",
    params(
        super::schema::FilterParams,
        ("from" = Option<String>, Query, description = "The first signal, `<epoch>-<seq>`; the first that is kept where nothing is said"),
        ("to" = Option<String>, Query, description = "The last signal, `<epoch>-<seq>`; the last there is where nothing is said"),
    ),
    responses((status = 200, description = "What it comes to", body = StretchDigest)),
)]
pub async fn digest(call: Call, uri: Uri) -> ApiResult {
    let state = &*call.state;
    let query = DigestQuery::parse(uri.query().unwrap_or_default())?;
    // one after the other of a key: nobody stands in line with more than one
    let _own_turn = call.known()?.caller.digests.lock().await;
    let look = state.look().await;
    let head = look.map_err(|e| ApiError::unavailable(&e))?.head;
    let (from, to) = stretch(&query, &head)?;
    let beginning = Beginning {
        epoch: head.epoch.clone(),
        from,
        filter: query.filter,
    };
    let so = roll(state, &beginning, to).await?;
    let place = |seq| Position {
        epoch: head.epoch.clone(),
        seq,
    };
    let answer = StretchDigest {
        from: place(from).to_string(),
        to: place(to).to_string(),
        count: so.count,
        digest: so.digest.to_string(),
        epoch: head.epoch.to_string(),
        head: head.seq,
    };
    let text = serde_json::to_string(&answer).map_err(|error| ApiError::internal(&error))?;
    Ok(call.bytes(text))
}

/// The first and the last row of what was asked for; `from` is one behind `to` where there is none.
fn stretch(query: &DigestQuery, head: &LogHead) -> ApiResult<(i64, i64)> {
    let LogHead { epoch, seq, oldest } = head;
    let begin_again = format!("in this log, whose epoch is {epoch}");
    let in_log = |parameter: &str, at: &Position| {
        let allowed = if at.epoch != *epoch {
            format!("a place {begin_again}; begin again at {epoch}-{oldest}")
        } else if at.seq > *seq {
            format!("a place in this log, which ends at {epoch}-{seq}")
        } else if at.seq < *oldest {
            return Err(pruned(parameter, at, head));
        } else {
            return Ok(at.seq);
        };
        Err(ApiError::parameter(parameter, &at.to_string(), &allowed))
    };
    let from = query.from.as_ref().map(|at| in_log("from", at));
    let to = query.to.as_ref().map(|at| in_log("to", at));
    let (from, to) = (from.transpose()?, to.transpose()?);
    match (from, to, &query.to) {
        (Some(from), Some(to), Some(at)) if to < from => {
            let allowed = format!("a place at or behind `from`, which is {epoch}-{from}");
            Err(ApiError::parameter("to", &at.to_string(), &allowed))
        }
        _ => Ok((from.unwrap_or(*oldest), to.unwrap_or(*seq))),
    }
}

fn pruned(parameter: &str, at: &Position, head: &LogHead) -> ApiError {
    let LogHead { epoch, oldest, .. } = head;
    let why = match oldest {
        1 => "it is the first that there was",
        _ => "what was before it is not in the log any more",
    };
    let allowed = format!("a place from {epoch}-{oldest} on: {why}");
    ApiError::parameter(parameter, &at.to_string(), &allowed)
}

/// The digest of a stretch, from as far as it is known on. Page by page, and in turns: a long one delays others by a slice of it at most.
async fn roll(state: &State, beginning: &Beginning, to: i64) -> ApiResult<So> {
    let nothing = So {
        to: beginning.from - 1,
        ..So::default()
    };
    let narrow = signals::narrow(&beginning.filter);
    let stretches = &state.stretches;
    let mut so = stretches.known(beginning, to).unwrap_or(nothing);
    while so.to < to {
        // proof: it is never closed
        let turn = stretches.turns.acquire().await;
        let _turn = turn.map_err(|error| ApiError::internal(&error))?;
        if state.is_draining() {
            return Err(ApiError::draining());
        }
        let slice_to = (so.to / GRID + 1) * GRID;
        while so.to < to.min(slice_to) {
            so = page(state, beginning, &narrow, so, to.min(slice_to)).await?;
        }
        stretches.keep(beginning, so);
    }
    Ok(so)
}

/// One page further.
async fn page(
    state: &State,
    beginning: &Beginning,
    narrow: &Narrow,
    mut so: So,
    to: i64,
) -> ApiResult<So> {
    let page_to = to.min(so.to + PAGE);
    let filter = &beginning.filter;
    let page = state
        .db
        .list_signals(so.to, page_to + 1, false, narrow, PAGE as usize);
    let rows = page.await?;
    // looked at afterwards: what is there still was there when the page was read
    let head = state.hub.log.head().await;
    let head = head.map_err(|e| ApiError::unavailable(&e))?;
    let first = Position {
        epoch: beginning.epoch.clone(),
        seq: so.to + 1,
    };
    if head.epoch != beginning.epoch || head.seq < page_to || head.oldest > first.seq {
        return Err(pruned("from", &first, &head));
    }
    for row in rows {
        if filter.is_open() || filter.passes(&Facets::of(&row.body)) {
            so.count += 1;
            so.digest = so.digest.and(wire(&row).as_bytes());
        }
    }
    so.to = page_to;
    Ok(so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_lies_in_what_is_kept() {
        let head = |oldest, seq| LogHead {
            epoch: "1f3c9a2e".into(),
            seq,
            oldest,
        };
        let asked = |query: &str, head: &LogHead| {
            let query = DigestQuery::parse(query).unwrap();
            stretch(&query, head).map_err(|error| error.body()["error"]["details"].to_string())
        };
        let log = head(3, 9);
        for (query, found) in [
            ("", (3, 9)),
            ("from=1f3c9a2e-5", (5, 9)),
            ("to=1f3c9a2e-5", (3, 5)),
            ("from=1f3c9a2e-9&to=1f3c9a2e-9", (9, 9)),
        ] {
            assert_eq!(asked(query, &log), Ok(found), "{query}");
        }
        for (query, why) in [
            ("from=1f3c9a2e-2", "from 1f3c9a2e-3 on"),
            ("from=1f3c9a2e-0", "from 1f3c9a2e-3 on"),
            ("to=1f3c9a2e-2", "from 1f3c9a2e-3 on"),
            ("from=1f3c9a2e-10", "ends at 1f3c9a2e-9"),
            ("to=1f3c9a2e-10", "ends at 1f3c9a2e-9"),
            ("from=0000aaaa-5", "begin again at 1f3c9a2e-3"),
            ("to=0000aaaa-5", "whose epoch is 1f3c9a2e"),
            ("from=1f3c9a2e-6&to=1f3c9a2e-5", "which is 1f3c9a2e-6"),
        ] {
            let error = asked(query, &log).unwrap_err();
            assert!(error.contains(why), "{query}: {error}");
        }
        let whole = head(1, 9);
        for query in ["from=1f3c9a2e-0", "to=1f3c9a2e-0"] {
            let error = asked(query, &whole).unwrap_err();
            assert!(
                error.contains("from 1f3c9a2e-1 on: it is the first")
                    && !error.contains("any more"),
                "nothing was ever removed: {error}"
            );
        }
        assert_eq!(asked("", &head(1, 0)), Ok((1, 0)), "nothing was published");
        assert_eq!(asked("", &head(10, 9)), Ok((10, 9)), "nothing is left");
    }
}
