//! One attempt: a signed request to an endpoint, and what its answer says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use url::Host;

use super::{
    dial::{Connection, DialError, Dialer},
    schedule::LONGEST_ASKED,
    target::Target,
};
use crate::model::time::Time;

/// A connection is made within this, ...
const CONNECT: Duration = Duration::from_secs(5);
/// ... and an attempt is over within this.
const TOTAL: Duration = Duration::from_secs(15);
/// No more of an answer is read.
const MOST_ANSWER: usize = 64 * 1024;
/// So much of it is kept.
const KEPT_ANSWER: usize = 1_024;
/// Connections without a request that are kept for the next, ...
const MOST_IDLE: usize = 8;
/// ... for so long: most servers close them soon after.
const IDLE: Duration = Duration::from_secs(30);
/// The seq, by which a receiver puts messages in order and finds what is missing.
pub const SEQ: HeaderName = HeaderName::from_static("x-sigcast-seq");
const USER_AGENT: &str = concat!("sigcast/", env!("CARGO_PKG_VERSION"));

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// Why it does not count; `None`: it is acknowledged.
    pub failure: Option<Failure>,
    /// More of that, in words, or the beginning of the answer.
    pub said: String,
    /// How long not to come again, by the answer's own word.
    pub retry_after: Option<Duration>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The host has no address now.
    Resolve,
    /// It has one that may not be reached.
    ForbiddenAddress,
    /// Nobody listens there.
    Connect,
    /// Its certificate does not hold, or it speaks no TLS.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection broke off, or what came was no answer.
    Broken,
    /// It wants us elsewhere, where nobody was looked at.
    Redirect,
    /// It answered that it did not take it.
    Status,
    /// It answered that it never will.
    Gone,
    /// The signal is not in the log any more.
    Pruned,
}

impl Failure {
    /// The word in answers and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Failure::Resolve => "resolve",
            Failure::ForbiddenAddress => "forbidden_address",
            Failure::Connect => "connect",
            Failure::Tls => "tls",
            Failure::Timeout => "timeout",
            Failure::Broken => "broken",
            Failure::Redirect => "redirect",
            Failure::Status => "status",
            Failure::Gone => "gone",
            Failure::Pruned => "pruned",
        }
    }
}

impl From<&DialError> for Failure {
    fn from(error: &DialError) -> Self {
        match error {
            DialError::Resolve(_) | DialError::NoAddress => Failure::Resolve,
            DialError::Forbidden(_) => Failure::ForbiddenAddress,
            DialError::Connect(_) => Failure::Connect,
            DialError::Tls(_) => Failure::Tls,
            DialError::Http(_) => Failure::Broken,
            DialError::TimedOut => Failure::Timeout,
        }
    }
}

impl Outcome {
    /// Of a message whose signal is gone.
    #[must_use]
    pub fn pruned() -> Self {
        Outcome::failed(Failure::Pruned, "older than what the log keeps")
    }

    fn failed(failure: Failure, said: impl ToString) -> Self {
        Outcome {
            status: None,
            failure: Some(failure),
            said: kept(&said.to_string()),
            retry_after: None,
        }
    }
}

/// What is kept of what was said: a certificate with a thousand names is told of in as many.
fn kept(said: &str) -> String {
    let end = said.floor_char_boundary(KEPT_ANSWER);
    // no database takes a NUL in a text
    said[..end].replace('\0', "\u{fffd}")
}

/// What is sent: the signal's bytes, and headers that sign them.
#[derive(Clone, Debug)]
pub struct Message {
    /// The very bytes of the stream's `data`.
    pub body: Bytes,
    /// Headers beside those of every request.
    pub headers: HeaderMap,
    /// When it is sent.
    pub at: Time,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

/// An endpoint's connections.
pub struct Line {
    dialer: Dialer,
    target: Target,
    /// One at a time.
    lookups: Arc<Semaphore>,
    /// The latest used last: what rests longest goes first.
    idle: Mutex<VecDeque<Resting>>,
}

impl Line {
    /// To a target.
    #[must_use]
    pub fn new(dialer: Dialer, target: Target) -> Self {
        Line {
            dialer,
            target,
            lookups: Arc::new(Semaphore::new(1)),
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Resting>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one attempt. It never takes longer than 15 s.
    pub async fn attempt(&self, message: &Message) -> Outcome {
        let until = Instant::now() + TOTAL;
        let attempt = timeout_at(until, self.attempt_until(message, until));
        attempt
            .await
            .unwrap_or_else(|_| Outcome::failed(Failure::Timeout, "no answer in time"))
    }

    /// The target's addresses now. A name is looked up once at a time: one that hangs holds a thread of this process until the system gives it up,
    /// which is later than an attempt does, and those of many endpoints must not take all that there are.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, DialError> {
        if !matches!(self.target.host(), Host::Domain(_)) {
            return self.dialer.addresses(&self.target).await;
        }
        let Ok(turn) = self.lookups.clone().acquire_owned().await else {
            return Err(DialError::NoAddress);
        };
        let (dialer, target) = (self.dialer.clone(), self.target.clone());
        let looked_up = tokio::spawn(async move {
            let addresses = dialer.addresses(&target).await;
            drop(turn);
            addresses
        });
        looked_up.await.unwrap_or(Err(DialError::NoAddress))
    }

    async fn attempt_until(&self, message: &Message, until: Instant) -> Outcome {
        let connect_until = Instant::now() + CONNECT;
        let addresses = timeout_at(connect_until, self.addresses()).await;
        let addresses = match addresses.unwrap_or(Err(DialError::TimedOut)) {
            Ok(addresses) => addresses,
            Err(error) => return Outcome::failed((&error).into(), error),
        };
        if let Some(connection) = self.rested(&addresses) {
            if let Ok(outcome) = self.send(connection, message, until).await {
                return outcome;
            }
            // one that rested may have been closed by the peer just now, which says nothing of the endpoint; or it took the message and broke.
            // So a new one tells, and no other that rested as long: this message may have been taken once, and not once for each of them
            self.idle().clear();
        }
        let left = connect_until.saturating_duration_since(Instant::now());
        let connection = self.dialer.connect(&self.target, &addresses, left).await;
        match connection {
            Ok(connection) => match self.send(connection, message, until).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed(Failure::Broken, error),
            },
            Err(error) => Outcome::failed((&error).into(), error),
        }
    }

    /// A connection that rested, and leads to one of these addresses: it was looked at when it was made, and is looked at again.
    fn rested(&self, addresses: &[SocketAddr]) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(resting) = idle.pop_back() {
            let fits = resting.since.elapsed() < IDLE
                && addresses.contains(&resting.connection.address)
                && !resting.connection.requests.is_closed();
            if fits {
                return Some(resting.connection);
            }
        }
        None
    }

    fn rest(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() >= MOST_IDLE {
            idle.pop_front();
        }
        let since = Instant::now();
        idle.push_back(Resting { connection, since });
    }

    /// An error: there was no answer at all.
    async fn send(
        &self,
        mut connection: Connection,
        message: &Message,
        until: Instant,
    ) -> Result<Outcome, hyper::Error> {
        connection.requests.ready().await?;
        let answer = connection
            .requests
            .send_request(self.request(message))
            .await?;
        let (outcome, whole) = read(answer, message.at, until).await;
        if whole {
            self.rest(connection);
        }
        Ok(outcome)
    }

    fn request(&self, message: &Message) -> Request<Full<Bytes>> {
        let url = self.target.url();
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let mut request = Request::new(Full::new(message.body.clone()));
        *request.method_mut() = hyper::Method::POST;
        // proof of both: a URL that was read is in letters that these take; one that is not is sent to its root, and refused there
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.clone_from(&message.headers);
        if let Ok(host) = HeaderValue::from_str(&host) {
            headers.insert(header::HOST, host);
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        request
    }
}

/// What an answer says, and whether all of it was read, so that its connection can carry another.
async fn read(answer: Response<Incoming>, sent: Time, until: Instant) -> (Outcome, bool) {
    let status = answer.status();
    let retry_after = retry_after(status, answer.headers(), sent);
    let mut body = answer.into_body();
    let (mut kept, mut length, mut whole) = (Vec::new(), 0, false);
    // the status is the answer: a body that is long, slow or broken off takes nothing from it
    while length <= MOST_ANSWER {
        match timeout_at(until, body.frame()).await {
            Ok(None) => {
                whole = true;
                break;
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    length += data.len();
                    let room = KEPT_ANSWER.saturating_sub(kept.len());
                    kept.extend_from_slice(&data[..data.len().min(room)]);
                }
            }
            Ok(Some(Err(_))) | Err(_) => break,
        }
    }
    let failure = match status {
        status if status.is_success() => None,
        StatusCode::GONE => Some(Failure::Gone),
        status if status.is_redirection() => Some(Failure::Redirect),
        _ => Some(Failure::Status),
    };
    let said = self::kept(&String::from_utf8_lossy(&kept));
    let outcome = Outcome {
        status: Some(status),
        failure,
        said,
        retry_after,
    };
    (outcome, whole)
}

/// What 429 and 503 ask for: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(status: StatusCode, headers: &HeaderMap, now: Time) -> Option<Duration> {
    let may_ask = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let asked = headers.get(header::RETRY_AFTER).filter(|_| may_ask)?;
    let asked = asked.to_str().ok()?.trim();
    let is_number = !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = match is_number {
        // more than a number holds is more than is done
        true => asked.parse().unwrap_or(u64::MAX),
        false => {
            let date = jiff::fmt::rfc2822::parse(asked).ok()?;
            let left = date.timestamp().as_second() - now.0.div_euclid(Time::SECOND);
            u64::try_from(left).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_ASKED))
}
