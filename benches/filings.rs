//! Submissions per second on one core, from memory to filings: `cargo bench --bench filings`.
//!
//! The real submissions where they are at hand (`SIGCAST_SHARED_DATA`, else `../shared/data`), each parsed once a round; elsewhere as
//! many invented ones of their average size, which says less.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sigcast::ingest::sec::parse::parse;

fn real() -> Vec<Vec<u8>> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut files = Vec::new();
    for folder in entries(&data.join("us_form4/submissions")) {
        for path in entries(&folder) {
            files.push(fs::read(path).expect("a readable file"));
        }
    }
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// A submission with two owners, eight rows and four footnotes.
fn invented(n: usize) -> Vec<u8> {
    let mut text = format!(
        "<ACCEPTANCE-DATETIME>20230104153325\nACCESSION NUMBER:\t\t0001437749-23-{n:06}\n<XML>\n<?xml version=\"1.0\"?>\n\
         <ownershipDocument>\n<documentType>4</documentType>\n<issuer><issuerCik>0000000001</issuerCik>\
         <issuerName>A &amp; B Corp</issuerName><issuerTradingSymbol>AB</issuerTradingSymbol></issuer>\n"
    );
    for owner in 1..3 {
        let _ = writeln!(
            text,
            "<reportingOwner><reportingOwnerId><rptOwnerCik>{owner}</rptOwnerCik><rptOwnerName>Owner {owner}</rptOwnerName>\
             </reportingOwnerId><reportingOwnerRelationship><isDirector>1</isDirector></reportingOwnerRelationship></reportingOwner>"
        );
    }
    for row in 1..9 {
        let _ = writeln!(
            text,
            "    <nonDerivativeTransaction>\n        <securityTitle>\n            <value>Common Stock</value>\n        </securityTitle>\n\
             <transactionDate>\n            <value>2023-01-03</value>\n        </transactionDate>\n        <transactionCoding>\n\
             <transactionCode>P</transactionCode>\n        </transactionCoding>\n        <transactionShares>\n\
             <value>{row}00.5</value>\n            <footnoteId id=\"F1\"/>\n        </transactionShares>\n\
             <transactionPricePerShare>\n            <value>1.30</value>\n        </transactionPricePerShare>\n\
             <sharesOwnedFollowingTransaction>\n            <value>163581</value>\n        </sharesOwnedFollowingTransaction>\n\
             </nonDerivativeTransaction>"
        );
    }
    for note in 1..5 {
        let _ = writeln!(
            text,
            "<footnote id=\"F{note}\">{}</footnote>",
            "Some words of it. ".repeat(15)
        );
    }
    text.push_str("<signatureDate>2023-01-04</signatureDate>\n</ownershipDocument>\n</XML>\n");
    text.into_bytes()
}

fn parsing(c: &mut Criterion) {
    let mut files = real();
    let kind = if files.is_empty() { "invented" } else { "real" };
    if files.is_empty() {
        files = (0..2000).map(invented).collect();
    }
    let bytes: usize = files.iter().map(Vec::len).sum();
    println!("{} {kind} submissions, {bytes} bytes", files.len());
    let mut group = c.benchmark_group("filings");
    group.throughput(Throughput::Elements(files.len() as u64));
    group.bench_function(kind, |b| {
        b.iter(|| {
            for file in &files {
                let filing = parse(file, None).expect("a filing");
                std::hint::black_box(filing);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, parsing);
criterion_main!(benches);
