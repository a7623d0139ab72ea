//! Facts made fit to be stored: amounts in dollars, and none from the future.

use rust_decimal::Decimal;

use crate::{
    model::{
        money::MicroUsd,
        swap::{Amount, Fact, Swap},
        time::Time,
    },
    store::{db::Tx, error::StoreResult, facts::SolPrices},
};

/// The prices of SOL that the swaps paid in SOL need.
pub async fn prices_for(tx: &mut Tx, facts: &[(u64, Fact)]) -> StoreResult<SolPrices> {
    let in_sol = facts.iter().filter_map(|(_, fact)| match fact {
        Fact::Swap(swap) if matches!(swap.amount, Amount::Sol(_)) => Some(swap.time),
        _ => None,
    });
    let (first, last) = in_sol.fold(
        (None, None),
        |(first, last): (Option<Time>, Option<Time>), time| {
            (
                Some(first.map_or(time, |t| t.min(time))),
                Some(last.map_or(time, |t| t.max(time))),
            )
        },
    );
    match (first, last) {
        (Some(first), Some(last)) => tx.sol_prices(first, last).await,
        _ => Ok(SolPrices::default()),
    }
}

/// Turns SOL into dollars, by `prices` or else at `sol_usd`, and refuses what cannot be and what is later than `latest`: the facts
/// that may be stored, and the lines of the others with reasons.
pub fn resolve(
    facts: &[(u64, Fact)],
    mut prices: SolPrices,
    sol_usd: Option<Decimal>,
    latest: Time,
) -> (Vec<Fact>, Vec<(u64, String)>) {
    let mut fit = Vec::with_capacity(facts.len());
    let mut refused = Vec::new();
    for (line, fact) in facts {
        let checked = if fact.time() > latest {
            Err(in_the_future(fact.time()))
        } else {
            in_dollars(fact, &mut prices, sol_usd)
        };
        match checked {
            Ok(fact) => fit.push(fact),
            Err(reason) => refused.push((*line, reason)),
        }
    }
    (fit, refused)
}

/// Why a fact of a later time is refused.
#[must_use]
pub fn in_the_future(time: Time) -> String {
    format!("time: {time} is in the future; is the clock right?")
}

/// The last time that is not in the future.
#[must_use]
pub fn latest_time(now: Time, max_future_seconds: i64) -> Time {
    now.plus(max_future_seconds.saturating_mul(Time::SECOND))
}

fn in_dollars(
    fact: &Fact,
    prices: &mut SolPrices,
    otherwise: Option<Decimal>,
) -> Result<Fact, String> {
    match fact {
        Fact::SolPrice(price) => {
            prices.insert(*price);
            Ok(fact.clone())
        }
        Fact::Swap(swap) => {
            let Amount::Sol(sol) = swap.amount else {
                return Ok(fact.clone());
            };
            let price = prices.at(swap.time).or(otherwise);
            let price = price.ok_or("amount_sol: no sol_price is known at or before this time; send one, or use --sol-usd")?;
            let usd = sol.checked_mul(price).ok_or("amount_sol: too large")?;
            let usd =
                MicroUsd::from_dollars(usd).map_err(|e| format!("amount_sol: in dollars, {e}"))?;
            Ok(Fact::Swap(Swap {
                amount: Amount::Usd(usd),
                ..swap.clone()
            }))
        }
        _ => Ok(fact.clone()),
    }
}
