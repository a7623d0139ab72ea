//! Invented filings and their submissions, spelled in many ways, for tests.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::values;
use crate::model::filing::{
    Amends, Code, Derived, Filing, FilingId, Footnote, Issuer, Mark, Owner, Row, Status,
};

/// A filing and what a submission says of it beside.
#[derive(Clone, Debug)]
pub struct Case {
    pub filing: Filing,
    accepted: Option<DateTime>,
    signed: Date,
    spelling: Spelling,
}

/// Ways to write the same.
#[derive(Clone, Copy, Debug)]
struct Spelling {
    yes: &'static str,
    no: &'static str,
    zone: &'static str,
    cdata: bool,
    crlf: bool,
    declared: bool,
    pad: bool,
}

impl Spelling {
    fn flag(self, flag: bool) -> &'static str {
        if flag { self.yes } else { self.no }
    }

    fn text(self, text: &str) -> String {
        if self.cdata && !text.contains("]]>") {
            return format!("<![CDATA[{text}]]>");
        }
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&#62;")
            .replace('"', "&#x22;")
    }
}

/// Writes the submission of a case.
pub fn write(case: &Case) -> String {
    let (filing, spelling) = (&case.filing, case.spelling);
    let mut out = String::new();
    if let Some(accepted) = case.accepted {
        let accession = filing.id.0.trim_start_matches("SEC:");
        let stamp = accepted.strftime("%Y%m%d%H%M%S");
        let _ = write!(
            out,
            "<SEC-DOCUMENT>{accession}.txt\n<ACCEPTANCE-DATETIME>{stamp}\nACCESSION NUMBER:\t\t{accession}\n<XML>\n"
        );
    }
    if spelling.declared {
        out.push_str("<?xml version=\"1.0\"?>\n<!-- a <form> -->");
    }
    out.push_str("<ownershipDocument>\n");
    leaf(&mut out, "schemaVersion", "X0508");
    leaf(&mut out, "documentType", &filing.form);
    if let Some(period) = filing.period {
        leaf(
            &mut out,
            "periodOfReport",
            &format!("{period}{}", spelling.zone),
        );
    }
    if let Some(Amends::FiledOn(day)) = &filing.amends {
        leaf(&mut out, "dateOfOriginalSubmission", &day.to_string());
    }
    write_people(&mut out, filing, spelling);
    if let Some(plan) = filing.plan {
        leaf(&mut out, "aff10b5One", spelling.flag(plan));
    }
    for row in &filing.rows {
        write_row(&mut out, row, spelling);
    }
    out.push_str("<footnotes>");
    for footnote in &filing.footnotes {
        let text = spelling.text(&footnote.text);
        let _ = write!(out, "<footnote id=\"{}\">{text}</footnote>", footnote.id);
    }
    out.push_str("</footnotes>");
    if let Some(remarks) = &filing.remarks {
        leaf(&mut out, "remarks", &spelling.text(remarks));
    }
    let _ = write!(
        out,
        "<ownerSignature><signatureDate>{}</signatureDate></ownerSignature>\n</ownershipDocument>",
        case.signed
    );
    if case.accepted.is_some() {
        out.push_str("\n</XML>\n<DOCUMENT>\n<TYPE>EX-24\n<TEXT>an exhibit & <more>\n");
    }
    if spelling.crlf {
        out = out.replace('\n', "\r\n");
    }
    out
}

fn leaf(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "<{name}>{text}</{name}>");
}

fn write_people(out: &mut String, filing: &Filing, spelling: Spelling) {
    out.push_str("<issuer>");
    leaf(
        out,
        "issuerCik",
        filing.issuer.id.as_deref().unwrap_or_default(),
    );
    leaf(out, "issuerName", &spelling.text(&filing.issuer.name));
    leaf(
        out,
        "issuerTradingSymbol",
        filing.issuer.symbol.as_deref().unwrap_or("none"),
    );
    out.push_str("</issuer>");
    for owner in &filing.owners {
        out.push_str("<reportingOwner><reportingOwnerId>");
        let cik = owner.id.as_deref().unwrap_or_default();
        leaf(
            out,
            "rptOwnerCik",
            if spelling.pad {
                cik
            } else {
                cik.trim_start_matches('0')
            },
        );
        leaf(out, "rptOwnerName", &spelling.text(&owner.name));
        out.push_str("</reportingOwnerId><reportingOwnerRelationship>");
        leaf(out, "isDirector", spelling.flag(owner.director));
        leaf(out, "isOfficer", spelling.flag(owner.officer));
        leaf(out, "isTenPercentOwner", spelling.flag(owner.ten_percent));
        leaf(out, "isOther", spelling.flag(owner.other));
        let title = if owner.officer {
            "officerTitle"
        } else {
            "otherText"
        };
        leaf(
            out,
            title,
            &spelling.text(owner.title.as_deref().unwrap_or_default()),
        );
        out.push_str("</reportingOwnerRelationship></reportingOwner>\n");
    }
}

fn write_row(out: &mut String, row: &Row, spelling: Spelling) {
    let kind = match (row.derivative, row.code.is_some()) {
        (false, true) => "nonDerivativeTransaction",
        (false, false) => "nonDerivativeHolding",
        (true, true) => "derivativeTransaction",
        (true, false) => "derivativeHolding",
    };
    let _ = write!(out, "<{kind}>");
    let value = |out: &mut String, name: &str, text: Option<String>| {
        let marks = row.marks.iter().filter(|mark| mark.field == name);
        let marks: String = marks
            .map(|mark| format!("<footnoteId id=\"{}\"/>", mark.footnote))
            .collect();
        match text {
            Some(text) => leaf(out, name, &format!("\n<value>{text}</value>{marks}")),
            None => leaf(out, name, &marks),
        }
    };
    let number = |number: Option<Decimal>| number.map(|n| n.to_string());
    let day = |day: Option<Date>| day.map(|day| format!("{day}{}", spelling.zone));
    let either =
        |flag: Option<bool>, yes: &str, no: &str| flag.map(|f| if f { yes } else { no }.to_owned());
    value(out, "securityTitle", Some(spelling.text(&row.security)));
    value(out, "transactionDate", day(row.date));
    if let Some(code) = &row.code {
        out.push_str("<transactionCoding>");
        leaf(out, "transactionCode", &code.0);
        out.push_str("</transactionCoding>");
    }
    value(out, "transactionShares", number(row.shares));
    value(out, "transactionPricePerShare", number(row.price));
    value(out, "transactionTotalValue", number(row.value));
    value(
        out,
        "transactionAcquiredDisposedCode",
        either(row.acquired, "A", "D"),
    );
    value(
        out,
        "sharesOwnedFollowingTransaction",
        number(row.shares_after),
    );
    value(
        out,
        "valueOwnedFollowingTransaction",
        number(row.value_after),
    );
    value(
        out,
        "directOrIndirectOwnership",
        either(row.direct, "D", "I"),
    );
    value(
        out,
        "natureOfOwnership",
        row.held_through.as_deref().map(|text| spelling.text(text)),
    );
    if let Some(derived) = &row.derived {
        value(
            out,
            "conversionOrExercisePrice",
            number(derived.exercise_price),
        );
        value(out, "exerciseDate", day(derived.exercisable));
        value(out, "expirationDate", day(derived.expires));
        value(
            out,
            "underlyingSecurityTitle",
            derived
                .underlying
                .as_deref()
                .map(|text| spelling.text(text)),
        );
        value(
            out,
            "underlyingSecurityShares",
            number(derived.underlying_shares),
        );
    }
    let _ = write!(out, "</{kind}>");
}

fn words() -> impl Strategy<Value = String> {
    // letters that XML must escape, letters beyond ASCII, and none that is cleaned away
    "[A-Za-z0-9&<>\"'é’€./\\\\;#-]{1,12}( [A-Za-z0-9&<>\"'é’€./\\\\;#-]{1,12}){0,3}"
}

fn number() -> impl Strategy<Value = Decimal> {
    (0_i64..99_999_999_999_999, 0_u32..12).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn a_day() -> impl Strategy<Value = Date> {
    (1996_i16..2060, 1_i8..13, 1_i8..29).prop_map(|(year, month, day)| date(year, month, day))
}

fn cik() -> impl Strategy<Value = String> {
    (1_u64..9_999_999_999).prop_map(|number| format!("{number:010}"))
}

fn owner() -> impl Strategy<Value = Owner> {
    let relations = any::<[bool; 4]>();
    let id = proptest::option::of(cik());
    let title = proptest::option::of(words());
    (id, words(), relations, title).prop_map(|(id, name, relations, title)| Owner {
        id,
        name,
        director: relations[0],
        officer: relations[1],
        ten_percent: relations[2],
        other: relations[3],
        title,
        close_to: None,
    })
}

fn derived() -> impl Strategy<Value = Derived> {
    use proptest::option::of;
    (
        of(number()),
        of(a_day()),
        of(a_day()),
        of(words()),
        of(number()),
    )
        .prop_map(
            |(exercise_price, exercisable, expires, underlying, underlying_shares)| Derived {
                exercise_price,
                exercisable,
                expires,
                underlying,
                underlying_shares,
            },
        )
}

/// Ids of footnotes at some fields, in the order in which the writer writes the fields.
fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let fields = [
        "securityTitle",
        "transactionDate",
        "transactionPricePerShare",
        "sharesOwnedFollowingTransaction",
        "natureOfOwnership",
    ];
    let mark = |(field, id): (&str, Option<u8>)| {
        id.map(|id| Mark {
            field: field.into(),
            footnote: format!("F{id}"),
        })
    };
    proptest::array::uniform5(proptest::option::of(1_u8..4))
        .prop_map(move |ids| fields.into_iter().zip(ids).filter_map(mark).collect())
}

fn row() -> impl Strategy<Value = Row> {
    use proptest::option::of;
    let coded = of("[A-Z]".prop_map(Code));
    let numbers = (
        of(number()),
        of(number()),
        of(number()),
        of(number()),
        of(number()),
    );
    let flags = (of(any::<bool>()), of(any::<bool>()));
    let texts = (words(), of(words()));
    (
        coded,
        numbers,
        flags,
        texts,
        of(a_day()),
        of(derived()),
        marks(),
    )
        .prop_map(
            |(
                code,
                (shares, price, value, shares_after, value_after),
                flags,
                texts,
                date,
                derived,
                marks,
            )| {
                let mut footnotes: Vec<String> = Vec::new();
                for mark in &marks {
                    if !footnotes.contains(&mark.footnote) {
                        footnotes.push(mark.footnote.clone());
                    }
                }
                let exercise_price = derived.as_ref().and_then(|d| d.exercise_price);
                let money = [price, value, value_after, exercise_price];
                Row {
                    derivative: derived.is_some(),
                    currency: money.iter().any(Option::is_some).then(|| "USD".into()),
                    acquired: flags.0,
                    direct: flags.1,
                    security: texts.0,
                    held_through: texts.1,
                    code,
                    date,
                    shares,
                    price,
                    value,
                    shares_after,
                    value_after,
                    derived,
                    footnotes,
                    marks,
                    ..Row::default()
                }
            },
        )
}

fn spelling() -> impl Strategy<Value = Spelling> {
    let flags = prop_oneof![
        Just(("1", "0")),
        Just(("true", "false")),
        Just(("Y", "")),
        Just((" TRUE ", "no"))
    ];
    let zone = prop_oneof![Just(""), Just("-05:00"), Just("Z")];
    (flags, zone, any::<[bool; 4]>()).prop_map(|((yes, no), zone, [cdata, crlf, declared, pad])| {
        Spelling {
            yes,
            no,
            zone,
            cdata,
            crlf,
            declared,
            pad,
        }
    })
}

prop_compose! {
    pub fn case()(
        form in prop_oneof![Just("3"), Just("4"), Just("5"), Just("4/A"), Just("3/A"), Just("5/A")],
        period in proptest::option::of(a_day()),
        (signed, original) in (a_day(), proptest::option::of(a_day())),
        (issuer_id, issuer_name) in (cik(), words()),
        symbol in proptest::option::of("[B-M][A-Z]{0,3}"),
        owners in prop::collection::vec(owner(), 1..4),
        plan in proptest::option::of(any::<bool>()),
        rows in prop::collection::vec(row(), 0..5),
        notes in prop::collection::vec(words(), 0..4),
        remarks in proptest::option::of(words()),
        accepted in proptest::option::of((a_day(), 0_i8..24, 0_i8..60)),
        serial in 0_u64..999_999_999_999_999_999,
        spelling in spelling(),
    ) -> Case {
        let accepted = accepted.map(|(day, hour, minute)| day.at(hour, minute, 7, 0));
        let accession = values::accession(&format!("{serial:018}")).unwrap();
        // with an empty word for "no" the box says nothing
        let plan = plan.filter(|&plan| plan || !spelling.no.is_empty());
        let filing = Filing {
            id: FilingId(format!("SEC:{accession}")),
            market: "us".into(),
            published_at: accepted.map_or_else(|| values::end_of_day(signed), values::eastern).unwrap(),
            published_estimated: accepted.is_none(),
            status: Status::Current,
            amends: form.ends_with("/A").then(|| original.map_or(Amends::Unnamed, Amends::FiledOn)),
            form: form.into(),
            url: Some(format!(
                "https://www.sec.gov/Archives/edgar/data/{}/{}/{accession}.txt",
                issuer_id.trim_start_matches('0'),
                accession.replace('-', ""),
            )),
            issuer: Issuer { id: Some(issuer_id), name: issuer_name, symbol, isin: None },
            owners,
            period,
            plan,
            rows,
            footnotes: notes
                .into_iter()
                .enumerate()
                .map(|(n, text)| Footnote { id: format!("F{}", n + 1), text })
                .collect(),
            remarks,
        };
        Case { filing, accepted, signed, spelling }
    }
}
