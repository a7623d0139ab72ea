//! Answers line by line, on their way to a client that is still sending: what waits for it is bounded.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::{Semaphore, mpsc};

/// Bytes that wait for a client. One that reads nothing until it has sent everything is served up to here: some 40,000
/// answers. After that its own reading sets the pace.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// The client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// Where answers go in.
pub struct Answers {
    to: mpsc::UnboundedSender<Bytes>,
    room: Arc<Semaphore>,
}

/// Where they come out: the body of a response.
pub struct AnswerBody {
    from: mpsc::UnboundedReceiver<Bytes>,
    room: Arc<Semaphore>,
}

/// Both ends.
#[must_use]
pub fn answers() -> (Answers, AnswerBody) {
    let (to, from) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(MOST_WAITING));
    (
        Answers {
            to,
            room: room.clone(),
        },
        AnswerBody { from, room },
    )
}

/// What a text takes of the room; a text larger than all of it takes all of it.
fn share(text: &[u8]) -> usize {
    text.len().min(MOST_WAITING)
}

impl Answers {
    /// Hands over whole lines; waits until there is room.
    pub async fn send(&self, text: String) -> Result<(), Gone> {
        if text.is_empty() {
            return Ok(());
        }
        // proof of the cast: a share is at most 4 MB
        let room = self.room.acquire_many(share(text.as_bytes()) as u32).await;
        // given back by the other end, when it is taken
        room.map_err(|_| Gone)?.forget();
        self.to.send(text.into()).map_err(|_| Gone)
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = ready!(self.from.poll_recv(cx));
        Poll::Ready(text.map(|text| {
            self.room.add_permits(share(&text));
            Ok(Frame::data(text))
        }))
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_nothing_is_lost() {
        let (to, mut body) = answers();
        to.send("x".repeat(MOST_WAITING - 1)).await.unwrap();
        let mut next = Box::pin(to.send("next".to_owned()));
        tokio::select! {
            biased;
            sent = &mut next => panic!("{sent:?}, and there was no room"),
            () = std::future::ready(()) => {}
        }
        let mut taken = async || body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(taken().await.len(), MOST_WAITING - 1);
        next.await.unwrap();
        assert_eq!(taken().await, "next");
        to.send("y".repeat(MOST_WAITING + 1)).await.unwrap();
        assert_eq!(taken().await.len(), MOST_WAITING + 1, "larger than all");
        drop(to);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_not_waited_for() {
        let (to, body) = answers();
        to.send("x".repeat(MOST_WAITING)).await.unwrap();
        let waiting = to.send("y".to_owned());
        drop(body);
        assert_eq!(waiting.await, Err(Gone));
    }
}
