//! Real files of the four foreign formats, where they are at hand: exact counts, worked out independently of this code.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::PathBuf};

use rust_decimal::Decimal;
use sigcast::{
    ingest::{facts::Facts, source::Format},
    model::{
        swap::{Amount, Fact, Side, Swap, TokenFact},
        time::Time,
    },
};

/// `SIGCAST_SHARED_DATA`, else `../shared/data` beside the project.
fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("solana");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {}", folder.display());
    None
}

fn read(
    format: Format,
    name: &str,
    received_at: Option<Time>,
) -> Option<(Vec<Fact>, BTreeMap<String, usize>)> {
    let path = folder()?.join(name);
    let Ok(file) = File::open(&path) else {
        println!("skipped: no file {}", path.display());
        return None;
    };
    let mut source = Facts::new(format, BufReader::new(file), received_at);
    let (mut facts, mut reasons) = (Vec::new(), BTreeMap::new());
    for item in source.by_ref() {
        match item {
            Ok(fact) => facts.push(fact),
            Err(rejected) => {
                let reason = rejected.reason;
                let reason = reason.split_once(": ").map_or(&*reason, |(_, why)| why);
                *reasons.entry(reason.to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert!(source.error().is_none());
    Some((facts, reasons))
}

fn swaps(facts: &[Fact]) -> Vec<&Swap> {
    facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Swap(swap) => Some(swap),
            _ => None,
        })
        .collect()
}

fn tokens(facts: &[Fact]) -> Vec<&TokenFact> {
    facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Token(token) => Some(token),
            _ => None,
        })
        .collect()
}

fn keys(facts: &[Fact]) -> usize {
    let keys: std::collections::BTreeSet<_> = facts.iter().map(Fact::key).collect();
    keys.len()
}

fn lamports(swaps: &[&Swap], side: Side) -> Decimal {
    let amounts = swaps.iter().filter(|swap| swap.side == side);
    let sum: Decimal = amounts
        .map(|swap| match swap.amount {
            Amount::Sol(sol) => sol,
            Amount::Usd(_) => Decimal::ZERO,
        })
        .sum();
    sum * Decimal::from(1_000_000_000)
}

#[test]
fn pumpfun_swaps() {
    let Some((facts, reasons)) = read(Format::PumpfunCsv, "pumpfun_swaps_2025-10-20.csv", None)
    else {
        return;
    };
    let swaps = swaps(&facts);
    assert_eq!((facts.len(), swaps.len(), reasons.len()), (877, 877, 0));
    assert_eq!(keys(&facts), 877, "two swaps of one transaction stay two");
    assert_eq!(swaps.iter().filter(|s| s.index == 1).count(), 18);
    assert_eq!(swaps.iter().filter(|s| s.side == Side::Buy).count(), 418);
    let total = lamports(&swaps, Side::Buy) + lamports(&swaps, Side::Sell);
    assert_eq!(total, Decimal::from(336_572_982_346_u64));
    let orders: Vec<_> = facts.iter().map(Fact::chain_order).collect();
    assert!(orders.is_sorted(), "the logger's order is the chain's");
}

#[test]
fn jupiter_tokens() {
    let Some((facts, reasons)) = read(
        Format::JupiterTokens,
        "jupiter_tokens_2026-08-14.json",
        None,
    ) else {
        return;
    };
    let tokens = tokens(&facts);
    assert_eq!((facts.len(), tokens.len(), reasons.len()), (152, 152, 0));
    assert_eq!(keys(&facts), 145, "seven entries stand in two lists");
    let count = |test: &dyn Fn(&TokenFact) -> bool| tokens.iter().filter(|t| test(t)).count();
    assert_eq!(count(&|t| t.info.mint_renounced == Some(true)), 135);
    assert_eq!(count(&|t| t.info.mint_renounced == Some(false)), 17);
    assert_eq!(count(&|t| t.info.freeze_renounced == Some(true)), 141);
    assert_eq!(count(&|t| t.info.freeze_renounced == Some(false)), 11);
    assert_eq!(count(&|t| t.info.top10_holders_pct.is_some()), 140);
    assert_eq!(count(&|t| t.info.liquidity_usd.is_some()), 145);
    assert_eq!(count(&|t| t.info.market_cap_usd.is_some()), 144);
    assert_eq!(count(&|t| t.info.created_at.is_some()), 150);
    assert_eq!(count(&|t| t.info.bonding_curve == Some(false)), 95);
    assert_eq!(count(&|t| t.info.bonding_curve == Some(true)), 28);
}

#[test]
fn rugcheck_summaries() {
    let Some((facts, reasons)) = read(Format::Rugcheck, "rugcheck_summaries_2025-08.json", None)
    else {
        return;
    };
    let tokens = tokens(&facts);
    assert_eq!((facts.len(), tokens.len(), reasons.len()), (79, 79, 0));
    assert_eq!(keys(&facts), 79);
    let count = |test: &dyn Fn(&TokenFact) -> bool| tokens.iter().filter(|t| test(t)).count();
    assert_eq!(count(&|t| t.info.deployer.is_some()), 79);
    assert_eq!(count(&|t| t.info.name.is_some()), 0, "all names are empty");
    assert_eq!(count(&|t| t.info.mint_renounced == Some(false)), 1);
    assert_eq!(count(&|t| t.info.freeze_renounced == Some(false)), 1);
    assert_eq!(count(&|t| t.info.lp_locked == Some(false)), 3);
    assert_eq!(count(&|t| t.info.liquidity_usd.is_some()), 15);
    assert_eq!(count(&|t| t.info.max_holder_pct.is_some()), 5);
    assert_eq!(count(&|t| t.info.top10_holders_pct.is_some()), 1);
    assert_eq!(
        tokens[0].time.to_string(),
        "2025-08-08T00:32:23.000Z",
        "an hour ahead of UTC"
    );
}

#[test]
fn helius_swaps() {
    let name = "helius_enhanced_swaps.json";
    let Some((facts, reasons)) = read(Format::Helius, name, None) else {
        return;
    };
    assert_eq!(facts.len(), 0);
    let why = "timestamp: missing, and no time was given".to_owned();
    assert_eq!(reasons, BTreeMap::from([(why, 34)]));

    let time = Time::parse_iso("2025-06-01T00:00:00Z").ok();
    let Some((facts, reasons)) = read(Format::Helius, name, time) else {
        return;
    };
    let swaps = swaps(&facts);
    assert_eq!((facts.len(), swaps.len(), reasons.len()), (34, 34, 0));
    assert_eq!(swaps.iter().filter(|s| s.side == Side::Buy).count(), 21);
    let wallets: std::collections::BTreeSet<_> = swaps.iter().map(|s| &s.wallet).collect();
    assert_eq!(wallets.len(), 1);
    assert_eq!(lamports(&swaps, Side::Buy), Decimal::from(PAID));
    assert_eq!(lamports(&swaps, Side::Sell), Decimal::from(RECEIVED));
}

/// Lamports over all buys and all sells, summed from the file's balance changes.
const PAID: u64 = 36_952_437_164;
const RECEIVED: u64 = 43_833_416_100;
