//! pump.fun swaps as a stream logger's CSV keeps them: lamports and raw token units, one row a swap.

use std::collections::{HashMap, VecDeque};

use rust_decimal::Decimal;

use super::{
    records::{Dialect, split},
    source::{Importer, address, quantity},
};
use crate::model::{
    money::MicroUsd,
    swap::{Amount, Fact, FactKey, Side, Swap},
    time::Time,
};

/// How many rows back a further swap of the same signature may stand. Swaps of one transaction are neighbours in a log.
const REMEMBERED_ROWS: usize = 65_536;

/// No bonding curve ever held more lamports than exist (about 6·10^17).
const MAX_LAMPORTS: u64 = 1_000_000_000_000_000_000;

const COMMAS: Dialect = Dialect {
    separator: ',',
    quotes: true,
};

/// Reads rows by the names in the header, in whatever order they stand.
#[derive(Debug, Default)]
pub struct PumpfunCsv {
    columns: Option<Columns>,
    seen: HashMap<FactKey, u32>,
    order: VecDeque<FactKey>,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    width: usize,
    id: Option<usize>,
    sig: usize,
    slot: usize,
    timestamp: usize,
    mint: usize,
    user: usize,
    is_buy: usize,
    sol_amount: usize,
    token_amount: usize,
}

impl Columns {
    fn of(header: &[String]) -> Result<Self, String> {
        let find = |name: &str| header.iter().position(|column| column.trim() == name);
        let need = |name: &str| find(name).ok_or_else(|| format!("header: no column `{name}`"));
        Ok(Columns {
            width: header.len(),
            id: find("id"),
            sig: need("sig")?,
            slot: need("slot")?,
            timestamp: need("timestamp")?,
            mint: need("mint")?,
            user: need("user")?,
            is_buy: need("is_buy")?,
            sol_amount: need("sol_amount")?,
            token_amount: need("token_amount")?,
        })
    }
}

impl Importer for PumpfunCsv {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        let text = std::str::from_utf8(row).map_err(|_| "not UTF-8".to_owned())?;
        let fields = split(text, COMMAS).ok_or("a quote that nothing closes")?;
        let Some(columns) = self.columns else {
            // a file whose first row is no header has no names to read the others by: every row says so
            self.columns = Some(Columns::of(&fields)?);
            return Ok(());
        };
        if fields.len() != columns.width {
            return Err(format!(
                "{} columns where the header has {}",
                fields.len(),
                columns.width
            ));
        }
        let mut swap = swap(&columns, &fields)?;
        swap.index = self.occurrence(&swap);
        out.push(Fact::Swap(swap));
        Ok(())
    }
}

impl PumpfunCsv {
    /// The how-manieth swap of this wallet and mint in this transaction, from 0: the file's order gives it, so that importing
    /// the file again finds the same swaps.
    fn occurrence(&mut self, swap: &Swap) -> u32 {
        // with index 0 the fact's key stands for (signature, wallet, mint)
        let key = Fact::Swap(swap.clone()).key();
        if let Some(count) = self.seen.get_mut(&key) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.order.len() == REMEMBERED_ROWS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(key, 0);
        self.order.push_back(key);
        0
    }
}

fn swap(columns: &Columns, fields: &[String]) -> Result<Swap, String> {
    // the row has the header's width, so every column is there
    let cell = |at: usize| fields.get(at).map_or("", |field| field.trim());
    let seconds: i64 = integer("timestamp", cell(columns.timestamp))?;
    let time = Time::from_unix_ms(seconds.saturating_mul(1000));
    let lamports: u64 = integer("sol_amount", cell(columns.sol_amount))?;
    if lamports > MAX_LAMPORTS {
        return Err("sol_amount: more lamports than exist".into());
    }
    let side = match cell(columns.is_buy) {
        "1" | "true" => Side::Buy,
        "0" | "false" => Side::Sell,
        _ => return Err("is_buy: neither 0 nor 1".into()),
    };
    Ok(Swap {
        signature: address("sig", cell(columns.sig))?,
        index: 0,
        slot: Some(integer("slot", cell(columns.slot))?),
        tx_index: match columns.id.map(cell) {
            // the logger's row number: not the place in the slot, but in the same order
            Some(id) if !id.is_empty() => Some(integer("id", id)?),
            _ => None,
        },
        time: time.map_err(|e| format!("timestamp: {e}"))?,
        wallet: address("user", cell(columns.user))?,
        mint: address("mint", cell(columns.mint))?,
        side,
        token_amount: quantity(
            "token_amount",
            integer("token_amount", cell(columns.token_amount))?,
        )?,
        amount: Amount::Sol(Decimal::from_i128_with_scale(i128::from(lamports), 9)),
        fee: MicroUsd::ZERO,
        dex: Some("pump.fun".into()),
    })
}

fn integer<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, String> {
    let wrong = || {
        let shown: String = text.chars().take(40).collect();
        format!("{field}: `{shown}` is not an integer in range")
    };
    // `+5` parses, but no logger writes it
    if text.starts_with('+') {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}
