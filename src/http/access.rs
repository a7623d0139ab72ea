//! Access after the opening: when keys, accounts or plans change, every live stream is checked again, and every key looked up anew.

use super::state::State;
use crate::{
    hub::{
        frame::Ending,
        seat::{End, Lapse, Seat},
    },
    model::{
        account::{Denied, Holder, Plans},
        time::Time,
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
    let keys: Vec<String> = seats.iter().map(|seat| seat.key_id.to_string()).collect();
    let holders = state.db.holders(&keys).await?;
    for seat in seats {
        apply(
            &seat,
            holders.get(&*seat.key_id),
            &state.plans,
            state.clock.now(),
        );
    }
    Ok(())
}

/// The same for one key, at once: what the admin listener has just revoked.
pub async fn refresh_key(state: &State, key_id: &str) -> StoreResult<()> {
    state.callers.forget_holders();
    if let Some(seat) = state.hub.seats.of_key(key_id) {
        let holder = state.db.holder_by_key_id(key_id).await?;
        apply(&seat, holder.as_ref(), &state.plans, state.clock.now());
    }
    Ok(())
}

fn apply(seat: &Seat, holder: Option<&Holder>, plans: &Plans, now: Time) {
    let verdict = holder.map_or(Err(Denied::InvalidKey), |holder| {
        holder.check_stream(plans, now)
    });
    match verdict {
        Ok(()) => seat.set_lapse(holder.and_then(lapse)),
        Err(Denied::InvalidKey) => seat.end(End::Error(Ending::KeyRevoked)),
        Err(Denied::SubscriptionRequired | Denied::SubscriptionExpired) => {
            seat.end(End::Error(Ending::SubscriptionExpired));
        }
    }
}
