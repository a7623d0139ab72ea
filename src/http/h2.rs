//! HTTP/2 connections: many requests on one, each with an end of its own, within limits that are stated here.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::body::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    header::{self, HeaderValue},
    rt::Executor,
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::MAX_HEAD_BYTES,
    h2_body::H2Body,
    h2_stream::{H2Stream, Link},
};
use crate::hub::{socket::Socket, transport::Transport as _};

/// Requests, streams among them, that one connection may have under way.
const STREAMS: u32 = 128;
/// Of request bodies that nobody has read yet: of one stream, and of all of them. The main listener's bodies are small.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Of an answer that the peer, or the network, has not taken yet: as of a frame of the protocol.
const SEND_BUFFER: usize = 16 * 1024;
/// Streams that the peer opened and reset before they were looked at; one more, and the connection ends (CVE-2023-44487).
const RESET_AT_ONCE: usize = 20;
/// Streams that were reset for the peer's mistakes; one more, and the connection ends.
const RESET_FOR_MISTAKES: usize = 1_024;
/// A connection that is silent is asked for a sign of its program, which may be slow: that its machine lives, the socket knows.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// How long a connection that was told to end may take once nothing is under way on it.
const PARTING: Duration = Duration::from_secs(2);
/// The last bytes of a stream of signals that the pulse never saw. Of all others it decides sooner.
const LAST_BYTES: Duration = Duration::from_secs(120);

tokio::task_local! {
    /// The stream whose request is under way.
    static STREAM: Arc<H2Stream>;
}

/// A connection, as its requests see it.
pub struct Connection {
    link: Arc<Link>,
    under_way: watch::Sender<usize>,
    leave: Notify,
}

impl Connection {
    /// Of this socket.
    #[must_use]
    pub fn new(socket: Arc<Socket>, metrics: crate::hub::metrics::Metrics) -> Arc<Self> {
        Arc::new(Connection {
            link: Link::new(socket, metrics),
            under_way: watch::Sender::new(0),
            leave: Notify::new(),
        })
    }

    /// It is to take no more requests, and to end with those that it has.
    pub fn leave(&self) {
        self.leave.notify_one();
    }

    /// Resolves when nothing has been under way for so long.
    async fn idle_for(&self, patience: Duration) {
        let mut under_way = self.under_way.subscribe();
        loop {
            // proof: the sender is this connection's
            let _ = under_way.wait_for(|count| *count == 0).await;
            let next = under_way.wait_for(|count| *count > 0);
            if timeout(patience, next).await.is_err() {
                return;
            }
        }
    }
}

/// Gives each request a task and a stream of its own.
#[derive(Clone)]
struct Streams {
    connection: Arc<Connection>,
    tracker: TaskTracker,
    stalled_for: Duration,
}

/// One request more, for as long as it lives.
struct UnderWay(Arc<Connection>, Arc<H2Stream>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.1.close();
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, request: F) {
        let stream = H2Stream::new(self.connection.link.clone());
        self.connection.under_way.send_modify(|count| *count += 1);
        let under_way = UnderWay(self.connection.clone(), stream.clone());
        let stalled_for = self.stalled_for;
        self.tracker.spawn(async move {
            let _under_way = under_way;
            let ends = async {
                tokio::select! {
                    () = stream.killed() => {}
                    () = stalled(&stream, stalled_for) => {}
                }
            };
            // a request that is dropped before its end is reset, and what of its answer waits is thrown away
            tokio::select! {
                biased;
                () = ends => {}
                () = STREAM.scope(stream.clone(), request) => {}
            }
        });
    }
}

/// Resolves where the peer takes nothing of an answer that waits. Streams of signals have their pulse watched.
async fn stalled(stream: &H2Stream, patience: Duration) {
    let mut waited = Duration::ZERO;
    let mut passed = stream.passed();
    let step = patience / 4;
    loop {
        sleep(step).await;
        if stream.left() == 0 || stream.passed() != passed {
            (waited, passed) = (Duration::ZERO, stream.passed());
            continue;
        }
        waited += step;
        let most = if stream.carries_stream() {
            LAST_BYTES
        } else {
            patience
        };
        if waited >= most {
            return;
        }
    }
}

/// What a connection is served with.
pub struct Terms<'a> {
    /// How long nothing may be under way.
    pub idle_for: Duration,
    /// How long the peer may take nothing of an answer.
    pub stalled_for: Duration,
    /// Cancelled: it ends with what it is doing.
    pub hard: &'a CancellationToken,
    /// Knows all requests.
    pub tracker: &'a TaskTracker,
}

/// Serves a connection to its end. `answer` is given each request with its stream.
pub async fn serve<I, A, F, B>(
    io: I,
    socket: &Socket,
    connection: Arc<Connection>,
    terms: Terms<'_>,
    answer: A,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Arc<H2Stream>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let streams = Streams {
        connection: connection.clone(),
        tracker: terms.tracker.clone(),
        stalled_for: terms.stalled_for,
    };
    let service = service_fn(move |request| {
        let answer = answer.clone();
        async move {
            // a request is polled where the executor put it, and nowhere else
            let stream = STREAM.try_with(Arc::clone).map_err(io::Error::other)?;
            let response = answer(stream.clone(), with_host(request)).await;
            Ok::<_, io::Error>(response.map(|body| H2Body::new(body, stream)))
        }
    });
    let serving = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESET_AT_ONCE)
        .max_local_error_reset_streams(RESET_FOR_MISTAKES)
        .keep_alive_interval(ASK_EVERY)
        .keep_alive_timeout(ANSWERS_WITHIN)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(serving);
    let mut told = false;
    loop {
        let patience = if told { PARTING } else { terms.idle_for };
        tokio::select! {
            biased;
            () = socket.killed() => return,
            () = terms.hard.cancelled(), if !told => {}
            () = connection.leave.notified(), if !told => {}
            () = connection.idle_for(patience) => if told { return },
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = %socket.peer(), "connection ended");
                }
                return;
            }
        }
        told = true;
        serving.as_mut().graceful_shutdown();
    }
}

/// A request says in one way which host it is for, whatever the protocol: one that says it twice, and differently, has two fields.
fn with_host<B>(mut request: Request<B>) -> Request<B> {
    let authority = request.uri().authority().map(|host| host.as_str());
    let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) else {
        return request;
    };
    let fields = request.headers_mut();
    if fields.get_all(header::HOST).iter().ne([&host]) {
        fields.append(header::HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_field_or_two_that_differ() {
        let hosts = |uri: &str, fields: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for field in fields {
                request = request.header(header::HOST, *field);
            }
            let request = with_host(request.body(()).unwrap());
            let hosts = request.headers().get_all(header::HOST).iter();
            hosts
                .map(|host| host.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(hosts("https://a.example/x", &[]), ["a.example"]);
        assert_eq!(hosts("https://a.example/x", &["a.example"]), ["a.example"]);
        assert_eq!(hosts("https://a.example/x", &["b.example"]).len(), 2);
        assert_eq!(hosts("/x", &["b.example"]), ["b.example"]);
        assert!(hosts("/x", &[]).is_empty());
    }
}
