//! The line of a declaration: what it says comes back, what it must not say is refused, and no bytes break it.

use jiff::civil::Date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    filing::{Amends, Code, Derived, Filing, FilingId, Footnote, Issuer, Owner, Row, Status},
    filing_line::{parse, write},
    market::Market,
    time::Time,
};

const LINE: &str = r#"{"v":1,"type":"declaration","id":"RNS:1","market":"uk","published_at":"2026-04-24T16:05:00Z",
    "issuer":{"name":"Alpha plc"},"insider":{"name":"A. Example"},"code":"P","shares":10,"price":2.5,"unknown":[{}]}"#;

fn read(line: &str) -> Result<Filing, String> {
    parse(line.as_bytes(), &Market::built_in()).map_err(|e| e.0)
}

/// The line with one piece of it replaced.
fn changed(from: &str, to: &str) -> Result<Filing, String> {
    assert!(LINE.contains(from), "{from}");
    read(&LINE.replacen(from, to, 1))
}

#[test]
fn every_line_of_the_manual_reads() {
    let manual = include_str!("../../docs/filings.md");
    let lines = manual.lines().filter(|line| line.starts_with("{\"v\":1"));
    let filings: Vec<_> = lines.map(|line| read(line).unwrap()).collect();
    let codes = |filing: &Filing| {
        let codes = filing
            .rows
            .iter()
            .map(|row| row.code.as_ref().map_or("-", |code| &*code.0));
        codes.collect::<Vec<_>>().join(" ")
    };
    let told: Vec<_> = filings
        .iter()
        .map(|filing| (&*filing.market, codes(filing)))
        .collect();
    let want = [
        ("fr", "P"),
        ("de", "S"),
        ("ca", "P exercise -"),
        ("es", "gift"),
    ];
    assert_eq!(told, want.map(|(market, codes)| (market, codes.to_owned())));
    assert_eq!(
        filings[1].published_at.to_string(),
        "2026-04-24T21:59:59.000Z"
    );
    assert!(filings[1].published_estimated && !filings[0].published_estimated);
    assert_eq!(
        filings[2].amends,
        Some(Amends::Filing(FilingId("SEDI:77120".into())))
    );
    assert_eq!(filings[2].owners.len(), 2);
    assert_eq!(filings[3].rows[0].acquired, Some(false));
    let isin = filings[0].issuer.isin.as_deref();
    assert_eq!(isin, Some("FR0123456789"));
}

/// The cells of a table of the manual, without its head.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let manual = include_str!("../../docs/filings.md");
    let rows = manual.lines().skip_while(|line| *line != head).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_manual_names_the_markets_that_there_are() {
    let table = table("| code | regulator | currency | zone | ids | benchmark |");
    let markets = Market::built_in();
    assert_eq!(table.len(), markets.len());
    for (row, market) in table.iter().zip(markets) {
        let prefix = match &*market.prefix {
            "" => "no prefix".to_owned(),
            prefix => format!("`{prefix}:`"),
        };
        let benchmarks: Vec<_> = market.benchmarks.iter().map(|b| format!("`{b}`")).collect();
        let benchmarks = benchmarks.join(", else ");
        let code = format!("`{}`", market.code);
        let want = [
            code,
            market.regulator,
            market.currency,
            market.time_zone,
            prefix,
            benchmarks,
        ];
        assert_eq!(*row, want);
    }
}

#[test]
fn the_manual_names_natures_that_are_known() {
    let table = table("| code | natures |");
    let mut named = 0;
    for row in &table {
        let codes: Vec<_> = row[0]
            .split(", ")
            .map(|code| code.trim_matches('`'))
            .collect();
        let natures: Vec<_> = row[1].split("; ").collect();
        assert_eq!(codes.len(), natures.len(), "{row:?}");
        for (code, natures) in codes.iter().zip(natures) {
            for nature in natures.split(", ") {
                let known = super::dealing::of_nature(nature);
                assert_eq!(known, Some(Code((*code).into())), "{nature}");
                named += 1;
            }
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn a_refusal_names_field_value_and_reason() {
    for (from, to, why) in [
        (
            "\"v\":1",
            "\"v\":2",
            "v: 2 is not a known version; this is 1",
        ),
        ("declaration", "swap", "type: `swap` is not `declaration`"),
        (
            "\"RNS:1\"",
            "\"SEC:1\"",
            "id: `SEC:1` is no id of market uk, which begins with `RNS:`",
        ),
        (
            "\"RNS:1\"",
            "\"RNS:a b\"",
            "id: `RNS:a b` is not an id of 1 to 128 visible letters without / ? # % \" \\ < >",
        ),
        (
            "\"RNS:1\"",
            "\"RNS:1:P\"",
            "id: `RNS:1:P` is not the id of a filing: it ends with a code, as a declaration's does",
        ),
        ("\"id\"", "\"no\"", "id: missing"),
        (
            "\"uk\"",
            "\"xx\"",
            "market: `xx` is not one of fr, us, de, ch, uk, ca, it, es, se, be",
        ),
        (
            "\"2026-04-24T16:05:00Z\"",
            "\"soon\"",
            "published_at: `soon` is not an ISO 8601 time such as 2026-04-24T09:32:14.117Z",
        ),
        (
            "\"2026-04-24T16:05:00Z\"",
            "1777046700",
            "published_at: 1777046700 is out of range (integers are Unix milliseconds, from 1993 to 2200)",
        ),
        ("\"2026-04-24T16:05:00Z\"", "null", "published_at: missing"),
        (
            "{\"name\":\"Alpha plc\"}",
            "\"Alpha\"",
            "issuer: \"Alpha\" is not a JSON object",
        ),
        (
            "{\"name\":\"Alpha plc\"}",
            "{\"name\":\" \"}",
            "issuer.name: missing",
        ),
        (
            "{\"name\":\"Alpha plc\"}",
            "{\"name\":\"A\",\"isin\":\"GB1\"}",
            "issuer.isin: `GB1` is not an ISIN",
        ),
        (
            "\"insider\":{\"name\":\"A. Example\"}",
            "\"insiders\":[]",
            "insider: missing",
        ),
        (
            "\"insider\":{\"name\":\"A. Example\"}",
            "\"insiders\":[{\"name\":\"A\"},{}]",
            "insiders[1].name: missing",
        ),
        (
            "\"insider\":{\"name\":\"A. Example\"}",
            "\"insider\":{\"name\":\"A\",\"officer\":\"yes\"}",
            "insider.officer: \"yes\" is neither true nor false",
        ),
        (
            "\"unknown\"",
            "\"insiders\":[{\"name\":\"B\"}],\"unknown\"",
            "insider: given beside insiders",
        ),
        ("\"code\":\"P\",", "", "code: missing"),
        (
            "\"code\":\"P\"",
            "\"nature\":\"horse trade\"",
            "nature: `horse trade` is not known word for word: give the code beside it",
        ),
        (
            "\"shares\":10",
            "\"shares\":-10",
            "shares: `-10` is negative",
        ),
        (
            "\"shares\":10",
            "\"shares\":[]",
            "shares: [] is not a number",
        ),
        (
            "\"shares\":10",
            "\"date\":\"24/04/2026\"",
            "date: `24/04/2026` is not a day such as 2026-04-24",
        ),
        (
            "\"shares\":10",
            "\"currency\":\"£\"",
            "currency: `£` is not a currency such as EUR",
        ),
        (
            "\"unknown\"",
            "\"transactions\":[{\"code\":\"P\"}],\"unknown\"",
            "code: given beside transactions",
        ),
        (
            "\"code\":\"P\",\"shares\":10,\"price\":2.5",
            "\"transactions\":[]",
            "transactions: none",
        ),
        (
            "\"code\":\"P\",\"shares\":10,\"price\":2.5",
            "\"transactions\":[{\"holding\":true},{\"date\":\"2026-04-24\"}]",
            "transactions[1].code: missing",
        ),
        (
            "\"unknown\"",
            "\"status\":\"gone\",\"unknown\"",
            "status: `gone` is not one of current, revised, cancelled",
        ),
        (
            "\"unknown\"",
            "\"amends\":{},\"unknown\"",
            "amends.filed_on: missing",
        ),
        (
            "\"unknown\"",
            "\"footnotes\":[{\"text\":\"x\"}],\"unknown\"",
            "footnotes[0].id: missing",
        ),
    ] {
        assert_eq!(changed(from, to), Err(why.to_owned()));
    }
    let code = changed("\"P\"", "\"Q\"").unwrap_err();
    assert!(code.starts_with(
        "code: `Q` is neither a letter of the SEC's nor one of subscription, exercise,"
    ));
    assert_eq!(read("[]"), Err("not a JSON object".into()));
    assert_eq!(parse(b"{\"\xff\":1}", &[]).unwrap_err().0, "not UTF-8");
    let long = vec![b' '; super::line_field::MAX_LINE_BYTES + 1];
    assert_eq!(
        parse(&long, &[]).unwrap_err().0,
        "longer than 1000000 bytes"
    );
    let many = format!("\"insiders\":[{}{{}}]", "{},".repeat(200));
    let many = changed("\"insider\":{\"name\":\"A. Example\"}", &many);
    assert_eq!(many, Err("insiders: 201, and 200 is the most".into()));
}

#[test]
fn unknown_is_unknown_however_it_is_said() {
    let bare = read(LINE).unwrap();
    for more in [
        "\"url\":null",
        "\"url\":\"\"",
        "\"amends\":false",
        "\"footnotes\":[]",
        "\"plan\":null",
        "\"status\":\"current\"",
    ] {
        assert_eq!(
            changed("\"unknown\"", &format!("{more},\"unknown\"")),
            Ok(bare.clone())
        );
    }
    assert_eq!(bare.plan, None);
    assert_eq!(bare.rows[0].acquired, Some(true), "implied by the code");
    let disposed = changed("\"unknown\"", "\"acquired\":false,\"unknown\"").unwrap();
    assert_eq!(
        disposed.rows[0].acquired,
        Some(false),
        "kept as filed, for the rules on suspects"
    );
    let natured = changed("\"code\":\"P\"", "\"nature\":\"Veräußerung\"").unwrap();
    assert_eq!(natured.rows[0].code, Some(Code::sale()));
}

#[test]
fn an_address_that_leads_to_no_document_is_left_out_and_the_filing_stays() {
    let url = |url: &str| {
        let line = LINE.replace("\"market\"", &format!("\"url\":\"{url}\",\"market\""));
        read(&line).unwrap().url
    };
    for kept in ["https://a.example/1.pdf", "HTTP://a.example"] {
        assert_eq!(url(kept).as_deref(), Some(kept));
    }
    for dropped in [
        "javascript:alert(1)",
        "data:text/html,x",
        "/a.pdf",
        "é",
        "http",
    ] {
        assert_eq!(url(dropped), None, "{dropped}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[A-Za-zÅåØ\"\\\\/]{1,3}( [a-zé\u{1f980}']{1,4}){0,2}"
}

fn number() -> impl Strategy<Value = Decimal> {
    (0_i64..=i64::MAX, 0_u32..=18).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn day() -> impl Strategy<Value = Date> {
    (1990_i16..2100, 1_i8..=12, 1_i8..=28)
        .prop_map(|(year, month, day)| jiff::civil::date(year, month, day))
}

fn isin() -> impl Strategy<Value = String> {
    "[A-Z]{2}[A-Z0-9]{10}"
}

use prop::option::of;

prop_compose! {
    fn row()(
        code in of(prop::sample::select(vec!["P", "S", "M", "gift", "exercise", "sip", "other"])),
        (derivative, flip, direct) in (any::<bool>(), any::<bool>(), of(any::<bool>())),
        (security, isin, nature, venue, held_through) in (of(text()), of(isin()), of(text()), of(text()), of(text())),
        (date, shares, price, value) in (of(day()), of(number()), of(number()), of(number())),
        (shares_after, value_after, currency) in (of(number()), of(number()), of("[A-Z]{3}")),
        derived in of((of(number()), of(day()), of(day()), of(text()), number())),
        footnotes in prop::collection::vec("F[0-9]", 0..3),
    ) -> Row {
        let code = code.map(|code| Code(code.into()));
        let implied = code.as_ref().and_then(super::dealing::acquires);
        Row {
            // what the code implies cannot be unsaid, only contradicted
            acquired: match implied {
                Some(acquires) => Some(acquires != flip),
                None => flip.then_some(derivative),
            },
            code, derivative, isin, nature, date, shares, price, value, shares_after, value_after, direct, held_through, currency, venue,
            security: security.unwrap_or_default(),
            derived: derived.map(|(exercise_price, exercisable, expires, underlying, shares)| Derived {
                exercise_price, exercisable, expires, underlying, underlying_shares: Some(shares),
            }),
            footnotes,
            marks: Vec::new(),
            flaws: Vec::new(),
        }
    }
}

prop_compose! {
    fn owner()(
        id in of("[0-9]{10}"), name in text(), title in of(text()), close_to in of(text()),
        (director, officer, ten_percent, other) in any::<(bool, bool, bool, bool)>(),
    ) -> Owner {
        Owner { id, name, director, officer, ten_percent, other, title, close_to }
    }
}

fn amends() -> impl Strategy<Value = Amends> {
    prop_oneof![
        "[A-Z]{2,4}:[a-z0-9.-]{1,20}".prop_map(|id| Amends::Filing(FilingId(id))),
        day().prop_map(Amends::FiledOn),
        Just(Amends::Unnamed),
    ]
}

prop_compose! {
    fn filing()(
        number in "[a-zA-Z0-9.-]{1,30}", form in text(), micros in 725_846_400_000_000_i64..7_000_000_000_000_000,
        (published_estimated, plan, period) in (any::<bool>(), of(any::<bool>()), of(day())),
        status in prop::sample::select(vec![Status::Current, Status::Revised, Status::Cancelled]),
        amends in of(amends()),
        (issuer_id, issuer, symbol, isin) in (of("[0-9]{10}"), text(), of("[A-Z.]{1,6}"), of(isin())),
        owners in prop::collection::vec(owner(), 1..4),
        rows in prop::collection::vec(row(), 1..4),
        notes in prop::collection::vec(("F[0-9]", text()), 0..3),
        (remarks, url) in (of(text()), of(text().prop_map(|rest| format!("https://{rest}")))),
    ) -> Filing {
        Filing {
            id: FilingId(format!("SEDI:{number}")),
            market: "ca".into(),
            form,
            published_at: Time(micros),
            published_estimated, status, amends,
            issuer: Issuer { id: issuer_id, name: issuer, symbol, isin },
            owners, period, plan, rows,
            footnotes: notes.into_iter().map(|(id, text)| Footnote { id, text }).collect(),
            remarks, url,
        }
    }
}

proptest! {
    #[test]
    fn a_filing_reads_back_as_it_was_written(filing in filing()) {
        let line = write(&filing);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(read(&line), Ok(filing));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Market::built_in());
    }

    #[test]
    fn no_change_of_a_line_does(filing in filing(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = write(&filing).into_bytes();
        let here = at.index(bytes.len());
        bytes[here] = byte;
        let _ = parse(&bytes, &Market::built_in());
    }
}
