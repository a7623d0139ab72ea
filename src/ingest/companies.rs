//! Companies out of CSVs: their numbers, names and tickers, and market capitalisations with their days.

use std::collections::VecDeque;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    filings::field::{isin, point_number, refusal, words},
    records::{Dialect, Header, Record, Rows},
};
use crate::model::{company::CompanyFact, market::Market};

/// Commas between the cells, quotes around those that hold one.
pub const DIALECT: Dialect = Dialect {
    separator: ',',
    quotes: true,
};

/// Reads any CSV with a `ticker`, a `name` or a `cik`, each row as what it says of one company.
#[derive(Debug)]
pub struct Companies {
    market: String,
    currency: String,
    date: Option<Date>,
    latest: Date,
    columns: Columns,
}

#[derive(Debug, Default)]
struct Columns {
    cik: Option<usize>,
    ticker: Option<usize>,
    name: Option<usize>,
    isin: Option<usize>,
    /// What it does, the best said first.
    description: [Option<usize>; 3],
    caps: Vec<(usize, String, Date)>,
}

impl Companies {
    /// Companies of one market. `date` is the day of a column that is called `market_cap` and no more; others name theirs:
    /// `market_cap_2025_usd` (the last day of the year), `market_cap_2026_08_usd` (of the month). None is of a day after `latest`.
    #[must_use]
    pub fn new(market: &Market, date: Option<Date>, latest: Date) -> Self {
        Companies {
            market: market.code.clone(),
            currency: market.currency.to_lowercase(),
            date,
            latest,
            columns: Columns::default(),
        }
    }

    fn caps(&self, header: &Header) -> Result<Vec<(usize, String, Date)>, String> {
        let mut caps = Vec::new();
        for (at, name) in header.names().iter().enumerate() {
            let lower = name.to_lowercase();
            if lower == "market_cap" {
                let date = self
                    .date
                    .ok_or("header: the day of `market_cap` was not given")?;
                caps.push((at, name.clone(), date));
            }
            let Some(rest) = lower.strip_prefix("market_cap_") else {
                continue;
            };
            let Some((when, currency)) = rest.rsplit_once('_') else {
                continue;
            };
            let Some(date) = last_day(when) else { continue };
            if currency != self.currency {
                let why = format!("not in {}, the market's currency", self.currency);
                return Err(refusal("header", name, &why));
            }
            caps.push((at, name.clone(), date));
        }
        if let Some((_, name, date)) = caps.iter().find(|(_, _, date)| *date > self.latest) {
            let why = format!("of {date}, which is more than a day ahead");
            return Err(refusal("header", name, &why));
        }
        Ok(caps)
    }

    fn company(&self, record: &Record<'_>) -> Result<CompanyFact, String> {
        let columns = &self.columns;
        let said = |field, at| words(field, record.text(at).unwrap_or(""));
        let mut caps = Vec::new();
        for (at, name, date) in &columns.caps {
            if let Some(text) = record.text(Some(*at)) {
                let cap = point_number(name, text)?;
                if cap == Decimal::ZERO {
                    return Err(refusal(name, text, "no market capitalisation"));
                }
                caps.push((*date, cap));
            }
        }
        let id = record.text(columns.cik).map(cik).transpose()?;
        let (name, symbol) = (said("name", columns.name)?, said("ticker", columns.ticker)?);
        if id.is_none() && name.is_none() && symbol.is_none() {
            return Err("ticker: missing, and so are name and cik".into());
        }
        let description = columns.description.iter().find_map(|at| record.text(*at));
        Ok(CompanyFact {
            market: self.market.clone(),
            id,
            name,
            symbol,
            isin: isin_of(record.text(columns.isin))?,
            description: words("description", description.unwrap_or(""))?,
            market_caps: caps,
        })
    }
}

impl Rows for Companies {
    type Item = CompanyFact;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        let columns = Columns {
            cik: header.find("cik"),
            ticker: header.find("ticker"),
            name: header.find("name"),
            isin: header.find("isin"),
            description: ["industry", "sic_description", "sector"].map(|name| header.find(name)),
            caps: self.caps(header)?,
        };
        if columns.cik.or(columns.ticker).or(columns.name).is_none() {
            return Err("header: no column `ticker`, `name` or `cik`".into());
        }
        self.columns = columns;
        Ok(())
    }

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<CompanyFact, String>>) {
        out.push_back(self.company(record));
    }
}

/// The last day of `2025` or `2026_08`: what a file says of a time was known when that time was over, and no sooner.
fn last_day(when: &str) -> Option<Date> {
    let (year, month) = when.split_once('_').unwrap_or((when, "12"));
    if year.len() != 4 || month.len() != 2 {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, 1);
    Some(date.ok()?.last_of_month())
}

/// An ISIN, where the cell holds anything.
fn isin_of(text: Option<&str>) -> Result<Option<String>, String> {
    match text {
        Some(text) if isin(text).is_none() => Err(refusal("isin", text, "no ISIN")),
        text => Ok(text.and_then(isin)),
    }
}

/// Ten digits.
fn cik(text: &str) -> Result<String, String> {
    if text.len() > 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal("cik", text, "no CIK"));
    }
    Ok(format!("{text:0>10}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{records::Table, source::Rejected};

    fn read(text: &str, date: Option<Date>) -> Vec<Result<CompanyFact, Rejected>> {
        let markets = Market::built_in();
        let us = markets.iter().find(|market| market.code == "us").unwrap();
        Table::new(
            text.as_bytes(),
            DIALECT,
            Companies::new(us, date, Date::constant(2026, 8, 31)),
        )
        .collect()
    }

    #[test]
    fn columns_name_the_days_of_their_capitalisations() {
        let text = "cik,ticker,name,sic_description,industry,market_cap_class,market_cap_2025_usd,market_cap_2026_08_usd\n\
            12345,EXA,\"EXAMPLE, INC\",SEMICONDUCTORS,,Large Cap,123456789012.0,\n";
        let read = read(text, None);
        let caps = vec![(
            jiff::civil::date(2025, 12, 31),
            Decimal::from(123_456_789_012_u64),
        )];
        let want = CompanyFact {
            market: "us".into(),
            id: Some("0000012345".into()),
            name: Some("EXAMPLE, INC".into()),
            symbol: Some("EXA".into()),
            isin: None,
            description: Some("SEMICONDUCTORS".into()),
            market_caps: caps,
        };
        assert_eq!(read, [Ok(want)]);
        assert_eq!(last_day("2026_08"), Some(jiff::civil::date(2026, 8, 31)));
        assert_eq!(last_day("2026_13"), None);
    }

    #[test]
    fn a_day_that_is_not_told_must_be_given() {
        let text = "ticker,market_cap\nAAP,1234567890.0\nREFLX,\nBAD,much\nNIL,0\n,5\n";
        let day = jiff::civil::date(2025, 9, 26);
        let reason = |row: &Result<CompanyFact, Rejected>| match row {
            Ok(fact) => format!("{:?}", fact.market_caps),
            Err(rejected) => format!("{}: {}", rejected.line, rejected.reason),
        };
        let told: Vec<_> = read(text, Some(day)).iter().map(reason).collect();
        let want = [
            "[(2025-09-26, 1234567890.0)]",
            "[]",
            "4: market_cap: `much` is not a number such as 1234.5",
            "5: market_cap: `0` is no market capitalisation",
            "6: ticker: missing, and so are name and cik",
        ];
        assert_eq!(told, want);
        let told: Vec<_> = read(text, None).iter().map(reason).collect();
        assert_eq!(told, ["1: header: the day of `market_cap` was not given"]);
    }

    #[test]
    fn a_day_to_come_is_refused() {
        let ahead = |read: Vec<Result<CompanyFact, Rejected>>| match &read[..] {
            [Err(rejected)] => rejected.reason.clone(),
            other => panic!("{other:?}"),
        };
        let given = read("ticker,market_cap\nA,1\n", Some(Date::constant(2099, 1, 1)));
        let why = "header: `market_cap` is of 2099-01-01, which is more than a day ahead";
        assert_eq!(ahead(given), why);
        let told = read("ticker,market_cap_2026_usd\nA,1\n", None);
        let why = "header: `market_cap_2026_usd` is of 2026-12-31, which is more than a day ahead";
        assert_eq!(ahead(told), why);
    }

    #[test]
    fn an_isin_of_another_shape_is_refused() {
        let rows = read("ticker,isin\nA,US037\nB,us0378331005\nC,\n", None);
        let why = rows[0]
            .as_ref()
            .map_err(|rejected| rejected.reason.as_str());
        assert_eq!(why, Err("isin: `US037` is no ISIN"));
        let isins: Vec<_> = (rows[1..].iter())
            .map(|row| row.as_ref().unwrap().isin.as_deref())
            .collect();
        assert_eq!(isins, [Some("US0378331005"), None]);
    }

    #[test]
    fn another_currency_is_not_taken_for_the_markets() {
        let read = read("ticker,market_cap_2025_eur\nA,1\n", None);
        assert_eq!(read.len(), 1);
        assert!(
            read[0]
                .as_ref()
                .is_err_and(|why| why.reason.contains("not in usd"))
        );
    }
}
