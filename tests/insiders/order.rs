//! In whatever order and pieces facts arrive, they end in the same scores: shown by facts made to disturb one another.

use std::collections::BTreeMap;

use jiff::civil::Date;
use proptest::prelude::*;
use rust_decimal::Decimal;
use sigcast::{
    ingest::insider::intake::When,
    model::{
        company::{Close, CompanyFact, SymbolSplit},
        filing::{Amends, Filing, Owner},
    },
};

use super::ON_POSTGRES;
use super::house::{House, Said, date, filing, on, run};

/// Something that arrives.
#[derive(Clone, Debug)]
pub enum Step {
    /// Filings, judged with their transaction or later.
    Filings(Vec<Filing>, bool),
    /// Three years of closes of a symbol.
    Closes(&'static str),
    /// A single close of a symbol.
    Close(&'static str, Date),
    /// What a file says of a company.
    Company(CompanyFact),
    /// New shares for old: a price before it cannot be, if that is so.
    Split(&'static str),
}

/// Closes that go another way for each symbol, around ten.
fn closes(symbol: &str) -> Vec<Close> {
    let start = date("2020-07-01");
    let way = symbol.bytes().map(i64::from).sum::<i64>();
    (0..1_080)
        .map(|day| Close {
            symbol: symbol.into(),
            date: start.checked_add(jiff::Span::new().days(day)).unwrap(),
            close: Decimal::new(900 + (day * (7_919 + way)) % 400, 2),
        })
        .collect()
}

/// What is said in the end.
pub async fn outcome(steps: &[Step]) -> Vec<Said> {
    let house = House::new().await;
    for step in steps {
        match step {
            Step::Filings(filings, at_once) => {
                let when = if *at_once { When::Now } else { When::Later };
                house.take(filings, when).await;
            }
            Step::Closes(symbol) => {
                let taken = house.intake.closes("us", symbol, &closes(symbol)).await;
                assert!(taken.unwrap().changed);
            }
            Step::Close(symbol, date) => {
                let close = Close {
                    symbol: (*symbol).into(),
                    date: *date,
                    close: Decimal::from(4_000),
                };
                let taken = house.intake.closes("us", symbol, &[close]).await;
                assert!(taken.unwrap().changed);
            }
            Step::Company(fact) => {
                let told = house.intake.companies(std::slice::from_ref(fact)).await;
                assert_eq!(told.unwrap(), 1);
            }
            Step::Split(symbol) => {
                let split = SymbolSplit {
                    symbol: (*symbol).into(),
                    date: date("2022-02-01"),
                    ratio: Decimal::from(10),
                };
                let told = house.intake.splits("us", symbol, &[split]).await;
                assert!(told.unwrap());
            }
        }
    }
    house.settle().await;
    house.said().await
}

/// Three companies, of which each is called otherwise in the end than at first.
const COMPANIES: [(&str, &str, &str); 3] = [
    ("0000000007", "OTTR", "OTTN"),
    ("0000000008", "HERN", "HEN"),
    ("0000000009", "LYNX", "LYN"),
];

/// One made-up filing.
#[derive(Clone, Debug)]
struct Draw {
    company: usize,
    people: (u32, Option<u32>),
    day: i64,
    sold: bool,
    /// None, the first, or from some day on the second.
    ticker: u8,
    form: u8,
    /// Amends another one: unnamed, or of a day on which there was none, of its own day, of that one's day.
    amends: Option<(u8, usize)>,
    /// Tells of the same day and people as another one: two parts of one list.
    twin: Option<usize>,
    shares: u32,
}

fn draw() -> impl Strategy<Value = Draw> {
    let who = (
        0..COMPANIES.len(),
        1_u32..5,
        proptest::option::weighted(0.25, 1_u32..5),
    );
    // few days, so that filings of one day and amendments meet
    let what = (0_i64..60, proptest::bool::weighted(0.2), 0_u8..4, 0_u8..8);
    let amends = proptest::option::weighted(0.25, (0_u8..4, 0_usize..24));
    let twin = proptest::option::weighted(0.25, 0_usize..24);
    (who, what, amends, twin, 1_u32..4).prop_map(
        |((company, one, other), (day, sold, ticker, form), amends, twin, shares)| Draw {
            company,
            people: (one, other.filter(|other| *other != one)),
            day: day * 14,
            sold,
            ticker,
            form,
            amends,
            twin,
            shares,
        },
    )
}

fn day(n: i64) -> Date {
    let first = date("2021-03-01");
    first.checked_add(jiff::Span::new().days(n)).unwrap()
}

fn owner(number: u32) -> Owner {
    Owner {
        id: Some(format!("{number:010}")),
        name: format!("Owner {number}"),
        director: true,
        ..Owner::default()
    }
}

fn filings(draws: &[Draw]) -> Vec<Filing> {
    let made = (1_u32..).zip(draws).map(|(number, own)| {
        let amended = own.amends.and_then(|(_, other)| draws.get(other));
        let twin = own.twin.and_then(|other| draws.get(other));
        let draw = amended.or(twin).unwrap_or(own);
        let on_day = day(draw.day);
        let code = if draw.sold { "S" } else { "P" };
        let hour = number % 5;
        let filed = match amended {
            Some(_) => day(own.day.max(draw.day)),
            None => on_day,
        };
        let published = on(&filed.to_string()).plus(i64::from(hour) * 600_000_000);
        let mut one = filing(number, draw.people.0, code, published, on_day);
        let (id, first, second) = COMPANIES[draw.company];
        one.issuer.id = Some(id.into());
        one.issuer.name = format!("Company {id}");
        one.issuer.symbol = match draw.ticker {
            0 => None,
            _ if draw.day < 500 => Some(first.into()),
            _ => Some(second.into()),
        };
        let people = [Some(draw.people.0), draw.people.1];
        one.owners = people.into_iter().flatten().map(owner).collect();
        one.form = match draw.form {
            0 => "3".into(),
            1 => "5".into(),
            _ => "4".into(),
        };
        one.rows[0].shares = Some(Decimal::from(own.shares * 100));
        if draw.form == 0 {
            one.rows[0].code = None;
        }
        if let (Some((how, _)), Some(_)) = (own.amends, amended) {
            one.form.push_str("/A");
            one.amends = Some(match how {
                0 => Amends::Unnamed,
                1 => Amends::FiledOn(date("2019-01-01")),
                2 => Amends::FiledOn(day(own.day)),
                _ => Amends::FiledOn(on_day),
            });
        }
        one
    });
    made.collect()
}

fn by_symbol(symbol: &str, on: &str, cap: i64) -> CompanyFact {
    CompanyFact {
        market: "us".into(),
        symbol: Some(symbol.into()),
        market_caps: vec![(date(on), Decimal::from(cap))],
        ..CompanyFact::default()
    }
}

/// What else there is to arrive.
fn beside() -> Vec<Step> {
    let mut steps: Vec<Step> = ["SPY", "OTTR", "OTTN", "HERN", "HEN", "LYNX", "LYN"]
        .map(Step::Closes)
        .to_vec();
    let named = CompanyFact {
        market: "us".into(),
        id: Some("0000000009".into()),
        name: Some("Company 9".into()),
        symbol: Some("LYNX".into()),
        market_caps: vec![(date("2022-05-01"), Decimal::from(3_000_000))],
        ..CompanyFact::default()
    };
    let facts = [
        by_symbol("OTTR", "2021-03-01", 1_000_000),
        by_symbol("OTTN", "2022-01-01", 2_000_000),
        by_symbol("LYN", "2021-10-01", 4_000_000),
        by_symbol("HEN", "2021-08-01", 5_000_000),
        named,
    ];
    steps.extend(facts.map(Step::Company));
    steps.extend(["HERN", "OTTN"].map(Step::Split));
    steps
}

/// All of it in the order in which it happened, and in another order and other pieces.
fn orders() -> impl Strategy<Value = (Vec<Step>, Vec<Step>)> {
    let pieces = (1..8_usize, any::<u64>());
    (proptest::collection::vec(draw(), 8..24), pieces).prop_flat_map(|(draws, (size, seed))| {
        let facts = filings(&draws);
        let mut in_order = facts.clone();
        in_order.sort_by_key(|filing| filing.published_at);
        let mut straight = beside();
        straight.extend(
            in_order
                .into_iter()
                .map(|one| Step::Filings(vec![one], true)),
        );
        let facts = Just(facts).prop_shuffle();
        let others = Just(beside()).prop_shuffle();
        (Just(straight), facts, others).prop_map(move |(straight, facts, others)| {
            let mut steps: Vec<Step> = (0..)
                .zip(facts.chunks(size))
                .map(|(n, some)| Step::Filings(some.to_vec(), seed >> (n % 64) & 1 == 1))
                .collect();
            for (n, other) in (1_u64..).zip(others) {
                // every other time before all filings: closes that come later would have everything judged once more
                let place = match seed & 1 {
                    0 => 0,
                    _ => seed.wrapping_mul(2 * n + 1) >> 33,
                };
                steps.insert(place as usize % (steps.len() + 1), other);
            }
            (straight, steps)
        })
    })
}

proptest! {
    // each case makes two databases, which takes PostgreSQL longer
    #![proptest_config(ProptestConfig { cases: if ON_POSTGRES { 8 } else { 32 }, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_ends_in_the_same_scores((straight, other) in orders()) {
        let (expected, found) = run(async { (outcome(&straight).await, outcome(&other).await) });
        for (expected, found) in expected.iter().zip(&found) {
            prop_assert_eq!(expected, found);
        }
        prop_assert_eq!(expected.len(), found.len());
    }
}

#[test]
fn the_made_up_facts_reach_what_they_are_made_for() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..8 {
        let (straight, _) = orders().new_tree(&mut runner).unwrap().current();
        for said in run(outcome(&straight)) {
            let inputs = &said.audit["inputs"];
            let past = inputs["pastN"].as_u64().unwrap_or_default();
            let reached = [
                ("scored", said.signal["score"].is_number()),
                ("superseded", said.signal["reason"] == "superseded"),
                ("tracked", past >= 3),
                (
                    "capped",
                    inputs["marketCap"].is_string() || inputs["marketCap"].is_number(),
                ),
                ("backtest", said.backtest.is_some()),
                ("doubted", said.signal["reason"] == "suspect"),
                (
                    "moved",
                    said.company.0.is_some_and(|symbol| symbol.len() < 4),
                ),
            ];
            for (what, reached) in reached {
                *found.entry(what).or_default() += usize::from(reached);
            }
        }
    }
    assert!(found.values().all(|n| *n >= 3), "{found:?}");
}
