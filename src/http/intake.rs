//! Facts and signals in: lines stored as they come, and for each answer, also a broken one, exactly what is in.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    answer_lines::answers,
    error::{ApiError, ApiResult},
    lines::{Line, Lines, whole},
    reply,
    state::State,
};
use crate::{
    ingest::{
        facts::Facts,
        insider::intake::When,
        pipeline::{Arrivals, Receipt, Rejection},
        source::Format,
    },
    model::{fact_line, filing::Filing, filing_line, publish, swap::Fact},
    store::log::Published,
};

/// Lines stored together.
const BATCH: usize = 1_000;
/// Declarations stored together: those that are fresh are judged in the same transaction.
const FILINGS_BATCH: usize = 100;
/// Rejections listed in one answer; more are counted.
const MOST_REJECTIONS: usize = 1_000;
/// Helius sends some hundred transactions at most.
const MAX_HELIUS_BYTES: usize = 16 * 1024 * 1024;

/// What became of a body's lines, up to the last one that is settled: stored, or refused for good.
#[derive(Default)]
struct Tally {
    receipt: Receipt,
    /// A long list of bad lines is counted, not kept.
    unlisted: usize,
    settled: u64,
}

impl Tally {
    /// Adds what became of the lines up to `settled`.
    fn settle(&mut self, mut receipt: Receipt, settled: u64) {
        receipt.rejected.sort_by_key(|rejection| rejection.line);
        self.receipt.add(receipt);
        let listed = &mut self.receipt.rejected;
        self.unlisted += listed.len().saturating_sub(MOST_REJECTIONS);
        listed.truncate(MOST_REJECTIONS);
        self.settled = settled;
    }

    fn json(&self) -> Value {
        let mut body = json!(self.receipt);
        if self.unlisted > 0 {
            body["rejected_more"] = json!(self.unlisted);
        }
        body
    }

    /// What stopped it, and from which line on the same is to be sent again.
    fn stopped(&self, error: ApiError) -> ApiError {
        let mut details = self.json();
        details["next_line"] = json!(self.settled + 1);
        error.details(details)
    }
}

/// `POST /v1/swaps`: NDJSON facts, live.
pub async fn swaps(Shared(state): Shared<Arc<State>>, body: Body) -> ApiResult {
    let mut lines = Lines::new(body, state.ending.clone());
    let mut tally = Tally::default();
    loop {
        let batch = lines.batch(BATCH).await;
        let seen = Instant::now();
        if let Some(&(last, _)) = batch.lines.last() {
            let (facts, mut receipt) = read_facts(batch.lines);
            match store(&state, facts, seen).await {
                Ok(stored) => receipt.add(stored),
                Err(error) => return Err(tally.stopped(error)),
            }
            tally.settle(receipt, last);
        }
        match batch.end {
            None => {}
            Some(Ok(())) => return Ok(reply::json(&tally.json())),
            Some(Err(error)) => return Err(tally.stopped(error)),
        }
    }
}

fn read_facts(lines: Vec<(u64, Line)>) -> (Vec<(u64, Fact)>, Receipt) {
    let mut facts = Vec::with_capacity(lines.len());
    let mut receipt = Receipt::default();
    for (number, line) in lines {
        let parsed = match line {
            Line::Text(text) => fact_line::parse(text.trim_ascii()).map_err(|e| e.0),
            Line::TooLong => Err(format!("longer than {} bytes", fact_line::MAX_LINE_BYTES)),
        };
        match parsed {
            Ok(fact) => facts.push((number, fact)),
            Err(reason) => receipt.rejected.push(Rejection {
                line: number,
                reason,
            }),
        }
    }
    (facts, receipt)
}

async fn store(state: &State, facts: Vec<(u64, Fact)>, seen: Instant) -> ApiResult<Receipt> {
    if facts.is_empty() {
        return Ok(Receipt::default());
    }
    let arrivals = Arrivals {
        facts,
        backfill: false,
        seen,
        sol_usd: None,
    };
    Ok(state.pipeline().facts(arrivals).await?)
}

/// `POST /v1/filings`: NDJSON declarations. A fresh one is scored, and a signal if it is high enough, in its own transaction; older
/// ones are scored in the background.
pub async fn filings(Shared(state): Shared<Arc<State>>, body: Body) -> ApiResult {
    let mut lines = Lines::new(body, state.ending.clone());
    let mut tally = Tally::default();
    loop {
        let batch = lines.batch(FILINGS_BATCH).await;
        let seen = Instant::now();
        if let Some(&(last, _)) = batch.lines.last() {
            let (filings, mut receipt) = read_filings(&state, batch.lines);
            state.intake.refused(receipt.rejected.len() as u64);
            match store_filings(&state, &filings, seen).await {
                Ok(stored) => receipt.add(stored),
                Err(error) => return Err(tally.stopped(error)),
            }
            tally.settle(receipt, last);
        }
        match batch.end {
            None => {}
            Some(Ok(())) => return Ok(reply::json(&tally.json())),
            Some(Err(error)) => return Err(tally.stopped(error)),
        }
    }
}

fn read_filings(state: &State, lines: Vec<(u64, Line)>) -> (Vec<(u64, Filing)>, Receipt) {
    let mut filings = Vec::with_capacity(lines.len());
    let mut receipt = Receipt::default();
    for (line, content) in lines {
        let parsed = match content {
            Line::Text(text) => {
                filing_line::parse(text.trim_ascii(), state.intake.markets()).map_err(|e| e.0)
            }
            Line::TooLong => Err(format!("longer than {} bytes", fact_line::MAX_LINE_BYTES)),
        };
        match parsed {
            Ok(filing) => filings.push((line, filing)),
            Err(reason) => receipt.rejected.push(Rejection { line, reason }),
        }
    }
    (filings, receipt)
}

async fn store_filings(
    state: &State,
    numbered: &[(u64, Filing)],
    seen: Instant,
) -> ApiResult<Receipt> {
    if numbered.is_empty() {
        return Ok(Receipt::default());
    }
    let filings: Vec<Filing> = numbered.iter().map(|(_, filing)| filing.clone()).collect();
    let intake = &state.intake;
    let taken = intake
        .filings(&filings, When::WhileFresh, false, seen)
        .await?;
    Ok(Receipt {
        accepted: taken.accepted,
        duplicate: taken.duplicate,
        rejected: (taken.refused.into_iter())
            .filter_map(|refused| {
                let (line, _) = numbered.get(refused.place)?;
                Some(Rejection {
                    line: *line,
                    reason: refused.reason,
                })
            })
            .collect(),
    })
}

/// `POST /v1/helius`: what a Helius webhook sends.
pub async fn helius(Shared(state): Shared<Arc<State>>, body: Body) -> ApiResult {
    let seen = Instant::now();
    let body = whole(body, MAX_HELIUS_BYTES).await?;
    let mut facts = Vec::new();
    let mut receipt = Receipt::default();
    let mut read = Facts::new(Format::Helius, &body[..], Some(state.clock.now()));
    while let Some(one) = read.next() {
        match one {
            Ok(fact) => facts.push((read.line(), fact)),
            Err(rejected) => receipt.rejected.push(Rejection {
                line: rejected.line,
                reason: rejected.reason,
            }),
        }
    }
    receipt.add(store(&state, facts, seen).await?);
    let mut tally = Tally::default();
    tally.settle(receipt, read.line());
    Ok(reply::json(&tally.json()))
}

/// `POST /v1/signals`: one ready-made signal, or one a line.
pub async fn signals(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-ndjson"))
    {
        return signal_lines(state, body).await;
    }
    let body = whole(body, publish::MAX_TEXT_BYTES).await?;
    let invalid = |why: String| ApiError::new(StatusCode::BAD_REQUEST, "invalid_signal", why);
    let text =
        std::str::from_utf8(&body).map_err(|_| invalid("The body is not UTF-8.".to_owned()))?;
    let signal =
        publish::prepare(text, || state.random.uuid()).map_err(|e| invalid(e.to_string()))?;
    let published = state.pipeline().signals(vec![signal]).await?;
    let one = published
        .first()
        .ok_or_else(|| ApiError::internal(&"a signal got no answer"))?;
    Ok(reply::json(&published_json(one)))
}

fn published_json(one: &Published) -> Value {
    json!({"id": one.id, "seq": one.seq, "duplicate": one.duplicate})
}

/// Answers line by line, as they are stored: what became of each, errors in their place.
///
/// The first lines decide the status. What stops the work later is the last line of a 200, in the uniform body.
async fn signal_lines(state: Arc<State>, body: Body) -> ApiResult {
    let mut signals = SignalLines {
        lines: Lines::new(body, state.ending.clone()),
        state,
        tally: Tally::default(),
        end: None,
    };
    let mut next = signals.next().await?;
    let (answers, body) = answers();
    tokio::spawn(async move {
        while let Some(text) = next {
            if answers.send(text).await.is_err() {
                return;
            }
            next = match signals.next().await {
                Ok(next) => next,
                Err(error) => {
                    // the last line; if the client is gone, nobody misses it
                    let _ = answers.send(format!("{}\n", error.body())).await;
                    return;
                }
            };
        }
    });
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct SignalLines {
    state: Arc<State>,
    lines: Lines,
    tally: Tally,
    end: Option<ApiResult<()>>,
}

impl SignalLines {
    /// Stores the next lines; their answers. `None` after the last.
    async fn next(&mut self) -> ApiResult<Option<String>> {
        match self.end.take() {
            None => {}
            Some(Ok(())) => return Ok(None),
            Some(Err(error)) => return Err(self.tally.stopped(error)),
        }
        let batch = self.lines.batch(BATCH).await;
        self.end = batch.end;
        let Some(&(last, _)) = batch.lines.last() else {
            return Ok(Some(String::new()));
        };
        let mut signals = Vec::new();
        let mut refusals = Vec::with_capacity(batch.lines.len());
        for (number, line) in batch.lines {
            refusals.push(match prepare(&self.state, &line) {
                Ok(signal) => {
                    signals.push(signal);
                    None
                }
                Err(reason) => Some(Rejection {
                    line: number,
                    reason,
                }),
            });
        }
        let published = if signals.is_empty() {
            Vec::new()
        } else {
            let stored = self.state.pipeline().signals(signals).await;
            stored.map_err(|error| self.tally.stopped(error.into()))?
        };
        Ok(Some(self.answer(published, refusals, last)))
    }

    /// A line for each line, in their order.
    fn answer(
        &mut self,
        published: Vec<Published>,
        refusals: Vec<Option<Rejection>>,
        last: u64,
    ) -> String {
        let mut text = String::new();
        let mut receipt = Receipt::default();
        let mut published = published.iter();
        for refusal in refusals {
            let answer = match refusal {
                Some(refused) => {
                    let answer = json!({"error": {"code": "invalid_signal", "line": refused.line, "message": refused.reason}});
                    receipt.rejected.push(refused);
                    answer
                }
                None => published.next().map_or(Value::Null, |one| {
                    if one.duplicate {
                        receipt.duplicate += 1;
                    } else {
                        receipt.accepted += 1;
                    }
                    published_json(one)
                }),
            };
            text.push_str(&answer.to_string());
            text.push('\n');
        }
        self.tally.settle(receipt, last);
        text
    }
}

fn prepare(state: &State, line: &Line) -> Result<publish::NewSignal, String> {
    match line {
        Line::TooLong => Err(format!("longer than {} bytes", fact_line::MAX_LINE_BYTES)),
        Line::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
            publish::prepare(text, || state.random.uuid()).map_err(|e| e.to_string())
        }
    }
}
