//! Rug risk: what a token's state says of its makers' ways to take the money.

use rust_decimal::Decimal;

use crate::model::{money::Exact, swap::TokenInfo};

/// How likely the makers can take the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// No warning.
    Low,
    /// A warning or two.
    Medium,
    /// A way wide open, or warnings enough.
    High,
    /// A core fact is missing.
    Unknown,
}

impl Risk {
    /// The word of the payload.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
            Risk::Unknown => "unknown",
        }
    }
}

/// The risk by the rules of docs (consensus): critical or three warnings, then missing facts, then warnings.
#[must_use]
pub fn risk(token: &TokenInfo) -> Risk {
    let at_least = |share: Option<Exact>, limit: i64| {
        share.is_some_and(|share| share.0 >= Decimal::from(limit))
    };
    let critical = token.mint_renounced == Some(false)
        || token.freeze_renounced == Some(false)
        || token.permanent_delegate == Some(true)
        || at_least(token.top10_holders_pct, 70);
    let top10 = match token.top10_holders_pct {
        share if at_least(share, 50) => 2,
        share if at_least(share, 30) => 1,
        _ => 0,
    };
    let unlocked = if token.lp_locked == Some(false) { 2 } else { 0 };
    let one_holder = if at_least(token.max_holder_pct, 20) {
        2
    } else {
        0
    };
    let shallow = (token.liquidity_usd).is_some_and(|dollars| dollars.0 < Decimal::from(5000));
    let warnings = top10 + unlocked + one_holder + i32::from(shallow);
    // on a bonding curve there is no LP to lock
    let lp_known = token.lp_locked.is_some() || token.bonding_curve == Some(true);
    let known = token.mint_renounced.is_some()
        && token.freeze_renounced.is_some()
        && token.top10_holders_pct.is_some()
        && lp_known;
    match warnings {
        _ if critical => Risk::High,
        3.. => Risk::High,
        _ if !known => Risk::Unknown,
        1.. => Risk::Medium,
        _ => Risk::Low,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::money::parse_decimal;

    fn token(input: &Value) -> TokenInfo {
        let flag = |name: &str| input[name].as_bool();
        let exact = |name: &str| {
            let number = input[name].as_number()?;
            Some(Exact(parse_decimal(&number.to_string()).unwrap()))
        };
        TokenInfo {
            mint_renounced: flag("mint_renounced"),
            freeze_renounced: flag("freeze_renounced"),
            lp_locked: flag("lp_locked"),
            bonding_curve: flag("bonding_curve"),
            permanent_delegate: flag("permanent_delegate"),
            top10_holders_pct: exact("top10_holders_pct"),
            max_holder_pct: exact("max_holder_pct"),
            liquidity_usd: exact("liq"),
            ..TokenInfo::default()
        }
    }

    #[test]
    fn vectors_hold() {
        let all: Value =
            serde_json::from_str(include_str!("../../tests/data/vectors.json")).unwrap();
        let vectors = all["rug"].as_array().unwrap();
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let found = risk(&token(&vector["input"]));
            assert_eq!(found.word(), vector["output"], "{vector}");
        }
    }

    #[test]
    fn boundaries() {
        let check = |changes: Value, expected: Risk| {
            let mut input = serde_json::json!({
                "mint_renounced": true, "freeze_renounced": true, "top10_holders_pct": 10, "lp_locked": true, "liq": 5000
            });
            for (name, value) in changes.as_object().unwrap() {
                input[name] = value.clone();
            }
            assert_eq!(risk(&token(&input)), expected, "{changes}");
        };
        use serde_json::json;
        check(json!({}), Risk::Low);
        check(json!({"liq": 4999.99}), Risk::Medium);
        check(json!({"liq": null}), Risk::Low);
        check(json!({"top10_holders_pct": 29.9}), Risk::Low);
        check(json!({"top10_holders_pct": 30}), Risk::Medium);
        check(json!({"top10_holders_pct": 50, "liq": 1}), Risk::High);
        check(json!({"top10_holders_pct": 70}), Risk::High);
        check(json!({"max_holder_pct": 20}), Risk::Medium);
        check(json!({"max_holder_pct": 20, "liq": 1}), Risk::High);
        check(
            json!({"permanent_delegate": true, "top10_holders_pct": null}),
            Risk::High,
        );
        check(
            json!({"top10_holders_pct": null, "max_holder_pct": 20}),
            Risk::Unknown,
        );
        check(
            json!({"lp_locked": false, "liq": 1, "mint_renounced": null}),
            Risk::High,
        );
        check(json!({"lp_locked": null}), Risk::Unknown);
    }
}
