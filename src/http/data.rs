//! What is known of the insider data between two changes of it: how fresh it is, which markets there are, and what was counted.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::{
    model::time::Time,
    score::insider::winning::Tracks,
    store::{
        company_list::CompanyFilter,
        data_version::DataVersion,
        db::Db,
        declaration_list::Filter,
        error::StoreResult,
        overview::{KindCount, MarketOverview},
        returns::BacktestFilter,
    },
};

/// What another process changed is seen after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const MOST_COUNTS: usize = 10_000;
const MOST_SUMMARIES: usize = 200;

/// When each kind of data last changed; `None` while there is none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DataFreshness)]
pub struct Freshness {
    /// When declarations were last taken in, whenever they were published.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub declarations: Option<Time>,
    /// When closes were last taken in, of whichever days.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub prices: Option<Time>,
    /// The latest change of a company.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub companies: Option<Time>,
    /// The latest score.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub scores: Option<Time>,
}

impl Freshness {
    fn of(version: &DataVersion) -> Self {
        Freshness {
            declarations: version.declarations_at.map(Time),
            prices: version.prices_at.map(Time),
            companies: version.companies_at.map(Time),
            scores: version.scores_at.map(Time),
        }
    }
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Declarations.
    Declarations(Filter),
    /// Companies.
    Companies(CompanyFilter),
    /// Insiders: words of the name, market.
    Insiders(Option<String>, Option<String>),
}

/// What there is on the whole.
#[derive(Debug)]
pub struct Overview {
    /// The markets, by code.
    pub markets: Vec<MarketOverview>,
    /// Declarations by market and direction.
    pub kinds: Vec<KindCount>,
}

/// What holds for one version of the data: so many values at most, and none of another version.
#[derive(Debug)]
pub struct PerVersion<K, V> {
    kept: Mutex<(i64, HashMap<K, V>)>,
    most: usize,
}

impl<K: Hash + Eq, V: Clone> PerVersion<K, V> {
    fn holding(most: usize) -> Self {
        PerVersion {
            kept: Mutex::default(),
            most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, (i64, HashMap<K, V>)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known for this version.
    pub fn get(&self, version: i64, key: &K) -> Option<V> {
        let kept = self.lock();
        (kept.0 == version).then(|| kept.1.get(key).cloned())?
    }

    /// Keeps it; what holds for an earlier version is let go, and everything where there is too much.
    pub fn put(&self, version: i64, key: K, value: V) {
        let mut kept = self.lock();
        if kept.0 > version {
            return;
        }
        if kept.0 < version || kept.1.len() >= self.most {
            *kept = (version, HashMap::new());
        }
        kept.1.insert(key, value);
    }
}

/// As it was when it was last looked at.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    commits: u64,
    version: DataVersion,
    markets: Arc<[String]>,
}

/// What is known of the data.
#[derive(Debug)]
pub struct Data {
    seen: Mutex<Option<Seen>>,
    commits: watch::Receiver<u64>,
    /// Totals of lists.
    pub counts: PerVersion<Counted, u64>,
    /// Summaries of backtests, as JSON.
    pub summaries: PerVersion<BacktestFilter, Arc<str>>,
    /// How each kind of signal did.
    pub tracks: PerVersion<(), Arc<Tracks>>,
    /// What there is on the whole.
    pub overview: PerVersion<(), Arc<Overview>>,
}

impl Data {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        Data {
            seen: Mutex::default(),
            commits: db.commits(),
            counts: PerVersion::holding(MOST_COUNTS),
            summaries: PerVersion::holding(MOST_SUMMARIES),
            tracks: PerVersion::holding(1),
            overview: PerVersion::holding(1),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the database where it may have changed since: after each commit of this process, and once a second.
    pub async fn refresh(&self, db: &Db) -> StoreResult<()> {
        // before the database is read: a commit meanwhile makes the next request look again
        let commits = *self.commits.borrow();
        let known = self.seen().clone();
        if let Some(seen) = &known
            && seen.commits == commits
            && seen.at.elapsed() < LOOK_AGAIN
        {
            return Ok(());
        }
        let at = Instant::now();
        let version = db.data_version().await?;
        let markets = match known {
            Some(seen) if seen.version == version && !seen.markets.is_empty() => seen.markets,
            _ => db.market_codes().await?.into(),
        };
        let mut seen = self.seen();
        // of two that looked at once, the one that saw more counts
        if seen
            .as_ref()
            .is_none_or(|seen| seen.version.version <= version.version)
        {
            *seen = Some(Seen {
                at,
                commits,
                version,
                markets,
            });
        }
        Ok(())
    }

    /// The version that was last seen.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.seen().as_ref().map_or(0, |seen| seen.version.version)
    }

    /// How fresh the data is.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        let seen = self.seen();
        seen.as_ref()
            .map(|seen| Freshness::of(&seen.version))
            .unwrap_or_default()
    }

    /// Codes of the markets that there are.
    #[must_use]
    pub fn markets(&self) -> Arc<[String]> {
        let seen = self.seen();
        seen.as_ref()
            .map(|seen| seen.markets.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_holds_for_its_version_and_is_bounded() {
        let kept: PerVersion<u32, u32> = PerVersion::holding(3);
        kept.put(1, 7, 70);
        assert_eq!(kept.get(1, &7), Some(70));
        assert_eq!(kept.get(2, &7), None, "another version");
        kept.put(2, 8, 80);
        assert_eq!(kept.get(1, &7), None);
        kept.put(1, 7, 70);
        assert_eq!(
            kept.get(2, &8),
            Some(80),
            "a late one does not take its place"
        );
        for n in 0..100 {
            kept.put(2, n, n);
            assert!(kept.lock().1.len() <= 3);
        }
    }
}
