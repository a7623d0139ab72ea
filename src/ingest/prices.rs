//! Daily closes and splits out of CSVs: one file a ticker, one column a ticker, or one row a ticker and day.

use std::collections::VecDeque;

use jiff::civil::Date;

use rust_decimal::Decimal;

use super::{
    filings::field::{iso_day, point_number, refusal},
    records::{Dialect, Header, Record, Rows},
};
use crate::model::company::{Close, SymbolSplit};

/// Commas between the cells.
pub const DIALECT: Dialect = Dialect {
    separator: ',',
    quotes: true,
};

/// What a cell says.
#[derive(Clone, Debug, PartialEq)]
pub enum Quote {
    /// A close.
    Close(Close),
    /// New shares for old from that session on.
    Split(SymbolSplit),
}

/// Reads closes and splits; a cell that is none is refused by itself, an empty one says nothing.
#[derive(Debug)]
pub struct Closes {
    file: Option<String>,
    latest: Date,
    date: usize,
    /// Of rows that name their ticker: where.
    ticker: Option<usize>,
    /// The columns that hold closes, each with its ticker where all rows are of it.
    closes: Vec<(usize, Option<String>)>,
    /// The column that holds splits, with the ticker where all rows are of it.
    split: Option<(usize, Option<String>)>,
}

/// How sources of closes call the column of splits.
const SPLIT: [&str; 3] = ["split", "splits", "stock splits"];
/// No share and no index costs more, in any currency.
const MOST: u64 = 1_000_000_000_000;
/// No company makes more of one share, or one of more.
const MOST_FOR_ONE: u32 = 1_000_000;

impl Closes {
    /// `file` is the ticker of a file that has closes of one only, as its name says; [`file_symbol`] gives it. No close
    /// is of a day after `latest`.
    #[must_use]
    pub fn new(file: Option<String>, latest: Date) -> Self {
        Closes {
            file,
            latest,
            date: 0,
            ticker: None,
            closes: Vec::new(),
            split: None,
        }
    }
}

/// The ticker in a file's name: `AAPL` of `prices/AAPL.csv`.
#[must_use]
pub fn file_symbol(path: &std::path::Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    is_symbol(stem).then(|| stem.to_owned())
}

/// Up to 32 visible letters; `^` begins an index.
fn is_symbol(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Rows for Closes {
    type Item = Quote;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        self.date = header.need("date")?;
        let split = SPLIT.iter().find_map(|name| header.find(name));
        let close = header.find("close");
        let ticker = header.find("ticker").or(header.find("symbol"));
        // a file of splits alone; in one with a column for each ticker, `split` would be a ticker
        let is_named = |at: usize| [Some(self.date), ticker, split].contains(&Some(at));
        let of_splits = split.is_some() && (0..header.names().len()).all(is_named);
        if close.is_some() || of_splits {
            self.ticker = ticker;
            if self.ticker.is_none() && self.file.is_none() {
                return Err("header: no column `ticker`, and the file's name is no ticker".into());
            }
            let file = self.file.clone().filter(|_| self.ticker.is_none());
            self.closes = close
                .map(|close| (close, file.clone()))
                .into_iter()
                .collect();
            self.split = split.map(|split| (split, file));
            return Ok(());
        }
        for (at, name) in header.names().iter().enumerate() {
            if at == self.date || name.is_empty() {
                continue;
            }
            if !is_symbol(name) {
                return Err(refusal("header", name, "no ticker"));
            }
            self.closes.push((at, Some(name.clone())));
        }
        if self.closes.is_empty() {
            return Err("header: no column of closes".into());
        }
        Ok(())
    }

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Quote, String>>) {
        let date = match iso_day("date", record.cell(self.date)) {
            Ok(date) => date,
            Err(reason) => {
                out.push_back(Err(reason));
                return;
            }
        };
        let read = |at: usize, symbol: &Option<String>, of: fn(&str, Date, &str) -> Said| {
            let text = record.text(Some(at))?;
            let symbol = match (symbol, record.text(self.ticker)) {
                (Some(symbol), _) => symbol,
                (None, Some(named)) if is_symbol(named) => named,
                (None, named) => {
                    return Some(Err(refusal("ticker", named.unwrap_or(""), "no ticker")));
                }
            };
            of(symbol, date, text).transpose()
        };
        let ahead = (date > self.latest).then(|| {
            let text = record.cell(self.date);
            refusal(
                "date",
                text,
                "more than a day ahead: there is no close of it",
            )
        });
        let mut closes = (self.closes.iter()).filter_map(|(at, symbol)| read(*at, symbol, close));
        match ahead {
            // once for the line, however many closes it has
            Some(ahead) => out.extend(closes.next().map(|_| Err(ahead))),
            None => out.extend(closes),
        }
        if let Some((at, symbol)) = &self.split {
            out.extend(read(*at, symbol, split));
        }
    }
}

/// What a cell says, if anything, or why it is refused.
type Said = Result<Option<Quote>, String>;

fn close(symbol: &str, date: Date, text: &str) -> Said {
    let close = point_number(symbol, text)?;
    if close.is_zero() {
        return Err(refusal(symbol, text, "no price"));
    }
    if close > Decimal::from(MOST) {
        return Err(refusal(symbol, text, "more than any share or index costs"));
    }
    Ok(Some(Quote::Close(Close {
        symbol: symbol.to_owned(),
        date,
        close,
    })))
}

/// `10`, `0.05`, `10:1` or `1:20`; 0, which sources write on every other day, says nothing.
fn split(symbol: &str, date: Date, text: &str) -> Said {
    let wrong = || refusal(symbol, text, "no split such as 10, 0.05, 10:1 or 1:20");
    let number = |text: &str| point_number(symbol, text.trim()).map_err(|_| wrong());
    let (new, old) = match text.split_once(':') {
        Some((new, old)) => (number(new)?, number(old)?),
        None => (number(text)?, Decimal::ONE),
    };
    if new.is_zero() && !text.contains(':') {
        return Ok(None);
    }
    let most = Decimal::from(MOST_FOR_ONE);
    let ratio = new.checked_div(old).ok_or_else(wrong)?.normalize();
    let least = Decimal::ONE / most; // a million is not zero
    if ratio < least || ratio > most {
        return Err(wrong());
    }
    Ok(Some(Quote::Split(SymbolSplit {
        symbol: symbol.to_owned(),
        date,
        ratio,
    })))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ingest::records::Table;

    fn read(text: &str, file: Option<&str>) -> Vec<String> {
        let latest = Date::constant(2025, 1, 31);
        let closes = Closes::new(file.map(str::to_owned), latest);
        let told = Table::new(text.as_bytes(), DIALECT, closes).map(|item| match item {
            Ok(Quote::Close(close)) => format!("{} {} {}", close.symbol, close.date, close.close),
            Ok(Quote::Split(split)) => format!("{} {} x{}", split.symbol, split.date, split.ratio),
            Err(rejected) => format!("{}: {}", rejected.line, rejected.reason),
        });
        told.collect()
    }

    #[test]
    fn one_file_a_ticker() {
        let text = "date,close\n2021-01-04,125.979\n2021-01-05,\n2021-01-06,0\nyesterday,1\n";
        let want = [
            "AAPL 2021-01-04 125.979",
            "4: AAPL: `0` is no price",
            "5: date: `yesterday` is not a day such as 2026-07-01",
        ];
        assert_eq!(read(text, Some("AAPL")), want);
        assert_eq!(
            read(text, None),
            ["1: header: no column `ticker`, and the file's name is no ticker"]
        );
        assert_eq!(
            file_symbol(Path::new("a/b/BRK.B.csv")).as_deref(),
            Some("BRK.B")
        );
    }

    #[test]
    fn what_no_close_can_be_is_refused() {
        let text = "date,close\n2025-01-31,1000000000000\n2025-02-01,7\n2099-01-01,\n2025-01-30,1234567890123456789012345\n";
        let want = [
            "AAPL 2025-01-31 1000000000000",
            "3: date: `2025-02-01` is more than a day ahead: there is no close of it",
            "5: AAPL: `1234567890123456789012345` is more than any share or index costs",
        ];
        assert_eq!(read(text, Some("AAPL")), want);
        // a split may be told before its day
        let ahead = read("date,split\n2025-06-02,10:1\n", Some("AAPL"));
        assert_eq!(ahead, ["AAPL 2025-06-02 x10"]);
    }

    #[test]
    fn one_column_a_ticker() {
        let text = "date,AAP,^GSPC,b.l\n2024-12-23,42.777,5974.07,\n2024-12-24,x,6040.04,-1\n";
        let want = [
            "AAP 2024-12-23 42.777",
            "^GSPC 2024-12-23 5974.07",
            "3: AAP: `x` is not a number such as 1234.5",
            "^GSPC 2024-12-24 6040.04",
            "3: b.l: `-1` is not a number such as 1234.5",
        ];
        assert_eq!(read(text, Some("close_wide")), want);
    }

    #[test]
    fn one_row_a_ticker_and_day() {
        let text = "Date,Symbol,Close\n2024-12-23,KNOS.L,810.5\n2024-12-23,,1\n";
        let want = ["KNOS.L 2024-12-23 810.5", "3: ticker: `` is no ticker"];
        assert_eq!(read(text, None), want);
    }

    #[test]
    fn splits_beside_closes_and_by_themselves() {
        let text = "Date,Close,Stock Splits\n2024-06-07,120.888,0.0\n2024-06-10,121.79,10.0\n2024-06-11,,\n";
        let want = [
            "NVDA 2024-06-07 120.888",
            "NVDA 2024-06-10 121.79",
            "NVDA 2024-06-10 x10",
        ];
        assert_eq!(read(text, Some("NVDA")), want);
        let text = "date,ticker,split\n2023-06-02,CNTM,1:20\n2023-06-05,CNTM,0.05\n2023-06-06,CNTM,3:2\n2023-06-07,,2\n\
            2023-06-08,CNTM,0:1\n2023-06-09,CNTM,1:0\n2023-06-10,CNTM,-2\n2023-06-11,CNTM,2000000\n2023-06-12,CNTM,1 for 20\n";
        let read = read(text, None);
        assert_eq!(
            read[..4],
            [
                "CNTM 2023-06-02 x0.05",
                "CNTM 2023-06-05 x0.05",
                "CNTM 2023-06-06 x1.5",
                "5: ticker: `` is no ticker"
            ]
        );
        assert_eq!(read.len(), 9);
        for refused in &read[4..] {
            let why = refused.ends_with("is no split such as 10, 0.05, 10:1 or 1:20");
            assert!(why, "{refused}");
        }
    }

    #[test]
    fn a_column_may_be_a_ticker_that_is_called_so() {
        let read = read("date,SPLIT,AAP\n2024-12-23,1.5,2\n", None);
        assert_eq!(read, ["SPLIT 2024-12-23 1.5", "AAP 2024-12-23 2"]);
    }
}
