//! RugCheck's token summaries as `token` facts: of its risks, only what says something about a field of ours.

use rust_decimal::Decimal;
use serde::Deserialize;

use super::source::{Importer, address, json_reason, moment, words};
use crate::model::{
    money::{Exact, parse_amount},
    swap::{Fact, TokenFact, TokenInfo},
    time::Time,
};

/// Reads one summary a row. The score and the word in `risk` are an opinion and are left where they are.
#[derive(Debug, Default)]
pub struct Rugcheck;

#[derive(Deserialize)]
struct Summary {
    mint: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    creator: Option<String>,
    detected_at: Option<String>,
    #[serde(default)]
    risks: Option<Vec<Risk>>,
}

#[derive(Deserialize)]
struct Risk {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

impl Importer for Rugcheck {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        let summary: Summary = serde_json::from_slice(row).map_err(|e| json_reason(&e))?;
        let detected_at = summary.detected_at.as_deref();
        let mut info = TokenInfo {
            symbol: words("symbol", summary.symbol.as_deref())?,
            name: words("name", summary.name.as_deref())?,
            deployer: match summary.creator.as_deref() {
                None | Some("") => None,
                Some(creator) => Some(address("creator", creator)?),
            },
            ..TokenInfo::default()
        };
        for risk in summary.risks.iter().flatten() {
            learn(&mut info, risk);
        }
        out.push(Fact::Token(TokenFact {
            mint: address("mint", &summary.mint)?,
            time: zoned(detected_at.ok_or("detected_at: missing")?)?,
            info,
        }));
        Ok(())
    }
}

/// An absent risk is not taken for its opposite: the list is only there for some tokens, and says what is wrong, not what is right.
fn learn(info: &mut TokenInfo, risk: &Risk) {
    let value = risk.value.as_deref().unwrap_or("");
    match risk.name.as_str() {
        "Mint Authority still enabled" => info.mint_renounced = Some(false),
        "Freeze Authority still enabled" => info.freeze_renounced = Some(false),
        "Large Amount of LP Unlocked" => info.lp_locked = Some(false),
        "Low Liquidity" => {
            info.liquidity_usd = value
                .strip_prefix('$')
                .and_then(|dollars| parse_amount(&dollars.replace(',', "")).ok())
                .map(Exact);
        }
        // one entry for each large holder: the largest counts
        "Single holder ownership" => {
            info.max_holder_pct = percent(value).max(info.max_holder_pct);
        }
        // no value of its own, but the sentence names the threshold that was passed: a floor of the share
        "Top 10 holders high ownership" => {
            let sentence = risk.description.as_deref().unwrap_or("");
            info.top10_holders_pct = percent(value)
                .or_else(|| sentence.split_ascii_whitespace().find_map(percent))
                .max(info.top10_holders_pct);
        }
        _ => {}
    }
}

fn percent(text: &str) -> Option<Exact> {
    let share = parse_amount(text.strip_suffix('%')?).ok()?;
    (share <= Decimal::ONE_HUNDRED).then_some(Exact(share))
}

/// `2025-08-08 01:32:23 UTC+01:00`: a wall clock and how far it is ahead of UTC. ISO 8601 passes as it is.
fn zoned(text: &str) -> Result<Time, String> {
    let iso = match text.split_once(" UTC") {
        Some((wall, offset)) => {
            let offset = if offset.is_empty() { "Z" } else { offset };
            format!("{}{offset}", wall.replacen(' ', "T", 1))
        }
        None => text.to_owned(),
    };
    moment("detected_at", &iso)
}
