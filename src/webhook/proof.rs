//! Proof that a key seals what the database holds: a text that is kept with the first secret, and opens by that one's key alone.

use super::secret::{Seal, Secret};
use crate::{
    model::random::Random,
    store::{db::Db, error::StoreResult},
};

/// What the text is about: no endpoint is called so.
const ABOUT: &str = "hook_seal";

/// Whether this is the key of the secrets that there are, if there are any.
pub async fn fits(db: &Db, seal: &Seal) -> StoreResult<bool> {
    let kept = db.kept_hook_seal().await?;
    Ok(kept.is_none_or(|kept| seal.open(&kept, ABOUT).is_ok()))
}

/// Before a secret is sealed: whether this is the key of those that there are. Of the first one it is noted, and all others are none from then on.
pub async fn keep(db: &Db, seal: &Seal, random: &Random) -> StoreResult<bool> {
    let text = Secret::generate(|bytes| bytes.fill(0));
    let Some(own) = seal.seal(&text, ABOUT, |nonce| fill(random, nonce)) else {
        return Ok(false);
    };
    let kept = db.hook_seal(&own).await?;
    Ok(seal.open(&kept, ABOUT).is_ok())
}

/// Bytes that nobody guesses.
pub fn fill(random: &Random, bytes: &mut [u8]) {
    bytes.fill_with(|| random.byte());
}
