//! EDGAR's daily index: every filing of a day, in the evening, in one text. What the feed skipped stands there.
//!
//! Read are `master.YYYYMMDD.idx` (`CIK|Company Name|Form Type|Date Filed|File Name`) and `form.YYYYMMDD.idx` (columns, whose heading EDGAR
//! breaks over two lines): either way a row is what ends in a path of the archive.

use jiff::civil::Date;

use super::feed::is_followed;
use crate::{
    ingest::sec::{submission::decoded, values},
    model::time::Time,
};

/// Rows of one index that are looked at; a busy day has 20,000.
const MAX_ROWS: usize = 500_000;

/// A filing in the index. One with several parties has a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `0001193125-26-361476`.
    pub accession: String,
    /// CIK of a party, without leading zeros.
    pub cik: String,
}

/// Why a text is no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// No heading, and no line under it.
    #[error("no daily index: there is no line of dashes under a heading")]
    NoHeading,
    /// The last line is half a line.
    #[error("the daily index is cut off")]
    CutOff,
    /// Longer than any.
    #[error("a daily index of more than {MAX_ROWS} rows")]
    TooLong,
}

/// The index of a day is there from about ten in the evening on, Eastern; 22:30 is asked for first.
const HOUR: (i8, i8) = (22, 30);

/// When a day's index is first asked for.
pub(super) fn due(day: Date) -> Time {
    let (hour, minute) = HOUR;
    values::eastern(day.at(hour, minute, 0, 0)).unwrap_or(Time(i64::MAX))
}

/// The path of a day's index on EDGAR's host.
#[must_use]
pub fn path(day: Date) -> String {
    let quarter = (day.month() + 2) / 3;
    let year = day.year();
    let digits = day.strftime("%Y%m%d");
    format!("/Archives/edgar/daily-index/{year}/QTR{quarter}/master.{digits}.idx")
}

/// The rows of Forms 3, 4, 5 and their amendments, each accession number once.
///
/// # Errors
/// [`IndexError`], and nothing of it then: half an index would hide what is missing.
pub fn parse(bytes: &[u8]) -> Result<Vec<Row>, IndexError> {
    let text = decoded(bytes);
    if !text.ends_with('\n') {
        return Err(if text.contains("\n-----") {
            IndexError::CutOff
        } else {
            IndexError::NoHeading
        });
    }
    let mut lines = text.lines();
    lines
        .find(|line| line.starts_with("-----"))
        .ok_or(IndexError::NoHeading)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (n, line) in lines.enumerate() {
        if n >= MAX_ROWS {
            return Err(IndexError::TooLong);
        }
        if let Some(row) = row(line)
            && seen.insert(row.accession.clone())
        {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    let line = line.trim_end();
    let (form, file) = match line.contains('|') {
        true => {
            let mut fields = line.split('|');
            (fields.nth(2)?, fields.next_back()?)
        }
        false => {
            let mut words = line.split_ascii_whitespace();
            (words.next()?, words.next_back()?)
        }
    };
    if !is_followed(form.trim()) {
        return None;
    }
    let (_, path) = file.trim().split_once("edgar/data/")?;
    let cik = values::cik(path.split('/').next()?)?;
    Some(Row {
        accession: values::accession_of_path(path)?,
        cik: cik.trim_start_matches('0').to_owned(),
    })
}

#[cfg(test)]
#[expect(missing_docs, reason = "of tests")]
pub mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    /// A master index of Form 4s.
    pub fn master(rows: &[(&str, &str)]) -> String {
        let mut text = String::from(
            "Description:           Daily Index of EDGAR Dissemination Feed\nLast Data Received:    Aug 21, 2026\n\
             Comments:              webmaster@sec.gov\nAnonymous FTP:         ftp://ftp.sec.gov/edgar/\n \n \n \n\
             CIK|Company Name|Form Type|Date Filed|File Name\n----------------------------------------\n\
             1000045|A BANK|8-K|20260821|edgar/data/1000045/0000950170-26-009999.txt\n",
        );
        for (cik, accession) in rows {
            text.push_str(&format!(
                "{cik}|SOMEBODY|4|20260821|edgar/data/{cik}/{accession}.txt\n"
            ));
        }
        text
    }

    #[test]
    fn both_kinds_say_the_same() {
        let rows = [
            ("1841538", "0001213900-26-104739"),
            ("318306", "0001213900-26-104740"),
        ];
        let twice = [rows[0], ("1841536", rows[0].1), rows[1]];
        let form = "Description:           Daily Index of EDGAR Dissemination Feed by Form Type\n\n\
            Form Type   Company Name                                                  CIK\n      Date Filed  File Name\n\
            ---------------------------------------------------------------------------------------------\n\
            1-A POS          Some Realty, Inc.                    2041878     20260929    edgar/data/2041878/0001493152-26-044913.txt\n\
            4                3D Partners Pte. Ltd.                1841538     20260929    edgar/data/1841538/0001213900-26-104739.txt         \n\
            4                3D Master Fund 4                     1841536     20260929    edgar/data/1841536/0001213900-26-104739.txt\n\
            4/A              THERAPEUTICS | INC.                  318306      2026-09-29  edgar/data/318306/0001213900-26-104740.txt\n\
            424B2            A BANK                               1           20260929    edgar/data/1/0001213900-26-104741.txt\n";
        let form = form.replace(" | ", " ");
        let expected: Vec<_> = rows
            .map(|(cik, accession)| Row {
                accession: accession.into(),
                cik: cik.into(),
            })
            .into();
        assert_eq!(parse(form.as_bytes()), Ok(expected.clone()));
        assert_eq!(parse(master(&twice).as_bytes()), Ok(expected));
    }

    #[test]
    fn half_an_index_is_none() {
        let text = master(&[("1", "0001213900-26-104739"), ("2", "0001213900-26-104740")]);
        let whole = parse(text.as_bytes()).unwrap();
        for end in 0..text.len() - 1 {
            if let Ok(rows) = parse(&text.as_bytes()[..end]) {
                assert!(
                    text.as_bytes()[end - 1] == b'\n' && rows.len() < whole.len(),
                    "{end}"
                );
            }
        }
        assert_eq!(parse(b"<html>no</html>\n"), Err(IndexError::NoHeading));
        assert_eq!(
            parse(&text.as_bytes()[..text.len() - 5]),
            Err(IndexError::CutOff)
        );
    }

    #[test]
    fn paths_of_days() {
        assert_eq!(
            path(date(2026, 9, 30)),
            "/Archives/edgar/daily-index/2026/QTR3/master.20260930.idx"
        );
        assert_eq!(
            path(date(2026, 10, 1)),
            "/Archives/edgar/daily-index/2026/QTR4/master.20261001.idx"
        );
        assert_eq!(
            path(date(2026, 1, 2)),
            "/Archives/edgar/daily-index/2026/QTR1/master.20260102.idx"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&[b"-----\n", &bytes[..], b"\n"].concat());
        }
    }
}
