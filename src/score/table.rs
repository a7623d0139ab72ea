//! Rows by address, in places that stay: looked up by hash once, then by place.

use std::{collections::HashMap, sync::Arc};

use crate::model::swap::Address;

/// No place: look the address up.
pub const NOWHERE: u32 = u32::MAX;

/// What a row costs, about, beside its value: its address, and its places in the map and in the list, which grow by doubling.
const ROW: usize = 176;

/// What knows how much memory it takes.
pub trait Weigh {
    /// Bytes outside of itself, about. Called once for each row that was used since it was last called.
    fn weight(&self) -> usize;
}

#[derive(Debug)]
struct Row<T> {
    address: Address,
    used: u64,
    weight: usize,
    value: T,
}

/// What became of letting rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Some went.
    pub any: bool,
    /// Too few could.
    pub too_few: bool,
}

/// What is loaded of wallets or mints. The hasher is std's keyed one: addresses come from outside.
#[derive(Debug)]
pub struct Table<T> {
    places: HashMap<Address, u32>,
    rows: Vec<Option<Row<T>>>,
    free: Vec<u32>,
    uses: u64,
    /// Bytes of all rows, as they were when `uses` was `weighed_at`; `used` since are the rows whose weight is out of date.
    weight: usize,
    weighed_at: u64,
    used: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            places: HashMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            uses: 0,
            weight: 0,
            weighed_at: 0,
            used: Vec::new(),
        }
    }
}

impl<T: Weigh> Table<T> {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place of an address.
    #[must_use]
    pub fn find(&self, address: &str) -> Option<u32> {
        self.places.get(address).copied()
    }

    /// The place of an address that was at `hint` when last seen.
    #[must_use]
    pub fn locate(&self, hint: u32, address: &Address) -> Option<u32> {
        let held = |row: &Row<T>| Arc::ptr_eq(&row.address, address) || row.address == *address;
        match self.rows.get(hint as usize) {
            Some(Some(row)) if held(row) => Some(hint),
            _ => self.find(address),
        }
    }

    /// The row at a place, with the address as it is kept.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<(&Address, &T)> {
        let row = self.rows.get(place as usize)?.as_ref()?;
        Some((&row.address, &row.value))
    }

    /// The row at a place, to change it; counts as a use.
    pub fn get_mut(&mut self, place: u32) -> Option<(&Address, &mut T)> {
        self.uses += 1;
        let row = self.rows.get_mut(place as usize)?.as_mut()?;
        if row.used <= self.weighed_at {
            self.used.push(place);
        }
        row.used = self.uses;
        Some((&row.address, &mut row.value))
    }

    /// The row of an address.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Option<&T> {
        self.get(self.find(address)?).map(|(_, value)| value)
    }

    /// Adds a row, unless the address has one: what is loaded is never older than what is stored.
    pub fn insert(&mut self, address: Address, value: impl FnOnce() -> T) {
        if self.places.contains_key(&address) {
            return;
        }
        self.uses += 1;
        let row = Some(Row {
            address: address.clone(),
            used: self.uses,
            weight: 0,
            value: value(),
        });
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.rows.push(None);
                (self.rows.len() - 1) as u32 // four billion rows do not fit in memory
            }
        };
        if let Some(slot) = self.rows.get_mut(place as usize) {
            *slot = row;
            self.places.insert(address, place);
            self.used.push(place);
        }
    }

    /// Bytes of all rows, about.
    pub fn weigh(&mut self) -> usize {
        for place in self.used.drain(..) {
            if let Some(Some(row)) = self.rows.get_mut(place as usize) {
                let weight = ROW + size_of::<Option<Row<T>>>() + row.value.weight();
                self.weight = (self.weight + weight).saturating_sub(row.weight);
                row.weight = weight;
            }
        }
        self.weighed_at = self.uses;
        self.weight
    }

    /// Where all rows are above `most` bytes, lets the least recently used ones go that `may_go`: a fifth of the bound at once,
    /// so that looking for them is rare.
    pub fn evict(&mut self, most: usize, may_go: impl Fn(&T) -> bool) -> Evicted {
        if self.weigh() <= most {
            return Evicted::default();
        }
        let mut uses: Vec<(u64, u32)> = (0_u32..)
            .zip(&self.rows)
            .filter_map(|(place, row)| Some((row.as_ref()?, place)))
            .filter(|(row, _)| may_go(&row.value))
            .map(|(row, place)| (row.used, place))
            .collect();
        uses.sort_unstable();
        let mut any = false;
        for (_, place) in uses {
            if self.weight <= most / 5 * 4 {
                break;
            }
            if let Some(row) = self.rows.get_mut(place as usize).and_then(Option::take) {
                self.places.remove(&row.address);
                self.free.push(place);
                self.weight = self.weight.saturating_sub(row.weight);
                any = true;
            }
        }
        Evicted {
            any,
            // half of what was to go is worth to go on with
            too_few: self.weight > most / 10 * 9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    #[test]
    fn the_least_recently_used_go_first_and_places_are_used_again() {
        let mut table = Table::default();
        for (place, name) in ["a", "b", "c"].into_iter().enumerate() {
            table.insert(name.into(), || place);
        }
        table.insert("a".into(), || 99);
        let a = table.find("a").unwrap();
        assert_eq!(table.get_mut(a).unwrap().1, &0, "a loaded row stays");
        let three = table.weigh();
        let all = |_: &usize| true;
        let evicted = |any, too_few| Evicted { any, too_few };
        assert_eq!(table.evict(three, |_| false), evicted(false, false));
        assert_eq!(table.len(), 3);
        assert_eq!(table.evict(three - 1, |_| false), evicted(false, true));
        assert_eq!(table.len(), 3);
        assert_eq!(table.evict(three - 1, all), evicted(true, false));
        assert_eq!((table.len(), table.find("b")), (2, None));
        table.insert("d".into(), || 4);
        assert_eq!(
            table.locate(a, &"d".into()),
            table.find("d"),
            "a stale hint is looked up"
        );
        assert_eq!(table.by_address("c"), Some(&2));
        assert_eq!(table.rows.len(), 3);
    }

    #[test]
    fn what_grew_is_weighed_again() {
        let mut table = Table::default();
        table.insert("a".into(), || 0_usize);
        table.insert("b".into(), || 0);
        let before = table.weigh();
        let b = table.find("b").unwrap();
        for _ in 0..3 {
            *table.get_mut(b).unwrap().1 += 1000;
        }
        assert_eq!(table.weigh(), before + 3000);
        table.evict(before, |_| true);
        assert!(
            table.is_empty(),
            "the one that grew is the latest, and heavy"
        );
        assert_eq!(table.weigh(), 0);
    }
}
