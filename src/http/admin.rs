//! The admin listener: facts and signals in, accounts and keys made, connections seen.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Path, State as Shared, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse as _,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    access,
    error::{ApiError, ApiResult},
    guard,
    lines::{Line, Lines, whole},
    reply,
    state::State,
};
use crate::{
    hub::seat::End,
    ingest::{
        facts::Facts,
        pipeline::{Arrivals, Receipt, Rejection},
        source::Format,
    },
    model::{
        account::{self, Account, KeyRecord},
        fact_line,
        key::{KeyKind, KeyText},
        publish,
        time::Time,
    },
    store::log::Published,
};

/// Lines stored together.
const BATCH: usize = 1_000;
/// Rejections listed in one answer; more are counted.
const MOST_REJECTIONS: usize = 1_000;
/// Helius sends some hundred transactions at most.
const MAX_HELIUS_BYTES: usize = 16 * 1024 * 1024;

/// `POST /v1/swaps`: NDJSON facts, live.
pub async fn swaps(Shared(state): Shared<Arc<State>>, body: Body) -> ApiResult {
    let mut lines = Lines::new(body);
    let mut receipt = Receipt::default();
    let mut batch = Vec::new();
    // a long list of bad lines is counted, not kept
    let mut unlisted = 0;
    let mut seen = Instant::now();
    while let Some((number, line)) = lines.next().await? {
        if batch.is_empty() {
            seen = Instant::now();
        }
        let parsed = match line {
            Line::Text(text) => fact_line::parse(text.trim_ascii()).map_err(|e| e.0),
            Line::TooLong => Err(format!("longer than {} bytes", fact_line::MAX_LINE_BYTES)),
        };
        match parsed {
            Ok(fact) => batch.push((number, fact)),
            Err(_) if receipt.rejected.len() >= MOST_REJECTIONS => unlisted += 1,
            Err(reason) => receipt.rejected.push(Rejection {
                line: number,
                reason,
            }),
        }
        // what is here goes together; a sender that pauses gets its facts stored meanwhile
        if batch.len() >= BATCH || !lines.has_line() {
            store(&state, std::mem::take(&mut batch), seen, &mut receipt).await?;
        }
    }
    store(&state, batch, seen, &mut receipt).await?;
    receipt.rejected.sort_by_key(|rejection| rejection.line);
    Ok(answer(receipt, unlisted))
}

async fn store(
    state: &State,
    facts: Vec<(u64, crate::model::swap::Fact)>,
    seen: Instant,
    receipt: &mut Receipt,
) -> ApiResult<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let arrivals = Arrivals {
        facts,
        backfill: false,
        seen,
        sol_usd: None,
    };
    receipt.add(state.pipeline.facts(arrivals).await?);
    Ok(())
}

fn answer(mut receipt: Receipt, unlisted: usize) -> axum::response::Response {
    let more = unlisted + receipt.rejected.len().saturating_sub(MOST_REJECTIONS);
    receipt.rejected.truncate(MOST_REJECTIONS);
    let mut body = json!(receipt);
    if more > 0 {
        body["rejected_more"] = json!(more);
    }
    reply::json(&body)
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
    store(&state, facts, seen, &mut receipt).await?;
    Ok(answer(receipt, 0))
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
        return signal_lines(&state, body).await;
    }
    let body = whole(body, publish::MAX_SIGNAL_BYTES * 2).await?;
    let text = std::str::from_utf8(&body).map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_signal",
            "The body is not UTF-8.",
        )
    })?;
    let signal = publish::prepare(text, || state.random.uuid())
        .map_err(|e| ApiError::new(StatusCode::BAD_REQUEST, "invalid_signal", e.to_string()))?;
    let published = state.pipeline.signals(vec![signal]).await?;
    let one = published
        .first()
        .ok_or_else(|| ApiError::internal(&"a signal got no answer"))?;
    Ok(reply::json(&published_json(one)))
}

fn published_json(one: &Published) -> serde_json::Value {
    json!({"id": one.id, "seq": one.seq, "duplicate": one.duplicate})
}

/// Answers line by line: what became of each, errors in their place.
async fn signal_lines(state: &State, body: Body) -> ApiResult {
    let mut lines = Lines::new(body);
    let mut answers = String::new();
    let mut batch = Vec::new();
    let mut slots: Vec<Result<(), serde_json::Value>> = Vec::new();
    loop {
        let line = lines.next().await?;
        let ended = line.is_none();
        if let Some((number, line)) = line {
            let prepared = match &line {
                Line::TooLong => Err("longer than a line may be".to_owned()),
                Line::Text(text) => std::str::from_utf8(text)
                    .map_err(|_| "not UTF-8".to_owned())
                    .and_then(|text| {
                        publish::prepare(text, || state.random.uuid()).map_err(|e| e.to_string())
                    }),
            };
            slots.push(match prepared {
                Ok(signal) => {
                    batch.push(signal);
                    Ok(())
                }
                Err(reason) => Err(
                    json!({"error": {"code": "invalid_signal", "line": number, "message": reason}}),
                ),
            });
        }
        if ended || batch.len() >= BATCH || !lines.has_line() {
            let published = if batch.is_empty() {
                Vec::new()
            } else {
                state.pipeline.signals(std::mem::take(&mut batch)).await?
            };
            let mut published = published.iter();
            for slot in slots.drain(..) {
                let answer = match slot {
                    Ok(()) => published.next().map(published_json).unwrap_or_default(),
                    Err(refused) => refused,
                };
                answers.push_str(&answer.to_string());
                answers.push('\n');
            }
        }
        if ended {
            let mut response = reply::json_text(answers);
            let kind = header::HeaderValue::from_static("application/x-ndjson");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            return Ok(response);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    name: String,
    plan: String,
    #[serde(default)]
    expires: Option<String>,
}

/// `POST /v1/accounts`
pub async fn create_account(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult {
    let asked: NewAccount = read_json(&state, &headers, body).await?;
    if !state.plans.contains_key(&asked.plan) {
        let known: Vec<&str> = state.plans.keys().map(String::as_str).collect();
        return Err(ApiError::parameter("plan", &asked.plan, &known.join(", ")));
    }
    account::check_name(&asked.name).map_err(|allowed| ApiError::parameter("name", "", allowed))?;
    let account = Account {
        id: state.random.uuid().hyphenated().to_string(),
        name: asked.name,
        plan: asked.plan,
        expires_at: read_time("expires", asked.expires.as_deref())?,
        suspended_at: None,
        created_at: state.clock.now(),
    };
    state.db.create_account(&account).await?;
    Ok(reply::json(&json!({
        "id": account.id, "name": account.name, "plan": account.plan,
        "expires_at": account.expires_at, "created_at": account.created_at,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    account_id: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

/// `POST /v1/keys`
pub async fn create_key(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult {
    let asked: NewKey = read_json(&state, &headers, body).await?;
    let account = state.db.account(&asked.account_id).await?;
    let account = account.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "account_not_found",
            "There is no account with this id.",
        )
    })?;
    let streams = state
        .plans
        .get(&account.plan)
        .is_some_and(|plan| plan.stream);
    let kind = match asked.kind.as_deref() {
        None if streams => KeyKind::Stream,
        None => KeyKind::Data,
        Some(word) => {
            KeyKind::parse(word).ok_or_else(|| ApiError::parameter("kind", word, "stream, data"))?
        }
    };
    let key = KeyText::generate(kind, || state.random.byte());
    let record = KeyRecord {
        id: state.random.uuid().hyphenated().to_string(),
        account_id: account.id,
        kind,
        prefix: key.prefix().to_owned(),
        created_at: state.clock.now(),
        expires_at: read_time("expires", asked.expires.as_deref())?,
        revoked_at: None,
    };
    state.db.create_key(&record, &key).await?;
    Ok(reply::json(
        &json!({"id": record.id, "key": key.reveal(), "prefix": record.prefix}),
    ))
}

/// `DELETE /v1/keys/{id}`: revoked, and its stream ended, before the answer.
pub async fn revoke_key(
    Shared(state): Shared<Arc<State>>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult {
    let Path(id) = id?;
    let revoked = state.db.revoke_key(&id, state.clock.now()).await?;
    let record = revoked.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "key_not_found",
            "There is no key with this id.",
        )
    })?;
    access::refresh_key(&state, &record.id).await?;
    Ok(reply::json(
        &json!({"id": record.id, "prefix": record.prefix, "revoked_at": record.revoked_at}),
    ))
}

/// `GET /v1/connections`
pub async fn connections(Shared(state): Shared<Arc<State>>) -> ApiResult {
    let seats = state.hub.seats.all();
    let items: Vec<_> = seats
        .iter()
        .map(|seat| {
            json!({
                "connection": seat.connection, "key_id": seat.key_id, "account_id": seat.account_id,
                "address": seat.peer.to_string(), "connected_at": seat.connected_at,
            })
        })
        .collect();
    Ok(reply::json(&json!({"total": items.len(), "items": items})))
}

/// `DELETE /v1/connections/{number}`: closed; its client may come back.
pub async fn close_connection(
    Shared(state): Shared<Arc<State>>,
    number: Result<Path<u64>, PathRejection>,
) -> ApiResult {
    let Path(number) = number?;
    match state
        .hub
        .seats
        .all()
        .into_iter()
        .find(|seat| seat.connection == number)
    {
        Some(seat) => {
            seat.end(End::Drain);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        None => Ok(ApiError::not_found().into_response()),
    }
}

async fn read_json<T: serde::de::DeserializeOwned>(
    state: &State,
    headers: &HeaderMap,
    body: Body,
) -> ApiResult<T> {
    guard::check_is_json(headers)?;
    let bytes = whole(body, state.config.max_body_bytes).await?;
    serde_json::from_slice(&bytes).map_err(|e| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            format!("The body does not fit: {e}."),
        )
    })
}

fn read_time(name: &str, text: Option<&str>) -> ApiResult<Option<Time>> {
    let Some(text) = text else { return Ok(None) };
    let time = Time::parse_iso(text);
    time.map(Some).map_err(|_| {
        ApiError::parameter(name, text, "an ISO 8601 time such as 2026-04-24T09:32:14Z")
    })
}
