//! One key that is in use: who holds it, its bucket and its quota.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::{
    gate::{
        quota::{Limits, Quota, Standing, Usage},
        rate::{Bucket, Rate},
    },
    model::{account::Holder, time::Time},
};

/// A key in use.
#[derive(Debug)]
pub struct Caller {
    pub(super) key_id: String,
    /// One digest of the log at a time is computed for it: taken for as long as that lasts.
    pub(super) digests: tokio::sync::Mutex<()>,
    held: RwLock<Held>,
    meter: Mutex<Meter>,
}

/// Who asks. The guard puts it into requests that it lets through.
#[derive(Clone, Debug)]
pub struct Known {
    /// The key, as it is counted.
    pub caller: Arc<Caller>,
    /// Who holds it.
    pub holder: Arc<Holder>,
}

/// Who holds a key, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// As of which generation of accounts and keys.
    pub(super) generation: u64,
    /// The holder.
    pub(super) holder: Arc<Holder>,
}

#[derive(Debug)]
pub(super) struct Meter {
    pub(super) bucket: Bucket,
    pub(super) quota: Quota,
    pub(super) seen: Time,
    /// The keeper has been asked to fill the block up.
    pub(super) asked: bool,
}

/// What a plan allows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// By the second.
    pub rate: Option<Rate>,
    /// By the day and the month.
    pub limits: Limits,
}

/// Why a request may not be made now.
#[derive(Debug)]
pub enum Stopped {
    /// Too fast: there is room again in so many microseconds.
    Burst(i64),
    /// The plan's requests are used up.
    Quota,
    /// Nobody counts: the server goes down.
    Closing,
}

impl Caller {
    pub(super) fn new(held: Held, quota: Quota, now: Time) -> Self {
        Caller {
            key_id: held.holder.key.id.clone(),
            digests: tokio::sync::Mutex::default(),
            held: RwLock::new(held),
            meter: Mutex::new(Meter {
                bucket: Bucket::default(),
                quota,
                seen: now,
                asked: false,
            }),
        }
    }

    /// Where it stands with its plan; `None` for a plan without limits by day or month.
    pub fn standing(&self, limits: Limits, now: Time) -> Option<Standing> {
        self.meter(|meter| meter.quota.standing(limits, now))
    }

    /// Requests that its bucket holds, and microseconds until it is full.
    #[must_use]
    pub fn bucket(&self, rate: Rate, now: Time) -> (u32, i64) {
        self.meter(|meter| {
            (
                meter.bucket.left(rate, now),
                meter.bucket.missing(rate, now),
            )
        })
    }

    /// Requests made with it.
    pub fn usage(&self, now: Time) -> Usage {
        self.meter(|meter| meter.quota.usage(now))
    }

    pub(super) fn meter<T>(&self, act: impl FnOnce(&mut Meter) -> T) -> T {
        act(&mut self.meter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its holder, if that was read in this generation.
    pub(super) fn known(&self, generation: u64) -> Option<Arc<Holder>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = held.generation == generation;
        fresh.then(|| held.holder.clone())
    }

    pub(super) fn now_held_by(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }
}
