//! Splits: put by file, read by symbol.

use std::collections::BTreeMap;

use super::{
    db::Tx,
    error::{StoreError, StoreResult},
    prices::{date_of, day_of},
    sql::{QueryBuilder, query_as},
};
use crate::model::company::SymbolSplit;
use jiff::civil::Date;
use rust_decimal::Decimal;

const ROWS_PER_STATEMENT: usize = 500;

impl Tx {
    /// Puts splits of one symbol; what a later file says of a day takes the place of what an earlier one said. Whether any is new.
    pub async fn put_splits(
        &mut self,
        market: &str,
        symbol: &str,
        splits: &[SymbolSplit],
    ) -> StoreResult<bool> {
        let known: BTreeMap<Date, Decimal> =
            self.splits(market, symbol).await?.into_iter().collect();
        // of two for one day the later line counts
        let told: BTreeMap<Date, Decimal> = (splits.iter())
            .map(|split| (split.date, split.ratio))
            .collect();
        let changed: Vec<(Date, Decimal)> = (told.into_iter())
            .filter(|(date, ratio)| known.get(date) != Some(ratio))
            .collect();
        for chunk in changed.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into splits (market, symbol, day, ratio) ");
            query.push_values(chunk, |mut row, (date, ratio)| {
                row.push_bind(market)
                    .push_bind(symbol)
                    .push_bind(day_of(*date))
                    .push_bind(ratio.normalize().to_string());
            });
            query.push(" on conflict (market, symbol, day) do update set ratio = excluded.ratio");
            query.build().execute(&mut *self).await?;
        }
        Ok(!changed.is_empty())
    }

    /// All splits of a symbol, by day: new shares for one old.
    pub async fn splits(
        &mut self,
        market: &str,
        symbol: &str,
    ) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> = query_as(
            "select day, ratio from splits where market = $1 and symbol = $2 order by day",
        )
        .bind(market)
        .bind(symbol)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter()
            .map(|(day, ratio)| {
                let ratio = ratio.parse().map_err(|e| {
                    StoreError::corrupt(format!("split of {symbol} on day {day}"), e)
                })?;
                Ok((date_of(day), ratio))
            })
            .collect()
    }
}
