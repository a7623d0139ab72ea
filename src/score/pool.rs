//! The pool: who of a mint's buyers counts, who of them is good, and whether that is a consensus.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::model::{
    rank::Rank,
    swap::{Address, Label},
    time::Time,
};

use super::{
    mint::Mint,
    payload::Member,
    record::Need,
    table::Table,
    trader::Trader,
    window::{Entry, Window},
};

/// From this rank on a wallet is admitted.
const ADMITTED: Rank = Rank::C;

/// What a consensus takes.
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    /// Pool wallets.
    pub pool: usize,
    /// Counted buyers, pool wallets among them.
    pub total: usize,
}

/// A wallet that counts: net of sales, neither the mint's own nor a thoroughfare.
struct Counted<'a> {
    /// In the window.
    buyer: u32,
    /// In the table of wallets.
    place: u32,
    funder: Option<Address>,
    wallet: &'a Address,
}

impl Counted<'_> {
    /// Its first funder, or itself: wallets with one first funder are one buyer.
    fn entity(&self) -> &Address {
        self.funder.as_ref().unwrap_or(self.wallet)
    }
}

/// A consensus of buyers.
pub struct Consensus<'a> {
    /// One wallet for each entity in the pool, best first.
    pub members: Vec<Member>,
    /// Entities.
    pub total: usize,
    counted: Vec<Counted<'a>>,
    pool_buyers: Vec<u32>,
}

/// What must be loaded to judge the wallet that is about to buy, and those of a window where one is given; and until when
/// (exclusive) the latter take no more.
pub fn missing(
    buyer: u32,
    window: Option<&Window>,
    mints: &Table<Mint>,
    wallets: &Table<Trader>,
    now: Time,
    disorder: u64,
) -> (BTreeSet<Need>, i64) {
    let mut needs = BTreeSet::new();
    let mut check = |trader: &Trader, more: usize| {
        if !trader.may_score(more) {
            return i64::MAX;
        }
        if trader.is_settled(now, disorder) {
            return trader.settled_until(disorder);
        }
        let missing = (trader.aged_mints(now)).filter(|mint| mints.find(mint).is_none());
        needs.extend(missing.map(|mint| Need::Mint(mint.clone())));
        trader.ages_next(now)
    };
    if let Some((_, trader)) = wallets.get(buyer) {
        check(trader, 1);
    }
    let mut until = i64::MAX;
    let mut unknown = Vec::new();
    for (_, buyer) in window.into_iter().flat_map(Window::buyers) {
        let place = wallets.locate(buyer.hint, &buyer.address);
        match place.and_then(|place| wallets.get(place)) {
            Some((_, trader)) => until = until.min(check(trader, 0)),
            None => unknown.push(Need::Wallet(buyer.address.clone())),
        }
    }
    needs.extend(unknown);
    (needs, until)
}

/// Looks for a consensus on `mint` at `now`. Wallets are scored only where their number could suffice. Those whose positions were
/// found dead meanwhile are put into `bereft`, by their places.
pub fn find<'a>(
    mint: &'a Mint,
    mints: &Table<Mint>,
    wallets: &mut Table<Trader>,
    now: Time,
    quorum: Quorum,
    disorder: u64,
    bereft: &mut Vec<u32>,
) -> Option<Consensus<'a>> {
    let counted = count(mint, wallets, now)?;
    // most wallets have no known funder: a hot mint's buyers need not be hashed at every buy
    let total = if counted.iter().all(|counted| counted.funder.is_none()) {
        counted.len()
    } else {
        let entities: HashSet<&Address> = counted.iter().map(Counted::entity).collect();
        entities.len()
    };
    let may_score = |counted: &&Counted<'_>| {
        (wallets.get(counted.place)).is_some_and(|(_, trader)| trader.may_score(0))
    };
    if total < quorum.total || counted.iter().filter(may_score).count() < quorum.pool {
        return None;
    }
    let mut members: Vec<(Member, &Counted<'_>)> = Vec::new();
    for counted in &counted {
        let Some((_, trader)) = wallets.get_mut(counted.place) else {
            continue;
        };
        if !trader.may_score(0) {
            continue;
        }
        if !trader.is_settled(now, disorder) {
            let dead = trader.settle(now, disorder, |token, position| {
                let history = mints.by_address(token);
                history.map_or(super::prices::Fate::Alive, |mint| mint.fate(position, now))
            });
            bereft.extend(dead.then_some(counted.place));
        }
        if let Some(rating) = trader.rate(now).filter(|rating| rating.rank >= ADMITTED) {
            let wallet = counted.wallet.clone();
            members.push((Member { wallet, rating }, counted));
        }
    }
    members.sort_unstable_by(|(a, _), (b, _)| {
        (b.rating.score.cmp(&a.rating.score)).then_with(|| a.wallet.cmp(&b.wallet))
    });
    // best first: the first of an entity stands for it
    let mut seen = HashSet::new();
    members.retain(|(_, counted)| seen.insert(counted.entity()));
    if members.len() < quorum.pool.max(1) {
        return None;
    }
    let pool_buyers = members.iter().map(|(_, counted)| counted.buyer).collect();
    let members = members.into_iter().map(|(member, _)| member).collect();
    Some(Consensus {
        members,
        total,
        counted,
        pool_buyers,
    })
}

fn count<'a>(mint: &'a Mint, wallets: &Table<Trader>, now: Time) -> Option<Vec<Counted<'a>>> {
    let deployer = mint.tokens.deployer(now);
    let mut counted = Vec::with_capacity(mint.window.passing());
    for (buyer, wallet) in mint.window.passing_buyers() {
        let place = wallets.locate(wallet.hint, &wallet.address)?; // all of the window are loaded
        let (_, trader) = wallets.get(place)?;
        if deployer == Some(&wallet.address)
            || trader.is(Label::Router, now)
            || trader.is(Label::Exchange, now)
        {
            continue;
        }
        counted.push(Counted {
            buyer,
            place,
            funder: trader.funder(now).cloned(),
            wallet: &wallet.address,
        });
    }
    Some(counted)
}

/// When the buyers came.
pub struct Pace {
    /// From the first to the last counted buyer's first buy, seconds.
    pub span_seconds: f64,
    /// The transaction of the earliest pool buy.
    pub signature: Arc<str>,
}

impl Consensus<'_> {
    /// Reads from the window when its buyers came. `None` cannot be: who counts has bought.
    #[must_use]
    pub fn pace(&self, window: &Window) -> Option<Pace> {
        let first_buys = window.first_buys();
        let first = |buyer: u32| first_buys.get(buyer as usize).copied().flatten();
        let mut entities: HashMap<&Address, Time> = HashMap::with_capacity(self.total);
        for counted in &self.counted {
            let time = first(counted.buyer)?.time;
            let known = entities.entry(counted.entity()).or_insert(time);
            *known = time.min(*known);
        }
        let (start, end) = (entities.values().min()?, entities.values().max()?);
        let pool = self.pool_buyers.iter().filter_map(|buyer| first(*buyer));
        let earliest: &Entry = pool.reduce(Window::earlier)?;
        Some(Pace {
            span_seconds: end.0.saturating_sub(start.0) as f64 / Time::SECOND as f64,
            signature: earliest.signature.clone(),
        })
    }
}
