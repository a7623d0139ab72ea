//! Access after the opening: when keys, accounts or plans change, every live stream is checked again.

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

/// Checks every live stream against the database: ends those that may no longer be, moves the lapse of the others.
pub async fn refresh(state: &State) -> StoreResult<()> {
    for seat in state.hub.seats.all() {
        let holder = state.db.holder_by_key_id(&seat.key_id).await?;
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
