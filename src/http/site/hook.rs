//! `/account/webhooks/{id}`: where one webhook stands, what it answered, what failed, and what may be done with it.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    act::{self, Button},
    figures::{moment, whole},
    frame::{self, Page, Place},
    hooks,
    problem::{PageResult, Problem, or_problem},
    visit::{Session, Visit},
};
use crate::{
    gate::{path_id::WebhookId, webhook_query::AttemptsQuery},
    http::{call::WebhookPath, error::ApiResult},
    webhook::shown::{FailedMessage, Webhook, WebhookAttempt},
};

/// Attempts on a page.
const ATTEMPTS: i64 = 25;
/// Failed messages that are shown.
const FAILED: i64 = 25;

/// A webhook with what is known of it; `notice` stands above it.
async fn body(
    visit: &Visit,
    session: &Session,
    id: &str,
    notice: &Markup,
) -> Result<Markup, Problem> {
    let desk = &visit.site.state.desk;
    let account = Some(session.known.holder.account.id.as_str());
    let hook = desk.one(account, id).await?;
    let query = AttemptsQuery {
        limit: ATTEMPTS,
        ..AttemptsQuery::parse(visit.uri.query().unwrap_or_default())?
    };
    let attempts = desk.attempts(account, id, &query).await?;
    let (failed, messages) = desk.failed(account, id, FAILED, 0).await?;
    let base = format!("/account/webhooks/{id}");
    Ok(html! {
        div #hook {
            (notice)
            (facts(&hook))
            h2 { "Do" }
            (actions(&base, &hook))
            h2 { "Attempts" }
            @if attempts.items.is_empty() { p { "None was made, or none is remembered." } } @else {
                (attempts_table(&base, &attempts.items))
                @if let Some(next) = attempts.next { p { a href={ (base) "?before=" (next) } { "Older attempts" } } }
            }
            h2 { "Failed messages" }
            @if messages.is_empty() { p { "None." } } @else {
                p { (whole(failed)) " were given up after their last attempt. They stay until they are sent again and acknowledged." }
                (Button {
                    action: &format!("{base}/resend-failed"), target: "#hook", label: "Send all of them again", of: "",
                    confirm: "Send all failed messages again?", done: "",
                }.show())
                (failed_table(&base, &messages))
            }
        }
    })
}

/// `consensus_buy; rank A or better`: what passes a filter.
fn filter_words(filter: &Value) -> String {
    let text = |name: &str| filter[name].as_str();
    let types = filter["types"].as_array().map(|types| {
        let names: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        names.join(", ")
    });
    let rank = text("min_rank").map(|rank| format!("rank {rank} or better"));
    let score = filter["min_score"].as_f64();
    let score = score.map(|score| format!("a score of {score} or more"));
    let market = text("market").map(|market| format!("market {market}"));
    let all: Vec<String> = [types, rank, score, market].into_iter().flatten().collect();
    match all.is_empty() {
        true => "everything".to_owned(),
        false => all.join("; "),
    }
}

fn facts(hook: &Webhook) -> Markup {
    html! {
        dl.facts {
            dt { "Address" } dd { code { (hook.url) } }
            @if !hook.description.is_empty() { dt { "Words" } dd { (hook.description) } }
            dt { "State" } dd { (hooks::state(hook)) }
            dt { "Filter" } dd { (filter_words(&hook.filter)) }
            dt { "Order" } dd { @if hook.ordered { "each only once the one before is answered or failed" } @else { "several at once" } }
            @if let Some(compat) = hook.compat { dt { "Headers" } dd { "those of " (compat) ", too" } }
            dt { "Stands at" } dd {
                code { (hook.state.sent_to) }
                @match hook.state.behind {
                    Some(0) => { ", the head of the log" }
                    Some(behind) => { ", " (whole(behind)) " behind the head of the log" }
                    None => { ", in a log that is no more" }
                }
            }
            dt { "Waiting" } dd { (whole(hook.state.waiting)) }
            dt { "Failed" } dd { (whole(hook.state.failed)) }
            dt { "Last answered" } dd { @match hook.state.answered_at { Some(at) => (moment(at)), None => { "never" } } }
            dt { "Made" } dd { (moment(hook.created_at)) }
            @if let Some(until) = hook.old_secret_until { dt { "Old secret" } dd { "signs beside the new one; ends " (moment(until)) } }
        }
    }
}

fn actions(base: &str, hook: &Webhook) -> Markup {
    let button = |what: &str, label, confirm: &str| {
        let action = format!("{base}/{what}");
        Button {
            action: &action,
            target: "#hook",
            label,
            of: "",
            confirm,
            done: "",
        }
        .show()
    };
    html! {
        div.actions {
            (button("test", "Send a test", ""))
            @if hook.enabled {
                (button("disable", "Disable", "Disable this webhook? Nothing is lost meanwhile."))
            } @else {
                (button("enable", "Enable, from where it stood", ""))
                (button("skip", "Enable, from the next signal on", "Leave out what it missed?"))
            }
            (button("rotate", "Rotate the secret", "Rotate the secret? The old one signs beside the new one for 24 hours."))
            (button("delete", "Delete", &format!("Delete the webhook {}, with all that is known of it?", hook.url)))
        }
        h3 { "Send signals again" }
        form.fields method="post" action={ (base) "/resend" } hx-post={ (base) "/resend" } hx-target="#hook" hx-swap="outerHTML" {
            div { label for="signal_id" { "This signal" } input #signal_id name="signal_id" type="text" placeholder="its id"; }
            div { label for="after" { "or all after" } input #after name="after" type="text" placeholder="an id"; }
            div { label for="before" { "and before" } input #before name="before" type="text" placeholder="an id, or nothing"; }
            div { button #resend type="submit" { "Send again" } }
        }
    }
}

/// What came of an attempt.
#[must_use]
pub fn outcome(attempt: &WebhookAttempt) -> Markup {
    html! {
        @match (&attempt.error, attempt.status) {
            (None, Some(status)) => span.good { (status) " acknowledged" },
            (Some(error), Some(status)) if error == "status" => span.bad { (status) ", not acknowledged" },
            (Some(error), Some(status)) => span.bad { (status) ", then " (error.replace('_', " ")) },
            (Some(error), None) => span.bad { (error.replace('_', " ")) },
            (None, None) => { "" }
        }
    }
}

fn again(base: &str, id: &str, signal: &str) -> Markup {
    let action = format!("{base}/resend");
    html! {
        form method="post" action=(action) hx-post=(action) hx-target="#hook" hx-swap="outerHTML" {
            input type="hidden" name="signal_id" value=(signal);
            button.plain id=(id) type="submit" { "Send again" span.unseen { " " (signal) } }
        }
    }
}

fn attempts_table(base: &str, attempts: &[WebhookAttempt]) -> Markup {
    html! {
        div.scrolls tabindex="0" role="region" aria-label="Attempts" {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Signal" } th scope="col" { "Came to" } th.number scope="col" { "Took" }
                    th scope="col" { "Answer" } th scope="col" { "Again" }
                } }
                tbody {
                    @for attempt in attempts {
                        tr {
                            td { (moment(attempt.at)) }
                            td {
                                @match attempt.seq {
                                    Some(seq) => { a href={ "/signals/" (attempt.signal_id) } { "seq " (seq) } ", attempt " (attempt.attempt) }
                                    None => { "a test" }
                                }
                            }
                            td { (outcome(attempt)) }
                            td.number { (format!("{:.0}\u{202f}ms", attempt.latency_ms)) }
                            td { @if let Some(answer) = &attempt.answer { details { summary { "show" } pre { (answer) } } } }
                            td { @if attempt.seq.is_some() { (again(base, &format!("again-{}-{}", attempt.signal_id, attempt.at.0), &attempt.signal_id)) } }
                        }
                    }
                }
            }
        }
    }
}

fn failed_table(base: &str, messages: &[FailedMessage]) -> Markup {
    html! {
        div.scrolls tabindex="0" role="region" aria-label="Failed messages" {
            table {
                thead { tr {
                    th scope="col" { "Signal" } th.number scope="col" { "Attempts" } th scope="col" { "First sent" } th scope="col" { "Again" }
                } }
                tbody {
                    @for message in messages {
                        tr {
                            td { a href={ "/signals/" (message.signal_id) } { "seq " (message.seq) } }
                            td.number { (message.attempts) }
                            td { (moment(message.first_at)) }
                            td { (again(base, &format!("failed-{}", message.signal_id), &message.signal_id)) }
                        }
                    }
                }
            }
        }
    }
}

/// The webhook as it is now, below what has just been done: alone for htmx, and else as a page.
pub async fn show(visit: &Visit, session: &Session, id: &str, notice: &Markup) -> PageResult {
    let body = body(visit, session, id, notice).await?;
    if visit.wants_part() {
        return Ok(frame::part(&body));
    }
    let page = Page {
        title: "Webhook",
        place: Place::Account,
        scripts: &[],
        body: html! {
            p { a href="/account/webhooks" { "All webhooks" } }
            (act::refused())
            (body)
        },
    };
    Ok(page.show(visit))
}

/// `/account/webhooks/{id}`
pub async fn one(visit: Visit, id: ApiResult<WebhookPath>) -> Response {
    let shown = async {
        let session = act::enters(&visit, |plan| plan.webhooks).await?;
        let WebhookPath(WebhookId(id)) = id?;
        show(&visit, session, &id, &html! {}).await
    };
    let shown = shown.await;
    or_problem(&visit, shown).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_said_in_words() {
        let none = json!({"types": null, "min_rank": null, "min_score": null, "market": null});
        assert_eq!(filter_words(&none), "everything");
        let all = json!({"types": ["a", "b"], "min_rank": "A", "min_score": 40.5, "market": "us"});
        assert_eq!(
            filter_words(&all),
            "a, b; rank A or better; a score of 40.5 or more; market us"
        );
    }
}
