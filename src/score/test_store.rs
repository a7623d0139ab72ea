//! For the tests of the engine: a store in memory that knows only what the real one knows, and facts to feed.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    config::Config,
    consensus::Engine,
    record::{
        Changes, ClosedRecord, Draft, EpisodeRecord, MintRecord, MintState, Need, PositionRecord,
        WalletRecord,
    },
};
use crate::model::{
    money::MicroUsd,
    swap::{
        Address, Amount, Direction, Fact, Label, Side, Swap, TokenFact, TokenInfo, Transfer,
        WalletFact,
    },
    time::Time,
};

/// When the tests begin, in seconds.
pub const START: i64 = 1_760_000_000;

/// A moment, in seconds after [`START`].
pub fn at(seconds: f64) -> Time {
    Time(START * Time::SECOND + (seconds * 1e6).round() as i64)
}

/// What is stored: facts in order of arrival, and all changes.
#[derive(Default)]
pub struct Store {
    pub facts: Vec<Fact>,
    /// How many of them the stored changes follow from.
    pub cursor: usize,
    pub positions: BTreeMap<(Address, Address), PositionRecord>,
    pub closed: Vec<(Address, ClosedRecord)>,
    pub mints: BTreeMap<Address, MintState>,
    pub episodes: BTreeMap<(Address, i64), EpisodeRecord>,
}

impl Store {
    fn keep(&mut self, changes: Changes) {
        for (wallet, mint, position) in changes.positions {
            match position {
                Some(position) => self.positions.insert((wallet, mint), position),
                None => self.positions.remove(&(wallet, mint)),
            };
        }
        for (wallet, closed) in changes.closed {
            let closed = closed.into_iter().map(|closed| (wallet.clone(), closed));
            self.closed.extend(closed);
        }
        self.mints.extend(changes.mints);
        for (mint, episode) in changes.episodes {
            self.episodes.insert((mint, episode.ordinal), episode);
        }
    }

    /// As it stood, but for changes that are not stored, after so many facts.
    fn wallet(&self, wallet: &Address, facts: usize) -> WalletRecord {
        let mut record = WalletRecord::default();
        for fact in &self.facts[..facts] {
            if let Fact::Wallet(fact) = fact
                && fact.wallet == *wallet
            {
                record.facts.push(fact.clone());
            }
        }
        record.facts.sort_by_key(|fact| fact.time);
        let positions = self
            .positions
            .iter()
            .filter(|((owner, _), _)| owner == wallet);
        record.positions = positions.map(|(_, position)| position.clone()).collect();
        let closed = self.closed.iter().filter(|(owner, _)| owner == wallet);
        record.closed = closed.map(|(_, closed)| closed.clone()).collect();
        record.closed.sort_by_key(|closed| closed.closed_at);
        let latest = record.closed.last().map(|closed| closed.closed_at);
        (record.closed).retain(|closed| Some(closed.closed_at.plus(31 * Time::DAY)) >= latest);
        record
    }

    fn mint(&self, mint: &Address, facts: usize) -> MintRecord {
        let state = self.mints.get(mint).cloned().unwrap_or_default();
        let mut record = MintRecord::default();
        for fact in &self.facts[..facts] {
            match fact {
                Fact::Token(fact) if fact.mint == *mint => record.facts.push(fact.clone()),
                Fact::Swap(swap)
                    if swap.mint == *mint
                        && swap.time >= state.high_water.plus(-100 * Time::SECOND) =>
                {
                    record.recent.push(fact.clone());
                }
                _ => {}
            }
        }
        record.facts.sort_by_key(|fact| fact.time);
        let own = self.episodes.iter().filter(|((of, _), _)| of == mint);
        let own: Vec<_> = own.map(|(_, episode)| episode.clone()).collect();
        let last = own.last().map(|episode| episode.ordinal);
        let since = state.high_water.plus(-2 * 3600 * Time::SECOND);
        record.episodes = own;
        record
            .episodes
            .retain(|episode| episode.opened_at > since || Some(episode.ordinal) == last);
        record.state = state;
        record
    }
}

/// An engine beside its store, as the pipeline would run them.
pub struct World {
    pub engine: Engine,
    pub store: Store,
    pub silent: bool,
    config: Config,
    batch: Vec<Fact>,
    /// Facts that came before the one that is applied.
    before: usize,
}

impl World {
    pub fn new(config: Config) -> Self {
        World {
            engine: Engine::new(config.clone()),
            store: Store::default(),
            silent: false,
            config,
            batch: Vec::new(),
            before: 0,
        }
    }

    /// Applies one fact, loading what is asked for.
    pub fn apply(&mut self, fact: &Fact) -> Vec<Draft> {
        // those of the batch that were not stored are known to whatever they are about, which is loaded
        self.before = self.store.facts.len();
        let drafts = self.offer(fact);
        self.batch.push(fact.clone());
        drafts
    }

    fn offer(&mut self, fact: &Fact) -> Vec<Draft> {
        for _ in 0..20 {
            match self.engine.apply(fact, self.silent) {
                Ok(drafts) => return drafts,
                Err(needs) => {
                    assert!(!needs.is_empty(), "an engine that asks for nothing");
                    for need in needs {
                        match need {
                            Need::Wallet(wallet) => {
                                let record = self.store.wallet(&wallet, self.before);
                                self.engine.load_wallet(wallet, record);
                            }
                            Need::Mint(mint) => {
                                let record = self.store.mint(&mint, self.before);
                                self.engine.load_mint(mint, record);
                            }
                        }
                    }
                }
            }
        }
        panic!("the engine never has enough for {fact:?}");
    }

    /// Applies facts, and gives all that fired, as values.
    pub fn run(&mut self, facts: &[Fact]) -> Vec<serde_json::Value> {
        let drafts = facts
            .iter()
            .flat_map(|fact| self.apply(fact))
            .collect::<Vec<_>>();
        drafts.iter().map(parse).collect()
    }

    /// Stores what changed with the facts that changed it.
    pub fn commit(&mut self) {
        self.commit_facts();
        self.store.cursor = self.store.facts.len();
        self.store.keep(self.engine.take_changes());
    }

    /// Stores facts alone: what they changed is only in memory.
    pub fn commit_facts(&mut self) {
        self.store.facts.append(&mut self.batch);
    }

    pub fn evict(&mut self, wallets: usize, mints: usize) {
        self.commit();
        self.engine.evict(wallets, mints);
    }

    /// Only what did not change since changes were stored can go.
    pub fn evict_the_unchanged(&mut self, wallets: usize, mints: usize) -> bool {
        self.commit_facts();
        self.engine.evict(wallets, mints)
    }

    pub fn restart(&mut self) {
        self.commit();
        self.engine = Engine::new(self.config.clone());
    }

    /// Ends at once and begins with what is stored; gives what the facts beyond it fire again.
    pub fn crash(&mut self) -> Vec<Draft> {
        self.commit_facts();
        self.engine = Engine::new(self.config.clone());
        let again = self.store.facts[self.store.cursor..].to_vec();
        let mut drafts = Vec::new();
        for fact in again {
            self.before = self.store.cursor + drafts.len();
            drafts.push(self.offer(&fact));
        }
        drafts.into_iter().flatten().collect()
    }

    /// Gives a wallet a past: `count` positions closed an hour ago, returning about +50 %.
    pub fn past(&mut self, wallet: &str, count: i64, pnl_usd: i64) {
        for n in 0..count {
            let closed_at = at(-3600.0).plus(n);
            self.store.closed.push((
                wallet.into(),
                ClosedRecord {
                    opened_at: closed_at.plus(-600 * Time::SECOND),
                    closed_at,
                    return_ppm: 500_000 + (n % 5) * 10_000,
                    pnl: MicroUsd(pnl_usd * 1_000_000),
                },
            ));
        }
    }
}

/// A body, with the latencies that the pipeline would add.
pub fn parse(draft: &Draft) -> serde_json::Value {
    serde_json::from_str(&draft.body(1.0, 1.0, 1.0)).unwrap()
}

/// A swap on mint `M`: 1,000 base units a dollar.
pub fn swap(wallet: &str, seconds: f64, side: Side, usd: f64) -> Swap {
    Swap {
        signature: Arc::from(format!("{wallet}@{seconds}/{usd}{side:?}")),
        index: 0,
        slot: None,
        tx_index: None,
        time: at(seconds),
        wallet: wallet.into(),
        mint: "M".into(),
        side,
        token_amount: (usd * 1000.0) as u128,
        amount: Amount::Usd(MicroUsd((usd * 1e6) as i64)),
        fee: MicroUsd::ZERO,
        dex: Some("Raydium".into()),
    }
}

pub fn buy(wallet: &str, seconds: f64, usd: f64) -> Fact {
    Fact::Swap(swap(wallet, seconds, Side::Buy, usd))
}

pub fn sell(wallet: &str, seconds: f64, usd: f64) -> Fact {
    Fact::Swap(swap(wallet, seconds, Side::Sell, usd))
}

pub fn transfer(wallet: &str, seconds: f64, direction: Direction, units: u128) -> Fact {
    Fact::Transfer(Transfer {
        signature: format!("t{wallet}@{seconds}").into(),
        index: 0,
        slot: None,
        tx_index: None,
        time: at(seconds),
        wallet: wallet.into(),
        mint: "M".into(),
        direction,
        token_amount: units,
        counterparty: None,
    })
}

pub fn wallet(wallet: &str, seconds: f64, labels: &[Label], funder: Option<&str>) -> Fact {
    Fact::Wallet(WalletFact {
        wallet: wallet.into(),
        time: at(seconds),
        labels: (!labels.is_empty()).then(|| labels.to_vec()),
        first_funder: funder.map(Into::into),
    })
}

pub fn token(seconds: f64, info: TokenInfo) -> Fact {
    Fact::Token(TokenFact {
        mint: "M".into(),
        time: at(seconds),
        info,
    })
}

/// A token without any warning.
pub fn sound() -> TokenInfo {
    use crate::model::money::{Exact, parse_decimal};
    let exact = |text| Some(Exact(parse_decimal(text).unwrap()));
    TokenInfo {
        symbol: Some("WIF".into()),
        decimals: Some(6),
        created_at: Some(at(-720.0)),
        market_cap_usd: exact("412000"),
        liquidity_usd: exact("88300"),
        mint_renounced: Some(true),
        freeze_renounced: Some(true),
        top10_holders_pct: exact("18.4"),
        lp_locked: Some(true),
        ..TokenInfo::default()
    }
}

/// A world in which `p1`…`p9` are pool wallets, and the token is sound.
pub fn world() -> World {
    let mut world = World::new(Config::default());
    for n in 1..=9 {
        world.past(&format!("p{n}"), 12, 10_000);
    }
    world.apply(&token(-60.0, sound()));
    world
}

/// Three pool wallets and two others buy, ten seconds apart: the fifth fires.
pub fn consensus(start: f64) -> Vec<Fact> {
    (["p1", "o1", "p2", "o2", "p3"].into_iter().zip(0_u8..))
        .map(|(wallet, n)| buy(wallet, start + f64::from(n) * 10.0, 100.0))
        .collect()
}
