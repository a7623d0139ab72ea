//! The NDJSON line of a fact, read with a reason for every refusal; `fact_text` writes it.

use std::{borrow::Cow, sync::Arc};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use super::{
    fact_text::write,
    line_field::{BYTE_ORDER_MARK, LineError, MAX_LINE_BYTES},
};
use super::{
    line_field::{
        Raw, boolean, digits, given, integer, json_reason, missing, number, short, text_of, time,
    },
    money::{Exact, MicroUsd, parse_decimal},
    swap::{
        Address, Amount, Direction, Fact, Label, MAX_QUANTITY, Side, SolPrice, Swap, TokenFact,
        TokenInfo, Transfer, WalletFact,
    },
};

const MAX_ADDRESS: usize = 128;

/// All fields of all types, unread: one pass over the line whatever its type, unknown fields ignored.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    v: Raw<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow, default)]
    signature: Raw<'a>,
    #[serde(borrow, default)]
    index: Raw<'a>,
    #[serde(borrow, default)]
    slot: Raw<'a>,
    #[serde(borrow, default)]
    tx_index: Raw<'a>,
    #[serde(borrow, default)]
    time: Raw<'a>,
    #[serde(borrow, default)]
    wallet: Raw<'a>,
    #[serde(borrow, default)]
    mint: Raw<'a>,
    #[serde(borrow, default)]
    side: Raw<'a>,
    #[serde(borrow, default)]
    direction: Raw<'a>,
    #[serde(borrow, default)]
    token_amount: Raw<'a>,
    #[serde(borrow, default)]
    amount_usd: Raw<'a>,
    #[serde(borrow, default)]
    amount_sol: Raw<'a>,
    #[serde(borrow, default)]
    fee_usd: Raw<'a>,
    #[serde(borrow, default)]
    dex: Raw<'a>,
    #[serde(borrow, default)]
    counterparty: Raw<'a>,
    #[serde(borrow, default)]
    symbol: Raw<'a>,
    #[serde(borrow, default)]
    name: Raw<'a>,
    #[serde(borrow, default)]
    image_url: Raw<'a>,
    #[serde(borrow, default)]
    created_at: Raw<'a>,
    #[serde(borrow, default)]
    decimals: Raw<'a>,
    #[serde(borrow, default)]
    market_cap_usd: Raw<'a>,
    #[serde(borrow, default)]
    liquidity_usd: Raw<'a>,
    #[serde(borrow, default)]
    price_usd: Raw<'a>,
    #[serde(borrow, default)]
    price_sol: Raw<'a>,
    #[serde(borrow, default)]
    mint_renounced: Raw<'a>,
    #[serde(borrow, default)]
    freeze_renounced: Raw<'a>,
    #[serde(borrow, default)]
    top10_holders_pct: Raw<'a>,
    #[serde(borrow, default)]
    max_holder_pct: Raw<'a>,
    #[serde(borrow, default)]
    lp_locked: Raw<'a>,
    #[serde(borrow, default)]
    bonding_curve: Raw<'a>,
    #[serde(borrow, default)]
    permanent_delegate: Raw<'a>,
    #[serde(borrow, default)]
    deployer: Raw<'a>,
    #[serde(borrow, default)]
    labels: Raw<'a>,
    #[serde(borrow, default)]
    first_funder: Raw<'a>,
    #[serde(borrow, default)]
    usd: Raw<'a>,
}

/// Reads one line. Never panics, whatever the bytes.
pub fn parse(line: &[u8]) -> Result<Fact, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError(format!("longer than {MAX_LINE_BYTES} bytes")));
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError("not UTF-8".into()))?;
    if !text.trim_start().starts_with('{') {
        return Err(LineError("not a JSON object".into()));
    }
    let line: Line<'_> = serde_json::from_str(text).map_err(|e| LineError(json_reason(&e)))?;
    if let Some(version) = given(line.v)
        && version.get() != "1"
    {
        return Err(LineError(format!(
            "v: {} is not a known version; this is 1",
            short(version)
        )));
    }
    let kind = text_of("type", line.kind)?.ok_or_else(|| missing("type"))?;
    match &*kind {
        "swap" => swap(&line).map(Fact::Swap),
        "transfer" => transfer(&line).map(Fact::Transfer),
        "token" => token(&line).map(Fact::Token),
        "wallet" => wallet(&line).map(Fact::Wallet),
        "sol_price" => sol_price(&line).map(Fact::SolPrice),
        other => Err(LineError(format!(
            "type: `{}` is not one of swap, transfer, token, wallet, sol_price",
            other.chars().take(40).collect::<String>()
        ))),
    }
}

fn swap(line: &Line<'_>) -> Result<Swap, LineError> {
    let side = match &*text_of("side", line.side)?.ok_or_else(|| missing("side"))? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(LineError("side: neither buy nor sell".into())),
    };
    let amount = match (
        number("amount_usd", line.amount_usd)?,
        number("amount_sol", line.amount_sol)?,
    ) {
        (Some(usd), _) => Amount::Usd(dollars("amount_usd", usd)?),
        (None, Some(sol)) => Amount::Sol(sol),
        (None, None) => {
            return Err(LineError(
                "neither amount_usd nor amount_sol is given".into(),
            ));
        }
    };
    Ok(Swap {
        signature: address("signature", line.signature)?.ok_or_else(|| missing("signature"))?,
        index: integer("index", line.index)?.unwrap_or(0),
        slot: integer("slot", line.slot)?,
        tx_index: integer("tx_index", line.tx_index)?,
        time: time("time", line.time)?.ok_or_else(|| missing("time"))?,
        wallet: address("wallet", line.wallet)?.ok_or_else(|| missing("wallet"))?,
        mint: address("mint", line.mint)?.ok_or_else(|| missing("mint"))?,
        side,
        token_amount: quantity(line.token_amount)?,
        amount,
        fee: match number("fee_usd", line.fee_usd)? {
            Some(fee) => dollars("fee_usd", fee)?,
            None => MicroUsd::ZERO,
        },
        dex: text_of("dex", line.dex)?.map(Arc::from),
    })
}

fn transfer(line: &Line<'_>) -> Result<Transfer, LineError> {
    let direction =
        match &*text_of("direction", line.direction)?.ok_or_else(|| missing("direction"))? {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err(LineError("direction: neither in nor out".into())),
        };
    Ok(Transfer {
        signature: address("signature", line.signature)?.ok_or_else(|| missing("signature"))?,
        index: integer("index", line.index)?.unwrap_or(0),
        slot: integer("slot", line.slot)?,
        tx_index: integer("tx_index", line.tx_index)?,
        time: time("time", line.time)?.ok_or_else(|| missing("time"))?,
        wallet: address("wallet", line.wallet)?.ok_or_else(|| missing("wallet"))?,
        mint: address("mint", line.mint)?.ok_or_else(|| missing("mint"))?,
        direction,
        token_amount: quantity(line.token_amount)?,
        counterparty: address("counterparty", line.counterparty)?,
    })
}

fn token(line: &Line<'_>) -> Result<TokenFact, LineError> {
    let text = |name, raw| Ok(text_of(name, raw)?.map(Arc::from));
    let exact = |name, raw| Ok(number(name, raw)?.map(Exact));
    let percent = |name, raw| match exact(name, raw)? {
        Some(share) if share.0 > Decimal::ONE_HUNDRED => {
            Err(LineError(format!("{name}: more than 100 percent")))
        }
        share => Ok(share),
    };
    Ok(TokenFact {
        mint: address("mint", line.mint)?.ok_or_else(|| missing("mint"))?,
        time: time("time", line.time)?.ok_or_else(|| missing("time"))?,
        info: TokenInfo {
            symbol: text("symbol", line.symbol)?,
            name: text("name", line.name)?,
            image_url: text("image_url", line.image_url)?,
            dex: text("dex", line.dex)?,
            created_at: time("created_at", line.created_at)?,
            decimals: integer("decimals", line.decimals)?,
            market_cap_usd: exact("market_cap_usd", line.market_cap_usd)?,
            liquidity_usd: exact("liquidity_usd", line.liquidity_usd)?,
            price_usd: exact("price_usd", line.price_usd)?,
            price_sol: exact("price_sol", line.price_sol)?,
            mint_renounced: boolean("mint_renounced", line.mint_renounced)?,
            freeze_renounced: boolean("freeze_renounced", line.freeze_renounced)?,
            top10_holders_pct: percent("top10_holders_pct", line.top10_holders_pct)?,
            max_holder_pct: percent("max_holder_pct", line.max_holder_pct)?,
            lp_locked: boolean("lp_locked", line.lp_locked)?,
            bonding_curve: boolean("bonding_curve", line.bonding_curve)?,
            permanent_delegate: boolean("permanent_delegate", line.permanent_delegate)?,
            deployer: address("deployer", line.deployer)?,
        },
    })
}

fn wallet(line: &Line<'_>) -> Result<WalletFact, LineError> {
    let labels = match given(line.labels) {
        None => None,
        Some(raw) => {
            let words: Vec<Cow<'_, str>> = serde_json::from_str(raw.get())
                .map_err(|_| LineError("labels: not a list of words".into()))?;
            let read = |word: &Cow<'_, str>| {
                Label::parse(word).ok_or_else(|| {
                    let known: Vec<_> = Label::WORDS.iter().map(|(word, _)| *word).collect();
                    LineError(format!("labels: a label is none of {}", known.join(", ")))
                })
            };
            Some(words.iter().map(read).collect::<Result<_, _>>()?)
        }
    };
    Ok(WalletFact {
        wallet: address("wallet", line.wallet)?.ok_or_else(|| missing("wallet"))?,
        time: time("time", line.time)?.ok_or_else(|| missing("time"))?,
        labels,
        first_funder: address("first_funder", line.first_funder)?,
    })
}

fn sol_price(line: &Line<'_>) -> Result<SolPrice, LineError> {
    let usd = number("usd", line.usd)?.ok_or_else(|| missing("usd"))?;
    if usd.is_zero() || usd > Decimal::from(1_000_000) {
        return Err(LineError("usd: not a price of SOL".into()));
    }
    Ok(SolPrice {
        time: time("time", line.time)?.ok_or_else(|| missing("time"))?,
        usd,
    })
}

fn address(field: &str, raw: Raw<'_>) -> Result<Option<Address>, LineError> {
    let Some(text) = text_of(field, raw)? else {
        return Ok(None);
    };
    if text.is_empty() || text.len() > MAX_ADDRESS || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(LineError(format!(
            "{field}: not an address of 1 to {MAX_ADDRESS} visible letters"
        )));
    }
    Ok(Some(Arc::from(&*text)))
}

fn dollars(field: &str, amount: Decimal) -> Result<MicroUsd, LineError> {
    MicroUsd::from_dollars(amount).map_err(|e| LineError(format!("{field}: {e}")))
}

fn quantity(raw: Raw<'_>) -> Result<u128, LineError> {
    let amount: u128 = integer("token_amount", raw)?.ok_or_else(|| missing("token_amount"))?;
    match amount {
        0 => Err(LineError("token_amount: zero".into())),
        1..MAX_QUANTITY => Ok(amount),
        _ => Err(LineError("token_amount: beyond 2^125 base units".into())),
    }
}

/// A decimal that may be below zero, from JSON; for importers.
pub fn signed_number(raw: &RawValue) -> Result<Decimal, LineError> {
    parse_decimal(digits("number", raw)?).map_err(|e| LineError(e.to_string()))
}
