//! Reads tables of parsed Form 4s, for tests alone: what is scored comes from the submissions themselves.

use std::{collections::BTreeMap, io::Read};

use jiff::civil::Date;
use serde::Deserialize;
use sigcast::model::{
    filing::{Code, Filing, FilingId, Issuer, Owner, Row},
    local::Zone,
    time::Time,
};

/// `SEC:` and an accession number.
pub fn is_accession(id: &str) -> bool {
    id.strip_prefix("SEC:").is_some_and(|number| {
        let parts: Vec<_> = number.split('-').map(str::len).collect();
        parts == [10, 2, 6]
    })
}

#[derive(Deserialize)]
struct Purchase {
    accepted_at: String,
    accession: String,
    issuer_cik: String,
    issuer_name: String,
    ticker: String,
    security_title: String,
    transaction_date: Date,
    transaction_code: String,
    acquired_disposed_code: String,
    shares: String,
    price_per_share: String,
    /// JSON in a cell.
    reporting_owners: String,
}

#[derive(Deserialize)]
struct Reporting {
    cik: String,
    name: String,
    is_director: Option<bool>,
    is_officer: Option<bool>,
    is_ten_percent_owner: Option<bool>,
    is_other: Option<bool>,
    officer_title: Option<String>,
}

/// The open-market purchases of 2026, a filing an accession number. Times seem to be UTC.
pub fn purchases(reader: impl Read) -> Vec<Filing> {
    let mut filings = Filings::default();
    for row in csv::Reader::from_reader(reader).into_deserialize() {
        let row: Purchase = row.expect("a row of the table");
        let owners: Vec<Reporting> =
            serde_json::from_str(&row.reporting_owners).expect("JSON in the cell");
        let accepted = format!("{}Z", row.accepted_at.replace(' ', "T"));
        let filing = filings.of(&row.accession, || Filing {
            published_at: Time::parse_iso(&accepted).expect("a time"),
            issuer: issuer(&row.issuer_cik, &row.issuer_name, &row.ticker),
            owners: owners
                .into_iter()
                .map(|owner| Owner {
                    id: Some(format!("{:0>10}", owner.cik)),
                    name: owner.name,
                    director: owner.is_director == Some(true),
                    officer: owner.is_officer == Some(true),
                    ten_percent: owner.is_ten_percent_owner == Some(true),
                    other: owner.is_other == Some(true),
                    title: owner.officer_title,
                    close_to: None,
                })
                .collect(),
            ..empty()
        });
        filing.rows.push(Row {
            code: Some(Code(row.transaction_code)),
            security: row.security_title,
            date: Some(row.transaction_date),
            acquired: Some(row.acquired_disposed_code == "A"),
            shares: row.shares.parse().ok(),
            price: row.price_per_share.parse().ok(),
            ..Row::default()
        });
    }
    filings.0.into_values().collect()
}

#[derive(Deserialize)]
struct Transaction {
    ticker: String,
    issuer_cik: String,
    accession_number: String,
    filing_date: Date,
    reporting_owner_name: String,
    reporting_owner_cik: String,
    officer_title: String,
    director: String,
    ten_percent_owner: String,
    security_title: String,
    transaction_date: Date,
    transaction_code: String,
    is_derivative: String,
    shares: String,
    price_per_share: String,
    shares_owned_following: String,
    ownership_nature_direct_or_indirect: String,
}

/// The years of one company's insiders; published at the end of the day of filing, Eastern.
pub fn history(reader: impl Read) -> Vec<Filing> {
    let eastern = Zone::named("America/New_York").expect("a zone");
    let mut filings = Filings::default();
    for row in csv::Reader::from_reader(reader).into_deserialize() {
        let row: Transaction = row.expect("a row of the table");
        let filing = filings.of(&row.accession_number, || Filing {
            published_at: eastern.end_of_day(row.filing_date).expect("a day"),
            published_estimated: true,
            issuer: issuer(&row.issuer_cik, &row.ticker, &row.ticker),
            owners: vec![Owner {
                id: Some(row.reporting_owner_cik),
                name: row.reporting_owner_name,
                director: row.director == "True",
                officer: !row.officer_title.is_empty(),
                ten_percent: row.ten_percent_owner == "True",
                title: Some(row.officer_title).filter(|title| !title.is_empty()),
                ..Owner::default()
            }],
            ..empty()
        });
        filing.rows.push(Row {
            code: Some(Code(row.transaction_code)),
            derivative: row.is_derivative == "True",
            security: row.security_title,
            date: Some(row.transaction_date),
            shares: row.shares.parse().ok(),
            price: row.price_per_share.parse().ok(),
            shares_after: row.shares_owned_following.parse().ok(),
            direct: Some(row.ownership_nature_direct_or_indirect == "D"),
            ..Row::default()
        });
    }
    filings.0.into_values().collect()
}

#[derive(Default)]
struct Filings(BTreeMap<String, Filing>);

impl Filings {
    fn of(&mut self, accession: &str, fresh: impl FnOnce() -> Filing) -> &mut Filing {
        let filing = self.0.entry(accession.to_owned()).or_insert_with(fresh);
        filing.id = FilingId(format!("SEC:{accession}"));
        filing
    }
}

fn issuer(cik: &str, name: &str, symbol: &str) -> Issuer {
    Issuer {
        id: Some(format!("{cik:0>10}")),
        name: name.to_owned(),
        symbol: Some(symbol.to_owned()),
        isin: None,
    }
}

fn empty() -> Filing {
    Filing {
        id: FilingId(String::new()),
        market: "us".into(),
        form: "4".into(),
        published_at: Time::default(),
        published_estimated: false,
        status: sigcast::model::filing::Status::Current,
        amends: None,
        issuer: issuer("", "", ""),
        owners: Vec::new(),
        period: None,
        plan: None,
        rows: Vec::new(),
        footnotes: Vec::new(),
        remarks: None,
        url: None,
    }
}
