//! The pace of requests: never more a second than the SEC allows, and quiet for a while after a refusal.

use std::time::Duration;

use crate::model::time::Time;

/// How fast, and how long a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second in the long run.
    pub per_second: u32,
    /// Requests at once after a pause. No second sees more than both together; the SEC allows 10.
    pub burst: u32,
    /// First pause after 403 or 429, doubled each time. The SEC shuts a client out for ten minutes.
    pub refused: Duration,
    /// First pause after 5xx and broken connections, doubled each time.
    pub failed: Duration,
    /// The longest pause, whatever `Retry-After` says.
    pub longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            per_second: 8,
            burst: 2,
            refused: Duration::from_secs(30),
            failed: Duration::from_secs(1),
            longest: Duration::from_secs(600),
        }
    }
}

/// Says when the next request may go.
#[derive(Debug, Clone)]
pub struct Pace {
    limits: Limits,
    /// When the bucket would be full again.
    full_at: Time,
    paused_until: Time,
    troubles: u32,
}

impl Pace {
    /// A full bucket.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Pace {
            limits,
            full_at: Time(i64::MIN),
            paused_until: Time(i64::MIN),
            troubles: 0,
        }
    }

    /// Takes the right to one request, or says when to ask again.
    ///
    /// # Errors
    /// The moment from which on there will be one.
    pub fn take(&mut self, now: Time) -> Result<(), Time> {
        if now < self.paused_until {
            return Err(self.paused_until);
        }
        let apart = Time::SECOND / i64::from(self.limits.per_second.max(1));
        let at_once = apart * i64::from(self.limits.burst.max(1) - 1);
        let from = self.full_at.plus(-at_once);
        if now < from {
            return Err(from);
        }
        self.full_at = self.full_at.max(now).plus(apart);
        Ok(())
    }

    /// How many requests in a row were refused or failed.
    #[must_use]
    pub fn troubles(&self) -> u32 {
        self.troubles
    }

    /// A request was answered: the next pause begins small again.
    pub fn answered(&mut self) {
        self.troubles = 0;
    }

    /// The server asks for fewer requests (403, 429, or `Retry-After`).
    pub fn refused(&mut self, now: Time, retry_after: Option<Duration>) {
        self.pause(now, retry_after, self.limits.refused);
    }

    /// The server or the way to it is in trouble.
    pub fn failed(&mut self, now: Time, retry_after: Option<Duration>) {
        self.pause(now, retry_after, self.limits.failed);
    }

    fn pause(&mut self, now: Time, asked: Option<Duration>, first: Duration) {
        let doubled = first.saturating_mul(1 << self.troubles.min(16));
        let pause = asked.unwrap_or(doubled).max(first).min(self.limits.longest);
        self.troubles = self.troubles.saturating_add(1);
        let until = now.plus(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        self.paused_until = self.paused_until.max(until);
    }
}

/// Seconds of a `Retry-After`; `None` for its other form, a date, which no limit of EDGAR's has.
#[must_use]
pub fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let digits = !value.is_empty() && value.len() <= 9 && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok().map(Duration::from_secs))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Time = Time(1_700_000_000_000_000);

    proptest! {
        #[test]
        fn no_second_sees_more_than_ten(steps in prop::collection::vec(0_i64..300_000, 1..400)) {
            let mut pace = Pace::new(Limits::default());
            let (mut now, mut sent) = (START, Vec::new());
            for step in steps {
                now = now.plus(step);
                while let Ok(()) = pace.take(now) {
                    sent.push(now);
                }
            }
            for (n, first) in sent.iter().enumerate() {
                let within = sent[n..].iter().take_while(|t| t.0 - first.0 <= Time::SECOND).count();
                prop_assert!(within <= 10, "{within}");
            }
        }

        #[test]
        fn whoever_waits_as_told_may_go(steps in prop::collection::vec(0_i64..300_000, 1..100)) {
            let mut pace = Pace::new(Limits::default());
            let mut now = START;
            for step in steps {
                now = now.plus(step);
                if let Err(from) = pace.take(now) {
                    prop_assert!(from > now);
                    now = from;
                    prop_assert_eq!(pace.take(now), Ok(()));
                }
            }
        }
    }

    #[test]
    fn it_keeps_its_rate() {
        let mut pace = Pace::new(Limits::default());
        let (mut now, mut sent) = (START, 0);
        while now < START.plus(100 * Time::SECOND) {
            match pace.take(now) {
                Ok(()) => sent += 1,
                Err(from) => now = from,
            }
        }
        assert!((800..=802).contains(&sent), "{sent}");
    }

    #[test]
    fn pauses_double_and_end() {
        let mut pace = Pace::new(Limits::default());
        let wait = |pace: &mut Pace| {
            pace.take(START)
                .map_err(|until| (until.0 - START.0) / Time::SECOND)
        };
        pace.refused(START, None);
        assert_eq!(wait(&mut pace), Err(30));
        pace.refused(START, None);
        assert_eq!(wait(&mut pace), Err(60));
        pace.refused(START, Some(Duration::from_secs(400)));
        assert_eq!(wait(&mut pace), Err(400));
        for _ in 0..40 {
            pace.refused(START, Some(Duration::MAX));
        }
        assert_eq!(wait(&mut pace), Err(600));
        let later = START.plus(600 * Time::SECOND);
        assert_eq!(pace.take(later), Ok(()));
        pace.answered();
        pace.failed(later, None);
        assert_eq!(pace.take(later), Err(later.plus(Time::SECOND)));
        // a moment to breathe, even if the server says "at once"
        let mut pace = Pace::new(Limits::default());
        pace.failed(START, Some(Duration::ZERO));
        assert_eq!(wait(&mut pace), Err(1));
    }

    #[test]
    fn retry_after_in_seconds() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        for bad in [
            "",
            "-1",
            "1.5",
            "Fri, 21 Aug 2026 19:42:31 GMT",
            "99999999999999999999",
        ] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }
}
