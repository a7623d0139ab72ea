//! For the tests of the insider engine: filings in few words, and a book in memory that assesses as the real one does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    assess::{Sweep, assess},
    audit::{Assessment, Audit},
    company::{Company, Series},
    days,
    declaration::split,
    elsewhere::{Nothing, Returns},
    record::{DeclarationRecord, Unscored},
};
use crate::model::{
    filing::{Code, Filing, FilingId, Footnote, Issuer, Owner, Row, Status},
    market::Market,
    time::Time,
};

pub fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn time(text: &str) -> Time {
    Time::parse_iso(text).unwrap()
}

pub fn market() -> Market {
    Market {
        code: "us".into(),
        regulator: "SEC".into(),
        name: "United States".into(),
        currency: "USD".into(),
        time_zone: "America/New_York".into(),
        prefix: "SEC".into(),
        benchmarks: Vec::new(),
    }
}

/// A company of which nothing is known.
pub fn company() -> Company {
    Company::unknown("USD", TimeZone::get("America/New_York").unwrap())
}

/// Closes of every weekday from `from` on: `close(n)` of the n-th calendar day.
pub fn closes(from: &str, days: i32, close: impl Fn(i32) -> Decimal) -> Series {
    let from = day(from);
    let all = (0..days).map(|n| (days::plus(from, n), close(n)));
    Series::new(
        all.filter(|(date, _)| days::business_days(days::plus(*date, -1), *date) == Some(1)),
    )
}

/// An owner known by number, with a seat on the board.
pub fn owner(person: u32) -> Owner {
    Owner {
        id: Some(format!("{person:010}")),
        name: format!("Person {person}"),
        director: true,
        ..Owner::default()
    }
}

/// A row of common stock, held directly.
pub fn row(code: &str, date: &str, shares: &str, price: &str) -> Row {
    Row {
        code: Some(Code(code.into())),
        security: "Common Stock".into(),
        date: Some(day(date)),
        acquired: match code {
            "P" | "M" | "A" => Some(true),
            _ => Some(false),
        },
        shares: Some(number(shares)),
        price: Some(number(price)),
        direct: Some(true),
        ..Row::default()
    }
}

pub fn holding(after: &str, row: Row) -> Row {
    Row {
        shares_after: Some(number(after)),
        ..row
    }
}

/// Filing `SEC:<name>` of the company, published at this time (UTC) by the owners of these numbers.
pub fn filing(name: &str, at: &str, owners: &[u32], rows: Vec<Row>) -> Filing {
    Filing {
        id: FilingId(format!("SEC:{name}")),
        market: "us".into(),
        form: "4".into(),
        published_at: time(at),
        published_estimated: false,
        status: Status::Current,
        amends: None,
        issuer: Issuer {
            id: Some("0000000001".into()),
            name: "Acme".into(),
            symbol: None,
            isin: None,
        },
        owners: owners.iter().map(|person| owner(*person)).collect(),
        period: rows.iter().filter_map(|row| row.date).max(),
        plan: None,
        rows,
        footnotes: Vec::new(),
        remarks: None,
        url: None,
    }
}

/// The same with a footnote on each row.
pub fn noted(mut filing: Filing, text: &str) -> Filing {
    filing.footnotes.push(Footnote {
        id: "F1".into(),
        text: text.into(),
    });
    for row in &mut filing.rows {
        row.footnotes.push("F1".into());
    }
    filing
}

/// One purchase of 1,000 shares at 10.
pub fn bought(name: &str, at: &str, person: u32, date: &str) -> Filing {
    filing(name, at, &[person], vec![row("P", date, "1000", "10")])
}

/// One sale of 1,000 shares at 10.
pub fn sold(name: &str, at: &str, person: u32, date: &str) -> Filing {
    filing(name, at, &[person], vec![row("S", date, "1000", "10")])
}

pub fn records(filings: &[Filing]) -> Vec<DeclarationRecord> {
    let market = market();
    let split = |filing| split(filing, &market, "acme");
    filings.iter().flat_map(split).collect()
}

/// What the engine says of each declaration, by amfId without its prefix.
pub struct Said(pub HashMap<String, Assessment>, pub Sweep);

pub fn said_of(company: Company, filings: &[Filing]) -> Said {
    let (assessments, sweep) = assess(
        Arc::new(company),
        &records(filings),
        Time(i64::MIN),
        &Nothing,
    );
    let named = assessments.into_iter().map(|assessment| {
        let name = assessment.amf_id.trim_start_matches("SEC:").to_owned();
        (name, assessment)
    });
    Said(named.collect(), sweep)
}

pub fn said(filings: &[Filing]) -> Said {
    said_of(company(), filings)
}

impl Said {
    pub fn of(&self, name: &str) -> &Assessment {
        &self.0[name]
    }

    #[track_caller]
    pub fn audit(&self, name: &str) -> &Audit {
        match &self.of(name).outcome {
            Ok(audit) => audit,
            Err(reason) => panic!("{name}: {reason:?}"),
        }
    }

    pub fn reason(&self, name: &str) -> Option<Unscored> {
        self.of(name).outcome.as_ref().err().copied()
    }

    pub fn cluster(&self, name: &str) -> u32 {
        self.audit(name).inputs.cluster_n
    }
}

/// What has been assessed of several companies, kept up as facts come in: whatever was published at or after the earliest new fact is
/// assessed again, and nothing else.
pub struct Book {
    companies: BTreeMap<String, Arc<Company>>,
    records: BTreeMap<String, Vec<DeclarationRecord>>,
    pub served: BTreeMap<String, Assessment>,
}

impl Book {
    pub fn new(companies: &[(String, Company)]) -> Self {
        let known = companies.iter();
        Book {
            companies: known
                .map(|(name, company)| (name.clone(), Arc::new(company.clone())))
                .collect(),
            records: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    }

    /// Takes in filings, each with its company's name.
    pub fn ingest(&mut self, filings: &[(String, Filing)]) {
        let Some(since) = filings.iter().map(|(_, f)| f.published_at).min() else {
            return;
        };
        let market = market();
        for (company, filing) in filings {
            let records = self.records.entry(company.clone()).or_default();
            records.extend(split(filing, &market, company));
        }
        let mut returns = Vec::new();
        for (name, records) in &self.records {
            let company = self.companies[name].clone();
            let (_, sweep) = assess(company, records, Time(i64::MAX), &Nothing);
            returns.extend(sweep.matured().map(|matured| (name.clone(), matured)));
        }
        let returns = Returns::new(returns);
        for (name, records) in &self.records {
            let company = self.companies[name].clone();
            let (assessments, _) = assess(company, records, since, &returns.outside(name));
            for assessment in assessments {
                self.served.insert(assessment.amf_id.clone(), assessment);
            }
        }
    }
}
