//! What files say of companies and tickers: stored where it belongs, and whose scores look at it waits to be judged anew.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::take;
use crate::{
    model::{
        company::{CompanyFact, ticker},
        name::normalised,
        time::Time,
    },
    store::{companies::CompanySeen, db::Tx, error::StoreResult, prices::day_of},
};

/// Stores what a file says of a company: of the one with the regulator's number, else of whichever have the ticker, else of the one with the
/// name. Whether it says enough.
pub(super) async fn describe(tx: &mut Tx, fact: &CompanyFact, now: Time) -> StoreResult<bool> {
    let market = &fact.market;
    let symbol = fact.symbol.as_deref().map(ticker);
    let key = match (&fact.id, symbol, &fact.name) {
        (Some(id), ..) => format!("{market}:{id}"),
        (None, Some(symbol), _) => {
            describe_symbol(tx, symbol, fact, now).await?;
            return Ok(true);
        }
        (None, None, Some(name)) => format!("{market}:{}", normalised(name)),
        (None, None, None) => return Ok(false),
    };
    let Some(name) = fact.name.as_deref().or(symbol) else {
        return Ok(false);
    };
    let seen = CompanySeen {
        key: key.clone(),
        market: market.clone(),
        name: name.to_owned(),
        symbol: symbol.map(str::to_owned),
        isin: fact.isin.clone(),
        // any filing's name is later than a file's
        at: Time(i64::MIN),
    };
    let numbers = take::companies(tx, std::slice::from_ref(&seen), now).await?;
    let Some(number) = numbers.get(&key).copied() else {
        return Ok(false);
    };
    tx.describe_company(number, fact).await?;
    let fresh = news(&fact.market_caps, &tx.market_caps(number).await?);
    tx.put_market_caps(number, &fresh, now).await?;
    mark_caps(tx, &[number], &fresh).await?;
    Ok(true)
}

/// What is said of a ticker is kept by the ticker: a filing may bring it to a company later, or another one.
async fn describe_symbol(
    tx: &mut Tx,
    symbol: &str,
    fact: &CompanyFact,
    now: Time,
) -> StoreResult<()> {
    let market = &fact.market;
    tx.describe_symbol(market, symbol, fact).await?;
    let fresh = news(&fact.market_caps, &tx.symbol_caps(market, symbol).await?);
    tx.put_symbol_caps(market, symbol, &fresh).await?;
    let companies = tx.companies_with_symbol(market, symbol).await?;
    for company in &companies {
        tx.adopt_symbol(*company).await?;
        tx.show_market_cap(*company, now).await?;
    }
    mark_caps(tx, &companies, &fresh).await
}

/// Those market capitalisations that are not known, or said to be another now.
fn news(said: &[(Date, Decimal)], known: &[(Date, Decimal)]) -> Vec<(Date, Decimal)> {
    let fresh = said.iter().filter(|cap| !known.contains(cap));
    fresh.copied().collect()
}

async fn mark_caps(tx: &mut Tx, companies: &[i64], caps: &[(Date, Decimal)]) -> StoreResult<()> {
    let Some(first) = caps.iter().map(|(date, _)| day_of(*date)).min() else {
        return Ok(());
    };
    // a zone west of Greenwich begins its day later, one to the east earlier: a day before is early enough
    let since = Time((first - 1) * Time::DAY);
    let companies: Vec<(i64, Time)> = companies.iter().map(|number| (*number, since)).collect();
    tx.mark_stale(&companies).await
}
