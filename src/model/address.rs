//! Addresses of clients, and networks of addresses.

// from `core`, which knows addresses and no sockets
use core::net::{IpAddr, SocketAddr};
use std::{fmt, str::FromStr};

use serde::Deserialize;

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress {
    /// Its address; an IPv4 address is one also where it came mapped into IPv6.
    pub ip: IpAddr,
    /// Its port, where it is known: proxies seldom say it.
    pub port: Option<u16>,
}

impl ClientAddress {
    /// Reads what a proxy writes: an address, alone or with a port, IPv6 with or without brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Some(socket.into());
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let ip = match bare {
            Some(bare) => IpAddr::V6(bare.parse().ok()?),
            None => text.parse().ok()?,
        };
        Some(ClientAddress {
            ip: ip.to_canonical(),
            port: None,
        })
    }
}

impl From<SocketAddr> for ClientAddress {
    fn from(from: SocketAddr) -> Self {
        ClientAddress {
            ip: from.ip().to_canonical(),
            port: Some(from.port()),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// A network in CIDR notation: `10.0.0.0/8`, `fd00::/8`, or one address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not in this notation.
    #[error("`{0}` is no network such as 10.0.0.0/8, fd00::/8 or 192.0.2.1")]
    Unreadable(String),
    /// An address within the network in place of the network's own: one of the two is a mistake.
    #[error("`{given}` has bits set beyond its prefix; is {network} meant?")]
    Ragged {
        /// As written.
        given: String,
        /// With the bits cleared.
        network: Network,
    },
}

/// An address as bits, from the left, and how many count.
fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn mask(prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        n => u128::MAX << (128 - u32::from(n.min(128))),
    }
}

impl Network {
    /// The network of this many leading bits around an address.
    #[must_use]
    pub fn around(ip: IpAddr, prefix: u8) -> Self {
        let ip = ip.to_canonical();
        let (all, width) = bits(ip);
        let prefix = prefix.min(width);
        let kept = all & mask(prefix);
        let address = match ip {
            // proof of the cast: the address stands in the upper 32 bits, the rest is clear
            IpAddr::V4(_) => IpAddr::V4(((kept >> 96) as u32).into()),
            IpAddr::V6(_) => IpAddr::V6(kept.into()),
        };
        Network { address, prefix }
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ((own, width), (other, of)) = (bits(self.address), bits(ip.to_canonical()));
        width == of && own == other & mask(self.prefix)
    }

    /// Its first and its last address.
    #[must_use]
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        let rest = !mask(self.prefix);
        let last = match self.address {
            // proof of the cast: what is left of the upper 32 bits
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() | (rest >> 96) as u32).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() | rest).into()),
        };
        (self.address, last)
    }

    /// Whether every address there is lies in it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let unreadable = || NetworkError::Unreadable(text.to_owned());
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| unreadable())?;
        let width = bits(ip).1;
        let prefix = match prefix {
            None => width,
            // digits alone: `+8` is read as a number as well
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|n| *n <= width)
                .ok_or_else(unreadable)?,
            Some(_) => return Err(unreadable()),
        };
        // an IPv4 network spelled in IPv6: what connects from it is seen as IPv4
        let mapped = width == 128 && ip.to_canonical().is_ipv4();
        let prefix = match (mapped, prefix) {
            (true, 96..) => prefix - 96,
            (true, _) => return Err(unreadable()),
            (false, prefix) => prefix,
        };
        let network = Network::around(ip, prefix);
        if network.address == ip.to_canonical() {
            Ok(network)
        } else {
            Err(NetworkError::Ragged {
                given: text.to_owned(),
                network,
            })
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(network: &str, ip: &str) -> bool {
        network
            .parse::<Network>()
            .unwrap()
            .contains(ip.parse().unwrap())
    }

    #[test]
    fn networks_hold_their_own() {
        for (network, ip) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("192.0.2.1", "192.0.2.1"),
            ("0.0.0.0/0", "203.0.113.9"),
            ("fd00::/8", "fdff::1"),
            ("::1", "::1"),
            ("::/0", "2001:db8::1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9"),
            ("2001:db8::/33", "2001:db8:7fff::"),
        ] {
            assert!(contains(network, ip), "{network} {ip}");
        }
        for (network, ip) in [
            ("10.0.0.0/8", "11.0.0.0"),
            ("10.0.0.0/8", "a00::"),
            ("0.0.0.0/0", "2001:db8::1"),
            ("::/0", "10.0.0.1"),
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8::/33", "2001:db8:8000::"),
        ] {
            assert!(!contains(network, ip), "{network} {ip}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "any",
            "10.0.0.0/8 ",
            "a/8",
            "::ffff:10.0.0.0/90",
        ] {
            let refused = text.parse::<Network>();
            assert!(
                matches!(refused, Err(NetworkError::Unreadable(_))),
                "{text}"
            );
        }
        let ragged = "10.0.0.1/8".parse::<Network>().unwrap_err().to_string();
        assert!(ragged.contains("10.0.0.0/8"), "{ragged}");
    }

    #[test]
    fn addresses_are_read_in_every_spelling_of_proxies() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ] {
            let read = ClientAddress::parse(text).unwrap();
            assert_eq!(read.to_string(), shown);
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "1.2.3",
            "[1.2.3.4]",
            "1.2.3.4:99999",
            "[::1",
            "a, b",
        ] {
            assert_eq!(ClientAddress::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_network_around_an_address_holds_it_and_reads_back(ip: IpAddr, prefix in 0_u8..=128) {
            let network = Network::around(ip, prefix);
            prop_assert!(network.contains(ip));
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        }

        #[test]
        fn no_text_brings_the_readers_down(text in ".{0,40}") {
            let _ = text.parse::<Network>();
            let _ = ClientAddress::parse(&text);
        }
    }
}
