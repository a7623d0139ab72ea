//! Judging companies whose facts changed: returns first, then scores, each stored as a revision only where it says something new.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use super::{
    config::Config,
    said::{Say, revision},
};
use crate::{
    model::{market::Market, money::Exact, publish::NewSignal, time::Time},
    score::{
        insider::{
            assess::{Sweep, assess},
            audit::{Assessment, SCORE_VERSION},
            company::{Company, Series},
            days,
            elsewhere::{Nothing, Returns},
            fire::{self, CompanyBrief, Fire},
            record::{DeclarationRecord, Direction, Matured, Split},
            signal::signal_id,
        },
        record::Draft,
    },
    store::{
        companies::CompanyRow,
        data_version::Touched,
        db::Tx,
        declarations::{Revision, StoredDeclaration},
        error::{StoreError, StoreResult},
    },
};

/// A filing may be published so much later than this machine's clock says, microseconds: clocks differ by that. What lies further ahead
/// is a mistake of its source's, a zone taken for another, and no news.
const MOST_AHEAD: i64 = 300 * Time::SECOND;

/// A signal that a score fired.
#[derive(Debug)]
pub struct Fired {
    draft: Draft,
    /// When its filing was first seen.
    seen: Instant,
    /// When a followed feed was first seen to name it.
    sighted: Option<Time>,
    score_ms: f64,
}

impl Fired {
    /// The signal for the log. Its latency counts up to this call, right before it is appended.
    #[must_use]
    pub fn prepare(&self) -> NewSignal {
        let latency_ms = self.seen.elapsed().as_secs_f64() * 1000.0;
        NewSignal {
            id: self.draft.id.hyphenated().to_string(),
            body: self
                .draft
                .body(latency_ms, latency_ms - self.score_ms, self.score_ms),
        }
    }

    /// When its filing was first seen.
    #[must_use]
    pub fn seen(&self) -> Instant {
        self.seen
    }

    /// When a followed feed was first seen to name it, by whatever process.
    #[must_use]
    pub fn sighted(&self) -> Option<Time> {
        self.sighted
    }
}

/// What judging some companies came to.
#[derive(Debug, Default)]
pub struct Judged {
    /// Assessments that say something new.
    pub revisions: u64,
    /// Backtests made anew.
    pub backtests: u64,
    /// Signals for the log.
    pub fired: Vec<Fired>,
}

/// Judges companies. Holds what is the same for all of them between one and the next.
pub struct Judge {
    config: Config,
    markets: HashMap<String, Market>,
    /// Of each market, in the order of choice; with the version of all closes.
    benchmarks: (i64, HashMap<String, Arc<[Series]>>),
    returns: Option<(i64, Arc<Returns>)>,
}

/// A company with all that judging it takes.
struct Case {
    row: CompanyRow,
    known: Arc<Company>,
    stored: Vec<StoredDeclaration>,
    records: Vec<DeclarationRecord>,
    since: Time,
}

impl Judge {
    /// Of these markets.
    #[must_use]
    pub fn new(config: Config, markets: HashMap<String, Market>) -> Self {
        Judge {
            config,
            markets,
            benchmarks: (0, HashMap::new()),
            returns: None,
        }
    }

    /// The markets it knows.
    #[must_use]
    pub fn markets(&self) -> &HashMap<String, Market> {
        &self.markets
    }

    /// Forgets what a transaction that came to nothing may have left.
    pub fn forget(&mut self) {
        self.benchmarks.1.clear();
        self.returns = None;
    }

    /// Judges these companies, each from a moment on. Companies that depend on returns that changed by it are marked, and wait.
    pub async fn judge(
        &mut self,
        tx: &mut Tx,
        companies: &[(i64, Time)],
        seen: Instant,
        now: Time,
    ) -> StoreResult<Judged> {
        let mut cases = self.open_all(tx, companies).await?;
        // returns follow from a company's own facts alone; once all of these are known, scores may ask for any
        for case in &mut cases {
            self.put_returns(tx, case).await?;
        }
        // some of them may have marked others of them
        let numbers: Vec<i64> = companies.iter().map(|(number, _)| *number).collect();
        let marked: HashMap<i64, Time> = tx.stale_of(&numbers).await?.into_iter().collect();
        for case in &mut cases {
            let marked = marked.get(&case.row.number).copied();
            case.since = marked.map_or(case.since, |marked| marked.min(case.since));
        }
        self.score_all(tx, &numbers, &cases, seen, now).await
    }

    /// Makes the returns of these companies, whose scores then wait, as do those of companies that depend on returns that changed.
    pub async fn make_returns(
        &mut self,
        tx: &mut Tx,
        companies: &[(i64, Time)],
    ) -> StoreResult<()> {
        let mut cases = self.open_all(tx, companies).await?;
        for case in &mut cases {
            self.put_returns(tx, case).await?;
        }
        let mut since: HashMap<i64, Time> = companies.iter().copied().collect();
        since.extend(cases.iter().map(|case| (case.row.number, case.since)));
        let numbers: Vec<i64> = since.keys().copied().collect();
        for (number, marked) in tx.stale_of(&numbers).await? {
            let since = since
                .get(&number)
                .map_or(marked, |since| marked.min(*since));
            tx.returns_done(number, since).await?;
        }
        Ok(())
    }

    /// Scores these companies, whose returns are made, each from a moment on.
    pub async fn make_scores(
        &mut self,
        tx: &mut Tx,
        companies: &[(i64, Time)],
        seen: Instant,
        now: Time,
    ) -> StoreResult<Judged> {
        let cases = self.open_all(tx, companies).await?;
        let numbers: Vec<i64> = companies.iter().map(|(number, _)| *number).collect();
        self.score_all(tx, &numbers, &cases, seen, now).await
    }

    async fn open_all(&mut self, tx: &mut Tx, companies: &[(i64, Time)]) -> StoreResult<Vec<Case>> {
        let version = tx.prices_version().await?;
        if self.benchmarks.0 != version {
            // another process may have put closes
            self.benchmarks = (version, HashMap::new());
        }
        let mut cases = Vec::new();
        for (number, since) in companies {
            cases.extend(self.open(tx, *number, *since).await?);
        }
        Ok(cases)
    }

    async fn score_all(
        &mut self,
        tx: &mut Tx,
        numbers: &[i64],
        cases: &[Case],
        seen: Instant,
        now: Time,
    ) -> StoreResult<Judged> {
        for number in numbers {
            tx.fresh(*number).await?;
        }
        let mut judged = Judged::default();
        for case in cases {
            self.score(tx, case, seen, now, &mut judged).await?;
        }
        if !cases.is_empty() {
            // backtests are made anew also where no score says anything else: whatever was answered of them is over
            let touched = Touched {
                scores_at: (judged.revisions > 0).then_some(now.0),
                ..Touched::default()
            };
            tx.touch(touched).await?;
        }
        Ok(judged)
    }

    async fn open(&mut self, tx: &mut Tx, number: i64, since: Time) -> StoreResult<Option<Case>> {
        let Some(row) = tx.company(number).await? else {
            return Ok(None);
        };
        let Some(market) = self.markets.get(&row.market) else {
            return Ok(None);
        };
        let mut known = Company::unknown(&market.currency, days::zone(market));
        if let Some(symbol) = &row.symbol {
            known.closes = Series::new(tx.closes(&row.market, symbol).await?);
            let splits = tx.splits(&row.market, symbol).await?.into_iter();
            known.splits = splits.map(|(date, ratio)| Split { date, ratio }).collect();
        }
        known.benchmarks = self.benchmarks(tx, &row.market).await?;
        known.market_caps = Series::new(tx.market_caps(number).await?);
        let stored = tx.declarations_of(number).await?;
        let records = stored.iter().map(|one| one.record.clone()).collect();
        Ok(Some(Case {
            known: Arc::new(known),
            row,
            stored,
            records,
            since,
        }))
    }

    async fn benchmarks(&mut self, tx: &mut Tx, market: &str) -> StoreResult<Arc<[Series]>> {
        if let Some(known) = self.benchmarks.1.get(market) {
            return Ok(known.clone());
        }
        let mut all = Vec::new();
        let symbols = self.markets.get(market).map(|market| &market.benchmarks);
        for symbol in symbols.into_iter().flatten() {
            all.push(Series::new(tx.closes(market, symbol).await?));
        }
        let all: Arc<[Series]> = all.into();
        self.benchmarks.1.insert(market.to_owned(), all.clone());
        Ok(all)
    }

    /// Stores the company's 90-day returns where they changed, and marks who depends on them.
    async fn put_returns(&mut self, tx: &mut Tx, case: &mut Case) -> StoreResult<()> {
        let never = Time(i64::MAX);
        let (_, sweep) = assess(case.known.clone(), &case.records, never, &Nothing);
        // what an amendment replaces was published before it: it is to be served as replaced or, where the amendment turns out to be of
        // another filing, as standing again
        let replaced = replaced(&sweep);
        let retold = (case.stored.iter())
            .filter(|one| {
                let by = replaced.get(one.record.filing.0.as_str()).copied();
                by != one.superseded_by.as_deref()
            })
            .map(|one| one.record.published_at);
        case.since = retold.fold(case.since, Time::min);
        let mut returns: Vec<Matured> = sweep.matured().collect();
        returns.sort_by(|a, b| a.amf_id.cmp(&b.amf_id));
        let before = tx.matured_returns_of(case.row.number).await?;
        if returns == before {
            return Ok(());
        }
        tx.put_matured_returns(case.row.number, &returns).await?;
        tx.touch_returns().await?;
        let mut stale: BTreeSet<(i64, Time)> = BTreeSet::new();
        for direction in Direction::BOTH {
            let of = |all: &[Matured]| -> Vec<Matured> {
                let all = all.iter().filter(|one| one.direction == direction);
                all.cloned().collect()
            };
            let (old, new) = (of(&before), of(&returns));
            let changed: Vec<&Matured> = (old.iter().filter(|one| !new.contains(one)))
                .chain(new.iter().filter(|one| !old.contains(one)))
                .collect();
            let Some(since) = changed.iter().map(|one| one.known_at).min() else {
                continue;
            };
            let mut people: Vec<&str> = (changed.iter())
                .flat_map(|one| &one.people)
                .map(|key| key.0.as_str())
                .collect();
            people.sort_unstable();
            people.dedup();
            let number = case.row.number;
            let mut companies = tx.companies_of_people(&people, since, number).await?;
            companies.extend(tx.tracking(direction.word(), since).await?);
            stale.extend(companies.into_iter().map(|company| (company, since)));
        }
        let stale: Vec<(i64, Time)> = stale.into_iter().collect();
        tx.mark_unscored(&stale).await
    }

    async fn returns(&mut self, tx: &mut Tx) -> StoreResult<Arc<Returns>> {
        let version = tx.returns_version().await?;
        match &self.returns {
            Some((known, returns)) if *known == version => Ok(returns.clone()),
            _ => {
                let all = tx.matured_returns().await?.into_iter();
                let all = all.map(|(company, matured)| (company.to_string(), matured));
                let returns = Arc::new(Returns::new(all.collect()));
                self.returns = Some((version, returns.clone()));
                Ok(returns)
            }
        }
    }

    async fn score(
        &mut self,
        tx: &mut Tx,
        case: &Case,
        seen: Instant,
        now: Time,
        judged: &mut Judged,
    ) -> StoreResult<()> {
        let begun = Instant::now();
        let returns = self.returns(tx).await?;
        let number = case.row.number.to_string();
        let outside = returns.outside(&number);
        let (assessments, sweep) = assess(case.known.clone(), &case.records, case.since, &outside);
        let by_id: HashMap<&str, &StoredDeclaration> = (case.stored.iter())
            .map(|stored| (stored.record.amf_id.as_str(), stored))
            .collect();
        let mut assessed = Vec::new();
        for assessment in &assessments {
            if let Some(stored) = by_id.get(assessment.amf_id.as_str()) {
                assessed.push((*stored, assessment));
            }
        }
        let revisions = self.revisions(tx, &sweep, &assessed, now).await?;
        let score_ms = begun.elapsed().as_secs_f64() * 1000.0;
        for ((stored, assessment), revision) in &revisions {
            let Some(draft) = self.fire(case, stored, assessment, revision, now)? else {
                continue;
            };
            // once, in the transaction that appends it: the log may forget its rows sooner than a filing ceases to be fresh
            tx.fires_no_more(stored.number).await?;
            judged.fired.push(Fired {
                draft,
                seen,
                sighted: tx.sighting(stored.filing).await?,
                score_ms,
            });
        }
        let revisions: Vec<_> = revisions
            .into_iter()
            .map(|(_, revision)| revision)
            .collect();
        tx.put_revisions(SCORE_VERSION, &revisions, now).await?;
        judged.revisions += revisions.len() as u64;
        let replaced = replaced(&sweep);
        let standing = (assessed.iter().copied())
            .filter(|(stored, _)| !replaced.contains_key(stored.record.filing.0.as_str()));
        let backtests = super::backtests::of(
            case.row.number,
            &case.row.market,
            &case.known,
            standing,
            now,
        )?;
        judged.backtests += backtests.len() as u64;
        tx.replace_backtests(case.row.number, case.since, &backtests, now)
            .await
    }

    /// What the assessments say that was not said before.
    async fn revisions<'a>(
        &self,
        tx: &mut Tx,
        sweep: &Sweep,
        assessed: &[(&'a StoredDeclaration, &'a Assessment)],
        now: Time,
    ) -> StoreResult<Vec<((&'a StoredDeclaration, &'a Assessment), Revision)>> {
        let superseded = replaced(sweep);
        let mut news = Vec::new();
        for (stored, assessment) in assessed {
            let by = superseded.get(stored.record.filing.0.as_str()).copied();
            let say = Say {
                head: &stored.head,
                assessment,
                superseded_by: by,
            };
            let said = say
                .digest()
                .map_err(|e| StoreError::corrupt(stored.record.amf_id.clone(), e))?;
            if said != stored.said {
                news.push((*stored, *assessment, by, said));
            }
        }
        let numbers: Vec<i64> = news.iter().map(|(stored, ..)| stored.filing).collect();
        let filings: HashMap<i64, _> = (tx.filings(&numbers).await?.into_iter())
            .map(|filing| (filing.number, filing.filing))
            .collect();
        news.into_iter()
            .map(|(stored, assessment, by, said)| {
                let filing = filings.get(&stored.filing).ok_or_else(|| {
                    StoreError::corrupt(stored.record.amf_id.clone(), "it has no filing")
                })?;
                let made = revision(stored, filing, assessment, by, said, now)
                    .map_err(|e| StoreError::corrupt(stored.record.amf_id.clone(), e))?;
                Ok(((stored, assessment), made))
            })
            .collect()
    }

    /// The first revision that scores high enough, of a filing that stands, is fresh and made no signal yet, is a signal.
    fn fire(
        &self,
        case: &Case,
        stored: &StoredDeclaration,
        assessment: &Assessment,
        revision: &Revision,
        now: Time,
    ) -> StoreResult<Option<Draft>> {
        let published = stored.record.published_at;
        let oldest = now.plus(-self.config.max_age());
        // the end of a day that is stated, and not over, is no mistake
        let ahead = published > now.plus(MOST_AHEAD) && !stored.record.published_estimated;
        let Ok(audit) = &assessment.outcome else {
            return Ok(None);
        };
        let high = audit.score.0 as f64 >= self.config.signal_min_score * 10.0;
        let stands = revision.superseded_by.is_none();
        if !stored.may_fire || !stands || !high || published < oldest || ahead {
            return Ok(None);
        }
        let market_cap = case
            .row
            .market_cap
            .as_ref()
            .and_then(|cap| cap.parse().ok());
        let company = CompanyBrief {
            name: &case.row.name,
            slug: &case.row.slug,
            yahoo_symbol: case.row.symbol.as_deref(),
            market_cap: market_cap.map(Exact),
        };
        let fire = Fire {
            market: &case.row.market,
            published_at: published,
            audit,
            is_cluster: assessment.is_cluster,
            head: &stored.head,
            company: &company,
            rest: &revision.rest,
        };
        let open_body = fire::open_body(&fire)
            .map_err(|e| StoreError::corrupt(stored.record.amf_id.clone(), e))?;
        Ok(Some(Draft {
            id: signal_id(&stored.record.amf_id),
            open_body,
        }))
    }
}

/// Which filings are replaced, each with the one that took its place.
fn replaced(sweep: &Sweep) -> HashMap<&str, &str> {
    (sweep.superseded().iter())
        .map(|one| (one.filing.0.as_str(), one.by.0.as_str()))
        .collect()
}
