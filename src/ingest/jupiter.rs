//! Jupiter's token objects (Tokens API v2) as `token` facts.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::source::{Importer, address, amount, json_reason, moment, words};
use crate::model::{
    money::Exact,
    swap::{Fact, TokenFact, TokenInfo},
};

/// Reads one token object a row. What Jupiter leaves out stays unknown.
#[derive(Debug, Default)]
pub struct JupiterTokens;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token<'a> {
    id: String,
    updated_at: Option<String>,
    name: Option<String>,
    symbol: Option<String>,
    icon: Option<String>,
    decimals: Option<u8>,
    dev: Option<String>,
    launchpad: Option<String>,
    #[serde(borrow)]
    mcap: Option<&'a RawValue>,
    #[serde(borrow)]
    liquidity: Option<&'a RawValue>,
    #[serde(borrow)]
    usd_price: Option<&'a RawValue>,
    #[serde(borrow)]
    bonding_curve: Option<&'a RawValue>,
    created_at: Option<String>,
    graduated_at: Option<String>,
    graduated_pool: Option<String>,
    mint_authority: Option<String>,
    freeze_authority: Option<String>,
    #[serde(borrow, default)]
    audit: Option<Audit<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    mint_authority_disabled: Option<bool>,
    freeze_authority_disabled: Option<bool>,
    #[serde(borrow)]
    top_holders_percentage: Option<&'a RawValue>,
}

impl Importer for JupiterTokens {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        let token: Token<'_> = serde_json::from_slice(row).map_err(|e| json_reason(&e))?;
        out.push(Fact::Token(fact(&token)?));
        Ok(())
    }
}

fn fact(token: &Token<'_>) -> Result<TokenFact, String> {
    let text = |field, text: &Option<String>| words(field, text.as_deref());
    let exact = |field, raw| amount(field, raw).map(|number| number.map(Exact));
    let audit = token.audit.as_ref();
    let top10 = exact(
        "topHoldersPercentage",
        audit.and_then(|audit| audit.top_holders_percentage),
    )?;
    if top10.is_some_and(|share| share.0 > rust_decimal::Decimal::ONE_HUNDRED) {
        return Err("topHoldersPercentage: more than 100 percent".into());
    }
    Ok(TokenFact {
        mint: address("id", &token.id)?,
        time: match &token.updated_at {
            Some(updated_at) => moment("updatedAt", updated_at)?,
            None => return Err("updatedAt: missing".into()),
        },
        info: TokenInfo {
            symbol: text("symbol", &token.symbol)?,
            name: text("name", &token.name)?,
            image_url: text("icon", &token.icon)?,
            dex: text("launchpad", &token.launchpad)?,
            created_at: match token.created_at.as_deref() {
                Some(created_at) => Some(moment("createdAt", created_at)?),
                None => None,
            },
            decimals: token.decimals,
            market_cap_usd: exact("mcap", token.mcap)?,
            liquidity_usd: exact("liquidity", token.liquidity)?,
            price_usd: exact("usdPrice", token.usd_price)?,
            mint_renounced: renounced(
                audit.and_then(|audit| audit.mint_authority_disabled),
                token.mint_authority.as_deref(),
            ),
            freeze_renounced: renounced(
                audit.and_then(|audit| audit.freeze_authority_disabled),
                token.freeze_authority.as_deref(),
            ),
            top10_holders_pct: top10,
            bonding_curve: on_curve(token),
            deployer: match token.dev.as_deref() {
                None | Some("") => None,
                Some(dev) => Some(address("dev", dev)?),
            },
            ..TokenInfo::default()
        },
    })
}

/// Jupiter leaves the audit's flag out where an authority remains, and names the authority instead.
fn renounced(flag: Option<bool>, authority: Option<&str>) -> Option<bool> {
    flag.or_else(|| {
        authority
            .filter(|authority| !authority.is_empty())
            .map(|_| false)
    })
}

/// Graduated: off the curve. Launched on pump.fun, or with the curve's progress given, and not graduated: on it.
/// Other launchpads are not known to be curves.
fn on_curve(token: &Token<'_>) -> Option<bool> {
    if token.graduated_at.is_some() || token.graduated_pool.is_some() {
        Some(false)
    } else if token.bonding_curve.is_some() || token.launchpad.as_deref() == Some("pump.fun") {
        Some(true)
    } else {
        None
    }
}
