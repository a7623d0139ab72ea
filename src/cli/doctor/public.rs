//! The public address, as a client meets it: a stream opened through whatever stands in front of the server.

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use hyper::{StatusCode, header};
use tokio::time::timeout;

use super::{certificate, finding::Finding};
use crate::{
    cli::{
        dial::{Answer, NoAnswer, Target},
        refusal::{Refusal, advice},
        sse::{Item, Parser},
    },
    model::{
        address::ClientAddress,
        time::{Clock, Time},
    },
};

const PATIENCE: Duration = Duration::from_secs(10);
/// What a server writes is there by then, unless somebody keeps it.
const PROMPT: Duration = Duration::from_secs(3);
/// A `Date` field has whole seconds, and the way takes a while as well.
const SKEW: i64 = 2 * Time::SECOND;
const GREAT_SKEW: i64 = 30 * Time::SECOND;

const UNBUFFERED: &str = "switch the proxy's buffering off for /api/signals/stream (nginx: `proxy_buffering off;` and no `proxy_ignore_headers X-Accel-Buffering`), compression and response caching too";

/// Opens a stream, has the server write a comment into it, and looks at what came and when. Publishes nothing.
pub(super) async fn check(target: &Target, clock: &Clock) -> Vec<Finding> {
    let begun = Instant::now();
    let answer = match target.open(&[], None, PATIENCE).await {
        Ok(answer) => answer,
        Err(error) => return vec![unreachable(target, &error)],
    };
    let mut found = vec![transport(target, &answer, clock.now())];
    found.extend(time_of_day(&answer, clock.now()));
    if answer.response.status() != StatusCode::OK {
        found.push(refused(answer).await);
        return found;
    }
    found.extend(head(&answer));
    let mut reader = Reader::new(answer);
    let left = PATIENCE.saturating_sub(begun.elapsed());
    match reader.until(left, |item| matches!(item, Item::Event(_))).await {
        Some(Item::Event(event)) if event.name == "hello" => {
            found.push(hello(begun.elapsed()));
            found.extend(probed(target, &mut reader).await);
        }
        Some(Item::Event(event)) => found.push(Finding::fail(
            "stream",
            format!("the first frame is `{}`: {}", event.name, event.data),
            "the server goes down, or has too many connections: try again when it is up",
        )),
        _ => found.push(Finding::fail(
            "buffering",
            format!("the answer's head came, and no frame within {} s: a proxy keeps what the server sends", PATIENCE.as_secs()),
            UNBUFFERED,
        )),
    }
    found
}

fn unreachable(target: &Target, error: &anyhow::Error) -> Finding {
    let address = target.address();
    if error.downcast_ref::<NoAnswer>().is_some() {
        return Finding::fail(
            "buffering",
            format!(
                "{address} takes the connection, and answers nothing within {} s: a proxy keeps what the server sends, or the server behind it hangs",
                PATIENCE.as_secs()
            ),
            UNBUFFERED,
        );
    }
    Finding::fail(
        "reach",
        format!("{address}: {error:#}"),
        "see that the name, the port and the certificate are right, and that the server and its proxy run",
    )
}

/// TLS, or none.
fn transport(target: &Target, answer: &Answer, now: Time) -> Finding {
    let address = target.address();
    if target.is_exposed() {
        return Finding::fail(
            "tls",
            format!("{address}: keys cross the network in the clear"),
            "give the server a certificate (--tls-cert), or put a proxy that ends TLS in front; and give out the https address",
        );
    }
    let Some(der) = &answer.certificate else {
        return Finding::ok(
            "tls",
            format!("{address} is on this machine: none is needed"),
        );
    };
    certificate::holds("tls", der, now)
}

/// The server's clock, or its proxy's, beside ours.
fn time_of_day(answer: &Answer, now: Time) -> Option<Finding> {
    let date = answer.header("date")?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ahead = date.as_microsecond() - now.0;
    let seconds = ahead as f64 / Time::SECOND as f64;
    let said = format!("the server's clock and this machine's differ by {seconds:.1} s");
    let advice = "run chrony or systemd-timesyncd on both: tickets, expiries and `since` go by the server's clock";
    Some(match ahead.abs() {
        0..=SKEW => Finding::ok("clock", "the server's clock and this machine's agree"),
        n if n > GREAT_SKEW => Finding::fail("clock", said, advice),
        _ => Finding::warn("clock", said, advice),
    })
}

async fn refused(answer: Answer) -> Finding {
    let status = answer.response.status();
    let refusal = Refusal::read(&answer.refusal(PATIENCE).await);
    let said = format!("the stream was refused, {status}: {}", refusal.text());
    let what_to_do = match refusal.code.as_str() {
        "connection_limit" => {
            "this key is in use: give another one in SIGCAST_KEY, or none where the server's data directory is at hand"
        }
        code => advice(code).unwrap_or(
            "see that this is the address of a sigcast server, and that the proxy passes Authorization on",
        ),
    };
    Finding::fail("stream", said, what_to_do)
}

/// What a proxy may have done to the head.
fn head(answer: &Answer) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(coding) = answer.header(header::CONTENT_ENCODING.as_str()) {
        found.push(Finding::fail(
            "compression",
            format!("the stream comes as `{coding}`: a proxy compresses it, and keeps frames until there is enough to compress"),
            UNBUFFERED,
        ));
    }
    let kind = answer
        .header(header::CONTENT_TYPE.as_str())
        .unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        found.push(Finding::fail(
            "stream",
            format!("it is sent as `{kind}`, which no stream client takes"),
            "see what the proxy does to Content-Type",
        ));
    }
    found
}

fn hello(after: Duration) -> Finding {
    let said = format!("the first frame came after {} ms", after.as_millis());
    if after > PROMPT {
        Finding::fail("buffering", said, UNBUFFERED)
    } else {
        Finding::ok("hello", said)
    }
}

/// A second request for the same seat makes the server write a `: probe` to the first at once: whether it comes at once shows what
/// becomes of small frames on the way. Its refusal tells who the server takes us for.
async fn probed(target: &Target, reader: &mut Reader) -> Vec<Finding> {
    let begun = Instant::now();
    let second = target.open(&[], None, PATIENCE);
    let is_probe = |item: &Item| matches!(item, Item::Comment(text) if text.trim() == "probe");
    let probe = async {
        let seen = reader.until(PATIENCE, is_probe).await;
        seen.map(|_| begun.elapsed())
    };
    let (second, probe) = tokio::join!(second, probe);
    let mut found = vec![match probe {
        Some(after) if after <= PROMPT => Finding::ok(
            "buffering",
            format!(
                "none: a comment of 8 bytes came {} ms after it was asked for",
                after.as_millis()
            ),
        ),
        Some(after) => Finding::fail(
            "buffering",
            format!(
                "a comment of 8 bytes took {} ms: something on the way keeps small frames",
                after.as_millis()
            ),
            UNBUFFERED,
        ),
        None => Finding::fail(
            "buffering",
            format!(
                "a comment that the server wrote did not come within {} s: a proxy keeps small frames",
                PATIENCE.as_secs()
            ),
            UNBUFFERED,
        ),
    }];
    match second {
        Ok(second) if second.response.status() == StatusCode::TOO_MANY_REQUESTS => {
            let refusal = Refusal::read(&second.refusal(PATIENCE).await);
            found.extend(
                refusal
                    .holder_address
                    .map(|address| seen_as(target, &address)),
            );
        }
        Ok(second) => found.push(Finding::warn(
            "stream",
            format!(
                "a second stream with this key was answered {}",
                second.response.status()
            ),
            "was the server restarted meanwhile? Run this again",
        )),
        Err(error) => found.push(Finding::warn(
            "stream",
            format!("a second connection failed: {error:#}"),
            "see how many connections the proxy allows one client",
        )),
    }
    found
}

/// Whether the server sees its clients, or its proxy in place of them all.
fn seen_as(target: &Target, address: &str) -> Finding {
    let near = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    let seen = ClientAddress::parse(address);
    // an address with a port is the connection's own: nobody vouched for another
    let is_proxy = seen.is_some_and(|seen| near(seen.ip) && seen.port.is_some());
    if is_proxy && !target.is_near(near) {
        Finding::warn(
            "client address",
            format!(
                "the server takes this client for {address}, which is its proxy's: logs, limits and lists of connections show that for all"
            ),
            "name the proxy in http.trusted_proxies, and have it send X-Forwarded-For",
        )
    } else {
        Finding::ok(
            "client address",
            format!("the server takes this client for {address}"),
        )
    }
}

/// A stream's frames, one at a time.
struct Reader {
    answer: Answer,
    parser: Parser,
    items: VecDeque<Item>,
}

impl Reader {
    fn new(answer: Answer) -> Self {
        Reader {
            answer,
            parser: Parser::new(),
            items: VecDeque::new(),
        }
    }

    /// Reads on to an item of this kind; `None` where the time or the stream is over first.
    async fn until(&mut self, within: Duration, wanted: impl Fn(&Item) -> bool) -> Option<Item> {
        let search = async {
            loop {
                while let Some(item) = self.items.pop_front() {
                    if wanted(&item) {
                        return Some(item);
                    }
                }
                let frame = self.answer.response.body_mut().frame().await?.ok()?;
                let mut read = Vec::new();
                if let Ok(bytes) = frame.into_data() {
                    self.parser.feed(&bytes, &mut read).ok()?;
                }
                self.items.extend(read);
            }
        };
        timeout(within, search).await.ok().flatten()
    }
}
