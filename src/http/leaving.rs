//! The way out of hyper: a stream's first frame is hyper's to write; after it, the bare socket is the hub's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::body::Body;

use super::stream_body::Greeting;
use crate::hub::{
    greeting,
    opening::Opening,
    seats::SeatGuard,
    shards::Shards,
    socket::Socket,
    wire::{Bare, Keep},
};

/// Of one connection, which may leave with its stream.
#[derive(Clone)]
pub struct Exit(Arc<Leaving>);

struct Leaving {
    shards: Arc<Shards>,
    socket: Arc<Socket>,
    stream: Mutex<Option<Bare<Socket>>>,
}

impl Exit {
    /// Leads to the shards.
    #[must_use]
    pub fn new(shards: Arc<Shards>, socket: Arc<Socket>) -> Self {
        Exit(Arc::new(Leaving {
            shards,
            socket,
            stream: Mutex::default(),
        }))
    }

    /// The stream leaves as soon as its first frame has; the body that says it.
    pub fn leave(
        &self,
        seat: SeatGuard,
        mut opening: Opening,
        opened: Instant,
        keep: Keep,
    ) -> Body {
        let hello = opening.hello.take().unwrap_or_default();
        let socket = self.0.socket.clone();
        socket.expect(greeting::Greeting::new(&hello));
        *self.stream() = Some(Bare {
            seat,
            socket,
            opening,
            opened,
            keep,
        });
        Body::new(Greeting::new(hello))
    }

    /// Whether a stream is about to leave.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.stream().is_some()
    }

    /// What is to be let go with the stream that is about to leave, if one is.
    pub fn keep(&self, what: impl Send + Sync + 'static) {
        if let Some(stream) = &mut *self.stream() {
            let before = std::mem::replace(&mut stream.keep, Box::new(()));
            stream.keep = Box::new((what, before));
        }
    }

    /// The stream, if its first frame has left.
    #[must_use]
    pub fn ready(&self) -> Option<Bare<Socket>> {
        self.stream().take_if(|stream| stream.socket.has_greeted())
    }

    /// Takes it to the shards.
    pub fn go(&self, stream: Bare<Socket>) {
        self.0.shards.take(stream);
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Option<Bare<Socket>>> {
        let stream = &self.0.stream;
        stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
