//! How the engine's records are spelled in rows, both ways.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{StoreError, StoreResult};
use crate::{
    model::{
        money::MicroUsd,
        rank::{Rank, Tenths},
        time::Time,
    },
    score::record::{ClosedRecord, EpisodeRecord, Lot, PositionRecord, Trigger},
};

#[derive(sqlx::FromRow)]
pub(crate) struct PositionRow {
    pub(crate) wallet: String,
    mint: String,
    opened_at: i64,
    last_buy_at: i64,
    peak: String,
    lots: String,
    cost_sold: i64,
    proceeds: i64,
    unmatched: String,
}

impl PositionRow {
    pub(crate) fn read(self) -> StoreResult<PositionRecord> {
        let what = || format!("position of {} in {}", self.wallet, self.mint);
        let quantity = |text: &str| {
            text.parse::<u128>()
                .map_err(|e| StoreError::corrupt(what(), e))
        };
        Ok(PositionRecord {
            opened_at: Time(self.opened_at),
            last_buy_at: Time(self.last_buy_at),
            peak: quantity(&self.peak)?,
            lots: read_lots(&self.lots).ok_or_else(|| StoreError::corrupt(what(), "bad lots"))?,
            cost_sold: MicroUsd(self.cost_sold),
            proceeds: MicroUsd(self.proceeds),
            unmatched: quantity(&self.unmatched)?,
            mint: self.mint.into(),
        })
    }
}

/// `quantity:cost,quantity:cost`, oldest first.
pub(crate) fn write_lots(lots: &[Lot]) -> String {
    let spelled: Vec<String> = lots
        .iter()
        .map(|lot| format!("{}:{}", lot.quantity, lot.cost.0))
        .collect();
    spelled.join(",")
}

fn read_lots(text: &str) -> Option<Vec<Lot>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let lot = |part: &str| {
        let (quantity, cost) = part.split_once(':')?;
        Some(Lot {
            quantity: quantity.parse().ok()?,
            cost: MicroUsd(cost.parse().ok()?),
        })
    };
    text.split(',').map(lot).collect()
}

/// `closed_at:hold:pnl:return_ppm;` of each, in the order given. Texts of this kind may be joined as they are.
pub(crate) fn write_closed(list: &[ClosedRecord]) -> String {
    let mut out = String::with_capacity(list.len() * 48);
    for closed in list {
        let hold = closed.closed_at.0.wrapping_sub(closed.opened_at.0);
        let (at, pnl, ppm) = (closed.closed_at.0, closed.pnl.0, closed.return_ppm);
        let _ = write!(out, "{at}:{hold}:{pnl}:{ppm};");
    }
    out
}

/// All of a text of [`write_closed`]. `None`: it is none.
pub(crate) fn read_closed(text: &str) -> Option<Vec<ClosedRecord>> {
    let one = |part: &str| {
        let mut numbers = part.split(':').map(str::parse::<i64>);
        let mut next = || numbers.next()?.ok();
        let (at, hold, pnl, return_ppm) = (next()?, next()?, next()?, next()?);
        Some(ClosedRecord {
            opened_at: Time(at.wrapping_sub(hold)),
            closed_at: Time(at),
            return_ppm,
            pnl: MicroUsd(pnl),
        })
    };
    text.split_terminator(';').map(one).collect()
}

#[derive(sqlx::FromRow)]
pub(crate) struct EpisodeRow {
    pub(crate) mint: String,
    ordinal: i64,
    id: String,
    seed: String,
    opened_at: i64,
    updates: i64,
    last_pool: i64,
    exited: bool,
    reached: String,
    triggers: String,
}

#[derive(Serialize, Deserialize)]
struct TriggerPart(String, String, String);

impl EpisodeRow {
    pub(crate) fn read(self) -> StoreResult<EpisodeRecord> {
        let bad = |reason: &str| {
            StoreError::corrupt(format!("episode {} of {}", self.ordinal, self.mint), reason)
        };
        let parts: Vec<TriggerPart> =
            serde_json::from_str(&self.triggers).map_err(|e| bad(&e.to_string()))?;
        let trigger = |part: TriggerPart| {
            Some(Trigger {
                wallet: part.0.into(),
                held: part.1.parse().ok()?,
                sold: part.2.parse().ok()?,
            })
        };
        Ok(EpisodeRecord {
            ordinal: self.ordinal,
            id: Uuid::parse_str(&self.id).map_err(|e| bad(&e.to_string()))?,
            opened_at: Time(self.opened_at),
            updates: self.updates,
            last_pool: self.last_pool,
            exited: self.exited,
            reached: read_reached(&self.reached).ok_or_else(|| bad("bad ranks"))?,
            triggers: parts
                .into_iter()
                .map(trigger)
                .collect::<Option<_>>()
                .ok_or_else(|| bad("bad triggers"))?,
            seed: self.seed,
        })
    }
}

/// `S:941,A:967`: rank and tenths.
pub(crate) fn write_reached(reached: &[(Rank, Tenths)]) -> String {
    let spelled: Vec<String> = reached
        .iter()
        .map(|(rank, score)| format!("{rank}:{}", score.0))
        .collect();
    spelled.join(",")
}

fn read_reached(text: &str) -> Option<Vec<(Rank, Tenths)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let one = |part: &str| {
        let (rank, tenths) = part.split_once(':')?;
        Some((Rank::parse(rank)?, Tenths(tenths.parse().ok()?)))
    };
    text.split(',').map(one).collect()
}

/// A JSON list of `[wallet, held, sold]`; quantities as text, as they exceed what JSON readers keep.
pub(crate) fn write_triggers(triggers: &[Trigger]) -> StoreResult<String> {
    let parts: Vec<TriggerPart> = triggers
        .iter()
        .map(|t| TriggerPart(t.wallet.to_string(), t.held.to_string(), t.sold.to_string()))
        .collect();
    serde_json::to_string(&parts).map_err(|e| StoreError::corrupt("triggers", e))
}
