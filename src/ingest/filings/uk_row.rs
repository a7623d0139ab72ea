//! UK: one row of the file read, with a reason where it cannot be.

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{iso_day, needed, refusal, words};
use crate::{
    ingest::source::{amount, json_reason},
    model::{
        company::ticker,
        dealing::{self, acquires},
        filing::{Code, Row, is_of_the_web},
        time::Time,
    },
};

/// A row of the file.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its ordinal.
    pub line: u64,
    /// Number of the announcement.
    pub announcement: Option<String>,
    /// What the source knows the row by.
    pub fingerprint: String,
    /// The issuer's ticker.
    pub ticker: String,
    /// The issuer's name.
    pub company: Option<String>,
    /// Who dealt.
    pub name: String,
    /// The function, in its own words.
    pub title: Option<String>,
    /// The source's word for the function.
    pub kind: Option<String>,
    /// When it was announced.
    pub told: Told,
    /// Where it is shown.
    pub url: Option<String>,
    /// The dealing.
    pub row: Row,
}

/// When a row says that it was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// To the second.
    Moment(Time),
    /// The day only.
    Day(Date),
    /// It does not say: the day of the dealing stands in.
    Dealt(Date),
}

#[derive(Deserialize)]
struct Line<'a> {
    fingerprint: Option<String>,
    date: Option<String>,
    ticker: Option<String>,
    company: Option<String>,
    director: Option<String>,
    role: Option<String>,
    role_normalized: Option<String>,
    r#type: Option<String>,
    #[serde(borrow)]
    shares: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    url: Option<String>,
    rns_id: Option<String>,
    announced_at: Option<String>,
}

/// Reads a row; `line` is its ordinal.
pub fn held(line: u64, row: &[u8]) -> Result<Held, String> {
    let fields: Line<'_> = serde_json::from_slice(row).map_err(|e| json_reason(&e))?;
    let some = |field, text: &Option<String>| words(field, text.as_deref().unwrap_or(""));
    let day = some("date", &fields.date)?;
    let day = day.map(|day| iso_day("date", &day)).transpose()?;
    let nature = some("type", &fields.r#type)?.ok_or("type: missing")?;
    let code = code(&nature);
    let (shares, price) = (
        amount("shares", fields.shares)?,
        amount("price", fields.price)?,
    );
    // the source's own product: said only where it cannot be had from the other two
    let value = match (shares, price) {
        (Some(_), Some(_)) => None,
        _ => amount("value", fields.value)?,
    };
    if (shares, price, value) == (None, None, None) {
        return Err("shares: missing, and so are price and value".into());
    }
    let (name, aside) = person(&needed(
        "director",
        fields.director.as_deref().unwrap_or(""),
    )?)?;
    let title = some("role", &fields.role)?;
    Ok(Held {
        line,
        announcement: some("rns_id", &fields.rns_id)?
            .map(|id| id_part("rns_id", id))
            .transpose()?,
        fingerprint: id_part(
            "fingerprint",
            needed("fingerprint", fields.fingerprint.as_deref().unwrap_or(""))?,
        )?,
        // some rows of a company have the point of `BP.`, and some have not
        ticker: ticker(&needed("ticker", fields.ticker.as_deref().unwrap_or(""))?).to_owned(),
        company: some("company", &fields.company)?.filter(|name| names_a_company(name)),
        name,
        title: title.or(aside),
        kind: some("role_normalized", &fields.role_normalized)?,
        told: told(some("announced_at", &fields.announced_at)?, day)?,
        url: some("url", &fields.url)?.filter(|url| is_of_the_web(url)),
        row: Row {
            acquired: direction(&code, &nature),
            code: Some(code),
            nature: Some(nature),
            date: day,
            shares,
            price,
            value,
            currency: Some("GBP".into()),
            ..Row::default()
        },
    })
}

fn code(nature: &str) -> Code {
    match nature {
        "BUY" => Code::purchase(),
        "SELL" => Code::sale(),
        other => dealing::code(&other.to_lowercase()).unwrap_or_else(|| Code("other".into())),
    }
}

/// Options that are exercised bring shares in.
fn direction(code: &Code, nature: &str) -> Option<bool> {
    acquires(code).or_else(|| (nature == "EXERCISE").then_some(true))
}

fn id_part(field: &str, text: String) -> Result<String, String> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && text.len() <= 64 {
        Ok(text)
    } else {
        Err(refusal(field, &text, "not of letters, digits and dashes"))
    }
}

/// The announcement's moment. Midnight is how this source spells a day without an hour: no news is released then.
fn told(announced: Option<String>, dealt: Option<Date>) -> Result<Told, String> {
    const FIELD: &str = "announced_at";
    let Some(text) = announced else {
        let day = dealt.ok_or("date: missing, and so is announced_at")?;
        return within_reach("date", day).map(Told::Dealt);
    };
    let day = text.strip_suffix("T00:00:00Z").unwrap_or(&text);
    if day.len() == 10 {
        let day = iso_day(FIELD, day)?;
        return within_reach(FIELD, day).map(Told::Day);
    }
    let moment = Time::parse_iso(&text).map_err(|e| format!("{FIELD}: {e}"))?;
    Ok(Told::Moment(moment))
}

/// A day whose end is a moment that filings may have.
fn within_reach(field: &str, day: Date) -> Result<Date, String> {
    if (1993..2200).contains(&day.year()) {
        Ok(day)
    } else {
        Err(refusal(field, &day.to_string(), "out of range"))
    }
}

/// What the form's headings leave behind where a name should be.
fn names_a_company(text: &str) -> bool {
    let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
    let heading = text.to_lowercase().starts_with("pdmr");
    text.starts_with(char::is_alphanumeric) && letters > 2 && !heading
}

/// A director's name without what the form says around it, and a role that stood in brackets behind it.
fn person(text: &str) -> Result<(String, Option<String>), String> {
    const ABOUT: &str = "THIS NOTIFICATION RELATES TO ";
    let mut name = text.strip_prefix(ABOUT).unwrap_or(text).trim();
    let mut aside = None;
    if let Some((before, inner)) = name.rsplit_once('(')
        && let Some(inner) = inner.strip_suffix(')')
    {
        let lower = inner.to_lowercase();
        if ["pca", "pdmr", "director"]
            .iter()
            .any(|word| lower.starts_with(word))
        {
            name = before.trim();
            aside = Some(inner.trim().to_owned());
        }
    }
    let name = name.trim_end_matches([' ', '*', ',', ';']);
    let heading = ["position / status", "name", "reason for the notification"];
    if !name.chars().any(char::is_alphabetic) || heading.contains(&&*name.to_lowercase()) {
        return Err(refusal("director", text, "a heading of the form, no name"));
    }
    Ok((name.to_owned(), aside))
}
