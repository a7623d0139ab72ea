//! What came, and how what comes next is to be answered.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use sigcast::model::time::Time;

use super::manner::Manner;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its path, without a query.
    pub path: Arc<str>,
    /// `webhook-id`; empty where there is none.
    pub id: String,
    /// `x-sigcast-seq`.
    pub seq: Option<i64>,
    /// When it was there, whole.
    pub at: Time,
    /// The how many-th connection brought it, from 1.
    pub connection: usize,
    /// SHA-256 of its body.
    pub digest: [u8; 32],
    /// The status that it was answered with; `None`: it was not, or not yet.
    pub answered: Option<u16>,
    /// Its fields, names in lower case; empty where only what is above is kept.
    pub headers: Vec<(String, String)>,
    /// Its body; empty where only what is above is kept.
    pub body: Vec<u8>,
}

impl Delivery {
    /// A field; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut fields = self.headers.iter();
        let found = fields.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether its answer was one of success.
    pub fn is_acknowledged(&self) -> bool {
        self.answered
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// What is known of all paths.
#[derive(Default)]
pub struct State {
    pub manners: HashMap<String, Manner>,
    pub first: HashMap<String, VecDeque<Manner>>,
    pub everywhere: Option<Manner>,
    pub deliveries: Vec<Delivery>,
}

/// What a receiver and its connections share.
#[derive(Default)]
pub struct Shared {
    state: Mutex<State>,
    pub came: Condvar,
    /// Whether heads and bodies are kept whole.
    pub keeps: bool,
    pub made: AtomicUsize,
    pub open: AtomicUsize,
}

impl Shared {
    pub fn new(keeps: bool) -> Arc<Self> {
        Arc::new(Shared {
            keeps,
            ..Shared::default()
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
