//! Rows by address, in places that stay: looked up by hash once, then by place.

use std::{collections::HashMap, sync::Arc};

use crate::model::swap::Address;

/// No place: look the address up.
pub const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
struct Row<T> {
    address: Address,
    used: u64,
    value: T,
}

/// What is loaded of wallets or mints. The hasher is std's keyed one: addresses come from outside.
#[derive(Debug)]
pub struct Table<T> {
    places: HashMap<Address, u32>,
    rows: Vec<Option<Row<T>>>,
    free: Vec<u32>,
    uses: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            places: HashMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            uses: 0,
        }
    }
}

impl<T> Table<T> {
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
        }
    }

    /// Lets the least recently used rows above `most` go.
    pub fn evict(&mut self, most: usize) {
        let Some(surplus) = self.len().checked_sub(most).filter(|surplus| *surplus > 0) else {
            return;
        };
        let mut uses: Vec<(u64, u32)> = (0_u32..)
            .zip(&self.rows)
            .filter_map(|(place, row)| Some((row.as_ref()?.used, place)))
            .collect();
        uses.sort_unstable();
        for (_, place) in uses.into_iter().take(surplus) {
            if let Some(row) = self.rows.get_mut(place as usize).and_then(Option::take) {
                self.places.remove(&row.address);
                self.free.push(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_first_and_places_are_used_again() {
        let mut table = Table::default();
        for (place, name) in ["a", "b", "c"].into_iter().enumerate() {
            table.insert(name.into(), || place);
        }
        table.insert("a".into(), || 99);
        let a = table.find("a").unwrap();
        assert_eq!(table.get_mut(a).unwrap().1, &0, "a loaded row stays");
        table.evict(2);
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
}
