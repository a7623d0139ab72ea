//! What endpoints that misbehave come to: refusals, redirects, endless and broken answers, silence, names that lead where they must not.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::{HeaderMap, header::HeaderValue};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{
    attempt::{Failure, Line, Message, Outcome},
    dial::{Dialer, Resolve, system},
    target::{Allowed, Target},
};
use crate::model::time::Time;

/// How often somebody connected, and the requests that came.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: tokio::sync::Mutex<Vec<String>>,
}

/// An endpoint that answers each request with what is said, and then closes where nothing more is said.
struct Endpoint {
    address: SocketAddr,
    seen: Arc<Seen>,
}

async fn endpoint(answers: &'static [&'static str]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            noted.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer(tcp, answers, noted.clone()));
        }
    });
    Endpoint { address, seen }
}

async fn answer(mut tcp: TcpStream, answers: &'static [&'static str], seen: Arc<Seen>) {
    for answer in answers {
        let Some(request) = request(&mut tcp).await else {
            return;
        };
        seen.requests.lock().await.push(request);
        match *answer {
            // says nothing, until the other side has had enough
            "" => return std::future::pending().await,
            "…" => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                tcp.write_all(head.as_bytes()).await.unwrap();
                let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
                while tcp.write_all(chunk.as_bytes()).await.is_ok() {}
                return;
            }
            said => tcp.write_all(said.as_bytes()).await.unwrap(),
        }
    }
}

/// A request as it came; `None`: no more come.
async fn request(tcp: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4096];
        match tcp.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => text.extend_from_slice(&piece[..read]),
        }
        let said = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = said.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
                return Some(said);
            }
        }
    }
}

fn dialer(resolve: Resolve, networks: &[&str]) -> Dialer {
    let allowed = Allowed {
        http: true,
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Dialer::new(Arc::new(allowed), resolve, Arc::new(tls))
}

fn line(url: &str) -> Line {
    let dialer = dialer(system(), &["127.0.0.0/8"]);
    let target = Target::parse(url, dialer.allowed()).unwrap();
    Line::new(dialer, target)
}

fn to(endpoint: &Endpoint) -> Line {
    line(&format!("http://{}/hook?a=b", endpoint.address))
}

fn message() -> Message {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("one"));
    Message {
        body: Bytes::from_static(b"{\"seq\":1}"),
        headers,
        // Sat, 25 Apr 2026 00:00:00 GMT
        at: Time(1_777_075_200_000_000),
    }
}

async fn once(answers: &'static [&'static str]) -> Outcome {
    to(&endpoint(answers).await).attempt(&message()).await
}

const FINE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn what_is_sent_is_the_message_and_says_who_sends_it() {
    let endpoint = endpoint(&["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"]).await;
    let outcome = to(&endpoint).attempt(&message()).await;
    assert_eq!((outcome.failure, &*outcome.said), (None, "fine"));
    let requests = endpoint.seen.requests.lock().await;
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
    for line in [
        "webhook-id: one",
        "content-type: application/json",
        &format!("host: {}", endpoint.address),
        &format!("user-agent: sigcast/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|said| said == line), "{line}: {head}");
    }
    assert_eq!(body, "{\"seq\":1}");
}

#[tokio::test]
async fn a_status_is_what_it_is() {
    for (answer, failure) in [
        (&[FINE] as &'static [&'static str], None),
        (&["HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n"], None),
        (
            &["HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"],
            Some(Failure::Redirect),
        ),
        (
            &["HTTP/1.1 307 Moved\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"],
            Some(Failure::Redirect),
        ),
        (&["HTTP/1.1 304 Same\r\n\r\n"], Some(Failure::Redirect)),
        (
            &["HTTP/1.1 404 Nowhere\r\ncontent-length: 0\r\n\r\n"],
            Some(Failure::Status),
        ),
        (
            &["HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"],
            Some(Failure::Gone),
        ),
        (
            &["HTTP/1.1 500 Ouch\r\ncontent-length: 0\r\n\r\n"],
            Some(Failure::Status),
        ),
    ] {
        let outcome = once(answer).await;
        assert_eq!(outcome.failure, failure, "{answer:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn who_asks_for_time_is_heard() {
    let asked = [
        (
            "HTTP/1.1 503 Busy\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n",
            Some(90),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: 99999\r\ncontent-length: 0\r\n\r\n",
            Some(3_600),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: Sat, 25 Apr 2026 00:01:30 GMT\r\ncontent-length: 0\r\n\r\n",
            Some(90),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: Fri, 24 Apr 2026 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
            Some(0),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: 99999999999999999999999\r\ncontent-length: 0\r\n\r\n",
            Some(3_600),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n",
            None,
        ),
        (
            "HTTP/1.1 500 Ouch\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n",
            None,
        ),
    ];
    for (answer, seconds) in asked {
        let outcome = once(Box::leak(Box::new([answer]))).await;
        assert_eq!(
            outcome.retry_after,
            seconds.map(Duration::from_secs),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_an_answer() {
    let endpoint = endpoint(&["…"]).await;
    let line = to(&endpoint);
    for _ in 0..2 {
        let outcome = line.attempt(&message()).await;
        assert_eq!((outcome.failure, outcome.said.len()), (None, 1_024));
    }
    // what was not read to its end carries no other request
    assert_eq!(endpoint.seen.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    for answer in [
        &[] as &'static [&'static str],
        &["nonsense\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ncontent-length"],
    ] {
        let outcome = once(answer).await;
        assert_eq!(
            outcome.failure,
            Some(Failure::Broken),
            "{answer:?}: {outcome:?}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let outcome = line(&format!("http://{address}/"))
        .attempt(&message())
        .await;
    assert_eq!(outcome.failure, Some(Failure::Connect));
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = plain.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 No TLS here\r\n\r\n")
            .await
            .unwrap();
        // open until the other side has read that
        let _ = tcp.read(&mut [0; 4_096]).await;
        let _ = tcp.read(&mut [0; 4_096]).await;
    });
    let outcome = line(&format!("https://{address}/"))
        .attempt(&message())
        .await;
    assert_eq!(outcome.failure, Some(Failure::Tls));
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_given_up_after_fifteen_seconds() {
    // the clock of the test stands while a socket is waited for, and leaps where nothing else is to be done
    let begun = Instant::now();
    let outcome = once(&[""]).await;
    assert_eq!(outcome.failure, Some(Failure::Timeout));
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn connections_carry_one_request_after_another_and_may_be_closed_between_two() {
    let endpoint = endpoint(&[FINE, FINE]).await;
    let line = to(&endpoint);
    for expected in [1, 1, 2, 2, 3] {
        let outcome = line.attempt(&message()).await;
        assert_eq!(outcome.failure, None, "{outcome:?}");
        assert_eq!(endpoint.seen.connections.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_hangs_is_asked_for_once_at_a_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = asked.clone();
    let hangs: Resolve = Arc::new(move |_, _| {
        counts.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    });
    let dialer = dialer(hangs, &[]);
    let target = Target::parse("https://hangs.example/", dialer.allowed()).unwrap();
    let line = Line::new(dialer, target);
    let message = message();
    for _ in 0..2 {
        let attempts = tokio::join!(line.attempt(&message), line.attempt(&message));
        for outcome in [attempts.0, attempts.1] {
            assert_eq!(outcome.failure, Some(Failure::Timeout));
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// A name that leads to these addresses, one list after the other.
fn leads_to(lists: &'static [&'static [&'static str]]) -> Resolve {
    let asked = Arc::new(AtomicUsize::new(0));
    Arc::new(move |_, port| {
        let number = asked.fetch_add(1, Ordering::SeqCst).min(lists.len() - 1);
        let addresses = lists[number].iter();
        let addresses = addresses.map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        let addresses: Vec<_> = addresses.collect();
        Box::pin(async move { Ok::<_, io::Error>(addresses) })
    })
}

#[tokio::test]
async fn a_name_may_not_lead_inside() {
    for list in [
        &["10.0.0.1"] as &'static [&'static str],
        &["8.8.8.8", "192.168.0.1"],
        &["::ffff:10.0.0.1"],
        &["fd00::1", "2606:4700::1"],
    ] {
        let dialer = dialer(leads_to(Box::leak(Box::new([list]))), &[]);
        let target = Target::parse("http://rebound.example/", dialer.allowed()).unwrap();
        let outcome = Line::new(dialer, target).attempt(&message()).await;
        assert_eq!(outcome.failure, Some(Failure::ForbiddenAddress), "{list:?}");
        let said = &outcome.said;
        let tells = list.iter().any(|address| said.contains(address));
        assert!(said.contains("leads to") && !tells, "{said}");
    }
    let nowhere = dialer(leads_to(&[&[]]), &[]);
    let target = Target::parse("http://nowhere.example/", nowhere.allowed()).unwrap();
    let outcome = Line::new(nowhere, target).attempt(&message()).await;
    assert_eq!(outcome.failure, Some(Failure::Resolve));
}

#[tokio::test]
async fn a_name_that_moves_is_followed_and_looked_at_each_time() {
    let endpoint = endpoint(&[FINE, FINE, FINE]).await;
    let moving = leads_to(&[
        &["127.0.0.1"],
        &["127.0.0.1"],
        &["10.0.0.1"],
        &["127.0.0.1"],
    ]);
    let dialer = dialer(moving, &["127.0.0.0/8"]);
    let url = format!("http://moving.example:{}/", endpoint.address.port());
    let target = Target::parse(&url, dialer.allowed()).unwrap();
    let line = Line::new(dialer, target);
    let mut failures = Vec::new();
    for _ in 0..4 {
        failures.push(line.attempt(&message()).await.failure);
    }
    // the connection that rested was not used while the name led inside
    assert_eq!(
        failures,
        [None, None, Some(Failure::ForbiddenAddress), None]
    );
    assert_eq!(endpoint.seen.requests.lock().await.len(), 3);
}
