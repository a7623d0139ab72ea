//! Views: streams that pages show. Which session each belongs to, as it ends with that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    hub::{
        frame::Ending,
        seat::{Lapse, Seat},
    },
    model::{key::KeyHash, time::Time},
};

/// A view that is open.
#[derive(Clone, Copy, Debug)]
struct View {
    ticket: KeyHash,
    session: KeyHash,
    session_ends: Time,
}

/// The views of this node, by connection: few beside all streams, so that no seat has to know.
#[derive(Debug, Default)]
pub struct Views(Mutex<HashMap<u64, View>>);

/// A view, while it is open.
#[derive(Debug)]
pub struct Entry {
    views: Arc<Views>,
    connection: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.views.with(|views| views.remove(&self.connection));
    }
}

impl Views {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<u64, View>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One more, opened by a ticket of a session.
    pub fn enter(
        self: &Arc<Self>,
        connection: u64,
        ticket: KeyHash,
        session: KeyHash,
        session_ends: Time,
    ) -> Entry {
        let view = View {
            ticket,
            session,
            session_ends,
        };
        self.with(|views| views.insert(connection, view));
        Entry {
            views: self.clone(),
            connection,
        }
    }

    /// The connection that a ticket opened.
    #[must_use]
    pub fn of_ticket(&self, ticket: &KeyHash) -> Option<u64> {
        self.with(|views| {
            let mut all = views.iter();
            all.find(|(_, view)| view.ticket == *ticket)
                .map(|(connection, _)| *connection)
        })
    }

    /// Whose session each view is, by connection.
    #[must_use]
    pub fn sessions(&self) -> Vec<(u64, KeyHash)> {
        self.with(|views| {
            let all = views.iter();
            all.map(|(connection, view)| (*connection, view.session))
                .collect()
        })
    }

    /// When a stream lapses whose key's holder does so: a view no later than its session.
    #[must_use]
    pub fn lapse(&self, seat: &Seat, of_holder: Option<Lapse>) -> Option<Lapse> {
        if !seat.is_view() {
            return of_holder;
        }
        let ends = self.with(|views| views.get(&seat.connection).map(|view| view.session_ends));
        let of_session = ends.map(|at| Lapse {
            at,
            ending: Ending::KeyRevoked,
        });
        [of_holder, of_session]
            .into_iter()
            .flatten()
            .min_by_key(|lapse| lapse.at)
    }
}
