//! Whose address a request comes from: its connection's, or what trusted proxies say of it.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::model::address::{ClientAddress, Network};

/// Each proxy adds the address that it was connected from, at the right.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks whose word is taken for addresses. Nobody's by default: the field is anybody's to send.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// These networks.
    #[must_use]
    pub fn new(networks: &[Network]) -> Self {
        Proxies(networks.to_vec())
    }

    /// Whether connections from here may be of others.
    #[must_use]
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }

    /// Whose request it is. `X-Forwarded-For` is walked from the right for as long as whoever said it is trusted: what stands left
    /// of the first stranger is what that stranger claims. Where it cannot be read, the last that could stands.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = ClientAddress::from(peer);
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.trusts(client.ip) {
            match hops.next().map(|hop| ClientAddress::parse(hop.trim())) {
                Some(Some(before)) => client = before,
                Some(None) | None => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let networks: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = peer.parse().unwrap();
        Proxies::new(&networks).client(peer, &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(
            client(&[], "127.0.0.1:9", &["192.0.2.1"]),
            "127.0.0.1:9",
            "loopback neither"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "203.0.113.1:9", &["192.0.2.1"]),
            "203.0.113.1:9"
        );
    }

    #[test]
    fn the_walk_ends_at_the_first_stranger() {
        let ours = ["10.0.0.0/8", "fd00::/8"];
        for (lines, is) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1", "fd00::5, 10.0.0.2"], "192.0.2.1"),
            (&["192.0.2.1:5555"], "192.0.2.1:5555"),
            (
                &["6.6.6.6 , [2001:db8::7]:1 , ::ffff:10.0.0.2"],
                "[2001:db8::7]:1",
            ),
            (&["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, 10.0.0.2,"], "10.0.0.1:9"),
            (&[""], "10.0.0.1:9"),
            (&[], "10.0.0.1:9"),
        ] {
            assert_eq!(client(&ours, "10.0.0.1:9", lines), is, "{lines:?}");
        }
        assert_eq!(client(&ours, "[fd00::1]:9", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(
            client(&ours, "[::ffff:10.0.0.1]:9", &["192.0.2.1"]),
            "192.0.2.1",
            "a listener on [::] sees IPv4 mapped"
        );
    }

    proptest! {
        /// Whatever a client sends, the proxy before us adds its true address at the right: nothing can hide it.
        #[test]
        fn no_client_can_choose_its_address(sent in "[ -~]{0,80}", ip: [u8; 4]) {
            prop_assume!(ip[0] != 10);
            let true_one = IpAddr::from(ip).to_string();
            let line = format!("{sent}, {true_one}");
            prop_assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1:9", &[&line]), true_one);
        }
    }
}
