//! A client of HTTP/2 that opens and shuts the windows of its streams as a test will have it.

use std::{net::SocketAddr, sync::Arc};

use h2::{
    RecvStream,
    client::{Builder, SendRequest},
};
use http::{HeaderMap, Request, Response};
use hyper::body::Bytes;
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use super::{
    secure::trusting,
    server::{Key, Server},
    wire::PATIENCE,
};

/// One connection.
pub struct Client {
    to: SocketAddr,
    pub send: SendRequest<Bytes>,
    /// Ends with the connection.
    pub driver: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, read as it comes.
pub struct Answer {
    head: Response<()>,
    body: RecvStream,
    /// All of it so far.
    pub read: String,
}

pub async fn tls(to: SocketAddr, trust: &CertificateDer<'static>) -> (TcpStream, TlsOver) {
    let tcp = TcpStream::connect(to).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let connector = Arc::new(trusting(trust.clone(), &[b"h2"]));
    let over = tokio_rustls::TlsConnector::from(connector);
    let same = tcp.into_std().unwrap();
    let (one, other) = (same.try_clone().unwrap(), same);
    let over = over.connect(
        "localhost".try_into().unwrap(),
        TcpStream::from_std(other).unwrap(),
    );
    let over = over.await.unwrap();
    assert_eq!(over.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    (TcpStream::from_std(one).unwrap(), over)
}

pub type TlsOver = tokio_rustls::client::TlsStream<TcpStream>;

impl Client {
    pub async fn connect(server: &Server) -> Self {
        Self::with_window(server, 1 << 20).await
    }

    /// With so much room for each stream, and plenty for all of them.
    pub async fn with_window(server: &Server, window: u32) -> Self {
        let trust = &server.certificate.as_ref().unwrap().der;
        Self::over(tls(server.main, trust).await.1, server.main, window).await
    }

    pub async fn over(io: TlsOver, to: SocketAddr, window: u32) -> Self {
        let (send, connection) = Builder::new()
            .initial_window_size(window)
            .initial_connection_window_size(1 << 24)
            .handshake(io)
            .await
            .unwrap();
        Client {
            to,
            send,
            driver: tokio::spawn(connection),
        }
    }

    pub fn request(&self, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(format!("https://localhost:{}{path}", self.to.port()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(self.request(path, headers)).await
    }

    pub async fn ask(&mut self, request: Request<()>) -> Answer {
        let send = &mut self.send;
        std::future::poll_fn(|cx| send.poll_ready(cx))
            .await
            .unwrap();
        let (answer, _) = send.send_request(request, true).unwrap();
        let answer = timeout(PATIENCE, answer).await.expect("a head in time");
        let (head, body) = answer.unwrap().into_parts();
        Answer {
            head: Response::from_parts(head, ()),
            body,
            read: String::new(),
        }
    }

    pub async fn stream(&mut self, key: &Key, query: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {}", key.text);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        self.get(&format!("/api/signals/stream{query}"), &all).await
    }

    /// The server must end the connection, and blame nobody.
    pub async fn expect_end(&mut self) {
        let ended = timeout(PATIENCE, &mut self.driver).await;
        let ended = ended.expect("the connection ends").unwrap();
        // a farewell of the client's may have met a closed socket
        assert!(
            ended.as_ref().is_ok() || ended.as_ref().is_err_and(h2::Error::is_io),
            "{ended:?}"
        );
    }

    /// A stream that must be granted.
    pub async fn listen(&mut self, key: &Key, headers: &[(&str, &str)]) -> Answer {
        let mut stream = self.stream(key, "", headers).await;
        stream.expect("event: hello").await;
        stream
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// Reads one piece, and makes room for as much; `None` at the end.
    pub async fn more(&mut self) -> Option<Result<(), h2::Error>> {
        let bytes = match self.body.data().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        self.read.push_str(std::str::from_utf8(&bytes).unwrap());
        let made = self.body.flow_control().release_capacity(bytes.len());
        Some(made)
    }

    /// Reads on until this has come.
    pub async fn expect(&mut self, text: &str) {
        let found = timeout(PATIENCE, async {
            while !self.read.contains(text) {
                let more = self.more().await;
                more.unwrap_or_else(|| panic!("it ended without `{text}`: {}", self.read))
                    .unwrap_or_else(|e| panic!("{e} in place of `{text}`: {}", self.read));
            }
        });
        let found = found.await;
        assert!(found.is_ok(), "no `{text}` in {}", self.read);
    }

    /// Reads to its end: an orderly one, or a reset.
    pub async fn end(&mut self) -> Result<(), h2::Error> {
        let all = async {
            while let Some(more) = self.more().await {
                more?;
            }
            Ok(())
        };
        timeout(PATIENCE, all).await.expect("an end in time")
    }

    pub async fn json(&mut self) -> Value {
        self.end().await.unwrap();
        serde_json::from_str(&self.read).unwrap()
    }

    /// The places of all signals that have come.
    pub fn seqs(&self) -> Vec<u64> {
        let lines = self.read.lines();
        let data = lines.filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter(|data| data["signal_type"].is_string())
            .map(|data| data["seq"].as_u64().unwrap())
            .collect()
    }

    pub fn last_id(&self) -> String {
        let last = self
            .read
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("id: "));
        last.unwrap().to_owned()
    }
}
