//! From filings to the inputs of scores and net flows: case by case, on filings in few words.

use rust_decimal::Decimal;

use super::{
    assess::assess,
    audit::{Assessment, Opportunism},
    company::Series,
    elsewhere::{Nothing, Returns},
    flow::{Basis, Bucket, Question, State, net_flow},
    record::{Direction, Matured, PersonKey},
    test_book::{
        Said, bought, closes, company, day, filing, noted, number, records, row, said, said_of,
        sold, time,
    },
};
use crate::model::{
    filing::{Filing, Owner},
    time::Time,
};

const NOON: &str = "2023-03-31T16:00:00Z";

#[test]
fn a_cluster_is_distinct_insiders_within_thirty_days() {
    let check = |others: &[Filing], expected: u32| {
        let mut filings = vec![bought("own", NOON, 1, "2023-03-30")];
        filings.extend_from_slice(others);
        let said = said(&filings);
        assert_eq!(said.cluster("own"), expected, "{others:?}");
        assert_eq!(said.of("own").is_cluster, expected >= 2);
    };
    let other = |date| bought("other", "2023-03-31T15:00:00Z", 2, date);
    check(&[], 1);
    check(&[other("2023-03-01")], 1); // publication − 30 days is outside
    check(&[other("2023-03-02")], 2);
    check(&[other("2023-03-31")], 2);
    check(&[other("2023-04-01")], 1); // a day that has not come
    check(&[sold("other", "2023-03-31T15:00:00Z", 2, "2023-03-30")], 1);
    // known in the same second, whatever its id; not known a second later
    check(&[bought("zzz", NOON, 2, "2023-03-30")], 2);
    check(&[bought("zzz", "2023-03-31T16:00:01Z", 2, "2023-03-30")], 1);
    // twice the same insider
    check(
        &[other("2023-03-30"), bought("more", NOON, 2, "2023-03-29")],
        2,
    );
    check(&[bought("mine", NOON, 1, "2023-03-29")], 1);
    // not an open dealing
    check(
        &[filing(
            "gift",
            NOON,
            &[2],
            vec![row("A", "2023-03-30", "5", "0")],
        )],
        1,
    );
}

#[test]
fn a_joint_filing_is_one_insider_from_then_on() {
    let rows = || vec![row("P", "2023-03-28", "1000", "10")];
    let said = said(&[
        bought("before", "2023-03-27T16:00:00Z", 2, "2023-03-24"),
        bought("between", "2023-03-28T16:00:00Z", 3, "2023-03-24"),
        filing("joint", "2023-03-29T16:00:00Z", &[2, 3], rows()),
        bought("after", NOON, 1, "2023-03-30"),
    ]);
    assert_eq!(said.cluster("between"), 2, "not yet known to be one");
    assert_eq!(said.cluster("joint"), 1);
    assert_eq!(said.cluster("after"), 2);
    let people = &said.of("joint").insider;
    assert_eq!(people.len(), 2);
    assert_eq!(said.of("between").insider.len(), 1);
}

#[test]
fn a_vehicle_is_its_manager() {
    let vehicle = |close_to: &str| {
        let mut filing = bought("vehicle", NOON, 9, "2023-03-30");
        filing.owners = vec![Owner {
            name: "Holding AB".into(),
            close_to: Some(close_to.into()),
            ..Owner::default()
        }];
        filing
    };
    let manager = || bought("manager", "2023-03-31T15:00:00Z", 1, "2023-03-30");
    assert_eq!(
        said(&[manager(), vehicle("PERSON  1")]).cluster("vehicle"),
        1
    );
    assert_eq!(
        said(&[manager(), vehicle("Person 2")]).cluster("vehicle"),
        2
    );
    // the vehicle came first, and waits
    let mut first = vehicle("Person 1");
    first.published_at = time("2023-03-31T14:00:00Z");
    assert_eq!(said(&[manager(), first]).cluster("manager"), 1);
}

#[test]
fn a_plan_makes_no_cluster() {
    let text = "Under a Rule 10b5-1 plan of May 2022.";
    let plain = bought("plain", NOON, 1, "2023-03-30");
    let plan = noted(bought("plan", NOON, 2, "2023-03-30"), text);
    let said = said(&[plain.clone(), plan.clone()]);
    assert_eq!(said.cluster("plain"), 1);
    assert_eq!(said.cluster("plan"), 0);
    assert!(!said.of("plan").is_cluster);
    let inputs = &said.audit("plan").inputs;
    assert_eq!(inputs.opportunism, Opportunism::Plan);
    assert_eq!(inputs.buy90, Some(number("10000")), "flows take plans in");
    // the form's box decides where there is one
    let mut denied = plan;
    denied.plan = Some(false);
    assert_eq!(self::said(&[plain, denied]).cluster("plan"), 2);
}

#[test]
fn routine_is_the_same_month_of_three_years() {
    let class = |dates: &[&str]| {
        let dealt = dates
            .iter()
            .enumerate()
            .map(|(n, date)| bought(&n.to_string(), &format!("{date}T22:00:00Z"), 1, date));
        let mut filings: Vec<Filing> = dealt.collect();
        filings.push(bought("own", NOON, 1, "2023-03-30"));
        filings.push(bought("other", "2021-03-30T22:00:00Z", 2, "2021-03-30"));
        said(&filings).audit("own").inputs.opportunism
    };
    let (routine, not) = (Opportunism::Routine, Opportunism::Opportunistic);
    assert_eq!(class(&["2020-03-02", "2021-03-30", "2022-03-15"]), routine);
    assert_eq!(class(&["2020-03-02", "2021-04-01", "2022-03-15"]), not);
    assert_eq!(
        class(&["2020-03-02", "2022-03-15"]),
        Opportunism::Unclassified
    );
    assert_eq!(class(&[]), Opportunism::Unclassified);
    assert_eq!(
        class(&["2019-03-02", "2020-03-02", "2021-03-02"]),
        Opportunism::Unclassified
    );
}

#[test]
fn holdings_are_those_of_the_principal_line() {
    let check =
        |code: &str, rows: &[(&str, &str, &str)], expected: Option<(&str, Option<&str>)>| {
            let rows = rows.iter().map(|(shares, after, through)| {
                let mut row = row(code, "2023-03-30", shares, "10");
                row.shares_after = (!after.is_empty()).then(|| number(after));
                row.direct = Some(through.is_empty());
                row.held_through = Some((*through).into());
                row
            });
            let said = said(&[filing("own", NOON, &[1], rows.collect())]);
            let inputs = &said.audit("own").inputs;
            let found = inputs
                .shares_traded
                .map(|traded| (traded, inputs.shares_before));
            let expected = expected.map(|(traded, before)| (number(traded), before.map(number)));
            assert_eq!(found, expected);
        };
    check("S", &[("100", "900", "")], Some(("100", Some("1000"))));
    check("S", &[("100", "0", "")], Some(("100", Some("100"))));
    check("P", &[("100", "900", "")], Some(("100", Some("800"))));
    check("P", &[("100", "100", "")], Some(("100", Some("0"))));
    check("P", &[("100", "50", "")], Some(("100", None)));
    check("P", &[("100", "", "")], Some(("100", None)));
    // forwards, backwards, and the end beside each
    for after in [["900", "700"], ["700", "900"], ["700", "700"]] {
        let rows = [("100", after[0], ""), ("200", after[1], "")];
        check("S", &rows, Some(("300", Some("1000"))));
    }
    // the larger line decides; of two alike the first
    let lines = [("100", "900", ""), ("300", "300", "Trust")];
    check("S", &lines, Some(("300", Some("600"))));
    let lines = [("100", "900", ""), ("100", "300", "Trust")];
    check("S", &lines, Some(("100", Some("1000"))));
}

#[test]
fn own_trades_are_the_others() {
    let amounts = |known: &[&str]| {
        let earlier = known.iter().enumerate().map(|(n, shares)| {
            let at = format!("2022-01-{:02}T22:00:00Z", n + 10);
            filing(
                &n.to_string(),
                &at,
                &[1],
                vec![row("P", "2022-01-10", shares, "1")],
            )
        });
        let mut filings: Vec<Filing> = earlier.collect();
        filings.push(filing(
            "own",
            NOON,
            &[1],
            vec![row("P", "2023-03-30", "800", "1")],
        ));
        let said = said(&filings);
        let inputs = &said.audit("own").inputs;
        (inputs.own_trades, inputs.own_median)
    };
    assert_eq!(amounts(&[]), (0, None));
    assert_eq!(amounts(&["100", "300"]), (2, Some(number("200"))));
    assert_eq!(amounts(&["800", "100", "800"]), (3, Some(number("800"))));
}

#[test]
fn flow_is_of_the_trailing_ninety_days_without_this_declaration() {
    let mut both = bought("both", NOON, 1, "2023-03-30");
    both.rows.push(row("S", "2023-03-30", "10", "10"));
    let mut euros = bought("euros", "2023-03-29T16:00:00Z", 5, "2023-03-28");
    euros.rows[0].currency = Some("EUR".into());
    let said = said(&[
        bought("old", "2023-01-03T16:00:00Z", 2, "2022-12-31"), // 90 days before
        bought("late", "2023-03-01T16:00:00Z", 3, "2023-01-01"),
        sold("sale", "2023-03-02T16:00:00Z", 4, "2023-03-01"),
        bought("soon", NOON, 4, "2023-04-01"),
        euros,
        both,
    ]);
    let inputs = &said.audit("both:P").inputs;
    assert_eq!(inputs.buy90, Some(number("10000")));
    assert_eq!(inputs.sell90, Some(number("10100")));
    let lone = &said.audit("old").inputs;
    assert_eq!((lone.buy90, lone.sell90), (None, None));
    let euros = &said.audit("euros").inputs;
    assert_eq!((euros.buy90, &*euros.currency), (None, "EUR"));
}

/// A company whose share doubles against a benchmark that never moves.
fn doubling() -> super::company::Company {
    let mut company = company();
    company.closes = closes("2021-01-01", 1000, |n| Decimal::new((100 + n).into(), 1));
    company.benchmarks = [closes("2021-01-01", 1000, |_| Decimal::ONE_HUNDRED)].into();
    company
}

#[test]
fn a_track_record_is_of_returns_that_have_matured() {
    // entries on the Tuesdays after; the exits 90 days later are Mondays: the last is that of 2021-07-05
    let filings = [
        bought("1", "2021-03-08T16:00:00Z", 1, "2021-03-08"),
        bought("2", "2021-03-15T16:00:00Z", 1, "2021-03-15"),
        bought("3", "2021-04-05T16:00:00Z", 1, "2021-04-05"),
        sold("sale", "2021-03-08T16:00:00Z", 1, "2021-03-08"),
        bought("before", "2021-07-06T03:59:59Z", 1, "2021-07-01"),
        bought("after", "2021-07-06T04:00:00Z", 1, "2021-07-01"),
    ];
    let said = said_of(doubling(), &filings);
    let (_, sweep) = assess(
        doubling().into(),
        &records(&filings),
        Time(i64::MIN),
        &Nothing,
    );
    let third = sweep.matured().find(|one| one.amf_id == "SEC:3").unwrap();
    assert_eq!(
        third.known_at,
        time("2021-07-06T04:00:00Z"),
        "midnight in New York"
    );
    let before = &said.audit("before").inputs;
    assert_eq!((before.past_n, before.global_mean), (2, None));
    let after = &said.audit("after").inputs;
    assert_eq!(after.past_n, 3);
    let sum = after.past_sum;
    // entry 2021-03-09 (n 67 → 167), exit 2021-06-07 (n 157 → 257): 90/167, above 0.5; and two below
    assert!(sum > number("1.4") && sum < number("1.5"), "{sum}");
    let mean = (sum / Decimal::from(3)).round_dp(6);
    assert_eq!(after.global_mean, Some(mean));
}

#[test]
fn a_track_record_takes_in_other_companies() {
    let matured = |name: &str, people: &[u32], excess: &str, until: Option<&str>| {
        let people = people
            .iter()
            .map(|person| PersonKey(format!("us:{person:010}")));
        let matured = Matured {
            amf_id: name.into(),
            direction: Direction::Buy,
            people: people.collect(),
            known_at: time("2022-01-01T00:00:00Z"),
            until: until.map(time),
            excess: number(excess),
        };
        ("other".to_owned(), matured)
    };
    let returns = Returns::new(vec![
        matured("a", &[1, 2], "0.2", None), // joint: once
        matured("b", &[1], "0.1", None),
        matured("c", &[2], "9", None),
        matured("d", &[2], "0.3", Some("2023-03-31T16:00:00Z")), // amended
        matured("e", &[3], "-0.1", None),
        ("acme".into(), matured("f", &[1], "0.4", None).1), // its own: the sweep knows
    ]);
    let rows = vec![row("P", "2023-03-30", "1000", "10")];
    let filings = [filing("own", NOON, &[1, 2], rows)];
    let world = returns.outside("acme");
    let (said, _) = assess(company().into(), &records(&filings), Time(0), &world);
    let inputs = &said[0].outcome.as_ref().unwrap().inputs;
    assert_eq!((inputs.past_n, inputs.past_sum), (3, number("0.8")));
    assert_eq!(inputs.global_mean, Some(number("0.175"))); // 0.2, 0.1, 0.5, −0.1
}

#[test]
fn a_score_says_how_large_it_is_for_company_and_insider() {
    let mut company = company();
    let cap = |date| Series::new([(day(date), number("1000000"))]);
    company.market_caps = cap("2022-02-24"); // 400 days before
    let filings = [
        sold("1", "2023-03-29T16:00:00Z", 1, "2023-03-28"),
        filing(
            "own",
            NOON,
            &[1],
            vec![row("P", "2023-03-30", "3000", "10")],
        ),
    ];
    let found = said_of(company.clone(), &filings);
    let own: &Assessment = found.of("own");
    assert_eq!(own.pct_of_market_cap, Some(number("3")));
    assert_eq!(own.pct_of_insider_flow, Some(number("75")));
    assert_eq!(own.insider_cum_net, Some(number("20000")));
    assert_eq!(own.totals.unit_price, Some(number("10")));
    assert_eq!(found.audit("own").inputs.delay_bd, Some(1));
    company.market_caps = cap("2022-02-23");
    let found = said_of(company.clone(), &filings);
    assert_eq!(found.of("own").pct_of_market_cap, None);
    company.market_caps = cap("2023-04-01");
    let found = said_of(company, &filings);
    assert_eq!(found.of("own").pct_of_market_cap, None, "not yet known");
}

#[test]
fn a_lone_director_is_half_as_contrarian_and_closes_of_the_day_are_not_known() {
    let mut company = company();
    // falls from 10 by a cent a day; the day of publication jumps
    let published = day("2023-03-31");
    company.closes = closes("2022-03-01", 500, |n| {
        let jumps = super::days::plus(day("2022-03-01"), n) >= published;
        let cents = if jumps { 999_999 } else { 1000 - i64::from(n) };
        Decimal::new(cents, 2)
    });
    let own = bought("own", NOON, 1, "2023-03-30");
    let other = bought("other", NOON, 2, "2023-03-30");
    let points = |said: &Said| said.audit("own").factors[5].points.to_string();
    let lone = said_of(company.clone(), std::slice::from_ref(&own));
    let inputs = &lone.audit("own").inputs;
    assert_eq!(inputs.px_at, Some(day("2023-03-30")));
    assert_eq!(inputs.px, Some(number("6.06")));
    assert_eq!(inputs.hi52, Some(number("9.7"))); // of 2022-03-31
    let two = said_of(company, &[own, other]);
    assert_eq!(points(&lone), "3.4"); // (1 − 6.06/9.7 − 0.1)/0.4 = 0.6881
    assert_eq!(points(&two), "6.9");
}

#[test]
fn net_flow_sorts_by_day_and_insider() {
    let said = said(&[
        bought("1", "2023-02-01T16:00:00Z", 1, "2023-01-31"),
        bought("2", "2023-03-30T16:00:00Z", 1, "2023-03-29"),
        bought("3", NOON, 2, "2023-03-30"),
        filing("4", NOON, &[3], vec![row("S", "2023-03-30", "100", "10")]),
    ]);
    let trades = said.1.trades();
    let question = Question {
        basis: Basis::Publication,
        bucket: Bucket::Month,
        from: None,
        to: None,
        today: day("2023-03-31"),
    };
    let flow = net_flow(&trades, &question);
    let items = serde_json::to_value(&flow.items).unwrap();
    assert_eq!(
        items,
        serde_json::json!([
            {"period": "2023-02", "buy": 10000, "sell": 0, "net": 10000, "nBuyers": 1, "nSellers": 0},
            {"period": "2023-03", "buy": 20000, "sell": 1000, "net": 19000, "nBuyers": 2, "nSellers": 1},
        ])
    );
    let nets: Vec<String> = flow
        .insiders
        .iter()
        .map(|one| one.net.to_string())
        .collect();
    assert_eq!(nets, ["20000", "10000", "-1000"]);
    assert_eq!(flow.signal90.state, State::Accumulation);
    assert_eq!(
        (flow.signal90.net_buyers, flow.signal90.net_sellers),
        (2, 1)
    );
    assert_eq!(flow.signal90.from, day("2023-01-01"));
    let ask = |change: &dyn Fn(&mut Question)| {
        let mut asked = question;
        change(&mut asked);
        net_flow(&trades, &asked)
    };
    let weeks = ask(&|q| (q.basis, q.bucket) = (Basis::Trade, Bucket::Week));
    let periods: Vec<&str> = weeks.items.iter().map(|item| &*item.period).collect();
    assert_eq!(periods, ["2023-W05", "2023-W13"]);
    let cut = ask(&|q| q.to = Some(day("2023-02-28")));
    assert_eq!(cut.items.len(), 1);
    assert_eq!(cut.signal90.state, State::Insufficient);
    let later = ask(&|q| q.from = Some(day("2023-03-31")));
    assert_eq!(later.insiders.len(), 2);
    assert_eq!(later.signal90, flow.signal90, "the 90 days stay");
}
