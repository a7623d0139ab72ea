//! What passes between the follower and its loop: requests, replies, events, and the manner of it all.

use std::{fmt, time::Duration};

use jiff::civil::Date;

use super::pace::Limits;
use crate::model::{filing::Filing, time::Time};

/// How a follower goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// From one look at the feed to the next.
    pub poll: Duration,
    /// From one look for an index that is not there yet to the next.
    pub index_retry: Duration,
    /// The pace of all requests together.
    pub limits: Limits,
    /// Pages of the feed in one look. What lies beyond them the index brings.
    pub pages: usize,
    /// Requests under way at once.
    pub at_once: usize,
    /// How often a filing that cannot be had or read is tried.
    pub attempts: u32,
    /// Before the second attempt; doubled each time.
    pub attempt_pause: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Manner {
            poll: Duration::from_secs(5),
            index_retry: Duration::from_secs(900),
            limits: Limits::default(),
            pages: 20,
            at_once: 4,
            attempts: 8,
            attempt_pause: Duration::from_secs(5),
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// A page of the feed, from this entry on.
    Feed(usize),
    /// A day's index.
    Index(Date),
    /// A submission, by accession number.
    Submission(String),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Feed(start) => write!(f, "the feed from entry {start}"),
            Request::Index(day) => write!(f, "the index of {day}"),
            Request::Submission(accession) => write!(f, "filing {accession}"),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send a request: the path and query on EDGAR's host.
    Get(Request, String),
    /// Nothing before this moment, unless an answer comes.
    Wait(Time),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status; 0 where none came or the body broke off.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<Duration>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether there is no such thing: 404, or 403 with the message of the storage behind EDGAR.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        let head = &self.body[..self.body.len().min(4096)];
        let denied = || memchr::memmem::find(head, b"<Code>AccessDenied</Code>").is_some();
        self.status == 404 || (self.status == 403 && denied())
    }

    /// Whether fewer requests are asked for.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !self.is_absence() && matches!(self.status, 403 | 429)
    }
}

/// What became known.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A filing, once.
    Filing {
        /// The filing.
        filing: Box<Filing>,
        /// When the feed was seen to name it; `None` where only the index did.
        seen_at: Option<Time>,
    },
    /// A filing that is given up.
    Rejected {
        /// Its number.
        accession: String,
        /// Why.
        reason: String,
    },
    /// Something went wrong and will be tried again.
    Trouble(String),
}
