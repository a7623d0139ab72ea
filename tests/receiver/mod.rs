//! A webhook receiver that misbehaves as it is told to, and writes down what comes. Tests and benches alike take it in by its path.
//!
//! Paths are receivers of their own: each has its manner, what comes to it first, and its deliveries.

mod manner;
mod record;
mod serve;

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, runtime::Runtime, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

pub use manner::{Answer, Manner};
pub use record::Delivery;
use record::Shared;

/// How often it is looked whether enough came.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// A receiver on a thread of its own, ended when dropped.
pub struct Receiver {
    /// Where it listens, also while it is down.
    pub address: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    up: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Receiver {
    /// One that takes everything and keeps all that comes.
    pub fn start() -> Self {
        Self::with(true, None)
    }

    /// One that keeps of a delivery what is counted, and neither head nor body: for many.
    pub fn counting() -> Self {
        Self::with(false, None)
    }

    /// One that speaks TLS.
    pub fn secure(config: rustls::ServerConfig) -> Self {
        Self::with(true, Some(Arc::new(config).into()))
    }

    fn with(keeps: bool, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("receiver")
            .enable_all()
            .build();
        let mut receiver = Receiver {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls,
            shared: Shared::new(keeps),
            up: None,
            runtime: Some(runtime.expect("a runtime")),
        };
        receiver.up();
        receiver
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("until it is dropped")
    }

    /// Listens, at the address that it had before.
    pub fn up(&mut self) {
        if self.up.is_some() {
            return;
        }
        let bound = self.runtime().block_on(TcpListener::bind(self.address));
        let listener = bound.expect("the receiver's address");
        self.address = listener.local_addr().expect("an address");
        let taking = serve::take(listener, self.tls.clone(), self.shared.clone());
        self.up = Some(self.runtime().spawn(taking));
    }

    /// Refuses connections, and ends those that there are.
    pub fn down(&mut self) {
        if let Some(up) = self.up.take() {
            up.abort();
            let _ = self.runtime().block_on(up);
        }
    }

    /// The URL of a path, such as `/hook`.
    pub fn url(&self, path: &str) -> String {
        match self.tls {
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
            None => format!("http://{}{path}", self.address),
        }
    }

    /// From here on this path answers so.
    pub fn behave(&self, path: &str, manner: Manner) {
        self.shared.state().manners.insert(path.to_owned(), manner);
    }

    /// From here on every path does that has no manner of its own.
    pub fn behave_everywhere(&self, manner: Manner) {
        self.shared.state().everywhere = Some(manner);
    }

    /// The next requests to this path are answered so, one each; those after them as it is otherwise said.
    pub fn first(&self, path: &str, manners: impl IntoIterator<Item = Manner>) {
        let mut state = self.shared.state();
        state
            .first
            .entry(path.to_owned())
            .or_default()
            .extend(manners);
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> usize {
        self.shared.made.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// What came so far, in the order of its coming.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.state().deliveries.clone()
    }

    /// What came to a path.
    pub fn at(&self, path: &str) -> Vec<Delivery> {
        let state = self.shared.state();
        let there = state.deliveries.iter().filter(|one| &*one.path == path);
        there.cloned().collect()
    }

    /// Takes what came, so that what is kept stays small.
    pub fn drain(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.shared.state().deliveries)
    }

    /// Waits until what came is enough; what came then. `None` where the time is over first.
    pub fn wait_until(
        &self,
        within: Duration,
        enough: impl Fn(&[Delivery]) -> bool,
    ) -> Option<Vec<Delivery>> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.state();
        while !enough(&state.deliveries) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.shared.came.wait_timeout(state, left);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            // where a thousand come a second, each is not worth a look of its own
            std::thread::sleep(BETWEEN_LOOKS);
            state = self.shared.state();
        }
        Some(state.deliveries.clone())
    }

    /// Waits for so many requests that were answered with success.
    pub fn wait_for(&self, acknowledged: usize, within: Duration) -> Option<Vec<Delivery>> {
        self.wait_until(within, |all| {
            all.iter().filter(|one| one.is_acknowledged()).count() >= acknowledged
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.down();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
