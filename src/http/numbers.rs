//! Exact decimals out of the store's texts.

use rust_decimal::Decimal;

use super::error::{ApiError, ApiResult};
use crate::model::money::Exact;

/// An exact decimal as the store keeps it.
pub fn exact(text: Option<&str>) -> ApiResult<Option<Exact>> {
    text.map(|text| text.parse().map(Exact))
        .transpose()
        .map_err(|e| ApiError::internal(&format!("a stored decimal cannot be read: {e}")))
}

/// A score out of tenths.
#[must_use]
pub fn points(tenths: i64) -> Exact {
    Exact(Decimal::new(tenths, 1))
}

/// A count of rows.
#[must_use]
pub fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
