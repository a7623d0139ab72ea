//! What a wallet gave and got in one Helius transaction, told from its event, its balances or its transfers.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::source::amount;
use crate::model::swap::Side;

const WRAPPED_SOL: &str = "So11111111111111111111111111111111111111112";
const DOLLARS: [&str; 2] = [
    "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", // USDC
    "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", // USDT
];

/// Sums in i128 of at most this many rows of at most 2^64 each cannot overflow.
const MAX_ROWS: usize = 100_000;

/// The parts of a transaction that move value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accounts {
    #[serde(default)]
    account_data: Option<Vec<Account>>,
    #[serde(default)]
    token_transfers: Option<Vec<TokenTransfer>>,
    #[serde(default)]
    native_transfers: Option<Vec<NativeTransfer>>,
    #[serde(default)]
    events: Option<Events>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account: String,
    #[serde(default)]
    native_balance_change: i64,
    #[serde(default)]
    token_balance_changes: Option<Vec<TokenChange>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenChange {
    #[serde(default)]
    user_account: Option<String>,
    mint: String,
    raw_token_amount: RawAmount,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAmount {
    token_amount: String,
    decimals: u8,
}

impl RawAmount {
    fn units(&self) -> Result<i128, String> {
        // u64 on chain: anything longer is no balance, and sums must not overflow
        let units: i128 = self
            .token_amount
            .parse()
            .map_err(|_| "rawTokenAmount: not an integer".to_owned())?;
        if units.unsigned_abs() > u128::from(u64::MAX) {
            return Err("rawTokenAmount: beyond 64 bits".into());
        }
        Ok(units)
    }
}

/// Amounts here are whole tokens with a decimal point.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenTransfer {
    #[serde(default)]
    from_user_account: Option<String>,
    #[serde(default)]
    to_user_account: Option<String>,
    #[serde(default)]
    from_token_account: Option<String>,
    #[serde(default)]
    to_token_account: Option<String>,
    token_amount: Box<RawValue>,
    mint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NativeTransfer {
    #[serde(default)]
    from_user_account: Option<String>,
    #[serde(default)]
    to_user_account: Option<String>,
    amount: u64,
}

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    swap: Option<SwapEvent>,
}

/// `events.swap`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwapEvent {
    #[serde(default)]
    native_input: Option<Native>,
    #[serde(default)]
    native_output: Option<Native>,
    #[serde(default)]
    token_inputs: Option<Vec<TokenChange>>,
    #[serde(default)]
    token_outputs: Option<Vec<TokenChange>>,
    #[serde(default)]
    inner_swaps: Option<Vec<InnerSwap>>,
}

#[derive(Deserialize)]
struct Native {
    #[serde(default)]
    account: Option<String>,
    amount: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InnerSwap {
    #[serde(default)]
    token_inputs: Option<Vec<TokenTransfer>>,
    #[serde(default)]
    token_outputs: Option<Vec<TokenTransfer>>,
}

/// Money, always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    /// SOL in 10⁻⁹.
    Lamports(u128),
    /// Dollars in 10⁻⁶, the units of USDC and USDT.
    MicroUsd(u128),
}

/// One swap of a token against money.
#[derive(Debug)]
pub struct Leg {
    /// Bought or sold.
    pub side: Side,
    /// Which token.
    pub mint: String,
    /// Base units.
    pub quantity: u128,
    /// What for.
    pub money: Money,
}

/// A wallet's changes: below zero it gave, above zero it got. Tokens that did not change are absent.
#[derive(Debug, Default)]
pub struct Net {
    /// Native and wrapped SOL.
    pub lamports: i128,
    /// USDC and USDT.
    pub micro_usd: i128,
    /// Everything else, in base units by mint.
    pub tokens: BTreeMap<String, i128>,
}

impl Net {
    /// What was paid: dollars where they moved, else SOL.
    #[must_use]
    pub fn paid(&self) -> Option<Money> {
        self.money(-1)
    }

    /// What was received.
    #[must_use]
    pub fn received(&self) -> Option<Money> {
        self.money(1)
    }

    fn money(&self, sign: i128) -> Option<Money> {
        if self.micro_usd != 0 {
            return (self.micro_usd.signum() == sign)
                .then(|| Money::MicroUsd(self.micro_usd.unsigned_abs()));
        }
        (self.lamports.signum() == sign).then(|| Money::Lamports(self.lamports.unsigned_abs()))
    }

    fn add(&mut self, mint: &str, units: i128) {
        if mint == WRAPPED_SOL {
            self.lamports += units;
        } else if DOLLARS.contains(&mint) {
            self.micro_usd += units;
        } else {
            *self.tokens.entry(mint.to_owned()).or_default() += units;
        }
    }

    fn settled(mut self) -> Self {
        self.tokens.retain(|_, change| *change != 0);
        self
    }
}

impl Accounts {
    /// `events.swap`, if it is there.
    #[must_use]
    pub fn swap_event(&self) -> Option<&SwapEvent> {
        self.events.as_ref()?.swap.as_ref()
    }

    /// The account that stands first.
    #[must_use]
    pub fn first_account(&self) -> Option<&str> {
        let first = self.account_data.as_ref()?.first()?;
        Some(&first.account)
    }

    fn decimals(&self, mint: &str) -> Option<u8> {
        if mint == WRAPPED_SOL {
            return Some(9);
        }
        if DOLLARS.contains(&mint) {
            return Some(6);
        }
        let changes = self.account_data.iter().flatten();
        changes
            .flat_map(|account| account.token_balance_changes.iter().flatten())
            .find(|change| change.mint == mint)
            .map(|change| change.raw_token_amount.decimals)
    }
}

impl SwapEvent {
    /// Whose swap it is: the fee payer if it is a party, else the giver of the first input, else the receiver of the first output.
    #[must_use]
    pub fn trader<'a>(&'a self, payer: Option<&'a str>) -> Option<&'a str> {
        let users = |list: &'a Option<Vec<TokenChange>>| {
            let changes = list.iter().flatten();
            changes.filter_map(|change| change.user_account.as_deref())
        };
        let account = |native: &'a Option<Native>| native.as_ref()?.account.as_deref();
        let parties = || {
            users(&self.token_inputs)
                .chain(account(&self.native_input))
                .chain(users(&self.token_outputs))
                .chain(account(&self.native_output))
        };
        payer
            .filter(|payer| parties().any(|party| party == *payer))
            .or_else(|| parties().next())
    }
}

/// From `events.swap`: its outer inputs and outputs.
pub fn of_event(event: &SwapEvent) -> Result<Net, String> {
    let mut net = Net::default();
    let sides = [
        (-1, &event.native_input, &event.token_inputs),
        (1, &event.native_output, &event.token_outputs),
    ];
    for (sign, native, tokens) in sides {
        if let Some(native) = native {
            net.lamports += sign * lamports(native)?;
        }
        for change in bounded(tokens)? {
            // inputs and outputs are both told without a sign
            let units = change.raw_token_amount.units()?.unsigned_abs() as i128;
            net.add(&change.mint, sign * units);
        }
    }
    Ok(net.settled())
}

fn lamports(native: &Native) -> Result<i128, String> {
    let digits = native.amount.get().trim_matches('"');
    let lamports: u64 = digits
        .parse()
        .map_err(|_| "native amount: not an integer of lamports".to_owned())?;
    Ok(i128::from(lamports))
}

/// From the balances: the wallet's own lamports, and those and the tokens of every token account it owns.
pub fn of_accounts(accounts: &Accounts, wallet: &str, fee: u64) -> Result<Net, String> {
    let mut net = Net::default();
    let mut mentioned = false;
    for account in bounded(&accounts.account_data)? {
        let mut owned = account.account == wallet;
        for change in bounded(&account.token_balance_changes)? {
            if change.user_account.as_deref() != Some(wallet) {
                continue;
            }
            owned = true;
            // wrapped SOL is counted with the lamports of its account
            if change.mint != WRAPPED_SOL {
                net.add(&change.mint, change.raw_token_amount.units()?);
            }
        }
        if owned {
            mentioned = true;
            net.lamports += i128::from(account.native_balance_change);
        }
    }
    if mentioned {
        net.lamports += i128::from(fee);
    }
    Ok(net.settled())
}

/// From the transfers. Where wrapped SOL or dollars moved, native SOL beside them is wrapping, rent and fees; otherwise it is the
/// money, but for what went to or came from a token account (rent).
pub fn of_transfers(accounts: &Accounts, wallet: &str) -> Result<Net, String> {
    let mut net = Net::default();
    let mut money_tokens = false;
    let mut token_accounts = Vec::new();
    for transfer in bounded(&accounts.token_transfers)? {
        let from = transfer.from_user_account.as_deref() == Some(wallet);
        let to = transfer.to_user_account.as_deref() == Some(wallet);
        if from == to {
            continue;
        }
        let decimals = accounts
            .decimals(&transfer.mint)
            .ok_or("tokenTransfers: no accountData tells the token's decimals")?;
        let units = units(transfer, decimals)?;
        net.add(&transfer.mint, if to { units } else { -units });
        let money = transfer.mint == WRAPPED_SOL || DOLLARS.contains(&transfer.mint.as_str());
        money_tokens |= money;
        token_accounts.extend(transfer.from_token_account.as_deref());
        token_accounts.extend(transfer.to_token_account.as_deref());
    }
    if !money_tokens {
        for transfer in bounded(&accounts.native_transfers)? {
            let from = transfer.from_user_account.as_deref();
            let to = transfer.to_user_account.as_deref();
            let rent = [from, to]
                .into_iter()
                .flatten()
                .any(|a| token_accounts.contains(&a));
            if rent || from == to {
                continue;
            }
            if from == Some(wallet) {
                net.lamports -= i128::from(transfer.amount);
            } else if to == Some(wallet) {
                net.lamports += i128::from(transfer.amount);
            }
        }
    }
    Ok(net.settled())
}

/// A token for a token, priced by the money between the inner swaps: sold for it, bought with it.
pub fn of_inner(
    event: &SwapEvent,
    given: (String, u128),
    got: (String, u128),
) -> Result<Option<Vec<Leg>>, String> {
    let mut proceeds = Net::default();
    let mut cost = Net::default();
    for inner in bounded(&event.inner_swaps)? {
        let only = |list: &Option<Vec<TokenTransfer>>, mint: &str| {
            list.as_ref()
                .is_some_and(|list| !list.is_empty() && list.iter().all(|t| t.mint == mint))
        };
        if only(&inner.token_inputs, &given.0) {
            add_money(&mut proceeds, &inner.token_outputs, 1)?;
        }
        if only(&inner.token_outputs, &got.0) {
            add_money(&mut cost, &inner.token_inputs, -1)?;
        }
    }
    let (Some(received), Some(paid)) = (proceeds.received(), cost.paid()) else {
        return Ok(None);
    };
    let leg = |side, (mint, quantity), money| Leg {
        side,
        mint,
        quantity,
        money,
    };
    Ok(Some(vec![
        leg(Side::Sell, given, received),
        leg(Side::Buy, got, paid),
    ]))
}

fn add_money(
    net: &mut Net,
    transfers: &Option<Vec<TokenTransfer>>,
    sign: i128,
) -> Result<(), String> {
    for transfer in bounded(transfers)? {
        if transfer.mint == WRAPPED_SOL {
            net.lamports += sign * units(transfer, 9)?;
        } else if DOLLARS.contains(&transfer.mint.as_str()) {
            net.micro_usd += sign * units(transfer, 6)?;
        }
    }
    Ok(())
}

/// Whole tokens with a point, as base units.
fn units(transfer: &TokenTransfer, decimals: u8) -> Result<i128, String> {
    let wrong = || "tokenAmount: beyond 64 bits".to_owned();
    let whole = amount("tokenAmount", Some(&transfer.token_amount))?
        .ok_or("tokenAmount: missing".to_owned())?;
    let scale = 10_u64.checked_pow(u32::from(decimals)).ok_or_else(wrong)?;
    let units = whole
        .checked_mul(Decimal::from(scale))
        .ok_or_else(wrong)?
        // JSON floats end in noise below the last base unit
        .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    units.to_u64().map(i128::from).ok_or_else(wrong)
}

fn bounded<T>(list: &Option<Vec<T>>) -> Result<&[T], String> {
    match list {
        None => Ok(&[]),
        Some(list) if list.len() > MAX_ROWS => Err("a list of more than 100000 entries".into()),
        Some(list) => Ok(list),
    }
}
