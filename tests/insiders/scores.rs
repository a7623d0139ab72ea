//! Scores: of what was known when a filing was published, in whatever order it arrived; and what is fired.

use std::time::Instant;

use proptest::prelude::*;
use rust_decimal::Decimal;
use sigcast::{
    ingest::insider::intake::When,
    model::{
        company::{Close, SymbolSplit},
        filing::{Amends, Filing, Status},
        log::LogRead as _,
    },
    store::{
        companies::Named,
        declaration_list::{Filter, Slice, Sort},
    },
};

use super::ON_POSTGRES;
use super::house::{House, date, filing, on, run};

#[test]
fn a_fresh_filing_is_scored_listed_and_fired_once() {
    run(async {
        let house = House::new().await;
        let fresh = filing(1, 11, "P", on("2023-06-30"), date("2023-06-30"));
        let old = filing(2, 12, "P", on("2023-06-20"), date("2023-06-20"));
        for _ in 0..2 {
            let taken = house
                .intake
                .filings(
                    &[old.clone(), fresh.clone()],
                    When::Now,
                    false,
                    Instant::now(),
                )
                .await
                .unwrap();
            assert_eq!(taken.accepted + taken.duplicate, 2);
        }
        let head = house.db.head().await.unwrap();
        assert_eq!(
            head.seq, 1,
            "the old one is history, the second time is none"
        );
        let row = house.db.signal_by_seq(1).await.unwrap().unwrap();
        let body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
        assert_eq!(body["signal_type"], "insider_cluster_buy");
        assert_eq!(body["amfId"], "SEC:0000000000-23-000001");
        assert_eq!(body["market"], "us");
        assert_eq!(body["company"]["slug"], "otter-works-inc-1");
        assert_eq!(body["insider"]["function"], "Chief Financial Officer");
        assert_eq!(body["transaction"]["totalAmount"], 10_010);
        assert_eq!(body["score"]["factors"].as_array().unwrap().len(), 9);
        let listed = house
            .db
            .list_declarations(
                &Filter {
                    sort: Sort::SignalScore,
                    ..Filter::default()
                },
                &Slice::of(10, 0),
                false,
            )
            .await
            .unwrap();
        let ids: Vec<&str> = listed.iter().map(|one| one.amf_id.as_str()).collect();
        assert_eq!(
            ids,
            ["SEC:0000000000-23-000001", "SEC:0000000000-23-000002"]
        );
        let numbers = house.db.search_numbers("OTT", Some("us"), 8, 0).await;
        let found = house.db.found(&numbers.unwrap()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, Named::Company as i64);
        assert_eq!(found[0].found.declarations, 2);
    });
}

#[test]
fn an_amendment_takes_its_place_and_what_was_served_stays_to_be_read() {
    run(async {
        let house = House::new().await;
        let first = filing(1, 11, "P", on("2023-06-01"), date("2023-06-01"));
        house
            .intake
            .filings(
                std::slice::from_ref(&first),
                When::Now,
                true,
                Instant::now(),
            )
            .await
            .unwrap();
        let number = house
            .db
            .declaration_number(&first.id.0)
            .await
            .unwrap()
            .unwrap();
        let before = house
            .db
            .served(number, "s9.1", None)
            .await
            .unwrap()
            .unwrap();
        assert!(before.signal.contains("\"score\":"), "{}", before.signal);
        let mut amended = filing(2, 11, "P", on("2023-06-05"), date("2023-06-01"));
        amended.form = "4/A".into();
        amended.amends = Some(Amends::FiledOn(date("2023-06-01")));
        house
            .intake
            .filings(&[amended], When::Now, true, Instant::now())
            .await
            .unwrap();
        house.settle().await;
        let after = house
            .db
            .served(number, "s9.1", None)
            .await
            .unwrap()
            .unwrap();
        assert!(
            after.signal.contains("\"reason\":\"superseded\""),
            "{}",
            after.signal
        );
        assert!(
            after
                .signal
                .contains("\"supersededBy\":\"SEC:0000000000-23-000002\"")
        );
        assert_eq!((before.revision, after.revision), (1, 2));
    });
}

#[test]
fn what_is_withdrawn_stays_withdrawn_in_whatever_order_it_is_told() {
    let told = |status: Status| {
        let mut one = filing(1, 11, "P", on("2023-06-01"), date("2023-06-01"));
        one.status = status;
        one
    };
    let orders = [
        vec![vec![Status::Current, Status::Revised, Status::Cancelled]],
        vec![
            vec![Status::Cancelled, Status::Current],
            vec![Status::Revised],
        ],
        vec![
            vec![Status::Revised],
            vec![Status::Current],
            vec![Status::Cancelled],
        ],
    ];
    let mut said = Vec::new();
    for order in orders {
        said.push(run(async {
            let house = House::new().await;
            let other = filing(2, 12, "P", on("2023-06-02"), date("2023-06-02"));
            let (mut accepted, mut duplicate) = (0, 0);
            for batch in order {
                let mut filings: Vec<Filing> = batch.into_iter().map(told).collect();
                filings.push(other.clone());
                let taken = house
                    .intake
                    .filings(&filings, When::Later, true, Instant::now());
                let taken = taken.await.unwrap();
                accepted += taken.accepted;
                duplicate += taken.duplicate;
                house.settle().await;
            }
            assert!(accepted >= 2 && duplicate >= 1, "{accepted} {duplicate}");
            house.said().await
        }));
    }
    assert!(
        said[0][0].1.contains("\"reason\":\"cancelled\""),
        "{said:?}"
    );
    assert!(said[0][1].1.contains("\"clusterN\":1"), "{said:?}");
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}

/// A company's history over half a year, with prices that make returns.
fn history() -> Vec<Filing> {
    let days = [
        "2022-01-10",
        "2022-01-20",
        "2022-02-03",
        "2022-02-10",
        "2022-03-01",
        "2022-04-04",
        "2022-06-01",
        "2022-08-01",
    ];
    (1..)
        .zip(days)
        .map(|(number, day)| {
            let code = if number % 3 == 0 { "S" } else { "P" };
            let mut one = filing(number, 11 + number % 3, code, on(day), date(day));
            if number % 2 == 0 {
                one.issuer.id = Some("0000000008".into());
                one.issuer.name = "Heron Freight".into();
                one.issuer.symbol = Some("HERN".into());
            }
            one
        })
        .collect()
}

fn closes(symbol: &str) -> Vec<Close> {
    let start = date("2021-01-04");
    (0..900)
        .map(|day| Close {
            symbol: symbol.into(),
            date: start.checked_add(jiff::Span::new().days(day)).unwrap(),
            close: Decimal::new(900 + (day * 7919) % 400, 2) + Decimal::from(symbol.len() as i64),
        })
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Filings(Vec<Filing>, bool),
    Closes(&'static str),
    /// New shares for old in HERN: a price before it cannot be, if that is so.
    Split,
}

async fn outcome(steps: &[Step]) -> Vec<(String, String, Option<String>)> {
    let house = House::new().await;
    for step in steps {
        match step {
            Step::Filings(filings, at_once) => {
                let when = if *at_once { When::Now } else { When::Later };
                house
                    .intake
                    .filings(filings, when, true, Instant::now())
                    .await
                    .unwrap();
            }
            Step::Split => {
                let split = SymbolSplit {
                    symbol: "HERN".into(),
                    date: date("2022-02-01"),
                    ratio: Decimal::from(10),
                };
                house.intake.splits("us", "HERN", &[split]).await.unwrap();
            }
            Step::Closes(symbol) => {
                house
                    .intake
                    .closes("us", symbol, &closes(symbol))
                    .await
                    .unwrap();
            }
        }
    }
    house.settle().await;
    house.said().await
}

fn in_order() -> Vec<Step> {
    let mut steps: Vec<Step> = ["SPY", "OTTR", "HERN"].map(Step::Closes).to_vec();
    steps.push(Step::Split);
    steps.extend(
        history()
            .into_iter()
            .map(|one| Step::Filings(vec![one], true)),
    );
    steps
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let filings = (Just(history()).prop_shuffle(), 1..8_usize, any::<u8>());
    (
        filings,
        Just(["SPY", "OTTR", "HERN"]).prop_shuffle(),
        0..12_usize,
    )
        .prop_map(|((filings, size, at_once), symbols, place)| {
            let mut steps: Vec<Step> = (0..)
                .zip(filings.chunks(size))
                .map(|(n, some)| Step::Filings(some.to_vec(), at_once >> (n % 8) & 1 == 1))
                .collect();
            for (n, symbol) in symbols.into_iter().enumerate() {
                steps.insert((place * (n + 1)) % (steps.len() + 1), Step::Closes(symbol));
            }
            steps.insert((place * 7) % (steps.len() + 1), Step::Split);
            steps
        })
}

proptest! {
    // each case makes two databases, which takes PostgreSQL longer
    #![proptest_config(ProptestConfig { cases: if ON_POSTGRES { 8 } else { 24 }, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_ends_in_the_same_scores(steps in steps()) {
        let (expected, found) = run(async { (outcome(&in_order()).await, outcome(&steps).await) });
        prop_assert!(expected.iter().any(|(_, said, _)| said.contains("\"pastN\":2")), "{expected:?}");
        prop_assert!(expected.iter().any(|(.., backtest)| backtest.is_some()));
        prop_assert!(expected.iter().any(|(_, said, _)| said.contains("\"suspect\"")));
        for (expected, found) in expected.iter().zip(&found) {
            prop_assert_eq!(expected, found);
        }
        prop_assert_eq!(expected.len(), found.len());
    }
}
