//! The way in for filings, closes and companies: what is taken in is judged, and what fires is in the log, when it is committed.

use std::{sync::Arc, time::Instant};

use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use super::{
    config::Config,
    judge::{Judge, Judged},
    take::{Taken, take},
};
use crate::{
    hub::node::Hub,
    model::{
        company::{Close, CompanyFact},
        filing::Filing,
        market::Market,
        name::normalised,
        time::{Clock, Time},
    },
    score::insider::days,
    store::{
        companies::CompanySeen,
        data_version::Touched,
        db::{Db, Tx},
        error::StoreResult,
        prices::day_of,
    },
};

/// When filings are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With their own transaction: a signal is in the log with its filing.
    Now,
    /// By [`Intake::settle`], later: many filings of one company are judged once.
    Later,
}

/// Companies judged in one transaction.
const SETTLE_AT_ONCE: i64 = 50;

/// A backtest looks so far ahead: two years, a session's patience at both ends.
const REACH_DAYS: i32 = 730 + 2 * 10;

/// The way in. One at a time writes.
pub struct Intake {
    db: Db,
    hub: Option<Arc<Hub>>,
    clock: Clock,
    judge: Mutex<Judge>,
}

impl Intake {
    /// Makes the table of markets what it is to be, and opens the way in. `hub`: told when filings were seen.
    pub async fn open(
        db: Db,
        hub: Option<Arc<Hub>>,
        clock: Clock,
        config: Config,
        built_in: &[Market],
    ) -> StoreResult<Self> {
        let mut tx = db.begin().await?;
        let known = tx.markets().await?;
        let missing: Vec<Market> = (built_in.iter())
            .filter(|market| known.get(&market.code) != Some(market))
            .cloned()
            .collect();
        let markets = if missing.is_empty() {
            drop(tx);
            known
        } else {
            tx.put_markets(&missing).await?;
            let markets = tx.markets().await?;
            db.commit(tx).await?;
            markets
        };
        Ok(Intake {
            db,
            hub,
            clock,
            judge: Mutex::new(Judge::new(config, markets)),
        })
    }

    /// Stores filings, each once. `history`: none of them fires.
    pub async fn filings(
        &self,
        filings: &[Filing],
        when: When,
        history: bool,
        seen: Instant,
    ) -> StoreResult<Taken> {
        let mut judge = self.judge.lock().await;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let taken = take(&mut tx, filings, judge.markets(), !history, now).await?;
        if taken.accepted > 0 {
            let published = filings.iter().map(|filing| filing.published_at.0).max();
            tx.touch(Touched {
                declarations_at: published,
                companies_at: Some(now.0),
                ..Touched::default()
            })
            .await?;
            if when == When::Now {
                // what waits of these companies since earlier is judged with it
                let companies: Vec<i64> = taken.companies.keys().copied().collect();
                let companies = tx.stale_of(&companies).await?;
                let judged = judge.judge(&mut tx, &companies, seen, now).await;
                let judged = judged.inspect_err(|_| judge.forget())?;
                self.publish(&mut tx, &judged, now).await?;
            }
        }
        self.commit(tx, &mut judge).await?;
        Ok(taken)
    }

    /// Judges some of what waits; how many companies it judged: none where nothing waits any more.
    pub async fn settle(&self) -> StoreResult<usize> {
        let mut judge = self.judge.lock().await;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let companies = tx.stale(SETTLE_AT_ONCE).await?;
        if companies.is_empty() {
            return Ok(0);
        }
        let judged = judge.judge(&mut tx, &companies, Instant::now(), now).await;
        let judged = judged.inspect_err(|_| judge.forget())?;
        self.publish(&mut tx, &judged, now).await?;
        self.commit(tx, &mut judge).await?;
        Ok(companies.len())
    }

    /// Stores closes of one symbol of a market; what depends on them waits to be judged anew. Whether any was new.
    pub async fn closes(&self, market: &str, symbol: &str, closes: &[Close]) -> StoreResult<bool> {
        let mut judge = self.judge.lock().await;
        let mut tx = self.db.begin().await?;
        let Some(first) = tx.put_closes(market, symbol, closes).await? else {
            return Ok(false);
        };
        let known = judge.markets().get(market);
        let zone = known.map_or(TimeZone::UTC, days::zone);
        let is_benchmark = known.is_some_and(|known| known.benchmarks.iter().any(|one| one == symbol));
        // scores of that day on may change, and backtests of the two years before
        let since = days::end_of(days::plus(first, -REACH_DAYS), &zone);
        let companies = if is_benchmark {
            tx.companies_of_market(market).await?
        } else {
            tx.companies_with_symbol(market, symbol).await?
        };
        let stale: Vec<(i64, Time)> = companies
            .into_iter()
            .map(|company| (company, since))
            .collect();
        tx.mark_stale(&stale).await?;
        let last = closes.iter().map(|close| day_of(close.date)).max();
        tx.touch(Touched {
            prices_at: last.map(|day| day * Time::DAY),
            ..Touched::default()
        })
        .await?;
        judge.forget();
        self.commit(tx, &mut judge).await?;
        Ok(true)
    }

    /// Stores what files say of companies: names, tickers, market capitalisations. How many of them are known by a filing or made.
    pub async fn companies(&self, facts: &[CompanyFact]) -> StoreResult<u64> {
        let mut judge = self.judge.lock().await;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let mut put = 0;
        for fact in facts
            .iter()
            .filter(|fact| judge.markets().contains_key(&fact.market))
        {
            let number = company_of(&mut tx, fact, now).await?;
            let Some(number) = number else { continue };
            put += 1;
            tx.describe_company(number, fact, now).await?;
            let before = tx.market_caps(number).await?;
            let fresh: Vec<_> = (fact.market_caps.iter())
                .filter(|cap| !before.contains(cap))
                .copied()
                .collect();
            tx.put_market_caps(number, &fresh).await?;
            let first = fresh.iter().map(|(date, _)| day_of(*date)).min();
            if let Some(first) = first {
                // a zone west of Greenwich begins its day later, one to the east earlier: a day before is early enough
                let since = Time((first - 1) * Time::DAY);
                tx.mark_stale(&[(number, since)]).await?;
            }
        }
        tx.touch(Touched {
            companies_at: Some(now.0),
            ..Touched::default()
        })
        .await?;
        self.commit(tx, &mut judge).await?;
        Ok(put)
    }

    async fn publish(&self, tx: &mut Tx, judged: &Judged, now: Time) -> StoreResult<()> {
        let made: Vec<_> = judged
            .fired
            .iter()
            .map(super::judge::Fired::prepare)
            .collect();
        let placed = tx.publish(&made, now).await?;
        if let Some(hub) = &self.hub {
            let new = (judged.fired.iter().zip(&placed)).filter(|(_, place)| !place.duplicate);
            for (fired, place) in new {
                hub.note_accepted(place.seq, fired.seen());
            }
        }
        Ok(())
    }

    async fn commit(&self, tx: Tx, judge: &mut Judge) -> StoreResult<()> {
        self.db.commit(tx).await.inspect_err(|_| judge.forget())
    }
}

/// The company that a file speaks of: by the regulator's number, else by its ticker, else a new one where the file says enough.
async fn company_of(tx: &mut Tx, fact: &CompanyFact, now: Time) -> StoreResult<Option<i64>> {
    let market = &fact.market;
    let key = match (&fact.id, &fact.symbol, &fact.name) {
        (Some(id), ..) => format!("{market}:{id}"),
        (None, Some(symbol), _) => {
            let known = tx.companies_with_symbol(market, symbol).await?;
            if let Some(first) = known.first() {
                return Ok(Some(*first));
            }
            format!("{market}:${symbol}")
        }
        (None, None, Some(name)) => format!("{market}:{}", normalised(name)),
        (None, None, None) => return Ok(None),
    };
    let name = fact.name.clone().or_else(|| fact.symbol.clone());
    let Some(name) = name else { return Ok(None) };
    let seen = CompanySeen {
        key: key.clone(),
        market: market.clone(),
        name,
        symbol: fact.symbol.clone(),
        isin: fact.isin.clone(),
        // any filing's name is later than a file's
        at: Time(i64::MIN),
    };
    let numbers = tx.companies(std::slice::from_ref(&seen), now).await?;
    Ok(numbers.get(&key).copied())
}
