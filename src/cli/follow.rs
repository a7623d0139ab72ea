//! Following a stream, sigcast's or Sigmate's: it comes back by itself after whatever ended a connection, and loses nothing that can be had.

use std::{
    collections::{HashSet, VecDeque},
    io,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    dial::{Answer, Target, deepest},
    patience::{Patience, backoff, draw},
    refusal::{Refusal, advice},
    signal_line::{printable, printable_sentence},
    sse::{Event, Item, Parser},
};

const REMEMBERED_SIGNALS: usize = 8192;
const LONGEST_ID: usize = 256;

/// Which stream, and what of it. The key comes from the environment, never from here: arguments are visible to every user of a machine.
#[derive(Debug, Clone, Args)]
pub struct StreamArgs {
    /// The server; the stream's path is added unless the URL has one
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Only these types, such as consensus_buy,insider_buy
    #[arg(long, value_name = "TYPE,…")]
    pub types: Option<String>,
    /// Only this rank and better: S, A, B, C or D
    #[arg(long, value_name = "RANK")]
    pub min_rank: Option<String>,
    /// Only this score and above
    #[arg(long, value_name = "0-100")]
    pub min_score: Option<f64>,
    /// Only this token's address
    #[arg(long)]
    pub token: Option<String>,
    /// Only this market, such as crypto
    #[arg(long)]
    pub market: Option<String>,
    /// Begin with what was published from this time on (ISO 8601)
    #[arg(long, value_name = "ISO")]
    pub since: Option<String>,
    /// Take the stream over from whoever holds it with this key
    #[arg(long)]
    pub takeover: bool,
    /// Trust the certificate authorities of this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl StreamArgs {
    /// Where that is, with the key of the environment; and what is to be said about it.
    pub(super) fn target(&self) -> anyhow::Result<(Target, Option<&'static str>)> {
        let mut target = Target::new(&self.url, &key_from_environment()?)?;
        if let Some(file) = &self.ca_file {
            target = target.trusting(file)?;
        }
        let warning = target.is_exposed().then_some(
            "warning: http is not encrypted, so the key can be read on the way; prefer https",
        );
        Ok((target, warning))
    }
}

fn key_from_environment() -> anyhow::Result<String> {
    ["SIGCAST_KEY", "SIGMATE_KEY"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .map(|key| key.trim().to_owned())
        .find(|key| !key.is_empty())
        .context("no key: put it into the environment, as in `export SIGCAST_KEY=sig_live_…`")
}

/// Where signals and remarks go.
pub(super) trait Sink {
    /// A signal, each once. The next is read when this is done with, and one that failed is asked for again on the next connection.
    async fn signal(&mut self, event: &Event) -> io::Result<()>;
    /// Something about the stream itself.
    fn note(&mut self, text: &str) -> io::Result<()>;
    /// Signals that will not come.
    fn gap(&mut self) {}
}

/// How one connection ended.
enum Ended {
    /// To be opened again, after at least this long.
    Again(Duration),
    /// The server said that there is no more.
    Finished,
}

/// What outlives a connection.
pub(super) struct Follower {
    target: Target,
    filters: Vec<(&'static str, String)>,
    since: Option<String>,
    takeover: bool,
    cursor: Option<String>,
    retry: Duration,
    failures: u32,
    connections: u64,
    seen: Seen,
    patience: Patience,
}

/// Only the parts of `hello`, `gap`, `error` and `bye` that are shown.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Frame {
    user_id: Option<String>,
    plan: Option<String>,
    resumed_from: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
    reason: Option<String>,
    backfill: Option<String>,
    code: Option<String>,
    message: Option<String>,
    retryable: Option<bool>,
}

impl Follower {
    /// One that begins after an event, if one is named.
    pub(super) fn new(
        target: Target,
        args: &StreamArgs,
        after: Option<&str>,
        patience: Patience,
    ) -> Self {
        let mut filters = Vec::new();
        let mut filter = |name: &'static str, value: Option<String>| {
            filters.extend(value.map(|value| (name, value)));
        };
        filter("types", args.types.clone());
        filter("min_rank", args.min_rank.clone());
        filter("min_score", args.min_score.map(|score| score.to_string()));
        filter("token", args.token.clone());
        filter("market", args.market.clone());
        Follower {
            target,
            filters,
            since: args.since.clone(),
            takeover: args.takeover,
            cursor: after.map(str::to_owned),
            retry: patience.retry,
            failures: 0,
            connections: 0,
            seen: Seen::default(),
            patience,
        }
    }

    /// Where it stands: the id after which it goes on.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Follows until the server says that there is no more, or refuses in a way that waiting will not mend.
    pub(super) async fn follow(&mut self, sink: &mut impl Sink) -> anyhow::Result<()> {
        loop {
            let opened = Instant::now();
            let connections = self.connections;
            let wait = match self.one_connection(sink).await? {
                Ended::Finished => return Ok(()),
                Ended::Again(wait) => wait,
            };
            if self.connections > connections && opened.elapsed() >= self.patience.stable {
                self.failures = 0;
            }
            let backoff = backoff(self.retry, self.failures, &self.patience, draw());
            self.failures = self.failures.saturating_add(1);
            let wait = wait.max(backoff);
            sink.note(&format!("reconnecting in {:.1} s", wait.as_secs_f64()))?;
            sleep(wait).await;
        }
    }

    async fn one_connection(&mut self, sink: &mut impl Sink) -> anyhow::Result<Ended> {
        let within = self.patience.connect;
        let query = self.query();
        let opening = self.target.open(&query, self.cursor.as_deref(), within);
        let answer = match opening.await {
            Ok(answer) => answer,
            Err(e) => {
                sink.note(&format!("{e:#}"))?;
                return Ok(Ended::Again(Duration::ZERO));
            }
        };
        match answer.response.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT => {
                sink.note("the server says that there is nothing more to come")?;
                return Ok(Ended::Finished);
            }
            status => return self.refused(status, answer, sink).await,
        }
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
        {
            bail!(
                "{} answers with `{}`, which is no event stream: check --url",
                self.target.address(),
                printable(kind)
            );
        }
        self.connections += 1;
        if self.connections > 1 && self.cursor.is_none() {
            sink.note("this server gives no ids to resume by: signals sent in the meantime may have been missed")?;
        }
        self.read(answer, sink).await
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = self.filters.clone();
        if self.cursor.is_none() {
            query.extend(self.since.clone().map(|since| ("since", since)));
        }
        // Once only: two of these on one key would push each other off for ever.
        if self.takeover && self.connections == 0 {
            query.push(("takeover", "true".to_owned()));
        }
        query
    }

    async fn read(&mut self, mut answer: Answer, sink: &mut impl Sink) -> anyhow::Result<Ended> {
        let mut parser = Parser::new().resumed_from(self.cursor.as_deref().unwrap_or_default());
        let mut items = Vec::new();
        loop {
            let frame =
                match timeout(self.patience.silence, answer.response.body_mut().frame()).await {
                    Err(_) => {
                        let silence = self.patience.silence.as_secs();
                        sink.note(&format!("not a byte for {silence} s, not even a ping"))?;
                        return Ok(Ended::Again(Duration::ZERO));
                    }
                    Ok(None) => {
                        let cut = if parser.is_mid_block() {
                            " in the middle of a frame"
                        } else {
                            ""
                        };
                        sink.note(&format!("the server ended the connection{cut}"))?;
                        return Ok(Ended::Again(Duration::ZERO));
                    }
                    Ok(Some(Err(e))) => {
                        sink.note(&format!("the connection broke: {}", deepest(&e)))?;
                        return Ok(Ended::Again(Duration::ZERO));
                    }
                    Ok(Some(Ok(frame))) => frame,
                };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let fed = parser.feed(&bytes, &mut items);
            for item in items.drain(..) {
                self.take(item, sink).await?;
            }
            fed?;
        }
    }

    async fn take(&mut self, item: Item, sink: &mut impl Sink) -> anyhow::Result<()> {
        let event = match item {
            Item::Comment(_) => return Ok(()),
            Item::Retry(ms) => {
                self.retry = Duration::from_millis(ms);
                return Ok(());
            }
            Item::Event(event) => event,
        };
        match event.name.as_str() {
            "signal" | "signal_update" | "signal_exit" => {
                self.failures = 0;
                if self.seen.is_new(&event) {
                    sink.signal(&event).await?;
                }
            }
            "hello" | "gap" | "error" | "bye" => {
                let frame: Frame = serde_json::from_str(&event.data).unwrap_or_default();
                self.special(&event, frame, sink)?;
            }
            _ => {}
        }
        // After the event was shown, so that one that could not be shown is asked for again.
        if (1..=LONGEST_ID).contains(&event.id.len()) {
            self.cursor = Some(event.id);
        }
        Ok(())
    }

    fn special(&self, event: &Event, frame: Frame, sink: &mut impl Sink) -> anyhow::Result<()> {
        let shown =
            |text: &Option<String>| text.as_deref().map(printable_sentence).unwrap_or_default();
        match event.name.as_str() {
            "hello" => {
                let mut text = format!("connected to {}", self.target.address());
                if frame.user_id.is_some() {
                    text += &format!(", user {}", shown(&frame.user_id));
                }
                if frame.plan.is_some() {
                    text += &format!(", plan {}", shown(&frame.plan));
                }
                if !event.id.is_empty() {
                    text += &format!(", at {}", printable(&event.id));
                }
                if let Some(seq) = frame.resumed_from {
                    text += &format!(", resumed after {seq}");
                }
                sink.note(&text)?;
            }
            "gap" => {
                sink.gap();
                let end =
                    |seq: Option<i64>| seq.map_or_else(|| "?".to_owned(), |seq| seq.to_string());
                sink.note(&format!(
                    "GAP: signals {} to {} cannot be had on this stream ({}); see {}",
                    end(frame.from),
                    end(frame.to),
                    shown(&frame.reason),
                    shown(&frame.backfill)
                ))?;
            }
            "bye" => sink.note(&format!("the server says bye: {}", shown(&frame.reason)))?,
            _ => {
                let code = shown(&frame.code);
                let text = format!("{code}: {}", shown(&frame.message));
                if let Some(advice) = advice(&code) {
                    bail!("the server ended the stream: {text}\n{advice}");
                }
                if frame.retryable == Some(false) {
                    bail!("the server ended the stream: {text}");
                }
                sink.note(&format!("the server reports {text}"))?;
            }
        }
        Ok(())
    }

    async fn refused(
        &mut self,
        status: StatusCode,
        answer: Answer,
        sink: &mut impl Sink,
    ) -> anyhow::Result<Ended> {
        let wait = answer
            .header("retry-after")
            .and_then(|text| text.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(5 * self.patience.longest));
        let body = answer.refusal(self.patience.connect).await;
        let refusal = Refusal::read(&body);
        let text = format!("{} {}", status.as_u16(), refusal.text());
        match status.as_u16() {
            429 => {
                sink.note(&format!("refused: {text}"))?;
                if refusal.code == "connection_limit" || refusal.code.is_empty() {
                    let holder = refusal.holder();
                    sink.note(&format!(
                        "another connection uses this key{holder}: close it, or take its place with --takeover"
                    ))?;
                }
                Ok(Ended::Again(wait.unwrap_or(Duration::from_secs(5))))
            }
            500..=599 | 408 | 425 => {
                sink.note(&format!("the server cannot serve now: {text}"))?;
                Ok(Ended::Again(wait.unwrap_or_default()))
            }
            300..=399 => bail!(
                "{text}: the stream has moved; give its address with --url (a key is not carried to another place unasked)"
            ),
            404 | 405 => bail!(
                "{text}: no stream at {}; check --url",
                self.target.address()
            ),
            401 | 403 => {
                let code = if status == StatusCode::UNAUTHORIZED {
                    "invalid_api_key"
                } else {
                    "subscription_required"
                };
                bail!("refused: {text}\n{}", advice(code).unwrap_or_default())
            }
            _ => bail!("refused: {text}"),
        }
    }
}

/// The ids of the latest signals, so that one sent again on a resume is shown once.
#[derive(Default)]
struct Seen {
    order: VecDeque<String>,
    ids: HashSet<String>,
}

impl Seen {
    fn is_new(&mut self, event: &Event) -> bool {
        #[derive(Deserialize)]
        struct Identified {
            id: String,
        }
        let Ok(Identified { id }) = serde_json::from_str(&event.data) else {
            return true;
        };
        if id.len() > LONGEST_ID {
            return true;
        }
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED_SIGNALS {
            self.order.pop_front().inspect(|old| {
                self.ids.remove(old);
            });
        }
        true
    }
}

#[cfg(test)]
mod tests;
