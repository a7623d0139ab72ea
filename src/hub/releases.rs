//! Leases that are to be let go: noted when a stream ends, written as soon as the database takes them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::model::lease::Fence;

/// Leases whose streams have ended. No more of them than there were streams: the latest of each key.
#[derive(Debug, Default)]
pub struct Releases {
    waiting: Mutex<BTreeMap<String, Fence>>,
    added: Notify,
}

impl Releases {
    /// Notes one.
    pub fn add(&self, key_id: &str, fence: Fence) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = waiting.entry(key_id.to_owned()).or_insert(fence);
        *latest = fence.max(*latest);
        self.added.notify_one();
    }

    /// Takes all that wait; waits for one.
    pub async fn take(&self) -> Vec<(String, Fence)> {
        loop {
            let taken = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *waiting)
            };
            if !taken.is_empty() {
                return taken.into_iter().collect();
            }
            self.added.notified().await;
        }
    }
}
