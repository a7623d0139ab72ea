//! A stream's lag: whether it has fallen further and further behind for so long that it will not catch up.

use std::time::Duration;

use tokio::time::Instant;

/// How often within the time allowed the lag is looked at.
const LOOKS: u32 = 10;

/// The lag of one stream behind the head of the log, as it was seen from time to time.
#[derive(Debug)]
pub struct Lag {
    allowed: Duration,
    /// At the last look, in frames.
    frames: i64,
    looked: Instant,
    growing_since: Instant,
    /// Nothing is asked of the client, since the last look.
    resting: bool,
}

impl Lag {
    /// Of a stream that may fall behind for as long as `allowed`.
    #[must_use]
    pub fn new(allowed: Duration, now: Instant) -> Self {
        Lag {
            allowed,
            frames: 0,
            looked: now,
            growing_since: now,
            resting: false,
        }
    }

    /// Notes that the client has all there is, or that it is us who hold back: what is behind after that begins to count then.
    pub fn rest(&mut self) {
        self.resting = true;
    }

    /// Takes the lag as it is now; whether it has grown at every look throughout the time allowed.
    pub fn is_hopeless(&mut self, frames: i64, now: Instant) -> bool {
        if now.duration_since(self.looked) < self.allowed / LOOKS {
            return false;
        }
        if frames <= self.frames || self.resting {
            self.growing_since = now;
        }
        (self.frames, self.looked, self.resting) = (frames, now, false);
        now.duration_since(self.growing_since) >= self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second; the second at which it was too much.
    fn hopeless_at(lags: impl IntoIterator<Item = i64>) -> Option<usize> {
        let start = Instant::now();
        let mut lag = Lag::new(Duration::from_secs(5), start);
        lags.into_iter().enumerate().find_map(|(second, frames)| {
            let now = start + Duration::from_secs(second as u64);
            lag.is_hopeless(frames, now).then_some(second)
        })
    }

    #[test]
    fn only_growth_without_a_pause_counts() {
        assert_eq!(hopeless_at(0..100), Some(5));
        assert_eq!(hopeless_at([0; 100]), None, "at the head");
        assert_eq!(hopeless_at([900; 100]), None, "far behind, but no further");
        assert_eq!(hopeless_at((0..100).rev()), None, "catching up");
        let in_bursts = (0..100).map(|n| n % 4);
        assert_eq!(hopeless_at(in_bursts), None, "it recovers each time");
        let then_lost = [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(hopeless_at(then_lost), Some(9), "5 s after the pause");
    }

    #[test]
    fn who_had_all_there_was_is_not_blamed_for_the_time_in_which_nothing_came() {
        let start = Instant::now();
        let mut lag = Lag::new(Duration::from_secs(5), start);
        lag.rest();
        let burst = start + Duration::from_secs(60);
        assert!(!lag.is_hopeless(100, burst), "it has just begun");
        for second in 1..5 {
            let now = burst + Duration::from_secs(second);
            assert!(!lag.is_hopeless(100 + second as i64, now), "{second}");
        }
        assert!(lag.is_hopeless(200, burst + Duration::from_secs(5)));
    }

    #[test]
    fn looks_in_between_do_not_count() {
        let start = Instant::now();
        let mut lag = Lag::new(Duration::from_secs(5), start);
        for ms in 0..6_000 {
            // it grows, though not from each millisecond to the next
            let frames = ms / 100;
            let now = start + Duration::from_millis(ms);
            let hopeless = lag.is_hopeless(frames as i64, now);
            assert_eq!(hopeless, ms == 5_000 || ms == 5_500, "{ms}");
        }
    }
}
