//! The wallet score, 0–150: the formula.

use crate::model::rank::{Rank, Tenths};

/// A wallet with fewer closed positions is not scored.
pub const MIN_CLOSED: usize = 10;
/// The most that a wallet labelled `bot` can have.
pub const BOT_CAP: Tenths = Tenths(400);

/// What the score is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Closed positions.
    pub n: u32,
    /// Those with a return above 0.
    pub wins: u32,
    /// mean/(sd/√n) of the winsorised returns, sample sd; 0 where sd is 0.
    pub t: f64,
    /// Realised profit, dollars.
    pub pnl_usd: f64,
    /// One position made more than 60 % of the profit.
    pub concentrated: bool,
    /// Days since the last position closed.
    pub idle_days: f64,
    /// The median position was held for less than a minute.
    pub quick: bool,
    /// Labelled `bot`.
    pub bot: bool,
}

/// A wallet's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WalletScore {
    /// Points, 0–150.
    pub score: Tenths,
    /// Its letter.
    pub rank: Rank,
    /// Win, edge, pnl and fresh, unrounded.
    pub parts: [f64; 4],
}

/// The score by the formula of docs (consensus): win 40, edge 45, pnl 35, fresh 30 points at most. `None` below ten closed positions.
#[must_use]
pub fn score(inputs: &Inputs) -> Option<WalletScore> {
    if (inputs.n as usize) < MIN_CLOSED {
        return None;
    }
    let [win, edge, pnl] = lasting_parts(inputs);
    let fresh = fresh_part(inputs.idle_days, inputs.quick);
    let score = total(win + edge + pnl, fresh, inputs.bot);
    Some(WalletScore {
        score,
        rank: rank_of(score),
        parts: [win, edge, pnl, fresh],
    })
}

/// The parts that only a closed position changes: win, edge and pnl.
#[must_use]
pub fn lasting_parts(inputs: &Inputs) -> [f64; 3] {
    let (n, wins) = (f64::from(inputs.n), f64::from(inputs.wins));
    let win = 40.0 * (((wins + 4.0) / (n + 10.0) - 0.30) / 0.45).clamp(0.0, 1.0);
    let edge = 45.0 * (inputs.t / 3.0).clamp(0.0, 1.0);
    let profit = inputs.pnl_usd.max(0.0) / 1000.0;
    let mut pnl = 35.0 * ((1.0 + profit).log10() / 251_f64.log10()).clamp(0.0, 1.0);
    if inputs.concentrated {
        pnl /= 2.0;
    }
    [win, edge, pnl]
}

/// The part that fades.
#[must_use]
pub fn fresh_part(idle_days: f64, quick: bool) -> f64 {
    let fresh = 30.0 * (-idle_days.max(0.0) / 14.0).exp();
    if quick { fresh * 0.25 } else { fresh }
}

/// The rounded sum of the lasting parts and the fading one, with the cap of bots.
#[must_use]
pub fn total(lasting: f64, fresh: f64, bot: bool) -> Tenths {
    let score = Tenths::round(lasting + fresh);
    if bot { score.min(BOT_CAP) } else { score }
}

/// The letter of a rounded score.
#[must_use]
pub fn rank_of(score: Tenths) -> Rank {
    match score.0 {
        1200.. => Rank::S,
        950.. => Rank::A,
        700.. => Rank::B,
        450.. => Rank::C,
        _ => Rank::D,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let all: Value =
            serde_json::from_str(include_str!("../../tests/data/vectors.json")).unwrap();
        all["wallet"].as_array().unwrap().clone()
    }

    #[test]
    fn vectors_hold() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let (input, output) = (&vector["input"], &vector["output"]);
            let number = |name: &str| input[name].as_f64().unwrap_or(0.0);
            let found = score(&Inputs {
                n: number("n") as u32,
                wins: number("wins") as u32,
                t: number("t"),
                pnl_usd: number("pnl"),
                concentrated: number("top_share") > 0.6,
                idle_days: number("idle_days"),
                quick: number("median_hold_s") < 60.0,
                bot: input["bot"] == true,
            });
            let Some(found) = found else {
                assert!(output.is_null(), "{input}");
                continue;
            };
            assert_eq!(
                found.score.to_string(),
                format!("{:.1}", output["score"].as_f64().unwrap())
            );
            assert_eq!(found.rank.letter(), output["rank"]);
            let parts = found.parts.map(|part| Tenths::round(part).as_f64());
            assert_eq!(serde_json::json!(parts), output["parts"], "{input}");
        }
    }
}
