//! A careful client in Rust: `cargo run --example bot`. It reconnects, resumes, and handles each signal once.

use std::{
    collections::{HashSet, VecDeque},
    io::Write as _,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use http_body_util::BodyExt as _;
use serde_json::Value;
use sigcast::cli::{
    dial::{Target, deepest},
    signal_line::printable,
    sse::{Event, Item, Parser},
};

const PATIENCE: Duration = Duration::from_secs(15);
/// Pings come every 25 s: a minute without a byte is a dead connection, whatever the socket says.
const SILENCE: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let key = variable("SIGCAST_KEY")
        .or_else(|| variable("SIGMATE_KEY"))
        .context("no key: set SIGCAST_KEY")?;
    let url = variable("SIGCAST_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let stop_after = variable("SIGCAST_STOP_AFTER")
        .map(|number| number.parse())
        .transpose()?;
    let mut bot = Bot {
        target: Target::new(&url, &key)?,
        cursor: variable("SIGCAST_LAST_EVENT_ID"),
        retry: Duration::from_secs(1),
        seen: HashSet::new(),
        order: VecDeque::new(),
        left: stop_after.unwrap_or(u64::MAX),
    };
    let mut failures = 0;
    while bot.left > 0 {
        let cursor = bot.cursor.clone();
        match bot.one_connection().await? {
            Next::Done => break,
            Next::Again(at_least) => {
                // A connection that brought something was no failure.
                failures = if bot.cursor == cursor {
                    failures + 1
                } else {
                    0
                };
                let backoff = bot.retry.saturating_mul(1 << failures.min(10));
                tokio::time::sleep(backoff.min(LONGEST_WAIT).max(at_least)).await;
            }
        }
    }
    Ok(())
}

enum Next {
    Again(Duration),
    Done,
}

struct Bot {
    target: Target,
    cursor: Option<String>,
    retry: Duration,
    seen: HashSet<String>,
    order: VecDeque<String>,
    left: u64,
}

impl Bot {
    async fn one_connection(&mut self) -> anyhow::Result<Next> {
        let opening = self.target.open(&[], self.cursor.as_deref(), PATIENCE);
        let mut answer = match opening.await {
            Ok(answer) => answer,
            Err(error) => {
                note(&format!("{error:#}"));
                return Ok(Next::Again(Duration::ZERO));
            }
        };
        let status = answer.response.status().as_u16();
        if status != 200 {
            let after = answer.header("retry-after").and_then(|s| s.parse().ok());
            let reason = answer.refusal(PATIENCE).await;
            // 429 and 5xx pass by themselves; the others need somebody.
            if status != 429 && status < 500 {
                bail!("refused for good: {status} {reason}");
            }
            note(&format!("refused for now: {status} {reason}"));
            return Ok(Next::Again(
                Duration::from_secs(after.unwrap_or(0)).min(LONGEST_WAIT),
            ));
        }
        let mut parser = Parser::new();
        let mut items = Vec::new();
        loop {
            let body = answer.response.body_mut();
            let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Ok(lost(&deepest(&error))),
                Ok(None) => return Ok(lost("the server ended the connection")),
                Err(_) => return Ok(lost("not a byte for a minute")),
            };
            if let Ok(bytes) = frame.into_data() {
                parser.feed(&bytes, &mut items)?;
            }
            for item in items.drain(..) {
                self.take(item)?;
                if self.left == 0 {
                    return Ok(Next::Done);
                }
            }
        }
    }

    fn take(&mut self, item: Item) -> anyhow::Result<()> {
        let event = match item {
            Item::Event(event) => event,
            Item::Retry(ms) => {
                self.retry =
                    Duration::from_millis(ms).clamp(Duration::from_millis(250), LONGEST_WAIT);
                return Ok(());
            }
            Item::Comment(_) => return Ok(()),
        };
        match event.name.as_str() {
            "signal" | "signal_update" | "signal_exit" => self.signal(&event)?,
            "hello" => note(&format!("connected at {}", printable(&event.id))),
            "gap" => note(&format!("GAP: some signals will not come: {}", event.data)),
            "bye" => note(&format!("the server says bye: {}", event.data)),
            "error" => {
                let error: Value = serde_json::from_str(&event.data)?;
                note(&format!("the server ends the stream: {}", event.data));
                // Whoever took the place holds it on purpose: taking it back would only start a quarrel.
                if error["retryable"] == Value::Bool(false) || error["code"] == "superseded" {
                    bail!("waiting will not help");
                }
            }
            _ => {}
        }
        // Last: a signal whose handling failed is sent again on the next connection.
        if !event.id.is_empty() {
            self.cursor = Some(event.id);
        }
        Ok(())
    }

    fn signal(&mut self, event: &Event) -> anyhow::Result<()> {
        let signal: Value = serde_json::from_str(&event.data)?;
        let id = signal["id"].as_str().unwrap_or_default().to_owned();
        if !self.seen.insert(id.clone()) {
            return Ok(());
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), printable);
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{} {} {} {} {}",
            text(&signal["id"]),
            text(&signal["rank"]),
            signal["rank_score"],
            text(&signal["signal_type"]),
            text(&signal["token"]["symbol"]),
        )?;
        self.left -= 1;
        Ok(())
    }
}

fn lost(why: &str) -> Next {
    note(why);
    Next::Again(Duration::ZERO)
}

fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
