//! What the insider engine is given and what it hands back, in the form in which it is stored and loaded again.
//!
//! A [`DeclarationRecord`] is a fact: it follows from its filing alone, and never changes. Whatever depends on other facts (is a price
//! impossible, was the block told before, who belongs together) is decided anew at each assessment, from what was known then.

use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::model::{
    filing::{Amends, Code, FilingId},
    time::Time,
};

/// Whose dealings these are: `us:0001234567` by a regulator's number, which is the same in every company of that market; or
/// `us:<company>/<normalised name>` where there is none, which is good within one company only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonKey(pub String);

impl fmt::Display for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bought or sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Direction {
    /// An acquisition for money.
    Buy,
    /// A disposal for money.
    Sell,
}

impl Direction {
    /// `BUY` or `SELL`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Direction::Buy => "BUY",
            Direction::Sell => "SELL",
        }
    }

    /// Both, purchases first.
    pub const BOTH: [Direction; 2] = [Direction::Buy, Direction::Sell];
}

/// What an insider is to the company. Ordered: what gives more points is greater.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// A holder of a tenth, or whoever else must report.
    #[default]
    Other,
    /// On the board, no executive.
    Board,
    /// An executive who is neither of the two below; the head of a division, too.
    OtherExec,
    /// Chief executive of the company.
    Ceo,
    /// Chief financial officer of the company.
    Cfo,
}

impl Role {
    /// Runs the company, or a part of it.
    #[must_use]
    pub fn is_executive(self) -> bool {
        self >= Role::OtherExec
    }
}

/// Why a declaration has no score, or a row of it does not count. Written as in the API's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// Neither a purchase nor a sale.
    IneligibleCode,
    /// Only derivatives were dealt in.
    Derivative,
    /// Nothing was dealt: holdings alone.
    NoTransaction,
    /// No row says when and how much.
    Incomplete,
    /// Withdrawn, says the regulator.
    Cancelled,
    /// Replaced by a later one, says the regulator, and not when.
    Superseded,
    /// The shares sold were acquired that same day by exercise.
    ExerciseAndSell,
    /// The same block was told by an earlier filing.
    DuplicateBlock,
    /// What is filed cannot be.
    Suspect,
}

impl Unscored {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Unscored::IneligibleCode => "ineligible_code",
            Unscored::Derivative => "derivative",
            Unscored::NoTransaction => "no_transaction",
            Unscored::Incomplete => "incomplete",
            Unscored::Cancelled => "cancelled",
            Unscored::Superseded => "superseded",
            Unscored::ExerciseAndSell => "exercise_and_sell",
            Unscored::DuplicateBlock => "duplicate_block",
            Unscored::Suspect => "suspect",
        }
    }
}

/// A row that may count: of code P or S and no derivative, with a day and a quantity; or, in a declaration of exercises, what was acquired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// Place in [`Filing::rows`](crate::model::filing::Filing::rows).
    pub row: u32,
    /// Day of the dealing.
    pub date: Date,
    /// The instrument: its ISIN, else its name in lower case with single spaces.
    pub security: String,
    /// Its name says that it is no ordinary share (preferred, note, warrant, …): its price is no share's price.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_common: bool,
    /// The line of ownership within the security: `D`, or `I` and through whom; empty where the form does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub line: String,
    /// Held directly; `None` where the form does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Acquired (true) or disposed of; `None` where the form does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired: Option<bool>,
    /// Shares, > 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Decimal>,
    /// Price of one, > 0, in the record's currency; a price of 0 is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Shares × price, or the value as filed; > 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// Held afterwards on this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Decimal>,
    /// Under a plan of rule 10b5-1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub plan: bool,
    /// Its footnotes or the filing's remarks speak of a split.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tells_split: bool,
}

/// Sums over rows: exact, in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Sum of the amounts that are known. `None` where none is, and where the rows are in several currencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// Sum of the shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Decimal>,
    /// Price of the shares whose price is known; of several prices the average, rounded half-up to eight decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_date: Option<Date>,
}

/// One filing's rows of one code, reduced to what later assessments of the same company or person need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclarationRecord {
    /// Known by: the filing's id where it has one code, else `<filing>:<code>`.
    pub amf_id: String,
    /// Its filing.
    pub filing: FilingId,
    /// Of which code; `None` where the filing tells of holdings alone.
    pub code: Option<Code>,
    /// It answers to the filing's bare id: the one with the largest amount.
    pub principal: bool,
    /// When the public could read it.
    pub published_at: Time,
    /// That moment is the end of a stated day.
    #[serde(default, skip_serializing_if = "is_false")]
    pub published_estimated: bool,
    /// The SEC's form without its mark of an amendment: `3`, `4` or `5`; `None` for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<char>,
    /// Last day that the filing reports on; where it does not say, the last day on which something was dealt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Date>,
    /// Which filing its filing replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Amends>,
    /// The owners, in the order of the form; one at least. A joint filing is one insider.
    pub people: Vec<PersonKey>,
    /// Normalised names of the owners, in the same order: by these a vehicle's manager is found.
    pub names: Vec<String>,
    /// The managers to whom owners are close, as normalised names: they are the same insider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub close_to: Vec<String>,
    /// The highest among the owners.
    pub role: Role,
    /// Bought or sold; `None` where the code is neither.
    pub direction: Option<Direction>,
    /// Why it can never have a score; `None` where what is known at its assessment decides.
    pub unscored: Option<Unscored>,
    /// At least half of the shares were dealt under a plan of rule 10b5-1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub plan: bool,
    /// ISO 4217, of all amounts.
    pub currency: String,
    /// All its rows as filed, suspect ones too. What counts in the end is in [`Assessment::totals`](super::audit::Assessment::totals).
    pub filed: Totals,
    /// The rows that may count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Trade>,
}

/// Why a row cannot be what it says. Written as in the API's `suspectReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// The price is outside 1/5…5 of the last close.
    PriceAgainstClose,
    /// The price is outside 1/10…10 of that of earlier rows.
    PriceAgainstEarlier,
    /// The price field holds the total: it grows with the share count.
    TotalAsPrice,
    /// A purchase that disposed, or a sale that acquired.
    WrongDirection,
}

impl Suspicion {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Suspicion::PriceAgainstClose => "price_against_close",
            Suspicion::PriceAgainstEarlier => "price_against_earlier",
            Suspicion::TotalAsPrice => "total_as_price",
            Suspicion::WrongDirection => "wrong_direction",
        }
    }
}

/// Whether a row counts in scores, flows, totals and statistics, decided from what was known at its publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Counts,
    /// Kept as filed, and left out.
    Suspect(Suspicion),
    /// Sold what was exercised that day.
    ExerciseAndSell,
    /// An earlier filing told the same block.
    DuplicateBlock,
    /// Its declaration is not one of purchases or sales that stand.
    NotEligible,
}

/// A declaration's return after 90 days: what the track record of its people is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matured {
    /// Of which declaration.
    pub amf_id: String,
    /// Bought or sold.
    pub direction: Direction,
    /// Whose.
    pub people: Vec<PersonKey>,
    /// The first instant of the local day after the session of the exit: the earliest at which anyone could know it.
    pub known_at: Time,
    /// From then on it counts no more: an amendment took its declaration's place.
    pub until: Option<Time>,
    /// Excess over the benchmark as a fraction, six decimals, not winsorised; positive where the share did better, for sales too.
    pub excess: Decimal,
}

/// An amendment took a filing's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supersession {
    /// Which stands no more.
    pub filing: FilingId,
    /// What stands instead.
    pub by: FilingId,
    /// From when on.
    pub at: Time,
}

/// New shares for old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// First day on which the new shares were traded.
    pub date: Date,
    /// New shares for one old: 10 for a split of ten for one, 0.05 for a reverse split of one for twenty. Others than > 0 are ignored.
    pub ratio: Decimal,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
