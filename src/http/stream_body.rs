//! The body of a stream in hyper: one chunk a frame.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::hub::outlet::Outlet;

/// Writes what an outlet lets through.
pub struct StreamBody(pub Outlet);

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = ready!(self.0.poll_bytes(cx));
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The body of a stream that leaves hyper: its first frame, and never an end.
pub struct Greeting(Option<Bytes>);

impl Greeting {
    /// Of these bytes.
    #[must_use]
    pub fn new(hello: Bytes) -> Self {
        Greeting(Some(hello))
    }
}

impl Body for Greeting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(hello) => Poll::Ready(Some(Ok(Frame::data(hello)))),
            None => Poll::Pending,
        }
    }
}
