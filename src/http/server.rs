//! Listening: accepts connections within the caps, gives each to hyper, and lets them end in time.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::IntoResponse as _,
};
use hyper::{
    Request, Response, StatusCode, Version,
    body::{Frame, Incoming, SizeHint},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::{Config, MAX_HEAD_BYTES, MAX_HEAD_FIELDS},
    connections::{Connections, CountedAddress},
    door::Door,
    error::ApiError,
    guard::AboveCap,
    h2,
    h2_stream::H2Stream,
    leaving::Exit,
    listener::Listener,
    metrics::{Metrics, RefusedLabel},
    proxies::Proxies,
    tls::{Opening, Tls},
};
use crate::hub::{
    self,
    shards::Shards,
    socket::{Socket, SocketIo},
    transport::Transport,
    wire::Bare,
};

/// Connections above the cap that are still told so.
const TOLD: usize = 64;
/// How long the first frame of a stream may wait for a peer that reads nothing.
const GREETED_WITHIN: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// While accepting fails, it is said this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// One listener and its connections.
pub struct Server {
    /// What answers.
    pub door: Door,
    /// Settings.
    pub config: Config,
    /// Set where it speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Whose word is taken for clients' addresses.
    pub proxies: Proxies,
    /// Connections at once.
    pub cap: usize,
    /// How long a peer may leave what is written without any answer.
    pub unanswered_for: Duration,
    /// For latencies.
    pub hub_metrics: hub::metrics::Metrics,
    /// Where its streams go, if they leave hyper.
    pub shards: Option<Arc<Shards>>,
    /// For its connections, where they are counted.
    pub metrics: Option<Metrics>,
    /// Cancelled: no new connections.
    pub soft: CancellationToken,
    /// Cancelled: connections end after what they are doing.
    pub hard: CancellationToken,
    /// Knows all connections.
    pub tracker: TaskTracker,
}

/// One connection on its way through the server.
struct Accepted {
    socket: Arc<Socket>,
    connections: Arc<Connections>,
    /// Above a cap already, for this reason.
    above: Option<&'static str>,
    /// Speaks plain HTTP where TLS is spoken.
    plain: bool,
    /// How it may leave hyper.
    exit: Option<Exit>,
}

/// What a connection in hyper has come to.
enum Step {
    Ended(hyper::Result<()>),
    /// Its stream's first frame has left.
    Leaves(Box<Bare<Socket>>),
    /// Its stream's first frame waits for the peer.
    Greets,
}

impl Server {
    /// Accepts until the soft token is cancelled; the listening socket is closed on return.
    pub async fn run(self, listener: Listener) {
        let connections = Arc::new(Connections::default());
        let mut complained: Option<Instant> = None;
        let server = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = server.soft.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => server.clone().admit(tcp, peer, &connections),
                // out of descriptors, most likely: some will come back; the server must not end, nor spin
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    if let Some(metrics) = &server.metrics {
                        metrics.accept_failures.inc();
                    }
                    if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                        tracing::warn!(%error, "connections cannot be accepted; trying again and again");
                        complained = Some(Instant::now());
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, connections: &Arc<Connections>) {
        let (counted, all) = connections.count();
        // a trusted proxy's connections are its clients', who are counted by the request
        let (of_address, too_many) = if self.proxies.trusts(peer.ip()) {
            (None, None)
        } else {
            self.count_address(connections, peer.ip())
        };
        let above = if all > self.cap {
            Some("cap")
        } else {
            too_many
        };
        if let Some(reason) = above {
            self.count_refused(reason);
        }
        if all > self.cap.saturating_add(TOLD) {
            return;
        }
        let Ok(socket) = Socket::new(tcp, peer, self.unanswered_for) else {
            return;
        };
        // only what is written as it is can be written by others
        let shards = self.shards.as_ref().filter(|_| self.tls.is_none());
        let exit = shards.map(|shards| Exit::new(shards.clone(), socket.clone()));
        let accepted = Accepted {
            socket,
            connections: connections.clone(),
            above,
            plain: false,
            exit: exit.clone(),
        };
        let tracker = self.tracker.clone();
        tracker.spawn(async move {
            let open = self.metrics.as_ref().map(Metrics::open_connection);
            let counted = (counted, of_address, open, self.tracker.token());
            let socket = accepted.socket.clone();
            let left = self.welcome(accepted).await;
            if let (Some(mut stream), Some(exit)) = (left, exit) {
                let before = std::mem::replace(&mut stream.keep, Box::new(()));
                stream.keep = Box::new((counted, before));
                exit.go(stream);
            } else {
                socket.close();
            }
        });
    }

    /// Counts one from an address, where there is a cap; and says whether it is one too many.
    fn count_address(
        &self,
        connections: &Arc<Connections>,
        ip: IpAddr,
    ) -> (Option<CountedAddress>, Option<&'static str>) {
        let cap = self.config.max_connections_per_address;
        if cap == 0 {
            return (None, None);
        }
        let (counted, from_there) = connections.count_address(ip);
        (Some(counted), (from_there > cap).then_some("address"))
    }

    fn count_refused(&self, reason: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics
                .refused
                .get_or_create(&RefusedLabel { reason })
                .inc();
        }
    }

    /// Finds out which protocol it speaks, and serves it in that; until its end, or until its stream leaves.
    async fn welcome(self: Arc<Self>, accepted: Accepted) -> Option<Bare<Socket>> {
        let io = SocketIo::new(accepted.socket.clone(), self.hub_metrics.clone()).ok()?;
        match self.tls.clone() {
            None => self.serve(accepted, io).await,
            // its room is several times that of the others, who are not to take as much
            Some(tls) => Box::pin(self.welcome_by_tls(&tls, accepted, io)).await,
        }
    }

    async fn welcome_by_tls(
        self: Arc<Self>,
        tls: &Tls,
        mut accepted: Accepted,
        io: SocketIo,
    ) -> Option<Bare<Socket>> {
        let socket = accepted.socket.clone();
        let opening = tokio::select! {
            biased;
            () = socket.killed() => return None,
            () = self.hard.cancelled() => return None,
            opening = timeout(self.head_time(), tls.open(io)) => opening,
        };
        match opening {
            Ok(Ok(Some(Opening::Http2(io)))) => self.serve_http2(accepted, io).await,
            Ok(Ok(Some(Opening::Http1(io)))) => return self.serve(accepted, io).await,
            Ok(Ok(Some(Opening::Plain(io)))) => {
                accepted.plain = true;
                return self.serve(accepted, io).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, peer = %socket.peer(), "no TLS handshake");
            }
            Err(_) => tracing::debug!(peer = %socket.peer(), "no TLS handshake in time"),
        }
        None
    }

    /// How long a peer may take for a request's head, a handshake, or to ask again.
    fn head_time(&self) -> Duration {
        Duration::from_secs(self.config.header_seconds.max(1))
    }

    async fn serve_http2(self: Arc<Self>, accepted: Accepted, io: TlsStream<SocketIo>) {
        let accepted = Arc::new(accepted);
        let socket = &accepted.socket;
        let connection = h2::Connection::new(socket.clone(), self.hub_metrics.clone());
        let terms = h2::Terms {
            idle_for: self.head_time(),
            stalled_for: self.unanswered_for,
            hard: &self.hard,
            tracker: &self.tracker,
        };
        let (server, shared, whole) = (self.clone(), accepted.clone(), connection.clone());
        let answer = move |stream: Arc<H2Stream>, request: Request<Incoming>| {
            let (server, accepted, connection) = (server.clone(), shared.clone(), whole.clone());
            async move {
                let mut response = if request.headers().len() > MAX_HEAD_FIELDS {
                    too_many_fields()
                } else {
                    server.answer(&accepted, stream, request).await
                };
                // a field of HTTP/1.1. What it asks for is meant for the connection only where all of it has to go
                let last = response.headers_mut().remove(header::CONNECTION).is_some();
                if last && (accepted.above.is_some() || server.soft.is_cancelled()) {
                    connection.leave();
                }
                response
            }
        };
        h2::serve(io, socket, connection, terms, answer).await;
    }

    async fn serve<I>(&self, accepted: Accepted, io: I) -> Option<Bare<Socket>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let socket = &accepted.socket;
        let io = TokioIo::new(io);
        let answer = |request| {
            let response = self.answer(&accepted, socket.clone(), request);
            Box::pin(async move { Ok::<_, Infallible>(response.await) })
        };
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_time())
            .max_headers(MAX_HEAD_FIELDS)
            // the head's limit as well: it must be whole within the buffer
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(io, service_fn(answer));
        let (mut told, mut greets) = (false, false);
        loop {
            let step = poll_fn(|cx| {
                let ended = connection.poll_without_shutdown(cx);
                match (ended, &accepted.exit) {
                    (Poll::Ready(ended), _) => Poll::Ready(Step::Ended(ended)),
                    (Poll::Pending, Some(exit)) if exit.is_leaving() => match exit.ready() {
                        Some(stream) => Poll::Ready(Step::Leaves(Box::new(stream))),
                        None if !greets => Poll::Ready(Step::Greets),
                        None => Poll::Pending,
                    },
                    (Poll::Pending, _) => Poll::Pending,
                }
            });
            let step = tokio::select! {
                biased;
                () = socket.killed() => return None,
                // kept connections are answered throughout the drain; then each ends with what it is doing
                () = self.hard.cancelled(), if !told => {
                    told = true;
                    Pin::new(&mut connection).graceful_shutdown();
                    continue;
                }
                step = step => step,
                // nothing was read of many answers before it
                () = tokio::time::sleep(GREETED_WITHIN), if greets => return None,
            };
            match step {
                Step::Greets => greets = true,
                Step::Leaves(stream) => return Some(*stream),
                Step::Ended(Ok(())) => break,
                Step::Ended(Err(error)) => {
                    tracing::debug!(%error, peer = %socket.peer(), "connection ended");
                    return None;
                }
            }
        }
        let mut io = connection.into_parts().io.into_inner();
        tokio::select! {
            biased;
            () = socket.killed() => {}
            // a peer that is gone does not hear it
            _ = io.shutdown() => {}
        }
        None
    }

    /// Answers a request that came by this transport: the connection's socket, or a stream of it.
    async fn answer(
        &self,
        accepted: &Accepted,
        transport: Arc<dyn Transport>,
        request: Request<Incoming>,
    ) -> Response<Counting> {
        if accepted.plain {
            return ApiError::plain_on_tls().into_response().map(uncounted);
        }
        let mut request = request.map(Body::new);
        let peer = accepted.socket.peer();
        let client = self.proxies.client(peer, request.headers());
        let mut above = accepted.above;
        let mut counted = None;
        if self.proxies.trusts(peer.ip()) {
            let (one, too_many) = self.count_address(&accepted.connections, client.ip);
            counted = one;
            if let (None, Some(reason)) = (above, too_many) {
                self.count_refused(reason);
                above = Some(reason);
            }
        }
        request.extensions_mut().insert(transport);
        request.extensions_mut().insert(client);
        if above.is_some() {
            request.extensions_mut().insert(AboveCap);
        }
        // only there does a body come in chunks
        let exit = accepted.exit.as_ref();
        let exit = exit.filter(|_| request.version() == Version::HTTP_11);
        if let Some(exit) = exit {
            request.extensions_mut().insert(exit.clone());
        }
        let response = self.door.answer(request).await;
        if let Some(exit) = exit.filter(|exit| exit.is_leaving()) {
            // its body stays behind
            if let Some(counted) = counted.take() {
                exit.keep(counted);
            }
        }
        response.map(|body| Counting { body, counted })
    }
}

fn uncounted(body: Body) -> Counting {
    Counting {
        body,
        counted: None,
    }
}

/// As hyper answers it on HTTP/1.1.
fn too_many_fields() -> Response<Counting> {
    let mut response = Response::new(uncounted(Body::empty()));
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}

/// A response's body: its client counts for as long as it is on its way.
struct Counting {
    body: Body,
    counted: Option<CountedAddress>,
}

impl HttpBody for Counting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None) = polled {
            // before the client is told: its next request may come before this is dropped
            self.counted = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}
