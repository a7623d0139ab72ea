//! What an assessment says: a score with its nine factors, each with value, points, cap and rationale; or the reason why there is none.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::model::{
    money::Exact,
    rank::{Rank, Tenths},
};

use super::record::{Direction, PersonKey, Role, Totals, Unscored, Verdict};

/// Version of the formula.
pub const SCORE_VERSION: &str = "s9.1";

/// A word for a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// 40 and more.
    Notable,
    /// 50 and more.
    High,
    /// 70 and more.
    Strong,
}

impl Band {
    /// Of a rounded score.
    #[must_use]
    pub fn of(score: Tenths) -> Option<Self> {
        match score.0 {
            700.. => Some(Band::Strong),
            500.. => Some(Band::High),
            400.. => Some(Band::Notable),
            _ => None,
        }
    }

    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Band::Notable => "notable",
            Band::High => "high",
            Band::Strong => "strong",
        }
    }
}

/// The letter of a rounded score on the stream: S from 80, A 70, B 50, C 40. A sale reaches 60 at most, hence B.
#[must_use]
pub fn rank_of(score: Tenths) -> Rank {
    match score.0 {
        800.. => Rank::S,
        700.. => Rank::A,
        500.. => Rank::B,
        400.. => Rank::C,
        _ => Rank::D,
    }
}

/// How an insider's dealing stands to the same insider's earlier ones in this company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opportunism {
    /// Under a plan of rule 10b5-1: decided long before.
    Plan,
    /// Traded in the same calendar month in each of the three years before.
    Routine,
    /// Traded in less than all of the three years before.
    Unclassified,
    /// Traded in all of the three years before, without that pattern.
    Opportunistic,
}

impl Opportunism {
    /// The word of the audit.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Opportunism::Plan => "plan",
            Opportunism::Routine => "routine",
            Opportunism::Unclassified => "unclassified",
            Opportunism::Opportunistic => "opportunistic",
        }
    }
}

/// A factor's value: a number, a word, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// An input is missing.
    Unknown,
    /// A number.
    Number(Decimal),
    /// A class.
    Word(&'static str),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Unknown => to.serialize_none(),
            Value::Number(number) => Exact(*number).serialize(to),
            Value::Word(word) => to.serialize_str(word),
        }
    }
}

/// One of the nine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Factor {
    /// Its name.
    pub key: &'static str,
    /// What was measured; `null` where an input is missing.
    pub value: Value,
    /// What it is worth, rounded half-up to a tenth; 0 where the value is unknown.
    pub points: Tenths,
    /// The most it can be worth, points.
    pub cap: u8,
    /// Why, in one line, with the numbers.
    pub rationale: String,
}

/// What the sum of the points is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Modifier {
    /// Its name.
    pub name: &'static str,
    /// By how much.
    #[serde(serialize_with = "number")]
    pub factor: Decimal,
}

/// All that the score was computed from, so that anyone can compute it again. Shares of something come as their two parts: a rounded
/// quotient could end in another tenth. Absent is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Bought or sold.
    pub direction: Direction,
    /// Class of the dealing among the insider's own.
    pub opportunism: Opportunism,
    /// Distinct insiders, this one included; 0 for a dealing under a plan.
    pub cluster_n: u32,
    /// The highest role among the owners.
    pub role: Role,
    /// What the declaration's counting rows came to.
    #[serde(serialize_with = "number_or_null")]
    pub amount: Option<Decimal>,
    /// Of `amount` and `marketCap`; ISO 4217.
    pub currency: String,
    /// The company's market capitalisation, in the same currency.
    #[serde(serialize_with = "number_or_null")]
    pub market_cap: Option<Decimal>,
    /// Its day.
    pub market_cap_at: Option<Date>,
    /// Shares traded on the principal line of ownership.
    #[serde(serialize_with = "number_or_null")]
    pub shares_traded: Option<Decimal>,
    /// Shares held on that line before; 0 is a new position, `null` unknown.
    #[serde(serialize_with = "number_or_null")]
    pub shares_before: Option<Decimal>,
    /// The insider's other declarations in this company with a known amount in the same currency.
    pub own_trades: u32,
    /// Median of their amounts.
    #[serde(serialize_with = "number_or_null")]
    pub own_median: Option<Decimal>,
    /// Last close before the day of publication.
    #[serde(serialize_with = "number_or_null")]
    pub px: Option<Decimal>,
    /// Its session.
    pub px_at: Option<Date>,
    /// Highest close of 365 days.
    #[serde(serialize_with = "number_or_null")]
    pub hi52: Option<Decimal>,
    /// Lowest close of 365 days.
    #[serde(serialize_with = "number_or_null")]
    pub lo52: Option<Decimal>,
    /// The insider's matured same-direction returns.
    pub past_n: u32,
    /// Their sum; each is a 90-day excess, winsorised at ±0.5.
    #[serde(serialize_with = "number")]
    pub past_sum: Decimal,
    /// Mean of all insiders' such returns known then, six decimals; `null` where this insider has less than three.
    #[serde(serialize_with = "number_or_null")]
    pub global_mean: Option<Decimal>,
    /// Purchases in this company over 90 days, without this declaration.
    #[serde(serialize_with = "number_or_null")]
    pub buy90: Option<Decimal>,
    /// Sales, likewise.
    #[serde(serialize_with = "number_or_null")]
    pub sell90: Option<Decimal>,
    /// Business days from the first trade day to publication; `null` where that came before.
    pub delay_bd: Option<u32>,
}

/// A score, and why: the body of the audit, but for `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Of which declaration.
    pub amf_id: String,
    /// Version of the formula.
    pub score_version: &'static str,
    /// Bought or sold.
    pub direction: Direction,
    /// Points, 0–100, after the modifiers.
    pub score: Tenths,
    /// Sum of the factors' points.
    pub raw: Tenths,
    /// A word for it, from 40 on.
    pub band: Option<Band>,
    /// Sum of the caps of the factors whose value is known.
    pub coverage: u8,
    /// Applied to `raw`, in this order.
    pub modifiers: Vec<Modifier>,
    /// The nine, in the order of the page.
    pub factors: Vec<Factor>,
    /// Published more than two business days after the first trade day; `null` where the delay is unknown.
    pub late: Option<bool>,
    /// What all of it was computed from.
    pub inputs: Inputs,
}

/// What the engine says of one declaration at its own moment of publication. Later facts do not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Of which declaration.
    pub amf_id: String,
    /// The score, or why there is none.
    pub outcome: Result<Box<Audit>, Unscored>,
    /// What counts and what does not: one for each of the record's rows, in their order.
    pub verdicts: Vec<Verdict>,
    /// Sums over the rows that count.
    pub totals: Totals,
    /// At least two insiders: see `clusterN`. False without a score.
    pub is_cluster: bool,
    /// 100 · amount / market capitalisation; `None` where the score had none to use.
    pub pct_of_market_cap: Option<Decimal>,
    /// 100 · amount / all that this insider has bought and sold in this company up to then, this declaration included.
    pub pct_of_insider_flow: Option<Decimal>,
    /// What this insider has bought in this company up to then, less what was sold, this declaration included.
    pub insider_cum_net: Option<Decimal>,
    /// Everyone who was known to be the same insider then, the declaration's own owners first.
    pub insider: Vec<PersonKey>,
    /// The declaration that told the same block first.
    pub duplicate_of: Option<String>,
}

impl Assessment {
    /// The rounded score, where there is one.
    #[must_use]
    pub fn score(&self) -> Option<Tenths> {
        self.outcome.as_ref().ok().map(|audit| audit.score)
    }
}

fn number<S: Serializer>(number: &Decimal, to: S) -> Result<S::Ok, S::Error> {
    Exact(*number).serialize(to)
}

fn number_or_null<S: Serializer>(number: &Option<Decimal>, to: S) -> Result<S::Ok, S::Error> {
    number.map(Exact).serialize(to)
}
