//! A response's body on an HTTP/2 stream: in slices whose bytes are counted as they leave, and not over before the last of them has left.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::h2_stream::{H2Stream, Handed};

/// More than this does not wait in the connection when a window is shut.
const SLICE: usize = 4 * 1024;

/// A body and the stream that it goes to.
pub struct H2Body<B> {
    inner: B,
    stream: Arc<H2Stream>,
    /// Of the inner body's last frame.
    rest: Bytes,
}

impl<B> H2Body<B> {
    /// Nothing of it is sent yet.
    pub fn new(inner: B, stream: Arc<H2Stream>) -> Self {
        H2Body {
            inner,
            stream,
            rest: Bytes::new(),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for H2Body<B> {
    type Data = Handed;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Handed>, B::Error>>> {
        loop {
            if self.rest.has_remaining() {
                let bytes = self.rest.len().min(SLICE);
                let slice = self.rest.split_to(bytes);
                let last = self.rest.is_empty();
                let slice = self.stream.hand_over(slice, last);
                return Poll::Ready(Some(Ok(Frame::data(slice))));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => {
                        if let Ok(trailers) = other.into_trailers() {
                            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                        }
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    // as long as it is not over, it can be ended: what nobody takes must not wait for ever
                    ready!(self.stream.poll_passed(cx));
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Of a body without any bytes, so that its head says so; any other one is over when it is.
    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.stream.left() == 0 && self.inner.is_end_stream()
    }

    /// Whoever asks does so before the first frame.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{metrics::Metrics, socket::Socket};
    use http_body_util::{BodyExt as _, Full};
    use std::{task::Waker, time::Duration};

    async fn stream() -> Arc<H2Stream> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, address) = listener.accept().unwrap();
        let socket = Socket::new(tcp, address, Duration::from_secs(20)).unwrap();
        H2Stream::new(super::super::h2_stream::Link::new(
            socket,
            Metrics::default(),
        ))
    }

    #[tokio::test]
    async fn it_is_cut_and_put_together_again() {
        let stream = stream().await;
        let whole: Vec<u8> = (0..3 * SLICE + 5).map(|n| n as u8).collect();
        let mut body = H2Body::new(Full::new(Bytes::from(whole.clone())), stream.clone());
        assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
        let mut got = Vec::new();
        while let Some(frame) = body.frame().await {
            let slice = frame.unwrap().into_data().unwrap();
            assert!(slice.remaining() <= SLICE);
            assert_eq!(stream.left(), slice.remaining() as u64);
            got.extend_from_slice(slice.chunk());
        }
        assert_eq!(got, whole);
    }

    #[tokio::test]
    async fn it_is_over_when_its_last_bytes_have_left() {
        let stream = stream().await;
        let mut body = H2Body::new(Full::new(Bytes::from_static(b"all")), stream.clone());
        let kept = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
        drop(kept);
        assert!(body.frame().await.is_none());
    }
}
