//! Why something that an owner wants of a webhook cannot be done.

use super::secret::Unsealable;
use crate::{gate::pairs::QueryError, store::error::StoreError};

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A field or a parameter.
    #[error(transparent)]
    Field(#[from] QueryError),
    /// No such endpoint, or another account's.
    #[error("there is no webhook with this id")]
    NoWebhook,
    /// No such signal in the log.
    #[error("there is no signal with this id in the log")]
    NoSignal,
    /// No such attempt, or it is forgotten.
    #[error("there is no attempt with this number")]
    NoAttempt,
    /// The plan allows none.
    #[error("the account's plan allows no webhooks")]
    NotInPlan,
    /// One test at a time.
    #[error("a test of this webhook is under way")]
    UnderTest,
    /// The key is not the one of the secrets in the database.
    #[error(
        "webhooks' secrets cannot be sealed here: this server's key is not the one of the secrets in the database"
    )]
    OtherKey,
    /// As above, seen at a secret.
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
    /// The database, or what it refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What something at the desk comes to.
pub type DeskResult<T> = Result<T, DeskError>;
