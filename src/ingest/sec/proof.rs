//! What reading ownership documents promises, checked: any bytes, any cut, any filing, and each quirk by itself.

use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    parse::{self, parse},
    rejection::Rejection,
    specimen::{case, write},
};
use crate::model::filing::{Amends, Code, Filing};

proptest! {
    #[test]
    fn what_is_written_is_read(case in case()) {
        let text = write(&case);
        let path = format!("{}.xml", case.filing.id.0.trim_start_matches("SEC:"));
        prop_assert_eq!(parse(text.as_bytes(), Some(&path)), Ok(case.filing), "{}", text);
    }

    #[test]
    fn a_cut_gives_an_error_or_the_same(case in case(), at in any::<prop::sample::Index>()) {
        let text = write(&case);
        let path = format!("{}.xml", case.filing.id.0.trim_start_matches("SEC:"));
        let cut = &text.as_bytes()[..at.index(text.len())];
        if let Ok(filing) = parse(cut, Some(&path)) {
            prop_assert_eq!(filing, case.filing);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), path in ".{0,40}") {
        let _ = parse(&bytes, Some(&path));
    }

    /// Pieces of documents in any order come nearer to the parser's inside than bytes do.
    #[test]
    fn no_heap_of_pieces_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        strange in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut bytes = b"<ownershipDocument>".to_vec();
        for piece in pieces {
            bytes.extend_from_slice(piece.as_bytes());
            bytes.extend_from_slice(&strange);
        }
        bytes.extend_from_slice(b"</ownershipDocument>");
        if let Err(why) = parse(&bytes, None) {
            prop_assert!(why.to_string().len() < 300);
        }
    }
}

const PIECES: [&str; 34] = [
    "<issuer>",
    "</issuer>",
    "<issuerCik>1</issuerCik>",
    "<issuerName>A</issuerName>",
    "<reportingOwner>",
    "</reportingOwner>",
    "<rptOwnerName>B</rptOwnerName>",
    "<documentType>4</documentType>",
    "<signatureDate>2024-01-02</signatureDate>",
    "<nonDerivativeTransaction>",
    "</nonDerivativeTransaction>",
    "<derivativeHolding>",
    "</derivativeHolding>",
    "<derivativeHolding/>",
    "<transactionShares>",
    "</transactionShares>",
    "<value>",
    "</value>",
    "<value/>",
    "12.5",
    "-",
    "1e999",
    "&amp;",
    "&#0;",
    "&#xD800;",
    "&#99999999;",
    "&lol;",
    "&",
    "<![CDATA[",
    "]]>",
    "<footnoteId id=\"F1\"/>",
    "<footnoteId id=",
    "<footnote id='F1'>",
    "<!DOCTYPE x [<!ENTITY lol \"x\">]>",
];

/// The smallest filing, with `inside` in it.
fn minimal(inside: &str) -> String {
    format!(
        "<ownershipDocument><documentType>4</documentType><issuer><issuerCik>320193</issuerCik>\
         <issuerName>A</issuerName></issuer><reportingOwner><rptOwnerCik>7</rptOwnerCik></reportingOwner>\
         {inside}<ownerSignature><signatureDate>2024-07-19-05:00</signatureDate></ownerSignature></ownershipDocument>"
    )
}

fn read(xml: &str) -> Filing {
    parse(xml.as_bytes(), None).unwrap_or_else(|why| panic!("{why}: {xml}"))
}

fn refused(xml: &str) -> Rejection {
    parse(xml.as_bytes(), None).unwrap_err()
}

#[test]
fn without_a_number_the_bytes_are_the_name() {
    let xml = minimal("");
    let filing = read(&xml);
    assert_eq!(filing.id.0.len(), "SEC:sha256-".len() + 16);
    assert_eq!(filing, read(&xml));
    assert_ne!(filing.id, read(&minimal(" ")).id);
    assert_eq!(filing.url, None);
    assert_eq!(filing.published_at.to_string(), "2024-07-20T03:59:59.999Z");
    assert!(filing.published_estimated);
    // `printf abc | sha256sum` begins with ba7816bf8f01cfea
    assert_eq!(parse::id(None, b"abc").0, "SEC:sha256-ba7816bf8f01cfea");
    let named = parse(xml.as_bytes(), Some("x/0001127602-25-001055.nc")).unwrap();
    assert_eq!(named.id.0, "SEC:0001127602-25-001055");
    assert_eq!(
        named.url.as_deref(),
        Some(
            "https://www.sec.gov/Archives/edgar/data/320193/000112760225001055/0001127602-25-001055.txt"
        )
    );
}

#[test]
fn the_header_is_believed_before_the_files_name() {
    let xml = minimal("");
    let submission = format!(
        "ACCESSION NUMBER:\t0000000001-23-000002\nFILED AS OF DATE:\t20240722\n<XML>\n{xml}\n</XML>"
    );
    let filing = parse(submission.as_bytes(), Some("0001127602-25-001055.txt")).unwrap();
    assert_eq!(filing.id.0, "SEC:0000000001-23-000002");
    // without a moment of acceptance, the day under which it was filed
    assert_eq!(filing.published_at.to_string(), "2024-07-23T03:59:59.999Z");
    assert!(filing.published_estimated);
}

#[test]
fn the_last_signature_counts() {
    let xml = minimal("<ownerSignature><signatureDate>2024-07-22</signatureDate></ownerSignature>");
    assert_eq!(
        read(&xml).published_at.to_string(),
        "2024-07-23T03:59:59.999Z"
    );
}

#[test]
fn a_bad_number_costs_the_field_not_the_filing() {
    let filing = read(&minimal(
        "<nonDerivativeTransaction><transactionCode>p</transactionCode>\
         <transactionShares><value>12 apples</value></transactionShares>\
         <transactionPricePerShare><value>123456789012345678901234567890</value></transactionPricePerShare>\
         <transactionDate><value>2024-13-01</value></transactionDate>\
         <transactionAcquiredDisposedCode><value>X</value></transactionAcquiredDisposedCode>\
         <sharesOwnedFollowingTransaction><value>-5</value></sharesOwnedFollowingTransaction>\
         </nonDerivativeTransaction>",
    ));
    let row = &filing.rows[0];
    assert_eq!(row.code, Some(Code::purchase()));
    assert_eq!(
        (row.shares, row.price, row.date, row.acquired),
        (None, None, None, None)
    );
    assert_eq!(row.shares_after, Some(Decimal::from(-5)));
    assert_eq!(
        row.flaws,
        [
            "transactionShares: `12 apples` is no decimal number",
            "transactionPricePerShare: `123456789012345678901234567890` has too many digits, or is no number",
            "transactionDate: `2024-13-01` is no day such as 2024-07-19",
            "transactionAcquiredDisposedCode: `X` is neither A nor D",
        ]
    );
}

#[test]
fn a_price_may_be_told_in_a_footnote_alone() {
    let filing = read(&minimal(
        "<nonDerivativeTransaction><transactionCoding><transactionCode>S</transactionCode><footnoteId id=\"F2\"/></transactionCoding>\
         <transactionPricePerShare><footnoteId id=\"F1\"/></transactionPricePerShare>\
         <footnoteId id=\"F3\"/></nonDerivativeTransaction>",
    ));
    let row = &filing.rows[0];
    assert_eq!(
        (row.price, &row.currency, row.flaws.len()),
        (None, &None, 0)
    );
    assert_eq!(row.footnotes, ["F2", "F1", "F3"]);
    let marks: Vec<_> = row
        .marks
        .iter()
        .map(|m| (&*m.field, &*m.footnote))
        .collect();
    assert_eq!(
        marks,
        [
            ("transactionCoding", "F2"),
            ("transactionPricePerShare", "F1")
        ]
    );
}

#[test]
fn a_transaction_without_a_code_is_no_holding_in_silence() {
    let filing = read(&minimal(
        "<nonDerivativeTransaction></nonDerivativeTransaction><nonDerivativeHolding></nonDerivativeHolding>",
    ));
    assert_eq!(filing.rows[0].flaws, ["transactionCode: missing"]);
    assert_eq!(filing.rows[1].flaws, [""; 0]);
}

#[test]
fn entities_and_cdata_are_text() {
    let remarks = |text: &str| read(&minimal(&format!("<remarks>{text}</remarks>"))).remarks;
    for (written, meant) in [
        ("AT&amp;T &lt;x&gt;", "AT&T <x>"),
        ("<![CDATA[AT&T <x>]]> &amp; more", "AT&T <x> & more"),
        ("it&#8217;s &#x2019; &#146;", "it’s ’ ’"),
        ("R&D &nbsp; &unknown;", "R&D &nbsp; &unknown;"),
        ("a\r\nb&#0;c&#1;", "a\nb&#0;c"),
        ("<!-- no -->yes<?pi no?>", "yes"),
    ] {
        assert_eq!(remarks(written).as_deref(), Some(meant), "{written}");
    }
    assert_eq!(remarks(" \n "), None);
}

#[test]
fn names_of_any_encoding() {
    let xml = minimal("<remarks>Soci\u{e9}t\u{e9} G\u{e9}n\u{e9}rale</remarks>");
    let latin: Vec<u8> = xml.chars().map(|c| c as u8).collect();
    let filing = parse(&latin, None).unwrap();
    assert_eq!(filing.remarks.as_deref(), Some("Société Générale"));
}

#[test]
fn an_amendment_may_not_say_of_what() {
    let amended = minimal("").replace(">4<", ">4/a<");
    assert_eq!(read(&amended).form, "4/A");
    assert_eq!(read(&amended).amends, Some(Amends::Unnamed));
    let dated = amended.replace(
        "<issuer>",
        "<dateOfOriginalSubmission>2024-07-01</dateOfOriginalSubmission><issuer>",
    );
    assert_eq!(read(&dated).amends, Some(Amends::FiledOn(date(2024, 7, 1))));
    assert_eq!(read(&minimal("")).amends, None);
}

#[test]
fn what_a_filing_cannot_be_without() {
    let whole = minimal("");
    let without = |from: &str, to: &str| refused(&whole.replace(from, to));
    assert_eq!(
        without("<documentType>4</documentType>", ""),
        Rejection::Missing("documentType")
    );
    assert_eq!(without(">4<", ">144<"), Rejection::Form("144".into()));
    assert_eq!(
        without("<rptOwnerCik>7</rptOwnerCik>", ""),
        Rejection::Missing("reportingOwner")
    );
    assert_eq!(
        without("2024-07-19-05:00", "soon"),
        Rejection::Missing("signatureDate")
    );
    let nameless = whole.replace("<issuerName>A</issuerName>", "");
    assert_eq!(read(&nameless).issuer.id.as_deref(), Some("0000320193"));
    assert_eq!(
        refused(&nameless.replace("320193", "")),
        Rejection::Missing("issuer")
    );
}

#[test]
fn bombs_do_not_go_off() {
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>{}",
        minimal("<remarks>&b;</remarks>")
    );
    assert_eq!(refused(&bomb), Rejection::Doctype);
    let deep = "<x>".repeat(1_000_000);
    assert_eq!(refused(&minimal(&deep)), Rejection::TooDeep(32));
    let rows = "<nonDerivativeHolding/>".repeat(100_000);
    assert!(matches!(
        refused(&minimal(&rows)),
        Rejection::TooMany { what: "rows", .. }
    ));
    let owners = "<reportingOwner><rptOwnerCik>1</rptOwnerCik></reportingOwner>".repeat(2_000);
    assert!(matches!(
        refused(&minimal(&owners)),
        Rejection::TooMany { what: "owners", .. }
    ));
    let notes = "<footnote id=\"F1\">x</footnote>".repeat(20_000);
    assert!(matches!(
        refused(&minimal(&notes)),
        Rejection::TooMany {
            what: "footnotes",
            ..
        }
    ));
    let marks = format!(
        "<derivativeHolding>{}</derivativeHolding>",
        "<footnoteId id=\"F1\"/>".repeat(2_000)
    );
    let marks = marks.replace("<derivativeHolding>", "<derivativeHolding><securityTitle>");
    let marks = marks.replace(
        "</derivativeHolding>",
        "</securityTitle></derivativeHolding>",
    );
    assert!(matches!(
        refused(&minimal(&marks)),
        Rejection::TooMany { .. }
    ));
    let long = format!("<remarks>{}</remarks>", "x".repeat(70_000));
    assert!(matches!(
        refused(&minimal(&long)),
        Rejection::TooLong {
            field: "remarks",
            ..
        }
    ));
    assert!(matches!(
        refused(&minimal("<derivativeHolding><derivativeHolding>")),
        Rejection::Xml(_)
    ));
    assert!(matches!(refused(&minimal("<a></b>")), Rejection::Xml(_)));
}
