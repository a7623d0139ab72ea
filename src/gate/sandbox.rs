//! Calls without a key: who makes them, as far as that may be known, how many each may make in 24 hours, and which of these need proof of work.
//!
//! Whoever calls is a **fingerprint**: a keyed digest of network, user agent and language. Its salt is drawn for each UTC day and forgotten when no
//! call of that day counts any more; from then on nobody can tell whose fingerprint it was. A client has one for each day: its calls are
//! written under today's, and looked for under all that may have been today's within the last 24 hours.

// from `core`, which knows addresses and no sockets
use core::net::IpAddr;
use std::{fmt, ops::RangeInclusive};

use super::prover::{PROOF_BYTES, Prover, SECRET_BYTES};
use crate::model::{address::Network, time::Time};

/// How long a call counts, in microseconds.
pub const WINDOW: i64 = Time::DAY;
/// Clocks of nodes may differ by so much, in microseconds, and none of them counts too few.
const CLOCKS: i64 = 5 * 60 * Time::SECOND;
/// A day's salt is forgotten so long after its last call has stopped counting, in microseconds.
const FORGET_AFTER: i64 = 3_600 * Time::SECOND;
/// Of an address only so much is looked at: the network of one customer, or of some.
const V4_PREFIX: u8 = 24;
const V6_PREFIX: u8 = 48;

/// A client on a day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; PROOF_BYTES]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Fingerprint {
    /// Reads what is displayed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 2 * PROOF_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Fingerprint(number.to_be_bytes()))
    }
}

/// What is looked at of a client.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its address, of which only the network matters.
    pub ip: IpAddr,
    /// Its `User-Agent`.
    pub agent: &'a [u8],
    /// Its `Accept-Language`.
    pub language: &'a [u8],
}

/// A day's salt.
#[derive(Clone, Debug)]
pub struct Salt(Prover);

impl Salt {
    /// By bytes that nobody guesses.
    #[must_use]
    pub fn new(bytes: &[u8; SECRET_BYTES]) -> Self {
        Salt(Prover::new(bytes, "sigcast sandbox fingerprint"))
    }

    /// Who this is on the salt's day.
    #[must_use]
    pub fn fingerprint(&self, client: &Client<'_>) -> Fingerprint {
        let prefix = match client.ip.to_canonical() {
            IpAddr::V4(_) => V4_PREFIX,
            IpAddr::V6(_) => V6_PREFIX,
        };
        let (network, family) = match Network::around(client.ip, prefix).ends().0 {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), [4]),
            IpAddr::V6(v6) => (v6.to_bits(), [6]),
        };
        let agent = (client.agent.len() as u64).to_be_bytes();
        let proof = self.0.prove(&[
            &family,
            &network.to_be_bytes(),
            // where one ends and the other begins
            &agent,
            client.agent,
            client.language,
        ]);
        Fingerprint(proof)
    }
}

/// The UTC days whose calls may count now, by the clock of whatever node: the last but one before midnight, to tomorrow shortly before it.
#[must_use]
pub fn days(now: Time) -> RangeInclusive<i64> {
    now.plus(-WINDOW - CLOCKS).utc_day()..=now.plus(CLOCKS).utc_day()
}

/// Salts of days before this one are to be forgotten.
#[must_use]
pub fn oldest_salt(now: Time) -> i64 {
    now.plus(-WINDOW - FORGET_AFTER).utc_day()
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made, and counts.
    Passed,
    /// All that may be made in 24 hours are made.
    UsedUp,
    /// It needs proof of work, and has none.
    Unproved,
    /// It needs proof of work, and what it has was used before.
    ProofUsed,
}

/// What a call has to show for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// A proof.
    Proof,
    /// A proof that another call has used.
    UsedProof,
}

/// What one client may do in 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Calls.
    pub calls: u32,
    /// Of these, how many need no proof of work.
    pub free: u32,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Calls that it may make in 24 hours.
    pub allowed: u32,
    /// Of these, how many it may still make now.
    pub remaining: u32,
    /// When it may make one more than now: the first of those that count is 24 hours old then. Now, where none counts.
    pub reset: Time,
}

/// Whether a call counts at a moment. One of the future does: a clock was set back.
fn counts(call: Time, now: Time) -> bool {
    now.0.saturating_sub(call.0) < WINDOW
}

/// Those of a client's calls, in order, that count at a moment.
fn counting(calls: &[Time], now: Time) -> &[Time] {
    let first = calls.partition_point(|call| !counts(*call, now));
    &calls[first..] // a partition point is within
}

impl Allowed {
    /// What becomes of a call now, of a client that made these, in order.
    #[must_use]
    pub fn judge(self, calls: &[Time], shown: Shown, now: Time) -> Verdict {
        let made = counting(calls, now).len();
        if made >= self.calls as usize {
            return Verdict::UsedUp;
        }
        match shown {
            _ if made < self.free as usize => Verdict::Passed,
            Shown::Proof => Verdict::Passed,
            Shown::UsedProof => Verdict::ProofUsed,
            Shown::Nothing => Verdict::Unproved,
        }
    }

    /// Where a client stands now that made these calls, in order.
    #[must_use]
    pub fn standing(self, calls: &[Time], now: Time) -> Standing {
        let made = counting(calls, now);
        let count = u32::try_from(made.len()).unwrap_or(u32::MAX);
        // of more than are allowed, as after a change of the settings, enough must go that one is
        let over = (made.len() + 1).saturating_sub(self.calls as usize).max(1);
        let reset = match (self.calls, made.get(over - 1)) {
            (0, _) => now.plus(WINDOW),
            (_, Some(call)) => call.plus(WINDOW),
            (_, None) => now,
        };
        Standing {
            allowed: self.calls,
            remaining: self.calls.saturating_sub(count),
            reset,
        }
    }
}

/// Words in user agents of programs that walk the web by themselves.
#[derive(Clone, Debug)]
pub struct Bots(Vec<Vec<u8>>);

/// Makers of telephones are no bots.
const NO_BOTS: [&[u8]; 1] = [b"cubot"];

impl Bots {
    /// Of these words, in whatever case.
    #[must_use]
    pub fn new(words: &[String]) -> Self {
        let words = words.iter().filter(|word| !word.is_empty());
        Bots(
            words
                .map(|word| word.to_ascii_lowercase().into_bytes())
                .collect(),
        )
    }

    /// Whether a user agent has one of the words. One that says nothing of itself is taken for a bot.
    #[must_use]
    pub fn are(&self, agent: &[u8]) -> bool {
        let agent = agent.to_ascii_lowercase();
        if agent.trim_ascii().is_empty() {
            return true;
        }
        let stands = |at: usize, word: &[u8]| {
            let ends = at + word.len();
            !NO_BOTS.iter().any(|maker| agent[..ends].ends_with(maker)) // `at` is where the word stands in it
        };
        self.0.iter().any(|word| {
            let mut places = agent.windows(word.len()).enumerate();
            places.any(|(at, part)| part == word && stands(at, word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Allowed = Allowed { calls: 10, free: 5 };

    fn client<'a>(ip: &str, agent: &'a str, language: &'a str) -> Client<'a> {
        Client {
            ip: ip.parse().unwrap(),
            agent: agent.as_bytes(),
            language: language.as_bytes(),
        }
    }

    #[test]
    fn a_fingerprint_is_of_network_agent_and_language() {
        let salt = Salt::new(&[1; SECRET_BYTES]);
        let one = salt.fingerprint(&client("192.0.2.1", "a", "en"));
        assert_eq!(one, salt.fingerprint(&client("192.0.2.254", "a", "en")));
        assert_eq!(
            one,
            salt.fingerprint(&client("::ffff:192.0.2.9", "a", "en"))
        );
        for other in [
            client("192.0.3.1", "a", "en"),
            client("192.0.2.1", "b", "en"),
            client("192.0.2.1", "a", "fr"),
            client("192.0.2.1", "ae", "n"),
            client("::192.0.2.1", "a", "en"),
        ] {
            assert_ne!(one, salt.fingerprint(&other), "{other:?}");
        }
        let six = salt.fingerprint(&client("2001:db8:1:2::3", "a", "en"));
        assert_eq!(
            six,
            salt.fingerprint(&client("2001:db8:1:ffff::", "a", "en"))
        );
        assert_ne!(six, salt.fingerprint(&client("2001:db8:2::", "a", "en")));
        let tomorrow = Salt::new(&[2; SECRET_BYTES]);
        assert_ne!(one, tomorrow.fingerprint(&client("192.0.2.1", "a", "en")));
        assert_eq!(Fingerprint::parse(&one.to_string()), Some(one));
        assert_eq!(format!("{salt:?}"), "Salt(Prover(…))");
    }

    #[test]
    fn bots_say_so_or_say_nothing() {
        let words = ["bot", "Crawl"].map(str::to_owned);
        let bots = Bots::new(&words);
        for agent in ["", "  ", "Googlebot/2.1", "some CRAWLER", "cubot bot"] {
            assert!(bots.are(agent.as_bytes()), "{agent}");
        }
        for agent in ["curl/8.5.0", "Mozilla/5.0 (Linux; CUBOT X18)", "bo", "b ot"] {
            assert!(!bots.are(agent.as_bytes()), "{agent}");
        }
    }

    #[test]
    fn the_window_slides() {
        let hour = |n: i64| Time(n * 3_600 * Time::SECOND);
        let calls: Vec<Time> = (0..10).map(hour).collect();
        assert_eq!(TEN.judge(&calls, Shown::Proof, hour(23)), Verdict::UsedUp);
        let standing = TEN.standing(&calls, hour(23));
        assert_eq!((standing.remaining, standing.reset), (0, hour(24)));
        assert_eq!(TEN.judge(&calls, Shown::Proof, hour(24)), Verdict::Passed);
        assert_eq!(
            TEN.judge(&calls, Shown::Nothing, hour(24)),
            Verdict::Unproved
        );
        assert_eq!(
            TEN.judge(&calls, Shown::UsedProof, hour(24)),
            Verdict::ProofUsed
        );
        assert_eq!(TEN.judge(&calls, Shown::Nothing, hour(29)), Verdict::Passed);
        let standing = TEN.standing(&calls, hour(24));
        assert_eq!((standing.remaining, standing.reset), (1, hour(25)));
        assert_eq!(TEN.standing(&[], hour(7)).reset, hour(7));
        let three = Allowed { calls: 3, free: 5 };
        assert_eq!(
            three.judge(&calls[..3], Shown::Proof, hour(5)),
            Verdict::UsedUp
        );
        // of ten that count, eight have to go before one more may come
        assert_eq!(three.standing(&calls, hour(10)).reset, hour(7 + 24));
        let none = Allowed { calls: 0, free: 5 };
        assert_eq!(none.judge(&[], Shown::Proof, hour(5)), Verdict::UsedUp);
        assert_eq!(none.standing(&[], hour(5)).reset, hour(29));
    }

    #[test]
    fn days_reach_as_far_as_calls_count_by_any_clock() {
        let at = |day: i64, minutes: i64| Time::of_utc_day(day).plus(minutes * 60 * Time::SECOND);
        for (now, expected) in [
            (at(100, 720), 99..=100),
            (at(100, 2), 98..=100),
            (at(100, 24 * 60 - 2), 99..=101),
        ] {
            assert_eq!(days(now), expected);
            assert!(oldest_salt(now) <= *days(now).start());
        }
        assert_eq!(oldest_salt(at(100, 61)), 99, "an hour after midnight");
    }

    proptest! {
        /// Against the naive model: all moments at which calls passed, looked through each time.
        #[test]
        fn never_more_than_allowed_in_any_24_hours(
            steps in prop::collection::vec((0_i64..5 * 3_600, any::<bool>()), 1..200),
            calls in 0_u32..12,
            free in 0_u32..12,
        ) {
            let allowed = Allowed { calls, free };
            let (mut now, mut passed) = (Time(0), Vec::<Time>::new());
            for (seconds, proof) in steps {
                now = now.plus(seconds * Time::SECOND + 1);
                let shown = if proof { Shown::Proof } else { Shown::Nothing };
                let made = passed.iter().filter(|call| now.0 - call.0 < WINDOW).count() as u32;
                let expected = match () {
                    () if made >= calls => Verdict::UsedUp,
                    () if made < free || proof => Verdict::Passed,
                    () => Verdict::Unproved,
                };
                let verdict = allowed.judge(&passed, shown, now);
                prop_assert_eq!(verdict, expected);
                let before = allowed.standing(&passed, now);
                prop_assert_eq!(before.remaining, calls - made);
                if verdict == Verdict::UsedUp && calls > 0 {
                    let just_before = before.reset.plus(-1);
                    prop_assert_eq!(allowed.judge(&passed, Shown::Proof, just_before), Verdict::UsedUp);
                    prop_assert_eq!(allowed.judge(&passed, Shown::Proof, before.reset), Verdict::Passed);
                }
                if verdict == Verdict::Passed {
                    passed.push(now);
                }
            }
        }
    }
}
