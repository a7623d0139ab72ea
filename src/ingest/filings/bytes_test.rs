//! The SEC's tables, the formats' names, and what holds of every importer: no bytes break it, and how they arrive does not show.

use proptest::prelude::*;

use super::{
    open::{FilingFormat, Filings},
    sec_tsv::{CheckList, DIALECT, Entry, Kind, SecTsv},
    test_files::{BE_HEADER, SE, SE_HEADER, SHARE, UK, be, read, read_bytes},
};
use crate::{ingest::records::Table, model::filing::Code};

#[test]
fn the_secs_list_is_checked_off() {
    let submissions = "ACCESSION_NUMBER\tFILING_DATE\tPERIOD_OF_REPORT\tDATE_OF_ORIG_SUB\tDOCUMENT_TYPE\tISSUERCIK\tISSUERNAME\tISSUERTRADINGSYMBOL\n\
        0000000001-24-000155\t31-JUL-2024\t30-JUL-2024\t\t4\t1234567\tAlpha \"A\" Inc\tAAA\n\
        0000000001-24-000156\t31-JUL-2024\t\t30-JUL-2024\t4/A\t1234567\tAlpha Inc\t\n\
        0000000001-24-000157\t31-Jul-2024\t\t\t4\t1234567\tAlpha Inc\t\n\
        12\t31-JUL-2024\t\t\t4\t1234567\tAlpha Inc\t\n\
        0000000001-24-000158\t31-JUL-2024\t\t\t10-K\t1234567\tAlpha Inc\t\n";
    let trades = "ACCESSION_NUMBER\tDERIV_TRANS_SK\tTRANS_CODE\n0000000001-24-000155\t1\tM\n0000000001-24-000155\t2\tM\n";
    let mut list = CheckList::default();
    let mut refused = Vec::new();
    for text in [submissions, trades] {
        for item in Table::new(text.as_bytes(), DIALECT, SecTsv::default()) {
            match item {
                Ok(entry) => list.count(&entry, |id| id.0 == "SEC:0000000001-24-000155"),
                Err(rejected) => refused.push(format!("{}: {}", rejected.line, rejected.reason)),
            }
        }
    }
    let forms: Vec<_> = list
        .forms
        .iter()
        .map(|(form, n)| (&**form, n.listed, n.known, n.missing()))
        .collect();
    assert_eq!(forms, [("4", 1, 1, 0), ("4/A", 1, 0, 1)]);
    assert_eq!((list.all().listed, list.all().missing()), (2, 1));
    assert_eq!(list.rows[&Kind::DerivTrans], 2);
    assert_eq!(list.codes[&Code("M".into())], 2);
    let want = [
        "4: FILING_DATE: `31-Jul-2024` is not a day such as 30-SEP-2024",
        "5: ACCESSION_NUMBER: `12` is no accession number",
        "6: DOCUMENT_TYPE: `10-K` is not one of 3, 3/A, 4, 4/A, 5, 5/A",
    ];
    assert_eq!(refused, want);
    let mut entries = Table::new(submissions.as_bytes(), DIALECT, SecTsv::default()).skip(1);
    let Some(Ok(Entry::Submission(amended))) = entries.next() else {
        panic!("a second submission");
    };
    assert_eq!(amended.original_filed, Some(jiff::civil::date(2024, 7, 30)));
    assert_eq!(amended.issuer_cik, "0001234567");
}

#[test]
fn formats_are_words_and_need_their_market() {
    for (word, format, market) in FilingFormat::WORDS {
        assert_eq!(word.parse(), Ok(format));
        assert_eq!(format.to_string(), word);
        assert_eq!(format.market(), market);
        let empty: &[u8] = b"";
        assert_eq!(Filings::new(format, empty, &[]).is_ok(), market.is_none());
    }
    assert!("csv".parse::<FilingFormat>().is_err());
}

fn fixture(format: FilingFormat) -> String {
    let kind = format!("{SHARE},Aankoop / Verwerving,VOID");
    match format {
        FilingFormat::UkPdmr => UK.into(),
        FilingFormat::SeFi => format!("{SE_HEADER}\r\n{SE}"),
        FilingFormat::BeFsma => format!(
            "{BE_HEADER}\n{}",
            be("100001", &kind, "1.15", "2,70", "3.079,13")
        ),
        FilingFormat::Ndjson => include_str!("../../../docs/filings.md").into(),
    }
}

fn any_format() -> impl Strategy<Value = FilingFormat> {
    (0..FilingFormat::WORDS.len()).prop_map(|at| FilingFormat::WORDS[at].1)
}

proptest! {
    #[test]
    fn no_bytes_make_an_importer_panic_or_loop(format in any_format(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (filings, refused) = read_bytes(format, &bytes, 64);
        prop_assert!(filings.len() + refused.len() <= bytes.len() + 1);
        let entries = Table::new(&*bytes, DIALECT, SecTsv::default()).count();
        prop_assert!(entries <= bytes.len() + 1);
    }

    #[test]
    fn no_mutation_of_a_fixture_does(
        format in any_format(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        digits in "[0-9]{1,40}"
    ) {
        let text = fixture(format);
        let mut bytes = text.clone().into_bytes();
        let here = at.index(bytes.len());
        bytes[here] = byte;
        read_bytes(format, &bytes, 64);
        bytes.truncate(cut.index(bytes.len()));
        read_bytes(format, &bytes, 64);
        // absurd numbers where numbers stand
        let mut swollen = text.into_bytes();
        if let Some(place) = swollen[here..].iter().position(u8::is_ascii_digit) {
            swollen.splice(here + place..=here + place, digits.bytes());
        }
        read_bytes(format, &swollen, 64);
    }

    #[test]
    fn how_the_bytes_arrive_does_not_show(format in any_format(), chunk in 1_usize..40, utf16 in any::<bool>()) {
        let text = fixture(format);
        // our own lines are UTF-8
        let wide = utf16 && format != FilingFormat::Ndjson;
        let bytes = if wide { text.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { text.clone().into_bytes() };
        prop_assert_eq!(read_bytes(format, &bytes, chunk), read(format, &text));
    }
}
