//! The NDJSON line of a declaration, from any regulator's adapter, read as a filing with a reason for every refusal.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use super::filing_text::write;
use super::{
    dealing,
    filing::{
        Amends, Code, Derived, Filing, FilingId, Footnote, Issuer, MAX_ID_BYTES, Owner,
        Row as FiledRow, Status, is_of_the_web,
    },
    line_field::{
        LineError, MAX_LINE_BYTES, Raw, boolean, given, json_reason, missing, number, short,
        text_of, time,
    },
    market::Market,
    time::Time,
};

/// Insiders of one filing, at most.
const MAX_INSIDERS: usize = 200;
/// Transactions and holdings of one filing, at most.
const MAX_TRANSACTIONS: usize = 2_000;
/// Footnotes of one filing, at most.
const MAX_FOOTNOTES: usize = 2_000;
/// Bytes of remarks and of a footnote, at most.
const MAX_PROSE: usize = 65_536;

/// Declares a line's fields, all unread: one pass over the line, unknown fields ignored.
macro_rules! fields {
    ($name:ident: $($field:ident),+ $(,)?) => {
        #[derive(Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow, default)] $field: Raw<'a>,)+
        }
    };
}

fields!(Line: v, r#type, id, market, form, published_at, published_estimated, status, amends, issuer, insider, insiders,
    period, plan, transactions, footnotes, remarks, url);
fields!(IssuerFields: id, name, symbol, isin);
fields!(InsiderFields: id, name, function, director, officer, ten_percent, other, close_to);
fields!(RowFields: holding, code, nature, acquired, derivative, instrument, isin, date, shares, price, amount, currency, venue,
    shares_after, amount_after, direct, held_through, exercise_price, exercisable, expires, underlying, underlying_shares,
    footnote_ids);
fields!(FootnoteFields: id, text);
fields!(AmendsFields: filed_on);

/// Reads one line. The market that it names must be one of `markets`, and its id spelled as that market's are. Never panics,
/// whatever the bytes.
pub fn parse(line: &[u8], markets: &[Market]) -> Result<Filing, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError(format!("longer than {MAX_LINE_BYTES} bytes")));
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError("not UTF-8".into()))?;
    if !text.trim_start().starts_with('{') {
        return Err(LineError("not a JSON object".into()));
    }
    let line: Line<'_> = serde_json::from_str(text).map_err(|e| LineError(json_reason(&e)))?;
    if let Some(version) = given(line.v)
        && version.get() != "1"
    {
        let shown = short(version);
        return Err(LineError(format!(
            "v: {shown} is not a known version; this is 1"
        )));
    }
    match words("type", line.r#type)?.as_deref() {
        Some("declaration") => {}
        Some(other) => return Err(wrong("type", other, "not `declaration`")),
        None => return Err(missing("type")),
    }
    let market = market(&line, markets)?;
    let (published_at, estimated) = published(line.published_at, market)?;
    Ok(Filing {
        id: id(&line, market)?,
        market: market.code.clone(),
        form: words("form", line.form)?.unwrap_or_else(|| "declaration".into()),
        published_at,
        published_estimated: boolean("published_estimated", line.published_estimated)?
            .unwrap_or(estimated),
        status: status(line.status)?,
        amends: amends(line.amends)?,
        issuer: issuer(line.issuer)?,
        owners: insiders(&line)?,
        period: day("period", line.period)?,
        plan: boolean("plan", line.plan)?,
        rows: rows(&line, text)?,
        footnotes: footnotes(line.footnotes)?,
        remarks: prose("remarks", line.remarks)?,
        url: words("url", line.url)?.filter(|url| is_of_the_web(url)),
    })
}

fn wrong(field: &str, value: &str, why: &str) -> LineError {
    let shown: String = value.chars().take(40).collect();
    LineError(format!("{field}: `{shown}` is {why}"))
}

/// A text without the blanks around it; an empty one says nothing.
fn words(field: &str, raw: Raw<'_>) -> Result<Option<String>, LineError> {
    let text = text_of(field, raw)?;
    let text = text.as_deref().map(str::trim);
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// A longer text.
fn prose(field: &str, raw: Raw<'_>) -> Result<Option<String>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    let text: String = serde_json::from_str(raw.get())
        .map_err(|_| LineError(format!("{field}: {} is not a text", short(raw))))?;
    if text.len() > MAX_PROSE {
        return Err(LineError(format!("{field}: longer than {MAX_PROSE} bytes")));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn day(field: &str, raw: Raw<'_>) -> Result<Option<Date>, LineError> {
    let Some(text) = words(field, raw)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(day) if text.len() == 10 => Ok(Some(day)),
        _ => Err(wrong(field, &text, "not a day such as 2026-04-24")),
    }
}

fn object<'a, T: Deserialize<'a>>(field: &str, raw: &'a RawValue) -> Result<T, LineError> {
    if !raw.get().starts_with('{') {
        let shown = short(raw);
        return Err(LineError(format!("{field}: {shown} is not a JSON object")));
    }
    serde_json::from_str(raw.get()).map_err(|e| LineError(format!("{field}: {}", json_reason(&e))))
}

fn list<'a>(field: &str, raw: Raw<'a>, most: usize) -> Result<Vec<&'a RawValue>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(Vec::new());
    };
    let all: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| LineError(format!("{field}: {} is not a list", short(raw))))?;
    if all.len() > most {
        let there = all.len();
        return Err(LineError(format!(
            "{field}: {there}, and {most} is the most"
        )));
    }
    Ok(all)
}

fn market<'m>(line: &Line<'_>, markets: &'m [Market]) -> Result<&'m Market, LineError> {
    let code = words("market", line.market)?.ok_or_else(|| missing("market"))?;
    let found = markets.iter().find(|market| market.code == code);
    found.ok_or_else(|| {
        let known: Vec<_> = markets.iter().map(|market| &*market.code).collect();
        let why = format!("not one of {}", known.join(", "));
        wrong("market", &code, &why)
    })
}

/// Ids stand in paths of URLs and in logs: visible letters, and none that a URL gives another meaning.
fn id_text(field: &str, raw: Raw<'_>) -> Result<Option<String>, LineError> {
    let Some(text) = words(field, raw)? else {
        return Ok(None);
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#%\"\\<>".contains(&byte);
    if text.len() > MAX_ID_BYTES || !text.bytes().all(plain) {
        let why =
            format!("not an id of 1 to {MAX_ID_BYTES} visible letters without / ? # % \" \\ < >");
        return Err(wrong(field, &text, &why));
    }
    Ok(Some(text))
}

fn id(line: &Line<'_>, market: &Market) -> Result<FilingId, LineError> {
    let id = id_text("id", line.id)?.ok_or_else(|| missing("id"))?;
    if !market.owns(&id) {
        let spelled = match &*market.prefix {
            "" => "has no colon".to_owned(),
            prefix => format!("begins with `{prefix}:`"),
        };
        let why = format!("no id of market {}, which {spelled}", market.code);
        return Err(wrong("id", &id, &why));
    }
    // a filing of several codes is known as several declarations, `<id>:<code>` each: an id of that kind could be another's
    if let Some((filing, last)) = id.rsplit_once(':')
        && market.owns(filing)
        && dealing::code(last).is_some()
    {
        let why = "not the id of a filing: it ends with a code, as a declaration's does";
        return Err(wrong("id", &id, why));
    }
    Ok(FilingId(id))
}

/// A moment; or a day, whose end in the market's own zone is then the earliest that is certain.
fn published(raw: Raw<'_>, market: &Market) -> Result<(Time, bool), LineError> {
    const FIELD: &str = "published_at";
    if let Ok(Some(day)) = day(FIELD, raw) {
        let zone = market.zone();
        let zone = zone.map_err(|e| LineError(format!("market: {e}")))?;
        let end = zone.end_of_day(day);
        return end
            .map(|end| (end, true))
            .map_err(|e| LineError(format!("{FIELD}: {e}")));
    }
    let time = time(FIELD, raw)?.ok_or_else(|| missing(FIELD))?;
    Ok((time, false))
}

fn status(raw: Raw<'_>) -> Result<Status, LineError> {
    match words("status", raw)?.as_deref() {
        None | Some("current") => Ok(Status::Current),
        Some("revised") => Ok(Status::Revised),
        Some("cancelled") => Ok(Status::Cancelled),
        Some(other) => Err(wrong(
            "status",
            other,
            "not one of current, revised, cancelled",
        )),
    }
}

/// An id, `{"filed_on": day}`, or `true` where it says only that it amends.
fn amends(raw: Raw<'_>) -> Result<Option<Amends>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    match raw.get().as_bytes().first() {
        Some(b'"') => Ok(id_text("amends", Some(raw))?.map(|id| Amends::Filing(FilingId(id)))),
        Some(b'{') => {
            let fields: AmendsFields<'_> = object("amends", raw)?;
            let day = day("amends.filed_on", fields.filed_on)?;
            let day = day.ok_or_else(|| missing("amends.filed_on"))?;
            Ok(Some(Amends::FiledOn(day)))
        }
        _ => Ok(boolean("amends", Some(raw))?
            .unwrap_or(false)
            .then_some(Amends::Unnamed)),
    }
}

/// Two letters of a country, nine letters or digits, a check digit. The check digit itself is not checked: a regulator's typo is kept
/// as filed.
fn isin(field: &str, raw: Raw<'_>) -> Result<Option<String>, LineError> {
    let Some(text) = words(field, raw)? else {
        return Ok(None);
    };
    let country = text
        .bytes()
        .take(2)
        .all(|letter| letter.is_ascii_uppercase());
    let rest = text
        .bytes()
        .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    if text.len() == 12 && country && rest {
        Ok(Some(text))
    } else {
        Err(wrong(field, &text, "not an ISIN"))
    }
}

fn currency(field: &str, raw: Raw<'_>) -> Result<Option<String>, LineError> {
    match words(field, raw)? {
        Some(text) if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) => {
            Err(wrong(field, &text, "not a currency such as EUR"))
        }
        other => Ok(other),
    }
}

fn issuer(raw: Raw<'_>) -> Result<Issuer, LineError> {
    let raw = given(raw).ok_or_else(|| missing("issuer"))?;
    let fields: IssuerFields<'_> = object("issuer", raw)?;
    Ok(Issuer {
        id: id_text("issuer.id", fields.id)?,
        name: words("issuer.name", fields.name)?.ok_or_else(|| missing("issuer.name"))?,
        symbol: words("issuer.symbol", fields.symbol)?,
        isin: isin("issuer.isin", fields.isin)?,
    })
}

fn insiders(line: &Line<'_>) -> Result<Vec<Owner>, LineError> {
    match (given(line.insider), given(line.insiders)) {
        (Some(_), Some(_)) => Err(LineError("insider: given beside insiders".into())),
        (Some(one), None) => Ok(vec![insider("insider", one)?]),
        (None, all) => {
            let all = list("insiders", all, MAX_INSIDERS)?;
            if all.is_empty() {
                return Err(missing("insider"));
            }
            let each = all.into_iter().enumerate();
            each.map(|(n, raw)| insider(&format!("insiders[{n}]"), raw))
                .collect()
        }
    }
}

fn insider(at: &str, raw: &RawValue) -> Result<Owner, LineError> {
    let fields: InsiderFields<'_> = object(at, raw)?;
    let at = |field| format!("{at}.{field}");
    let flag = |field, raw| Ok(boolean(&at(field), raw)?.unwrap_or(false));
    Ok(Owner {
        id: id_text(&at("id"), fields.id)?,
        name: words(&at("name"), fields.name)?.ok_or_else(|| missing(&at("name")))?,
        director: flag("director", fields.director)?,
        officer: flag("officer", fields.officer)?,
        ten_percent: flag("ten_percent", fields.ten_percent)?,
        other: flag("other", fields.other)?,
        title: words(&at("function"), fields.function)?,
        close_to: words(&at("close_to"), fields.close_to)?,
    })
}

/// One transaction written into the line itself, or a list of them.
fn rows(line: &Line<'_>, text: &str) -> Result<Vec<FiledRow>, LineError> {
    let flat: RowFields<'_> = serde_json::from_str(text).map_err(|e| LineError(json_reason(&e)))?;
    let Some(raw) = given(line.transactions) else {
        return Ok(vec![row("", &flat)?]);
    };
    if let Some(field) = flat.first_given() {
        return Err(LineError(format!("{field}: given beside transactions")));
    }
    let all = list("transactions", Some(raw), MAX_TRANSACTIONS)?;
    if all.is_empty() {
        return Err(LineError("transactions: none".into()));
    }
    let each = all.into_iter().enumerate();
    each.map(|(n, raw)| {
        let at = format!("transactions[{n}]");
        row(&format!("{at}."), &object::<RowFields<'_>>(&at, raw)?)
    })
    .collect()
}

impl RowFields<'_> {
    /// What in a line says that it is a transaction itself. Notes may stand beside a list: they name the footnotes of the whole.
    fn first_given(&self) -> Option<&'static str> {
        let fields = [
            ("code", self.code),
            ("nature", self.nature),
            ("date", self.date),
            ("shares", self.shares),
            ("price", self.price),
            ("amount", self.amount),
        ];
        let first = fields.iter().find(|(_, raw)| given(*raw).is_some());
        first.map(|(field, _)| *field)
    }
}

fn row(at: &str, fields: &RowFields<'_>) -> Result<FiledRow, LineError> {
    let at = |field| format!("{at}{field}");
    let text = |field, raw| words(&at(field), raw);
    let count =
        |field, raw: Raw<'_>| -> Result<Option<Decimal>, LineError> { number(&at(field), raw) };
    let nature = text("nature", fields.nature)?;
    let code = code(&at, fields, nature.as_deref())?;
    let implied = code.as_ref().and_then(dealing::acquires);
    let derived = Derived {
        exercise_price: count("exercise_price", fields.exercise_price)?,
        exercisable: day(&at("exercisable"), fields.exercisable)?,
        expires: day(&at("expires"), fields.expires)?,
        underlying: text("underlying", fields.underlying)?,
        underlying_shares: count("underlying_shares", fields.underlying_shares)?,
    };
    let notes = list(&at("footnote_ids"), fields.footnote_ids, MAX_FOOTNOTES)?;
    let note = |raw| words(&at("footnote_ids"), Some(raw)).map(Option::unwrap_or_default);
    Ok(FiledRow {
        code,
        derivative: boolean(&at("derivative"), fields.derivative)?.unwrap_or(false),
        security: text("instrument", fields.instrument)?.unwrap_or_default(),
        isin: isin(&at("isin"), fields.isin)?,
        nature,
        date: day(&at("date"), fields.date)?,
        acquired: boolean(&at("acquired"), fields.acquired)?.or(implied),
        shares: count("shares", fields.shares)?,
        price: count("price", fields.price)?,
        value: count("amount", fields.amount)?,
        shares_after: count("shares_after", fields.shares_after)?,
        value_after: count("amount_after", fields.amount_after)?,
        direct: boolean(&at("direct"), fields.direct)?,
        held_through: text("held_through", fields.held_through)?,
        currency: currency(&at("currency"), fields.currency)?,
        venue: text("venue", fields.venue)?,
        derived: (derived != Derived::default()).then_some(derived),
        footnotes: notes.into_iter().map(note).collect::<Result<_, _>>()?,
        // a line has neither: a number that cannot be read refuses it
        marks: Vec::new(),
        flaws: Vec::new(),
    })
}

/// The code itself, or that of the nature; a row of neither must say that it is a holding.
fn code(
    at: &impl Fn(&'static str) -> String,
    fields: &RowFields<'_>,
    nature: Option<&str>,
) -> Result<Option<Code>, LineError> {
    let given_code = words(&at("code"), fields.code)?;
    let holding = boolean(&at("holding"), fields.holding)?.unwrap_or(false);
    match (given_code, nature, holding) {
        (Some(_), _, true) => Err(LineError(format!("{}: true beside a code", at("holding")))),
        (None, _, true) => Ok(None),
        (Some(text), ..) => dealing::code(&text).map(Some).ok_or_else(|| {
            let why = format!(
                "neither a letter of the SEC's nor one of {}",
                dealing::code_words()
            );
            wrong(&at("code"), &text, &why)
        }),
        (None, Some(nature), false) => dealing::of_nature(nature).map(Some).ok_or_else(|| {
            let why = "not known word for word: give the code beside it";
            wrong(&at("nature"), nature, why)
        }),
        (None, None, false) => Err(missing(&at("code"))),
    }
}

fn footnotes(raw: Raw<'_>) -> Result<Vec<Footnote>, LineError> {
    let all = list("footnotes", raw, MAX_FOOTNOTES)?;
    let each = all.into_iter().enumerate();
    each.map(|(n, raw)| {
        let at = format!("footnotes[{n}]");
        let fields: FootnoteFields<'_> = object(&at, raw)?;
        let id = words(&format!("{at}.id"), fields.id)?;
        Ok(Footnote {
            id: id.ok_or_else(|| missing(&format!("{at}.id")))?,
            text: prose(&format!("{at}.text"), fields.text)?.unwrap_or_default(),
        })
    })
    .collect()
}
