//! Many networks of addresses, read from a list, and whether an address lies in one of them.

// from `core`, which knows addresses and no sockets
use core::net::IpAddr;

use crate::model::address::{Network, NetworkError};

/// Networks, as ranges that neither touch nor overlap, in order: an address is found by halving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

/// A line that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: NetworkError,
}

impl Networks {
    /// These networks.
    #[must_use]
    pub fn of(networks: impl IntoIterator<Item = Network>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            let (first, last) = network.ends();
            let family = match first {
                IpAddr::V4(_) => &mut v4,
                IpAddr::V6(_) => &mut v6,
            };
            family.push((number(first), number(last)));
        }
        Networks {
            v4: joined(v4),
            v6: joined(v6),
        }
    }

    /// Reads a list: a network a line, with `#` before remarks; empty lines are passed over. One line that is none spoils it all, as whoever wrote
    /// it meant something else.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().enumerate().filter_map(|(number, line)| {
            let line = line.split('#').next().unwrap_or_default().trim();
            let read = || line.parse::<Network>();
            (!line.is_empty()).then(|| {
                read().map_err(|error| BadLine {
                    line: number + 1,
                    error,
                })
            })
        });
        let networks: Vec<Network> = lines.collect::<Result<_, _>>()?;
        Ok(Networks::of(networks))
    }

    /// Whether an address lies in one of them.
    #[must_use]
    pub fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let ranges = match ip {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let ip = number(ip);
        // the one range that may hold it: the last that does not begin behind it
        let behind = ranges.partition_point(|(first, _)| *first <= ip);
        let range = behind.checked_sub(1).and_then(|at| ranges.get(at));
        range.is_some_and(|(_, last)| ip <= *last)
    }

    /// How many ranges they come to.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// In order, with those that touch or overlap made one.
fn joined(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined.shrink_to_fit();
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_read_with_its_remarks() {
        let list = "\u{feff}# a cloud\n\n 192.0.2.0/25 # one half\r\n192.0.2.128/25\n2001:db8::/32\n203.0.113.7\n#10.0.0.1/8";
        let networks = Networks::parse(list).unwrap();
        assert_eq!(networks.ranges(), 3, "the halves are one");
        for (ip, is_in) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.3.0", false),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(networks.contain(ip.parse().unwrap()), is_in, "{ip}");
        }
        assert!(!Networks::parse("").unwrap().contain("::".parse().unwrap()));
    }

    #[test]
    fn the_list_that_is_shipped_holds_documentation_alone() {
        let list = include_str!("../../deploy/deny-networks.example.txt");
        let documentation = [
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "2001:db8::/32",
        ];
        let documentation = documentation.map(|network| network.parse().unwrap());
        assert_eq!(Networks::parse(list), Ok(Networks::of(documentation)));
    }

    #[test]
    fn the_first_line_that_is_none_is_named() {
        for (list, line) in [
            ("10.0.0.0/8\n# x\n10.0.0.1/8\nnonsense", 3),
            ("nonsense", 1),
            ("10.0.0.0/8 10.0.0.0/8", 1),
        ] {
            let bad = Networks::parse(list).unwrap_err();
            assert_eq!(bad.line, line, "{list}");
            assert!(bad.to_string().starts_with(&format!("line {line}: `")));
        }
    }

    /// Addresses close to each other, so that they meet.
    fn near() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u8>().prop_map(|n| IpAddr::from([10, 0, 0, n])),
            any::<u16>().prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
            Just(IpAddr::from([255; 4])),
            Just(IpAddr::from([u16::MAX; 8])),
            any::<IpAddr>(),
        ]
    }

    proptest! {
        #[test]
        fn they_hold_what_one_of_them_holds(
            networks in prop::collection::vec((near(), 0_u8..=128), 0..12),
            asked in prop::collection::vec(near(), 1..20),
        ) {
            let all: Vec<Network> = networks
                .into_iter()
                .map(|(ip, prefix)| Network::around(ip, match ip { IpAddr::V4(_) => prefix / 4, IpAddr::V6(_) => prefix }))
                .collect();
            let list: String = all.iter().map(|network| format!("{network}\n")).collect();
            let (of, read) = (Networks::of(all.clone()), Networks::parse(&list).unwrap());
            prop_assert_eq!(&of, &read);
            for ip in asked {
                prop_assert_eq!(of.contain(ip), all.iter().any(|network| network.contains(ip)), "{}", ip);
            }
        }

        #[test]
        fn no_list_brings_it_down(list in ".{0,80}") {
            let _ = Networks::parse(&list);
        }
    }
}
