//! Every importer of filings against a small file: what a row becomes, and why it is refused.

use super::{
    open::{FilingFormat, Filings},
    test_files::{BE_HEADER, SE, SE_HEADER, SHARE, UK, be, code, decimal, read, read_bytes},
};
use crate::model::{filing::Status, market::Market};

#[test]
fn a_dealing_that_an_announcement_tells_is_not_told_by_a_row_without_its_number_too() {
    let row = |print: &str, ticker: &str, kind: &str, shares: u32, number: &str| {
        format!(
            r#"{{"fingerprint":"{print}","date":"2026-07-01","ticker":"{ticker}","director":"Ann Example","type":"{kind}","shares":{shares},"price":1.5,"rns_id":"{number}","announced_at":"2026-07-02T07:00:00Z"}}"#
        )
    };
    let rows = [
        row("f1", "AB.", "BUY", 7, ""),
        row("f2", "AB", "SELL", 7, "100"),
        row("f3", "AB", "BUY", 8, ""),
        row("f4", "CD", "BUY", 7, ""),
    ];
    let (filings, refused) = read(FilingFormat::UkPdmr, &format!("[{}]", rows.join(",")));
    let told: Vec<_> = filings
        .iter()
        .map(|filing| (filing.issuer.symbol.as_deref(), code(filing, 0)))
        .collect();
    assert_eq!(
        told,
        [(Some("AB"), "S"), (Some("AB"), "P"), (Some("CD"), "P")]
    );
    let why =
        "1: element 1: rns_id: missing, and an announcement of the file tells of the same dealing";
    assert_eq!(refused, [why]);
}

#[test]
fn uk_announcements_become_a_filing_a_person() {
    let (filings, refused) = read(FilingFormat::UkPdmr, UK);
    let ids: Vec<_> = filings
        .iter()
        .map(|filing| filing.id.0.split('-').next().unwrap())
        .collect();
    assert_eq!(ids, ["RNS:100", "RNS:100", "RNS:f4", "RNS:101"]);
    assert_ne!(
        filings[0].id, filings[1].id,
        "two persons in one announcement"
    );
    assert_eq!(
        filings[3].id.0.len(),
        filings[0].id.0.len(),
        "the same where the file shows one person alone"
    );
    assert_eq!(filings[0].id.0.len(), "RNS:100-".len() + 8);

    assert_eq!(filings[0].url.as_deref(), Some("https://news.example/1"));
    let hostile = UK.replace("https://news.example/1", "javascript:alert(1)");
    let (others, _) = read(FilingFormat::UkPdmr, &hostile);
    assert_eq!(
        (others.len(), &others[0].url),
        (4, &None),
        "no filing is lost by a link that is a script"
    );

    let anna = &filings[0];
    assert_eq!(anna.rows.len(), 2, "her rows stand apart in the file");
    assert_eq!(
        anna.owners[0].name, "Anna Example",
        "as the other row spells her"
    );
    assert!(anna.owners[0].director);
    assert_eq!(anna.published_at.to_string(), "2026-07-01T15:10:07.000Z");
    assert!(!anna.published_estimated, "one row tells the second");
    assert_eq!((code(anna, 0), code(anna, 1)), ("S", "sip"));
    assert_eq!(anna.rows[0].acquired, Some(false));
    assert_eq!(anna.rows[1].price, decimal("0"), "kept as filed");
    assert_eq!(anna.rows[0].currency.as_deref(), Some("GBP"));
    assert_eq!(
        (anna.issuer.name.as_str(), anna.issuer.symbol.as_deref()),
        ("Alpha plc", Some("AAA"))
    );

    let ben = &filings[1];
    assert_eq!(ben.owners[0].name, "Ben Example");
    assert_eq!(ben.owners[0].close_to.as_deref(), Some("Anna Example"));
    assert_eq!((code(ben, 0), ben.rows[0].price), ("P", decimal("100")));
    assert_eq!(ben.published_at, anna.published_at, "one announcement");
    assert_eq!(ben.issuer.name, "Alpha plc");

    let carl = &filings[2];
    assert_eq!(carl.published_at.to_string(), "2026-06-30T22:59:59.000Z");
    assert!(carl.published_estimated && carl.owners[0].officer && carl.owners[0].director);
    assert_eq!(carl.issuer.name, "BBB", "named by nothing else");
    assert_eq!(
        carl.rows[0].price, carl.rows[0].shares,
        "for the rules on suspects to judge"
    );

    let other = &filings[3];
    assert_eq!(
        (code(other, 0), other.rows[0].value),
        ("other", decimal("77.5"))
    );
    assert_eq!(other.rows[0].nature.as_deref(), Some("SCRIP"));
    assert!(other.owners[0].other);

    let want = [
        "6: element 6: fingerprint: `f1` is in the file already",
        "7: element 7: director: `Position / Status` is a heading of the form, no name",
        "8: element 8: shares: `-1` is negative",
        "9: element 9: date: `01/07/2026` is not a day such as 2026-07-01",
        "10: element 10: date: `0202-07-01` is out of range",
        "11: element 11: date: missing, and so is announced_at",
        "12: element 12: shares: missing, and so are price and value",
    ];
    assert_eq!(refused, want);
}

#[test]
fn uk_rows_in_any_order_make_the_same_filings() {
    let (start, rows) = UK.split_once("[\n").unwrap();
    let mut rows: Vec<_> = rows.trim_end_matches("]}").split(",\n").take(5).collect();
    let sorted = |rows: &[&str]| {
        let (mut filings, _) = read(
            FilingFormat::UkPdmr,
            &format!("{start}[{}]}}", rows.join(",\n")),
        );
        for filing in &mut filings {
            filing.rows.sort_by_key(|row| (row.date, row.shares));
        }
        filings.sort_by(|a, b| a.id.cmp(&b.id));
        filings
    };
    let forward = sorted(&rows);
    rows.reverse();
    assert_eq!(sorted(&rows), forward);
    assert_eq!(forward.len(), 4);
}

#[test]
fn uk_makes_nothing_of_a_file_that_breaks_off() {
    struct Broken<'a>(&'a [u8]);
    impl std::io::Read for Broken<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            match std::io::Read::read(&mut self.0, into)? {
                0 => Err(std::io::Error::other("gone")),
                some => Ok(some),
            }
        }
    }
    for format in [
        FilingFormat::UkPdmr,
        FilingFormat::SeFi,
        FilingFormat::BeFsma,
        FilingFormat::Ndjson,
    ] {
        let cut = &UK.as_bytes()[..UK.len() / 2];
        let reader = std::io::BufReader::new(Broken(cut));
        let mut source = Filings::new(format, reader, &Market::built_in()).unwrap();
        let filings = source.by_ref().filter(Result::is_ok).count();
        assert_eq!(filings, 0, "an announcement may be cut in two");
        let header_refused = matches!(format, FilingFormat::SeFi | FilingFormat::BeFsma);
        assert!(source.error().is_some() || header_refused, "{format}");
    }
}

#[test]
fn the_swedish_register_is_read_in_both_encodings() {
    let text = format!("{SE_HEADER}\r\n{SE}");
    let (filings, refused) = read(FilingFormat::SeFi, &text);
    assert_eq!(refused, Vec::<String>::new());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        read_bytes(FilingFormat::SeFi, &utf16, 7),
        (filings.clone(), refused)
    );
    assert_eq!(filings.len(), 6);

    let eva = &filings[0];
    assert_eq!(
        eva.published_at.to_string(),
        "2018-03-10T20:49:30.000Z",
        "an hour ahead of UTC in winter"
    );
    assert_eq!(
        (code(eva, 0), eva.rows[0].shares, eva.rows[0].price),
        ("P", decimal("600"), decimal("41.250125"))
    );
    assert_eq!(eva.issuer.id.as_deref(), Some("EXAMPLE0000000000001"));
    assert_eq!(eva.issuer.isin.as_deref(), Some("SE0123456789"));
    assert_eq!(eva.owners[0].close_to, None, "close to herself");
    assert!(eva.owners[0].officer);

    let sale = &filings[1];
    assert_eq!(
        sale.published_at.to_string(),
        "2018-07-06T16:10:59.000Z",
        "two in summer"
    );
    assert_eq!(
        (code(sale, 0), sale.status, &*sale.form),
        ("S", Status::Revised, "Korrigering")
    );
    assert_eq!(sale.owners[0].close_to.as_deref(), Some("Eva Exempel"));
    assert_eq!(sale.remarks.as_deref(), Some("Fel; pris"));
    assert!(sale.rows[0].derivative, "a series of warrants");
    assert_eq!(sale.rows[0].currency.as_deref(), Some("NOK"));

    let (gift, again) = (&filings[2], &filings[3]);
    assert_eq!(
        (code(gift, 0), gift.rows[0].acquired, gift.status),
        ("gift", Some(false), Status::Cancelled)
    );
    assert_eq!(
        again.id.0,
        format!("{}-2", gift.id.0),
        "a second row that says the same"
    );
    assert_eq!(gift.id.0.len(), "FI:sha256-".len() + 16);

    let amount = &filings[4];
    assert_eq!((amount.rows[0].shares, amount.rows[0].price), (None, None));
    assert_eq!(
        amount.footnotes[0].text,
        "Volymsenhet Belopp: Volym 1702572, Pris 3064630"
    );
    assert_eq!(amount.rows[0].footnotes, [amount.footnotes[0].id.clone()]);
    assert_eq!(code(&filings[5], 0), "other");
    assert_eq!(filings[5].rows[0].nature.as_deref(), Some("Trolleri"));
}

#[test]
fn a_row_of_the_register_keeps_its_id_when_its_status_changes() {
    let id = |status: &str| {
        let row = SE.lines().next().unwrap().replace("Aktuell", status);
        let (filings, _) = read(FilingFormat::SeFi, &format!("{SE_HEADER}\n{row}\n"));
        (filings[0].id.clone(), filings[0].status)
    };
    let (current, revised) = (id("Aktuell"), id("Reviderad"));
    assert_eq!(current.0, revised.0);
    assert_eq!((current.1, revised.1), (Status::Current, Status::Revised));
}

#[test]
fn the_swedish_register_is_refused_by_the_row() {
    let row = SE.lines().next().unwrap();
    for (from, to, why) in [
        (
            "41,250125",
            "a7,9",
            "Pris: `a7,9` is not a number such as 42,5",
        ),
        (
            "41,250125",
            "37.9",
            "Pris: `37.9` is written with a point where decimals have a comma",
        ),
        ("600", "a600", "Volym: `a600` is not a number such as 42,5"),
        (
            "Antal",
            "Tunnor",
            "Volymsenhet: `Tunnor` is neither Antal nor Belopp",
        ),
        (
            "Aktuell",
            "Okänd",
            "Status: `Okänd` is not one of Aktuell, Reviderad, Makulerad",
        ),
        (
            "2018-03-10 21:49:30",
            "igår",
            "Publicerings datum: `igår` is no time",
        ),
        (
            "2018-03-08",
            "8 mars",
            "Transaktions datum: `8` is not a day such as 2026-07-01",
        ),
        ("Förvärv", "", "Karaktär: missing"),
        (
            ";SEK;",
            ";kronor;",
            "Valuta: `KRONOR` is not a currency such as EUR",
        ),
    ] {
        let text = format!("{SE_HEADER}\n{}\n{row}\n", row.replacen(from, to, 1));
        let (filings, refused) = read(FilingFormat::SeFi, &text);
        assert_eq!(refused, [format!("2: {why}")]);
        assert_eq!(filings.len(), 1, "the next row stands");
    }
    let (_, refused) = read(FilingFormat::SeFi, "Utgivare;Status\nAlfa;Aktuell\n");
    assert_eq!(refused, ["1: header: no column `Publicerings datum`"]);
}

#[test]
fn belgian_numbers_are_mended_where_the_sum_proves_them() {
    let kind = format!("{SHARE},Verkoop / Vervreemding,VOID");
    for (written, price, total, shares) in [
        ("1.15", "2,70", "3.079,13", Some("1150")),
        ("50.0", "15,90", "805,28", Some("50")),
        ("50.0", "19,61", "981.480,50", Some("50000")),
        ("2.000.000", "0,00", "0,00", Some("2000000")),
        // nothing to hold it against; a sum that fits neither; no whole number
        ("100.0", "0,00", "0,00", None),
        ("1.0", "3,26", "0,01", None),
        ("10.0", "0,80", "15,53", None),
        ("0.5", "10,00", "5,00", None),
    ] {
        let text = format!(
            "{BE_HEADER}\n{}",
            be("100001", &kind, written, price, total)
        );
        let (filings, refused) = read(FilingFormat::BeFsma, &text);
        assert!(refused.is_empty(), "{refused:?}");
        let row = &filings[0].rows[0];
        assert_eq!(
            row.shares,
            shares.and_then(decimal),
            "{written} at {price} for {total}"
        );
        assert_eq!(
            row.value.is_some(),
            shares.is_none(),
            "the sum stands in for the shares"
        );
        assert_eq!(filings[0].footnotes.len(), usize::from(shares.is_none()));
    }
}

#[test]
fn belgian_dealings_are_told_apart_by_their_details() {
    let policy = "transactie in het kader van verloningsbeleid: aanvaarding en uitoefening van opties/warranten";
    for (kind, want, acquired) in [
        (
            format!("{SHARE},Aankoop / Verwerving,VOID"),
            "P",
            Some(true),
        ),
        (
            format!("{SHARE},Verkoop / Vervreemding,VOID"),
            "S",
            Some(false),
        ),
        (
            format!("{SHARE},Verkoop / Vervreemding,{policy}"),
            "remuneration",
            Some(false),
        ),
        (
            format!("{SHARE},Aankoop / Verwerving,primaire markt: intekening"),
            "subscription",
            Some(true),
        ),
        (
            format!("{SHARE},Andere,lenen of uitlenen van financiële instrumenten"),
            "loan",
            None,
        ),
        (
            format!("{SHARE},Aankoop / Verwerving,Andere"),
            "other",
            Some(true),
        ),
        (
            format!("Opties / warranten voor personeel,Aankoop / Verwerving,{policy},VOID"),
            "remuneration",
            Some(true),
        ),
    ] {
        let text = format!(
            "{BE_HEADER}\n{}",
            be("7", &kind, "1.15", "2,70", "3.079,13")
        );
        let (filings, refused) = read(FilingFormat::BeFsma, &text);
        assert!(refused.is_empty(), "{refused:?}");
        let filing = &filings[0];
        assert_eq!(
            (code(filing, 0), filing.rows[0].acquired),
            (want, acquired),
            "{kind}"
        );
        assert_eq!(filing.rows[0].derivative, kind.starts_with("Opties"));
        assert_eq!(filing.rows[0].isin.is_some(), kind.starts_with("Aandeel"));
    }
}

#[test]
fn belgian_pages_are_known_by_their_number() {
    let kind = format!("{SHARE},Aankoop / Verwerving,VOID");
    let rows = [
        be("100001", &kind, "1.15", "2,70", "3.079,13"),
        be("x", &kind, "1.15", "2,70", "3.079,13"),
        be(
            "7",
            &format!("{SHARE},Diefstal,VOID"),
            "1.15",
            "2,70",
            "3.079,13",
        ),
        be("8", &kind, "veel", "2,70", "3.079,13"),
        be("9", &kind, "1.15", "2.70", "3.079,13"),
        be("10", &kind, "1.15", "2,70", "3.079,13").replace("04/01/2022", "2022-01-04"),
        be("100002", &kind, "1.15", "2,70", "3.079,13").replace("https:", "javascript:"),
    ];
    let text = format!("{BE_HEADER}\n{}", rows.concat());
    let (filings, refused) = read(FilingFormat::BeFsma, &text);
    assert_eq!(filings.len(), 2);
    assert_eq!(filings[0].id.0, "FSMA:100001");
    assert_eq!(
        filings[0].url.as_deref(),
        Some("https://www.fsma.be/nl/node/100001")
    );
    // no link that is a script, and no filing lost by it
    assert_eq!(
        (filings[1].id.0.as_str(), &filings[1].url),
        ("FSMA:100002", &None)
    );
    assert_eq!(
        filings[0].published_at.to_string(),
        "2022-01-04T22:59:59.000Z"
    );
    assert!(filings[0].published_estimated && filings[0].owners[0].officer);
    let want = [
        "3: URL: `https://www.fsma.be/nl/node/x` is not that of a page with a number",
        "4: Soort transactie: `Diefstal` is no known kind of transaction",
        "5: Aantal financiële instrumenten: `veel` is not a number such as 1234.5",
        "6: Prijs: `2.70` is not a number such as 3.079,13",
        "7: Datum openbaarmaking: `2022-01-04` is not a day such as 31/12/2022",
    ];
    assert_eq!(refused, want);
}
