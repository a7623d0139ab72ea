//! The rank of a signal, 0–100 points: how many good wallets, how good, how quickly, and into what.

use crate::model::rank::{Rank, Tenths};

use super::rug::Risk;

/// What the rank is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Pool wallets.
    pub pool: usize,
    /// Other buyers.
    pub other: usize,
    /// Sum of the pool wallets' scores, points.
    pub score_sum: f64,
    /// Rug risk of the token.
    pub risk: Risk,
    /// Liquidity, dollars; unknown gives no points.
    pub liquidity_usd: Option<f64>,
    /// From the first to the last counted buyer, seconds.
    pub span_seconds: f64,
    /// Length of the window, seconds.
    pub window_seconds: f64,
}

/// A signal's rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankScore {
    /// Points, 0–100.
    pub score: Tenths,
    /// Its letter, capped by rug risk.
    pub rank: Rank,
    /// Pool, quality, others, risk, liquidity and pace, unrounded.
    pub parts: [f64; 6],
}

/// The rank by the formula of docs (consensus).
#[must_use]
pub fn rank(inputs: &Inputs) -> RankScore {
    let unit = |share: f64| {
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    };
    let pool = inputs.pool as f64;
    let mean = if inputs.pool == 0 {
        0.0
    } else {
        inputs.score_sum / pool
    };
    let safety = match inputs.risk {
        Risk::Low => 20.0,
        Risk::Medium => 10.0,
        Risk::Unknown => 5.0,
        Risk::High => 0.0,
    };
    let depth = inputs.liquidity_usd.map_or(0.0, |dollars| {
        (dollars.max(1.0) / 5000.0).log10() / 20_f64.log10()
    });
    let parts = [
        30.0 * unit(pool / 5.0),
        30.0 * unit(mean / 120.0),
        10.0 * unit(inputs.other as f64 / 3.0),
        safety,
        5.0 * unit(depth),
        5.0 * unit(1.0 - inputs.span_seconds / inputs.window_seconds),
    ];
    let score = Tenths::round(parts.iter().sum());
    let rank = match score.0 {
        900.. if inputs.pool >= 3 => Rank::S,
        750.. => Rank::A,
        600.. => Rank::B,
        450.. => Rank::C,
        _ => Rank::D,
    };
    RankScore {
        score,
        rank: rank.min(cap(inputs.risk)),
        parts,
    }
}

/// The highest rank that a risk lets pass.
#[must_use]
pub fn cap(risk: Risk) -> Rank {
    match risk {
        Risk::Low => Rank::S,
        Risk::Medium | Risk::Unknown => Rank::B,
        Risk::High => Rank::D,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn vectors_hold() {
        let all: Value =
            serde_json::from_str(include_str!("../../tests/data/vectors.json")).unwrap();
        let vectors = all["rank"].as_array().unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let (input, output) = (&vector["input"], &vector["output"]);
            let number = |name: &str| input[name].as_f64().unwrap();
            let found = rank(&Inputs {
                pool: number("pool") as usize,
                other: number("other") as usize,
                score_sum: number("sum"),
                risk: match input["risk"].as_str().unwrap() {
                    "low" => Risk::Low,
                    "medium" => Risk::Medium,
                    "high" => Risk::High,
                    _ => Risk::Unknown,
                },
                liquidity_usd: input["liq"].as_f64(),
                span_seconds: number("span_s"),
                window_seconds: number("W"),
            });
            assert_eq!(
                found.score.as_f64(),
                output["rank_score"].as_f64().unwrap(),
                "{input}"
            );
            assert_eq!(found.rank.letter(), output["rank"], "{input}");
            let parts = found.parts.map(|part| Tenths::round(part).as_f64());
            assert_eq!(serde_json::json!(parts), output["parts"], "{input}");
        }
    }

    #[test]
    fn unknown_liquidity_and_empty_pools_give_nothing() {
        let found = rank(&Inputs {
            pool: 0,
            other: 0,
            score_sum: 0.0,
            risk: Risk::High,
            liquidity_usd: None,
            span_seconds: 0.0,
            window_seconds: 0.0,
        });
        assert_eq!((found.score, found.rank), (Tenths(0), Rank::D));
    }
}
