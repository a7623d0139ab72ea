//! Real files of the importers, where they are at hand: exact counts, worked out independently of this code.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod us_parsed;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::BufReader,
    path::PathBuf,
};

use jiff::civil::date;
use rust_decimal::Decimal;
use sigcast::{
    ingest::{
        companies::{self, Companies},
        filings::{
            open::{FilingFormat, Filings},
            sec_tsv::{self, CheckList, Kind, SecTsv},
        },
        prices::{self, Closes, Quote, file_symbol},
        records::{Dialect, Rows, Table},
        source::Rejected,
    },
    model::{
        company::Close,
        filing::{Code, Filing, Status},
        filing_line,
        market::Market,
    },
};

/// A file below `SIGCAST_SHARED_DATA`, else below `../shared/data` beside the project.
fn path(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = data.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: nothing at {}", path.display());
    None
}

fn open(name: &str) -> Option<BufReader<File>> {
    path(name).map(|path| BufReader::new(File::open(path).expect("a file that is there")))
}

fn filings(format: FilingFormat, name: &str) -> Option<(Vec<Filing>, Vec<Rejected>)> {
    let mut source =
        Filings::new(format, open(name)?, &Market::built_in()).expect("a built-in market");
    let (mut filings, mut refused) = (Vec::new(), Vec::new());
    for item in source.by_ref() {
        match item {
            Ok(filing) => filings.push(filing),
            Err(rejected) => refused.push(rejected),
        }
    }
    assert!(source.error().is_none());
    // whatever a regulator's file holds, our own line can say
    for filing in &filings {
        let line = filing_line::write(filing);
        let back = filing_line::parse(line.as_bytes(), &Market::built_in());
        assert_eq!(back.as_ref(), Ok(filing), "{line}");
    }
    let ids: BTreeSet<_> = filings.iter().map(|filing| &filing.id).collect();
    assert_eq!(ids.len(), filings.len(), "each filing has its own id");
    Some((filings, refused))
}

fn codes(filings: &[Filing]) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for row in filings.iter().flat_map(|filing| &filing.rows) {
        let code = row.code.as_ref().map_or("-", |code| &*code.0);
        *codes.entry(code.to_owned()).or_insert(0) += 1;
    }
    codes
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

fn reasons(refused: &[Rejected]) -> Vec<String> {
    let told = |rejected: &Rejected| format!("{}: {}", rejected.line, rejected.reason);
    refused.iter().map(told).collect()
}

fn number(digits: &str) -> Decimal {
    digits.parse().expect("digits")
}

#[test]
fn uk_pdmr() {
    let file = "eu/uk_pdmr_transactions.json";
    let Some((filings, refused)) = filings(FilingFormat::UkPdmr, file) else {
        return;
    };
    let why = "3046: element 3046: director: `Position / Status` is a heading of the form, no name";
    let twice = "rns_id: missing, and an announcement of the file tells of the same dealing";
    let (twice, others): (Vec<_>, Vec<_>) =
        (reasons(&refused).into_iter()).partition(|reason| reason.ends_with(twice));
    assert_eq!((twice.len(), others), (37, vec![why.to_owned()]));
    let rows: Vec<_> = filings.iter().flat_map(|filing| &filing.rows).collect();
    assert_eq!((filings.len(), rows.len()), (4_244, 4_456));
    let want = counts([
        ("P", 1_361),
        ("S", 938),
        ("sip", 1_346),
        ("grant", 588),
        ("exercise", 190),
        ("sell_tax", 33),
    ]);
    assert_eq!(codes(&filings), want);
    let count = |test: &dyn Fn(&Filing) -> bool| filings.iter().filter(|f| test(f)).count();
    // the others have no announcement's number
    assert_eq!(count(&|filing| filing.id.0.contains('-')), 3_607);
    assert_eq!(count(&|filing| filing.published_estimated), 752);
    let same = rows.iter().filter(|row| row.price == row.shares);
    assert_eq!(same.count(), 40, "bad prices are kept as filed");
    let shares: Decimal = rows.iter().filter_map(|row| row.shares).sum();
    assert_eq!(shares, number("5074088372"));
    let paid: Decimal = rows
        .iter()
        .filter(|row| row.code == Some(Code::purchase()))
        .filter_map(|row| row.shares?.checked_mul(row.price?))
        .sum();
    assert_eq!(paid, number("136240722.12405239313186"));
    // blanks and case in the wrong places make no second person
    let letters = |name: &str| -> String {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let person = |filing: &Filing| (filing.issuer.symbol.clone(), filing.owners[0].name.clone());
    let persons: BTreeSet<_> = filings.iter().map(person).collect();
    let lettered: BTreeSet<_> = persons
        .iter()
        .map(|(at, name)| (at, letters(name)))
        .collect();
    assert_eq!(lettered.len(), persons.len());
    let close = count(&|filing| filing.owners[0].close_to.is_some());
    assert_eq!(close, 130);
}

#[test]
fn se_fi() {
    let file = "eu/se_insynsregistret_2018.csv";
    let Some((filings, refused)) = filings(FilingFormat::SeFi, file) else {
        return;
    };
    assert_eq!((filings.len(), reasons(&refused)), (237, vec![]));
    let want = counts([
        ("P", 148),
        ("S", 54),
        ("grant", 16),
        ("subscription", 9),
        ("gift", 6),
        ("exercise", 3),
        ("exchange", 1),
    ]);
    assert_eq!(codes(&filings), want);
    let count = |test: &dyn Fn(&Filing) -> bool| filings.iter().filter(|f| test(f)).count();
    assert_eq!(count(&|filing| filing.status == Status::Revised), 9);
    assert_eq!(count(&|filing| filing.status == Status::Cancelled), 6);
    assert_eq!(count(&|filing| filing.form == "Korrigering"), 10);
    assert_eq!(
        count(&|filing| filing.rows[0].shares.is_none()),
        9,
        "Belopp"
    );
    assert_eq!(count(&|filing| filing.owners[0].close_to.is_some()), 56);
    assert_eq!(count(&|filing| filing.rows[0].derivative), 25);
    assert_eq!(count(&|filing| filing.rows[0].isin.is_some()), 207);
    let paid: Decimal = filings
        .iter()
        .filter(|filing| filing.rows[0].code == Some(Code::purchase()))
        .filter_map(|filing| filing.rows[0].shares?.checked_mul(filing.rows[0].price?))
        .sum();
    assert_eq!(paid, number("634832545093.292760"));
}

#[test]
fn se_fi_bad_values() {
    for (name, accepted, why) in [
        (
            "badPrice",
            1,
            &["2: Pris: `a7,9` is not a number such as 42,5"][..],
        ),
        (
            "badQuantity",
            1,
            &["2: Volym: `a8227` is not a number such as 42,5"],
        ),
        ("noTransactions", 0, &[]),
        (
            "pricePointInsteadOfComma",
            0,
            &["2: Pris: `37.9` is written with a point where decimals have a comma"],
        ),
    ] {
        let file = format!("eu/se_edge_{name}.csv");
        let Some((filings, refused)) = filings(FilingFormat::SeFi, &file) else {
            return;
        };
        assert_eq!(filings.len(), accepted, "{name}");
        assert_eq!(reasons(&refused), why, "{name}");
    }
}

#[test]
fn be_fsma() {
    let file = "eu/be_fsma_2018_2022.csv";
    let Some((filings, refused)) = filings(FilingFormat::BeFsma, file) else {
        return;
    };
    assert_eq!((filings.len(), reasons(&refused)), (609, vec![]));
    let want = counts([
        ("P", 183),
        ("S", 142),
        ("remuneration", 188),
        ("other", 69),
        ("subscription", 16),
        ("loan", 5),
        ("exercise", 3),
        ("fund", 3),
    ]);
    assert_eq!(codes(&filings), want);
    let count = |test: &dyn Fn(&Filing) -> bool| filings.iter().filter(|f| test(f)).count();
    let rows = || filings.iter().map(|filing| &filing.rows[0]);
    assert_eq!(rows().filter(|row| row.shares.is_none()).count(), 176);
    let lost = |value: Option<Decimal>| value.is_some_and(|value| !value.is_zero());
    assert_eq!(
        rows().filter(|row| lost(row.value)).count(),
        10,
        "a sum that fits no reading"
    );
    let shares: Decimal = rows().filter_map(|row| row.shares).sum();
    assert_eq!(shares, number("39142164"));
    assert_eq!(count(&|filing| filing.owners[0].close_to.is_some()), 149);
    assert_eq!(
        rows().filter(|row| row.isin.is_some()).count(),
        601,
        "8 rows lost theirs"
    );
    let first = filings
        .iter()
        .find(|filing| filing.id.0 == "FSMA:181049")
        .unwrap();
    assert_eq!(
        first.rows[0].shares,
        Some(number("1150")),
        "1.15 for 3.079,13 at 2,70"
    );
}

fn table<T: Rows>(name: &str, dialect: Dialect, rows: T) -> Option<(Vec<T::Item>, Vec<Rejected>)> {
    let mut table = Table::new(open(name)?, dialect, rows);
    let (mut items, mut refused) = (Vec::new(), Vec::new());
    for item in table.by_ref() {
        match item {
            Ok(item) => items.push(item),
            Err(rejected) => refused.push(rejected),
        }
    }
    assert!(table.error().is_none());
    Some((items, refused))
}

#[test]
fn sec_tsv() {
    let mut list = CheckList::default();
    for name in [
        "SUBMISSION",
        "DERIV_TRANS",
        "DERIV_HOLDING",
        "NONDERIV_HOLDING",
        "OWNER_SIGNATURE",
    ] {
        let file = format!("sec_form345_2024q3/{name}.tsv");
        let Some((entries, refused)) = table(&file, sec_tsv::DIALECT, SecTsv::default()) else {
            return;
        };
        assert_eq!(reasons(&refused), Vec::<String>::new());
        for entry in &entries {
            list.count(entry, |id| id.0 == "SEC:0001437749-24-024155");
        }
    }
    let forms: Vec<_> = list
        .forms
        .iter()
        .map(|(form, n)| (&**form, n.listed))
        .collect();
    let want = [
        ("3", 834),
        ("3/A", 29),
        ("4", 9_758),
        ("4/A", 176),
        ("5", 5),
        ("5/A", 1),
    ];
    assert_eq!(forms, want);
    assert_eq!((list.all().known, list.all().missing()), (1, 10_802));
    let rows = BTreeMap::from([
        (Kind::DerivTrans, 5_757),
        (Kind::DerivHolding, 2_884),
        (Kind::NonderivHolding, 5_320),
        (Kind::OwnerSignature, 11_742),
    ]);
    assert_eq!(list.rows, rows);
    assert_eq!(list.codes[&Code("M".into())], 2_490);
    assert_eq!(list.codes.values().sum::<u64>(), 5_757);
}

#[test]
fn companies() {
    let markets = Market::built_in();
    let day = date(2025, 9, 26);
    let read = |file, code: &str| {
        let market = markets.iter().find(|market| market.code == code).unwrap();
        table(
            file,
            companies::DIALECT,
            Companies::new(market, Some(day), date(2026, 12, 31)),
        )
    };
    let Some((us, refused)) = read("companies/us_companies.csv", "us") else {
        return;
    };
    assert_eq!((us.len(), reasons(&refused)), (71, vec![]));
    let days: BTreeMap<_, usize> =
        us.iter()
            .flat_map(|fact| &fact.market_caps)
            .fold(BTreeMap::new(), |mut days, (day, _)| {
                *days.entry(*day).or_default() += 1;
                days
            });
    let want = [(date(2025, 12, 31), 17), (date(2026, 8, 31), 3)];
    assert_eq!(days, BTreeMap::from(want));
    assert!(
        us.iter()
            .all(|fact| fact.id.as_ref().is_some_and(|id| id.len() == 10))
    );

    let (uk, refused) = read("companies/uk_companies.csv", "uk").unwrap();
    let named = uk.iter().filter(|fact| fact.name.is_some()).count();
    let known = uk.iter().filter(|fact| fact.isin.is_some()).count();
    assert_eq!((uk.len(), named, known, refused.len()), (423, 339, 88, 0));

    let (panel, refused) = read("panel_2025q1/market_cap.csv", "us").unwrap();
    let caps: Vec<_> = panel.iter().flat_map(|fact| &fact.market_caps).collect();
    assert_eq!((panel.len(), caps.len(), refused.len()), (284, 283, 0));
    let sum: Decimal = caps.iter().map(|(_, cap)| *cap).sum();
    assert_eq!(sum, number("9561930870871"));
}

/// All of them are closes.
fn closes_of(quotes: Vec<Quote>) -> Vec<Close> {
    let close = |quote| match quote {
        Quote::Close(close) => close,
        Quote::Split(split) => panic!("{split:?}"),
    };
    quotes.into_iter().map(close).collect()
}

#[test]
fn prices() {
    let Some(folder) = path("prices/daily_close") else {
        return;
    };
    let (mut closes, mut symbols) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let symbol = file_symbol(&entry.unwrap().path()).unwrap();
        let file = format!("prices/daily_close/{symbol}.csv");
        let rows = Closes::new(Some(symbol), date(2026, 12, 31));
        let (items, refused) = table(&file, prices::DIALECT, rows).unwrap();
        assert_eq!(reasons(&refused), Vec::<String>::new());
        let items = closes_of(items);
        closes += items.len();
        symbols.extend(items.into_iter().map(|close| close.symbol));
    }
    assert_eq!((closes, symbols.len()), (17_825, 15));
    let benchmarks = &Market::built_in()[1].benchmarks;
    assert!(symbols.contains(&benchmarks[1]), "SPY");

    let rows = Closes::new(None, date(2026, 12, 31));
    let (panel, refused) = table("panel_2025q1/close_wide.csv", prices::DIALECT, rows).unwrap();
    let panel = closes_of(panel);
    assert_eq!((panel.len(), reasons(&refused)), (54_645, vec![]));
    let tickers: BTreeSet<_> = panel.iter().map(|close| &close.symbol).collect();
    assert_eq!(tickers.len(), 288);
    let index: Vec<_> = panel
        .iter()
        .filter(|close| close.symbol == benchmarks[0])
        .collect();
    assert_eq!(index.len(), 190);
    let sum: Decimal = index.iter().map(|close| close.close).sum();
    assert_eq!(sum, number("1142913.5382"));
}

/// What a file of parsed Form 4s says of ConnectM: prices of thousands against a close of 8.5, the filing's total in the place of its price.
#[test]
fn us_parsed_purchases() {
    let folder = "us_parsed/open_market_purchases_2026";
    let Some(file) = open(&format!("{folder}/eligible_purchase_history.csv")) else {
        return;
    };
    let filings = us_parsed::purchases(file);
    assert_eq!(
        filings
            .iter()
            .map(|filing| filing.rows.len())
            .sum::<usize>(),
        386
    );
    assert!(
        filings
            .iter()
            .all(|filing| us_parsed::is_accession(&filing.id.0))
    );
    let connectm: Vec<_> = filings
        .iter()
        .filter(|filing| filing.issuer.symbol.as_deref() == Some("CNTM"))
        .collect();
    assert_eq!(connectm.len(), 2);
    let rows = connectm.iter().flat_map(|filing| &filing.rows);
    let dear = rows.filter(|row| row.price > Some(number("3000")));
    assert_eq!(dear.count(), 6, "all of them, kept as filed");
    // 40,907,083 for 3,359 shares: 12,178 a share
    let (sum, shares) =
        connectm[1]
            .rows
            .iter()
            .fold((Decimal::ZERO, Decimal::ZERO), |(sum, shares), row| {
                let (price, count) = (row.price.unwrap(), row.shares.unwrap());
                (sum + price * count, shares + count)
            });
    assert_eq!((sum / shares).round(), number("12178"));

    for (file, rows, purchases) in [("NVDA", 1_507, None), ("MAIA", 146, Some(141))] {
        let name = format!("us_parsed/{file}_form4_transactions_2022_2026.csv");
        let filings = us_parsed::history(open(&name).unwrap());
        assert_eq!(
            filings
                .iter()
                .map(|filing| filing.rows.len())
                .sum::<usize>(),
            rows
        );
        if let Some(purchases) = purchases {
            assert_eq!(codes(&filings)["P"], purchases);
        }
    }
}
