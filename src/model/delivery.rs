//! What was written to streams: ranges of the log by connection, as they are kept, and for how long that and the like is known.

use std::sync::Arc;

use super::time::Time;

/// A range of the log that was written to one stream, without a hole but for what its filter hid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Names the range, unlike any other of its process.
    pub number: u64,
    /// The connection, unlike any other of its process.
    pub connection: u64,
    /// Whose.
    pub account_id: Arc<str>,
    /// By which key.
    pub key_id: Arc<str>,
    /// Which log.
    pub epoch: Arc<str>,
    /// It begins behind this seq, ...
    pub after: i64,
    /// ... and this is its last.
    pub until: i64,
    /// The stream's filter as it is kept; `None`: nothing was hidden.
    pub filter: Option<Arc<str>>,
    /// When the stream was opened.
    pub opened_at: Time,
    /// When it was over, if it is.
    pub closed_at: Option<Time>,
}

impl Written {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.until <= self.after
    }

    /// Whether a seq lies in it.
    #[must_use]
    pub fn holds(&self, seq: i64) -> bool {
        (self.after + 1..=self.until).contains(&seq)
    }
}

/// For how long it is known what became of a signal, in microseconds after that; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// On streams.
    pub streams: Option<i64>,
    /// At webhooks.
    pub attempts: Option<i64>,
}

impl Kept {
    /// So many days, of which 0 stands for ever, and never longer than the log itself is kept.
    #[must_use]
    pub fn days(days: u32, log_days: u32) -> Option<i64> {
        let some = [days, log_days].into_iter().filter(|days| *days > 0);
        some.min().map(|days| i64::from(days) * Time::DAY)
    }

    /// What was published before is not known any more.
    #[must_use]
    pub fn horizon(kept: Option<i64>, now: Time) -> Time {
        kept.map_or(Time(i64::MIN), |kept| now.plus(-kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_for_longer_than_the_log_is_kept() {
        let day = Time::DAY;
        assert_eq!(Kept::days(7, 0), Some(7 * day));
        assert_eq!(Kept::days(7, 3), Some(3 * day));
        assert_eq!(Kept::days(0, 3), Some(3 * day));
        assert_eq!(Kept::days(0, 0), None);
        assert_eq!(Kept::horizon(Some(day), Time(3 * day)), Time(2 * day));
        assert_eq!(Kept::horizon(None, Time(3 * day)), Time(i64::MIN));
    }
}
