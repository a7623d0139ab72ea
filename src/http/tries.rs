//! Tries at signing in, by the network that they come from: so many within a minute, and no more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use dashmap::DashMap;

use crate::model::address::{ClientAddress, Network};

const MINUTE: Duration = Duration::from_secs(60);
/// Wrong ones of a minute. Nobody guesses a key: this spares the database, and the log.
const MOST: usize = 10;
/// Networks beyond which those are let go that have not tried for a minute.
const MANY: usize = 10_000;
/// Who has an IPv6 address has all of its /64: they count as one.
const IPV6_PREFIX: u8 = 64;

/// The tries of all networks.
#[derive(Debug, Default)]
pub struct Tries {
    by_network: DashMap<Network, VecDeque<Instant>>,
}

fn network(client: ClientAddress) -> Network {
    let prefix = match client.ip.is_ipv4() {
        true => 32,
        false => IPV6_PREFIX,
    };
    Network::around(client.ip, prefix)
}

impl Tries {
    /// Counts a try, or says how long it is until there may be one.
    pub fn begin(&self, client: ClientAddress, now: Instant) -> Result<(), Duration> {
        let of_late = |at: &Instant| now.duration_since(*at) < MINUTE;
        if self.by_network.len() > MANY {
            self.by_network
                .retain(|_, times| times.back().is_some_and(of_late));
            if self.by_network.len() > MANY {
                // a flood from everywhere: what is counted by network does not stop it, and must not fill the memory
                self.by_network.clear();
            }
        }
        let mut times = self.by_network.entry(network(client)).or_default();
        while times.front().is_some_and(|at| !of_late(at)) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= MOST => {
                Err(MINUTE.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }

    /// Takes one back: it was a right one.
    pub fn was_right(&self, client: ClientAddress) {
        if let Some(mut times) = self.by_network.get_mut(&network(client)) {
            times.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> ClientAddress {
        ClientAddress::parse(text).unwrap()
    }

    #[test]
    fn no_minute_holds_more_wrong_ones_than_are_allowed() {
        let tries = Tries::default();
        let begin = Instant::now();
        let at = |from, seconds| tries.begin(client(from), begin + Duration::from_secs(seconds));
        for second in 0..MOST as u64 {
            assert_eq!(at("192.0.2.1", second), Ok(()));
        }
        assert_eq!(at("192.0.2.1", 20), Err(Duration::from_secs(40)));
        assert_eq!(at("192.0.2.2", 20), Ok(()), "each by itself");
        assert_eq!(at("192.0.2.1", 60), Ok(()));
        assert_eq!(at("192.0.2.1", 60), Err(Duration::from_secs(1)));
    }

    #[test]
    fn right_ones_do_not_count() {
        let tries = Tries::default();
        let now = Instant::now();
        for _ in 0..3 * MOST {
            assert_eq!(tries.begin(client("192.0.2.1"), now), Ok(()));
            tries.was_right(client("192.0.2.1"));
        }
    }

    #[test]
    fn who_has_a_network_has_one_address() {
        let tries = Tries::default();
        let now = Instant::now();
        for n in 0..MOST {
            let from = client(&format!("2001:db8::{n:x}"));
            assert_eq!(tries.begin(from, now), Ok(()));
        }
        assert!(tries.begin(client("2001:db8::ffff"), now).is_err());
        assert_eq!(tries.begin(client("2001:db8:0:1::1"), now), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let tries = Tries::default();
        let now = Instant::now();
        for n in 0..3 * MANY {
            let from = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
            let _ = tries.begin(client(&from), now);
            assert!(tries.by_network.len() <= MANY + 1);
        }
    }
}
