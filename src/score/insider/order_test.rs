//! What must never show in a score: the order in which facts arrived, and whatever was published after it.

use jiff::civil::Date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    assess::Sweep,
    audit::Assessment,
    company::{Company, Series},
    days,
    elsewhere::Nothing,
    flow::{Basis, Bucket, Question, net_flow},
    record::{DeclarationRecord, Split},
    test_book::{Book, closes, company, day, filing, records, row, said, said_of},
};
use crate::model::{
    filing::{Amends, Code, Filing, FilingId, Row},
    time::Time,
};

const START: &str = "2021-01-01";
const DAYS: i32 = 900;

/// One made-up filing.
#[derive(Clone, Debug)]
struct Draw {
    company: bool,
    person: u32,
    joint: Option<u32>,
    day: i32,
    delay: i32,
    hour: i8,
    code: usize,
    shares: u32,
    cents: u32,
    after: u32,
    indirect: bool,
    plan: bool,
    amends: Option<usize>,
    /// Tells the same block as this one.
    echoes: Option<usize>,
    /// The price field holds the total.
    total: bool,
    form: u8,
}

fn draw() -> impl Strategy<Value = Draw> {
    let who = (
        any::<bool>(),
        1_u32..6,
        proptest::option::weighted(0.15, 1_u32..6),
    );
    let when = (0..DAYS, 0_i32..40, 14_i8..18);
    let what = (0_usize..7, 1_u32..4, 900_u32..1100, 0_u32..4);
    let how = (
        any::<bool>(),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.05),
        0_u8..8,
    );
    let others = (
        proptest::option::weighted(0.15, 0_usize..30),
        proptest::option::weighted(0.15, 0_usize..30),
    );
    (who, when, what, how, others).prop_map(
        |(
            (company, person, joint),
            (day, delay, hour),
            (code, shares, cents, after),
            (indirect, plan, total, form),
            (amends, echoes),
        )| Draw {
            company,
            person,
            joint,
            day,
            delay: delay.min(delay % 4 + delay / 30 * 30),
            hour,
            code,
            shares,
            // few prices, so that blocks meet
            cents: cents / 50 * 50,
            after,
            indirect,
            plan,
            amends,
            echoes,
            total,
            form,
        },
    )
}

/// Filings in which people meet again: few of them, few prices, few hours.
fn filings(draws: &[Draw]) -> Vec<(String, Filing)> {
    let start = day(START);
    let made = draws.iter().enumerate().map(|(n, own)| {
        let echoed = own.echoes.and_then(|other| draws.get(other));
        let draw = &Draw {
            person: own.person,
            hour: own.hour,
            indirect: own.indirect || echoed.is_some(),
            ..echoed.unwrap_or(own).clone()
        };
        let dealt = days::plus(start, draw.day);
        let published = days::plus(dealt, draw.delay);
        let code = ["P", "P", "P", "S", "S", "M", "A"][draw.code];
        let mut one = row(
            code,
            &dealt.to_string(),
            &(draw.shares * 100).to_string(),
            &Decimal::new(draw.cents.into(), 2).to_string(),
        );
        one.shares_after = Some(Decimal::from(draw.after * 100));
        one.direct = Some(!draw.indirect);
        if draw.total {
            one.price = one
                .price
                .zip(one.shares)
                .map(|(price, shares)| price * shares);
        }
        let mut rows = vec![one.clone()];
        if draw.code == 4 {
            // a sale with its exercise
            one.code = Some(Code("M".into()));
            one.acquired = Some(true);
            rows.push(one);
        }
        let mut owners = vec![draw.person];
        owners.extend(draw.joint.filter(|joint| *joint != draw.person));
        let at = format!("{published}T{:02}:00:00Z", draw.hour);
        let mut filing = filing(&format!("{n:04}"), &at, &owners, rows);
        filing.plan = Some(draw.plan);
        filing.form = match draw.form {
            0 => "3".into(),
            1 => "5".into(),
            _ => "4".into(),
        };
        let named = draw.amends.and_then(|amended| draws.get(amended));
        filing.amends = draw.amends.map(|amended| match amended % 4 {
            0 => Amends::Unnamed,
            1 => Amends::FiledOn(published),
            2 => Amends::FiledOn(named.map_or(published, |other| {
                days::plus(days::plus(start, other.day), other.delay)
            })),
            _ => Amends::Filing(FilingId(format!("SEC:{:04}", amended % draws.len()))),
        });
        let company = if draw.company { "acme" } else { "bolt" };
        (company.to_owned(), filing)
    });
    made.collect()
}

/// Prices that move, another way in each company.
fn companies() -> Vec<(String, Company)> {
    let wave = |n: i32, length: i32| Decimal::new(i64::from(900 + (n * 7) % length), 2);
    let made = [("acme", 211), ("bolt", 97)].map(|(name, length)| {
        let mut company = company();
        company.closes = closes(START, DAYS + 200, |n| wave(n, length));
        company.benchmarks = [closes(START, DAYS + 200, |n| wave(n, 53))].into();
        company.market_caps = Series::new([(day("2021-06-01"), Decimal::from(1_000_000))]);
        (name.to_owned(), company)
    });
    made.into()
}

/// What was known of closes at the end of a day.
fn until(series: &Series, today: Date) -> Series {
    let all = (0..DAYS + 200).filter_map(|n| series.on(days::plus(day(START), n)));
    Series::new(all.filter(|(date, _)| *date <= today))
}

fn ingested(batches: &[&[(String, Filing)]]) -> Book {
    let mut book = Book::new(&companies());
    for batch in batches {
        book.ingest(batch);
    }
    book
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_of_arrival_ends_in_the_same_scores(
        draws in proptest::collection::vec(draw(), 1..60), seed in any::<u64>(), cut in 0_usize..60
    ) {
        let facts = filings(&draws);
        let whole = ingested(&[&facts]).served;
        let mut shuffled = facts.clone();
        shuffled.sort_by_key(|(_, filing)| {
            let digits = filing.id.0.bytes().fold(seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
            digits.rotate_left(17)
        });
        prop_assert_eq!(&ingested(&[&shuffled]).served, &whole);
        let cut = cut.min(shuffled.len());
        let (one, other) = shuffled.split_at(cut);
        prop_assert_eq!(&ingested(&[one, other]).served, &whole);
        prop_assert_eq!(&ingested(&[other, one]).served, &whole);
        let single: Vec<&[(String, Filing)]> = shuffled.chunks(1).collect();
        prop_assert_eq!(&ingested(&single).served, &whole);
    }

    #[test]
    fn nothing_published_later_changes_a_score(
        draws in proptest::collection::vec(draw(), 1..60), at in 0..DAYS + 60
    ) {
        let facts = filings(&draws);
        let whole = ingested(&[&facts]).served;
        let today = days::plus(day(START), at);
        let mut companies = companies();
        let zone = companies[0].1.zone.clone();
        let now = days::end_of(today, &zone);
        // what the world knew at the end of that day: its filings, and the closes up to it
        let known: Vec<_> = facts
            .into_iter()
            .filter(|(_, filing)| filing.published_at < now)
            .collect();
        for (_, company) in &mut companies {
            company.closes = until(&company.closes, today);
            let benchmarks = company.benchmarks.iter();
            company.benchmarks = benchmarks.map(|series| until(series, today)).collect();
        }
        let mut then = Book::new(&companies);
        then.ingest(&known);
        for (amf_id, assessment) in &then.served {
            prop_assert_eq!(&whole[amf_id], assessment);
        }
        prop_assert_eq!(then.served.len(), whole.values().filter(|a| {
            known.iter().any(|(_, filing)| a.amf_id.starts_with(&filing.id.0))
        }).count());
    }

    #[test]
    fn a_sweep_that_is_kept_says_what_a_new_one_says(
        draws in proptest::collection::vec(draw(), 1..60), since in 0..DAYS
    ) {
        let facts: Vec<Filing> = filings(&draws).into_iter().map(|(_, filing)| filing).collect();
        let company = std::sync::Arc::new(companies().remove(0).1);
        let mut records = records(&facts);
        let since = days::end_of(days::plus(day(START), since), &company.zone);
        let (new, _) = super::assess::assess(company.clone(), &records, since, &Nothing);
        records.sort_by(|a, b| (a.published_at, &a.amf_id).cmp(&(b.published_at, &b.amf_id)));
        let mut kept = Sweep::new(company);
        let mut said: Vec<Assessment> = Vec::new();
        for instant in records.chunk_by(|a, b| a.published_at == b.published_at) {
            let instant: Vec<&DeclarationRecord> = instant.iter().rev().collect();
            let published: Time = instant[0].published_at;
            let step = kept.step(&instant, &Nothing);
            said.extend(step.into_iter().filter(|_| published >= since));
        }
        prop_assert_eq!(new, said);
    }
}

/// Numbers and days at the ends of what can be written.
fn absurd() -> impl Strategy<Value = Filing> {
    let numbers = [
        Decimal::MAX,
        Decimal::MIN,
        Decimal::ZERO,
        Decimal::ONE,
        Decimal::new(1, 28),
        Decimal::from(1_000_000_000_000_000_i64),
    ];
    let number = proptest::option::of(proptest::sample::select(numbers.to_vec()));
    let dates = [Date::MIN, Date::MAX, day("2023-03-30"), day("2022-03-30")];
    let date = proptest::option::of(proptest::sample::select(dates.to_vec()));
    let code = proptest::sample::select(vec!["P", "S", "M", "", "gift"]);
    let row = (
        code,
        date,
        number.clone(),
        number.clone(),
        number.clone(),
        number,
    );
    let row = row.prop_map(|(code, date, shares, price, value, shares_after)| Row {
        code: (!code.is_empty()).then(|| Code(code.into())),
        security: "Common Stock".into(),
        date,
        shares,
        price,
        value,
        shares_after,
        ..Row::default()
    });
    let times = [
        Time(i64::MIN),
        Time(i64::MAX),
        Time(0),
        Time(1_680_000_000_000_000),
    ];
    let time = proptest::sample::select(times.to_vec());
    let rows = proptest::collection::vec(row, 0..4);
    (time, rows, 0_usize..3).prop_map(|(published_at, rows, owners)| {
        let owners: Vec<u32> = (0..owners as u32).collect();
        let mut filing = filing("", "2023-03-31T16:00:00Z", &owners, rows);
        filing.published_at = published_at;
        filing
    })
}

proptest! {
    #[test]
    fn no_filing_brings_the_engine_down(
        mut filings in proptest::collection::vec(absurd(), 1..20), amended in any::<bool>()
    ) {
        for (n, filing) in filings.iter_mut().enumerate() {
            filing.id = FilingId(format!("SEC:{n}"));
            filing.amends = amended.then_some(Amends::Unnamed);
        }
        let mut company = companies().remove(0).1;
        company.splits = vec![
            Split { date: Date::MAX, ratio: Decimal::MAX },
            Split { date: day("2022-06-01"), ratio: Decimal::MAX },
            Split { date: day("2022-07-01"), ratio: Decimal::new(1, 28) },
        ];
        let said = said_of(company, &filings);
        for assessment in said.0.values() {
            let score = assessment.score().map_or(0, |score| score.0);
            prop_assert!((0..=1000).contains(&score));
        }
        let question = Question {
            basis: Basis::Trade,
            bucket: Bucket::Week,
            from: None,
            to: None,
            today: Date::MIN,
        };
        prop_assert!(net_flow(&said.1.trades(), &question).items.len() <= 80);
    }
}

#[test]
fn the_made_up_filings_reach_what_they_are_made_for() {
    // the properties above say nothing if no filing is ever scored, doubled, amended or covered
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    use std::collections::BTreeMap;

    let mut runner = TestRunner::deterministic();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..20 {
        let draws = proptest::collection::vec(draw(), 60).new_tree(&mut runner);
        let facts = filings(&draws.unwrap().current());
        let own = facts.iter().filter(|(company, _)| company == "acme");
        let own: Vec<Filing> = own.map(|(_, filing)| filing.clone()).collect();
        let superseded = said(&own).1.superseded().len();
        *found.entry("superseded".into()).or_default() += superseded;
        let book = ingested(&[&facts]);
        for assessment in book.served.values() {
            let outcome = match &assessment.outcome {
                Ok(audit) => {
                    for factor in &audit.factors {
                        if factor.points.0 > 0 {
                            *found.entry(factor.key.into()).or_default() += 1;
                        }
                    }
                    "scored"
                }
                Err(reason) => reason.word(),
            };
            *found.entry(outcome.into()).or_default() += 1;
        }
    }
    for wanted in [
        "scored",
        "superseded",
        "suspect",
        "duplicate_block",
        "exercise_and_sell",
        "ineligible_code",
        "cluster",
        "contrarian",
        "track_record",
        "net_flow",
        "size_mcap",
        "size_holdings",
    ] {
        assert!(
            found.get(wanted).is_some_and(|n| *n >= 5),
            "{wanted}: {found:?}"
        );
    }
}
