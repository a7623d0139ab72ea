//! Simulated tokens: their names, their states, and swaps at a market capitalisation.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::dice::Dice;
use crate::model::{
    money::{Exact, MicroUsd},
    swap::{Address, Amount, Fact, Side, Swap, TokenFact, TokenInfo},
    time::Time,
};

/// A thousand million tokens of six decimals, in base units.
pub const SUPPLY: u128 = 1_000_000_000_000_000;

const FIRST: [&str; 24] = [
    "Moon", "Turbo", "Sleepy", "Quantum", "Cosmic", "Salty", "Golden", "Pixel", "Hyper", "Lazy",
    "Angry", "Tiny", "Mega", "Neon", "Frozen", "Lucky", "Solar", "Velvet", "Rusty", "Silent",
    "Brave", "Fuzzy", "Royal", "Electric",
];
const SECOND: [&str; 24] = [
    "Otter", "Goose", "Capybara", "Walrus", "Frog", "Badger", "Panda", "Lobster", "Raccoon",
    "Penguin", "Hamster", "Llama", "Beaver", "Falcon", "Toad", "Whale", "Ferret", "Yak", "Gecko",
    "Moose", "Crab", "Koala", "Lynx", "Puffin",
];

/// A token and its maker.
#[derive(Clone, Debug)]
pub struct Coin {
    /// Its address.
    pub mint: Address,
    /// Who made it.
    pub deployer: Address,
    /// Ticker.
    pub symbol: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// When it was made.
    pub created_at: Time,
}

/// What a token's owners kept and its holders hold, which is what rug checks look at.
#[derive(Clone, Copy, Debug)]
pub struct Safety {
    /// Mint authority given up.
    pub mint_renounced: bool,
    /// Freeze authority given up.
    pub freeze_renounced: bool,
    /// Percent.
    pub top10_pct: u64,
    /// Percent.
    pub max_holder_pct: u64,
    /// Unknown on a bonding curve.
    pub lp_locked: Option<bool>,
    /// Still on its curve.
    pub bonding_curve: bool,
}

impl Coin {
    /// A new one.
    pub fn new(dice: &mut Dice, created_at: Time) -> Self {
        let first = dice.pick(&FIRST).copied().unwrap_or("Plain");
        let second = dice.pick(&SECOND).copied().unwrap_or("Coin");
        let number = dice.between(1, 99);
        let short = |word: &str, letters: usize| word.chars().take(letters).collect::<String>();
        let symbol = format!("{}{}{number}", short(first, 2), short(second, 3)).to_uppercase();
        Coin {
            mint: dice.address(),
            deployer: dice.address(),
            symbol: Arc::from(symbol),
            name: Arc::from(format!("{first} {second} {number}")),
            created_at,
        }
    }

    /// Its `token` fact at a market capitalisation and a liquidity in dollars.
    #[must_use]
    pub fn state(&self, time: Time, cap_usd: u64, liquidity_usd: u64, safety: Safety) -> Fact {
        let whole = |number: u64| Some(Exact(Decimal::from(number)));
        Fact::Token(TokenFact {
            mint: self.mint.clone(),
            time,
            info: TokenInfo {
                symbol: Some(self.symbol.clone()),
                name: Some(self.name.clone()),
                dex: Some(
                    if safety.bonding_curve {
                        "pump.fun"
                    } else {
                        "pumpswap"
                    }
                    .into(),
                ),
                created_at: Some(self.created_at),
                decimals: Some(6),
                market_cap_usd: whole(cap_usd),
                liquidity_usd: whole(liquidity_usd),
                price_usd: Some(Exact(Decimal::from_i128_with_scale(i128::from(cap_usd), 9))),
                mint_renounced: Some(safety.mint_renounced),
                freeze_renounced: Some(safety.freeze_renounced),
                top10_holders_pct: whole(safety.top10_pct),
                max_holder_pct: whole(safety.max_holder_pct),
                lp_locked: safety.lp_locked,
                bonding_curve: Some(safety.bonding_curve),
                permanent_delegate: Some(false),
                deployer: Some(self.deployer.clone()),
                ..TokenInfo::default()
            },
        })
    }
}

/// Base units that `micros` of money are worth at a market capitalisation in dollars; one at least.
#[must_use]
pub fn units_for(micros: u64, cap_usd: u64) -> u128 {
    (u128::from(micros) * SUPPLY / (u128::from(cap_usd.max(1)) * 1_000_000)).max(1)
}

/// Money in micro-dollars that base units are worth at a market capitalisation in dollars.
#[must_use]
pub fn worth(units: u128, cap_usd: u64) -> u64 {
    let micros = units * u128::from(cap_usd) * 1_000_000 / SUPPLY;
    u64::try_from(micros).unwrap_or(u64::MAX)
}

/// A swap of `units` for `micros`; its place on chain is stamped later, when the order of facts is known.
#[must_use]
pub fn swap(
    wallet: &Address,
    mint: &Address,
    side: Side,
    units: u128,
    micros: u64,
    time: Time,
) -> Swap {
    Swap {
        signature: Arc::from(""),
        index: 0,
        slot: None,
        tx_index: None,
        time,
        wallet: wallet.clone(),
        mint: mint.clone(),
        side,
        token_amount: units,
        amount: Amount::Usd(MicroUsd(i64::try_from(micros).unwrap_or(i64::MAX))),
        // a quarter of a percent, as an automated market maker takes it
        fee: MicroUsd(i64::try_from(micros / 400).unwrap_or(0)),
        dex: Some("pumpswap".into()),
    }
}

/// Gives facts, in their order, a signature and a place on chain.
#[derive(Clone, Debug)]
pub struct Stamp {
    dice: Dice,
    slot: u64,
    in_slot: u64,
}

impl Stamp {
    /// Signatures of a seed and purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Stamp {
            dice: Dice::new(seed, purpose),
            slot: 0,
            in_slot: 0,
        }
    }

    /// Stamps the next fact.
    pub fn stamp(&mut self, fact: &mut Fact) {
        // a slot takes 400 ms
        let slot = u64::try_from(fact.time().0 / 400_000).unwrap_or(0);
        let Fact::Swap(swap) = fact else {
            return;
        };
        if slot > self.slot {
            (self.slot, self.in_slot) = (slot, 0);
        }
        swap.signature = self.dice.signature();
        swap.slot = Some(self.slot);
        swap.tx_index = Some(self.in_slot);
        self.in_slot += 1;
    }
}
