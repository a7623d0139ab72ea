//! Real submissions, where they are at hand: exact counts, worked out independently of this code.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use sigcast::{
    ingest::sec::{parse::parse, rejection::Rejection},
    model::filing::{Code, Filing},
};

/// `SIGCAST_SHARED_DATA`, else `../shared/data` beside the project.
fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("us_form4");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {}", folder.display());
    None
}

fn read(path: &Path) -> Result<Filing, Rejection> {
    let bytes = fs::read(path).expect("a readable file");
    parse(&bytes, path.to_str())
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn submissions(folder: &Path) -> Vec<Filing> {
    let folders = files(&folder.join("submissions"));
    let paths = folders.iter().flat_map(|folder| files(folder));
    paths
        .map(|path| read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display())))
        .collect()
}

/// Transactions by code in one of the two tables.
fn codes(filings: &[Filing], derivative: bool) -> BTreeMap<&str, usize> {
    let mut codes = BTreeMap::new();
    for row in filings.iter().flat_map(|filing| &filing.rows) {
        if let (Some(code), true) = (&row.code, row.derivative == derivative) {
            *codes.entry(code.0.as_str()).or_insert(0) += 1;
        }
    }
    codes
}

#[test]
fn all_submissions() {
    let Some(folder) = folder() else {
        return;
    };
    let filings = submissions(&folder);
    assert_eq!(filings.len(), 1991);
    let ids: BTreeSet<_> = filings.iter().map(|filing| &filing.id).collect();
    assert_eq!(ids.len(), 1991);
    // the data's README counts the rows of the table of non-derivatives
    let stocks = codes(&filings, false);
    for (code, count) in [
        ("P", 707),
        ("S", 329),
        ("A", 669),
        ("F", 521),
        ("M", 271),
        ("D", 19),
        ("G", 35),
        ("J", 36),
        ("C", 34),
        ("I", 16),
        ("L", 8),
    ] {
        assert_eq!(stocks.get(code), Some(&count), "{code}");
    }
    assert_eq!(stocks.values().sum::<usize>(), 2645);
    let derivatives = codes(&filings, true);
    let expected = [
        ("A", 486),
        ("C", 34),
        ("D", 21),
        ("F", 6),
        ("J", 16),
        ("M", 326),
        ("P", 15),
        ("S", 3),
        ("X", 6),
    ];
    assert_eq!(derivatives, BTreeMap::from(expected));
    let holdings = filings
        .iter()
        .flat_map(|f| &f.rows)
        .filter(|row| row.code.is_none());
    assert_eq!(holdings.count(), 1617);
    let owners: BTreeSet<_> = filings
        .iter()
        .flat_map(|f| &f.owners)
        .map(|owner| &owner.id)
        .collect();
    assert_eq!((owners.len(), owners.contains(&None)), (869, false));
    assert_eq!(filings.iter().map(|f| f.owners.len()).max(), Some(10));
    assert_eq!(
        filings.iter().map(|f| f.footnotes.len()).sum::<usize>(),
        4638
    );
    let plans = |plan| filings.iter().filter(|f| f.plan == plan).count();
    assert_eq!(
        (plans(Some(true)), plans(Some(false)), plans(None)),
        (25, 980, 986)
    );
    let flaws: Vec<_> = filings
        .iter()
        .flat_map(|f| &f.rows)
        .flat_map(|row| &row.flaws)
        .collect();
    assert!(flaws.is_empty(), "{flaws:?}");
    let marks = filings
        .iter()
        .flat_map(|f| &f.rows)
        .map(|row| row.marks.len());
    assert_eq!(marks.sum::<usize>(), 7370);
    purchases(&filings);
    for filing in &filings {
        let notes: BTreeSet<_> = filing.footnotes.iter().map(|note| &note.id).collect();
        for row in &filing.rows {
            assert!(
                row.footnotes.iter().all(|id| notes.contains(id)),
                "{}",
                filing.id
            );
            assert!(
                row.marks
                    .iter()
                    .all(|mark| row.footnotes.contains(&mark.footnote))
            );
        }
    }
}

/// What was bought in the table of non-derivatives, to the last digit.
fn purchases(filings: &[Filing]) {
    let rows = filings.iter().flat_map(|filing| &filing.rows);
    let bought = rows.filter(|row| row.code == Some(Code::purchase()) && !row.derivative);
    let (mut shares, mut dollars) = (Decimal::ZERO, Decimal::ZERO);
    for row in bought {
        let of_row = row.shares.expect("all have shares");
        shares += of_row;
        dollars += of_row * row.price.expect("all have a price");
        assert_eq!(row.currency.as_deref(), Some("USD"));
    }
    assert_eq!(shares.to_string(), "195787545.9714");
    assert_eq!(dollars.normalize().to_string(), "1914984691.3082222");
}

#[test]
fn the_manifest_agrees() {
    let Some(folder) = folder() else {
        return;
    };
    let zone = TimeZone::get("America/New_York").unwrap();
    let mut rows = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    let mut seen = 0;
    for row in rows.records() {
        let row = row.unwrap();
        let filing = read(&folder.join(&row[0])).unwrap();
        assert_eq!(filing.id.0, format!("SEC:{}", &row[1]));
        assert_eq!(filing.issuer.id.as_deref(), Some(&row[2]), "{}", &row[0]);
        assert_eq!(filing.form, row[4], "{}", &row[0]);
        let accepted = Timestamp::from_microsecond(filing.published_at.0).unwrap();
        let local = zone
            .to_datetime(accepted)
            .strftime("%Y%m%d%H%M%S")
            .to_string();
        assert_eq!(
            (&*local, filing.published_estimated),
            (&row[6], false),
            "{}",
            &row[0]
        );
        let filed = row[3].trim();
        let symbol = match filed {
            _ if filed.eq_ignore_ascii_case("none") => None,
            _ => Some(filed.split([' ', ')']).next().unwrap().to_ascii_uppercase()),
        };
        assert_eq!(filing.issuer.symbol, symbol, "{}: {filed}", &row[0]);
        seen += 1;
    }
    assert_eq!(seen, 1991);
}

#[test]
fn duplicates_are_known_by_the_same_number() {
    let Some(folder) = folder() else {
        return;
    };
    let originals: BTreeMap<_, _> = submissions(&folder)
        .into_iter()
        .map(|filing| (filing.id.clone(), filing))
        .collect();
    let copies = files(&folder.join("duplicates"));
    assert_eq!(copies.len(), 8);
    for path in copies {
        let copy = read(&path).unwrap();
        assert_eq!(originals.get(&copy.id), Some(&copy), "{}", path.display());
    }
}

#[test]
fn broken_files_have_a_reason() {
    let Some(folder) = folder() else {
        return;
    };
    let why = |name: &str| read(&folder.join("broken").join(name)).unwrap_err();
    assert_eq!(why("0001225208-23-003332.txt"), Rejection::Empty);
    let page = "SEC.gov | Request Rate Threshold Exceeded".to_owned();
    assert_eq!(why("0001811633-23-000004.txt"), Rejection::WebPage(page));
}

#[test]
fn other_forms() {
    let Some(folder) = folder() else {
        return;
    };
    // form, id (`sha256` where there is no number), rows, owners, published
    let expected = [
        (
            "000032012123000040_form4.xml",
            "4 SEC:0000320121-23-000040 7 1 2023-05-16T03:59:59.999Z estimated",
        ),
        (
            "0001127602-25-001055.txt",
            "4 SEC:0001127602-25-001055 1 1 2025-01-10T21:07:30.000Z",
        ),
        (
            "000120919123029527_form4.xml",
            "4 SEC:0001209191-23-029527 2 3 2023-05-16T03:59:59.999Z estimated",
        ),
        (
            "374WaterForm4.xml",
            "4 SEC:sha256 2 1 2025-05-03T03:59:59.999Z estimated",
        ),
        (
            "AAPL_0000320193_form4_sample1.xml",
            "4 SEC:sha256 1 1 2026-08-14T03:59:59.999Z estimated",
        ),
        (
            "form3.nosecurities.xml",
            "3 SEC:sha256 0 1 2022-01-08T04:59:59.999Z estimated",
        ),
        (
            "form3.snow.xml",
            "3 SEC:sha256 6 1 2020-09-16T03:59:59.999Z estimated",
        ),
        (
            "form4.snow.xml",
            "4 SEC:sha256 15 1 2022-12-15T04:59:59.999Z estimated",
        ),
        (
            "form5.snow.xml",
            "5 SEC:sha256 3 1 2022-03-12T04:59:59.999Z estimated",
        ),
        (
            "odd_name_1.txt",
            "4 SEC:0001209191-23-002844 1 1 2023-01-10T22:32:02.000Z",
        ),
    ];
    let paths = files(&folder.join("other_forms"));
    assert_eq!(paths.len(), expected.len());
    for (path, (name, says)) in paths.iter().zip(expected) {
        assert!(path.ends_with(name), "{}", path.display());
        let f = read(path).unwrap_or_else(|why| panic!("{name}: {why}"));
        let id = f.id.0.split('-').next().unwrap_or_default();
        let id = if id.ends_with("sha256") { id } else { &f.id.0 };
        let (rows, owners, at) = (f.rows.len(), f.owners.len(), f.published_at);
        let estimated = if f.published_estimated {
            " estimated"
        } else {
            ""
        };
        assert_eq!(
            format!("{} {id} {rows} {owners} {at}{estimated}", f.form),
            says,
            "{name}"
        );
    }
}
