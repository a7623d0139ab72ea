//! What the engine changed and the store does not yet know.

use std::collections::BTreeSet;

use super::{mint::Mint, record::Changes, table::Table, trader::Trader};

/// Where something changed since changes were last taken. What changed is known to wallets and mints themselves: between two
/// takings, however far apart, this grows with their number and not with that of the facts.
#[derive(Debug, Default)]
pub struct Changed {
    /// Places of wallets and of mints, each once: they are marked as noted.
    wallets: Vec<u32>,
    mints: Vec<u32>,
    /// Places of mints, and ordinals.
    episodes: BTreeSet<(u32, i64)>,
}

impl Changed {
    /// Whether the store knows all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wallets.is_empty() && self.mints.is_empty() && self.episodes.is_empty()
    }

    /// Notes a wallet, by its place: its positions, or what they came to.
    pub fn wallet(&mut self, place: u32, trader: &mut Trader) {
        if !trader.noted {
            trader.noted = true;
            self.wallets.push(place);
        }
    }

    /// Notes a mint, by its place, if its stored state is behind.
    pub fn mint(&mut self, place: u32, mint: &mut Mint) {
        if mint.changed && !mint.noted {
            mint.noted = true;
            self.mints.push(place);
        }
    }

    /// Notes an episode, by the place of its mint.
    pub fn episode(&mut self, place: u32, mint: &mut Mint, ordinal: i64) {
        if !mint.noted {
            mint.noted = true;
            self.mints.push(place);
        }
        self.episodes.insert((place, ordinal));
    }

    /// What the store is to be told: the latest state of each thing, once.
    #[must_use]
    pub fn collect(self, wallets: &mut Table<Trader>, mints: &mut Table<Mint>) -> Changes {
        let mut changes = Changes::default();
        for place in self.wallets {
            if let Some((wallet, trader)) = wallets.get_mut(place) {
                trader.take_changes(wallet, &mut changes);
            }
        }
        let episodes = self.episodes.into_iter().filter_map(|(place, ordinal)| {
            let (address, mint) = mints.get(place)?;
            let mut all = mint.episodes.iter().chain(&mint.forgotten);
            let episode = all.find(|episode| episode.ordinal == ordinal)?;
            Some((address.clone(), episode.clone()))
        });
        changes.episodes = episodes.collect();
        for place in self.mints {
            let Some((address, mint)) = mints.get_mut(place) else {
                continue;
            };
            if mint.changed {
                changes.mints.push((address.clone(), mint.state()));
            }
            (mint.changed, mint.noted) = (false, false);
            mint.forgotten.clear();
        }
        changes
    }
}
