//! The payload of a signal: the reference's fields in the reference's order, then ours.

use rust_decimal::{Decimal, RoundingStrategy, prelude::FromPrimitive};
use serde::Serialize;
use uuid::Uuid;

use crate::model::{
    money::Exact,
    rank::{Rank, Tenths},
    signal::CONSENSUS_EXIT,
    swap::{Address, Amount, Swap, TokenInfo},
    time::Time,
};

use super::{
    history::Rating,
    record::{Draft, EpisodeRecord},
    rug::Risk,
};

const CONSENSUS_BUY: &str = "consensus_buy";
const MARKET: &str = "crypto";
/// Significant digits of a price that is computed, not passed on.
const PRICE_DIGITS: u32 = 12;

#[derive(Serialize)]
struct Token<'a> {
    address: &'a str,
    symbol: Option<&'a str>,
    name: Option<&'a str>,
    image_url: Option<&'a str>,
    dex: Option<&'a str>,
    age_minutes: Option<i64>,
    market_cap_usd: Option<Exact>,
    liquidity_usd: Option<Exact>,
    price_sol: Option<Exact>,
    price_usd: Option<Exact>,
}

impl<'a> Token<'a> {
    fn new(info: &'a TokenInfo, swap: &'a Swap) -> Self {
        let age =
            |created: Time| swap.time.0.saturating_sub(created.0).max(0) / (60 * Time::SECOND);
        Token {
            address: &swap.mint,
            symbol: info.symbol.as_deref(),
            name: info.name.as_deref(),
            image_url: info.image_url.as_deref(),
            dex: info.dex.as_deref().or(swap.dex.as_deref()),
            age_minutes: info.created_at.map(age),
            market_cap_usd: info.market_cap_usd,
            liquidity_usd: info.liquidity_usd,
            price_sol: info.price_sol,
            price_usd: info.price_usd.or_else(|| paid_price(swap, info.decimals?)),
        }
    }
}

/// Dollars per whole token that a swap paid. `None` where the numbers are beyond what a decimal holds.
fn paid_price(swap: &Swap, decimals: u8) -> Option<Exact> {
    let Amount::Usd(amount) = swap.amount else {
        return None;
    };
    let per_unit = Decimal::from(amount.0).checked_div(Decimal::from_u128(swap.token_amount)?)?;
    let ten = |power: u32| 10_i64.checked_pow(power).map(Decimal::from);
    // micro-dollars per base unit → dollars per token
    let price = match decimals.checked_sub(6) {
        Some(up) => per_unit.checked_mul(ten(up.into())?)?,
        None => per_unit.checked_div(ten(6 - u32::from(decimals))?)?,
    };
    Some(Exact(price.round_sf(PRICE_DIGITS)?.normalize()))
}

/// A pool wallet.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which.
    pub wallet: Address,
    /// What it is worth.
    pub rating: Rating,
}

#[derive(Serialize)]
struct Wallet<'a> {
    address: &'a str,
    score: Tenths,
    rank: Rank,
    win_rate: Exact,
    realized_pnl_usd: Exact,
}

impl<'a> Wallet<'a> {
    fn new(member: &'a Member) -> Self {
        let Rating {
            score,
            rank,
            win_rate,
            pnl,
        } = member.rating;
        let rounded = |number: Decimal, digits| {
            Exact(number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero))
        };
        Wallet {
            address: &member.wallet,
            score,
            rank,
            win_rate: rounded(Decimal::from_f64(win_rate).unwrap_or_default(), 4),
            realized_pnl_usd: rounded(
                Decimal::try_from_i128_with_scale(pnl, 6).unwrap_or_default(),
                2,
            ),
        }
    }
}

#[derive(Serialize)]
struct RugCheck {
    mint_renounced: Option<bool>,
    freeze_renounced: Option<bool>,
    top10_holders_pct: Option<Exact>,
    lp_locked: Option<bool>,
    risk: &'static str,
}

#[derive(Serialize)]
struct Reached {
    rank: Rank,
    rank_score: Tenths,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Reached>,
}

impl Reached {
    /// What the rows so far reached: the best, and beside it those that beat it on score alone.
    fn of(episode: &EpisodeRecord) -> Option<Self> {
        let one = |(rank, rank_score): &(Rank, Tenths)| Reached {
            rank: *rank,
            rank_score: *rank_score,
            others: Vec::new(),
        };
        let (best, others) = episode.reached.split_first()?;
        Some(Reached {
            others: others.iter().map(one).collect(),
            ..one(best)
        })
    }
}

#[derive(Serialize)]
struct Buy<'a> {
    id: String,
    detected_at: Time,
    signal_type: &'static str,
    market: &'static str,
    rank: Rank,
    rank_score: Tenths,
    token: Token<'a>,
    wallet_count: usize,
    pool_wallet_count: usize,
    other_buyer_count: usize,
    wallet_score_sum: Tenths,
    triggering_wallets: Vec<Wallet<'a>>,
    rug_check: RugCheck,
    episode_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_before: Option<Reached>,
}

#[derive(Serialize)]
struct Exit<'a> {
    id: String,
    detected_at: Time,
    signal_type: &'static str,
    market: &'static str,
    rank: Option<Rank>,
    rank_score: Option<Tenths>,
    token: Token<'a>,
    triggering_wallet_count: usize,
    exited_wallets: Vec<&'a str>,
    episode_id: String,
    best_before: Option<Reached>,
}

/// What a row of an episode says.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The swap that fired.
    pub swap: &'a Swap,
    /// What is known of the token.
    pub info: &'a TokenInfo,
    /// Its rug risk.
    pub risk: Risk,
    /// The signal's letter.
    pub rank: Rank,
    /// And its points.
    pub score: Tenths,
    /// Pool wallets, best first.
    pub pool: &'a [Member],
    /// All counted buyers.
    pub total: usize,
}

/// Sum of the pool wallets' scores.
#[must_use]
pub fn score_sum(pool: &[Member]) -> Tenths {
    Tenths(pool.iter().map(|member| member.rating.score.0).sum())
}

/// The first row of an episode (`update` 0) or an update, with the episode as it was before it.
#[must_use]
pub fn buy(episode: &EpisodeRecord, update: i64, row: &Row<'_>) -> Draft {
    let id = if update > 0 {
        episode.update_id(update)
    } else {
        episode.id
    };
    let info = row.info;
    let payload = Buy {
        id: id.to_string(),
        detected_at: row.swap.time,
        signal_type: CONSENSUS_BUY,
        market: MARKET,
        rank: row.rank,
        rank_score: row.score,
        token: Token::new(info, row.swap),
        wallet_count: row.total,
        pool_wallet_count: row.pool.len(),
        other_buyer_count: row.total.saturating_sub(row.pool.len()),
        wallet_score_sum: score_sum(row.pool),
        triggering_wallets: row.pool.iter().map(Wallet::new).collect(),
        rug_check: RugCheck {
            mint_renounced: info.mint_renounced,
            freeze_renounced: info.freeze_renounced,
            top10_holders_pct: info.top10_holders_pct,
            lp_locked: info.lp_locked,
            risk: row.risk.word(),
        },
        episode_id: episode.id.to_string(),
        update: (update > 0).then_some(update),
        best_before: Reached::of(episode),
    };
    draft(id, &payload)
}

/// The row that says that the wallets are out again.
#[must_use]
pub fn exit(episode: &EpisodeRecord, swap: &Swap, info: &TokenInfo) -> Draft {
    let id = episode.exit_id();
    let payload = Exit {
        id: id.to_string(),
        detected_at: swap.time,
        signal_type: CONSENSUS_EXIT,
        market: MARKET,
        rank: episode.best().map(|(rank, _)| rank),
        rank_score: episode.best().map(|(_, score)| score),
        token: Token::new(info, swap),
        triggering_wallet_count: episode.triggers.len(),
        exited_wallets: episode.exited_wallets().map(|wallet| &**wallet).collect(),
        episode_id: episode.id.to_string(),
        best_before: Reached::of(episode),
    };
    draft(id, &payload)
}

fn draft(id: Uuid, payload: &impl Serialize) -> Draft {
    // structs of texts and numbers always serialise; an empty body would still be refused by the log
    let mut open_body = serde_json::to_string(payload).unwrap_or_default();
    open_body.pop();
    Draft { id, open_body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::MicroUsd;

    #[test]
    fn the_price_paid_per_token() {
        let check = |usd: i64, units: u128, decimals: u8, expected: Option<&str>| {
            let swap = Swap {
                signature: "s".into(),
                index: 0,
                slot: None,
                tx_index: None,
                time: Time(0),
                wallet: "w".into(),
                mint: "M".into(),
                side: crate::model::swap::Side::Buy,
                token_amount: units,
                amount: Amount::Usd(MicroUsd(usd)),
                fee: MicroUsd::ZERO,
                dex: None,
            };
            let price = paid_price(&swap, decimals).map(|price| price.0.to_string());
            assert_eq!(price.as_deref(), expected, "{usd} for {units}");
        };
        check(250_000_000, 36_231_884_058, 6, Some("0.00689999999999"));
        check(1_000_000, 2_000_000_000, 9, Some("0.5"));
        check(3_000_000, 100, 0, Some("0.03"));
        check(1, 0, 6, None);
        check(1, u128::MAX, 6, None);
        check(i64::MAX, 1, 255, None);
    }
}
