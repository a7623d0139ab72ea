//! What the consensus engine keeps between facts, in the form in which it is stored and loaded again.
//!
//! The engine never reads storage. It says what it misses ([`Need`]), is given records, and hands back what changed
//! ([`Changes`]), which is stored together with how far it has come: a restart at any instant goes on from there.

use uuid::Uuid;

use crate::model::{
    money::MicroUsd,
    rank::{Rank, Tenths},
    swap::{Address, Fact, TokenFact, WalletFact},
    time::Time,
};

/// State that must be loaded before a fact can be applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// A wallet's [`WalletRecord`].
    Wallet(Address),
    /// A mint's [`MintRecord`].
    Mint(Address),
}

/// Tokens bought together and not yet sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Base units left, > 0.
    pub quantity: u128,
    /// What they cost, with fees.
    pub cost: MicroUsd,
}

/// An open position of one wallet in one mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRecord {
    /// The token.
    pub mint: Address,
    /// First buy of the position.
    pub opened_at: Time,
    /// Latest buy.
    pub last_buy_at: Time,
    /// Most base units ever held in it.
    pub peak: u128,
    /// Oldest first. Empty only where nothing but `unmatched` is kept.
    pub lots: Vec<Lot>,
    /// Cost of the lots that were sold.
    pub cost_sold: MicroUsd,
    /// What they brought, net of fees.
    pub proceeds: MicroUsd,
    /// Base units sold that no lot stood for.
    pub unmatched: u128,
}

/// A position that was closed; in which token no longer matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedRecord {
    /// First buy.
    pub opened_at: Time,
    /// The sale that closed it, or the moment at which it counted as lost.
    pub closed_at: Time,
    /// Return in millionths, not winsorised: 500,000 is +50 %.
    pub return_ppm: i64,
    /// Realised profit, net.
    pub pnl: MicroUsd,
}

/// All that is known of a wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletRecord {
    /// Its `wallet` facts, by time.
    pub facts: Vec<WalletFact>,
    /// Its open positions.
    pub positions: Vec<PositionRecord>,
    /// Its closed positions, by `closed_at`; all of them from the last 31 days before its latest one, at least.
    pub closed: Vec<ClosedRecord>,
}

/// What of a mint is stored whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MintState {
    /// The latest event time seen; `Time(0)` before the first swap.
    pub high_water: Time,
    /// The engine's price history of the mint, in a text form of its own.
    pub prices: String,
}

/// All that is known of a mint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MintRecord {
    /// Stored state.
    pub state: MintState,
    /// Its `token` facts, by time.
    pub facts: Vec<TokenFact>,
    /// Its swaps of the last 100 seconds before the high water, in order of arrival.
    pub recent: Vec<Fact>,
    /// Its episodes that opened within two hours before the high water, by ordinal; and always the last one.
    pub episodes: Vec<EpisodeRecord>,
}

/// A wallet that triggered, and what it did since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which.
    pub wallet: Address,
    /// Base units held when it first triggered, and bought since.
    pub held: u128,
    /// Base units sold since.
    pub sold: u128,
}

/// What happens to one mint in the 30 minutes that its first signal opens.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeRecord {
    /// The how-manieth of its mint, from 1: a database constraint, so that two engines racing make one.
    pub ordinal: i64,
    /// Id of its first signal.
    pub id: Uuid,
    /// What the ids of its rows are made of: `consensus_buy|mint|signature`.
    pub seed: String,
    /// Event time of the first signal.
    pub opened_at: Time,
    /// How many updates were sent.
    pub updates: i64,
    /// Pool wallets in the last row.
    pub last_pool: i64,
    /// Whether the exit was sent.
    pub exited: bool,
    /// What its rows reached, none dominated by another: best rank first.
    pub reached: Vec<(Rank, Tenths)>,
    /// All wallets that triggered.
    pub triggers: Vec<Trigger>,
}

/// What applying facts changed since changes were last taken, for the store. Each list holds the latest state once; what came and
/// went in between is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// `None` removes the position.
    pub positions: Vec<(Address, Address, Option<PositionRecord>)>,
    /// Newly closed positions, by wallet; each wallet once.
    pub closed: Vec<(Address, Vec<ClosedRecord>)>,
    /// Mints.
    pub mints: Vec<(Address, MintState)>,
    /// Episodes, with their mint.
    pub episodes: Vec<(Address, EpisodeRecord)>,
}

/// A signal that fired and is not yet in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// UUIDv5 of the event.
    pub id: Uuid,
    /// The payload of the reference as compact JSON, but for its last brace: [`Draft::body`] adds the timings.
    pub open_body: String,
}

impl Draft {
    /// The whole body, with the latencies that only the pipeline knows, in milliseconds: the sum whole, its parts to the microsecond.
    #[must_use]
    pub fn body(&self, latency_ms: f64, ingest_ms: f64, score_ms: f64) -> String {
        let round = |ms: f64| (ms * 1000.0).round() / 1000.0;
        format!(
            "{},\"latency_ms\":{},\"timing\":{{\"ingest_ms\":{},\"score_ms\":{}}}}}",
            self.open_body,
            (latency_ms + 0.5).floor() as i64,
            round(ingest_ms),
            round(score_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_whole_and_rounds_half_up() {
        let draft = Draft {
            id: Uuid::nil(),
            open_body: "{\"id\":\"x\"".into(),
        };
        let expected = |ms| {
            format!(r#"{{"id":"x","latency_ms":{ms},"timing":{{"ingest_ms":1.235,"score_ms":0}}}}"#)
        };
        assert_eq!(draft.body(411.5, 1.2346, 0.0), expected("412"));
        assert_eq!(draft.body(411.499, 1.2346, 0.0), expected("411"));
        assert_eq!(draft.body(f64::NAN, 1.2346, 0.0), expected("0"));
    }
}
