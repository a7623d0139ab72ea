//! What follows a signal: updates, exits, and the next episode.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{config::Config, test_store::*};
use crate::model::{
    rank::{Rank, Tenths},
    signal::Facets,
    swap::{Side, TokenInfo},
};

#[test]
fn two_more_pool_wallets_or_a_higher_rank_are_an_update() {
    let mut world = world();
    let first = world.run(&consensus(0.0)).remove(0);
    let none: Vec<Value> = Vec::new();
    assert_eq!(
        world.run(&[buy("p4", 41.0, 100.0)]),
        none,
        "one more, and no higher rank"
    );
    let updates = world.run(&[buy("p5", 42.0, 100.0)]);
    let [update] = &updates[..] else {
        panic!("{updates:?}")
    };
    assert_eq!(update["update"], 1);
    assert_eq!(update["episode_id"], first["id"]);
    assert_eq!(
        update["best_before"],
        json!({"rank": first["rank"], "rank_score": first["rank_score"]})
    );
    let seed = "consensus_buy|M|p1@0/100Buy|1";
    assert_eq!(
        update["id"],
        Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
    );
    assert_eq!(
        world.run(&[buy("p6", 43.0, 100.0), buy("o9", 44.0, 100.0)]),
        none
    );
    let updates = world.run(&[buy("p7", 45.0, 100.0)]);
    assert_eq!(updates[0]["update"], 2);
    assert_eq!(updates[0]["pool_wallet_count"], 7);
}

#[test]
fn a_higher_rank_alone_is_an_update() {
    let mut world = World::new(Config::default());
    for n in 1..=3 {
        world.past(&format!("p{n}"), 12, 10_000);
    }
    let first = world.run(&consensus(0.0)).remove(0);
    assert_eq!(
        (&first["rank"], &first["rug_check"]["risk"]),
        (&json!("B"), &json!("unknown"))
    );
    world.run(&[token(41.0, sound())]);
    let update = world.run(&[buy("o1", 42.0, 1.0)]).remove(0);
    assert_eq!(
        (&update["rank"], &update["update"]),
        (&json!("A"), &json!(1))
    );
    assert_eq!(world.run(&[buy("o1", 43.0, 1.0)]), Vec::<Value>::new());
}

#[test]
fn best_before_holds_all_that_a_filter_on_rank_and_score_needs() {
    let mut world = World::new(Config::default());
    for n in 1..=7 {
        world.past(&format!("p{n}"), 12, 10_000);
    }
    let first = world.run(&consensus(0.0)).remove(0);
    let open = TokenInfo {
        mint_renounced: Some(false),
        ..sound()
    };
    world.run(&[token(41.0, open)]);
    let buys = |wallets: [&str; 2]| wallets.map(|wallet| buy(wallet, 42.0, 100.0));
    let second = world.run(&buys(["p4", "p5"])).remove(0);
    let third = world.run(&buys(["p6", "p7"])).remove(0);
    let reached = |body: &Value| json!({"rank": body["rank"], "rank_score": body["rank_score"]});
    let pair = |body: &Value| {
        let rank = Rank::parse(body["rank"].as_str().unwrap());
        (rank.unwrap(), body["rank_score"].as_f64().unwrap())
    };
    let (before, after) = (pair(&first), pair(&second));
    assert!(
        before.0 > after.0 && before.1 < after.1,
        "worse by rank, better by score: {before:?} {after:?}"
    );
    assert_eq!(second["best_before"], reached(&first));
    let mut front = reached(&first);
    front["others"] = json!([reached(&second)]);
    assert_eq!(third["best_before"], front);
    assert_eq!(Facets::of(&third.to_string()).before, [before, after]);
}

#[test]
fn the_front_of_undominated_rows_is_written_and_read() {
    use super::{payload, record::EpisodeRecord};
    let mut episode = EpisodeRecord::open(1, "seed".into(), at(0.0));
    for (rank, score) in [
        (Rank::B, 650),
        (Rank::D, 720),
        (Rank::C, 700),
        (Rank::D, 710),
    ] {
        episode.reach(rank, Tenths(score), 3);
    }
    let firing = swap("w", 1.0, Side::Sell, 10.0);
    let body = parse(&payload::exit(&episode, &firing, &sound()));
    assert_eq!(
        body["best_before"],
        json!({"rank": "B", "rank_score": 65.0, "others": [{"rank": "C", "rank_score": 70.0}, {"rank": "D", "rank_score": 72.0}]})
    );
    let facets = Facets::of(&body.to_string());
    assert_eq!(
        facets.before,
        [(Rank::B, 65.0), (Rank::C, 70.0), (Rank::D, 72.0)]
    );
    assert!(facets.is_exit());
}

#[test]
fn half_of_the_wallets_half_out_is_an_exit_once() {
    let mut world = world();
    let first = world.run(&consensus(0.0)).remove(0);
    let none: Vec<Value> = Vec::new();
    assert_eq!(
        world.run(&[sell("p1", 100.0, 50.0), sell("o1", 110.0, 90.0)]),
        none,
        "one of three"
    );
    assert_eq!(world.run(&[sell("p2", 200.0, 49.0)]), none, "49 %");
    let exit = world.run(&[sell("p2", 300.0, 1.0)]).remove(0);
    assert_eq!(exit["signal_type"], "consensus_exit");
    assert_eq!(
        exit["id"],
        Uuid::new_v5(&Uuid::NAMESPACE_URL, b"consensus_buy|M|p1@0/100Buy|exit").to_string()
    );
    assert_eq!(exit["exited_wallets"], json!(["p1", "p2"]));
    assert_eq!(exit["episode_id"], first["id"]);
    assert_eq!(
        (&exit["rank"], &exit["rank_score"]),
        (&first["rank"], &first["rank_score"])
    );
    assert_eq!(exit["best_before"]["rank"], first["rank"]);
    assert_eq!(world.run(&[sell("p3", 400.0, 100.0)]), none, "it was said");
}

#[test]
fn exits_end_after_an_hour_and_purchases_since_count_as_held() {
    let run = |when: f64, bought: f64| {
        let mut world = world();
        world.run(&consensus(0.0));
        world.run(&[buy("p1", 60.0, bought), sell("p1", 100.0, 50.0)]);
        !world.run(&[sell("p2", when, 60.0)]).is_empty()
    };
    assert!(run(3640.0, 0.0), "opened at 40");
    assert!(!run(3640.000001, 0.0));
    assert!(!run(3000.0, 1.0), "50 of 101");
}

#[test]
fn a_new_episode_opens_after_half_an_hour_while_the_old_one_waits() {
    let mut world = world();
    world.run(&consensus(0.0));
    // the window's last buy at exactly 30 minutes is still inside: not news
    assert_eq!(world.run(&consensus(1800.0)), Vec::<Value>::new());
    let second = world.run(&[buy("o5", 1840.000001, 30.0)]).remove(0);
    assert_eq!(second.get("update"), None);
    assert_eq!(
        second["id"],
        Uuid::new_v5(&Uuid::NAMESPACE_URL, b"consensus_buy|M|p1@1800/100Buy").to_string()
    );
    world.commit();
    let ordinals: Vec<_> = world
        .store
        .episodes
        .keys()
        .map(|(_, ordinal)| *ordinal)
        .collect();
    assert_eq!(ordinals, [1, 2]);
    let exits = world.run(&[sell("p1", 1900.0, 200.0), sell("p2", 1910.0, 200.0)]);
    assert_eq!(exits.len(), 2, "both episodes are left");
    assert_ne!(exits[0]["episode_id"], exits[1]["episode_id"]);
}
