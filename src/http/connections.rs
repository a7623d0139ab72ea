//! How many connections there are, in all and from one address.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;

use crate::model::address::Network;

/// Who has an IPv6 address has all of its /64: they count as one.
const IPV6_PREFIX: u8 = 64;

/// All connections of one listener.
#[derive(Debug, Default)]
pub struct Connections {
    all: AtomicUsize,
    by_address: DashMap<Network, usize>,
}

/// One more in all, while it lives.
#[derive(Debug)]
pub struct Counted(Arc<Connections>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more from an address, while it lives.
#[derive(Debug)]
pub struct CountedAddress {
    connections: Arc<Connections>,
    address: Network,
}

impl Drop for CountedAddress {
    fn drop(&mut self) {
        let by_address = &self.connections.by_address;
        if let Some(mut count) = by_address.get_mut(&self.address) {
            *count -= 1;
        }
        by_address.remove_if(&self.address, |_, count| *count == 0);
    }
}

impl Connections {
    /// Counts one, and says how many there are with it.
    pub fn count(self: &Arc<Self>) -> (Counted, usize) {
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        (Counted(self.clone()), all)
    }

    /// Counts one from an address, and says how many there are from there with it.
    pub fn count_address(self: &Arc<Self>, ip: IpAddr) -> (CountedAddress, usize) {
        let address = Network::around(
            ip,
            if ip.to_canonical().is_ipv4() {
                32
            } else {
                IPV6_PREFIX
            },
        );
        let of_address = {
            let mut count = self.by_address.entry(address).or_insert(0);
            *count += 1;
            *count
        };
        let counted = CountedAddress {
            connections: self.clone(),
            address,
        };
        (counted, of_address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_not_counted_and_not_kept() {
        let connections = Arc::new(Connections::default());
        let (one, all) = connections.count();
        assert_eq!(all, 1);
        let (other, all) = connections.count();
        assert_eq!(all, 2);
        drop((one, other));
        assert_eq!(connections.count().1, 1);
        let count = |ip: &str| connections.count_address(ip.parse().unwrap());
        let held = [
            count("192.0.2.1"),
            count("::ffff:192.0.2.1"),
            count("192.0.2.2"),
        ];
        assert_eq!(held.each_ref().map(|(_, n)| *n), [1, 2, 1]);
        let of_one_house = [
            count("2001:db8::1"),
            count("2001:db8::2"),
            count("2001:db8:0:1::1"),
        ];
        assert_eq!(of_one_house.each_ref().map(|(_, n)| *n), [1, 2, 1]);
        drop((held, of_one_house));
        assert!(connections.by_address.is_empty());
    }
}
