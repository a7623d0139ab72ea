//! A declaration's backtest as it is stored: what became of the price, by horizon, as far as it is matured.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde::Serialize;

use crate::{
    model::{money::Exact, time::Time},
    score::insider::{
        audit::Assessment,
        backtest::{HORIZONS, Outcome, entry, matured},
        company::Company,
    },
    store::{
        declarations::StoredDeclaration,
        error::{StoreError, StoreResult},
        returns::Backtest,
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    direction: &'static str,
    price_at_trade: Option<Exact>,
    price: BTreeMap<&'static str, Option<Exact>>,
    #[serde(rename = "return")]
    raw: BTreeMap<&'static str, Option<Exact>>,
    excess: BTreeMap<&'static str, Option<Exact>>,
}

/// The API's name of each of the horizons.
pub const NAMES: [&str; 7] = ["30d", "60d", "90d", "160d", "180d", "365d", "730d"];

/// The backtests of those of these declarations that have a score; nothing where no close follows the publication.
pub fn of<'a>(
    company: i64,
    market: &str,
    known: &Company,
    standing: impl Iterator<Item = (&'a StoredDeclaration, &'a Assessment)>,
    now: Time,
) -> StoreResult<Vec<Backtest>> {
    let mut backtests = Vec::new();
    for (stored, assessment) in standing {
        let Ok(audit) = &assessment.outcome else {
            continue;
        };
        let published_at = stored.record.published_at;
        let Some((_, price)) = entry(known, published_at) else {
            continue;
        };
        let outcomes = matured(known, published_at, now);
        let at = |horizon: i32| outcomes.iter().find(|outcome| outcome.horizon == horizon);
        let column = |of: &dyn Fn(&Outcome) -> Option<Decimal>| {
            let each = NAMES.iter().zip(HORIZONS);
            each.map(|(name, horizon)| (*name, at(horizon).and_then(of).map(Exact)))
                .collect()
        };
        let body = Body {
            direction: audit.direction.word(),
            price_at_trade: Some(Exact(price)),
            price: column(&|outcome| Some(outcome.exit)),
            raw: column(&|outcome| Some(outcome.raw)),
            excess: column(&|outcome| outcome.excess),
        };
        let body = serde_json::to_string(&body)
            .map_err(|e| StoreError::corrupt(assessment.amf_id.clone(), e))?;
        let millionths = |number: Decimal| (number * Decimal::from(1_000_000)).round().to_i64();
        backtests.push(Backtest {
            declaration: stored.number,
            company,
            direction: audit.direction,
            published_at,
            score: Some(audit.score.0),
            market: market.to_owned(),
            excess: HORIZONS.map(|horizon| {
                at(horizon)
                    .and_then(|outcome| outcome.excess)
                    .and_then(millionths)
            }),
            body,
        });
    }
    Ok(backtests)
}
