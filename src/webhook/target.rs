//! Where a webhook may go: what its URL may be, and which addresses are nobody else's business.
//!
//! Whoever registers an endpoint has this server send requests. It must not become a way into the network that it stands in: at creation
//! a URL is refused that could never be right, and at each attempt every address of its host is looked at before one of them is dialled.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::model::address::Network;

/// A longer URL is refused.
pub const MOST_URL_BYTES: usize = 2_048;

/// What the operator allows beyond the rule.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// `http:` as well.
    pub http: bool,
    /// These networks, whatever they are.
    pub networks: Vec<Network>,
}

/// Why a URL cannot be an endpoint's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It cannot be read as one.
    #[error("no absolute URL such as https://example.com/hook")]
    Unreadable,
    /// Too long.
    #[error("longer than {MOST_URL_BYTES} bytes")]
    TooLong,
    /// Another scheme.
    #[error("`{0}:` is not allowed, only https:")]
    Scheme(String),
    /// A name or password before the host: it would be stored and shown.
    #[error(
        "a user name or password must not stand in it; take a path that nobody can guess, and check the signature"
    )]
    Credentials,
    /// A part behind `#`, which is never sent.
    #[error("what stands behind # is never sent")]
    Fragment,
    /// A name that only means something within this machine or its network.
    #[error("`{0}` is a name of this machine or its network")]
    LocalName(String),
    /// An address that may not be reached.
    #[error("{0}")]
    Forbidden(Forbidden),
}

/// An address that may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// Which.
    pub address: IpAddr,
    /// What it is.
    pub what: &'static str,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, where webhooks may not go",
            self.address, self.what
        )
    }
}

/// An endpoint's URL, as far as that can be told without asking for its host's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    /// Reads a URL, as browsers do: an IPv4 address in any of its spellings is one (`0x7f.1`, `2130706433`, `127.1`).
    pub fn parse(text: &str, allowed: &Allowed) -> Result<Self, BadTarget> {
        if text.len() > MOST_URL_BYTES {
            return Err(BadTarget::TooLong);
        }
        let url = Url::parse(text).map_err(|_| BadTarget::Unreadable)?;
        match url.scheme() {
            "https" => {}
            "http" if allowed.http => {}
            other => return Err(BadTarget::Scheme(other.chars().take(20).collect())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadTarget::Fragment);
        }
        let host = url.host().ok_or(BadTarget::Unreadable)?.to_owned();
        let port = url.port_or_known_default().ok_or(BadTarget::Unreadable)?;
        match &host {
            Host::Ipv4(v4) => check((*v4).into(), &allowed.networks),
            Host::Ipv6(v6) => check((*v6).into(), &allowed.networks),
            // with a network allowed, a name may lead there
            Host::Domain(name) if is_local(name) && allowed.networks.is_empty() => {
                return Err(BadTarget::LocalName(name.clone()));
            }
            Host::Domain(_) => Ok(()),
        }
        .map_err(BadTarget::Forbidden)?;
        Ok(Target { url, host, port })
    }

    /// In its normal spelling.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A name, or an address.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// Where it is dialled.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Names that never lead elsewhere: of this machine (RFC 6761), of its network (RFC 6762, ICANN's `internal`), of one word.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.') || matches!(last, "localhost" | "local" | "internal")
}

/// Networks of IPv4 that are not the public internet's (IANA's registry of special addresses), and addresses in it by which clouds tell a
/// machine its secrets.
const FORBIDDEN_V4: [(u32, u8, &str); 18] = [
    (v4(0, 0, 0, 0), 8, "an address of this network (0.0.0.0/8)"),
    (v4(10, 0, 0, 0), 8, PRIVATE),
    (
        v4(100, 64, 0, 0),
        10,
        "a carrier's shared address (100.64.0.0/10)",
    ),
    (v4(127, 0, 0, 0), 8, LOOPBACK),
    (v4(169, 254, 0, 0), 16, LINK_LOCAL),
    (v4(172, 16, 0, 0), 12, PRIVATE),
    (v4(192, 0, 0, 0), 24, RESERVED),
    (v4(192, 0, 2, 0), 24, DOCUMENTATION),
    (v4(192, 31, 196, 0), 24, RESERVED),
    (v4(192, 52, 193, 0), 24, RESERVED),
    (v4(192, 88, 99, 0), 24, "a relay into IPv6"),
    (v4(192, 168, 0, 0), 16, PRIVATE),
    (v4(198, 18, 0, 0), 15, "for benchmarks (198.18.0.0/15)"),
    (v4(198, 51, 100, 0), 24, DOCUMENTATION),
    (v4(203, 0, 113, 0), 24, DOCUMENTATION),
    (v4(168, 63, 129, 16), 32, "a cloud's metadata address"),
    (v4(224, 0, 0, 0), 4, MULTICAST),
    (v4(240, 0, 0, 0), 4, RESERVED),
];

const PRIVATE: &str = "a private address";
const LOOPBACK: &str = "a loopback address";
const LINK_LOCAL: &str = "a link-local address, where clouds keep their metadata";
const DOCUMENTATION: &str = "an address for documentation";
const MULTICAST: &str = "a multicast address";
const RESERVED: &str = "a reserved address";

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Networks of IPv6 with a name of their own. What lies outside `2000::/3` is not the public internet's in any case.
const FORBIDDEN_V6: [(u128, u8, &str); 15] = [
    (0, 128, "the unspecified address"),
    (1, 128, LOOPBACK),
    (0xffff << 32, 96, "an IPv4 address within IPv6"),
    (0, 96, "an IPv4 address within IPv6"),
    (
        0x0064_ff9b << 96,
        96,
        "an IPv4 address behind a translator (64:ff9b::/96)",
    ),
    (
        0x0064_ff9b_0001 << 80,
        48,
        "an IPv4 address behind a translator (64:ff9b:1::/48)",
    ),
    (0x0100 << 112, 64, "an address that discards"),
    (0x2001 << 112, 23, RESERVED),
    (0x2001_0db8 << 96, 32, DOCUMENTATION),
    (0x2002 << 112, 16, "an IPv4 address within IPv6 (2002::/16)"),
    (0x3fff << 112, 20, DOCUMENTATION),
    (0xfc00 << 112, 7, "a private address (fc00::/7)"),
    (0xfe80 << 112, 10, "a link-local address"),
    (0xfec0 << 112, 10, "a private address (fec0::/10)"),
    (0xff00 << 112, 8, MULTICAST),
];

/// Whether webhooks may go to an address. One that the operator allows is allowed, however it is written.
pub fn check(address: IpAddr, networks: &[Network]) -> Result<(), Forbidden> {
    let what = match address {
        IpAddr::V4(v4) => FORBIDDEN_V4
            .iter()
            .find(|(network, prefix, _)| (v4.to_bits() ^ network) >> (32 - prefix) == 0)
            .map(|(.., what)| *what),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let named = FORBIDDEN_V6
                .iter()
                .find(|(network, prefix, _)| (bits ^ network) >> (128 - prefix) == 0);
            let public = bits >> 125 == 1;
            named
                .map(|(.., what)| *what)
                .or((!public).then_some(RESERVED))
        }
    };
    match what {
        Some(what) if !networks.iter().any(|network| network.contains(address)) => {
            Err(Forbidden { address, what })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Target, BadTarget> {
        Target::parse(text, &Allowed::default())
    }

    fn what(text: &str) -> &'static str {
        match read(text) {
            Err(BadTarget::Forbidden(forbidden)) => forbidden.what,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn no_spelling_of_an_address_gets_past() {
        for (host, of) in [
            ("127.0.0.1", LOOPBACK),
            ("127.1", LOOPBACK),
            ("127.0.1", LOOPBACK),
            ("0x7f.1", LOOPBACK),
            ("0x7f000001", LOOPBACK),
            ("2130706433", LOOPBACK),
            ("0177.0.0.1", LOOPBACK),
            ("127.0.0.1.", LOOPBACK),
            ("%31%32%37.0.0.1", LOOPBACK),
            ("１２７.0.0.1", LOOPBACK),
            ("127。0。0。1", LOOPBACK),
            ("0", "an address of this network (0.0.0.0/8)"),
            ("0.0.0.0", "an address of this network (0.0.0.0/8)"),
            ("0.1.2.3", "an address of this network (0.0.0.0/8)"),
            ("10.0.0.1", PRIVATE),
            ("0xa.1", PRIVATE),
            ("172.16.0.1", PRIVATE),
            ("172.31.255.255", PRIVATE),
            ("192.168.1.1", PRIVATE),
            ("100.64.0.1", "a carrier's shared address (100.64.0.0/10)"),
            (
                "100.127.255.255",
                "a carrier's shared address (100.64.0.0/10)",
            ),
            ("169.254.169.254", LINK_LOCAL),
            ("0xa9fea9fe", LINK_LOCAL),
            ("168.63.129.16", "a cloud's metadata address"),
            ("224.0.0.1", MULTICAST),
            ("255.255.255.255", RESERVED),
            ("240.0.0.1", RESERVED),
            ("[::]", "the unspecified address"),
            ("[::1]", LOOPBACK),
            ("[0:0:0:0:0:0:0:1]", LOOPBACK),
            ("[::ffff:127.0.0.1]", "an IPv4 address within IPv6"),
            ("[::ffff:7f00:1]", "an IPv4 address within IPv6"),
            ("[::ffff:8.8.8.8]", "an IPv4 address within IPv6"),
            ("[::127.0.0.1]", "an IPv4 address within IPv6"),
            (
                "[64:ff9b::7f00:1]",
                "an IPv4 address behind a translator (64:ff9b::/96)",
            ),
            (
                "[64:ff9b::8.8.8.8]",
                "an IPv4 address behind a translator (64:ff9b::/96)",
            ),
            (
                "[64:ff9b:1::1]",
                "an IPv4 address behind a translator (64:ff9b:1::/48)",
            ),
            ("[2002:7f00:1::]", "an IPv4 address within IPv6 (2002::/16)"),
            ("[2001::1]", RESERVED),
            ("[2001:db8::1]", DOCUMENTATION),
            ("[fd00:ec2::254]", "a private address (fc00::/7)"),
            ("[fc00::1]", "a private address (fc00::/7)"),
            ("[fe80::1]", "a link-local address"),
            ("[ff02::1]", MULTICAST),
            ("[4000::1]", RESERVED),
        ] {
            assert_eq!(what(&format!("https://{host}/hook")), of, "{host}");
        }
    }

    #[test]
    fn the_public_internet_is_allowed() {
        for url in [
            "https://example.com/hook",
            "https://example.com:8443/a/b?c=d",
            "https://8.8.8.8/",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
            "https://11.0.0.1/",
            "https://[2606:4700::1111]/",
            "https://bücher.example/",
        ] {
            assert!(read(url).is_ok(), "{url}: {:?}", read(url));
        }
        let target = read("HTTPS://EXAMPLE.com:443/a/../b").unwrap();
        assert_eq!(target.url().as_str(), "https://example.com/b");
        assert_eq!((target.port(), target.is_https()), (443, true));
    }

    #[test]
    fn what_could_never_be_right_is_refused_with_the_reason() {
        for (url, why) in [
            ("hook", BadTarget::Unreadable),
            ("//example.com/", BadTarget::Unreadable),
            ("https://", BadTarget::Unreadable),
            ("https://1.2.3.4.5/", BadTarget::Unreadable),
            ("https://256.1.1.1/", BadTarget::Unreadable),
            ("http://example.com/", BadTarget::Scheme("http".into())),
            ("file:///etc/passwd", BadTarget::Scheme("file".into())),
            ("gopher://example.com/", BadTarget::Scheme("gopher".into())),
            ("https://me@example.com/", BadTarget::Credentials),
            ("https://:word@example.com/", BadTarget::Credentials),
            ("https://example.com/#part", BadTarget::Fragment),
            (
                "https://localhost/",
                BadTarget::LocalName("localhost".into()),
            ),
            (
                "https://a.localhost./",
                BadTarget::LocalName("a.localhost.".into()),
            ),
            (
                "https://db.internal/",
                BadTarget::LocalName("db.internal".into()),
            ),
            (
                "https://printer.local/",
                BadTarget::LocalName("printer.local".into()),
            ),
            ("https://database/", BadTarget::LocalName("database".into())),
        ] {
            assert_eq!(read(url), Err(why), "{url}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MOST_URL_BYTES));
        assert_eq!(read(&long), Err(BadTarget::TooLong));
    }

    #[test]
    fn what_the_operator_allows_is_allowed_however_it_is_written() {
        let allowed = Allowed {
            http: true,
            networks: vec!["127.0.0.0/8".parse().unwrap()],
        };
        for url in [
            "http://127.1:3000/hook",
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
            "http://localhost:3000/",
        ] {
            assert!(Target::parse(url, &allowed).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://[::1]/"] {
            assert!(Target::parse(url, &allowed).is_err(), "{url}");
        }
    }

    proptest! {
        /// What the standard library calls special is forbidden, in IPv4 and in the IPv6 addresses that stand for it.
        #[test]
        fn whatever_is_special_is_forbidden(bits in any::<u32>()) {
            let v4 = std::net::Ipv4Addr::from_bits(bits);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!special || check(v4.into(), &[]).is_err());
            prop_assert!(check(v4.to_ipv6_mapped().into(), &[]).is_err());
            prop_assert!(check(v4.to_ipv6_compatible().into(), &[]).is_err());
        }

        #[test]
        fn only_global_unicast_is_allowed_in_ipv6(bits in any::<u128>()) {
            let v6 = std::net::Ipv6Addr::from_bits(bits);
            prop_assert!(check(v6.into(), &[]).is_err() || bits >> 125 == 1);
        }
    }
}
