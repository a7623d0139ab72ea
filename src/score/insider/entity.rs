//! A declaration as the API and the stream write it, in the parts that are kept apart: what is filed, and what the score says of it.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::model::{
    filing::{Filing, Owner, Row},
    money::Exact,
    name::slug,
    time::Time,
};

use super::{
    audit::{Assessment, Band, SCORE_VERSION},
    declaration::{BEYOND, is_beyond},
    record::{DeclarationRecord, Direction, Totals, Unscored, Verdict},
};

/// The principal insider of a declaration, as it is found in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insider<'a> {
    /// The name.
    pub name: &'a str,
    /// The slug.
    pub slug: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    amf_id: &'a str,
    pub_date: Time,
    transaction_date: Option<jiff::civil::Date>,
    pdf_url: Option<&'a str>,
}

#[derive(Serialize)]
struct InsiderJson<'a> {
    name: &'a str,
    slug: &'a str,
    function: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction<'a> {
    nature: Option<&'a str>,
    instrument: Option<&'a str>,
    isin: Option<&'a str>,
    unit_price: Option<Exact>,
    volume: Option<Exact>,
    total_amount: Option<Exact>,
    amount: Option<Exact>,
    currency: &'a str,
    venue: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowJson<'a> {
    code: Option<&'a str>,
    acquired_disposed: Option<&'static str>,
    date: Option<jiff::civil::Date>,
    security: Option<&'a str>,
    shares: Option<Exact>,
    price: Option<Exact>,
    shares_after: Option<Exact>,
    ownership: Option<&'static str>,
    derivative: bool,
    suspect: bool,
    suspect_reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerJson<'a> {
    id: Option<&'a str>,
    name: &'a str,
    director: bool,
    officer: bool,
    ten_percent_owner: bool,
    other: bool,
    title: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    published_estimated: bool,
    form: &'a str,
    insider: InsiderJson<'a>,
    transaction: Transaction<'a>,
    direction: Option<&'static str>,
    transactions: Vec<RowJson<'a>>,
    owners: Vec<OwnerJson<'a>>,
}

/// The signal of a declaration; of one without a score, why it has none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signal<'a> {
    score: Option<Exact>,
    band: Option<&'static str>,
    score_version: &'static str,
    pct_of_market_cap: Option<Exact>,
    pct_of_insider_flow: Option<Exact>,
    insider_cum_net: Option<Exact>,
    is_cluster: bool,
    scored_at: Option<Time>,
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<&'a str>,
}

/// JSON that cannot be written: a decimal or text that serde refuses, which the types here exclude.
pub type Written = Result<String, serde_json::Error>;

/// `{"amfId":…,"pdfUrl":…`: an object still open, for the company to follow.
pub fn head(record: &DeclarationRecord, filing: &Filing) -> Written {
    let mut text = serde_json::to_string(&Head {
        amf_id: &record.amf_id,
        pub_date: record.published_at,
        transaction_date: record.filed.transaction_date,
        pdf_url: filing.url.as_deref(),
    })?;
    text.pop();
    Ok(text)
}

/// What counts, where something does; else what was filed. Of what cannot be, only the day is worth telling: its sums would stand in lists
/// above all that is true.
#[must_use]
pub fn totals<'a>(
    record: &'a DeclarationRecord,
    assessment: Option<&'a Assessment>,
) -> Cow<'a, Totals> {
    let Some(assessment) = assessment else {
        return Cow::Borrowed(&record.filed);
    };
    let counting = &assessment.totals;
    if counting.volume.is_some() || counting.amount.is_some() {
        return Cow::Borrowed(counting);
    }
    match assessment.outcome {
        Err(Unscored::Suspect) => Cow::Owned(Totals {
            transaction_date: record.filed.transaction_date,
            ..Totals::default()
        }),
        _ => Cow::Borrowed(&record.filed),
    }
}

/// `"insider":…,"owners":…`: members without braces. `stands`: the direction of a declaration that counts; what it filed is told by its rows.
pub fn rest(
    record: &DeclarationRecord,
    filing: &Filing,
    insider: &Insider<'_>,
    assessment: Option<&Assessment>,
    stands: Option<Direction>,
) -> Written {
    let rows: Vec<(usize, &Row)> = (filing.rows.iter().enumerate())
        .filter(|(_, row)| row.code == record.code)
        .collect();
    let first = rows.first().map(|(_, row)| *row);
    let currency = &record.currency;
    let totals = totals(record, assessment);
    let text = serde_json::to_string(&Rest {
        published_estimated: record.published_estimated,
        form: &filing.form,
        insider: InsiderJson {
            name: insider.name,
            slug: insider.slug,
            function: function(&filing.owners),
        },
        transaction: Transaction {
            nature: first.and_then(|row| row.nature.as_deref()).or_else(|| {
                let code = record.code.as_ref()?;
                nature(&code.0)
            }),
            instrument: first.and_then(|row| said(&row.security)),
            isin: first
                .and_then(|row| row.isin.as_deref())
                .or(filing.issuer.isin.as_deref()),
            unit_price: totals.unit_price.map(Exact),
            volume: totals.volume.map(Exact),
            total_amount: totals.amount.map(Exact),
            amount: totals.amount.map(Exact),
            currency,
            venue: first.and_then(|row| row.venue.as_deref()),
        },
        direction: stands.map(Direction::word),
        transactions: rows
            .iter()
            .map(|(place, row)| row_json(row, verdict(record, assessment, *place)))
            .collect(),
        owners: filing.owners.iter().map(owner_json).collect(),
    })?;
    Ok(text
        .trim_start_matches('{')
        .strip_suffix('}')
        .unwrap_or_default()
        .to_owned())
}

/// The same of a declaration that waits for its first assessment; `number`: its principal insider's.
pub fn pending(record: &DeclarationRecord, filing: &Filing, number: i64) -> Written {
    let name = principal(filing);
    let slug = slug(name, number);
    rest(record, filing, &Insider { name, slug: &slug }, None, None)
}

/// The name of a filing's principal insider.
#[must_use]
pub fn principal(filing: &Filing) -> &str {
    filing.owners.first().map_or("", |owner| &owner.name)
}

/// A text, where there is any.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn verdict(
    record: &DeclarationRecord,
    assessment: Option<&Assessment>,
    place: usize,
) -> Option<Verdict> {
    let at = (record.rows.iter()).position(|trade| trade.row as usize == place)?;
    assessment?.verdicts.get(at).copied()
}

fn row_json(row: &Row, verdict: Option<Verdict>) -> RowJson<'_> {
    let suspicion = match verdict {
        Some(Verdict::Suspect(suspicion)) => Some(suspicion.word()),
        _ => is_beyond(row).then_some(BEYOND),
    };
    RowJson {
        code: row.code.as_ref().map(|code| code.0.as_str()),
        acquired_disposed: row
            .acquired
            .map(|acquired| if acquired { "A" } else { "D" }),
        date: row.date,
        security: said(&row.security),
        shares: row.shares.map(Exact),
        price: row.price.map(Exact),
        shares_after: row.shares_after.map(Exact),
        ownership: row.direct.map(|direct| if direct { "D" } else { "I" }),
        derivative: row.derivative,
        suspect: suspicion.is_some(),
        suspect_reason: suspicion,
    }
}

fn owner_json(owner: &Owner) -> OwnerJson<'_> {
    OwnerJson {
        id: owner.id.as_deref(),
        name: &owner.name,
        director: owner.director,
        officer: owner.officer,
        ten_percent_owner: owner.ten_percent,
        other: owner.other,
        title: owner.title.as_deref(),
    }
}

/// What the principal owner is to the company, in words: the title, else what the form's boxes say.
#[must_use]
pub fn function(owners: &[Owner]) -> Option<String> {
    let owner = owners.first()?;
    if let Some(title) = &owner.title {
        return Some(title.clone());
    }
    let boxes = [
        (owner.director, "Director"),
        (owner.officer, "Officer"),
        (owner.ten_percent, "10% Owner"),
        (owner.other, "Other"),
    ];
    let ticked: Vec<&str> = (boxes.iter())
        .filter_map(|(ticked, word)| ticked.then_some(*word))
        .collect();
    (!ticked.is_empty()).then(|| ticked.join(", "))
}

/// What the SEC's letters mean, in a few words of ours (General Instruction 8 of Form 4 defines them).
fn nature(code: &str) -> Option<&'static str> {
    Some(match code {
        "P" => "Purchase",
        "S" => "Sale",
        "A" => "Grant or award",
        "D" => "Disposition to the issuer",
        "F" => "Shares withheld for tax or exercise price",
        "I" => "Discretionary transaction",
        "M" => "Exercise or conversion (exempt)",
        "C" => "Conversion of a derivative",
        "E" => "Expiration of a short derivative position",
        "H" => "Expiration of a long derivative position",
        "O" => "Exercise of an out-of-the-money derivative",
        "X" => "Exercise of an in-the-money derivative",
        "G" => "Gift",
        "L" => "Small acquisition",
        "W" => "Inheritance",
        "Z" => "Deposit into or withdrawal from a voting trust",
        "J" => "Other acquisition or disposition",
        "K" => "Equity swap",
        "U" => "Tender of shares in a change of control",
        _ => return None,
    })
}

/// The signal object; always one, with a reason where there is no score. What was replaced stands no more, whatever it scored.
pub fn signal(assessment: &Assessment, superseded_by: Option<&str>, scored_at: Time) -> Written {
    let (audit, reason) = match (&assessment.outcome, superseded_by) {
        (_, Some(_)) => (None, Some(Unscored::Superseded.word())),
        (Ok(audit), None) => (Some(audit), None),
        (Err(unscored), None) => (None, Some(unscored.word())),
    };
    serde_json::to_string(&Signal {
        score: audit.map(|audit| Exact(Decimal::new(audit.score.0, 1))),
        band: audit.and_then(|audit| audit.band).map(Band::word),
        score_version: SCORE_VERSION,
        pct_of_market_cap: assessment.pct_of_market_cap.map(Exact),
        pct_of_insider_flow: assessment.pct_of_insider_flow.map(Exact),
        insider_cum_net: assessment.insider_cum_net.map(Exact),
        is_cluster: audit.is_some() && assessment.is_cluster,
        scored_at: audit.map(|_| scored_at),
        reason,
        duplicate_of: assessment.duplicate_of.as_deref(),
        superseded_by,
    })
}
