//! Listening: accepts connections within the caps, gives each to hyper, and lets them end in time.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    response::IntoResponse as _,
};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming, SizeHint},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    config::{Config, MAX_HEAD_BYTES, MAX_HEAD_FIELDS},
    connections::{Connections, CountedAddress},
    error::ApiError,
    guard::AboveCap,
    h2,
    h2_stream::H2Stream,
    metrics::{Metrics, RefusedLabel},
    proxies::Proxies,
    tls::{Opening, Tls},
};
use crate::hub::{
    self,
    socket::{Socket, SocketIo},
    transport::Transport,
};

/// Connections above the cap that are still told so.
const TOLD: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// While accepting fails, it is said this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// One listener and its connections.
pub struct Server {
    /// What it serves.
    pub router: Router,
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
}

impl Server {
    /// Accepts until the soft token is cancelled; the listening socket is closed on return.
    pub async fn run(self, listener: TcpListener) {
        let server = Arc::new(self);
        let connections = Arc::new(Connections::default());
        let mut complained: Option<Instant> = None;
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
        let accepted = Accepted {
            socket,
            connections: connections.clone(),
            above,
            plain: false,
        };
        let tracker = self.tracker.clone();
        tracker.spawn(async move {
            let _counted = (counted, of_address);
            let _open = self.metrics.as_ref().map(Metrics::open_connection);
            self.welcome(accepted).await;
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

    /// Finds out which protocol it speaks, and serves it in that.
    async fn welcome(self: Arc<Self>, mut accepted: Accepted) {
        let socket = accepted.socket.clone();
        let io = SocketIo::new(socket.clone(), self.hub_metrics.clone());
        let Some(tls) = &self.tls else {
            return self.serve(accepted, io).await;
        };
        let opening = tokio::select! {
            biased;
            () = socket.killed() => return,
            () = self.hard.cancelled() => return,
            opening = timeout(self.head_time(), tls.open(io, &socket)) => opening,
        };
        match opening {
            Ok(Ok(Some(Opening::Http2(io)))) => self.serve_http2(accepted, io).await,
            Ok(Ok(Some(Opening::Http1(io)))) => self.serve(accepted, io).await,
            Ok(Ok(Some(Opening::Plain(io)))) => {
                accepted.plain = true;
                self.serve(accepted, io).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, peer = %socket.peer(), "no TLS handshake")
            }
            Err(_) => tracing::debug!(peer = %socket.peer(), "no TLS handshake in time"),
        }
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

    async fn serve<I>(&self, accepted: Accepted, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let socket = &accepted.socket;
        let io = TokioIo::new(io);
        let service = service_fn(async |request| {
            let response = self.answer(&accepted, socket.clone(), request).await;
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_time())
            .max_headers(MAX_HEAD_FIELDS)
            // the head's limit as well: it must be whole within the buffer
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(io, service);
        tokio::pin!(connection);
        let mut told = false;
        loop {
            tokio::select! {
                biased;
                () = socket.killed() => return,
                // kept connections are answered throughout the drain; then each ends with what it is doing
                () = self.hard.cancelled(), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, peer = %socket.peer(), "connection ended");
                    }
                    return;
                }
            }
        }
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
        let Ok(response) = self.router.clone().oneshot(request).await;
        response.map(|body| Counting {
            body,
            _counted: counted,
        })
    }
}

fn uncounted(body: Body) -> Counting {
    Counting {
        body,
        _counted: None,
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
    _counted: Option<CountedAddress>,
}

impl HttpBody for Counting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
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
