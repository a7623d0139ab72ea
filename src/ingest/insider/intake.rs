//! The way in for filings, closes and companies: what is taken in is judged, and what fires is in the log, when it is committed.

use std::{sync::Arc, time::Instant};

use jiff::tz::TimeZone;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    config::Config,
    described::describe,
    judge::{Judge, Judged},
    metrics::Metrics,
    scale::on_one_scale,
    take::{Taken, split_again, take},
};
use crate::{
    hub::node::Hub,
    model::{
        company::{Close, CompanyFact, SymbolSplit, ticker},
        filing::Filing,
        market::Market,
        time::{Clock, Time},
    },
    score::insider::days,
    store::{
        data_version::Touched,
        db::{Db, Lane, Tx},
        error::StoreResult,
        stale::{Backlog, Stale},
    },
};

/// When filings are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With their own transaction: a signal is in the log with its filing.
    Now,
    /// Companies that have a fresh filing, which may be a signal, with its own transaction; the others later.
    WhileFresh,
    /// By [`Intake::settle`], later: many filings of one company are judged once.
    Later,
}

/// What a follower of a source tells of filings.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    /// The source's name.
    pub name: &'a str,
    /// Ids of filings, and when the feed was first seen to name them.
    pub sightings: &'a [(String, Time)],
    /// Where the follower stands, if all that it told before is stored with or before these.
    pub state: Option<&'a str>,
}

/// Where filings come from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    /// None of them fires.
    history: bool,
    seen: Instant,
    source: Option<&'a Followed<'a>>,
}

/// Companies judged in one transaction, at most.
const SETTLE_AT_ONCE: i64 = 500;
/// Declarations of the companies judged in one transaction, but for a company that has more by itself, where others wait to write.
pub const SHORT_TURN: i64 = 100;
/// The same, where nobody is kept waiting.
pub const LONG_TURN: i64 = 10_000;

/// A backtest looks so far ahead: two years, a session's patience at both ends.
const REACH_DAYS: i32 = 730 + 2 * 10;

/// The way in. One at a time writes.
pub struct Intake {
    db: Db,
    hub: Option<Arc<Hub>>,
    clock: Clock,
    max_age: i64,
    markets: Vec<Market>,
    metrics: Metrics,
    judge: Mutex<Judge>,
}

/// What one turn of settling came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Companies looked at: none where nothing waits any more.
    pub companies: usize,
    /// Assessments that say something new.
    pub revisions: u64,
    /// Signals fired.
    pub fired: u64,
}

/// What came of the closes of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosesTaken {
    /// Whether any was new.
    pub changed: bool,
    /// What the operator may want to look at.
    pub warnings: Vec<String>,
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
        let mut tx = db.begin_in(Lane::Insiders).await?;
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
            max_age: config.max_age(),
            markets: {
                let mut all: Vec<Market> = markets.values().cloned().collect();
                all.sort_by(|a, b| a.code.cmp(&b.code));
                all
            },
            metrics: Metrics::default(),
            judge: Mutex::new(Judge::new(config, markets)),
        })
    }

    /// Counts here.
    #[must_use]
    pub fn counting(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The markets that filings may belong to, by code.
    #[must_use]
    pub fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// Stores filings, each once. `history`: none of them fires.
    pub async fn filings(
        &self,
        filings: &[Filing],
        when: When,
        history: bool,
        seen: Instant,
    ) -> StoreResult<Taken> {
        if filings.is_empty() {
            return Ok(Taken::default());
        }
        let from = Origin {
            history,
            seen,
            source: None,
        };
        self.count(self.judge.lock().await, filings, when, from)
            .await
    }

    /// Stores what the follower of a source tells: filings, when they were seen, and where it stands after them, all or nothing.
    pub async fn followed(
        &self,
        filings: &[Filing],
        source: &Followed<'_>,
        when: When,
        seen: Instant,
    ) -> StoreResult<Taken> {
        let from = Origin {
            history: false,
            seen,
            source: Some(source),
        };
        self.count(self.judge.lock().await, filings, when, from)
            .await
    }

    async fn count(
        &self,
        mut judge: MutexGuard<'_, Judge>,
        filings: &[Filing],
        when: When,
        from: Origin<'_>,
    ) -> StoreResult<Taken> {
        let taken = self.take(&mut judge, filings, when, from).await;
        let taken = taken.inspect_err(|_| self.failed(&mut judge))?;
        self.metrics.accepted.inc_by(taken.accepted);
        self.metrics.duplicate.inc_by(taken.duplicate);
        let rejected = taken.refused.len() as u64;
        self.metrics.rejected.inc_by(rejected);
        Ok(taken)
    }

    async fn take(
        &self,
        judge: &mut Judge,
        filings: &[Filing],
        when: When,
        from: Origin<'_>,
    ) -> StoreResult<Taken> {
        let now = self.clock.now();
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        let taken = take(&mut tx, filings, judge.markets(), !from.history, now).await?;
        if let Some(source) = from.source {
            for (id, seen_at) in source.sightings {
                tx.put_sighting(id, *seen_at).await?;
            }
            if let Some(state) = source.state {
                tx.put_source_state(source.name, state, now).await?;
            }
        }
        if taken.accepted == 0 {
            if from.source.is_some() {
                self.db.commit(tx).await?;
            }
            return Ok(taken);
        }
        tx.touch(Touched {
            declarations_at: Some(now.0),
            companies_at: Some(now.0),
            ..Touched::default()
        })
        .await?;
        let oldest = match when {
            When::Now => Time(i64::MIN),
            When::WhileFresh => now.plus(-self.max_age),
            When::Later => Time(i64::MAX),
        };
        let companies: Vec<i64> = (taken.companies.iter())
            .filter(|(_, filed)| filed.latest >= oldest)
            .map(|(company, _)| *company)
            .collect();
        let mut judged = Judged::default();
        if !companies.is_empty() {
            // what waits of these companies since earlier is judged with it
            let companies = tx.stale_of(&companies).await?;
            let begun = Instant::now();
            judged = judge.judge(&mut tx, &companies, from.seen, now).await?;
            self.metrics.judge.observe(begun.elapsed().as_secs_f64());
        }
        self.finish(tx, &judged, now).await?;
        Ok(taken)
    }

    /// Judges some of what waits: companies with [`LONG_TURN`] declarations.
    pub async fn settle(&self) -> StoreResult<Settled> {
        self.settle_some(LONG_TURN).await
    }

    /// Judges some of what waits, in one transaction: companies that have so many declarations, or a single one.
    pub async fn settle_some(&self, declarations: i64) -> StoreResult<Settled> {
        let mut judge = self.judge.lock().await;
        let settled = self.turn(&mut judge, declarations).await;
        settled.inspect_err(|_| self.failed(&mut judge))
    }

    async fn turn(&self, judge: &mut Judge, declarations: i64) -> StoreResult<Settled> {
        let now = self.clock.now();
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        let begun = Instant::now();
        // what may be a signal does not wait until all else is judged
        let news = tx
            .stale_with_news(now.plus(-self.max_age), SETTLE_AT_ONCE)
            .await?;
        let news = within(&news, declarations);
        let due = tx.stale(true, SETTLE_AT_ONCE).await?;
        let some = within(&due, declarations);
        let (companies, judged) = if !news.is_empty() {
            (news.len(), judge.judge(&mut tx, &news, begun, now).await?)
        } else if some.is_empty() {
            let waiting = tx.stale(false, SETTLE_AT_ONCE).await?;
            let some = within(&waiting, declarations);
            let judged = judge.make_scores(&mut tx, &some, begun, now).await?;
            (some.len(), judged)
        } else if some.len() == due.len() {
            (some.len(), judge.judge(&mut tx, &some, begun, now).await?)
        } else {
            judge.make_returns(&mut tx, &some).await?;
            (some.len(), Judged::default())
        };
        if companies == 0 {
            return Ok(Settled::default());
        }
        self.metrics.judge.observe(begun.elapsed().as_secs_f64());
        let fired = self.finish(tx, &judged, now).await?;
        Ok(Settled {
            companies,
            revisions: judged.revisions,
            fired,
        })
    }

    /// Reads the declarations of stored filings by today's rules once more: of so many filings after a number. The last one's number,
    /// and how many of them say something else now, whose companies wait to be judged; `None` where there are no more.
    pub async fn read_again(&self, after: i64, most: i64) -> StoreResult<Option<(i64, u64)>> {
        let judge = self.judge.lock().await;
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        let stored = tx.filings_after(after, most).await?;
        let Some(last) = stored.last().map(|filing| filing.number) else {
            return Ok(None);
        };
        let mut changed = Vec::new();
        for filing in &stored {
            if split_again(&mut tx, filing, judge.markets()).await? {
                changed.push((filing.company, filing.filing.published_at));
            }
        }
        if !changed.is_empty() {
            tx.mark_stale(&changed).await?;
            // lists say at once what was read anew, before it is judged
            tx.touch(Touched::default()).await?;
            self.db.commit(tx).await?;
        }
        Ok(Some((last, changed.len() as u64)))
    }

    /// Notes that everything waits to be judged anew.
    pub async fn mark_all(&self) -> StoreResult<()> {
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        tx.mark_all_stale().await?;
        self.db.commit(tx).await
    }

    /// How much waits to be judged.
    pub async fn waiting(&self) -> StoreResult<Backlog> {
        let waiting = self.db.count_stale().await?;
        self.metrics.waiting.set(waiting.companies);
        Ok(waiting)
    }

    /// Counts lines that are no filings.
    pub fn refused(&self, lines: u64) {
        self.metrics.rejected.inc_by(lines);
    }

    /// Stores closes of one symbol of a market, on one scale with those that are known; what depends on them waits to be judged anew.
    pub async fn closes(
        &self,
        market: &str,
        symbol: &str,
        closes: &[Close],
    ) -> StoreResult<ClosesTaken> {
        let symbol = ticker(symbol);
        let judge = self.judge.lock().await;
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        let scaled = on_one_scale(&tx.closes(market, symbol).await?, closes);
        let mut taken = ClosesTaken {
            changed: false,
            warnings: scaled.warnings,
        };
        let Some(first) = tx.put_closes(market, symbol, &scaled.closes).await? else {
            return Ok(taken);
        };
        taken.changed = true;
        let known = judge.markets().get(market);
        let zone = known.map_or(TimeZone::UTC, days::zone);
        let is_benchmark =
            known.is_some_and(|known| known.benchmarks.iter().any(|one| one == symbol));
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
        tx.touch(Touched {
            prices_at: Some(self.clock.now().0),
            ..Touched::default()
        })
        .await?;
        tx.touch_prices().await?;
        self.db.commit(tx).await?;
        Ok(taken)
    }

    /// Stores splits of one symbol of a market; companies with it wait to be judged anew, from their first filing on. Whether any was new.
    pub async fn splits(
        &self,
        market: &str,
        symbol: &str,
        splits: &[SymbolSplit],
    ) -> StoreResult<bool> {
        let symbol = ticker(symbol);
        let _judge = self.judge.lock().await;
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        if !tx.put_splits(market, symbol, splits).await? {
            return Ok(false);
        }
        // any price filed before a split may have been doubted, and those after it are held against it
        let companies = tx.companies_with_symbol(market, symbol).await?;
        let stale: Vec<(i64, Time)> = (companies.into_iter())
            .map(|company| (company, Time(i64::MIN)))
            .collect();
        tx.mark_stale(&stale).await?;
        tx.touch(Touched::default()).await?;
        self.db.commit(tx).await?;
        Ok(true)
    }

    /// Stores what files say of companies: names, tickers, market capitalisations. How many of them say of whom they speak.
    pub async fn companies(&self, facts: &[CompanyFact]) -> StoreResult<u64> {
        let judge = self.judge.lock().await;
        let now = self.clock.now();
        let mut tx = self.db.begin_in(Lane::Insiders).await?;
        let mut put = 0;
        for fact in facts
            .iter()
            .filter(|fact| judge.markets().contains_key(&fact.market))
        {
            put += u64::from(describe(&mut tx, fact, now).await?);
        }
        tx.touch(Touched {
            companies_at: Some(now.0),
            ..Touched::default()
        })
        .await?;
        self.db.commit(tx).await?;
        Ok(put)
    }

    /// Appends what fired, and commits. How many signals are new.
    async fn finish(&self, mut tx: Tx, judged: &Judged, now: Time) -> StoreResult<u64> {
        let made: Vec<_> = (judged.fired.iter())
            .map(super::judge::Fired::prepare)
            .collect();
        let placed = tx.publish(&made, now).await?;
        let new = || (judged.fired.iter().zip(&placed)).filter(|(_, place)| !place.duplicate);
        if let Some(hub) = &self.hub {
            for (fired, place) in new() {
                hub.note_accepted(place.seq, fired.seen(), fired.sighted());
            }
        }
        self.db.commit(tx).await?;
        let fired = new().count() as u64;
        self.metrics.fired.inc_by(fired);
        Ok(fired)
    }

    fn failed(&self, judge: &mut Judge) {
        self.metrics.failures.inc();
        judge.forget();
    }
}

/// The first of them, as far as their declarations together are not more than so many; one at least.
fn within(stale: &[Stale], declarations: i64) -> Vec<(i64, Time)> {
    let mut sum = 0_i64;
    let first = stale.iter().take_while(|one| {
        let before = sum;
        sum = sum.saturating_add(one.declarations);
        before == 0 || sum <= declarations
    });
    first.map(|one| (one.company, Time(one.since))).collect()
}
