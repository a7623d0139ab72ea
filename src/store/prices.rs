//! Closes and market capitalisations: put by file, read by company and day.

use std::collections::HashMap;

use super::{
    db::Tx,
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as},
};
use crate::model::time::Time;
use jiff::civil::Date;
use rust_decimal::Decimal;

const ROWS_PER_STATEMENT: usize = 500;

/// Days since 1970-01-01: how dates are kept.
#[must_use]
pub fn day_of(date: Date) -> i64 {
    i64::from(
        Date::constant(1970, 1, 1)
            .until(date)
            .map_or(0, |span| span.get_days()),
    )
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
    /// Puts closes of one symbol, by day; each takes the place of an earlier one. Gives the earliest day on which something
    /// is new or changed.
    pub async fn put_closes(
        &mut self,
        market: &str,
        symbol: &str,
        closes: &[(Date, Decimal)],
    ) -> StoreResult<Option<Date>> {
        let known: HashMap<Date, Decimal> =
            self.closes(market, symbol).await?.into_iter().collect();
        let changed = closes
            .iter()
            .filter(|(date, close)| known.get(date) != Some(close));
        let rows: Vec<(Date, Decimal)> = changed.copied().collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into closes (market, symbol, day, close) ");
            query.push_values(chunk, |mut row, (date, close)| {
                row.push_bind(market)
                    .push_bind(symbol)
                    .push_bind(day_of(*date))
                    .push_bind(close.normalize().to_string());
            });
            query.push(" on conflict (market, symbol, day) do update set close = excluded.close");
            query.build().execute(&mut *self).await?;
        }
        if !rows.is_empty() {
            self.put_price_stats(market, symbol).await?;
        }
        Ok(rows.first().map(|(date, _)| *date))
    }

    /// All closes of a symbol, by day.
    pub async fn closes(
        &mut self,
        market: &str,
        symbol: &str,
    ) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> = query_as(
            "select day, close from closes where market = $1 and symbol = $2 order by day",
        )
        .bind(market)
        .bind(symbol)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter()
            .map(|(day, close)| {
                let what = || format!("close of {symbol} on day {day}");
                Ok((date_of(day), decimal(what, &close)?))
            })
            .collect()
    }

    /// Works out what a symbol's closes come to: a year's extremes and the averages of its last 50 and 200 sessions.
    async fn put_price_stats(&mut self, market: &str, symbol: &str) -> StoreResult<()> {
        let closes = self.closes(market, symbol).await?;
        let Some((last_day, last)) = closes.last().copied() else {
            return Ok(());
        };
        let a_year: Vec<Decimal> = (closes.iter())
            .filter(|(date, _)| day_of(last_day) - day_of(*date) <= 365)
            .map(|(_, close)| *close)
            .collect();
        let average = |sessions: usize| {
            let latest = &closes[closes.len().saturating_sub(sessions)..]; // at most its length
            let sum: Decimal = latest.iter().map(|(_, close)| *close).sum();
            (sum / Decimal::from(latest.len().max(1))).round_dp(6)
        };
        let text = |number: Decimal| number.normalize().to_string();
        query(
            "insert into price_stats (market, symbol, last_day, last_close, high_52w, low_52w, average_50d, average_200d)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (market, symbol) do update set last_day = excluded.last_day, last_close = excluded.last_close,
             high_52w = excluded.high_52w, low_52w = excluded.low_52w, average_50d = excluded.average_50d,
             average_200d = excluded.average_200d",
        )
        .bind(market)
        .bind(symbol)
        .bind(day_of(last_day))
        .bind(text(last))
        .bind(text(a_year.iter().copied().max().unwrap_or(last)))
        .bind(text(a_year.iter().copied().min().unwrap_or(last)))
        .bind(text(average(50)))
        .bind(text(average(200)))
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// Puts market capitalisations of a company, and makes the latest one the one that is shown.
    pub async fn put_market_caps(
        &mut self,
        company: i64,
        caps: &[(Date, Decimal)],
        now: Time,
    ) -> StoreResult<()> {
        for (date, amount) in caps {
            query(
                "insert into market_caps (company, day, amount) values ($1, $2, $3)
                 on conflict (company, day) do update set amount = excluded.amount",
            )
            .bind(company)
            .bind(day_of(*date))
            .bind(amount.normalize().to_string())
            .execute(&mut *self)
            .await?;
        }
        self.show_market_cap(company, now).await
    }

    /// Makes the latest market capitalisation of a company the one that is shown, and notes since when it is.
    pub async fn show_market_cap(&mut self, company: i64, now: Time) -> StoreResult<()> {
        let latest = self.market_caps(company).await?.pop();
        let amount = latest.map(|(_, amount)| amount);
        query("update companies set market_cap = $2, market_cap_micros = $3 where number = $1")
            .bind(company)
            .bind(amount.map(|amount| amount.normalize().to_string()))
            .bind(amount.map(micros))
            .execute(&mut *self)
            .await?;
        self.note_companies(&[company], now).await
    }

    /// All market capitalisations of a company, by day: its own, and of days of which there is none, those of its ticker.
    pub async fn market_caps(&mut self, company: i64) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> = query_as(
            "select day, amount from market_caps where company = $1
             union all
             select s.day, s.amount from companies c join symbol_caps s on s.market = c.market and s.symbol = c.symbol
             where c.number = $1 and not exists (select 1 from market_caps m where m.company = c.number and m.day = s.day)
             order by 1",
        )
        .bind(company)
        .fetch_all(&mut *self)
        .await?;
        read_caps(|| format!("company {company}"), rows)
    }
}

/// Market capitalisations as they are kept, read.
pub(super) fn read_caps(
    whose: impl Fn() -> String,
    rows: Vec<(i64, String)>,
) -> StoreResult<Vec<(Date, Decimal)>> {
    rows.into_iter()
        .map(|(day, amount)| {
            let what = || format!("market capitalisation of {} on day {day}", whose());
            Ok((date_of(day), decimal(what, &amount)?))
        })
        .collect()
}

/// Millionths, to sort and filter by; what does not fit is the largest there is.
#[must_use]
pub fn micros(amount: Decimal) -> i64 {
    use rust_decimal::prelude::ToPrimitive as _;
    let scaled = amount.checked_mul(Decimal::from(1_000_000));
    let whole = scaled.and_then(|scaled| scaled.round().to_i64());
    whole.unwrap_or(if amount.is_sign_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}
