//! Closes as they are listed: the latest first, by day, or the last of each week or month.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    db::Db,
    error::{StoreError, StoreResult},
    numbered::{ROWS_PER_STATEMENT, in_order, push_numbers},
    prices::{date_of, day_of},
    sql::QueryBuilder,
};

/// How many closes come to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Each stands for itself.
    Day,
    /// The last of an ISO week.
    Week,
    /// The last of a calendar month.
    Month,
}

/// Which closes of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// How many come to one.
    pub bucket: Bucket,
    /// Not before.
    pub from: Option<Date>,
    /// Not after.
    pub to: Option<Date>,
}

/// What stands before and after the days, so that of each week its last one is left: counted from a Monday so long ago that no number is
/// below zero.
const OF_WEEKS: (&str, &str) = (
    "select max(day) from (",
    ") as days group by (day + 7000003) / 7",
);
/// The same of months. No function of dates is the same in both databases, so it is reckoned: eras of 400 years that begin on a first of March,
/// their years, and of those the months, five of which have 153 days from March on.
const OF_MONTHS: (&str, &str) = (
    "select max(day) from (
         select day, era_day, era, (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365 as year from (
             select day, (day + 719468) / 146097 as era, (day + 719468) % 146097 as era_day from (",
    ") as days) as eras) as years
     group by (era * 400 + year) * 12 + (5 * (era_day - (365 * year + year / 4 - year / 100)) + 2) / 153",
);

impl Db {
    /// How many closes a stretch has.
    pub async fn count_closes(
        &self,
        market: &str,
        symbol: &str,
        stretch: &Stretch,
    ) -> StoreResult<i64> {
        let mut query = QueryBuilder::new("select count(*) from (");
        push_days(&mut query, market, symbol, stretch);
        query.push(") as found");
        query.build_query_scalar().fetch_one(self).await
    }

    /// The days of a stretch's closes, the latest first.
    pub async fn close_days(
        &self,
        market: &str,
        symbol: &str,
        stretch: &Stretch,
        (limit, offset): (i64, i64),
    ) -> StoreResult<Vec<i64>> {
        let mut query = QueryBuilder::new("");
        push_days(&mut query, market, symbol, stretch);
        query.push(" order by 1 desc limit ").push_bind(limit);
        query.push(" offset ").push_bind(offset);
        query.build_query_scalar().fetch_all(self).await
    }

    /// The closes of these days, in their order.
    pub async fn closes_on(
        &self,
        market: &str,
        symbol: &str,
        days: &[i64],
    ) -> StoreResult<Vec<(Date, Decimal)>> {
        let mut rows: Vec<(i64, String)> = Vec::with_capacity(days.len());
        for some in days.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select day, close from closes where market = ");
            query
                .push_bind(market)
                .push(" and symbol = ")
                .push_bind(symbol);
            query.push(" and day in (");
            push_numbers(&mut query, some);
            rows.extend(query.build_query_as().fetch_all(self).await?);
        }
        let rows = in_order(days, rows, |row| row.0).into_iter();
        rows.map(|(day, close)| {
            let what = || format!("close of {symbol} on day {day}");
            let close = close.parse().map_err(|e| StoreError::corrupt(what(), e));
            Ok((date_of(day), close?))
        })
        .collect()
    }
}

/// A row a bucket: its last day.
fn push_days(query: &mut QueryBuilder, market: &str, symbol: &str, stretch: &Stretch) {
    let (before, after) = match stretch.bucket {
        Bucket::Day => ("", ""),
        Bucket::Week => OF_WEEKS,
        Bucket::Month => OF_MONTHS,
    };
    query.push(before);
    query.push("select day from closes where market = ");
    query.push_bind(market);
    query.push(" and symbol = ").push_bind(symbol);
    if let Some(from) = stretch.from {
        query.push(" and day >= ").push_bind(day_of(from));
    }
    if let Some(to) = stretch.to {
        query.push(" and day <= ").push_bind(day_of(to));
    }
    query.push(after);
}
