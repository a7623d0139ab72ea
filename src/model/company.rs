//! Companies and what the market says of them: names and numbers from files, market capitalisations, daily closes, splits.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a file says of a company. Absent fields keep what was known before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompanyFact {
    /// Code of its market.
    pub market: String,
    /// The regulator's number of it (CIK, with ten digits; LEI).
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its ticker there.
    pub symbol: Option<String>,
    /// ISIN of its shares.
    pub isin: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Market capitalisations, each with its day, in the market's currency.
    pub market_caps: Vec<(Date, Decimal)>,
}

/// The close of one session, adjusted for splits and dividends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Close {
    /// The ticker as the file spells it; `^…` is an index.
    pub symbol: String,
    /// The session.
    pub date: Date,
    /// Price.
    pub close: Decimal,
}

/// New shares for old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolSplit {
    /// The ticker as the file spells it.
    pub symbol: String,
    /// First session in which the new shares were traded.
    pub date: Date,
    /// New shares for one old: 10 for a split of ten for one, 0.05 for a reverse split of one for twenty; 1: there was none.
    pub ratio: Decimal,
}

/// A ticker without the point that London puts behind those of two letters, and most sources leave out: `BP.` is `BP`.
#[must_use]
pub fn ticker(symbol: &str) -> &str {
    let short = symbol.trim_end_matches('.');
    if short.is_empty() { symbol } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_behind_it_is_no_part_of_a_ticker() {
        let check = |symbol: &str, expected: &str| assert_eq!(ticker(symbol), expected);
        check("BP.", "BP");
        check("BT.A", "BT.A");
        check("^FTSE", "^FTSE");
        check(".", ".");
    }
}
