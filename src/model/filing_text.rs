//! A filing as the NDJSON line that reads back as the same filing.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    dealing::acquires,
    filing::{Amends, Filing, Owner, Row, Status},
    money::Exact,
    time::Time,
};

/// Writes a filing as the one line that reads back as the same filing. Texts are written as they are: one that is empty or has
/// blanks around it is read without them.
#[must_use]
pub fn write(filing: &Filing) -> String {
    let line = Line::of(filing);
    // texts, numbers and booleans: nothing in it that JSON cannot hold
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    r#type: &'static str,
    id: &'a str,
    market: &'a str,
    form: &'a str,
    published_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_estimated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amends: Option<AmendsText<'a>>,
    issuer: IssuerText<'a>,
    insiders: Vec<Insider<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<bool>,
    transactions: Vec<Transaction<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    footnotes: Vec<Footnote<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remarks: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AmendsText<'a> {
    Id(&'a str),
    Filed { filed_on: Date },
    Unnamed(bool),
}

#[derive(Serialize)]
struct IssuerText<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isin: Option<&'a str>,
}

#[derive(Serialize)]
struct Insider<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    director: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    officer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ten_percent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_to: Option<&'a str>,
}

#[derive(Serialize)]
struct Footnote<'a> {
    id: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Transaction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    holding: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acquired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    derivative: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    venue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares_after: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_after: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direct: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_through: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exercise_price: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exercisable: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    underlying: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    underlying_shares: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footnote_ids: Option<&'a [String]>,
}

/// What is false goes without saying.
fn flag(is: bool) -> Option<bool> {
    is.then_some(true)
}

fn exact(number: Option<Decimal>) -> Option<Exact> {
    number.map(Exact)
}

fn moment(time: Time) -> String {
    Timestamp::from_microsecond(time.0).map_or_else(|_| time.to_string(), |stamp| stamp.to_string())
}

impl<'a> Line<'a> {
    fn of(filing: &'a Filing) -> Self {
        Line {
            v: 1,
            r#type: "declaration",
            id: &filing.id.0,
            market: &filing.market,
            form: &filing.form,
            published_at: moment(filing.published_at),
            published_estimated: flag(filing.published_estimated),
            status: match filing.status {
                Status::Current => None,
                Status::Revised => Some("revised"),
                Status::Cancelled => Some("cancelled"),
            },
            amends: filing.amends.as_ref().map(|amends| match amends {
                Amends::Filing(id) => AmendsText::Id(&id.0),
                Amends::FiledOn(day) => AmendsText::Filed { filed_on: *day },
                Amends::Unnamed => AmendsText::Unnamed(true),
            }),
            issuer: IssuerText {
                id: filing.issuer.id.as_deref(),
                name: &filing.issuer.name,
                symbol: filing.issuer.symbol.as_deref(),
                isin: filing.issuer.isin.as_deref(),
            },
            insiders: filing.owners.iter().map(Insider::of).collect(),
            period: filing.period,
            plan: filing.plan,
            transactions: filing.rows.iter().map(Transaction::of).collect(),
            footnotes: filing
                .footnotes
                .iter()
                .map(|note| Footnote {
                    id: &note.id,
                    text: &note.text,
                })
                .collect(),
            remarks: filing.remarks.as_deref(),
            url: filing.url.as_deref(),
        }
    }
}

impl<'a> Insider<'a> {
    fn of(owner: &'a Owner) -> Self {
        Insider {
            id: owner.id.as_deref(),
            name: &owner.name,
            function: owner.title.as_deref(),
            director: flag(owner.director),
            officer: flag(owner.officer),
            ten_percent: flag(owner.ten_percent),
            other: flag(owner.other),
            close_to: owner.close_to.as_deref(),
        }
    }
}

impl<'a> Transaction<'a> {
    fn of(row: &'a Row) -> Self {
        let derived = row.derived.as_ref();
        let implied = row.code.as_ref().and_then(acquires);
        Transaction {
            holding: flag(row.code.is_none()),
            code: row.code.as_ref().map(|code| &*code.0),
            nature: row.nature.as_deref(),
            acquired: row.acquired.filter(|acquired| implied != Some(*acquired)),
            derivative: flag(row.derivative),
            instrument: Some(&*row.security).filter(|security| !security.is_empty()),
            isin: row.isin.as_deref(),
            date: row.date,
            shares: exact(row.shares),
            price: exact(row.price),
            amount: exact(row.value),
            currency: row.currency.as_deref(),
            venue: row.venue.as_deref(),
            shares_after: exact(row.shares_after),
            amount_after: exact(row.value_after),
            direct: row.direct,
            held_through: row.held_through.as_deref(),
            exercise_price: derived.and_then(|derived| exact(derived.exercise_price)),
            exercisable: derived.and_then(|derived| derived.exercisable),
            expires: derived.and_then(|derived| derived.expires),
            underlying: derived.and_then(|derived| derived.underlying.as_deref()),
            underlying_shares: derived.and_then(|derived| exact(derived.underlying_shares)),
            footnote_ids: Some(&*row.footnotes).filter(|ids| !ids.is_empty()),
        }
    }
}
