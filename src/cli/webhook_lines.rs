//! Webhooks as the command line shows them: as JSON, and in lines for a person.

use anyhow::Result;
use serde_json::Value;

use super::outcome::answer;
use crate::webhook::shown::{FailedMessage, Resent, Webhook, WebhookAttempt, WebhookWithSecret};

/// The head of a list.
pub fn list_head() -> String {
    format!(
        "{:36}  {:8}  {:>9}  {:>7}  {:>6}  {:36}  url",
        "id", "state", "behind", "waiting", "failed", "account"
    )
}

/// One of a list.
pub fn list_line(webhook: &Webhook) -> String {
    let state = &webhook.state;
    let behind = state.behind;
    let behind = behind.map_or("-".to_owned(), |behind| behind.to_string());
    format!(
        "{:36}  {:8}  {behind:>9}  {:>7}  {:>6}  {:36}  {}",
        webhook.id,
        word(webhook),
        state.waiting,
        state.failed,
        webhook.account_id,
        webhook.url
    )
}

/// A message that failed.
pub fn failed_line(message: &FailedMessage) -> String {
    let (seq, id) = (message.seq, &message.signal_id);
    let (attempts, first) = (message.attempts, message.first_at);
    format!("{seq:>9}  {id}  {attempts} attempts since {first}")
}

/// What is sent again.
pub fn resent_line(resent: &Resent) -> String {
    let Resent {
        signal_id,
        after,
        until,
        failed_since,
    } = resent;
    match (signal_id, failed_since) {
        (Some(id), _) => format!("signal {id} is sent again ({until})"),
        (None, None) => format!("signals behind {after} up to {until} are sent again"),
        (None, Some(since)) => {
            format!("what failed since {since} is sent again, behind {after} up to {until}")
        }
    }
}

/// An attempt.
pub fn attempt_line(made: &WebhookAttempt) -> String {
    let (id, at, took) = (made.id, made.at, made.latency_ms);
    let status = made
        .status
        .map_or("-".to_owned(), |status| status.to_string());
    let result = made.error.as_deref().unwrap_or("acknowledged");
    let of = match made.seq {
        Some(seq) => format!("seq {seq}, attempt {}", made.attempt),
        None => "test".to_owned(),
    };
    // an answer is a stranger's: one line, and nothing that a terminal obeys
    let answer = made.answer.as_deref().unwrap_or_default();
    let answer: String = answer
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(100)
        .collect();
    format!(
        "{id:>9}  {at}  {status:>3}  {took:>9.1} ms  {result:17}  {of}  {}",
        answer.trim()
    )
}

fn word(webhook: &Webhook) -> &'static str {
    match (&webhook.disabled, webhook.state.failing_since) {
        (Some(disabled), _) if disabled.why == "asked" => "disabled",
        (Some(disabled), _) => disabled.why,
        (None, Some(_)) => "fails",
        (None, None) => "enabled",
    }
}

/// As over HTTP, and whose it is.
pub fn as_json(webhook: &Webhook) -> Result<Value> {
    let mut value = serde_json::to_value(webhook)?;
    value["account_id"] = Value::from(webhook.account_id.clone());
    Ok(value)
}

/// Shows a webhook.
pub fn show(webhook: &Webhook, json: bool) -> Result<()> {
    if json {
        return Ok(answer(as_json(webhook)?)?);
    }
    Ok(answer(lines_of(webhook).join("\n"))?)
}

fn lines_of(webhook: &Webhook) -> Vec<String> {
    let state = &webhook.state;
    let mut lines = vec![
        format!("id: {}", webhook.id),
        format!("account: {}", webhook.account_id),
        format!("url: {}", webhook.url),
        format!("filter: {}", webhook.filter),
    ];
    if !webhook.description.is_empty() {
        lines.push(format!("description: {}", webhook.description));
    }
    lines.push(match &webhook.disabled {
        None => "state: enabled".to_owned(),
        Some(disabled) => format!("state: disabled ({}) since {}", disabled.why, disabled.at),
    });
    if webhook.ordered {
        lines.push("ordered: each signal after the one before".to_owned());
    }
    if let Some(compat) = webhook.compat {
        lines.push(format!("compat: {compat}"));
    }
    let behind = state
        .behind
        .map_or("in a log that is no more".to_owned(), |behind| {
            format!("{behind} signals behind")
        });
    lines.push(format!("sent to: {} ({behind})", state.sent_to));
    lines.push(format!(
        "waiting: {}, failed: {}",
        state.waiting, state.failed
    ));
    for (name, at) in [
        ("failing since", state.failing_since),
        ("last answered", state.answered_at),
        ("old secret until", webhook.old_secret_until),
    ] {
        if let Some(at) = at {
            lines.push(format!("{name}: {at}"));
        }
    }
    lines
}

/// Shows one with its new secret.
pub fn show_new(new: &WebhookWithSecret, json: bool) -> Result<()> {
    let secret = new.secret.reveal();
    if json {
        let mut value = as_json(&new.webhook)?;
        value["secret"] = Value::from(secret);
        return Ok(answer(value)?);
    }
    let lines = lines_of(&new.webhook).join("\n");
    Ok(answer(format!(
        "secret (shown this once): {secret}\n{lines}"
    ))?)
}
