//! The consensus engine: one fact after the other in, signals out.

use crate::model::{
    swap::{Address, Amount, Direction, Fact, Side, Swap, TokenFact, Transfer, WalletFact},
    time::Time,
};

use super::{
    changed::Changed,
    config::Config,
    episode,
    mint::{Limits, Mint, Ready},
    payload::{self, Row, score_sum},
    pool::{self, Quorum},
    prices::Fate,
    rank,
    record::{Changes, Draft, EpisodeRecord, MintRecord, Need, WalletRecord},
    rug,
    table::Table,
    trader::{Trader, is_aged},
};

/// Prices of a dollar's worth and more are prices; below, rounding and fees make them.
const MIN_PRICED_USD: i64 = 1_000_000;
/// Observations of prices that lag the latest swap by more than this are disorder; see [`Trader::settle`].
const DISORDER: i64 = 3600 * Time::SECOND;

/// How far ahead of the latest swap a [`Ready`] reaches, at most.
const SOON: i64 = 3600 * Time::SECOND;

/// The engine's name in the store.
pub const NAME: &str = "consensus";

/// The engine. Facts are applied strictly in the order of their arrival; what is loaded, and when, changes no result.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    limits: Limits,
    wallets: Table<Trader>,
    mints: Table<Mint>,
    /// Latest event time of a swap.
    latest: Time,
    /// How many observations of prices came late.
    disorder: u64,
    /// How often something happened that may undo a [`Ready`].
    doubts: u64,
    changed: Changed,
}

impl Engine {
    /// An engine with nothing loaded.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.bounded();
        Engine {
            limits: config.limits(),
            config,
            wallets: Table::default(),
            mints: Table::default(),
            latest: Time(0),
            disorder: 0,
            doubts: 0,
            changed: Changed::default(),
        }
    }

    /// What of a fact's own wallet and mint is not loaded: to load for a whole batch at once. [`Engine::apply`] may ask for more.
    #[must_use]
    pub fn wants(&self, fact: &Fact) -> Vec<Need> {
        let (wallet, mint) = match fact {
            Fact::Swap(swap) => (Some(&swap.wallet), Some(&swap.mint)),
            Fact::Transfer(transfer) => (Some(&transfer.wallet), None),
            Fact::Wallet(fact) => (Some(&fact.wallet), None),
            Fact::Token(fact) => (None, Some(&fact.mint)),
            Fact::SolPrice(_) => (None, None),
        };
        let wallet = wallet.filter(|address| self.wallets.find(address).is_none());
        let mint = mint.filter(|address| self.mints.find(address).is_none());
        let wallet = wallet.map(|address| Need::Wallet(address.clone()));
        wallet
            .into_iter()
            .chain(mint.map(|address| Need::Mint(address.clone())))
            .collect()
    }

    /// Loads a wallet; one that is loaded stays as it is.
    pub fn load_wallet(&mut self, wallet: Address, record: WalletRecord) {
        let mints = &self.mints;
        let known = |mint: &Address| Some(mints.get(mints.find(mint)?)?.0.clone());
        (self.wallets).insert(wallet, || Trader::from_record(record, known));
    }

    /// Loads a mint; one that is loaded stays as it is.
    pub fn load_mint(&mut self, mint: Address, record: MintRecord) {
        let limits = self.limits;
        self.mints
            .insert(mint, || Mint::from_record(record, limits));
    }

    /// Applies one fact and gives what fired. `Err`: nothing was changed; load what it names and call again, more than once if need be.
    /// `silent` (backfill): books and windows build, nothing fires and no episode opens.
    pub fn apply(&mut self, fact: &Fact, silent: bool) -> Result<Vec<Draft>, Vec<Need>> {
        if let Fact::Swap(swap) = fact {
            let places = self.wallets.find(&swap.wallet);
            return match places.zip(self.mints.find(&swap.mint)) {
                Some((wallet, mint)) => self.apply_swap(swap, wallet, mint, silent),
                None => Err(self.wants(fact)),
            };
        }
        let needs = self.wants(fact);
        if !needs.is_empty() {
            return Err(needs);
        }
        match fact {
            Fact::Transfer(transfer) => self.apply_transfer(transfer),
            Fact::Token(fact) => {
                self.learn_token(fact);
                Ok(Vec::new())
            }
            Fact::Wallet(fact) => {
                self.learn_wallet(fact);
                Ok(Vec::new())
            }
            Fact::SolPrice(_) | Fact::Swap(_) => Ok(Vec::new()),
        }
    }

    /// What changed since the last call: the latest state of each thing, once.
    pub fn take_changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changed);
        changed.collect(&mut self.wallets, &mut self.mints)
    }

    /// Forgets the least recently used wallets and mints where they take more than so many bytes; they are asked for again
    /// when needed. What has changes that were not taken stays: it would be lost. Whether too few could go for that: then changes
    /// must be taken before there is room.
    pub fn evict(&mut self, wallet_bytes: usize, mint_bytes: usize) -> bool {
        let wallets = self.wallets.evict(wallet_bytes, |trader| !trader.noted);
        let mints = self.mints.evict(mint_bytes, |mint| !mint.noted);
        self.doubts += u64::from(wallets.any) + u64::from(mints.any);
        !self.changed.is_empty() && (wallets.too_few || mints.too_few)
    }

    /// Bytes that wallets and mints take, about.
    pub fn weigh(&mut self) -> (usize, usize) {
        (self.wallets.weigh(), self.mints.weigh())
    }

    fn learn_wallet(&mut self, fact: &WalletFact) {
        let place = self.wallets.find(&fact.wallet);
        if let Some((_, trader)) = place.and_then(|place| self.wallets.get_mut(place)) {
            trader.learn(fact);
        }
    }

    fn learn_token(&mut self, fact: &TokenFact) {
        self.note_disorder(fact.time);
        let Some(place) = self.mints.find(&fact.mint) else {
            return;
        };
        if let Some((_, mint)) = self.mints.get_mut(place) {
            mint.learn(fact);
            self.changed.mint(place, mint);
        }
    }

    fn apply_transfer(&mut self, transfer: &Transfer) -> Result<Vec<Draft>, Vec<Need>> {
        let Some(place) = self.wallets.find(&transfer.wallet) else {
            return Ok(Vec::new());
        };
        // tokens that come in have no cost and make no lot
        if transfer.direction == Direction::In {
            return Ok(Vec::new());
        }
        let position = self
            .wallets
            .get(place)
            .and_then(|(_, trader)| trader.position(&transfer.mint));
        let Some(position) = position else {
            return Ok(Vec::new());
        };
        if is_aged(position, transfer.time) && self.mints.find(&transfer.mint).is_none() {
            return Err(vec![Need::Mint(transfer.mint.clone())]);
        }
        self.bury(place, &transfer.mint, transfer.time);
        if let Some((_, trader)) = self.wallets.get_mut(place) {
            let out = trader.transfer_out(&transfer.mint, transfer.token_amount, transfer.time);
            self.changed.wallet(place, trader);
            self.doubt(out.map_or(i64::MAX, |out| out.ages_at));
        }
        Ok(Vec::new())
    }

    fn apply_swap(
        &mut self,
        swap: &Swap,
        wallet: u32,
        mint: u32,
        silent: bool,
    ) -> Result<Vec<Draft>, Vec<Need>> {
        let in_time = self
            .mints
            .get(mint)
            .is_some_and(|(_, mint)| !mint.is_too_late(swap.time));
        let evaluate = in_time && !silent && swap.side == Side::Buy;
        if evaluate {
            let needs = self.missing(swap, wallet, mint);
            if !needs.is_empty() {
                return Err(needs);
            }
        }
        self.note_disorder(swap.time);
        self.latest = self.latest.max(swap.time);
        let matched = self.enter_book(swap, wallet, mint);
        self.enter_mint(swap, wallet, mint, in_time);
        let mut drafts = self.follow(swap, mint, matched, silent);
        if evaluate {
            drafts.extend(self.evaluate(swap, mint));
        }
        Ok(drafts)
    }

    /// What must be loaded before the buyers of a mint can be judged.
    fn missing(&mut self, swap: &Swap, wallet: u32, place: u32) -> Vec<Need> {
        let disorder = self.disorder + u64::from(self.is_disorder(swap.time));
        let doubts = self.doubts;
        let Some((_, mint)) = self.mints.get(place) else {
            return Vec::new();
        };
        if mint.window.wallets() + 1 < self.config.min_total as usize {
            return Vec::new();
        }
        let is_ready = |ready: Ready| {
            ready.disorder == disorder && ready.doubts == doubts && swap.time.0 < ready.until
        };
        let window = (!mint.ready.is_some_and(is_ready)).then_some(&mint.window);
        let is_whole = window.is_some();
        let (needs, until) = pool::missing(
            wallet,
            window,
            &self.mints,
            &self.wallets,
            swap.time,
            disorder,
        );
        if is_whole
            && needs.is_empty()
            && let Some((_, mint)) = self.mints.get_mut(place)
        {
            mint.ready = Some(Ready {
                until: until.min(self.latest.plus(SOON).0),
                disorder,
                doubts,
            });
        }
        needs.into_iter().collect()
    }

    /// A position changed, and may be dead from `ages_at` on: no [`Ready`] reaches further than [`SOON`].
    fn doubt(&mut self, ages_at: i64) {
        self.doubts += u64::from(ages_at <= self.latest.plus(SOON).0);
    }

    fn is_disorder(&self, time: Time) -> bool {
        time < self.latest.plus(-DISORDER)
    }

    fn note_disorder(&mut self, time: Time) {
        self.disorder += u64::from(self.is_disorder(time));
    }

    /// Closes a holding that is about to be touched, if it is dead.
    fn bury(&mut self, wallet: u32, mint: &Address, now: Time) {
        let Some((_, trader)) = self.wallets.get_mut(wallet) else {
            return;
        };
        let Some(position) = trader
            .position(mint)
            .filter(|position| is_aged(position, now))
        else {
            return;
        };
        let history = self.mints.by_address(mint);
        if let Some(Fate::Dead(at)) = history.map(|history| history.fate(position, now)) {
            trader.write_off(mint, at);
            self.changed.wallet(wallet, trader);
        }
    }

    /// Enters a swap in its wallet's book. Gives the quantity that counts for episodes: bought, or sold of what was held.
    fn enter_book(&mut self, swap: &Swap, wallet: u32, mint: u32) -> u128 {
        self.bury(wallet, &swap.mint, swap.time);
        // the mint's address as it is kept, so that it is kept once
        let (Some((_, trader)), Some((mint, _))) =
            (self.wallets.get_mut(wallet), self.mints.get(mint))
        else {
            return 0;
        };
        let (amount, fee) = (dollars(swap).max(0), swap.fee.0.max(0));
        let could_score = trader.may_score(0);
        let (quantity, ages_at) = match swap.side {
            Side::Buy => {
                let cost = amount.saturating_add(fee);
                let ages_at = trader.buy(mint, swap.token_amount, cost, swap.time);
                (swap.token_amount, ages_at)
            }
            Side::Sell => {
                let proceeds = amount.saturating_sub(fee);
                let sale = trader.sell(mint, swap.token_amount, proceeds, swap.time);
                let Some(sale) = sale else {
                    return 0; // never bought: nothing to enter
                };
                (sale.matched, sale.ages_at)
            }
        };
        // one more whose holdings matter to those who judge it
        self.doubts += u64::from(!could_score && trader.may_score(0));
        self.changed.wallet(wallet, trader);
        self.doubt(ages_at);
        quantity
    }

    /// Enters a swap in its mint's window and price history.
    fn enter_mint(&mut self, swap: &Swap, wallet: u32, place: u32, in_time: bool) {
        let (Some((address, trader)), Some((_, mint))) =
            (self.wallets.get(wallet), self.mints.get_mut(place))
        else {
            return;
        };
        mint.advance(swap.time);
        let amount = dollars(swap);
        if amount >= MIN_PRICED_USD && swap.token_amount > 0 {
            mint.observe(swap.time, amount as f64 / swap.token_amount as f64);
        }
        if in_time && mint.window.insert(swap, address, wallet) && trader.may_score(0) {
            mint.ready = mint
                .ready
                .filter(|ready| trader.is_settled(swap.time, ready.disorder));
            if let Some(ready) = &mut mint.ready {
                ready.until = ready.until.min(trader.settled_until(ready.disorder));
            }
        }
        self.changed.mint(place, mint);
    }

    /// Counts what wallets that triggered do, and gives the exits that follow from it.
    fn follow(&mut self, swap: &Swap, place: u32, quantity: u128, silent: bool) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let Some((_, mint)) = self.mints.get_mut(place) else {
            return drafts;
        };
        if !mint.may_have_triggered(&swap.wallet) {
            return drafts;
        }
        let within = self.config.exit();
        let mut touched = Vec::new();
        for episode in &mut mint.episodes {
            let time = episode.opened_at..=episode.opened_at.plus(within);
            if episode.exited
                || !time.contains(&swap.time)
                || !episode.follow(&swap.wallet, swap.side, quantity)
            {
                continue;
            }
            if swap.side == Side::Sell && !silent && episode.is_left() {
                episode.exited = true;
                drafts.push(payload::exit(episode, swap, &mint.tokens.at(swap.time)));
            }
            touched.push(episode.ordinal);
        }
        for ordinal in touched {
            self.changed.episode(place, mint, ordinal);
        }
        drafts
    }

    /// Looks whether a buy makes a consensus, and whether that is news.
    fn evaluate(&mut self, swap: &Swap, place: u32) -> Option<Draft> {
        let now = swap.time;
        let (_, mint) = self.mints.get(place)?;
        let passing = mint.window.passing();
        if passing < self.config.min_total as usize {
            return None;
        }
        let within = self.config.episode();
        let running = (mint.episodes.last()).filter(|last| now <= last.opened_at.plus(within));
        let info = mint.tokens.at(now);
        let risk = rug::risk(&info);
        // at the highest rank there is, only more wallets are news
        if let Some(running) = running
            && !running.has_grown(passing)
            && !running.is_raised_by(rank::cap(risk))
        {
            return None;
        }
        let quorum = Quorum {
            pool: self.config.min_pool as usize,
            total: self.config.min_total as usize,
        };
        let mut bereft = Vec::new();
        let found = pool::find(
            mint,
            &self.mints,
            &mut self.wallets,
            now,
            quorum,
            self.disorder,
            &mut bereft,
        );
        for wallet in bereft {
            if let Some((_, trader)) = self.wallets.get_mut(wallet) {
                self.changed.wallet(wallet, trader);
            }
        }
        let found = found?;
        let pool = found.members.len();
        let mut inputs = rank::Inputs {
            pool,
            other: found.total.saturating_sub(pool),
            score_sum: score_sum(&found.members).as_f64(),
            risk,
            liquidity_usd: info.liquidity_usd.map(|dollars| dollars.as_f64()),
            span_seconds: 0.0,
            window_seconds: f64::from(self.config.window_seconds),
        };
        // the span is looked up in the window only where it could matter
        let news =
            |running: &EpisodeRecord, rank| running.has_grown(pool) || running.is_raised_by(rank);
        if running.is_some_and(|running| !news(running, rank::rank(&inputs).rank)) {
            return None;
        }
        let pace = found.pace(&mint.window)?;
        inputs.span_seconds = pace.span_seconds;
        let ranked = rank::rank(&inputs);
        if running.is_some_and(|running| !news(running, ranked.rank)) {
            return None;
        }
        let (mut episode, update) = match running {
            Some(running) => (running.clone(), running.updates.saturating_add(1)),
            None => {
                let ordinal = mint.episodes.last().map_or(0, |last| last.ordinal);
                let seed = episode::seed(&swap.mint, &pace.signature);
                (EpisodeRecord::open(ordinal.saturating_add(1), seed, now), 0)
            }
        };
        let row = Row {
            swap,
            info: &info,
            risk,
            rank: ranked.rank,
            score: ranked.score,
            pool: &found.members,
            total: found.total,
        };
        let draft = payload::buy(&episode, update, &row);
        episode.updates = update;
        episode.reach(ranked.rank, ranked.score, pool);
        for member in &found.members {
            let trader = self.wallets.by_address(&member.wallet);
            let position = trader.and_then(|trader| trader.position(&swap.mint));
            episode.add_trigger(
                &member.wallet,
                position.map_or(0, |position| position.held()),
            );
        }
        drop(info);
        self.keep_episode(place, episode);
        Some(draft)
    }

    fn keep_episode(&mut self, place: u32, episode: EpisodeRecord) {
        if let Some((_, mint)) = self.mints.get_mut(place) {
            self.changed.episode(place, mint, episode.ordinal);
            mint.keep_episode(episode);
        }
    }
}

/// Micro-dollars of a swap. One in SOL that nobody resolved counts as nothing.
fn dollars(swap: &Swap) -> i64 {
    match swap.amount {
        Amount::Usd(amount) => amount.0,
        Amount::Sol(_) => 0,
    }
}
