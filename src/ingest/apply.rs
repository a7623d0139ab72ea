//! Feeds the consensus engine in order of arrival, and loads what it misses within the transaction under way.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    model::{publish::NewSignal, swap::Fact},
    score::{
        config::Config as EngineConfig,
        consensus::{self, Engine},
        record::{Draft, Need},
    },
    store::{
        db::Tx,
        error::{StoreError, StoreResult},
    },
};

/// A signal that fired, with the times that its body tells.
#[derive(Debug)]
pub struct Fired {
    draft: Draft,
    /// When the fact that fired it was first seen.
    pub seen: Instant,
    ingest_ms: f64,
    score_ms: f64,
}

impl Fired {
    /// The signal for the log. Its latency counts up to this call, right before it is appended.
    #[must_use]
    pub fn prepare(&self) -> NewSignal {
        let latency_ms = self.seen.elapsed().as_secs_f64() * 1000.0;
        NewSignal {
            id: self.draft.id.hyphenated().to_string(),
            body: self.draft.body(latency_ms, self.ingest_ms, self.score_ms),
        }
    }
}

/// Facts of other processes that are read at a time.
const STRANGERS: usize = 2_000;
/// A fact that still misses something after so many loadings points to a fault in the engine.
const MOST_LOADINGS: usize = 64;

/// The engine and how far it has come.
pub struct Applier {
    engine: Engine,
    config: EngineConfig,
    wallet_bytes: usize,
    mint_bytes: usize,
    /// State is stored when so many facts are applied that are not in it; 0: with every transaction.
    store_every: i64,
    /// Whether it is stored with the next transaction all the same.
    store_next: bool,
    /// Arrival of the last fact applied; `None` until read.
    cursor: Option<i64>,
    /// `cursor` as it will be when the transaction is committed.
    applied: i64,
    /// Arrival of the last fact that is in the stored state; and as it will be when the transaction is committed.
    stored: i64,
    storing: i64,
}

impl Applier {
    /// An engine that has loaded nothing. Its state is stored each time that it has applied `store_every` facts; at 0 with every
    /// transaction.
    #[must_use]
    pub fn new(
        config: EngineConfig,
        wallet_bytes: usize,
        mint_bytes: usize,
        store_every: i64,
    ) -> Self {
        Applier {
            engine: Engine::new(config.clone()),
            config,
            wallet_bytes,
            mint_bytes,
            store_every,
            store_next: false,
            cursor: None,
            applied: 0,
            stored: 0,
            storing: 0,
        }
    }

    /// Forgets everything: the database knows, or has the facts from which it is found again.
    pub fn forget(&mut self) {
        self.engine = Engine::new(self.config.clone());
        self.cursor = None;
        self.store_next = false;
    }

    /// Arrival of the last fact applied, where it is known.
    #[must_use]
    pub fn applied(&self) -> Option<i64> {
        self.cursor
    }

    /// Whether anything that was applied is not in the stored state.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.cursor.is_some_and(|cursor| cursor != self.stored)
    }

    /// State is to be stored with the next transaction.
    pub fn store_next(&mut self) {
        self.store_next = true;
    }

    /// Applies some of what other processes have appended since the last time; whether there is more. Arrivals are applied in
    /// order, so there must be no more before anything of our own is.
    pub async fn apply_strangers(&mut self, tx: &mut Tx) -> StoreResult<(Vec<Fired>, bool)> {
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => {
                self.stored = tx.engine_cursor(consensus::NAME).await?;
                self.stored
            }
        };
        self.cursor = Some(cursor);
        self.storing = self.stored;
        self.applied = cursor;
        let mut fired = Vec::new();
        if tx.last_arrival().await? == cursor {
            return Ok((fired, false));
        }
        let strangers = tx.facts_after(cursor, STRANGERS).await?;
        let more = strangers.len() == STRANGERS;
        let seen = Instant::now();
        // one run of facts of one kind at a time
        let mut rest = strangers.as_slice();
        while let Some(first) = rest.first() {
            let run = rest
                .iter()
                .take_while(|fact| fact.backfill == first.backfill)
                .count();
            let (these, others) = rest.split_at(run);
            let facts = these
                .iter()
                .map(|stored| (stored.arrival, stored.fact.clone()))
                .collect();
            fired.extend(self.apply(tx, facts, first.backfill, seen).await?);
            rest = others;
        }
        Ok((fired, more))
    }

    /// Applies facts with their arrivals.
    pub async fn apply(
        &mut self,
        tx: &mut Tx,
        facts: Vec<(i64, Fact)>,
        backfill: bool,
        seen: Instant,
    ) -> StoreResult<Vec<Fired>> {
        let Some((first, _)) = facts.first() else {
            return Ok(Vec::new());
        };
        let needs: BTreeSet<Need> = facts
            .iter()
            .flat_map(|(_, fact)| self.engine.wants(fact))
            .collect();
        self.load(tx, needs, *first).await?;
        let mut fired = Vec::new();
        for (arrival, fact) in &facts {
            let begun = Instant::now();
            let ingest_ms = begun.duration_since(seen).as_secs_f64() * 1000.0;
            let drafts = self.apply_one(tx, *arrival, fact, backfill).await?;
            self.applied = *arrival;
            let score_ms = begun.elapsed().as_secs_f64() * 1000.0;
            fired.extend(drafts.into_iter().map(|draft| Fired {
                draft,
                seen,
                ingest_ms,
                score_ms,
            }));
        }
        Ok(fired)
    }

    async fn apply_one(
        &mut self,
        tx: &mut Tx,
        arrival: i64,
        fact: &Fact,
        silent: bool,
    ) -> StoreResult<Vec<Draft>> {
        for _ in 0..MOST_LOADINGS {
            match self.engine.apply(fact, silent) {
                Ok(drafts) => return Ok(drafts),
                Err(needs) => self.load(tx, needs.into_iter().collect(), arrival).await?,
            }
        }
        Err(StoreError::Corrupt {
            what: format!("fact {arrival}"),
            reason: "the engine keeps missing state".into(),
        })
    }

    async fn load(&mut self, tx: &mut Tx, needs: BTreeSet<Need>, arrival: i64) -> StoreResult<()> {
        let (mut wallets, mut mints) = (Vec::new(), Vec::new());
        for need in needs {
            match need {
                Need::Wallet(wallet) => wallets.push(wallet),
                Need::Mint(mint) => mints.push(mint),
            }
        }
        if !wallets.is_empty() {
            for (wallet, record) in tx.load_wallets(&wallets, arrival).await? {
                self.engine.load_wallet(wallet, record);
            }
        }
        if !mints.is_empty() {
            for (mint, record) in tx.load_mints(&mints, arrival).await? {
                self.engine.load_mint(mint, record);
            }
        }
        Ok(())
    }

    /// Stores what changed, and how far the engine has come, where that is due. Both or neither: what is stored is at every instant
    /// the state after exactly the facts up to the stored cursor.
    pub async fn store(&mut self, tx: &mut Tx) -> StoreResult<()> {
        let waiting = self.applied.saturating_sub(self.stored);
        if waiting < self.store_every && !self.store_next {
            return Ok(());
        }
        tx.store_changes(&self.engine.take_changes()).await?;
        if waiting > 0 {
            tx.set_engine_cursor(consensus::NAME, self.applied).await?;
        }
        self.storing = self.applied;
        self.store_next = false;
        Ok(())
    }

    /// The transaction is committed: what was applied stays applied, and memory may be given back.
    pub fn committed(&mut self) {
        self.cursor = Some(self.applied);
        self.stored = self.storing;
        // what is not stored must stay in memory: where that leaves too little room, it is stored early
        self.store_next |= self.engine.evict(self.wallet_bytes, self.mint_bytes);
    }
}
