//! Tickets: what opens a stream where no header can be sent. A key's own stream, or a view for who is signed in to the pages.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{
    caller::Known,
    error::{ApiError, ApiResult},
    guard, reply,
    state::State,
    views::Entry,
};
use crate::{
    hub::{
        frame::Ending,
        seat::{End, Seat},
        seats::SeatGuard,
    },
    model::{account::Holder, key::KeyHash, time::Time},
    store::tickets::Ticket,
};

fn hash_of(ticket: &str) -> KeyHash {
    KeyHash(Sha256::digest(ticket.as_bytes()).into())
}

/// What openings of a key's views are counted as: its own stream's are counted for themselves.
#[must_use]
pub fn counted_as(key_id: &str) -> String {
    format!("{key_id} views")
}

/// 429 where a key, or what is counted for itself, opens streams too often.
pub fn admit(state: &State, counted_as: &str) -> ApiResult<()> {
    let often = state.connects.admit(counted_as, Instant::now());
    often.map_err(|wait| {
        let message = "This key's stream was opened too often within a minute: does the program reconnect in a loop?";
        // rounded up: who comes back a moment too early is refused again
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(60);
        ApiError::rate_limited("connects", message.to_owned(), seconds)
    })
}

/// An opening by ticket. However it ends, refused and broken off included, the time to reopen runs from its drop.
pub struct Spent {
    state: Arc<State>,
    hash: KeyHash,
    opened: Time,
    /// Whose page it opens a view for, and when that session ends.
    session: Option<(KeyHash, Time)>,
    view: Option<Entry>,
}

impl Drop for Spent {
    fn drop(&mut self) {
        // without a runtime the process ends: the next start closes all tickets
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (state, hash, opened) = (self.state.clone(), self.hash, self.opened);
        runtime.spawn(async move {
            let closed = async {
                let now = state.db.shared_time(state.clock.now()).await?;
                state.db.close_ticket(&hash, opened, now).await
            };
            if let Err(error) = closed.await {
                tracing::warn!(%error, "a ticket's end could not be noted");
            }
        });
    }
}

impl Spent {
    /// Whether it opens a view.
    #[must_use]
    pub fn is_view(&self) -> bool {
        self.session.is_some()
    }

    /// 401 where its session is over.
    pub async fn check_session(&self) -> ApiResult<()> {
        match &self.session {
            Some((session, _)) => session_ends(&self.state, session).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Takes a place for the view that it opens. What the same page had open before ends; else, where the key has no place left, the view that is
    /// open the longest.
    pub fn take_view(
        &mut self,
        key_id: &str,
        connection: u64,
        seat: impl Fn(Box<str>) -> Seat,
    ) -> ApiResult<SeatGuard> {
        let Some((session, ends)) = self.session else {
            return Err(ApiError::internal(&"a view without a session"));
        };
        let (state, hash) = (self.state.clone(), self.hash);
        let places = state.config.views_per_key;
        if let Some(before) = state.views.of_ticket(&hash) {
            let seats = &state.hub.seats;
            let mut open = seats.views(key_id, places).into_iter();
            if let Some(seat) = open.find(|seat| seat.connection == before) {
                seats.evict(&seat, End::Error(Ending::Superseded));
            }
        }
        let seat = state.hub.take_view(key_id, places, seat);
        let seat = seat.ok_or_else(no_views)?;
        self.view = Some(state.views.enter(connection, hash, session, ends));
        seat.set_lapse(state.views.lapse(&seat, seat.lapse()));
        Ok(seat)
    }
}

async fn session_ends(state: &State, session: &KeyHash) -> ApiResult<Time> {
    let session = state.db.session(session, state.clock.now()).await?;
    Ok(session.ok_or_else(ApiError::invalid_key)?.expires_at)
}

fn no_views() -> ApiError {
    let message = "This server shows no stream in its pages.";
    ApiError::new(StatusCode::FORBIDDEN, "no_views", message)
}

/// Spends a ticket: who holds the key that it stands for, if that counts now.
pub async fn spend(state: &Arc<State>, ticket: &str, resumes: bool) -> ApiResult<(Holder, Spent)> {
    // tickets go from node to node: they live by the clock that all have in common
    let opened = state.db.shared_time(state.clock.now()).await?;
    let hash = hash_of(ticket);
    let opens = state.db.spend_ticket(&hash, resumes, opened).await?;
    let opens = opens.ok_or_else(ApiError::invalid_key)?;
    let mut spent = Spent {
        state: state.clone(),
        hash,
        opened,
        session: None,
        view: None,
    };
    if let Some(session) = opens.session {
        spent.session = Some((session, session_ends(state, &session).await?));
    }
    let holder = state.db.holder_by_key_id(&opens.key_id).await?;
    let holder = holder.ok_or_else(ApiError::invalid_key)?;
    holder.check_key(state.clock.now())?;
    Ok((holder, spent))
}

/// What opens a stream where no header can be sent.
#[derive(Serialize, ToSchema)]
pub struct NewTicket {
    /// For `?ticket=`; it opens one stream.
    ticket: String,
    /// Seconds within which it must be used.
    expires_in: u64,
}

/// Make a ticket for a stream
///
/// For `EventSource` in browsers, which can send no header: `?ticket=` opens one stream, within the time that is said.
#[utoipa::path(
    post, path = "/api/signals/stream/tickets", tag = "stream",
    responses((status = 200, description = "The ticket", body = NewTicket)),
)]
pub async fn make_ticket(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> ApiResult {
    let (Known { holder, .. }, _) = guard::opens(&state, &headers).await?;
    make(&state, &holder, None).await
}

/// A ticket for a view, for a page of this session.
pub async fn make_for_view(state: &State, holder: &Holder, session: KeyHash) -> ApiResult {
    if state.config.views_per_key == 0 {
        return Err(no_views());
    }
    admit(state, &counted_as(&holder.key.id))?;
    make(state, holder, Some(session)).await
}

async fn make(state: &State, holder: &Holder, session: Option<KeyHash>) -> ApiResult<Response> {
    let now = state.clock.now();
    holder.check_stream(&state.plans, now)?;
    let text = format!(
        "{}{}",
        state.random.uuid().simple(),
        state.random.uuid().simple()
    );
    let seconds = state.config.ticket_seconds;
    let now = state.db.shared_time(now).await?;
    let expires_at = now.plus(
        i64::try_from(seconds)
            .unwrap_or(60)
            .saturating_mul(Time::SECOND),
    );
    let opens = Ticket {
        key_id: holder.key.id.clone(),
        session,
    };
    let hash = hash_of(&text);
    state.db.add_ticket(&hash, &opens, expires_at, now).await?;
    let mut response = reply::json(&NewTicket {
        ticket: text,
        expires_in: seconds,
    });
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}
