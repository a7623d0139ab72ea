//! The window of one mint: who bought it lately, net of sales, kept up swap by swap.

use std::{collections::VecDeque, sync::Arc};

use crate::model::{
    swap::{Address, Amount, Side, Swap},
    time::Time,
};

use super::sums::{Sums, sum};

/// A swap in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Event time.
    pub time: Time,
    slot: Option<u64>,
    tx_index: Option<u64>,
    /// Its transaction.
    pub signature: Arc<str>,
    index: u32,
    buyer: u32,
    /// Micro-dollars paid; negative where received.
    usd: i64,
}

impl Entry {
    /// Earliest first, and never a tie between two swaps.
    fn order(&self) -> impl Ord + '_ {
        (
            self.time,
            self.slot,
            self.tx_index,
            &*self.signature,
            self.index,
        )
    }
}

/// A wallet in the window.
#[derive(Clone, Debug)]
pub struct Buyer {
    /// Which.
    pub address: Address,
    /// Where it was loaded when it last swapped.
    pub hint: u32,
    entries: u32,
    net: i128,
}

/// The swaps of the last seconds before the high water.
#[derive(Clone, Debug, Default)]
pub struct Window {
    entries: VecDeque<Entry>,
    buyers: Vec<Buyer>,
    free: Vec<u32>,
    sums: Sums,
    min_net: i128,
    passing: usize,
}

impl Window {
    /// An empty window; wallets count from `min_net` micro-dollars on.
    #[must_use]
    pub fn new(min_net: i64) -> Self {
        Window {
            min_net: min_net.into(),
            ..Window::default()
        }
    }

    /// Sorts a swap in. Swaps without a price in dollars are left out. Whether its wallet is new here.
    pub fn insert(&mut self, swap: &Swap, wallet: &Address, hint: u32) -> bool {
        let Amount::Usd(amount) = swap.amount else {
            return false;
        };
        let paid = amount.0.max(0);
        let usd = match swap.side {
            Side::Buy => paid,
            Side::Sell => -paid,
        };
        let known = self.wallets();
        let buyer = self.buyer(wallet, hint);
        let entry = Entry {
            time: swap.time,
            slot: swap.slot,
            tx_index: swap.tx_index,
            signature: swap.signature.clone(),
            index: swap.index,
            buyer,
            usd,
        };
        let later = (self.entries.iter().rev())
            .take_while(|other| other.order() > entry.order())
            .count();
        self.entries.insert(self.entries.len() - later, entry);
        self.add(buyer, usd, true);
        self.wallets() > known
    }

    /// Drops what is before `start`.
    pub fn expire(&mut self, start: Time) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.time < start) {
            self.add(entry.buyer, -entry.usd, false);
        }
    }

    /// Bytes outside of itself, about: a signature is 88 characters.
    #[must_use]
    pub fn weight(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry>() + self.entries.len() * 112;
        let buyers = (self.buyers.capacity()) * size_of::<Buyer>() + self.wallets() * 64;
        entries + buyers + self.buyers.capacity() * 8
    }

    /// Wallets whose net passes.
    #[must_use]
    pub fn passing(&self) -> usize {
        self.passing
    }

    /// Wallets with any swap in the window.
    #[must_use]
    pub fn wallets(&self) -> usize {
        self.buyers.len().saturating_sub(self.free.len())
    }

    /// All wallets, with their place.
    pub fn buyers(&self) -> impl Iterator<Item = (u32, &Buyer)> {
        (0_u32..)
            .zip(&self.buyers)
            .filter(|(_, buyer)| buyer.entries > 0)
    }

    /// The wallets whose net passes.
    pub fn passing_buyers(&self) -> impl Iterator<Item = (u32, &Buyer)> {
        self.buyers().filter(|(_, buyer)| buyer.net >= self.min_net)
    }

    /// Each wallet's first buy, by its place.
    #[must_use]
    pub fn first_buys(&self) -> Vec<Option<&Entry>> {
        let mut first = vec![None; self.buyers.len()];
        for entry in self.entries.iter().filter(|entry| entry.usd > 0) {
            if let Some(slot) = first.get_mut(entry.buyer as usize) {
                slot.get_or_insert(entry);
            }
        }
        first
    }

    /// Which of two entries is earlier in the chain's order.
    #[must_use]
    pub fn earlier<'a>(a: &'a Entry, b: &'a Entry) -> &'a Entry {
        if b.order() < a.order() { b } else { a }
    }

    fn buyer(&mut self, wallet: &Address, hint: u32) -> u32 {
        let sum = sum(wallet);
        let known = self.sums.find(sum, |place| {
            let known = self.buyers.get(place).filter(|buyer| buyer.entries > 0);
            known.is_some_and(|known| {
                Arc::ptr_eq(&known.address, wallet) || known.address == *wallet
            })
        });
        if let Some(place) = known {
            if let Some(buyer) = self.buyers.get_mut(place) {
                buyer.hint = hint;
            }
            return place as u32; // bounded by the entries in memory
        }
        let buyer = Buyer {
            address: wallet.clone(),
            hint,
            entries: 0,
            net: 0,
        };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.buyers.push(buyer.clone());
                self.sums.push(sum);
                (self.buyers.len() - 1) as u32 // bounded by the entries in memory
            }
        };
        if let Some(slot) = self.buyers.get_mut(place as usize) {
            *slot = buyer;
        }
        self.sums.set(place as usize, sum);
        place
    }

    /// Counts a swap in, or out again.
    fn add(&mut self, place: u32, usd: i64, enters: bool) {
        let min_net = self.min_net;
        let Some(buyer) = self.buyers.get_mut(place as usize) else {
            return;
        };
        let passes = |buyer: &Buyer| buyer.entries > 0 && buyer.net >= min_net;
        let before = passes(buyer);
        buyer.net += i128::from(usd);
        if enters {
            buyer.entries = buyer.entries.saturating_add(1);
        } else {
            buyer.entries = buyer.entries.saturating_sub(1);
        }
        match (before, passes(buyer)) {
            (false, true) => self.passing += 1,
            (true, false) => self.passing = self.passing.saturating_sub(1),
            _ => {}
        }
        if buyer.entries == 0 {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::money::MicroUsd;

    fn swap(wallet: u8, time: i64, usd: i64) -> Swap {
        Swap {
            signature: format!("s{time}-{wallet}-{usd}").into(),
            index: 0,
            slot: None,
            tx_index: None,
            time: Time(time),
            wallet: format!("w{wallet}").into(),
            mint: "M".into(),
            side: if usd < 0 { Side::Sell } else { Side::Buy },
            token_amount: 1,
            amount: Amount::Usd(MicroUsd(usd.abs())),
            fee: MicroUsd::ZERO,
            dex: None,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_adding_up(swaps in proptest::collection::vec((0..6_u8, 0..100_i64, -40..60_i64), 1..80)) {
            let mut window = Window::new(25);
            let (mut all, mut high) = (Vec::new(), 0);
            for (wallet, time, usd) in swaps {
                let swap = swap(wallet, time, usd);
                high = high.max(time);
                window.insert(&swap, &swap.wallet, 0);
                window.expire(Time(high - 20));
                all.push((wallet, time, usd));
                all.retain(|(_, time, _)| *time >= high - 20);
                let mut expected: Vec<String> = (0..6_u8).filter(|wallet| {
                    let mut own = all.iter().filter(|(other, ..)| other == wallet).peekable();
                    own.peek().is_some() && own.map(|(.., usd)| usd).sum::<i64>() >= 25
                }).map(|wallet| format!("w{wallet}")).collect();
                let mut found: Vec<String> = window.passing_buyers().map(|(_, buyer)| buyer.address.to_string()).collect();
                found.sort();
                expected.sort();
                prop_assert_eq!(window.passing(), found.len());
                prop_assert_eq!(found, expected);
                prop_assert!(window.entries.iter().is_sorted_by(|a, b| a.order() <= b.order()));
                for (place, buyer) in window.buyers() {
                    let first = all.iter().filter(|(wallet, _, usd)| format!("w{wallet}") == *buyer.address && *usd > 0).map(|(_, time, _)| *time).min();
                    prop_assert_eq!(window.first_buys()[place as usize].map(|entry| entry.time.0), first);
                }
            }
        }
    }
}
