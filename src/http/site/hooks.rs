//! `/account/webhooks`: an account's webhooks, how they fare, and a form that makes one.

use axum::{body::Body, response::Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{
    act::{self, MOST_BYTES},
    figures::{moment, whole},
    frame::{self, Page, Place},
    problem::{PageResult, Problem, or_problem},
    session::Form,
    visit::{self, Session, Visit},
};
use crate::{
    gate::endpoint::EndpointBody,
    webhook::{
        secret::Secret,
        shown::{Webhook, WebhookWithSecret},
    },
};

/// What a webhook is just now: on, off and why, failing.
#[must_use]
pub fn state(hook: &Webhook) -> Markup {
    html! {
        @match (&hook.disabled, hook.state.failing_since) {
            (Some(off), _) => {
                span.bad { "disabled" }
                @match off.why {
                    "asked" => { " by its owner " }
                    "gone" => { ": it answered 410 " }
                    _ => { ": it acknowledged nothing for days " }
                }
                (moment(off.at))
            }
            (None, Some(since)) => { span.bad { "failing" } " since " (moment(since)) }
            (None, None) => span.good { "enabled" },
        }
    }
}

/// A secret, this once.
#[must_use]
pub fn secret_once(secret: &Secret) -> Markup {
    html! {
        div.card.fresh.made role="group" aria-labelledby="made-name" tabindex="-1" data-once {
            p #made-name data-says { strong { "The webhook's secret, shown this once. " } "Its messages are signed with it: verify them." }
            p { code #new-secret { (secret.reveal()) } }
            p { button type="button" data-copy="new-secret" { "Copy the secret" } }
        }
    }
}

async fn section(
    visit: &Visit,
    session: &Session,
    made: Option<&WebhookWithSecret>,
) -> Result<Markup, Problem> {
    let state_of = &visit.site.state;
    let account = &session.known.holder.account;
    let hooks = state_of.desk.list(Some(&account.id)).await?;
    let plan = state_of.plans.get(&account.plan);
    let most = plan.map_or(0, |plan| plan.webhook_endpoints);
    Ok(html! {
        section #webhooks {
            @if let Some(made) = made { (secret_once(&made.secret)) }
            @if hooks.is_empty() {
                p { "There is none yet. Each signal that passes a webhook's filter is posted to its address, signed, until it is acknowledged." }
            } @else {
                div.scrolls tabindex="0" role="region" aria-label="Webhooks" {
                    table {
                        thead { tr {
                            th scope="col" { "Address" } th scope="col" { "State" } th.number scope="col" { "Waiting" } th.number scope="col" { "Failed" }
                            th scope="col" { "Last answered" }
                        } }
                        tbody {
                            @for hook in &hooks {
                                tr {
                                    th scope="row" {
                                        a href={ "/account/webhooks/" (hook.id) } { code { (hook.url) } }
                                        @if !hook.description.is_empty() { br; span.soft { (hook.description) } }
                                    }
                                    td { (state(hook)) }
                                    td.number { (whole(hook.state.waiting)) }
                                    td.number { (whole(hook.state.failed)) }
                                    td { @match hook.state.answered_at { Some(at) => (moment(at)), None => { "never" } } }
                                }
                            }
                        }
                    }
                }
            }
            p.hint { (hooks.len()) " of " (most) " that the plan allows." }
            (form())
        }
    })
}

fn form() -> Markup {
    html! {
        h2 { "Make a webhook" }
        form.card method="post" action="/account/webhooks" hx-post="/account/webhooks" hx-target="#webhooks" hx-swap="outerHTML" {
            p { label for="url" { "Address" } input #url name="url" type="url" maxlength="2048" required placeholder="https://example.com/hook"; }
            p { label for="description" { "Words of your own" } input #description name="description" type="text" maxlength="200"; }
            div.fields {
                div {
                    label for="min_rank" { "At least rank" }
                    select #min_rank name="min_rank" {
                        option value="" { "any" }
                        @for rank in ["S", "A", "B", "C", "D"] { option value=(rank) { (rank) } }
                    }
                }
                div { label for="types" { "Signal types" } input #types name="types" type="text" placeholder="all, or a list with commas"; }
                div { label for="market" { "Market" } input #market name="market" type="text" maxlength="64" placeholder="any"; }
            }
            p.choice { input #ordered name="ordered" type="checkbox" value="true"; label for="ordered" { "In order: each signal only once the one before is answered or failed" } }
            p.choice { input #compat name="compat" type="checkbox" value="sigmate"; label for="compat" { "Sigmate's headers, too" } }
            button #make-hook type="submit" { "Make the webhook" }
            p.hint { "It begins with the next signal." }
        }
    }
}

/// What a form says, as the API's own body says it.
fn body_of(form: &Form) -> Value {
    let text = |name: &str| Some(form.get(name)).filter(|text| !text.is_empty());
    let mut filter = Map::new();
    for name in ["min_rank", "market"] {
        if let Some(text) = text(name) {
            filter.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(types) = text("types") {
        let types: Vec<&str> = types.split(',').map(str::trim).collect();
        filter.insert("types".to_owned(), json!(types));
    }
    let mut body = json!({"url": form.get("url"), "ordered": text("ordered").is_some()});
    for name in ["description", "compat"] {
        if let Some(text) = text(name) {
            body[name] = json!(text);
        }
    }
    if !filter.is_empty() {
        body["filter"] = Value::Object(filter);
    }
    body
}

async fn show(visit: &Visit, session: &Session, made: Option<&WebhookWithSecret>) -> PageResult {
    let section = section(visit, session, made).await?;
    if visit.wants_part() {
        return Ok(frame::part(&section));
    }
    let page = Page {
        title: "Webhooks",
        place: Place::Account,
        scripts: &[],
        body: html! { (act::refused()) (section) },
    };
    Ok(page.show(visit))
}

/// `/account/webhooks`
pub async fn list(visit: Visit) -> Response {
    let shown = async {
        let session = act::enters(&visit, |plan| plan.webhooks).await?;
        show(&visit, session, None).await
    };
    let shown = shown.await;
    or_problem(&visit, shown).await
}

/// `POST /account/webhooks`
pub async fn create(visit: Visit, body: Body) -> Response {
    let done = async {
        visit::check_origin(&visit.headers)?;
        let session = act::enters(&visit, |plan| plan.webhooks).await?;
        let form = Form::of(body, MOST_BYTES).await?;
        let body = EndpointBody::of_new(body_of(&form).to_string().as_bytes())?;
        let (state, account) = (&visit.site.state, &session.known.holder.account);
        let plan = state.plans.get(&account.plan);
        let most = plan.map_or(0, |plan| plan.webhook_endpoints);
        let made = state.desk.create(&account.id, most, body).await?;
        show(&visit, session, Some(&made)).await
    };
    act::answer(&visit, done.await).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_says_what_a_body_says() {
        let form = Body::from(
            "url=https%3A%2F%2Fa.example&types=a%2C+b&min_rank=A&market=&compat=sigmate&ordered=true&description=",
        );
        let form = Form::of(form, 1000).await.unwrap();
        let body = json!({"url": "https://a.example", "ordered": true, "compat": "sigmate", "filter": {"types": ["a", "b"], "min_rank": "A"}});
        assert_eq!(body_of(&form), body);
        assert!(EndpointBody::of_new(body_of(&form).to_string().as_bytes()).is_ok());
    }
}
