//! Closes and market capitalisations: put by file, read by company and day.

use jiff::civil::Date;
use rust_decimal::Decimal;
use sqlx::QueryBuilder;

use super::{
    db::Tx,
    error::{StoreError, StoreResult},
};
use crate::model::company::Close;

const ROWS_PER_STATEMENT: usize = 500;

/// Days since 1970-01-01: how dates are kept.
#[must_use]
pub fn day_of(date: Date) -> i64 {
    i64::from(Date::constant(1970, 1, 1).until(date).map_or(0, |span| span.get_days()))
}

/// The date of a number of days since 1970-01-01; the nearest that there is.
#[must_use]
pub fn date_of(day: i64) -> Date {
    let days = jiff::Span::new().try_days(day);
    days.and_then(|span| Date::constant(1970, 1, 1).checked_add(span))
        .unwrap_or(if day < 0 { Date::MIN } else { Date::MAX })
}

fn decimal(what: impl FnOnce() -> String, text: &str) -> StoreResult<Decimal> {
    text.parse().map_err(|e| StoreError::corrupt(what(), e))
}

impl Tx {
    /// Puts closes; a later file's close takes the place of an earlier one. How many are new or changed.
    pub async fn put_closes(&mut self, closes: &[Close]) -> StoreResult<u64> {
        let mut changed = 0;
        for chunk in closes.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into closes (symbol, day, close) ");
            query.push_values(chunk, |mut row, close| {
                row.push_bind(&close.symbol)
                    .push_bind(day_of(close.date))
                    .push_bind(close.close.normalize().to_string());
            });
            query.push(
                " on conflict (symbol, day) do update set close = excluded.close where closes.close <> excluded.close",
            );
            changed += query.build().execute(&mut *self.0).await?.rows_affected();
        }
        Ok(changed)
    }

    /// All closes of a symbol, by day.
    pub async fn closes(&mut self, symbol: &str) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("select day, close from closes where symbol = $1 order by day")
                .bind(symbol)
                .fetch_all(&mut *self.0)
                .await?;
        rows.into_iter()
            .map(|(day, close)| {
                let what = || format!("close of {symbol} on day {day}");
                Ok((date_of(day), decimal(what, &close)?))
            })
            .collect()
    }

    /// Puts market capitalisations of a company, and makes the latest one the one that is shown.
    pub async fn put_market_caps(
        &mut self,
        company: i64,
        caps: &[(Date, Decimal)],
    ) -> StoreResult<()> {
        for (date, amount) in caps {
            sqlx::query(
                "insert into market_caps (company, day, amount) values ($1, $2, $3)
                 on conflict (company, day) do update set amount = excluded.amount",
            )
            .bind(company)
            .bind(day_of(*date))
            .bind(amount.normalize().to_string())
            .execute(&mut *self.0)
            .await?;
        }
        let latest = self.market_caps(company).await?.pop();
        if let Some((_, amount)) = latest {
            sqlx::query("update companies set market_cap = $2, market_cap_micros = $3 where number = $1")
                .bind(company)
                .bind(amount.normalize().to_string())
                .bind(micros(amount))
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    /// All market capitalisations of a company, by day.
    pub async fn market_caps(&mut self, company: i64) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("select day, amount from market_caps where company = $1 order by day")
                .bind(company)
                .fetch_all(&mut *self.0)
                .await?;
        rows.into_iter()
            .map(|(day, amount)| {
                let what = || format!("market capitalisation of company {company} on day {day}");
                Ok((date_of(day), decimal(what, &amount)?))
            })
            .collect()
    }
}

/// Millionths, to sort and filter by; what does not fit is the largest there is.
#[must_use]
pub fn micros(amount: Decimal) -> i64 {
    use rust_decimal::prelude::ToPrimitive as _;
    let scaled = amount.checked_mul(Decimal::from(1_000_000));
    let whole = scaled.and_then(|scaled| scaled.round().to_i64());
    whole.unwrap_or(if amount.is_sign_negative() { i64::MIN } else { i64::MAX })
}
