//! The nine factors: the worked vectors, and the edges of each.

use serde_json::{Value as Json, json};

use rust_decimal::Decimal;

use super::{
    audit::{Band, Inputs, Opportunism, Value},
    backtest::winsorised,
    exact,
    factors::{CAPS, MIN_OWN_TRADES, audit},
    record::{Direction, Role},
};
use crate::model::rank::Tenths;

fn number(json: &Json) -> Option<Decimal> {
    json.is_number().then(|| json.to_string().parse().unwrap())
}

/// The inputs of a vector: shares come as quotients there, and as their two parts here.
fn inputs(input: &Json) -> Inputs {
    let get = |name: &str| number(&input[name]);
    let past = input["past"].as_array().cloned().unwrap_or_default();
    let amount = get("pct_mcap").or(Some(Decimal::ONE));
    let ratio = get("own_ratio");
    Inputs {
        direction: match input["direction"].as_str().unwrap() {
            "BUY" => Direction::Buy,
            "SELL" => Direction::Sell,
            other => panic!("{other}"),
        },
        opportunism: [
            Opportunism::Plan,
            Opportunism::Routine,
            Opportunism::Unclassified,
            Opportunism::Opportunistic,
        ]
        .into_iter()
        .find(|class| class.word() == input["opportunism"])
        .unwrap(),
        cluster_n: input["cluster_n"].as_u64().unwrap() as u32,
        role: match input["role"].as_str().unwrap() {
            "CFO" => Role::Cfo,
            "BOARD" => Role::Board,
            "OTHER" => Role::Other,
            other => panic!("{other}"),
        },
        amount,
        currency: "USD".into(),
        market_cap: get("pct_mcap").map(|_| Decimal::ONE_HUNDRED),
        market_cap_at: None,
        shares_traded: get("pct_holdings"),
        shares_before: get("pct_holdings").map(|_| Decimal::ONE),
        own_trades: ratio.map_or(0, |_| MIN_OWN_TRADES),
        own_median: ratio.and_then(|ratio| exact::divide(amount?, ratio)),
        px: get("px"),
        px_at: None,
        hi52: get("hi52"),
        lo52: get("lo52"),
        past_n: past.len() as u32,
        past_sum: past.iter().filter_map(number).map(winsorised).sum(),
        global_mean: get("global_mean"),
        buy90: get("buy90"),
        sell90: get("sell90"),
        delay_bd: input["delay_bd"].as_u64().map(|days| days as u32),
    }
}

fn vectors() -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../../../tests/data/vectors.json")).unwrap();
    all["insider"].as_array().unwrap().clone()
}

#[test]
fn vectors_hold() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let (name, output) = (&vector["name"], &vector["output"]);
        let audit = audit("SEC:1", inputs(&vector["input"]));
        let body = serde_json::to_value(&audit).unwrap();
        assert_eq!(body["score"], output["score"], "{name}");
        assert_eq!(body["raw"], output["raw"], "{name}");
        assert_eq!(body["coverage"], output["coverage"], "{name}");
        let mut nulls = Vec::new();
        for factor in &audit.factors {
            let points = &output["points"][factor.key];
            assert_eq!(json!(factor.points), *points, "{name}: {}", factor.key);
            if factor.value == Value::Unknown {
                nulls.push(factor.key);
            }
        }
        assert_eq!(json!(nulls), output["nulls"], "{name}");
    }
}

fn full() -> Inputs {
    inputs(&vectors()[0]["input"])
}

fn points(inputs: Inputs, key: &str) -> (bool, String) {
    let audit = audit("SEC:1", inputs);
    let factor = audit.factors.iter().find(|f| f.key == key).unwrap();
    (factor.value != Value::Unknown, factor.points.to_string())
}

#[test]
fn caps_sum_to_a_hundred_and_points_add_up() {
    assert_eq!(
        CAPS.iter().map(|(_, cap)| u32::from(*cap)).sum::<u32>(),
        100
    );
    let audit = audit("SEC:1", full());
    let sum: i64 = audit.factors.iter().map(|factor| factor.points.0).sum();
    assert_eq!(audit.raw, Tenths(sum));
    assert_eq!(audit.band, Some(Band::Strong));
    assert_eq!(audit.late, Some(false));
}

#[test]
fn holdings_are_new_known_or_compared_with_own_trades() {
    let d = |n: i64| Some(Decimal::from(n));
    let check = |change: &dyn Fn(&mut Inputs), known: bool, expected: &str| {
        let mut inputs = full();
        (inputs.amount, inputs.shares_traded) = (d(800), d(100));
        (inputs.own_trades, inputs.own_median) = (2, d(100));
        change(&mut inputs);
        let found = points(inputs, "size_holdings");
        assert_eq!(found, (known, expected.to_owned()));
    };
    check(&|inputs| inputs.shares_before = d(0), true, "6.0");
    check(&|inputs| inputs.shares_before = d(100), true, "12.0");
    check(&|inputs| inputs.shares_before = d(96_000), true, "0.1"); // 0.05: a half
    check(&|inputs| inputs.shares_before = d(-5), false, "0.0");
    check(&|inputs| inputs.shares_before = None, false, "0.0");
    let own = |inputs: &mut Inputs, median: i64| {
        (inputs.shares_before, inputs.own_trades) = (None, 3);
        inputs.own_median = d(median);
    };
    check(&|inputs| own(inputs, 400), true, "4.0"); // twice the median
    check(&|inputs| own(inputs, 1600), true, "0.0");
    check(&|inputs| own(inputs, -1), true, "0.0"); // a ratio ≤ 0
    check(
        &|inputs| {
            own(inputs, 400);
            inputs.amount = None;
        },
        false,
        "0.0",
    );
}

#[test]
fn what_cannot_be_is_unknown_and_nothing_panics() {
    let mut inputs = full();
    inputs.market_cap = Some(Decimal::ZERO);
    assert!(!points(inputs, "size_mcap").0);
    for most in [Decimal::MAX, Decimal::MIN, Decimal::ZERO] {
        let some = Some(most);
        for direction in Direction::BOTH {
            let absurd = Inputs {
                direction,
                amount: some,
                market_cap: some,
                shares_traded: some,
                shares_before: some,
                own_median: some,
                px: some,
                hi52: some,
                lo52: Some(Decimal::MIN),
                past_sum: most,
                global_mean: some,
                buy90: some,
                sell90: some,
                ..full()
            };
            let audit = audit("SEC:1", absurd);
            assert!((0..=1000).contains(&audit.raw.0));
        }
    }
}

#[test]
fn sales_are_discounted_and_rounded_again() {
    let check = |raw: i64, expected: i64| {
        assert_eq!((raw * 6 + 5).div_euclid(10), expected, "{raw}");
    };
    check(714, 428);
    check(1000, 600);
    check(675, 405); // 40.5 exactly
    check(676, 406); // 40.56
    let mut inputs = full();
    inputs.direction = Direction::Sell;
    let body = serde_json::to_value(audit("SEC:1", inputs)).unwrap();
    assert_eq!(
        body["modifiers"],
        json!([{"name": "sell_discount", "factor": 0.6}])
    );
}

#[test]
fn timeliness_falls_with_the_days() {
    let check = |delay: Option<u32>, known: bool, expected: &str| {
        let mut inputs = full();
        inputs.delay_bd = delay;
        assert_eq!(points(inputs, "timeliness"), (known, expected.to_owned()));
    };
    check(Some(0), true, "6.0");
    check(Some(2), true, "6.0");
    check(Some(3), true, "5.0");
    check(Some(5), true, "3.0");
    check(Some(10), true, "1.0");
    check(Some(11), true, "0.0");
    check(None, false, "0.0");
}
