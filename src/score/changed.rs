//! What the engine changed and the store does not yet know.

use std::collections::BTreeSet;

use crate::model::swap::Address;

use super::{
    mint::Mint,
    record::{Changes, ClosedRecord},
    table::Table,
    trader::Trader,
};

/// What changed since it was last taken.
#[derive(Debug, Default)]
pub struct Changed {
    /// Places of wallets, and mints: pushed by every swap, put in order only when taken.
    positions: Vec<(u32, Address)>,
    closed: Vec<(Address, ClosedRecord)>,
    mints: BTreeSet<u32>,
    /// Places of mints, and ordinals.
    episodes: BTreeSet<(u32, i64)>,
}

impl Changed {
    /// Whether the store knows all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
            && self.closed.is_empty()
            && self.mints.is_empty()
            && self.episodes.is_empty()
    }

    /// Notes a wallet's position, by the wallet's place.
    pub fn position(&mut self, place: u32, mint: &Address) {
        self.positions.push((place, mint.clone()));
    }

    /// Notes what a position came to.
    pub fn close(&mut self, wallet: &Address, closed: Option<ClosedRecord>) {
        let closed = closed.map(|closed| (wallet.clone(), closed));
        self.closed.extend(closed);
    }

    /// Notes a mint, by its place, if its stored state is behind.
    pub fn mint(&mut self, place: u32, mint: &Mint) {
        if mint.changed {
            self.mints.insert(place);
        }
    }

    /// Notes an episode, by the place of its mint.
    pub fn episode(&mut self, place: u32, ordinal: i64) {
        self.episodes.insert((place, ordinal));
    }

    /// What the store is to be told: the latest state of each thing, once.
    #[must_use]
    pub fn collect(mut self, wallets: &Table<Trader>, mints: &mut Table<Mint>) -> Changes {
        self.positions.sort_unstable();
        self.positions.dedup();
        let positions = self.positions.into_iter().filter_map(|(place, mint)| {
            let (wallet, trader) = wallets.get(place)?;
            let record = (trader.position(&mint)).map(|position| position.record(&mint));
            Some((wallet.clone(), mint, record))
        });
        let episodes = self.episodes.into_iter().filter_map(|(place, ordinal)| {
            let (address, mint) = mints.get(place)?;
            let mut all = mint.episodes.iter().chain(&mint.forgotten);
            let episode = all.find(|episode| episode.ordinal == ordinal)?;
            Some((address.clone(), episode.clone()))
        });
        let episodes = episodes.collect();
        let states = self.mints.into_iter().filter_map(|place| {
            let (address, mint) = mints.get_mut(place)?;
            mint.changed = false;
            mint.forgotten.clear();
            Some((address.clone(), mint.state()))
        });
        Changes {
            positions: positions.collect(),
            mints: states.collect(),
            closed: self.closed,
            episodes,
        }
    }
}
