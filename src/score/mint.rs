//! A mint in memory: its window, prices, token facts and episodes.

use std::borrow::Cow;

use crate::model::{
    swap::{Fact, TokenFact},
    time::Time,
};

use super::{
    book::Position,
    prices::{Fate, Prices},
    record::{EpisodeRecord, MintRecord, MintState, Trigger},
    sums::{Sums, sum},
    table::Weigh,
    token::Timeline,
    window::Window,
};

/// Episodes that opened longer before the high water are let go, but for the last: so much of them is stored to be loaded again.
const EPISODES_KEPT: i64 = 2 * 3600 * Time::SECOND;

/// Lengths in microseconds, and money in micro-dollars.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the window.
    pub window: i64,
    /// How much too late a swap may be and still count.
    pub late: i64,
    /// Net purchases from which a wallet counts.
    pub min_net: i64,
}

/// What was found loaded, all of it, to judge the buyers of a mint by.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Until then (exclusive) it takes no more than that.
    pub until: i64,
    /// While as many observations of prices came late.
    pub disorder: u64,
    /// And nothing happened that may undo it.
    pub doubts: u64,
}

/// A mint.
#[derive(Debug)]
pub struct Mint {
    /// Latest event time of a swap.
    pub high_water: Time,
    /// Its swaps lately.
    pub window: Window,
    /// Its token facts.
    pub tokens: Timeline,
    /// By ordinal.
    pub episodes: Vec<EpisodeRecord>,
    /// Let go since changes were last taken: the store may not know their latest state.
    pub forgotten: Vec<EpisodeRecord>,
    /// Spares a look at all buyers of the window at every buy.
    pub ready: Option<Ready>,
    /// Whether its stored state is behind.
    pub changed: bool,
    /// Whether anything of it is not yet told to the store, and it is noted for that.
    pub noted: bool,
    prices: Prices,
    limits: Limits,
    /// Of all wallets that triggered an episode (one let go may be among them): a swap of another need not be looked for in each.
    triggered: Sums,
}

impl Weigh for Mint {
    fn weight(&self) -> usize {
        let episodes: usize = (self.episodes.iter().chain(&self.forgotten))
            .map(|episode| 512 + episode.triggers.capacity() * (size_of::<Trigger>() + 64))
            .sum();
        episodes + self.window.weight() + self.prices.weight() + self.tokens.weight()
    }
}

impl Mint {
    /// From its stored form.
    #[must_use]
    pub fn from_record(record: MintRecord, limits: Limits) -> Self {
        let mut mint = Mint {
            high_water: record.state.high_water,
            window: Window::new(limits.min_net),
            tokens: Timeline::default(),
            episodes: record.episodes,
            forgotten: Vec::new(),
            ready: None,
            changed: false,
            noted: false,
            prices: Prices::parse(&record.state.prices),
            limits,
            triggered: Sums::default(),
        };
        let horizon = mint.horizon();
        for fact in &record.facts {
            // its price is in the stored history, if it is at or before the horizon
            mint.tokens.insert(fact, horizon);
        }
        // arrived in this order: which were too late when they came shows again
        let mut high_water = Time(0);
        for fact in &record.recent {
            if let Fact::Swap(swap) = fact {
                if swap.time >= high_water.plus(-limits.late) {
                    (mint.window).insert(swap, &swap.wallet, super::table::NOWHERE);
                }
                high_water = high_water.max(swap.time);
            }
        }
        mint.window.expire(mint.window_start());
        mint.episodes.sort_by_key(|episode| episode.ordinal);
        mint.forget_episodes();
        mint.forgotten.clear();
        mint.note_triggered();
        mint
    }

    /// Its stored state.
    #[must_use]
    pub fn state(&self) -> MintState {
        MintState {
            high_water: self.high_water,
            prices: self.prices.text(),
        }
    }

    /// Whether a swap of this time comes too late to count for what fires next.
    #[must_use]
    pub fn is_too_late(&self, time: Time) -> bool {
        time < self.high_water.plus(-self.limits.late)
    }

    /// Moves on to the time of a swap.
    pub fn advance(&mut self, time: Time) {
        if time <= self.high_water {
            return;
        }
        self.high_water = time;
        self.changed = true;
        for (time, price) in self.tokens.advance(self.horizon()) {
            self.prices.observe(time, price);
        }
        self.window.expire(self.window_start());
        self.forget_episodes();
    }

    /// Takes a price, micro-dollars per base unit.
    pub fn observe(&mut self, time: Time, price: f64) {
        self.prices.observe(time, price);
        self.changed = true;
    }

    /// Takes a `token` fact.
    pub fn learn(&mut self, fact: &TokenFact) {
        if let Some((time, price)) = self.tokens.insert(fact, self.horizon()) {
            self.observe(time, price);
        }
    }

    /// What became of a holding by `now`, by all prices known for then.
    #[must_use]
    pub fn fate(&self, position: &Position, now: Time) -> Fate {
        let mut prices = Cow::Borrowed(&self.prices);
        for (time, price) in self.tokens.pending(now) {
            prices.to_mut().observe(time, price);
        }
        prices.fate(position.unit_cost(), position.last_buy_at, now)
    }

    /// No swap that may still fire is older: token facts up to here are known for all that comes.
    fn horizon(&self) -> Time {
        self.high_water.plus(-self.limits.late)
    }

    fn window_start(&self) -> Time {
        self.high_water.plus(-self.limits.window)
    }

    /// Whether a wallet may be one that triggered; `false` is certain.
    #[must_use]
    pub fn may_have_triggered(&self, wallet: &str) -> bool {
        !self.episodes.is_empty() && self.triggered.find(sum(wallet), |_| true).is_some()
    }

    /// Puts an episode in the place of its former state, or at the end.
    pub fn keep_episode(&mut self, episode: EpisodeRecord) {
        match self.episodes.last_mut() {
            Some(last) if last.ordinal == episode.ordinal => *last = episode,
            _ => self.episodes.push(episode),
        }
        self.note_triggered();
    }

    fn note_triggered(&mut self) {
        self.triggered = Sums::default();
        for episode in &self.episodes {
            for trigger in &episode.triggers {
                self.triggered.push(sum(&trigger.wallet));
            }
        }
    }

    fn forget_episodes(&mut self) {
        let oldest = self.high_water.plus(-EPISODES_KEPT);
        let last = self.episodes.last().map(|episode| episode.ordinal);
        let kept = |episode: &mut EpisodeRecord| {
            episode.opened_at > oldest || Some(episode.ordinal) == last
        };
        (self.forgotten).extend(self.episodes.extract_if(.., |episode| !kept(episode)));
    }
}
