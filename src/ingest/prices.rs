//! Daily closes out of CSVs: one file a ticker, one column a ticker, or one row a ticker and day.

use std::collections::VecDeque;

use jiff::civil::Date;

use super::{
    filings::field::{iso_day, point_number, refusal},
    records::{Dialect, Header, Record, Rows},
};
use crate::model::company::Close;

/// Commas between the cells.
pub const DIALECT: Dialect = Dialect {
    separator: ',',
    quotes: true,
};

/// Reads closes; a cell that is none is refused by itself, an empty one says nothing.
#[derive(Debug)]
pub struct Closes {
    file: Option<String>,
    date: usize,
    /// Of rows that name their ticker: where.
    ticker: Option<usize>,
    /// The columns that hold closes, each with its ticker where all rows are of it.
    closes: Vec<(usize, Option<String>)>,
}

impl Closes {
    /// `file` is the ticker of a file that has closes of one only, as its name says; [`file_symbol`] gives it.
    #[must_use]
    pub fn new(file: Option<String>) -> Self {
        Closes {
            file,
            date: 0,
            ticker: None,
            closes: Vec::new(),
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
    type Item = Close;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        self.date = header.need("date")?;
        if let Some(close) = header.find("close") {
            self.ticker = header.find("ticker").or(header.find("symbol"));
            if self.ticker.is_none() && self.file.is_none() {
                return Err("header: no column `ticker`, and the file's name is no ticker".into());
            }
            let file = self.file.clone().filter(|_| self.ticker.is_none());
            self.closes = vec![(close, file)];
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

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Close, String>>) {
        let date = match iso_day("date", record.cell(self.date)) {
            Ok(date) => date,
            Err(reason) => {
                out.push_back(Err(reason));
                return;
            }
        };
        for (at, symbol) in &self.closes {
            let Some(text) = record.text(Some(*at)) else {
                continue;
            };
            let symbol = match (symbol, record.text(self.ticker)) {
                (Some(symbol), _) => symbol,
                (None, Some(named)) if is_symbol(named) => named,
                (None, named) => {
                    let named = named.unwrap_or("");
                    out.push_back(Err(refusal("ticker", named, "no ticker")));
                    continue;
                }
            };
            out.push_back(close(symbol, date, text));
        }
    }
}

fn close(symbol: &str, date: Date, text: &str) -> Result<Close, String> {
    let close = point_number(symbol, text)?;
    if close.is_zero() {
        return Err(refusal(symbol, text, "no price"));
    }
    Ok(Close {
        symbol: symbol.to_owned(),
        date,
        close,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ingest::records::Table;

    fn read(text: &str, file: Option<&str>) -> Vec<String> {
        let closes = Closes::new(file.map(str::to_owned));
        let told = Table::new(text.as_bytes(), DIALECT, closes).map(|item| match item {
            Ok(close) => format!("{} {} {}", close.symbol, close.date, close.close),
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
}
