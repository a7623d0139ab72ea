//! What the simulator promises, checked: determinism, ranks by the formula, a prompt first signal.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::{
    bulk::{Bulk, Shape},
    cast::{Cast, Skill},
    live::Live,
    past::history,
};
use crate::model::{
    fact_line,
    money::Exact,
    swap::{Amount, Fact, Side},
    time::Time,
};

const NOW: Time = Time(1_767_225_600_000_000); // 2026-01-01

fn digest(facts: impl IntoIterator<Item = Fact>) -> String {
    let mut digest = Sha256::new();
    for fact in facts {
        digest.update(fact_line::write(&fact).as_bytes());
    }
    let bytes: [u8; 32] = digest.finalize().into();
    bytes[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// consensus-score's wallet formula over return and profit of closed positions, all of them FIFO with one lot.
fn score(returns: &[f64], pnl: f64, best: f64, idle_days: f64) -> f64 {
    let n = returns.len() as f64;
    let wins = returns.iter().filter(|r| **r > 0.0).count() as f64;
    let capped: Vec<f64> = returns.iter().map(|r| r.clamp(-1.0, 3.0)).collect();
    let mean = capped.iter().sum::<f64>() / n;
    let sd = (capped.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let clamp = |x: f64| x.clamp(0.0, 1.0);
    let pnl_part = 35.0 * clamp((1.0 + pnl.max(0.0) / 1000.0).log10() / 251_f64.log10());
    40.0 * clamp(((wins + 4.0) / (n + 10.0) - 0.30) / 0.45)
        + 45.0 * clamp(mean / (sd / n.sqrt()) / 3.0)
        + if best > 0.6 * pnl {
            pnl_part / 2.0
        } else {
            pnl_part
        }
        + 30.0 * (-idle_days / 14.0).exp()
}

#[derive(Default)]
struct Position {
    cost: f64,
    proceeds: f64,
    bought: u128,
    sold: u128,
    closed_at: Time,
}

fn scores<'a>(facts: impl IntoIterator<Item = &'a Fact>, end: Time) -> HashMap<String, f64> {
    let mut books: BTreeMap<String, BTreeMap<String, Position>> = BTreeMap::new();
    let mut sol_usd = 0.0;
    for fact in facts {
        if let Fact::SolPrice(price) = fact {
            sol_usd = Exact(price.usd).as_f64();
        }
        let Fact::Swap(swap) = fact else { continue };
        let usd = match swap.amount {
            Amount::Usd(usd) => usd.as_f64(),
            Amount::Sol(sol) => Exact(sol).as_f64() * sol_usd,
        };
        let book = books.entry(swap.wallet.to_string()).or_default();
        let position = book.entry(swap.mint.to_string()).or_default();
        match swap.side {
            Side::Buy => {
                position.cost += usd + swap.fee.as_f64();
                position.bought += swap.token_amount;
            }
            Side::Sell => {
                position.proceeds += usd - swap.fee.as_f64();
                position.sold += swap.token_amount;
                position.closed_at = swap.time;
            }
        }
    }
    let mut scores = HashMap::new();
    for (wallet, book) in books {
        let closed = || book.values().filter(|p| p.sold * 100 >= p.bought * 99);
        let returns: Vec<f64> = closed().map(|p| p.proceeds / p.cost - 1.0).collect();
        if returns.len() < 10 {
            continue;
        }
        let pnls = || closed().map(|p| p.proceeds - p.cost);
        let last = closed().map(|p| p.closed_at).max().unwrap();
        let idle = end.seconds_since(last) / 86_400.0;
        let best = pnls().fold(0.0, f64::max);
        scores.insert(wallet, score(&returns, pnls().sum(), best, idle));
    }
    scores
}

#[test]
fn grades_outlast_an_afternoon() {
    let mut facts = history(42, NOW);
    let live = Live::new(42, NOW, 1.0).take_while(|(offset, _)| *offset < 4 * 3_600_000);
    let wallets: BTreeSet<_> = Cast::new(42)
        .players
        .into_iter()
        .map(|p| p.wallet)
        .collect();
    facts.extend(live.map(|(_, fact)| fact).filter(|fact| {
        matches!(fact, Fact::SolPrice(_)) || fact.wallet().is_some_and(|w| wallets.contains(w))
    }));
    let scores = scores(&facts, NOW.plus(4 * 3600 * Time::SECOND));
    let of = |skill| -> Vec<f64> {
        let players = Cast::new(42).players;
        let players = players.iter().filter(|player| player.skill == skill);
        players.map(|player| scores[&*player.wallet]).collect()
    };
    let mean = |skill| of(skill).iter().sum::<f64>() / of(skill).len() as f64;
    let all: Vec<_> = [Skill::S, Skill::A, Skill::B, Skill::C]
        .iter()
        .map(|s| of(*s))
        .collect();
    assert!(of(Skill::S).iter().all(|score| *score >= 120.0), "{all:?}");
    assert!((90.0..125.0).contains(&mean(Skill::A)), "{all:?}");
    assert!((60.0..105.0).contains(&mean(Skill::B)), "{all:?}");
    assert!((40.0..85.0).contains(&mean(Skill::C)), "{all:?}");
}

#[test]
fn the_past_makes_the_ranks_it_promises() {
    for seed in [0, 1, 42, 4_711] {
        let facts = history(seed, NOW);
        assert!((1_500..10_000).contains(&facts.len()), "{}", facts.len());
        assert!(facts.is_sorted_by_key(Fact::time));
        assert!(
            facts
                .iter()
                .all(|f| f.time() <= NOW && f.time() >= NOW.plus(-30 * Time::DAY))
        );
        let scores = scores(&facts, NOW);
        for player in &Cast::new(seed).players {
            let score = scores[&*player.wallet];
            let fits = match player.skill {
                Skill::S => score >= 120.0,
                Skill::A => (95.0..120.0).contains(&score),
                Skill::B => (70.0..95.0).contains(&score),
                Skill::C => (45.0..70.0).contains(&score),
                Skill::Gambler => score < 45.0,
                Skill::Bot => true, // capped by its label
            };
            assert!(fits, "seed {seed}: {:?} has {score}", player.skill);
        }
    }
}

#[test]
fn the_first_signal_is_due_within_six_seconds() {
    for seed in [0, 1, 42, 4_711] {
        let pool: BTreeSet<_> = Cast::new(seed)
            .players
            .into_iter()
            .filter(|player| matches!(player.skill, Skill::S | Skill::A))
            .map(|player| player.wallet)
            .collect();
        let mut buyers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut deployers = BTreeMap::new();
        for (_, fact) in Live::new(seed, NOW, 1.0).take_while(|(offset, _)| *offset <= 6_000) {
            match fact {
                Fact::Token(token) => {
                    deployers.insert(token.mint, token.info.deployer);
                }
                Fact::Swap(swap) if swap.side == Side::Buy => {
                    assert!(
                        deployers.contains_key(&swap.mint),
                        "a token is known before its swaps"
                    );
                    if deployers[&swap.mint].as_ref() != Some(&swap.wallet) {
                        buyers.entry(swap.mint).or_default().insert(swap.wallet);
                    }
                }
                _ => {}
            }
        }
        let fires = |set: &BTreeSet<_>| set.len() >= 5 && set.intersection(&pool).count() >= 3;
        assert!(buyers.values().any(fires), "seed {seed}");
    }
}

#[test]
fn live_is_ordered_unique_and_as_busy_as_promised() {
    let facts: Vec<_> = Live::new(7, NOW, 1.0)
        .take_while(|(offset, _)| *offset < 600_000)
        .collect();
    assert!(facts.is_sorted_by_key(|(offset, _)| *offset));
    let mut signatures = BTreeSet::new();
    let mut last = None;
    for (offset, fact) in &facts {
        assert_eq!(fact.time().unix_ms(), NOW.unix_ms() + *offset as i64);
        if let Fact::Swap(swap) = fact {
            assert_eq!((swap.signature.len(), swap.wallet.len()), (88, 44));
            assert!(signatures.insert(swap.signature.clone()));
            let place = Some((swap.slot, swap.tx_index));
            assert!(place > last, "on chain in this order");
            last = place;
        }
    }
    let per_second = signatures.len() as f64 / 600.0;
    assert!((10.0..60.0).contains(&per_second), "{per_second} swaps/s");
    let launches = facts
        .iter()
        .filter(|(_, fact)| matches!(fact, Fact::Wallet(_)))
        .count();
    assert!(
        (35..=75).contains(&launches),
        "{launches} launches in ten minutes"
    );
}

#[test]
fn two_to_five_launches_a_minute_deserve_a_signal() {
    for seed in [1, 42, 4_711] {
        let cast = Cast::new(seed);
        let ranked = |player: &&super::cast::Player| player.skill <= Skill::C;
        let pool: BTreeSet<_> = cast
            .players
            .iter()
            .filter(ranked)
            .map(|player| player.wallet.clone())
            .collect();
        let mut left_out = BTreeSet::from([cast.exchange, cast.router]);
        let mut buys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (_, fact) in Live::new(seed, NOW, 1.0).take_while(|(offset, _)| *offset < 600_000) {
            match fact {
                Fact::Token(token) => left_out.extend(token.info.deployer),
                Fact::Swap(swap) if swap.side == Side::Buy && !left_out.contains(&swap.wallet) => {
                    buys.entry(swap.mint)
                        .or_default()
                        .push((swap.time, swap.wallet));
                }
                _ => {}
            }
        }
        let fires = |buys: &&Vec<(Time, _)>| {
            buys.iter().any(|(end, _)| {
                let window = buys
                    .iter()
                    .filter(|(at, _)| at <= end && *at > end.plus(-90 * Time::SECOND));
                let buyers: BTreeSet<_> = window.map(|(_, wallet)| wallet).collect();
                buyers.len() >= 5 && buyers.iter().filter(|w| pool.contains(**w)).count() >= 3
            })
        };
        let signals = buys.values().filter(fires).count();
        assert!(
            (20..=50).contains(&signals),
            "seed {seed}: {signals} in ten minutes"
        );
    }
}

#[test]
fn a_market_started_again_makes_no_duplicates() {
    let keys = |start| -> BTreeSet<_> {
        Live::new(42, start, 1.0)
            .take(3_000)
            .map(|(_, fact)| fact.key())
            .collect()
    };
    assert!(keys(NOW).is_disjoint(&keys(NOW.plus(Time::DAY))));
}

#[test]
fn pace_divides_the_gaps() {
    let slow: Vec<_> = Live::new(3, NOW, 1.0).take(2_000).collect();
    let fast: Vec<_> = Live::new(3, NOW, 10.0).take(2_000).collect();
    for ((slow, _), (fast, _)) in slow.iter().zip(&fast) {
        assert!((*slow / 10).abs_diff(*fast) <= 1);
    }
    assert_eq!(Live::new(3, NOW, f64::NAN).take(5).count(), 5);
}

#[test]
fn the_same_seed_is_the_same_market_everywhere() {
    assert_eq!(digest(history(42, NOW)), "26c1534d7c2220b6");
    let live = |seed| digest(Live::new(seed, NOW, 2.5).take(5_000).map(|(_, fact)| fact));
    assert_eq!(live(42), "df304bf09620b0c4");
    assert_ne!(live(42), live(43));
    assert_eq!(
        digest(Bulk::new(42, 1_000, Shape::month(NOW))),
        "699a3439de8fad7d"
    );
}

#[test]
fn bulk_gives_exactly_what_was_asked() {
    let shape = Shape {
        wallets: 3,
        mints: 2,
        in_sol_pct: 50,
        ..Shape::month(NOW)
    };
    let facts: Vec<_> = Bulk::new(1, 500, shape).collect();
    assert_eq!(facts.len(), 500);
    assert!(facts.is_sorted_by_key(Fact::time));
    let keys: BTreeSet<_> = facts.iter().map(Fact::key).collect();
    assert_eq!(keys.len(), 500);
    assert_eq!(Bulk::new(1, 0, shape).count(), 0);
}
