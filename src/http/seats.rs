//! Live streams of this node closed from outside: by the admin listener's API, and in pages by operators and owners.

use super::{
    error::{ApiError, ApiResult},
    state::State,
};
use crate::hub::seat::End;

/// Closes a stream; its client may come back. An account's own, where one is named.
pub fn close(state: &State, account: Option<&str>, connection: u64) -> ApiResult<()> {
    let all = state.hub.seats.all();
    let found = all.iter().find(|seat| seat.connection == connection);
    let own = found.filter(|seat| account.is_none_or(|account| *seat.account_id == *account));
    let seat = own.ok_or_else(ApiError::not_found)?;
    tracing::info!(
        account = &*seat.account_id,
        key = seat.key(),
        connection,
        "a stream was closed on request"
    );
    seat.end(End::Closed);
    Ok(())
}
