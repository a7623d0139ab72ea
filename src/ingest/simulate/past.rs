//! Thirty days of simulated past: enough closed positions that wallets have ranks from S to D.

use rust_decimal::Decimal;

use super::{
    cast::{Cast, Player, Skill},
    dice::Dice,
    minting::{Coin, Safety, Stamp, swap, units_for},
};
use crate::model::{
    swap::{Fact, Side, SolPrice},
    time::Time,
};

const TOKENS: u64 = 120;
const MINUTE: i64 = 60 * Time::SECOND;

/// The last 30 days before `end`, in chain order: about 2,000 facts. Meant to be ingested without making signals.
#[must_use]
pub fn history(seed: u64, end: Time) -> Vec<Fact> {
    let cast = Cast::new(seed);
    let mut dice = Dice::new(seed, 2);
    let start = end.plus(-30 * Time::DAY);
    let mut facts = cast.facts(start);
    for day in 0..=29 {
        let cents = dice.between(14_000, 16_000);
        facts.push(Fact::SolPrice(SolPrice {
            time: start.plus(day * Time::DAY),
            usd: Decimal::new(cents as i64, 2),
        }));
    }
    let coins = coins(&mut dice, start, &mut facts);
    for player in &cast.players {
        positions(&mut dice, player, &coins, &mut facts);
    }
    facts.retain(|fact| fact.time() <= end);
    facts.sort_by_key(|fact| (fact.time(), fact.wallet().cloned(), fact.mint().cloned()));
    let mut stamp = Stamp::new(seed, 3);
    facts.iter_mut().for_each(|fact| stamp.stamp(fact));
    facts
}

fn coins(dice: &mut Dice, start: Time, facts: &mut Vec<Fact>) -> Vec<(Coin, u64)> {
    let gap = 29 * Time::DAY / TOKENS as i64;
    let mut coins = Vec::new();
    for number in 0..TOKENS as i64 {
        let born = start.plus(Time::DAY / 2 + number * gap);
        let coin = Coin::new(dice, born);
        let cap_usd = dice.between(20_000, 90_000);
        let safety = Safety {
            mint_renounced: true,
            freeze_renounced: true,
            top10_pct: dice.between(12, 45),
            max_holder_pct: dice.between(2, 9),
            lp_locked: Some(dice.chance(80)),
            bonding_curve: false,
        };
        facts.push(coin.state(born, cap_usd, cap_usd / 3, safety));
        let units = units_for(300_000_000, cap_usd);
        let first = born.plus(2 * Time::SECOND);
        facts.push(Fact::Swap(swap(
            &coin.deployer,
            &coin.mint,
            Side::Buy,
            units,
            300_000_000,
            first,
        )));
        coins.push((coin, cap_usd));
    }
    coins
}

/// One closed position for each return of the player's deck, each in a token of its own, spread over the month and ending lately.
fn positions(dice: &mut Dice, player: &Player, coins: &[(Coin, u64)], facts: &mut Vec<Fact>) {
    let mut deck = player.skill.deck().to_vec();
    dice.shuffle(&mut deck);
    let apart = coins.len() / deck.len().max(1);
    for (number, percent) in deck.iter().enumerate() {
        let back = number * apart + dice.below(apart.saturating_sub(1).max(1) as u64) as usize;
        let Some((coin, cap_usd)) = coins
            .len()
            .checked_sub(1 + back)
            .and_then(|at| coins.get(at))
        else {
            continue;
        };
        let stake = player.skill.stake_usd() * dice.between(850_000, 1_150_000);
        let units = units_for(stake, *cap_usd);
        let bought = coin
            .created_at
            .plus(dice.between(5_000, 1_800_000) as i64 * 1000);
        let held = match player.skill {
            Skill::Bot => dice.between(4, 25) as i64 * Time::SECOND,
            _ => dice.between(4, 90) as i64 * MINUTE,
        };
        let proceeds = u64::try_from(stake as i64 * (100 + percent) / 100).unwrap_or(0);
        let (wallet, mint) = (&player.wallet, &coin.mint);
        facts.push(Fact::Swap(swap(
            wallet,
            mint,
            Side::Buy,
            units,
            stake,
            bought,
        )));
        let sold = bought.plus(held);
        facts.push(Fact::Swap(swap(
            wallet,
            mint,
            Side::Sell,
            units,
            proceeds,
            sold,
        )));
    }
}
