//! Listening: accepts connections within the caps, gives each to hyper, and lets them end in time.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use dashmap::DashMap;
use hyper::{Request, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    config::{Config, MAX_HEAD_BYTES, MAX_HEAD_FIELDS},
    guard::AboveCap,
};
use crate::hub::{
    metrics::Metrics,
    socket::{Socket, SocketIo},
    transport::Transport as _,
};

/// Connections above the cap that are still told so.
const TOLD: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listener and its connections.
pub struct Server {
    /// What it serves.
    pub router: Router,
    /// Settings.
    pub config: Config,
    /// Connections at once.
    pub cap: usize,
    /// How long a peer may leave what is written without any answer.
    pub unanswered_for: Duration,
    /// For latencies.
    pub metrics: Metrics,
    /// Cancelled: no new connections.
    pub soft: CancellationToken,
    /// Cancelled: connections end after what they are doing.
    pub hard: CancellationToken,
    /// Knows all connections.
    pub tracker: TaskTracker,
}

struct Counts {
    all: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
}

/// Counts a connection while it lives.
struct Counted {
    counts: Arc<Counts>,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(mut count) = self.counts.by_address.get_mut(&self.address) {
            *count -= 1;
        }
        self.counts
            .by_address
            .remove_if(&self.address, |_, count| *count == 0);
    }
}

impl Server {
    /// Accepts until the soft token is cancelled; the listening socket is closed on return.
    pub async fn run(self, listener: TcpListener) {
        let server = Arc::new(self);
        let counts = Arc::new(Counts {
            all: AtomicUsize::new(0),
            by_address: DashMap::new(),
        });
        loop {
            let accepted = tokio::select! {
                () = server.soft.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => server.clone().admit(tcp, peer, &counts),
                // out of descriptors, most likely: some will come back; the server must not end, nor spin
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed; pausing");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, counts: &Arc<Counts>) {
        let all = counts.all.fetch_add(1, Ordering::Relaxed) + 1;
        let of_address = {
            let mut count = counts.by_address.entry(peer.ip()).or_insert(0);
            *count += 1;
            *count
        };
        let counted = Counted {
            counts: counts.clone(),
            address: peer.ip(),
        };
        let per_address = self.config.max_connections_per_address;
        let above = all > self.cap || (per_address > 0 && of_address > per_address);
        if all > self.cap + TOLD {
            return;
        }
        let Ok(socket) = Socket::new(tcp, peer, self.unanswered_for) else {
            return;
        };
        let tracker = self.tracker.clone();
        tracker.spawn(async move {
            let _counted = counted;
            self.serve(socket, above).await;
        });
    }

    async fn serve(&self, socket: Arc<Socket>, above_cap: bool) {
        let io = TokioIo::new(SocketIo::new(socket.clone(), self.metrics.clone()));
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            let router = self.router.clone();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(socket.clone());
            if above_cap {
                request.extensions_mut().insert(AboveCap);
            }
            async move {
                let Ok(response) = router.oneshot(request).await;
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.config.header_seconds.max(1)))
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
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}
