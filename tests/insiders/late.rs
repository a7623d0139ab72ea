//! What arrives late, case by case: it ends as if it had come in time. And what never comes in.

use std::time::Instant;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sigcast::{
    ingest::insider::intake::When,
    model::{
        company::{Close, CompanyFact},
        filing::{Amends, Code, Filing, FilingId, Owner, Row, Status},
        log::LogRead as _,
        time::Time,
    },
};

use super::{
    house::{House, Said, date, filing, now, on, run},
    order::{Step, outcome},
};

/// Says that all these orders end the same, and what.
#[track_caller]
fn agreed(orders: &[Vec<Step>]) -> Vec<Said> {
    let mut said = orders.iter().map(|steps| run(outcome(steps)));
    let first = said.next().unwrap();
    for other in said {
        assert_eq!(first, other);
    }
    first
}

fn step(filings: &[&Filing]) -> Step {
    Step::Filings(filings.iter().map(|one| (*one).clone()).collect(), true)
}

fn of<'a>(said: &'a [Said], filing: &Filing) -> &'a Said {
    said.iter().find(|one| one.amf_id == filing.id.0).unwrap()
}

fn factor(said: &Said, key: &str) -> Value {
    let mut factors = said.audit["factors"].as_array().unwrap().iter();
    let factor = factors.find(|factor| factor["key"] == key);
    factor.unwrap().clone()
}

/// Whether the closes of its company are known.
fn is_priced(said: &Said) -> bool {
    factor(said, "contrarian")["value"] != Value::Null
}

fn in_company(mut one: Filing, id: &str, symbol: Option<&str>) -> Filing {
    one.issuer.id = Some(id.into());
    one.issuer.name = format!("Company {id}");
    one.issuer.symbol = symbol.map(str::to_owned);
    one
}

#[test]
fn returns_elsewhere_of_whoever_once_filed_jointly_count() {
    let purchase = |number, owner, day: &str, company, symbol| {
        in_company(
            filing(number, owner, "P", on(day), date(day)),
            company,
            symbol,
        )
    };
    // 11 and 12 file jointly on one company; 12 deals in another; 11 alone in the first again
    let mut joint = purchase(1, 11, "2021-03-01", "0000000008", None);
    joint.owners.push(Owner {
        id: Some("0000000012".into()),
        name: "Owner 12".into(),
        director: true,
        ..Owner::default()
    });
    let alone = purchase(2, 11, "2022-09-01", "0000000008", None);
    let days = ["2021-04-05", "2021-05-05", "2021-06-07"];
    let elsewhere: Vec<Filing> = (3..)
        .zip(days)
        .map(|(number, day)| purchase(number, 12, day, "0000000009", Some("LYNX")))
        .collect();
    let elsewhere: Vec<&Filing> = elsewhere.iter().collect();
    let closes = [Step::Closes("SPY"), Step::Closes("LYNX")];
    let with = |steps: [Step; 2]| closes.iter().cloned().chain(steps).collect::<Vec<_>>();
    let said = agreed(&[
        with([step(&elsewhere), step(&[&joint, &alone])]),
        with([step(&[&joint, &alone]), step(&elsewhere)]),
    ]);
    assert_eq!(of(&said, &alone).audit["inputs"]["pastN"], 3);
}

#[test]
fn a_ticker_that_an_older_filing_tells_is_learnt() {
    let told = filing(1, 11, "P", on("2022-03-01"), date("2022-03-01"));
    let mut silent = filing(2, 12, "P", on("2022-04-01"), date("2022-04-01"));
    silent.issuer.symbol = None;
    let said = agreed(&[
        vec![Step::Closes("OTTR"), step(&[&told]), step(&[&silent])],
        vec![Step::Closes("OTTR"), step(&[&silent]), step(&[&told])],
        vec![Step::Closes("OTTR"), step(&[&silent, &told])],
        vec![step(&[&silent]), step(&[&told]), Step::Closes("OTTR")],
    ]);
    assert!(is_priced(of(&said, &silent)));
}

#[test]
fn where_the_ticker_changes_all_is_judged_by_the_new_ones_closes() {
    let told = filing(1, 11, "P", on("2022-03-01"), date("2022-03-01"));
    let mut renamed = filing(2, 12, "P", on("2022-04-01"), date("2022-04-01"));
    renamed.issuer.symbol = Some("OTTN".into());
    let closes = || [Step::Closes("OTTR"), Step::Closes("OTTN")].into_iter();
    let with = |steps: Vec<Step>| closes().chain(steps).collect::<Vec<_>>();
    let said = agreed(&[
        with(vec![step(&[&told]), step(&[&renamed])]),
        with(vec![step(&[&renamed]), step(&[&told])]),
        with(vec![step(&[&told, &renamed])]),
    ]);
    assert_eq!(said[0].company.0.as_deref(), Some("OTTN"));
    // a file tells the ticker where no filing does
    let mut silent = filing(1, 11, "P", on("2022-03-01"), date("2022-03-01"));
    silent.issuer.symbol = None;
    let fact = CompanyFact {
        market: "us".into(),
        id: silent.issuer.id.clone(),
        symbol: Some("OTTR".into()),
        ..CompanyFact::default()
    };
    let (closes, fact) = (Step::Closes("OTTR"), Step::Company(fact));
    let said = agreed(&[
        vec![step(&[&silent]), closes.clone(), fact.clone()],
        vec![fact.clone(), step(&[&silent]), closes.clone()],
        vec![closes, fact, step(&[&silent])],
    ]);
    assert!(is_priced(&said[0]));
}

#[test]
fn a_benchmark_of_one_day_does_not_stand_in_the_way_of_the_next() {
    let purchase = |number, day: &str| filing(number, 11, "P", on(day), date(day));
    let days = ["2021-04-05", "2021-05-05", "2021-06-07", "2022-03-01"];
    let filings: Vec<Filing> = (1..).zip(days).map(|(n, day)| purchase(n, day)).collect();
    let filings: Vec<&Filing> = filings.iter().collect();
    let prices = || vec![Step::Closes("OTTR"), Step::Closes("SPY"), step(&filings)];
    let without = run(outcome(&prices()));
    // of the index that is asked first: on the day of an exit, and on one that no return looks at
    for day in ["2021-07-06", "2023-06-01"] {
        let lone = Step::Close("^GSPC", date(day));
        let [mut last, mut first] = [prices(), prices()];
        last.push(lone.clone());
        first.insert(0, lone);
        assert_eq!(agreed(&[last, first]), without);
    }
    let told = of(&without, filings[0]).backtest.as_deref().unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    assert!(told["excess"]["90d"].is_number(), "{told}");
    assert_eq!(of(&without, filings[3]).audit["inputs"]["pastN"], 3);
    // and one that tells of all days is asked first, whenever it comes
    let whole = Step::Closes("^GSPC");
    let [mut last, mut first] = [prices(), prices()];
    last.push(whole.clone());
    first.insert(0, whole);
    assert_ne!(agreed(&[last, first]), without);
}

#[test]
fn a_capitalisation_of_a_ticker_waits_for_the_company_that_has_it() {
    let told = filing(1, 11, "P", on("2022-03-01"), date("2022-03-01"));
    let fact = CompanyFact {
        market: "us".into(),
        symbol: Some("OTTR".into()),
        market_caps: vec![(date("2022-01-31"), Decimal::from(1_000_000))],
        ..CompanyFact::default()
    };
    let fact = Step::Company(fact);
    let said = agreed(&[
        vec![step(&[&told]), fact.clone()],
        vec![fact, step(&[&told])],
    ]);
    assert_eq!(said[0].company.1.as_deref(), Some("1000000"));
    assert_eq!(factor(&said[0], "size_mcap")["points"], json!(12.0));
}

#[test]
fn an_amendment_that_turns_out_to_be_of_another_filing_lets_the_first_one_stand_again() {
    let first = filing(1, 11, "P", on("2023-03-02"), date("2023-03-01"));
    let mut second = filing(2, 11, "P", on("2023-03-03"), date("2023-03-01"));
    second.rows[0].shares = Some(Decimal::from(200));
    let mut amendment = filing(3, 11, "P", on("2023-03-06"), date("2023-03-01"));
    amendment.form = "4/A".into();
    amendment.rows[0].shares = Some(Decimal::from(210));
    amendment.amends = Some(Amends::FiledOn(date("2023-03-03")));
    let said = agreed(&[
        vec![step(&[&first, &second, &amendment])],
        vec![step(&[&first]), step(&[&amendment]), step(&[&second])],
        vec![step(&[&amendment]), step(&[&second]), step(&[&first])],
    ]);
    assert!(of(&said, &first).signal["score"].is_number());
    assert_eq!(of(&said, &second).signal["reason"], "superseded");
}

#[test]
fn what_stands_no_more_has_no_backtest() {
    run(async {
        let house = House::new().await;
        let start = date("2021-01-04");
        let closes: Vec<Close> = (0..900)
            .map(|n| Close {
                symbol: String::new(),
                date: start.checked_add(jiff::Span::new().days(n)).unwrap(),
                close: Decimal::new(1_000 + n % 7, 2),
            })
            .collect();
        for symbol in ["OTTR", "SPY"] {
            house.intake.closes("us", symbol, &closes).await.unwrap();
        }
        let tested = async |house: &House| {
            let said = house.said().await.into_iter();
            let tested = said.filter(|one| one.backtest.is_some());
            tested.map(|one| one.amf_id).collect::<Vec<_>>()
        };
        let day = "2022-03-02";
        let first = filing(1, 11, "P", on(day), date(day));
        house.take(std::slice::from_ref(&first), When::Now).await;
        assert_eq!(tested(&house).await, [first.id.0.as_str()]);
        // amended
        let mut amendment = filing(2, 11, "P", on("2022-03-04"), date(day));
        amendment.amends = Some(Amends::Filing(first.id.clone()));
        house
            .take(std::slice::from_ref(&amendment), When::Now)
            .await;
        house.settle().await;
        assert_eq!(tested(&house).await, [amendment.id.0.as_str()]);
        // told before, as turns out later: the same shares held through another
        let mut before = filing(3, 12, "P", on("2022-03-03"), date(day));
        before.rows[0] = Row {
            direct: Some(false),
            ..amendment.rows[0].clone()
        };
        house.take(std::slice::from_ref(&before), When::Now).await;
        house.settle().await;
        assert_eq!(
            house.of(&amendment).await.signal["reason"],
            "duplicate_block"
        );
        assert_eq!(tested(&house).await, [before.id.0.clone()]);
        // withdrawn
        before.status = Status::Cancelled;
        house.take(&[before], When::Now).await;
        house.settle().await;
        assert_eq!(tested(&house).await, [amendment.id.0.as_str()]);
    });
}

#[test]
fn what_is_published_in_days_to_come_is_refused_and_in_hours_no_news() {
    run(async {
        let house = House::new().await;
        let today: Date = date("2023-07-01");
        let at = |time: Time, number| filing(number, 11, "P", time, today);
        let tomorrow = at(now().plus(2 * Time::DAY), 1);
        let evening = at(now().plus(4 * 3_600 * Time::SECOND), 2);
        let mut stated = at(now().plus(16 * 3_600 * Time::SECOND), 3);
        stated.owners[0].id = Some("0000000012".into());
        stated.published_estimated = true;
        let filings = [tomorrow, evening.clone(), stated.clone()];
        let taken = house
            .intake
            .filings(&filings, When::Now, false, Instant::now());
        let taken = taken.await.unwrap();
        assert_eq!((taken.accepted, taken.refused.len()), (2, 1));
        assert_eq!(taken.refused[0].place, 0);
        let why = "published_at: `2023-07-03T12:00:00.000Z` is more than a day ahead";
        assert_eq!(taken.refused[0].reason, why);
        // the end of a day that is not over is one's own estimate
        assert_eq!(house.db.head().await.unwrap().seq, 1);
        let row = house.db.signal_by_seq(1).await.unwrap().unwrap();
        assert!(row.body.contains(&stated.id.0), "{}", row.body);
        assert!(house.of(&evening).await.signal["score"].is_number());
        let fresh = house.db.data_version().await.unwrap().declarations_at;
        assert_eq!(fresh, Some(now().0), "nothing is fresher than now");
    });
}

#[test]
fn a_filing_called_like_another_ones_declaration_is_refused_and_the_others_are_taken() {
    run(async {
        let house = House::new().await;
        let day = "2023-06-01";
        let mut two = filing(1, 11, "P", on(day), date(day));
        let sale = Row {
            code: Some(Code("S".into())),
            acquired: Some(false),
            ..two.rows[0].clone()
        };
        two.rows.push(sale);
        let mut alike = filing(2, 12, "P", on(day), date(day));
        alike.id = FilingId(format!("{}:P", two.id));
        let other = filing(3, 13, "P", on(day), date(day));
        // in one batch, and in the next one; either way round
        for batches in [
            vec![vec![&two, &alike, &other]],
            vec![vec![&two], vec![&alike, &other]],
            vec![vec![&alike], vec![&two, &other]],
        ] {
            let house = House::new().await;
            let (mut accepted, mut refused) = (0, Vec::new());
            for batch in batches {
                let filings: Vec<Filing> = batch.into_iter().cloned().collect();
                let taken = house.take(&filings, When::Later).await;
                accepted += taken.accepted;
                refused.extend(taken.refused.into_iter().map(|refused| refused.reason));
            }
            let why = "id: `SEC:0000000000-23-000001:P` is another filing's declaration";
            assert_eq!((accepted, refused), (2, vec![why.to_owned()]));
            house.settle().await;
        }
        assert!(house.said().await.is_empty());
    });
}
