//! A request's body as lines: streamed, each line bounded, the whole unbounded, a byte-order mark before the first one tolerated.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;

use super::error::{ApiError, ApiResult};
use crate::model::fact_line::{BYTE_ORDER_MARK, MAX_LINE_BYTES};

/// One line of the body.
#[derive(Debug)]
pub enum Line {
    /// Its bytes, without the line end and the body's byte-order mark.
    Text(Bytes),
    /// It was longer than a line may be; it was skipped.
    TooLong,
}

/// Lines that are dealt with together.
#[derive(Debug)]
pub struct Batch {
    /// Those that are not empty, with their numbers, from 1.
    pub lines: Vec<(u64, Line)>,
    /// Set where no more will come: the body ended, or why it did not.
    pub end: Option<ApiResult<()>>,
}

/// Reads lines from a body.
pub struct Lines {
    body: Body,
    /// Cancelled where the process ends: a sender that never stops must not be waited for.
    stop: CancellationToken,
    buffer: BytesMut,
    /// How far the buffer was searched for a line end.
    searched: usize,
    /// Within a line that is too long.
    skipping: bool,
    ended: bool,
    number: u64,
}

impl Lines {
    /// Of a body, read until `stop` is cancelled.
    #[must_use]
    pub fn new(body: Body, stop: CancellationToken) -> Self {
        Lines {
            body,
            stop,
            buffer: BytesMut::new(),
            searched: 0,
            skipping: false,
            ended: false,
            number: 0,
        }
    }

    /// The next lines, at most `most`: waits for one, and takes those that are here with it. So what a sender that
    /// pauses has sent is dealt with meanwhile.
    pub async fn batch(&mut self, most: usize) -> Batch {
        let mut lines = Vec::new();
        loop {
            let stop = self.stop.clone();
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => Err(ApiError::draining()),
                next = self.next() => next,
            };
            let end = match next {
                Ok(Some(line)) => {
                    lines.push(line);
                    if lines.len() < most && self.has_line() {
                        continue;
                    }
                    None
                }
                Ok(None) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            return Batch { lines, end };
        }
    }

    /// The next line that is not empty, with its number; `None` at the end.
    async fn next(&mut self) -> ApiResult<Option<(u64, Line)>> {
        loop {
            if let Some(line) = self.take_line() {
                self.number += 1;
                let blank =
                    matches!(&line, Line::Text(text) if text.iter().all(u8::is_ascii_whitespace));
                if !blank {
                    return Ok(Some((self.number, line)));
                }
            } else if self.ended {
                return Ok(None);
            } else {
                self.read_more().await?;
            }
        }
    }

    fn has_line(&self) -> bool {
        self.buffer[self.searched.min(self.buffer.len())..].contains(&b'\n')
    }

    fn take_line(&mut self) -> Option<Line> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n');
        match found {
            Some(offset) => {
                let line = self.buffer.split_to(self.searched + offset + 1);
                self.searched = 0;
                Some(self.finish(line.freeze()))
            }
            None if self.ended && !self.buffer.is_empty() => {
                self.searched = 0;
                let line = self.buffer.split().freeze();
                Some(self.finish(line))
            }
            None if self.ended && self.skipping => {
                self.skipping = false;
                Some(Line::TooLong)
            }
            None => {
                self.searched = self.buffer.len();
                if self.buffer.len() > MAX_LINE_BYTES {
                    self.buffer.clear();
                    self.searched = 0;
                    self.skipping = true;
                }
                None
            }
        }
    }

    fn finish(&mut self, mut line: Bytes) -> Line {
        if self.number == 0 {
            line = without_mark(line);
        }
        if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE_BYTES + 1 {
            return Line::TooLong;
        }
        Line::Text(line)
    }

    async fn read_more(&mut self) -> ApiResult<()> {
        match self.body.frame().await {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => {
                return Err(ApiError::ambiguous(&format!(
                    "a body that broke off: {error}"
                )));
            }
        }
        Ok(())
    }
}

/// How long a whole body may take. One that is read line by line may pause: what has come is dealt with meanwhile.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

/// The same without a byte-order mark at its beginning.
fn without_mark(text: Bytes) -> Bytes {
    match text.starts_with(BYTE_ORDER_MARK) {
        true => text.slice(BYTE_ORDER_MARK.len()..),
        false => text,
    }
}

/// A whole body of at most `limit` bytes, without its byte-order mark.
pub async fn whole(body: Body, limit: usize) -> ApiResult<Bytes> {
    if body.size_hint().lower() > limit as u64 {
        return Err(ApiError::too_large(limit));
    }
    let limited = http_body_util::Limited::new(body, limit);
    let collected = tokio::time::timeout(WHOLE_WITHIN, limited.collect());
    let Ok(collected) = collected.await else {
        return Err(ApiError::body_too_slow());
    };
    collected
        .map(|body| without_mark(body.to_bytes()))
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                ApiError::too_large(limit)
            } else {
                ApiError::ambiguous(&format!("a body that broke off: {error}"))
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test(start_paused = true)]
    async fn a_whole_body_is_not_waited_for_without_end() {
        let refused = whole(Body::new(Silent), 100).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 408);
    }

    async fn read(chunks: Vec<Vec<u8>>) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = lines(chunks);
        let mut found = Vec::new();
        loop {
            let batch = lines.batch(3).await;
            assert!(batch.lines.len() <= 3);
            for (number, line) in batch.lines {
                let text = match line {
                    Line::Text(text) => Some(text.trim_ascii_end().to_vec()),
                    Line::TooLong => None,
                };
                found.push((number, text));
            }
            match batch.end {
                None => {}
                Some(end) => {
                    end.unwrap();
                    return found;
                }
            }
        }
    }

    fn lines(chunks: Vec<Vec<u8>>) -> Lines {
        Lines::new(
            Body::new(Chunks(chunks.into())),
            CancellationToken::default(),
        )
    }

    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    struct Chunks(std::collections::VecDeque<Vec<u8>>);

    impl HttpBody for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(
                self.0
                    .pop_front()
                    .map(|chunk| Ok(hyper::body::Frame::data(chunk.into()))),
            )
        }
    }

    #[tokio::test]
    async fn numbers_lines_and_skips_what_is_too_long() {
        let long = vec![b'x'; MAX_LINE_BYTES + 2];
        let found = read(vec![
            b"one\n\r\nthr".to_vec(),
            b"ee\n".to_vec(),
            long,
            b"tail\nfive".to_vec(),
        ])
        .await;
        let text = |s: &str| Some(s.as_bytes().to_vec());
        assert_eq!(
            found,
            [
                (1, text("one")),
                (3, text("three")),
                (4, None),
                (5, text("five"))
            ]
        );
    }

    #[tokio::test]
    async fn a_byte_order_mark_does_no_harm() {
        let text = |s: &str| Some(s.as_bytes().to_vec());
        for cut in 0..7 {
            let body = "\u{feff}a\n\u{feff}b".as_bytes();
            let (one, other) = body.split_at(cut);
            let found = read(vec![one.to_vec(), other.to_vec()]).await;
            // before the first line alone
            assert_eq!(found, [(1, text("a")), (2, text("\u{feff}b"))]);
        }
        assert_eq!(read(vec!["\u{feff}".into()]).await, []);
        let found = read(vec!["\u{feff}\r\na".into()]).await;
        assert_eq!(found, [(2, text("a"))], "its line counts");
        let body = whole(Body::from("\u{feff}{}"), 100).await.unwrap();
        assert_eq!(body, "{}", "of a single object");
    }

    #[tokio::test]
    async fn what_is_here_goes_together() {
        let mut lines = lines(vec![b"a\nb\nc\nd".to_vec(), b"\ne\n".to_vec()]);
        let mut sizes = Vec::new();
        loop {
            let batch = lines.batch(2).await;
            sizes.push(batch.lines.len());
            if batch.end.is_some() {
                break;
            }
        }
        assert_eq!(sizes, [2, 1, 2, 0], "two at most, and no wait for more");
    }

    #[tokio::test]
    async fn the_end_of_the_process_is_not_waited_for() {
        let stop = CancellationToken::new();
        let mut lines = Lines::new(Body::new(Chunks([b"a\n".to_vec()].into())), stop.clone());
        stop.cancel();
        let batch = lines.batch(2).await;
        assert!(batch.lines.is_empty());
        assert_eq!(batch.end.unwrap().unwrap_err().code(), "draining");
    }

    proptest! {
        #[test]
        fn cuts_the_same_wherever_the_chunks_break(text in "[ab\n]{0,40}", cut in 0usize..40) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = runtime.block_on(read(vec![bytes.to_vec()]));
            let halves = runtime.block_on(read(vec![bytes[..cut].to_vec(), bytes[cut..].to_vec()]));
            prop_assert_eq!(&whole, &halves);
            prop_assert_eq!(whole.len(), text.split('\n').filter(|line| !line.is_empty()).count());
        }
    }
}
