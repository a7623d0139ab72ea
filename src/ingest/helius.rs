//! Helius enhanced transactions, from a file or a webhook's body: what one wallet gave and got, as swaps against money.
//!
//! Rules, from the surest source to the least:
//! 1. Who traded: the fee payer if `events.swap` names it, else the wallet that the event names, else `feePayer`, else the first account (Solana puts the fee payer first).
//! 2. What it traded: `events.swap`; without it the change of the wallet's balances in `accountData` (all its token accounts'
//!    lamports with its own: wrapped SOL and the rent of a new account cancel out, and the fee is added back where it is told);
//!    without them the `tokenTransfers` and `nativeTransfers`.
//! 3. Where `events.swap` and the balances differ by more than a tenth in SOL, the balances are believed: the event has been seen
//!    to give the top-up of a wrapped-SOL account as the price.
//! 4. Dollars (USDC, USDT) are the price where they moved; the SOL beside them is fees and rent. Otherwise SOL is.
//! 5. A token for a token is two swaps only where the inner swaps show the money in between.
//!
//! Protocol fees, tips and the rent of accounts that are no token accounts stay in the price: the transaction does not tell them
//! apart. The network fee is in lamports, which only a price could turn into dollars: `fee` stays zero.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ledger::{Accounts, Leg, Money, Net, SwapEvent, of_accounts, of_event, of_inner, of_transfers},
    source::{Importer, address, json_reason, quantity, words},
};
use crate::model::{
    money::MicroUsd,
    swap::{Address, Amount, Fact, Side, Swap},
    time::Time,
};

/// Reads one transaction a row.
#[derive(Debug, Default)]
pub struct Helius {
    /// The event time of a transaction without `timestamp`.
    pub received_at: Option<Time>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    signature: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    fee: Option<u64>,
    #[serde(default)]
    fee_payer: Option<String>,
    #[serde(default)]
    slot: Option<u64>,
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default)]
    transaction_error: Option<serde_json::Value>,
}

impl Importer for Helius {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        let tx: Transaction = serde_json::from_slice(row).map_err(|e| json_reason(&e))?;
        let accounts: Accounts = serde_json::from_slice(row).map_err(|e| json_reason(&e))?;
        let swaps = swaps(&tx, &accounts, self.received_at)?;
        out.extend(swaps.into_iter().map(Fact::Swap));
        Ok(())
    }
}

fn swaps(
    tx: &Transaction,
    accounts: &Accounts,
    received_at: Option<Time>,
) -> Result<Vec<Swap>, String> {
    if tx.transaction_error.as_ref().is_some_and(|e| !e.is_null()) {
        return Err("the transaction failed".into());
    }
    let event = accounts.swap_event();
    if event.is_none() && tx.kind.as_deref() != Some("SWAP") {
        let kind: String = tx.kind.iter().flat_map(|k| k.chars()).take(40).collect();
        return Err(format!("type: `{kind}` is no SWAP"));
    }
    let payer = tx.fee_payer.as_deref();
    let wallet = event
        .and_then(|event| event.trader(payer))
        .or(payer)
        .or_else(|| accounts.first_account())
        .ok_or("no feePayer and no accounts: nobody traded")?;
    let pays_fee = tx.fee_payer.as_deref().is_none_or(|payer| payer == wallet);
    let fee = if pays_fee { tx.fee.unwrap_or(0) } else { 0 };

    let balances = of_accounts(accounts, wallet, fee)?;
    let net = match event {
        Some(event) => believed(of_event(event)?, &balances),
        None if balances.tokens.is_empty() => of_transfers(accounts, wallet)?,
        None => balances,
    };
    let legs = legs(&net, event, wallet)?;

    let common = Common {
        signature: address("signature", &tx.signature)?,
        slot: tx.slot,
        time: match (tx.timestamp, received_at) {
            (Some(seconds), _) => Time::from_unix_ms(seconds.saturating_mul(1000))
                .map_err(|e| format!("timestamp: {e}"))?,
            (None, Some(received_at)) => received_at,
            (None, None) => return Err("timestamp: missing, and no time was given".into()),
        },
        wallet: address("feePayer", wallet)?,
        dex: words("source", tx.source.as_deref())?,
    };
    let mut swaps = Vec::with_capacity(legs.len());
    for (index, leg) in legs.iter().enumerate() {
        swaps.push(common.swap(index as u32, leg)?);
    }
    Ok(swaps)
}

/// The event says which tokens; the balances correct the SOL where they know the same trade.
fn believed(event: Net, balances: &Net) -> Net {
    let same_tokens = !event.tokens.is_empty() && event.tokens.keys().eq(balances.tokens.keys());
    let apart = (event.lamports - balances.lamports).unsigned_abs();
    let differs = apart > event.lamports.unsigned_abs() / 10;
    // a sign that turned would be fees larger than the trade, not a better price
    let same_way = event.lamports.signum() * balances.lamports.signum() >= 0;
    if same_tokens && event.micro_usd == 0 && differs && same_way && balances.lamports != 0 {
        return Net {
            lamports: balances.lamports,
            ..event
        };
    }
    event
}

fn legs(net: &Net, event: Option<&SwapEvent>, wallet: &str) -> Result<Vec<Leg>, String> {
    let given: BTreeMap<_, _> = net
        .tokens
        .iter()
        .filter(|(_, change)| **change < 0)
        .collect();
    let got: BTreeMap<_, _> = net
        .tokens
        .iter()
        .filter(|(_, change)| **change > 0)
        .collect();
    let one = |tokens: &BTreeMap<&String, &i128>| {
        let (mint, change) = tokens.iter().next()?;
        Some(((*mint).clone(), change.unsigned_abs()))
    };
    match (given.len(), got.len()) {
        (0, 0) => Err("no token besides money changed hands".into()),
        (0, 1) => match (one(&got), net.paid()) {
            (Some((mint, quantity)), Some(money)) => Ok(vec![Leg {
                side: Side::Buy,
                mint,
                quantity,
                money,
            }]),
            _ => Err("no money leg: the wallet paid neither SOL nor dollars".into()),
        },
        (1, 0) => match (one(&given), net.received()) {
            (Some((mint, quantity)), Some(money)) => Ok(vec![Leg {
                side: Side::Sell,
                mint,
                quantity,
                money,
            }]),
            _ => Err("no money leg: the wallet received neither SOL nor dollars".into()),
        },
        (1, 1) => {
            let priced = match (one(&given), one(&got), event) {
                (Some(given), Some(got), Some(event)) => of_inner(event, given, got)?,
                _ => None,
            };
            priced.ok_or_else(|| "token for token: no money leg prices it".into())
        }
        _ => Err(format!(
            "{} changed {} tokens at once: no money leg prices each",
            wallet.chars().take(44).collect::<String>(),
            net.tokens.len()
        )),
    }
}

/// What all swaps of a transaction share.
struct Common {
    signature: Address,
    slot: Option<u64>,
    time: Time,
    wallet: Address,
    dex: Option<Address>,
}

impl Common {
    fn swap(&self, index: u32, leg: &Leg) -> Result<Swap, String> {
        Ok(Swap {
            signature: self.signature.clone(),
            index,
            slot: self.slot,
            tx_index: None,
            time: self.time,
            wallet: self.wallet.clone(),
            mint: address("mint", &leg.mint)?,
            side: leg.side,
            token_amount: quantity("tokenAmount", leg.quantity)?,
            amount: match leg.money {
                Money::Lamports(lamports) => {
                    let lamports = i128::try_from(lamports).unwrap_or(i128::MAX);
                    Amount::Sol(
                        rust_decimal::Decimal::try_from_i128_with_scale(lamports, 9)
                            .map_err(|_| "more lamports than exist".to_owned())?,
                    )
                }
                Money::MicroUsd(micros) => Amount::Usd(MicroUsd(
                    i64::try_from(micros)
                        .ok()
                        .filter(|micros| *micros <= 1_000_000_000_000_000_000)
                        .ok_or("more dollars than a trillion")?,
                )),
            },
            fee: MicroUsd::ZERO,
            dex: self.dex.clone(),
        })
    }
}
