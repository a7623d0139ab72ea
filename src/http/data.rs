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

use super::{
    excesses::{self, BacktestFilter},
    pages::Pages,
};
use crate::{
    model::time::Time,
    score::insider::{
        flow::{Dealings, Question},
        winning::Tracks,
    },
    store::{
        close_list::Stretch,
        company_list::CompanyFilter,
        data_version::DataVersion,
        db::Db,
        declaration_filter::Filter,
        error::StoreResult,
        overview::{KindCount, MarketOverview},
    },
};

/// What another process changed is seen after this long at the latest; this one's changes at once.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Of all finished pages together.
const MOST_PAGE_BYTES: usize = 32 << 20;
const MOST_COUNTS: usize = 10_000;
/// Companies whose dealings are kept: of the largest it is some megabytes each.
const MOST_DEALINGS: usize = 16;

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
    /// Closes of a company.
    Closes(i64, Stretch),
}

/// Which page, by all that its object depends on beside the data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PageKey {
    /// Declarations: limit, offset, with backtests.
    Declarations(Filter, Place, bool),
    /// Companies.
    Companies(CompanyFilter, Place),
    /// Insiders: words of the name, market.
    Insiders(Option<String>, Option<String>, Place),
    /// A search: its text, market.
    Search(String, Option<String>, Place),
    /// Filings of the kinds that won, published since.
    Winning(Time, Option<String>, Place),
    /// Summaries of backtests.
    Backtest(BacktestFilter),
    /// Net flow of a company.
    NetFlow(i64, Question),
    /// Closes of a company.
    Closes(i64, Stretch, Place),
}

/// Limit and offset.
pub type Place = (i64, i64);

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
    /// One looks at a time; who waited for it knows as well.
    look: tokio::sync::Mutex<()>,
    /// Finished pages.
    pub pages: Pages<PageKey>,
    /// Totals of lists.
    pub counts: PerVersion<Counted, u64>,
    /// Excesses of all backtests.
    pub excesses: excesses::Known,
    /// What the net flows of a company are made of, by its number.
    pub dealings: PerVersion<i64, Arc<Dealings>>,
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
            look: tokio::sync::Mutex::default(),
            pages: Pages::holding(MOST_PAGE_BYTES),
            counts: PerVersion::holding(MOST_COUNTS),
            excesses: excesses::Known::default(),
            dealings: PerVersion::holding(MOST_DEALINGS),
            tracks: PerVersion::holding(1),
            overview: PerVersion::holding(1),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what was seen is from so shortly before a moment that it counts then, and no commit of this process came since.
    fn is_seen(&self, arrival: Instant) -> bool {
        let commits = *self.commits.borrow();
        self.seen().as_ref().is_some_and(|seen| {
            seen.commits == commits && arrival.saturating_duration_since(seen.at) < LOOK_AGAIN
        })
    }

    /// Looks at the database where it may have changed since: after each commit of this process, and where its last look is older than 2 ms.
    pub async fn refresh(&self, db: &Db) -> StoreResult<()> {
        let arrival = Instant::now();
        if self.is_seen(arrival) {
            return Ok(());
        }
        let _alone = self.look.lock().await;
        if self.is_seen(arrival) {
            return Ok(());
        }
        // before the database is read: a commit meanwhile makes the next request look again
        let commits = *self.commits.borrow();
        let known = self.seen().clone();
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
