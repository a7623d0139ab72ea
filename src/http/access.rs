//! Access after the opening: when keys, accounts or plans change, every live stream is checked again, and every key looked up anew.

use std::sync::Arc;

use super::state::State;
use crate::{
    hub::{
        frame::Ending,
        seat::{End, Lapse, Seat},
    },
    model::{
        account::{Denied, Holder},
        key::KeyHash,
    },
    store::error::StoreResult,
};

/// When and as what a holder's stream lapses by itself.
#[must_use]
pub fn lapse(holder: &Holder) -> Option<Lapse> {
    let at = holder.valid_until()?;
    let ending = if holder.key.expires_at == Some(at) {
        Ending::KeyRevoked
    } else {
        Ending::SubscriptionExpired
    };
    Some(Lapse { at, ending })
}

/// Checks every live stream against the database: ends those that may no longer be, moves the lapse of the others. What
/// requests knew of keys is forgotten first.
pub async fn refresh(state: &State) -> StoreResult<()> {
    state.callers.forget_holders();
    let seats = state.hub.seats.all();
    let keys: Vec<String> = seats.iter().map(|seat| seat.key().to_owned()).collect();
    let holders = state.db.holders(&keys).await?;
    for seat in &seats {
        apply(state, seat, holders.get(seat.key()));
    }
    end_signed_out(state, &seats).await
}

/// Ends the views whose sessions are over.
async fn end_signed_out(state: &State, seats: &[Arc<Seat>]) -> StoreResult<()> {
    let sessions = state.views.sessions();
    if sessions.is_empty() {
        return Ok(());
    }
    let hashes: Vec<KeyHash> = sessions.iter().map(|(_, session)| *session).collect();
    let now = state.clock.now();
    let counting = state.db.sessions_that_count(&hashes, now).await?;
    for (connection, session) in sessions {
        let mut views = seats.iter().filter(|seat| seat.is_view());
        if !counting.contains(&session)
            && let Some(seat) = views.find(|seat| seat.connection == connection)
        {
            seat.end(End::SignedOut);
        }
    }
    Ok(())
}

/// The same for one key, at once: what the admin listener has just revoked.
pub async fn refresh_key(state: &State, key_id: &str) -> StoreResult<()> {
    state.callers.forget_holders();
    let seats = &state.hub.seats;
    let views = seats.views(key_id, state.config.views_per_key);
    let seats: Vec<Arc<Seat>> = seats.of_key(key_id).into_iter().chain(views).collect();
    if seats.is_empty() {
        return Ok(());
    }
    let holder = state.db.holder_by_key_id(key_id).await?;
    for seat in seats {
        apply(state, &seat, holder.as_ref());
    }
    Ok(())
}

fn apply(state: &State, seat: &Seat, holder: Option<&Holder>) {
    let verdict = holder.map_or(Err(Denied::InvalidKey), |holder| {
        holder.check_stream(&state.plans, state.clock.now())
    });
    match verdict {
        Ok(()) => seat.set_lapse(state.views.lapse(seat, holder.and_then(lapse))),
        Err(Denied::InvalidKey) => seat.end(End::Error(Ending::KeyRevoked)),
        Err(Denied::SubscriptionRequired | Denied::SubscriptionExpired) => {
            seat.end(End::Error(Ending::SubscriptionExpired));
        }
    }
}
