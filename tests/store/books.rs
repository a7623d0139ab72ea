//! The engine's records: what is stored comes back as it was, and a rival's episode undoes the whole transaction.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use proptest::{collection::vec, prelude::*};
use sigcast::{
    model::{
        fact_line,
        log::LogRead as _,
        money::MicroUsd,
        rank::{Rank, Tenths},
        swap::{Address, Fact, MAX_QUANTITY},
        time::Time,
    },
    score::record::{
        Changes, ClosedRecord, EpisodeRecord, Lot, MintRecord, MintState, PositionRecord, Trigger,
        WalletRecord,
    },
    store::db::Db,
};
use uuid::Uuid;

use crate::backend::{Fresh, at, promises, run, signals};

promises!(
    what_is_unknown_is_empty,
    the_latest_state_counts,
    facts_come_with_their_wallet_and_mint,
    a_rivals_episode_undoes_everything,
    records_come_back_as_they_were,
);

const NAMES: &[&str] = &["wallet", "Wallet", "quote'\"", "comma,:;", "\u{1F680}", "-"];

fn name() -> impl Strategy<Value = Address> {
    prop::sample::select(NAMES).prop_map(Address::from)
}

/// Between 1970 and 2100, to the microsecond.
fn moment() -> impl Strategy<Value = Time> {
    (0..4_102_444_800_000_000i64).prop_map(Time)
}

fn money() -> impl Strategy<Value = MicroUsd> {
    any::<i64>().prop_map(MicroUsd)
}

fn quantity() -> impl Strategy<Value = u128> {
    prop_oneof![0..1_000u128, 0..=MAX_QUANTITY, Just(u128::from(u64::MAX))]
}

prop_compose! {
    fn position(mint: Address)(
        opened_at in moment(), last_buy_at in moment(), peak in quantity(), cost_sold in money(), proceeds in money(),
        unmatched in quantity(), lots in vec((quantity(), money()), 0..4),
    ) -> PositionRecord {
        let lots = lots.into_iter().map(|(quantity, cost)| Lot { quantity, cost }).collect();
        PositionRecord { mint: mint.clone(), opened_at, last_buy_at, peak, lots, cost_sold, proceeds, unmatched }
    }
}

prop_compose! {
    fn closed()(
        opened_at in moment(), closed_at in moment(), near in any::<bool>(), return_ppm in any::<i64>(), pnl in money(),
    ) -> ClosedRecord {
        // some within the month that counts, the others over the years
        let closed_at = if near { Time(closed_at.0 % (62 * Time::DAY)) } else { closed_at };
        ClosedRecord { opened_at, closed_at, return_ppm, pnl }
    }
}

prop_compose! {
    fn episode()(
        id in any::<u128>(), seed in "\\PC{0,20}", opened_at in 0..20_000i64, updates in 0..i64::MAX, last_pool in any::<i64>(),
        exited in any::<bool>(),
        reached in vec((prop::sample::select(&[Rank::S, Rank::A, Rank::B, Rank::C, Rank::D][..]), any::<i64>()), 0..3),
        triggers in vec((name(), quantity(), quantity()), 0..4),
    ) -> EpisodeRecord {
        EpisodeRecord {
            ordinal: 0, id: Uuid::from_u128(id), seed, opened_at: at(opened_at), updates, last_pool, exited,
            reached: reached.into_iter().map(|(rank, score)| (rank, Tenths(score))).collect(),
            triggers: triggers.into_iter().map(|(wallet, held, sold)| Trigger { wallet, held, sold }).collect(),
        }
    }
}

fn held() -> impl Strategy<Value = Vec<(Address, Address, PositionRecord)>> {
    let one = (name(), name())
        .prop_flat_map(|(wallet, mint)| (Just(wallet), Just(mint.clone()), position(mint)));
    vec(one, 0..12)
}

type Minted = Vec<(Address, i64, String, Vec<EpisodeRecord>)>;

fn minted() -> impl Strategy<Value = Minted> {
    let one = (name(), 0..20_000i64, "\\PC{0,40}", vec(episode(), 0..4));
    vec(one, 0..6)
}

async fn keep(db: &Db, changes: &Changes) {
    let mut tx = db.begin().await.unwrap();
    tx.store_changes(changes).await.unwrap();
    db.commit(tx).await.unwrap();
}

fn names() -> Vec<Address> {
    NAMES.iter().map(|name| Address::from(*name)).collect()
}

async fn wallets(db: &Db) -> BTreeMap<Address, WalletRecord> {
    let mut tx = db.begin().await.unwrap();
    let loaded = tx.load_wallets(&names(), i64::MAX).await.unwrap();
    let mut loaded: BTreeMap<_, _> = loaded.into_iter().collect();
    for record in loaded.values_mut() {
        record.positions.sort_by(|a, b| a.mint.cmp(&b.mint));
    }
    loaded
}

async fn mints(db: &Db) -> BTreeMap<Address, MintRecord> {
    let mut tx = db.begin().await.unwrap();
    let loaded = tx.load_mints(&names(), i64::MAX).await.unwrap();
    loaded.into_iter().collect()
}

async fn what_is_unknown_is_empty(fresh: Fresh) {
    let db = fresh.open().await;
    let found = wallets(&db).await;
    assert_eq!(
        found.len(),
        NAMES.len(),
        "each that was asked for is answered"
    );
    assert!(
        found
            .values()
            .all(|record| *record == WalletRecord::default())
    );
    let found = mints(&db).await;
    assert_eq!(found.len(), NAMES.len());
    assert!(
        found
            .values()
            .all(|record| *record == MintRecord::default())
    );
    // more than one statement's worth, and none at all
    let many: Vec<Address> = (0..450).map(|n| format!("w{n}").into()).collect();
    let mut tx = db.begin().await.unwrap();
    let asked = tx.load_wallets(&many, 1).await.unwrap();
    assert_eq!(
        asked.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        many
    );
    assert!(tx.load_mints(&[], 1).await.unwrap().is_empty());
}

fn small_position(mint: &str, peak: u128) -> PositionRecord {
    PositionRecord {
        mint: mint.into(),
        opened_at: at(1),
        last_buy_at: at(2),
        peak,
        lots: vec![Lot {
            quantity: peak,
            cost: MicroUsd(5),
        }],
        cost_sold: MicroUsd(0),
        proceeds: MicroUsd(0),
        unmatched: 0,
    }
}

fn small_episode(ordinal: i64, id: u128) -> EpisodeRecord {
    EpisodeRecord {
        ordinal,
        id: Uuid::from_u128(id),
        seed: format!("consensus_buy|m|{id}"),
        opened_at: at(10),
        updates: 0,
        last_pool: 4,
        exited: false,
        reached: vec![(Rank::A, Tenths(801))],
        triggers: Vec::new(),
    }
}

async fn the_latest_state_counts(fresh: Fresh) {
    let db = fresh.open().await;
    let (wallet, mint): (Address, Address) = ("wallet".into(), "Wallet".into());
    let state = |second, prices: &str| MintState {
        high_water: at(second),
        prices: prices.into(),
    };
    let mut episode = small_episode(1, 1);
    let mut changes = Changes {
        positions: vec![(wallet.clone(), mint.clone(), Some(small_position(&mint, 7)))],
        mints: vec![(mint.clone(), state(10, "a"))],
        episodes: vec![(mint.clone(), episode.clone())],
        ..Changes::default()
    };
    keep(&db, &changes).await;
    keep(&db, &changes).await;
    episode.updates = 2;
    episode.last_pool = 9;
    episode.exited = true;
    episode.reached.insert(0, (Rank::S, Tenths(700)));
    episode.triggers.push(Trigger {
        wallet: wallet.clone(),
        held: 3,
        sold: 1,
    });
    changes = Changes {
        positions: vec![(wallet.clone(), mint.clone(), Some(small_position(&mint, 8)))],
        mints: vec![(mint.clone(), state(20, "b"))],
        episodes: vec![(mint.clone(), episode.clone())],
        ..Changes::default()
    };
    keep(&db, &changes).await;
    assert_eq!(
        wallets(&db).await[&wallet].positions,
        [small_position(&mint, 8)]
    );
    let found = &mints(&fresh.open().await).await[&mint];
    assert_eq!(found.state, state(20, "b"));
    assert_eq!(found.episodes, [episode]);
    changes.positions = vec![(wallet.clone(), mint, None)];
    keep(&db, &changes).await;
    assert_eq!(wallets(&db).await[&wallet], WalletRecord::default());
    // more than one statement's worth, and only those that are named
    let many = |keep: usize| {
        let named = (0..700).map(|n| format!("m{n}").into());
        let named = named.enumerate().map(|(n, mint): (usize, Address)| {
            let kept = (n % keep == 0).then(|| small_position(&mint, 7));
            (wallet.clone(), mint, kept)
        });
        Changes {
            positions: named.collect(),
            ..Changes::default()
        }
    };
    keep(&db, &many(1)).await;
    assert_eq!(wallets(&db).await[&wallet].positions.len(), 700);
    keep(&db, &many(9)).await;
    let left = &wallets(&db).await[&wallet].positions;
    let mut expected: Vec<_> = (0..700).step_by(9).map(|n| format!("m{n}")).collect();
    expected.sort_unstable();
    let left: Vec<_> = left.iter().map(|position| &*position.mint).collect();
    assert_eq!(left, expected);
}

fn fact(text: &str) -> Fact {
    fact_line::parse(text.as_bytes()).unwrap()
}

async fn facts_come_with_their_wallet_and_mint(fresh: Fresh) {
    let db = fresh.open().await;
    let wallet_at = |ms: i64, funder: &str| {
        fact(&format!(
            r#"{{"v":1,"type":"wallet","wallet":"wallet","time":176{ms:010},"first_funder":"{funder}"}}"#
        ))
    };
    let token_at = |ms: i64| {
        fact(&format!(
            r#"{{"v":1,"type":"token","mint":"comma,:;","time":176{ms:010},"symbol":"T{ms}"}}"#
        ))
    };
    let swap_at = |ms: i64| {
        fact(&format!(
            r#"{{"v":1,"type":"swap","signature":"s{ms}","time":176{ms:010},"wallet":"wallet","mint":"comma,:;","side":"sell","token_amount":3,"amount_usd":1}}"#
        ))
    };
    let high_water = 1_000_000;
    let mut tx = db.begin().await.unwrap();
    let facts = [
        wallet_at(500, "late"),
        wallet_at(100, "early"),
        token_at(900_000),
        token_at(1),
        swap_at(high_water),
        swap_at(high_water - 100_000),
        swap_at(high_water - 100_001),
        swap_at(high_water - 5),
        wallet_at(300, "later"),
        swap_at(high_water - 6),
    ];
    let arrivals = tx.append_facts(&facts, false, at(1)).await.unwrap();
    let state = MintState {
        high_water: Time((1_760_000_000_000 + high_water) * 1_000),
        prices: String::new(),
    };
    let changes = Changes {
        mints: vec![("comma,:;".into(), state)],
        ..Changes::default()
    };
    tx.store_changes(&changes).await.unwrap();
    let before = arrivals[8].unwrap();
    let loaded = tx.load_wallets(&["wallet".into()], before).await.unwrap();
    let told: Vec<Fact> = loaded[0]
        .1
        .facts
        .iter()
        .cloned()
        .map(Fact::Wallet)
        .collect();
    assert_eq!(told, [facts[1].clone(), facts[0].clone()], "by time");
    let loaded = tx.load_mints(&["comma,:;".into()], before).await.unwrap();
    let told: Vec<Fact> = loaded[0].1.facts.iter().cloned().map(Fact::Token).collect();
    assert_eq!(told, [facts[3].clone(), facts[2].clone()], "by time");
    let recent = [facts[4].clone(), facts[5].clone(), facts[7].clone()];
    assert_eq!(
        loaded[0].1.recent, recent,
        "the last 100 seconds, by arrival"
    );
}

async fn a_rivals_episode_undoes_everything(fresh: Fresh) {
    let (db, rival) = (fresh.named().await, fresh.open().await);
    let mint: Address = "Wallet".into();
    let with = |episode: EpisodeRecord, prices: &str| Changes {
        positions: vec![(
            "wallet".into(),
            mint.clone(),
            Some(small_position(&mint, 7)),
        )],
        closed: vec![(
            "wallet".into(),
            vec![ClosedRecord {
                opened_at: at(1),
                closed_at: at(2),
                return_ppm: 1,
                pnl: MicroUsd(1),
            }],
        )],
        mints: vec![(
            mint.clone(),
            MintState {
                high_water: at(10),
                prices: prices.into(),
            },
        )],
        episodes: vec![(mint.clone(), episode)],
    };
    let mut first = with(small_episode(1, 1), "rival's");
    first.positions.clear();
    first.closed.clear();
    keep(&rival, &first).await;

    let mut tx = db.begin().await.unwrap();
    let token = fact(r#"{"v":1,"type":"token","mint":"Wallet","time":1760000000000,"symbol":"T"}"#);
    tx.append_facts(&[token], false, at(1)).await.unwrap();
    tx.publish(&signals([1]), at(1)).await.unwrap();
    let conflict = tx.store_changes(&with(small_episode(1, 2), "ours")).await;
    let error = conflict.expect_err("the same mint and ordinal, another episode");
    assert!(
        !error.is_transient(),
        "trying again does not mend it: {error}"
    );
    drop(tx);

    assert_eq!(db.count_facts().await.unwrap(), 0);
    assert_eq!(db.head().await.unwrap().seq, 0);
    assert_eq!(
        wallets(&db).await[&*"wallet".to_owned()],
        WalletRecord::default()
    );
    let kept = &mints(&db).await[&mint];
    assert_eq!(kept.state.prices, "rival's");
    assert_eq!(kept.episodes, [small_episode(1, 1)]);
    // the handle is as good as before
    keep(&db, &with(small_episode(2, 2), "ours")).await;
    assert_eq!(mints(&db).await[&mint].episodes.len(), 2);
}

async fn records_come_back_as_they_were(fresh: Fresh) {
    let cases = AtomicU64::new(0);
    let config = ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (held(), vec((name(), closed()), 0..12), minted());
    // each case on a database of its own, from a thread of its own: this one drives a runtime already
    let ran = std::thread::spawn(move || {
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let done = runner.run(&strategy, |(held, closed, minted)| {
            cases.fetch_add(1, Ordering::Relaxed);
            run(round_trip(&fresh.another(), held, closed, minted))
        });
        done.unwrap();
        cases.into_inner()
    });
    assert!(ran.join().unwrap() >= 32);
}

/// All at once, or in two parts: what is stored later joins what was there.
async fn keep_closed(db: &Db, closed: &[(Address, ClosedRecord)], part: usize) {
    for part in [&closed[..part], &closed[part..]] {
        let mut by_wallet: BTreeMap<Address, Vec<ClosedRecord>> = BTreeMap::new();
        for (wallet, one) in part {
            by_wallet
                .entry(wallet.clone())
                .or_default()
                .push(one.clone());
        }
        let changes = Changes {
            closed: by_wallet.into_iter().collect(),
            ..Changes::default()
        };
        keep(db, &changes).await;
    }
}

fn in_order(mut closed: Vec<ClosedRecord>) -> Vec<ClosedRecord> {
    closed.sort_by_key(|one| (one.closed_at, one.opened_at, one.return_ppm, one.pnl));
    closed
}

async fn round_trip(
    fresh: &Fresh,
    held: Vec<(Address, Address, PositionRecord)>,
    closed: Vec<(Address, ClosedRecord)>,
    minted: Minted,
) -> Result<(), TestCaseError> {
    let db = fresh.open().await;
    let held: BTreeMap<_, _> = held.into_iter().map(|(w, m, p)| ((w, m), p)).collect();
    let minted: BTreeMap<_, _> = minted
        .into_iter()
        .map(|(m, h, p, e)| (m, (h, p, e)))
        .collect();
    let mut changes = Changes::default();
    keep_closed(&db, &closed, closed.len() / 2).await;
    let mut wanted_wallets: BTreeMap<Address, WalletRecord> = names()
        .into_iter()
        .map(|name| (name, WalletRecord::default()))
        .collect();
    let mut wanted_mints: BTreeMap<Address, MintRecord> = names()
        .into_iter()
        .map(|name| (name, MintRecord::default()))
        .collect();
    for ((wallet, mint), position) in held {
        let record = wanted_wallets.get_mut(&wallet).unwrap();
        record.positions.push(position.clone());
        changes.positions.push((wallet, mint, Some(position)));
    }
    for (wallet, record) in &mut wanted_wallets {
        let own = closed
            .iter()
            .filter(|(of, _)| of == wallet)
            .map(|(_, one)| one);
        record.closed = in_order(own.cloned().collect());
        let latest = record.closed.last().map_or(Time(0), |one| one.closed_at);
        record
            .closed
            .retain(|one| one.closed_at.0 >= latest.0 - 31 * Time::DAY);
    }
    for (mint, (high_water, prices, mut episodes)) in minted {
        let state = MintState {
            high_water: at(high_water),
            prices,
        };
        changes.mints.push((mint.clone(), state.clone()));
        for (ordinal, episode) in (1..).zip(&mut episodes) {
            episode.ordinal = ordinal;
            changes.episodes.push((mint.clone(), episode.clone()));
        }
        let last = episodes.len() as i64;
        episodes.retain(|one| one.ordinal == last || one.opened_at >= at(high_water - 7_200));
        let record = wanted_mints.get_mut(&mint).unwrap();
        (record.state, record.episodes) = (state, episodes);
    }
    keep(&db, &changes).await;
    let mut found = wallets(&db).await;
    for record in found.values_mut() {
        prop_assert!(record.closed.is_sorted_by_key(|one| one.closed_at));
        record.closed = in_order(std::mem::take(&mut record.closed));
    }
    prop_assert_eq!(found, wanted_wallets);
    prop_assert_eq!(mints(&db).await, wanted_mints);
    Ok(())
}
