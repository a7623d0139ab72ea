//! Filings: what a regulator published of insiders' dealings in one issuer, as filed, and nothing concluded from it.

use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::time::Time;

/// Longest id of a filing, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// What a filing is known by: the regulator's prefix and its own number, such as `SEC:0001127602-25-009876`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FilingId(pub String);

impl fmt::Display for FilingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A filing. What is absent in it is `None`: never guessed, never a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filing {
    /// Known by.
    pub id: FilingId,
    /// Code of the market it belongs to: `us`, `uk`, … (a row of the table of markets).
    pub market: String,
    /// The regulator's name of the form: `4`, `4/A`, `5`, `RNS`.
    pub form: String,
    /// When the public could read it.
    pub published_at: Time,
    /// That moment is not stated, and is taken to be the end of a day that is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub published_estimated: bool,
    /// Whether it stands.
    #[serde(default, skip_serializing_if = "is_current")]
    pub status: Status,
    /// It replaces an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Amends>,
    /// Whose shares.
    pub issuer: Issuer,
    /// Who dealt; several in a joint filing, one at least.
    pub owners: Vec<Owner>,
    /// Last day that it reports on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Date>,
    /// Whether the dealings follow a plan under rule 10b5-1; `None` where the form does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<bool>,
    /// Transactions and holdings, in the order of the form.
    pub rows: Vec<Row>,
    /// Footnotes, in the order of the form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub footnotes: Vec<Footnote>,
    /// Free text below the tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remarks: Option<String>,
    /// Where the regulator shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Whether a filing stands. In order: what is withdrawn never stands again, in whatever order news of it arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It stands.
    #[default]
    Current,
    /// The regulator says that a later one took its place.
    Revised,
    /// It was withdrawn.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 3] = [Status::Current, Status::Revised, Status::Cancelled];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Current => "current",
            Status::Revised => "revised",
            Status::Cancelled => "cancelled",
        }
    }
}

/// Which filing an amendment replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amends {
    /// Named by its id.
    Filing(FilingId),
    /// The same owners' filing on the same issuer of that day.
    FiledOn(Date),
    /// It says only that it amends: the same owners' latest filing with the same period.
    Unnamed,
}

/// The company whose securities were dealt in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// The regulator's number of it (CIK, with ten digits; LEI).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, as filed.
    pub name: String,
    /// Its ticker, cleaned of what is no ticker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// ISIN of its shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isin: Option<String>,
}

/// A person or vehicle that reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The regulator's number of it (CIK, with ten digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, as filed.
    pub name: String,
    /// On the board.
    #[serde(default, skip_serializing_if = "is_false")]
    pub director: bool,
    /// An executive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub officer: bool,
    /// Owns a tenth or more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ten_percent: bool,
    /// Reports for another reason.
    #[serde(default, skip_serializing_if = "is_false")]
    pub other: bool,
    /// Its function, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The manager whom a spouse or vehicle is close to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_to: Option<String>,
}

/// What kind of dealing: a letter of the SEC's, or a word for what other regulators tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub String);

impl Code {
    /// A purchase on a market or in private: `P`.
    #[must_use]
    pub fn purchase() -> Self {
        Code("P".into())
    }

    /// A sale on a market or in private: `S`.
    #[must_use]
    pub fn sale() -> Self {
        Code("S".into())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of a form's tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What kind of dealing. `None`: a holding, nothing was dealt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// In the table of derivatives.
    #[serde(default, skip_serializing_if = "is_false")]
    pub derivative: bool,
    /// The instrument, as filed; empty where it is not said.
    pub security: String,
    /// Its ISIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isin: Option<String>,
    /// The regulator's own word for the dealing, where it is not a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nature: Option<String>,
    /// Day of the dealing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Whether it was acquired, or disposed of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired: Option<bool>,
    /// Shares or units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Decimal>,
    /// Price of one, in `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// What all of it came to, where the form says that instead of shares and price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Held afterwards, on this line of ownership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares_after: Option<Decimal>,
    /// Value held afterwards, where the form says that instead of shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_after: Option<Decimal>,
    /// Held directly, or through somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Through whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_through: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where it was dealt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<String>,
    /// Of a derivative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
    /// Ids of its footnotes, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub footnotes: Vec<String>,
    /// Which of its fields each footnote explains, where the form says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// What was filed in it and cannot be read, each with its reason: `transactionShares: `12 apples` is no decimal number`.
    /// The field itself is `None` then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
}

/// A footnote's sign at a field of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The field, by the form's own name: `transactionPricePerShare`.
    pub field: String,
    /// Id of the footnote.
    pub footnote: String,
}

/// What only derivatives have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// Price of conversion or exercise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise_price: Option<Decimal>,
    /// First day on which it may be exercised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercisable: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// What it is converted into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<String>,
    /// How much of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying_shares: Option<Decimal>,
}

/// A footnote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footnote {
    /// By which rows name it: `F1`.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// Whether an address leads to a document. Whoever shows it makes a link of it: a script must not come that way, and a filing must not be lost by it.
#[must_use]
pub fn is_of_the_web(url: &str) -> bool {
    let begins = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("https://") || begins("http://")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn is_current(status: &Status) -> bool {
    *status == Status::Current
}
