//! What happened, in order, and what of it must not have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// A connection as the trace tells it apart: the node's number, how often that node was started, and its own number there.
pub type Place = (usize, u32, u64);

#[derive(Debug, Default)]
struct Told {
    lines: Vec<String>,
    faults: Vec<String>,
    digest: Sha256,
    /// By key: which connections have written signals, in the order of their first ones.
    writers: BTreeMap<String, Vec<Place>>,
    counts: BTreeMap<&'static str, u64>,
}

/// The trace of one run; clones are the same.
#[derive(Clone, Debug)]
pub struct Trace {
    begun: Instant,
    told: Arc<Mutex<Told>>,
}

impl Trace {
    pub fn new() -> Self {
        Trace {
            begun: Instant::now(),
            told: Arc::default(),
        }
    }

    /// Milliseconds since the world began.
    pub fn ms(&self) -> u64 {
        Instant::now().duration_since(self.begun).as_millis() as u64
    }

    pub fn tell(&self, what: String) {
        let line = format!("{:>6} {what}", self.ms());
        let mut told = self.told.lock().unwrap();
        told.digest.update(line.as_bytes());
        told.digest.update(b"\n");
        told.lines.push(line);
    }

    /// Counts an event, so that a test sees that it happens at all.
    pub fn count(&self, what: &'static str) {
        *self.told.lock().unwrap().counts.entry(what).or_default() += 1;
    }

    /// What must never happen has.
    pub fn fault(&self, what: String) {
        self.tell(format!("FAULT {what}"));
        self.told.lock().unwrap().faults.push(what);
    }

    /// A signal was written to a connection. Once another connection of the key has been written to, the earlier ones must not be again.
    /// Unless that is `excused`: nothing could tell the node.
    pub fn wrote(&self, key: &str, place: Place, seq: i64, excused: bool) {
        let mixed = {
            let mut told = self.told.lock().unwrap();
            let writers = told.writers.entry(key.to_owned()).or_default();
            match writers.iter().position(|known| *known == place) {
                _ if excused => None,
                None => {
                    writers.push(place);
                    None
                }
                Some(at) if at + 1 == writers.len() => None,
                Some(_) => writers.last().copied(),
            }
        };
        if let Some(later) = mixed {
            self.fault(format!(
                "{key}: signal {seq} was written to {place:?} after one was to {later:?}"
            ));
        }
    }

    pub fn outcome(&self) -> Outcome {
        let told = self.told.lock().unwrap();
        let digest = told.digest.clone().finalize();
        Outcome {
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            faults: told.faults.clone(),
            lines: told.lines.clone(),
            counts: told.counts.clone(),
        }
    }
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub digest: String,
    pub faults: Vec<String>,
    pub lines: Vec<String>,
    pub counts: BTreeMap<&'static str, u64>,
}
