//! Scores: of what was known when a filing was published; what is fired, what is served, and what becomes of it later.

use std::time::Instant;

use super::house::{House, date, filing, on, run};
use rust_decimal::Decimal;
use sigcast::{
    ingest::insider::intake::When,
    model::{
        company::Close,
        filing::{Amends, Filing, Status},
        log::LogRead as _,
        time::Time,
    },
    store::{
        companies::Named,
        declaration_filter::{Filter, Sort},
        declaration_list::Slice,
    },
};

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

/// Ids of the declarations whose signals are in the log, in its order.
async fn fired(house: &House) -> Vec<String> {
    let head = house.db.head().await.unwrap().seq;
    let rows = house.db.after(0, head as usize + 1).await.unwrap();
    let id = |body: &str| -> String {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["amfId"].as_str().unwrap().to_owned()
    };
    rows.rows.iter().map(|row| id(&row.body)).collect()
}

async fn send(house: &House, filings: &[&Filing], when: When, history: bool) {
    let filings: Vec<Filing> = filings.iter().map(|one| (*one).clone()).collect();
    let taken = house
        .intake
        .filings(&filings, when, history, Instant::now());
    assert_eq!(taken.await.unwrap().accepted, filings.len() as u64);
}

/// Two insiders within the same hour are a cluster, and only that makes the second one's score reach the threshold.
#[test]
fn how_filings_are_split_into_requests_does_not_show_in_the_signals() {
    let day = "2023-06-30";
    let fresh = filing(1, 11, "P", on(day), date(day));
    let mut earlier = filing(2, 12, "P", on(day), date(day));
    earlier.published_at = on(day).plus(-Time::SECOND);
    let mut third = filing(3, 13, "P", on(day), date(day));
    third.published_at = on(day).plus(-2 * Time::SECOND);
    let (fresh, earlier, third) = (&fresh, &earlier, &third);
    run(async {
        for when in [When::Now, When::WhileFresh, When::Later] {
            let orders: [&[&[&Filing]]; 4] = [
                &[&[fresh, earlier]],
                &[&[earlier], &[fresh]],
                &[&[fresh], &[earlier]],
                &[&[fresh], &[earlier], &[third]],
            ];
            for (n, batches) in orders.iter().enumerate() {
                let house = House::new().await;
                for batch in *batches {
                    send(&house, batch, when, false).await;
                    house.settle().await;
                }
                let mut expected = vec![fresh.id.0.clone()];
                // by the third one, the earlier one is in a cluster, too; and nothing is sent again
                expected.extend((n == 3).then(|| earlier.id.0.clone()));
                assert_eq!(fired(&house).await, expected, "{when:?} {n}");
            }
        }
    });
}

#[test]
fn what_fired_fires_no_more_also_where_the_log_forgot_it() {
    let day = "2023-06-30";
    let fresh = filing(1, 11, "P", on(day), date(day));
    let mut earlier = filing(2, 12, "P", on(day), date(day));
    earlier.published_at = on(day).plus(-Time::SECOND);
    let mut third = filing(3, 13, "P", on(day), date(day));
    third.published_at = earlier.published_at;
    run(async {
        let house = House::new().await;
        send(&house, &[&fresh, &earlier], When::Now, false).await;
        assert_eq!(house.db.head().await.unwrap().seq, 1);
        let later = super::house::now().plus(Time::DAY);
        assert_eq!(house.db.prune_log(later, 10).await.unwrap(), 1);
        let revisions = house.db.count_assessments("s9.1").await.unwrap();
        send(&house, &[&third], When::Now, true).await;
        house.settle().await;
        assert!(house.db.count_assessments("s9.1").await.unwrap() > revisions + 1);
        // of the three, the earlier one alone had made none
        let head = house.db.head().await.unwrap().seq;
        assert_eq!(head, 2);
        let row = house.db.signal_by_seq(2).await.unwrap().unwrap();
        assert!(row.body.contains(&earlier.id.0), "{}", row.body);
    });
}

#[test]
fn history_and_what_is_replaced_already_never_fire() {
    let day = "2023-06-30";
    let fresh = filing(1, 11, "P", on(day), date(day));
    let mut earlier = filing(2, 12, "P", on(day), date(day));
    earlier.published_at = on(day).plus(-Time::SECOND);
    let mut amendment = filing(3, 11, "P", on(day), date(day));
    amendment.published_at = on(day).plus(Time::SECOND);
    amendment.form = "4/A".into();
    amendment.amends = Some(Amends::Filing(fresh.id.clone()));
    run(async {
        let house = House::new().await;
        send(&house, &[&fresh], When::Now, true).await;
        send(&house, &[&earlier], When::Now, false).await;
        house.settle().await;
        assert_eq!(house.of(&fresh).await.signal["score"], 50.0);
        assert!(fired(&house).await.is_empty(), "history");
        let house = House::new().await;
        send(&house, &[&fresh, &amendment, &earlier], When::Now, false).await;
        assert_eq!(fired(&house).await, [amendment.id.0.clone()]);
    });
}

/// What is kept of the data holds for one version of it: also what is made of closes later than they come is another.
#[test]
fn backtests_that_are_made_later_are_another_version_of_the_data() {
    run(async {
        let house = House::new().await;
        let bought = [filing(1, 11, "P", on("2023-05-01"), date("2023-05-01"))];
        let taken = house
            .intake
            .filings(&bought, When::Now, true, Instant::now());
        assert_eq!(taken.await.unwrap().accepted, 1);
        let version = async || house.db.data_version().await.unwrap().version;
        let backtests = async || {
            let filter = Filter::default();
            let listed = house
                .db
                .list_declarations(&filter, &Slice::of(10, 0), true)
                .await;
            listed.unwrap()[0].backtest.clone()
        };
        assert_eq!(backtests().await, None);
        let later: Vec<Close> = (2..30)
            .map(|day| Close {
                symbol: "OTTR".into(),
                date: date(&format!("2023-05-{day:02}")),
                close: Decimal::from(10),
            })
            .collect();
        assert!(
            house
                .intake
                .closes("us", "OTTR", &later)
                .await
                .unwrap()
                .changed
        );
        let stored = version().await;
        let assessments = house.db.count_assessments("s9.1").await.unwrap();
        house.settle().await;
        assert!(backtests().await.is_some());
        let scored = house.db.count_assessments("s9.1").await.unwrap();
        assert_eq!(scored, assessments, "no score says anything else");
        assert!(version().await > stored);
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
    assert_eq!(said[0][0].signal["reason"], "cancelled", "{said:?}");
    assert_eq!(said[0][1].audit["inputs"]["clusterN"], 1, "{said:?}");
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}
