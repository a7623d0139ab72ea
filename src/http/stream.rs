//! `GET /api/signals/stream`: who may listen, from where, and the hand-over to the hub.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    access,
    caller::Known,
    error::{ApiError, ApiResult},
    guard,
    leaving::Exit,
    reply,
    state::{Look, State},
    stream_body::StreamBody,
    stream_start::{LAST_EVENT_ID, Start, replay, start},
    tickets::{self, Spent},
};
use crate::{
    gate::query::StreamQuery,
    hub::{
        frame::{self, Hello},
        leases::Refusal,
        opening::{self, Opening, Replay},
        outlet::Outlet,
        ring::Lineage,
        seat::Seat,
        seats::{SeatGuard, Taken},
        stream,
        transport::Transport,
        wire::Keep,
    },
    model::{
        account::Holder,
        address::ClientAddress,
        lease::Claim,
        log::{LogHead, Position},
    },
};

/// Where it is opened.
pub const PATH: &str = "/api/signals/stream";
/// `1`: take the seat even from a holder that is alive.
pub const TAKEOVER: HeaderName = HeaderName::from_static("x-stream-takeover");

/// Open the stream
///
/// Server-Sent Events: `hello`, then a frame for each signal whose `id:` is the place to go on from, `gap` where there is
/// a hole, `bye` or `error` at the end. One connection a key. Closed by the server, it is opened again with
/// `Last-Event-ID`; after `error` it is not.
#[utoipa::path(
    get, path = "/api/signals/stream", tag = "stream",
    params(
        super::schema::FilterParams,
        ("last_event_id" = Option<String>, Query, description = "Go on after this frame; the header `Last-Event-ID` goes before it"),
        ("since" = Option<String>, Query, description = "Begin at this ISO 8601 time"),
        ("replay_until" = Option<String>, Query, description = "Replay what was until this ISO 8601 time, and end"),
        ("speed" = Option<f64>, Query, minimum = 0.1, maximum = 10_000, description = "How many times faster than it happened; with `replay_until`"),
        ("heartbeat" = Option<String>, Query, pattern = "^event$", description = "`event`: heartbeat events beside the pings"),
        ("takeover" = Option<bool>, Query, description = "Take the connection even from a holder that is alive"),
        ("ticket" = Option<String>, Query, max_length = 128, description = "Stands for a key, in browsers"),
    ),
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 204, description = "A replay that has ended"),
        (status = 429, description = "The key's stream is open already: `connection_limit`; or it was opened too often: `rate_limited`", body = super::schema::ErrorBody),
    ),
)]
pub async fn open(Shared(state): Shared<Arc<State>>, request: Request) -> ApiResult {
    let (mut parts, _) = request.into_parts();
    let exit = parts.extensions.remove::<Exit>();
    let socket = parts.extensions.remove::<Arc<dyn Transport>>();
    let client = parts.extensions.remove::<ClientAddress>();
    let (Some(socket), Some(client)) = (socket, client) else {
        return Err(ApiError::internal(&"a request that came by no connection"));
    };
    let Parts {
        method,
        uri,
        headers,
        ..
    } = parts;
    if method == Method::HEAD {
        // what a GET would begin with, without taking the seat
        StreamQuery::parse(uri.query().unwrap_or_default())?;
        let (known, _) = guard::opens(&state, &headers).await?;
        known.holder.check_stream(&state.plans, state.clock.now())?;
        return Ok(reply::stream_head(Body::empty()));
    }
    let mut known = None;
    let opened = open_checked(&state, &socket, client, exit, &uri, &headers, &mut known).await;
    let mut response = match opened {
        Err(error)
            if error.status() == StatusCode::SERVICE_UNAVAILABLE && reply::comes_back(&headers) =>
        {
            reply::come_back(error.code(), state.retry_ms())
        }
        other => other.into_response(),
    };
    // where the key stands is told without looking it up once more
    if let Some(known) = known {
        response.extensions_mut().insert(known);
    }
    Ok(response)
}

/// `known`: who asks by a key, as soon as that is known.
async fn open_checked(
    state: &Arc<State>,
    socket: &Arc<dyn Transport>,
    client: ClientAddress,
    exit: Option<Exit>,
    uri: &Uri,
    headers: &HeaderMap,
    known: &mut Option<Known>,
) -> ApiResult {
    let resumes = headers.get(LAST_EVENT_ID).is_some_and(|id| !id.is_empty());
    let mut query = StreamQuery::parse(uri.query().unwrap_or_default())?;
    if query.replay.is_some() && !resumes && query.last_event_id.is_none() && query.since.is_none()
    {
        return Err(ApiError::parameter(
            "replay_until",
            "",
            "together with since or last_event_id: where the replay begins",
        ));
    }
    let (mut holder, mut access, mut ticket) = match query.ticket.take() {
        Some(ticket) => {
            let before = look(state).await?;
            let _turn = guard::take_turn(state).await?;
            let (holder, spent) = tickets::spend(state, ticket.reveal(), resumes).await?;
            (Arc::new(holder), before.access, Some(spent))
        }
        None => {
            let (asking, access) = guard::opens(state, headers).await?;
            (known.insert(asking).holder.clone(), access, None)
        }
    };
    holder.check_stream(&state.plans, state.clock.now())?;
    let shows = ticket.as_ref().is_some_and(Spent::is_view);
    if !shows {
        tickets::admit(state, &holder.key.id)?;
    } else if resumes {
        // the first opening was counted when its ticket was made
        tickets::admit(state, &tickets::counted_as(&holder.key.id))?;
    }

    let explicit = query.takeover || asks_for_takeover(headers)?;
    let claim = if resumes || explicit {
        Claim::Takeover
    } else {
        Claim::Fresh
    };
    let connection = state.hub.seats.next_connection();
    let seat = |name: Box<str>| {
        Seat::new(
            name,
            holder.account.id.as_str().into(),
            connection,
            state.clock.now(),
            client,
            Arc::downgrade(socket),
            access::lapse(&holder),
        )
    };
    let seat = match &mut ticket {
        Some(ticket) if shows => ticket.take_view(&holder.key.id, connection, seat)?,
        _ => {
            let taken = state
                .hub
                .take_seat(seat(holder.key.id.as_str().into()), claim);
            taken.await.map_err(|refusal| match refusal {
                Refusal::Taken(taken) => connection_limit(&taken),
                Refusal::Unavailable(error) => ApiError::unavailable(&error),
            })?
        }
    };
    // revoked while the seat was fought for? From here on, the access watcher knows this stream: what it has set since the holder was read is newer,
    // and stands
    let now = loop {
        let now = look(state).await?;
        if now.access == access {
            break now;
        }
        let _turn = guard::take_turn(state).await?;
        let read = state.db.holder_by_key_id(&holder.key.id).await?;
        holder = Arc::new(read.ok_or_else(ApiError::invalid_key)?);
        holder.check_stream(&state.plans, state.clock.now())?;
        if let Some(ticket) = &ticket {
            ticket.check_session().await?;
        }
        seat.set_lapse(state.views.lapse(&seat, access::lapse(&holder)));
        access = now.access;
        if let Some(known) = known.as_mut() {
            known.holder = holder.clone();
        }
    };
    holder.check_stream(&state.plans, state.clock.now())?;

    let Look { log, head, .. } = now;
    // the end of a replay is settled once those who publish now have published: nobody is to wait with it
    let replay = replay(state, &query).await?;
    let start = match start(state, headers, &query, &head, replay).await? {
        Some(start) => start,
        // a client that comes back after the end: 204 stops EventSource for good
        None => return Ok(reply::empty(StatusCode::NO_CONTENT)),
    };
    socket
        .becomes_stream()
        .map_err(|e| ApiError::internal(&e))?;
    Ok(hand_over(
        state, socket, exit, seat, &holder, query, start, replay, log, &head, ticket,
    ))
}

#[expect(clippy::too_many_arguments, reason = "the sum of what was decided")]
fn hand_over(
    state: &Arc<State>,
    socket: &Arc<dyn Transport>,
    exit: Option<Exit>,
    seat: SeatGuard,
    holder: &Holder,
    query: StreamQuery,
    start: Start,
    replay: Option<Replay>,
    log: Lineage,
    head: &LogHead,
    ticket: Option<Spent>,
) -> Response {
    let hub = state.hub.clone();
    let hello = Hello {
        user_id: &holder.account.id,
        key_id: &holder.key.id,
        plan: &holder.account.plan,
        epoch: &head.epoch,
        seq: head.seq,
        resumed_from: start.resumed_from,
        ping_seconds: hub.config.ping_seconds,
        server_time: state.clock.now(),
    };
    // A client that is cut off between hello and gap must not come back as one that knows where it stands: the hole would be
    // silent. Without an id it asks the same again, and is told again.
    let stands = start.gap.is_none().then(|| Position {
        epoch: head.epoch.clone(),
        seq: start.at,
    });
    let opening = Opening {
        hello: Some(frame::hello(&hello, state.retry_ms(), stands.as_ref())),
        gap: start.gap,
        at: start.at,
        log,
        filter: query.filter,
        heartbeat: query.heartbeat,
        replay,
        retry_ms: state.retry_ms(),
        next_ping: opening::first_ping(&hub.config, state.random.balanced()),
        matched: 0,
    };
    let begins = Position {
        epoch: opening.log.epoch.clone(),
        seq: opening.at,
    };
    hub.writes.open(&seat.shared(), &opening.filter, &begins);
    tracing::info!(
        key = %seat.key(), connection = seat.connection, peer = %seat.peer, after = opening.at, "stream opened"
    );
    let opened = Instant::now();
    if let Some(exit) = exit {
        let keep: Keep = match ticket {
            Some(ticket) => Box::new(ticket),
            None => Box::new(()),
        };
        let body = exit.leave(seat, opening, opened, keep);
        let mut head = reply::stream_head(body);
        // it is the connection's last answer
        let close = header::HeaderValue::from_static("close");
        head.headers_mut().insert(header::CONNECTION, close);
        return head;
    }
    let (out, pieces) = mpsc::channel(hub.config.pending_frames.max(1));
    let outlet = Outlet::new(pieces, seat.shared(), socket.clone(), hub.clone(), opened);
    let socket = socket.clone();
    tokio::spawn(async move {
        let _ticket = ticket;
        stream::run(hub, seat, socket, opening, out).await;
    });
    reply::stream_head(Body::new(StreamBody(outlet)))
}

/// How the database is now. At once an error, where that has not been known for so long that this node is silent.
async fn look(state: &State) -> ApiResult<Look> {
    let look = state.look().await;
    guard::check_reach(state)?;
    look.map_err(|error| ApiError::unavailable(&error))
}

/// 400 for a word that is neither yes nor no: a client that wanted the seat would wait for it in vain.
fn asks_for_takeover(headers: &HeaderMap) -> ApiResult<bool> {
    let Some(value) = headers.get(TAKEOVER) else {
        return Ok(false);
    };
    match value.as_bytes().to_ascii_lowercase().as_slice() {
        b"1" | b"true" => Ok(true),
        b"0" | b"false" | b"" => Ok(false),
        other => Err(ApiError::parameter(
            "X-Stream-Takeover",
            &String::from_utf8_lossy(other),
            "1 or true, 0 or false",
        )),
    }
}

fn connection_limit(taken: &Taken) -> ApiError {
    let message = if taken.flapping {
        "This key's stream was taken over too often within a minute: are two programs using one key?"
    } else {
        "This key's stream is open already. Close the other connection, or send X-Stream-Takeover: 1."
    };
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "connection_limit", message)
        .details(json!({"connected_at": taken.connected_at, "address": taken.peer}))
        .retry_after(if taken.flapping { 30 } else { 5 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, D, E, F, R>(_: impl Fn(A, B, C, D, E, F) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn what_opens_a_stream_is_small() {
        type Of<T> = &'static T;
        let opens =
            |state: Of<Arc<State>>,
             socket: Of<Arc<dyn Transport>>,
             client,
             uri: Of<Uri>,
             headers,
             known| { open_checked(state, socket, client, None, uri, headers, known) };
        // thousands may come at once, and what each takes for a moment is room that streams keep others from
        let size = size(opens);
        assert!(size <= 4_096, "{size} bytes");
    }
}
