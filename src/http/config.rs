//! Settings of the listeners.

use std::{fmt, path::PathBuf};

use serde::Deserialize;
use url::Url;

use crate::{
    gate::pow::Difficulty,
    model::{address::Network, time::Time},
};

/// Where clients reach the main listener: a URL's scheme, host and port. `None` where nobody has said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(pub Option<Url>);

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(PublicUrl(None));
        }
        let refused = || {
            Err(format!(
                "`{text}` is no URL such as https://signals.example.com"
            ))
        };
        let Ok(url) = Url::parse(&text) else {
            return refused();
        };
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_web && is_bare {
            Ok(PublicUrl(Some(url)))
        } else {
            refused()
        }
    }
}

/// What the door lets in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Of the main listener: the file with the server's certificate and those in between, in PEM; empty: it speaks plain HTTP.
    pub tls_cert: PathBuf,
    /// The file with the certificate's key, in PEM.
    pub tls_key: PathBuf,
    /// Where clients reach the main listener.
    pub public_url: PublicUrl,
    /// Seconds within which a request's head must have come.
    pub header_seconds: u64,
    /// Connections at once; 0: the descriptor limit less 256.
    pub max_connections: usize,
    /// Connections at once from one address, an IPv6 /64 counting as one; 0: no limit.
    pub max_connections_per_address: usize,
    /// Streams that one key may open within a minute; 0: no limit.
    pub connects_per_minute: usize,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Bytes of a request's body, but for admin ingest.
    pub max_body_bytes: usize,
    /// Origins that browsers may call from; `*` is any.
    pub cors_origins: Vec<String>,
    /// Seconds over which a shutdown spreads its farewells.
    pub drain_seconds: u64,
    /// Seconds for which a stream ticket may be spent.
    pub ticket_seconds: u64,
    /// Whether there are pages for people beside the API.
    pub pages: bool,
    /// Hours after which who is signed in to the pages has to sign in again.
    pub session_hours: u32,
    /// Whether who is not signed in sees signals in the pages.
    pub public_signals: bool,
    /// Minutes that these signals are old at least.
    pub public_after_minutes: u32,
    /// Streams that pages show at once to who is signed in by one key, beside the key's own.
    pub views_per_key: u8,
}

/// Calls without a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Whether there are any.
    pub enabled: bool,
    /// Within 24 hours, of one client.
    pub calls: u32,
    /// The same of one that walks the web by itself.
    pub bot_calls: u32,
    /// What such clients call themselves, in whatever case.
    pub bot_agents: Vec<String>,
    /// Of these calls, so many need no proof of work.
    pub free_of_challenge: u32,
    /// Calls of all clients within 24 hours, about.
    pub most_calls: u64,
    /// Items of a list at most.
    pub page_size: u32,
    /// Leading zero bits of a solution.
    pub difficulty_bits: Difficulty,
    /// For how long a challenge may be solved.
    pub challenge_minutes: u32,
    /// The file with networks that may not call; empty: there is none.
    pub deny_networks: PathBuf,
    /// Who verifies captchas; empty: nobody does.
    pub captcha_verify_url: String,
    /// Whose captchas they are, towards who verifies them.
    pub captcha_secret: CaptchaSecret,
    /// The file with that secret; empty: it is in the setting.
    pub captcha_secret_file: PathBuf,
}

impl Sandbox {
    /// For how long a challenge may be solved, in microseconds.
    #[must_use]
    pub fn challenge_micros(&self) -> i64 {
        i64::from(self.challenge_minutes) * 60 * Time::SECOND
    }

    /// Refuses what makes no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        let within =
            |name: &str, value: u32, least: u32, most: u32| match (least..=most).contains(&value) {
                true => Ok(()),
                false => Err(format!(
                    "sandbox.{name}: {value} is not within {least} and {most}"
                )),
            };
        // each is remembered for a day, of thousands of clients
        within("calls", self.calls, 0, 100)?;
        within("bot_calls", self.bot_calls, 0, 100)?;
        within("page_size", self.page_size, 1, 200)?;
        within("challenge_minutes", self.challenge_minutes, 1, 24 * 60)
    }
}

/// A secret that is shown to nobody.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct CaptchaSecret(String);

impl CaptchaSecret {
    /// The text, to be sent to who verifies.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CaptchaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptchaSecret(…)")
    }
}

/// Bytes of a request's head.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Fields of a request's head.
pub const MAX_HEAD_FIELDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin() {
        let read = |text: &str| PublicUrl::try_from(text.to_owned());
        assert_eq!(read(""), Ok(PublicUrl(None)));
        for good in ["https://signals.example.com", "http://[2001:db8::1]:8080/"] {
            assert!(read(good).is_ok_and(|url| url.0.is_some()), "{good}");
        }
        for bad in [
            "signals.example.com",
            "ftp://example.com",
            "https://example.com/api",
            "https://example.com?x=1",
            "https://somebody:secret@example.com",
            "https://",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
