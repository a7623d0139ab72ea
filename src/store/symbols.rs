//! What files say of a ticker: it holds for whichever companies have it, now or later.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    companies::Named,
    db::Tx,
    error::StoreResult,
    prices::{day_of, read_caps},
    sql::{query, query_as, query_scalar},
};
use crate::model::company::CompanyFact;

impl Tx {
    /// Keeps what a file says of a ticker, for the companies that have it or will have it.
    pub async fn describe_symbol(
        &mut self,
        market: &str,
        symbol: &str,
        fact: &CompanyFact,
    ) -> StoreResult<()> {
        query(
            "insert into symbols (market, symbol, isin, description) values ($1, $2, $3, $4)
             on conflict (market, symbol) do update set isin = coalesce(excluded.isin, symbols.isin),
             description = coalesce(excluded.description, symbols.description)",
        )
        .bind(market)
        .bind(symbol)
        .bind(&fact.isin)
        .bind(&fact.description)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// Takes over for a company what files say of its ticker.
    pub async fn adopt_symbol(&mut self, number: i64) -> StoreResult<()> {
        query(
            "update companies set
             isin = coalesce(isin, (select s.isin from symbols s where s.market = companies.market and s.symbol = companies.symbol)),
             description = coalesce(description,
                (select s.description from symbols s where s.market = companies.market and s.symbol = companies.symbol))
             where number = $1 and exists
                (select 1 from symbols s where s.market = companies.market and s.symbol = companies.symbol)",
        )
        .bind(number)
        .execute(&mut *self)
        .await?;
        let isin: Option<String> = query_scalar("select isin from companies where number = $1")
            .bind(number)
            .fetch_one(&mut *self)
            .await?;
        let found_by: Vec<_> = isin.iter().map(|isin| (number, isin.as_str())).collect();
        self.put_words(Named::Company, &found_by).await
    }

    /// Puts market capitalisations of whichever companies have a ticker, or will have it; [`Tx::show_market_cap`] shows them.
    pub async fn put_symbol_caps(
        &mut self,
        market: &str,
        symbol: &str,
        caps: &[(Date, Decimal)],
    ) -> StoreResult<()> {
        for (date, amount) in caps {
            query(
                "insert into symbol_caps (market, symbol, day, amount) values ($1, $2, $3, $4)
                 on conflict (market, symbol, day) do update set amount = excluded.amount",
            )
            .bind(market)
            .bind(symbol)
            .bind(day_of(*date))
            .bind(amount.normalize().to_string())
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }

    /// All market capitalisations of a ticker, by day.
    pub async fn symbol_caps(
        &mut self,
        market: &str,
        symbol: &str,
    ) -> StoreResult<Vec<(Date, Decimal)>> {
        let rows: Vec<(i64, String)> = query_as(
            "select day, amount from symbol_caps where market = $1 and symbol = $2 order by day",
        )
        .bind(market)
        .bind(symbol)
        .fetch_all(&mut *self)
        .await?;
        read_caps(|| symbol.to_owned(), rows)
    }
}
