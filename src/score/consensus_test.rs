//! What the engine fires, case by case.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    config::Config,
    rank::{Inputs, rank},
    record::Need,
    rug::Risk,
    test_store::*,
};
use crate::model::swap::{Amount, Direction, Fact, Label, Side, TokenInfo};

#[test]
fn five_buyers_with_three_of_the_pool_fire() {
    let mut world = world();
    let facts = consensus(0.0);
    assert_eq!(world.run(&facts[..4]), Vec::<Value>::new());
    let drafts = world.apply(&facts[4]);
    let [draft] = &drafts[..] else {
        panic!("one signal, not {drafts:?}");
    };
    let body = parse(draft);
    let seed = "consensus_buy|M|p1@0/100Buy";
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes());
    assert_eq!(draft.id, id);
    assert_eq!(body["id"], id.to_string());
    assert_eq!(body["episode_id"], id.to_string());
    assert_eq!(body["detected_at"], at(40.0).to_string());
    assert_eq!(body.get("update"), None);
    assert_eq!(body.get("best_before"), None);
    assert_eq!(
        (
            &body["wallet_count"],
            &body["pool_wallet_count"],
            &body["other_buyer_count"]
        ),
        (&json!(5), &json!(3), &json!(2))
    );
    assert_eq!(
        body["token"],
        json!({"address": "M", "symbol": "WIF", "name": null, "image_url": null, "dex": "Raydium", "age_minutes": 12,
            "market_cap_usd": 412000, "liquidity_usd": 88300, "price_sol": null, "price_usd": 1000})
    );
    assert_eq!(
        body["rug_check"],
        json!({"mint_renounced": true, "freeze_renounced": true, "top10_holders_pct": 18.4, "lp_locked": true, "risk": "low"})
    );
    let wallets = body["triggering_wallets"].as_array().unwrap();
    let addresses: Vec<_> = wallets
        .iter()
        .map(|wallet| wallet["address"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, ["p1", "p2", "p3"], "equally good: by address");
    assert_eq!(wallets[0]["win_rate"], 1);
    assert_eq!(wallets[0]["realized_pnl_usd"], 120_000);
    let score = wallets[0]["score"].as_f64().unwrap();
    assert!((body["wallet_score_sum"].as_f64().unwrap() - 3.0 * score).abs() < 1e-9);
    let expected = rank(&Inputs {
        pool: 3,
        other: 2,
        score_sum: 3.0 * score,
        risk: Risk::Low,
        liquidity_usd: Some(88_300.0),
        span_seconds: 40.0,
        window_seconds: 90.0,
    });
    assert_eq!(body["rank_score"], expected.score.as_f64());
    assert_eq!(body["rank"], expected.rank.letter());
}

#[test]
fn the_payload_keeps_the_order_of_the_reference() {
    let mut world = world();
    let drafts: Vec<_> = consensus(0.0)
        .iter()
        .flat_map(|fact| world.apply(fact))
        .collect();
    let body = drafts[0].body(412.0, 3.5, 0.25);
    let keys = [
        "id",
        "detected_at",
        "signal_type",
        "market",
        "rank",
        "rank_score",
        "token",
        "address",
        "symbol",
        "name",
        "image_url",
        "dex",
        "age_minutes",
        "market_cap_usd",
        "liquidity_usd",
        "price_sol",
        "price_usd",
        "wallet_count",
        "pool_wallet_count",
        "other_buyer_count",
        "wallet_score_sum",
        "triggering_wallets",
        "score",
        "win_rate",
        "realized_pnl_usd",
        "rug_check",
        "mint_renounced",
        "freeze_renounced",
        "top10_holders_pct",
        "lp_locked",
        "risk",
        "episode_id",
        "latency_ms",
        "timing",
    ];
    let places: Vec<_> = keys
        .iter()
        .map(|key| body.find(&format!("\"{key}\":")).expect(key))
        .collect();
    assert!(places.is_sorted(), "{body}");
    assert!(body.ends_with(r#""latency_ms":412,"timing":{"ingest_ms":3.5,"score_ms":0.25}}"#));
    assert!(!body.contains(": ") && !body.contains(", "), "compact");
}

/// Whether these facts fire, after which those of `before` were applied.
fn fires(before: &[Fact], facts: &[Fact]) -> bool {
    let mut world = world();
    assert_eq!(world.run(before), Vec::<Value>::new());
    !world.run(facts).is_empty()
}

#[test]
fn who_counts() {
    let facts = consensus(0.0);
    assert!(fires(&[], &facts));
    assert!(!fires(&[], &facts[1..]), "four buyers are too few");
    let label = |who, label| vec![wallet(who, -1.0, &[label], None)];
    assert!(!fires(&label("o1", Label::Router), &facts));
    assert!(!fires(&label("o1", Label::Exchange), &facts));
    assert!(
        fires(&label("o1", Label::Deployer), &facts),
        "a maker of other tokens is a buyer"
    );
    assert!(
        fires(&[wallet("o1", 41.0, &[Label::Router], None)], &facts),
        "labelled only later"
    );
    let made_by = |who: &str| {
        let deployer = Some(who.into());
        vec![token(
            -5.0,
            TokenInfo {
                deployer,
                ..TokenInfo::default()
            },
        )]
    };
    assert!(!fires(&made_by("o2"), &facts));
    assert!(fires(&made_by("x"), &facts));
}

#[test]
fn wallets_with_one_funder_are_one_buyer() {
    let facts = consensus(0.0);
    let funded = |who, funder| wallet(who, -9.0, &[], Some(funder));
    assert!(!fires(&[funded("o1", "F"), funded("o2", "F")], &facts));
    assert!(fires(&[funded("o1", "F"), funded("o2", "G")], &facts));
    assert!(
        !fires(&[funded("o1", "o2")], &facts),
        "a funder and its wallet are one"
    );
    assert!(!fires(
        &[funded("p1", "F"), funded("p2", "F")],
        &[&facts[..], &[buy("o3", 45.0, 50.0)]].concat()
    ));

    // the best of an entity stands for it
    let mut world = world();
    world.past("best", 20, 30_000);
    world.run(&[
        funded("p1", "F"),
        funded("best", "F"),
        buy("best", -1.0, 30.0),
    ]);
    let signals = world.run(&facts);
    let addresses: Vec<_> = signals[0]["triggering_wallets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["address"])
        .collect();
    assert_eq!(addresses, ["best", "p2", "p3"]);
    assert_eq!(signals[0]["wallet_count"], 5);
}

#[test]
fn less_than_25_dollars_net_is_nobody() {
    let with = |extra: &[Fact], last: f64| {
        let facts = consensus(0.0);
        let last = [buy("p3", 40.0, last)];
        fires(&[], &[&facts[..4], extra, &last].concat())
    };
    assert!(with(&[], 25.0));
    assert!(!with(&[], 24.999));
    assert!(!with(
        &[buy("p3", 30.0, 20.0), sell("p3", 35.0, 20.0)],
        24.0
    ));
    assert!(with(&[buy("p3", 30.0, 20.0)], 24.0), "two buys add up");
    assert!(!with(&[sell("p3", 35.0, 80.0)], 100.0), "20 net");
    assert!(with(&[sell("p3", 35.0, 75.0)], 100.0), "25 net");
}

#[test]
fn ninety_seconds_count_to_the_microsecond() {
    let at_end = |end: f64| {
        let mut facts = consensus(0.0);
        facts[4] = buy("p3", end, 100.0);
        fires(&[], &facts)
    };
    assert!(at_end(90.0));
    assert!(!at_end(90.000001));
}

#[test]
fn five_seconds_late_still_counts() {
    let late = |by: f64| {
        let mut facts = consensus(0.0);
        facts.insert(4, buy("x", 60.0, 1.0));
        facts[5] = buy("p3", 60.0 - by, 100.0);
        fires(&[], &facts)
    };
    assert!(late(5.0));
    assert!(!late(5.000001));

    // a late one changes neither id nor rank of what fired; the window ends at the latest swap, the moment is its own
    let mut world = world();
    let mut facts = consensus(0.0);
    facts[0] = buy("p1", -40.0, 100.0);
    facts[4] = buy("x", 50.0, 1.0);
    facts.push(buy("p3", 48.0, 100.0));
    let signals = world.run(&facts);
    assert_eq!(signals[0]["detected_at"], at(48.0).to_string());
    assert_eq!(
        signals[0]["id"],
        Uuid::new_v5(&Uuid::NAMESPACE_URL, b"consensus_buy|M|p1@-40/100Buy").to_string()
    );
    world.run(&[buy("p4", 47.0, 100.0)]);
    world.commit();
    assert_eq!(world.store.episodes.len(), 1);
}

#[test]
fn bots_are_no_pool_from_when_they_are_labelled() {
    let facts = consensus(0.0);
    assert!(!fires(&[wallet("p1", -1.0, &[Label::Bot], None)], &facts));
    assert!(fires(&[wallet("p1", 41.0, &[Label::Bot], None)], &facts));
}

#[test]
fn backfill_builds_books_and_windows_and_fires_nothing() {
    let mut world = world();
    world.silent = true;
    assert_eq!(world.run(&consensus(0.0)), Vec::<Value>::new());
    world.commit();
    assert!(world.store.episodes.is_empty());
    assert_eq!(world.store.positions.len(), 5);
    world.silent = false;
    let signal = world.run(&[buy("o3", 50.0, 30.0)]).remove(0);
    assert_eq!(signal["wallet_count"], 6, "the window was built");
}

#[test]
fn dead_holdings_are_losses_when_their_wallet_is_scored() {
    let day = 86_400.0;
    let mut world = world();
    world.past("z", 9, 10_000);
    let on = |fact: Fact, mint: &str| match fact {
        Fact::Swap(mut swap) => {
            swap.mint = mint.into();
            Fact::Swap(swap)
        }
        other => other,
    };
    world.run(&[on(buy("z", 0.0, 500.0), "DEAD")]);
    let mut crash = swap("x", 60.0, Side::Sell, 10.0);
    (crash.mint, crash.token_amount) = ("DEAD".into(), 100_000);
    world.run(&[Fact::Swap(crash)]);
    world.restart();
    let facts: Vec<Fact> = ["p1", "o1", "p2", "o2", "z"]
        .iter()
        .zip(0_u8..)
        .map(|(wallet, n)| buy(wallet, day + 60.0 + f64::from(n), 100.0))
        .collect();
    world.run(&facts[..4]);
    assert_eq!(
        world.engine.apply(&facts[4], false),
        Err(vec![Need::Wallet("z".into())]),
    );
    let signal = world.run(&facts[4..]).remove(0);
    world.commit();
    let lost: Vec<_> = world
        .store
        .closed
        .iter()
        .filter(|(_, closed)| closed.return_ppm < 0)
        .collect();
    let [(wallet, closed)] = &lost[..] else {
        panic!("{lost:?}")
    };
    assert_eq!(
        (&**wallet, closed.return_ppm, closed.closed_at),
        ("z", -1_000_000, at(day + 60.0))
    );
    assert!(
        !world
            .store
            .positions
            .contains_key(&("z".into(), "DEAD".into()))
    );
    let z = signal["triggering_wallets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|wallet| wallet["address"] == "z")
        .unwrap();
    assert_eq!(z["win_rate"], 0.9, "the tenth position is the loss");
    assert_eq!(z["realized_pnl_usd"], 89_500);
}

#[test]
fn prices_of_token_facts_write_off_too() {
    let run = |price: &str| {
        let mut world = world();
        world.run(&[buy("z", 0.0, 500.0)]);
        let price_usd = Some(crate::model::money::Exact(price.parse().unwrap()));
        world.run(&[token(
            100.0,
            TokenInfo {
                price_usd,
                ..TokenInfo::default()
            },
        )]);
        world.run(&[transfer("z", 90_000.0, Direction::Out, 1)]);
        world.commit();
        world
            .store
            .closed
            .iter()
            .any(|(wallet, _)| **wallet == *"z")
    };
    assert!(run("100"), "1,000 dollars a token were paid");
    assert!(!run("101"));
}

#[test]
fn books_of_the_engine_close_at_one_percent() {
    let mut world = world();
    world.run(&[
        buy("z", 0.0, 100.0),
        transfer("z", 1.0, Direction::In, 5000),
        sell("z", 60.0, 98.9),
    ]);
    world.commit();
    assert_eq!(
        world.store.positions[&("z".into(), "M".into())].lots[0].quantity,
        1100
    );
    world.run(&[sell("z", 70.0, 0.1)]);
    world.commit();
    assert!(world.store.positions.is_empty());
    let (_, closed) = world
        .store
        .closed
        .iter()
        .find(|(wallet, _)| **wallet == *"z")
        .unwrap();
    assert_eq!((closed.pnl.0, closed.return_ppm), (-1_000_000, -10_000));
}

#[test]
fn nothing_changes_before_all_is_loaded() {
    let mut world = world();
    let facts = consensus(0.0);
    world.run(&facts[..4]);
    world.restart();
    let needs = world.engine.apply(&facts[4], false).unwrap_err();
    assert_eq!(needs, [Need::Wallet("p3".into()), Need::Mint("M".into())]);
    assert_eq!(
        world.engine.take_changes(),
        super::record::Changes::default()
    );
    assert_eq!(world.run(&facts[4..]).len(), 1);
    world.engine.evict(0, 0);
    assert!(
        world.engine.wants(&facts[4]).is_empty(),
        "untaken changes are never forgotten"
    );
}

#[test]
fn unresolved_sol_is_no_money() {
    let mut facts = consensus(0.0);
    if let Fact::Swap(swap) = &mut facts[4] {
        swap.amount = Amount::Sol(rust_decimal::Decimal::TEN);
    }
    assert!(!fires(&[], &facts));
}

#[test]
fn configuration_is_bounded_and_strict() {
    let config: Config =
        toml::from_str("min_pool = 1\nmin_total = 1\nwindow_seconds = 4000000000").unwrap();
    assert!(toml::from_str::<Config>("min_pol = 1").is_err());
    let mut world = World::new(config);
    world.past("p1", 12, 10_000);
    let signals = world.run(&[buy("p1", 0.0, 30.0), buy("o1", 100.0, 30.0)]);
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0]["wallet_count"], 1);
}
