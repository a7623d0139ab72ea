//! The SEC's quarterly data sets: their list of submissions as a check-list of what is there, and their other tables counted.
//!
//! The tables hold no owner of a row, so no filing is made of them: filings come from the submissions themselves.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;

use super::field::{month_day, needed, refusal, words};
use crate::{
    ingest::records::{Dialect, Header, Record, Rows},
    model::filing::{Code, FilingId},
};

/// Tabs between the cells, quotes are letters.
pub const DIALECT: Dialect = Dialect {
    separator: '\t',
    quotes: false,
};

/// The document types of the data sets.
const FORMS: [&str; 6] = ["3", "3/A", "4", "4/A", "5", "5/A"];

/// A table of the data set, told by a column that only it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One row a submission.
    Submission,
    /// Who reports.
    ReportingOwner,
    /// Transactions.
    NonderivTrans,
    /// Holdings.
    NonderivHolding,
    /// Transactions of derivatives.
    DerivTrans,
    /// Holdings of derivatives.
    DerivHolding,
    /// Footnotes.
    Footnotes,
    /// Signatures.
    OwnerSignature,
}

impl Kind {
    /// The table's name, as its file is called.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Kind::Submission => "SUBMISSION",
            Kind::ReportingOwner => "REPORTINGOWNER",
            Kind::NonderivTrans => "NONDERIV_TRANS",
            Kind::NonderivHolding => "NONDERIV_HOLDING",
            Kind::DerivTrans => "DERIV_TRANS",
            Kind::DerivHolding => "DERIV_HOLDING",
            Kind::Footnotes => "FOOTNOTES",
            Kind::OwnerSignature => "OWNER_SIGNATURE",
        }
    }
}

const KINDS: [(&str, Kind); 8] = [
    ("DOCUMENT_TYPE", Kind::Submission),
    ("RPTOWNERCIK", Kind::ReportingOwner),
    ("NONDERIV_TRANS_SK", Kind::NonderivTrans),
    ("NONDERIV_HOLDING_SK", Kind::NonderivHolding),
    ("DERIV_TRANS_SK", Kind::DerivTrans),
    ("DERIV_HOLDING_SK", Kind::DerivHolding),
    ("FOOTNOTE_ID", Kind::Footnotes),
    ("OWNERSIGNATURENAME", Kind::OwnerSignature),
];

/// A submission that the data set lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// `SEC:` and the accession number.
    pub id: FilingId,
    /// Document type: `4`, `4/A`, ….
    pub form: String,
    /// Day of filing.
    pub filed: Date,
    /// Last day that it reports on.
    pub period: Option<Date>,
    /// Of an amendment: the day on which the original was filed.
    pub original_filed: Option<Date>,
    /// Of ten digits.
    pub issuer_cik: String,
    /// As filed.
    pub issuer_name: String,
    /// As filed.
    pub symbol: Option<String>,
}

/// A row of any of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Of the list of submissions.
    Submission(Submission),
    /// Of another table.
    Row {
        /// Which.
        kind: Kind,
        /// The submission that it belongs to.
        filing: FilingId,
        /// Of transactions: their code.
        code: Option<Code>,
    },
}

/// Reads any of the tables; tolerant of columns that come and go, and of cells that nothing is made of.
#[derive(Debug, Default)]
pub struct SecTsv {
    columns: Option<Columns>,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    kind: Kind,
    accession: usize,
    form: Option<usize>,
    filed: Option<usize>,
    period: Option<usize>,
    original: Option<usize>,
    cik: Option<usize>,
    name: Option<usize>,
    symbol: Option<usize>,
    code: Option<usize>,
}

impl Rows for SecTsv {
    type Item = Entry;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        let known = KINDS
            .iter()
            .find(|(column, _)| header.find(column).is_some());
        let (_, kind) = known.ok_or("header: no table of the SEC's data sets")?;
        if *kind == Kind::Submission {
            for column in ["FILING_DATE", "ISSUERCIK", "ISSUERNAME"] {
                header.need(column)?;
            }
        }
        self.columns = Some(Columns {
            kind: *kind,
            accession: header.need("ACCESSION_NUMBER")?,
            form: header.find("DOCUMENT_TYPE"),
            filed: header.find("FILING_DATE"),
            period: header.find("PERIOD_OF_REPORT"),
            original: header.find("DATE_OF_ORIG_SUB"),
            cik: header.find("ISSUERCIK"),
            name: header.find("ISSUERNAME"),
            symbol: header.find("ISSUERTRADINGSYMBOL"),
            code: header.find("TRANS_CODE"),
        });
        Ok(())
    }

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Entry, String>>) {
        let Some(columns) = self.columns else { return };
        out.push_back(match columns.kind {
            Kind::Submission => submission(columns, record).map(Entry::Submission),
            kind => accession(record.cell(columns.accession)).map(|filing| Entry::Row {
                kind,
                filing,
                code: record.text(columns.code).map(|code| Code(code.to_owned())),
            }),
        });
    }
}

/// `0001127602-25-009876`: ten digits of who filed, two of the year, six of a number.
fn accession(text: &str) -> Result<FilingId, String> {
    let shape = |at: usize, byte: u8| match at {
        10 | 13 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let mut letters = text.bytes().enumerate();
    if text.len() == 20 && letters.all(|(at, byte)| shape(at, byte)) {
        return Ok(FilingId(format!("SEC:{text}")));
    }
    Err(refusal("ACCESSION_NUMBER", text, "no accession number"))
}

fn submission(columns: Columns, record: &Record<'_>) -> Result<Submission, String> {
    let cell = |at: Option<usize>| record.text(at).unwrap_or("");
    let day = |field, at| {
        let text = record.text(at);
        text.map(|text| month_day(field, text)).transpose()
    };
    let form = cell(columns.form);
    if !FORMS.contains(&form) {
        let why = format!("not one of {}", FORMS.join(", "));
        return Err(refusal("DOCUMENT_TYPE", form, &why));
    }
    let cik = cell(columns.cik);
    if cik.is_empty() || cik.len() > 10 || !cik.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal("ISSUERCIK", cik, "no CIK"));
    }
    Ok(Submission {
        id: accession(record.cell(columns.accession))?,
        form: form.to_owned(),
        filed: day("FILING_DATE", columns.filed)?.ok_or("FILING_DATE: missing")?,
        period: day("PERIOD_OF_REPORT", columns.period)?,
        original_filed: day("DATE_OF_ORIG_SUB", columns.original)?,
        issuer_cik: format!("{cik:0>10}"),
        issuer_name: needed("ISSUERNAME", cell(columns.name))?,
        symbol: words("ISSUERTRADINGSYMBOL", cell(columns.symbol))?,
    })
}

/// Submissions of one document type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// In the list.
    pub listed: u64,
    /// Of them, those that are at hand.
    pub known: u64,
}

impl Listed {
    /// Those that are not.
    #[must_use]
    pub fn missing(self) -> u64 {
        self.listed - self.known
    }
}

/// What the tables hold, and how much of it is at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckList {
    /// By document type.
    pub forms: BTreeMap<String, Listed>,
    /// Rows of the other tables.
    pub rows: BTreeMap<Kind, u64>,
    /// Their transactions, by code.
    pub codes: BTreeMap<Code, u64>,
}

impl CheckList {
    /// Counts an entry. `known` says whether a submission is at hand; it is asked once for each that is listed.
    pub fn count(&mut self, entry: &Entry, known: impl FnOnce(&FilingId) -> bool) {
        match entry {
            Entry::Submission(submission) => {
                let listed = self.forms.entry(submission.form.clone()).or_default();
                listed.listed += 1;
                listed.known += u64::from(known(&submission.id));
            }
            Entry::Row { kind, code, .. } => {
                *self.rows.entry(*kind).or_default() += 1;
                // a letter: no file makes this map grow without bound
                if let Some(code) = code.as_ref().filter(|code| code.0.len() == 1) {
                    *self.codes.entry(code.clone()).or_default() += 1;
                }
            }
        }
    }

    /// All submissions together.
    #[must_use]
    pub fn all(&self) -> Listed {
        self.forms
            .values()
            .fold(Listed::default(), |all, form| Listed {
                listed: all.listed + form.listed,
                known: all.known + form.known,
            })
    }
}
