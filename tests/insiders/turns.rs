//! The turns in which what waits is judged, and what a follower tells.

use std::time::Instant;

use sigcast::{
    ingest::insider::intake::{Followed, SHORT_TURN, When},
    model::{filing::Filing, log::LogRead as _, time::Time},
};

use super::house::{House, date, filing, now, on, run};

/// A file of closes, or a history of filings, leaves many companies to be judged: news does not stand in their line.
#[test]
fn news_is_judged_before_whatever_waits() {
    run(async {
        let house = House::new().await;
        let put = async |filings: &[Filing]| {
            let taken = (house.intake)
                .filings(filings, When::Later, false, Instant::now())
                .await;
            taken.unwrap();
        };
        let mut old: Vec<Filing> = (1..=300)
            .map(|n| filing(n, n, "P", on("2023-05-02"), date("2023-05-01")))
            .collect();
        for (n, one) in (0..).zip(&mut old) {
            one.issuer.id = Some(format!("{:010}", 100 + n % 150));
        }
        put(&old).await;
        let mut fresh: Vec<Filing> = (301..=302)
            .map(|n| filing(n, n, "P", on("2023-06-30"), date("2023-06-30")))
            .collect();
        fresh[1].published_at = fresh[0].published_at.plus(Time::SECOND);
        put(&fresh).await;
        let before = house.db.count_stale().await.unwrap().companies;
        let turn = house.intake.settle_some(SHORT_TURN).await.unwrap();
        assert_eq!((turn.companies, turn.fired), (1, 1));
        let row = house.db.signal_by_seq(1).await.unwrap().unwrap();
        assert!(row.body.contains(&fresh[1].id.0), "{}", row.body);
        assert_eq!(house.db.count_stale().await.unwrap().companies, before - 1);
        house.settle().await;
        assert_eq!(house.db.head().await.unwrap().seq, 1, "once");
    });
}

#[test]
fn what_a_follower_tells_is_stored_with_where_it_stands() {
    run(async {
        let house = House::new().await;
        let fresh = filing(1, 11, "P", on("2023-06-30"), date("2023-06-30"));
        let id = fresh.id.0.clone();
        let seen_at = now().plus(-Time::SECOND);
        let keep = async |filings: &[Filing], state: Option<&str>| {
            let followed = Followed {
                name: "here",
                sightings: &[(id.clone(), seen_at), ("SEC:unknown".into(), seen_at)],
                state,
            };
            let when = When::WhileFresh;
            let kept = house
                .intake
                .followed(filings, &followed, when, Instant::now());
            kept.await.unwrap()
        };
        let state = async || house.db.source_state("here").await.unwrap();
        assert_eq!(state().await, None);
        assert_eq!(keep(std::slice::from_ref(&fresh), None).await.accepted, 1);
        assert_eq!(state().await, None, "where it stands is told later");
        assert_eq!(keep(&[], Some("1")).await.accepted, 0);
        assert_eq!(state().await.as_deref(), Some("1"));
        assert_eq!(keep(&[fresh], Some("2")).await.duplicate, 1);
        assert_eq!(
            state().await.as_deref(),
            Some("2"),
            "also with what is known already"
        );
        let mut tx = house.db.begin().await.unwrap();
        assert_eq!(tx.sighting(1).await.unwrap(), Some(seen_at));
        assert_eq!(tx.sighting(2).await.unwrap(), None);
    });
}
