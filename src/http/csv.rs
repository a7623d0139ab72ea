//! Lists as files of comma-separated values (RFC 4180): a whole result, page after page, in the memory of one page.
//!
//! Texts that a spreadsheet would run as a formula (they begin with `=`, `+`, `-`, `@`, a tab or a carriage return) are
//! written with a `'` before them; numbers are not touched. What is absent is an empty field.

use std::{
    fmt::Display,
    future::Ready,
    io::{self, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, header},
    response::Response,
};
use hyper::body::Frame;

use super::error::{ApiError, ApiResult};
use crate::gate::insider_query::Page;

/// Rows of a list that are read at a time.
const ROWS_AT_ONCE: usize = 500;

/// What makes a row.
pub trait Row {
    /// The names of its columns.
    const COLUMNS: &'static [&'static str];

    /// Its fields, as many and in the same order.
    fn fields(&self, fields: &mut Fields<'_>);
}

/// A row as it is written.
pub struct Fields<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Fields<'_> {
    /// A text that somebody else wrote.
    pub fn text(&mut self, text: Option<&str>) {
        let text = text.unwrap_or_default();
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        self.comma();
        if formula || text.contains(['"', ',', '\n', '\r']) {
            self.out.push(b'"');
            self.out.extend(formula.then_some(b'\''));
            self.out
                .extend_from_slice(text.replace('"', "\"\"").as_bytes());
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    /// A number, a time, a word of ours: what needs no quotes.
    pub fn plain<T: Display>(&mut self, value: Option<T>) {
        self.comma();
        if let Some(value) = value {
            // writing to memory does not fail
            let _ = write!(self.out, "{value}");
        }
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
    }
}

/// 200 with a file named `name`.csv: its rows come from `pages`, which is asked again and again until it has no more. The
/// first page is read before anything is answered, so that an error then is an answer of its own; a later one breaks the
/// body off, which a client sees.
pub async fn stream<R, F, P>(name: &str, mut pages: F) -> ApiResult
where
    R: Row + Send + 'static,
    F: FnMut() -> P + Send + Unpin + 'static,
    P: Future<Output = ApiResult<Option<Vec<R>>>> + Send + 'static,
{
    let mut head = Vec::new();
    let mut fields = Fields {
        out: &mut head,
        first: true,
    };
    R::COLUMNS
        .iter()
        .for_each(|column| fields.text(Some(column)));
    head.extend_from_slice(b"\r\n");
    let first = pages().await?;
    let ended = first.is_none();
    write_rows(&mut head, &first.unwrap_or_default());
    let body = Pages {
        ready: Some(head.into()),
        ended,
        pages,
        next: None,
    };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(|e| ApiError::internal(&e))?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// Whether an answer is such a file.
#[must_use]
pub fn is_file(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/csv"))
}

/// Which rows of a list a file is of: so many at most, from a place on. A page that names no limit is the whole rest.
#[must_use]
pub fn stretch(page: &Page) -> (i64, i64) {
    let (limit, offset) = page.place();
    (if page.whole { i64::MAX } else { limit }, offset)
}

/// The same of a list that is found in two steps: `next` gives the numbers of its rows, stretch by stretch, each after the last number
/// of the one before, and none at its end; `read` gives the rows of some numbers. Which rows there are, and in which order, is as it
/// was when their stretch was found, whatever is changed before they are read.
pub async fn numbered<K, R, N, NF, F, RF>(name: &str, next: N, read: F) -> ApiResult
where
    K: Copy + Send + Sync + 'static,
    R: Row + Send + 'static,
    N: Fn(Option<K>) -> NF + Send + Sync + 'static,
    NF: Future<Output = ApiResult<Vec<K>>> + Send + 'static,
    F: Fn(Vec<K>) -> RF + Send + Sync + 'static,
    RF: Future<Output = ApiResult<Vec<R>>> + Send + 'static,
{
    // pages are read one after the other: nobody ever waits for the lock
    let left = Arc::new(tokio::sync::Mutex::new(Numbers {
        last: None,
        waiting: Vec::new().into_iter(),
    }));
    let by = Arc::new((next, read));
    stream(name, move || {
        let (left, by) = (left.clone(), by.clone());
        async move {
            let (next, read) = &*by;
            let mut left = left.lock().await;
            if left.waiting.as_slice().is_empty() {
                left.waiting = next(left.last).await?.into_iter();
            }
            let some: Vec<K> = left.waiting.by_ref().take(ROWS_AT_ONCE).collect();
            let Some(last) = some.last() else {
                return Ok(None);
            };
            left.last = Some(*last);
            drop(left);
            read(some).await.map(Some)
        }
    })
    .await
}

/// All numbers of a list that was found in one step.
pub fn at_once<K: Copy>(found: Vec<K>) -> impl Fn(Option<K>) -> Ready<ApiResult<Vec<K>>> {
    move |last| {
        let all = if last.is_none() {
            found.clone()
        } else {
            Vec::new()
        };
        std::future::ready(Ok(all))
    }
}

/// What of a list is found and not yet read.
struct Numbers<K> {
    last: Option<K>,
    waiting: std::vec::IntoIter<K>,
}

fn write_rows<R: Row>(out: &mut Vec<u8>, rows: &[R]) {
    for row in rows {
        row.fields(&mut Fields { out, first: true });
        out.extend_from_slice(b"\r\n");
    }
}

/// A body that reads its next page when the last one has been taken.
struct Pages<F, P> {
    ready: Option<Bytes>,
    ended: bool,
    pages: F,
    next: Option<Pin<Box<P>>>,
}

impl<R, F, P> HttpBody for Pages<F, P>
where
    R: Row,
    F: FnMut() -> P + Unpin,
    P: Future<Output = ApiResult<Option<Vec<R>>>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(bytes) = self.ready.take() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let this = &mut *self;
            let next = this.next.get_or_insert_with(|| Box::pin((this.pages)()));
            let page = ready!(next.as_mut().poll(cx));
            this.next = None;
            match page {
                Ok(Some(rows)) => {
                    let mut bytes = Vec::new();
                    write_rows(&mut bytes, &rows);
                    this.ready = (!bytes.is_empty()).then(|| bytes.into());
                }
                Ok(None) => this.ended = true,
                Err(error) => {
                    this.ended = true;
                    let code = io::Error::other(error.code());
                    return Poll::Ready(Some(Err(code)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Two(Option<String>, i64);

    impl Row for Two {
        const COLUMNS: &'static [&'static str] = &["name", "amount"];

        fn fields(&self, fields: &mut Fields<'_>) {
            fields.text(self.0.as_deref());
            fields.plain(Some(self.1));
        }
    }

    fn written(rows: &[Two]) -> String {
        let mut out = Vec::new();
        write_rows(&mut out, rows);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_what_must_be_and_defuses_formulas() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1+2", "\"'-1+2\""),
            ("L'Oréal", "L'Oréal"),
        ] {
            let row = Two(Some(text.to_owned()), -5);
            assert_eq!(written(&[row]), format!("{expected},-5\r\n"));
        }
        assert_eq!(written(&[Two(None, 0)]), ",0\r\n");
    }

    #[tokio::test]
    async fn reads_a_page_only_when_the_last_one_is_taken() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let pages = move || {
            let n = count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(
                (n < 1_000).then(|| vec![Two(Some("x".into()), n as i64)])
            ))
        };
        let response = stream("rows", pages).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(
            asked.load(Ordering::Relaxed),
            1,
            "the first, before the answer"
        );
        let head = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&head[..], b"name,amount\r\nx,0\r\n");
        body.frame().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2, "nothing is read ahead");
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(rest.ends_with(b"x,999\r\n"));
    }

    #[tokio::test]
    async fn an_error_is_an_answer_first_and_breaks_the_body_off_later() {
        let fails = || std::future::ready(Err::<Option<Vec<Two>>, _>(ApiError::draining()));
        assert!(stream("rows", fails).await.is_err());
        let mut first = true;
        let later = move || {
            let page = std::mem::take(&mut first).then(|| Some(vec![Two(None, 1)]));
            std::future::ready(page.ok_or_else(ApiError::draining))
        };
        let mut body = stream("rows", later).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none());
    }

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_written(names in prop::collection::vec("\\PC{0,12}|[=+@\",\r\n\t;' -]{0,8}", 1..20)) {
            let rows: Vec<Two> = names.iter().map(|name| Two(Some(name.clone()), 7)).collect();
            let text = written(&rows);
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let back: Vec<_> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
            let expected: Vec<String> = names
                .iter()
                .map(|name| match name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
                    true => format!("'{name}"),
                    false => name.clone(),
                })
                .collect();
            prop_assert_eq!(back, expected);
        }
    }
}
