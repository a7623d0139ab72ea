//! A bell: wakes all who wait for a change, in an order that follows from the order of their coming alone.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, futures::OwnedNotified};

/// Those who come back to wait meet at one of so many doors: thousands do not queue for one lock.
const DOORS: usize = 8;

/// Rung at every change. `tokio::sync::watch` does the same, but draws lots for who wakes first: a simulation could not be repeated.
#[derive(Debug, Default)]
pub struct Bell {
    doors: [Arc<Notify>; DOORS],
    next: AtomicUsize,
}

/// One who waits at a bell, again and again.
#[derive(Debug)]
pub struct Listener {
    door: Arc<Notify>,
    waiting: Pin<Box<OwnedNotified>>,
}

impl Bell {
    /// Wakes all listeners.
    pub fn ring(&self) {
        for door in &self.doors {
            door.notify_waiters();
        }
    }

    /// Hears every ring from here on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        let door = self.doors[self.next.fetch_add(1, Ordering::Relaxed) % DOORS].clone();
        let waiting = Box::pin(door.clone().notified_owned());
        Listener { door, waiting }
    }
}

impl Listener {
    /// From here on, rings are heard. To be called before what is waited for is looked at: a change in between wakes.
    pub fn arm(&mut self) {
        // it counts from its making on, polled or not
        self.waiting.set(self.door.clone().notified_owned());
    }

    /// Resolves with the first ring since [`Listener::arm`]. Safe to drop while waiting.
    pub async fn heard(&mut self) {
        self.waiting.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_after_arming_is_heard_and_one_before_is_not() {
        let bell = Bell::default();
        let mut listener = bell.listen();
        bell.ring();
        listener.arm();
        let heard = tokio::time::timeout(std::time::Duration::ZERO, listener.heard()).await;
        assert!(heard.is_err(), "rung too early");
        listener.arm();
        bell.ring();
        listener.heard().await;
    }
}
