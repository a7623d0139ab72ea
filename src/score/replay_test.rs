//! What must never show in a result: restarts, evictions, the order of lines in a file. And that no fact brings the engine down.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{
    config::Config,
    consensus::Engine,
    record::{Draft, MintRecord, Need, PositionRecord, WalletRecord},
    test_store::*,
};
use crate::model::{
    money::{Exact, MicroUsd},
    swap::{
        Amount, Direction, Fact, Label, Side, Swap, TokenFact, TokenInfo, Transfer, WalletFact,
    },
    time::Time,
};

/// Xorshift: the streams are told by their seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn world() -> World {
    let mut world = World::new(Config {
        min_pool: 2,
        min_total: 3,
        ..Config::default()
    });
    for n in 0..8 {
        world.past(&format!("w{n}"), 6 + n as i64, 2_000);
    }
    world
}

/// A lively market of a few wallets and mints over some days, with late arrivals.
fn stream(seed: u64, length: usize) -> Vec<Fact> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut now = 0.0;
    // each fact once, as the store hands them out: of two that are known by the same things, the first
    let mut known = HashSet::new();
    (0..length)
        .map(|place| {
            now += match dice.below(60) {
                0 => 40_000.0,
                1..4 => 1200.0,
                _ => dice.below(8) as f64,
            };
            let late = if dice.one_in(8) {
                dice.below(9) as f64
            } else {
                0.0
            };
            let moment = if dice.one_in(80) {
                now - 50_000.0
            } else {
                now - late
            };
            let wallet = format!("w{}", dice.below(14));
            let mint = format!("m{}", dice.below(4));
            one(&mut dice, place, moment, &wallet, &mint)
        })
        .filter(|fact| known.insert(fact.key()))
        .collect()
}

fn one(dice: &mut Dice, place: usize, moment: f64, owner: &str, mint: &str) -> Fact {
    let time = at(moment);
    match dice.below(24) {
        0 => Fact::Transfer(Transfer {
            signature: format!("t{place}").into(),
            index: 0,
            slot: None,
            tx_index: None,
            time,
            wallet: owner.into(),
            mint: mint.into(),
            direction: if dice.one_in(2) {
                Direction::In
            } else {
                Direction::Out
            },
            token_amount: u128::from(dice.below(100_000)) + 1,
            counterparty: None,
        }),
        1 => {
            let labels = [Label::Bot, Label::Router, Label::Exchange, Label::Deployer];
            let chosen = &labels[dice.below(4) as usize..][..1];
            let funder = format!("f{}", dice.below(6));
            wallet(
                owner,
                moment,
                if dice.one_in(3) { chosen } else { &[] },
                Some(&funder),
            )
        }
        2..4 => {
            let mut info = sound();
            info.price_usd = (dice.one_in(3)).then(|| Exact((1000 / worth(place, mint)).into()));
            info.mint_renounced =
                [Some(true), Some(true), Some(false), None][dice.below(4) as usize];
            info.deployer = dice.one_in(4).then(|| owner.into());
            Fact::Token(TokenFact {
                mint: mint.into(),
                time: at(moment + dice.below(20) as f64),
                info,
            })
        }
        4..9 => {
            let sale = swap(owner, moment, Side::Sell, (dice.below(200) + 1) as f64);
            dress(sale, place, mint)
        }
        _ => dress(
            swap(owner, moment, Side::Buy, (dice.below(150) + 1) as f64),
            place,
            mint,
        ),
    }
}

/// By how many times some tokens are cheaper than they were, on and off.
fn worth(place: usize, mint: &str) -> u32 {
    if matches!(mint, "m2" | "m3") && place % 300 >= 150 {
        50
    } else {
        1
    }
}

fn dress(mut swap: Swap, place: usize, mint: &str) -> Fact {
    swap.signature = format!("s{place}").into();
    swap.mint = mint.into();
    swap.token_amount *= u128::from(worth(place, mint));
    swap.slot = place.is_multiple_of(3).then_some(place as u64);
    Fact::Swap(swap)
}

fn bodies(drafts: Vec<Draft>) -> impl Iterator<Item = String> {
    drafts.into_iter().map(|draft| draft.body(0.0, 0.0, 0.0))
}

fn undisturbed(facts: &[Fact]) -> (Vec<String>, World) {
    let mut world = world();
    let fired = facts
        .iter()
        .flat_map(|fact| bodies(world.apply(fact)))
        .collect();
    world.commit();
    (fired, world)
}

fn check_replay(seed: u64, length: usize) -> Vec<String> {
    let facts = stream(seed, length);
    let (expected, whole) = undisturbed(&facts);
    let mut dice = Dice(seed | 1);
    let mut broken = world();
    let mut fired: Vec<String> = Vec::new();
    // how many had fired when changes were last stored
    let mut stored = 0;
    for fact in &facts {
        let (wallets, mints) = (dice.below(5) * 2_000, dice.below(3) * 10_000);
        let (wallets, mints) = (wallets as usize, mints as usize);
        let event = dice.below(14);
        match event {
            0 => broken.restart(),
            1 => broken.evict(wallets, mints),
            2 => broken.commit(),
            3 => {
                broken.evict_the_unchanged(wallets, mints);
            }
            4 => broken.commit_facts(),
            5 => {
                let again: Vec<String> = bodies(broken.crash()).collect();
                assert_eq!(again, fired[stored..], "seed {seed}");
            }
            _ => {}
        }
        if event < 3 {
            stored = fired.len();
        }
        fired.extend(bodies(broken.apply(fact)));
    }
    broken.commit();
    assert_eq!(fired, expected, "seed {seed}");
    assert_eq!(broken.store.positions, whole.store.positions, "seed {seed}");
    assert_eq!(broken.store.episodes, whole.store.episodes, "seed {seed}");
    assert_eq!(broken.store.mints, whole.store.mints, "seed {seed}");
    let closed = |world: &World| {
        let mut closed = world.store.closed.clone();
        closed.sort_by_key(|(wallet, one)| (wallet.clone(), one.closed_at, one.opened_at, one.pnl));
        closed
    };
    assert_eq!(closed(&broken), closed(&whole), "seed {seed}");
    fired
}

/// The streams of the other tests are worth testing with: all kinds of rows come up, and holdings die.
#[test]
fn the_market_is_lively() {
    let mut all = Vec::new();
    let mut lost = 0;
    for seed in 1..20 {
        let (fired, world) = undisturbed(&stream(seed, 600));
        let swept = world
            .store
            .closed
            .iter()
            .filter(|(_, closed)| closed.return_ppm < -999_999);
        lost += swept.count();
        all.extend(fired);
    }
    let having = |what: &str| all.iter().filter(|body| body.contains(what)).count();
    let counts = (
        having("consensus_buy"),
        having("\"update\":"),
        having("consensus_exit"),
        lost,
    );
    assert!(
        counts.0 > 50 && counts.1 > 10 && counts.2 > 5 && counts.3 > 5,
        "{counts:?}"
    );
}

/// A file as `ingest swaps FILE` sees it: sorted within the watermark, each fact once, as the store has it.
fn sorted(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by_cached_key(Fact::chain_order);
    facts.dedup_by_key(|fact| fact.key());
    facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn restarts_and_evictions_never_show(seed in 1..u64::MAX / 2) {
        check_replay(seed, 400);
    }

    #[test]
    fn the_order_of_lines_never_shows(seed in 1..u64::MAX / 2, shuffle in any::<u64>()) {
        let facts = sorted(stream(seed, 300));
        // lines move by less than the watermark of five seconds
        let mut dice = Dice(shuffle | 1);
        let mut keyed: Vec<_> = facts.iter().map(|fact| (fact.time().plus(dice.below(4_999_999) as i64), fact.clone())).collect();
        keyed.sort_by_key(|(time, _)| *time);
        let shuffled = keyed.into_iter().map(|(_, fact)| fact).collect();
        prop_assert_eq!(undisturbed(&sorted(shuffled)).0, undisturbed(&facts).0);
    }

    /// Live ingest of facts in the chain's order is the file's way of evaluating: what a watermark lets through, in its order.
    #[test]
    fn live_is_file_where_in_order(seed in 1..u64::MAX / 2) {
        let facts = sorted(stream(seed, 300));
        let (mut held, mut released) = (Vec::new(), Vec::new());
        for fact in &facts {
            held.push(fact.clone());
            held.sort_by_cached_key(Fact::chain_order);
            let mark = fact.time().plus(-5 * Time::SECOND);
            let ready = held.partition_point(|fact| fact.time() < mark);
            released.extend(held.drain(..ready));
        }
        released.append(&mut held);
        prop_assert_eq!(undisturbed(&released).0, undisturbed(&facts).0);
    }

    #[test]
    fn no_fact_brings_the_engine_down(facts in proptest::collection::vec(any_fact(), 1..120), silent in any::<bool>()) {
        let mut engine = Engine::new(Config { min_pool: 0, min_total: 0, min_net_usd: 0, late_seconds: u32::MAX, ..Config::default() });
        for fact in &facts {
            let mut rounds = 0;
            while let Err(needs) = engine.apply(fact, silent) {
                rounds += 1;
                prop_assert!(rounds < 10 && !needs.is_empty());
                for need in needs {
                    match need {
                        Need::Wallet(wallet) => engine.load_wallet(wallet, absurd_wallet()),
                        Need::Mint(mint) => engine.load_mint(mint, absurd_mint(&facts)),
                    }
                }
            }
        }
        let changes = engine.take_changes();
        for (_, _, position) in changes.positions {
            prop_assert!(position.is_none_or(|position| position.lots.iter().all(|lot| lot.quantity > 0)));
        }
    }
}

fn absurd_wallet() -> WalletRecord {
    let position = |mint: &str, quantity| PositionRecord {
        mint: mint.into(),
        opened_at: Time(i64::MAX),
        last_buy_at: Time(i64::MIN),
        peak: 0,
        lots: vec![
            super::record::Lot {
                quantity,
                cost: MicroUsd(i64::MIN),
            },
            super::record::Lot {
                quantity: u128::MAX,
                cost: MicroUsd(i64::MAX),
            },
        ],
        cost_sold: MicroUsd(i64::MIN),
        proceeds: MicroUsd(i64::MAX),
        unmatched: u128::MAX,
    };
    let closed = |n: i64| super::record::ClosedRecord {
        opened_at: Time(i64::MAX),
        closed_at: Time(if n % 2 == 0 { i64::MIN + n } else { n }),
        return_ppm: i64::MAX,
        pnl: MicroUsd(i64::MIN),
    };
    WalletRecord {
        facts: Vec::new(),
        positions: vec![position("0", 0), position("1", u128::MAX)],
        closed: (0..30).map(closed).collect(),
    }
}

fn absurd_mint(facts: &[Fact]) -> MintRecord {
    MintRecord {
        recent: facts.to_vec(),
        state: super::record::MintState {
            high_water: Time(-1),
            prices: "1 2 l5:3 l4:9223372036854775807 w1:2:3".into(),
        },
        ..MintRecord::default()
    }
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let time = prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        -5..5_i64,
        (0..100_i64).prop_map(|s| at(s as f64).0)
    ];
    let quantity = prop_oneof![any::<u128>(), 0..5_u128, Just(u128::MAX), Just(1 << 125)];
    let money = prop_oneof![
        any::<i64>(),
        0..100_000_000_i64,
        Just(i64::MIN),
        Just(i64::MAX)
    ];
    let name = "[0-3]";
    (
        0..6_u8,
        time,
        quantity,
        (money.clone(), money),
        (name, name),
        any::<bool>(),
    )
        .prop_map(
            |(kind, time, quantity, (money, fee), (owner, mint), flag)| {
                let time = Time(time);
                match kind {
                    0 => Fact::Wallet(WalletFact {
                        wallet: owner.as_str().into(),
                        time,
                        labels: None,
                        first_funder: Some(mint.as_str().into()),
                    }),
                    1 => Fact::Token(TokenFact {
                        mint: mint.as_str().into(),
                        time,
                        info: TokenInfo {
                            decimals: Some(quantity as u8),
                            price_usd: Some(Exact(money.into())),
                            created_at: Some(Time(fee)),
                            ..TokenInfo::default()
                        },
                    }),
                    2 => Fact::Transfer(Transfer {
                        signature: "s".into(),
                        index: 0,
                        slot: None,
                        tx_index: None,
                        time,
                        wallet: owner.as_str().into(),
                        mint: mint.as_str().into(),
                        direction: if flag { Direction::In } else { Direction::Out },
                        token_amount: quantity,
                        counterparty: None,
                    }),
                    _ => Fact::Swap(Swap {
                        signature: owner.as_str().into(),
                        index: 0,
                        slot: Some(quantity as u64),
                        tx_index: None,
                        time,
                        wallet: owner.as_str().into(),
                        mint: mint.as_str().into(),
                        side: if flag { Side::Buy } else { Side::Sell },
                        token_amount: quantity,
                        amount: if kind == 3 {
                            Amount::Sol(money.into())
                        } else {
                            Amount::Usd(MicroUsd(money))
                        },
                        fee: MicroUsd(fee),
                        dex: None,
                    }),
                }
            },
        )
}
